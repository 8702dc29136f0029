//! Who takes part in a watch: newcomers, heirs, old workers that only finish their work.

use super::Watcher;
use crate::jobs::watch::process::Process;
use crate::report::watch::{Event, EventKind};
use crate::target::{Identity, Role, Target};

/// A pid that could not be taken in is tried again after so many rounds.
const AGAIN: u64 = 30;

impl Watcher<'_, '_, '_> {
    /// Takes in who is new.
    pub(super) fn roll_call(&mut self) {
        let mut found = Vec::new();
        for following in &mut self.followings {
            let is_one = following.is_one();
            found.extend(following.pids().into_iter().map(|pid| (pid, is_one)));
        }
        let round = self.round;
        let is_there = |pid: &i32| found.iter().any(|(other, _)| other == pid);
        self.refused.retain(|pid, _| is_there(pid));
        self.unnamed.retain(|pid, _| is_there(pid) && !self.processes.contains_key(pid));
        let mut seen_draining = false;
        for (pid, is_one) in found {
            let waits = self.refused.get(&pid).is_some_and(|until| *until > round);
            // A pid that was typed means one process; who has its number later is another.
            if self.processes.contains_key(&pid) || waits || is_one && self.met.contains(&pid) {
                continue;
            }
            // Before the heirs come in, the old ones are asked whether they are on their way out.
            if !std::mem::replace(&mut seen_draining, true) {
                self.retire_draining();
            }
            self.take_in(pid, is_one);
        }
        self.newcomers.retain(|_, since| *since + 2 > round);
    }

    fn take_in(&mut self, pid: i32, is_one: bool) {
        let target = match Target::open(pid) {
            Ok(target) => target,
            Err(error) => {
                let is_gone = error.kind() == crate::error::ErrorKind::Gone;
                let again = self.refused.insert(pid, self.round + if is_gone { 1 } else { AGAIN });
                // What cannot be watched is said once; of the kernel's own threads nobody expects it.
                if !is_gone && again.is_none() && self.ever_seen {
                    self.event(Event::new(EventKind::Notice, "", pid, error.to_string()));
                }
                return;
            }
        };
        let identity = target.identity();
        if self.round > 1 && !is_one && self.bears_its_masters_title(pid, identity) {
            return;
        }
        let kind = match &identity.role {
            Some(role) => format!("{} {role}", identity.name),
            None => identity.name.clone(),
        };
        let has_peers = self.processes.values().any(|process| process.kind == kind);
        let is_worker = identity.role == Some(Role::Worker);
        // A worker that comes while all roles are taken may be an heir in a reload: one round will tell.
        if is_worker
            && has_peers
            && self.round > 1
            && !self.roster.is_vacant(&kind)
            && !self.newcomers.contains_key(&pid)
        {
            self.newcomers.insert(pid, self.round);
            return;
        }
        self.newcomers.remove(&pid);
        let given = if is_one { self.roster.name(format!("{kind} {pid}"), pid) } else { self.roster.give(&kind, pid) };
        if let Some(group) = &identity.cgroup {
            self.kernel.count(group);
        }
        let Some(process) = Process::new(target, kind.clone(), given.role.clone()) else {
            self.roster.leave(&kind, &given.role);
            return;
        };
        self.ever_seen = true;
        if is_one {
            self.met.insert(pid);
        }
        let rss = process.glance.rss;
        self.processes.insert(pid, process);
        match given.before {
            Some(before) => {
                let text = format!("takes over from pid {before}, {rss} resident");
                let event = Event::new(EventKind::Respawned, &given.role, pid, text);
                self.event(Event { replaces_pid: Some(before), rss_bytes: Some(rss), ..event });
            }
            None => {
                let event = Event::new(EventKind::Started, &given.role, pid, format!("followed, {rss} resident"));
                self.event(Event { rss_bytes: Some(rss), ..event });
            }
        }
    }

    /// Whether it is so young that it still bears the title of the master that forked it: its own part shows a moment later.
    fn bears_its_masters_title(&mut self, pid: i32, identity: &Identity) -> bool {
        let since = *self.unnamed.entry(pid).or_insert(self.round);
        identity.role == Some(Role::Master)
            && self.round < since + AGAIN
            && Target::open(identity.ppid).is_ok_and(|parent| {
                parent.identity().role == Some(Role::Master) && parent.identity().name == identity.name
            })
    }

    /// Workers that say that they are shutting down hand their role on.
    pub(super) fn retire_draining(&mut self) {
        let mut retired = Vec::new();
        for (pid, process) in &mut self.processes {
            if process.is_draining || process.target.identity().role != Some(Role::Worker) {
                continue;
            }
            process.refresh();
            if process.says_it_drains()
                && let Some((role, forgotten)) = self.roster.retire(&process.kind, &process.role)
            {
                forgotten.into_iter().for_each(|role| self.judge.forget(&role));
                let before = std::mem::replace(&mut process.role, role);
                process.is_draining = true;
                retired.push((*pid, before, process.role.clone()));
            }
        }
        for (pid, before, role) in retired {
            let text = format!("told to finish its work and end; it was {before}");
            self.event(Event::new(EventKind::Draining, &role, pid, text));
        }
    }

    /// A process that became another program begins anew.
    pub(super) fn note_exec(&mut self, pid: i32) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        if !process.seems_executed() {
            return;
        }
        let before = process.target.identity();
        let Ok(target) = Target::open(pid) else { return };
        // A thread may rename the process; where the heap is not told, only another file is another program.
        if process.standing.heap_start.is_none() && target.identity().exe == before.exe {
            process.target = target;
            return;
        }
        let text = format!("became another program: {} instead of {}", target.identity().name, before.name);
        let (kind, role) = (process.kind.clone(), process.role.clone());
        let Some(heir) = Process::new(target, kind, role.clone()) else { return };
        *process = heir;
        self.judge.forget(&role);
        self.event(Event::new(EventKind::Executed, &role, pid, text));
    }
}

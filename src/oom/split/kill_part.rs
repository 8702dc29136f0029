//! The places of a report's end in a draft: the oom-kill line, the kill lines, those who die with the victim.

use crate::oom::amount::Amount;
use crate::oom::parse::{KillLine, OomKillLine};
use crate::oom::report::{Constraint, Memcg, Selected, Victim};
use crate::oom::split::draft::Draft;

impl Draft {
    pub(super) fn oom_kill(&mut self, line: &OomKillLine<'_>, text: &str) {
        self.has_oom_kill = true;
        self.releases.since(4, 18, 0);
        self.elided |= text.ends_with('>');
        let report = &mut self.report;
        let owned = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        report.nodemask = report.nodemask.take().or(owned(line.nodemask.filter(|mask| *mask != "(null)")));
        report.cpuset = owned(line.cpuset).or(report.cpuset.take());
        report.mems_allowed = owned(line.mems_allowed).or(report.mems_allowed.take());
        // 5.0–5.2 print CONSTRAINT_NONE for a memory cgroup: `oom_memcg=` decides.
        report.constraint = match line.constraint {
            _ if line.oom_memcg.is_some() => Some(Constraint::Memcg),
            "CONSTRAINT_MEMCG" => Some(Constraint::Memcg),
            "CONSTRAINT_CPUSET" => Some(Constraint::Cpuset),
            "CONSTRAINT_MEMORY_POLICY" => Some(Constraint::Mempolicy),
            bpf if bpf.contains("BPF") => Some(Constraint::Bpf),
            "CONSTRAINT_NONE" => Some(Constraint::Global),
            _ if line.global => Some(Constraint::Global),
            _ => report.constraint,
        };
        if line.oom_memcg.is_some() || report.constraint == Some(Constraint::Memcg) {
            let memcg = report.memcg.get_or_insert_default();
            memcg.oom_memcg = owned(line.oom_memcg).or(memcg.oom_memcg.take());
            memcg.task_memcg = owned(line.task_memcg).or(memcg.task_memcg.take());
        }
        if let (Some(pid), Some(task)) = (line.pid, line.task) {
            report.selected = Some(Selected { pid, name: task.to_owned(), score: None });
            report.victim = Some(Victim { pid, name: task.to_owned(), uid: line.uid, ..Victim::default() });
        }
    }

    pub(super) fn kill(&mut self, kill: &KillLine<'_>, text: &str) {
        self.await_rest(text);
        self.note_constraint(kill);
        if !kill.done {
            self.report.selected = Some(Selected { pid: kill.pid, name: kill.name.to_owned(), score: kill.score });
            return;
        }
        let known = self.report.killed_pids.contains(&kill.pid);
        if !known {
            self.report.killed_pids.push(kill.pid);
        }
        if self.report.killed_pids.first() != Some(&kill.pid) {
            return;
        }
        let size = |key: &str| kill.sizes.iter().find(|(k, _)| *k == key).map(|(_, kib)| Amount::kib(*kib));
        let adj = kill.sizes.iter().find(|(k, _)| *k == "oom_score_adj").and_then(|(_, v)| i64::try_from(*v).ok());
        let before = self.report.victim.take().filter(|victim| victim.pid == kill.pid).unwrap_or_default();
        self.report.victim = Some(Victim {
            pid: kill.pid,
            name: kill.name.to_owned(),
            uid: kill.uid.or(before.uid),
            total_vm: size("total-vm").or(size("vsz")).or(before.total_vm),
            anon_rss: size("anon-rss").or(before.anon_rss),
            file_rss: size("file-rss").or(before.file_rss),
            shmem_rss: size("shmem-rss").or(before.shmem_rss),
            oom_score_adj: adj.or(before.oom_score_adj),
        });
    }

    fn note_constraint(&mut self, kill: &KillLine<'_>) {
        self.kill_says_memcg |= kill.memcg;
        let said = if kill.memcg {
            self.report.memcg.get_or_insert_default();
            Constraint::Memcg
        } else if kill.mempolicy {
            Constraint::Mempolicy
        } else if kill.cpuset {
            Constraint::Cpuset
        } else if kill.prefixed {
            Constraint::Global
        } else {
            return;
        };
        if kill.memcg || kill.mempolicy || kill.cpuset || self.report.constraint.is_none() {
            self.report.constraint = Some(said);
        }
    }

    pub(super) fn oom_group(&mut self, path: &str) {
        self.report.oom_group = Some(path.to_owned());
        let memcg: &mut Memcg = self.report.memcg.get_or_insert_default();
        // memory.oom.group exists in v2 only.
        memcg.version = Some(2);
    }

    pub(super) fn shares(&mut self, pid: i64) {
        const MOST: usize = 10_000;
        let pids = &mut self.report.sharing_pids;
        if pids.len() < MOST && !pids.contains(&pid) {
            pids.push(pid);
        }
    }
}

//! Which messages belong to which report. Knows that reports begin at a header or, with the head lost or rate-limited
//! away, at any later part; that two can interleave; and which dumps look alike and are none. Leaves what a message says
//! to `parse` and what a report means to `cause`.

mod draft;
mod finish;
mod kill_part;
mod memory_part;

use std::collections::VecDeque;

use crate::oom::parse::{self, Fact, KillLine};
use crate::oom::reading::{Line, Stamp};
use crate::oom::report::OomReport;
use draft::Draft;

/// Puts messages together to reports.
#[derive(Debug, Default)]
pub struct Splitter {
    /// The report that messages go to.
    current: Option<Draft>,
    /// One that began before and has not seen its kill.
    earlier: Option<Draft>,
    /// Parts of a dump whose kind is not known yet: its head is lost.
    loose: Option<Draft>,
    /// The dump at hand follows a failed allocation or SysRq-m.
    other_dump: bool,
    /// SysRq-f was pressed just before.
    manual: bool,
    balloon: bool,
    /// The kernel that booted last, in this log.
    boot: Option<String>,
    /// The last kills, to know repetitions by other programs.
    recent_kills: VecDeque<(i64, String)>,
    /// The last reports by time since boot, to know a log that holds everything twice.
    recent_reports: VecDeque<(u64, Option<i64>)>,
    done: VecDeque<OomReport>,
}

impl Splitter {
    /// Takes one message; whether it was part of a report.
    pub fn line(&mut self, line: &Line<'_>) -> bool {
        if line.text.is_empty() {
            return false;
        }
        match parse::recognise(line.text) {
            Some(Fact::Kill(mut kill)) => {
                kill.quoted |= line.foreign;
                self.kill(&kill, line)
            }
            _ if line.foreign => false,
            Some(fact) => self.fact(fact, line),
            None => {
                line.bare && self.current.as_mut().or(self.loose.as_mut()).is_some_and(|draft| draft.go_on(line.text))
            }
        }
    }

    /// What follows is far from what came before.
    pub fn gap(&mut self) {
        self.close_all();
        self.balloon = false;
        self.manual = false;
    }

    /// The log ended.
    pub fn finish(&mut self) {
        self.close_all();
    }

    /// Hands out the finished reports.
    pub fn drain(&mut self, each: &mut dyn FnMut(OomReport)) {
        while let Some(report) = self.done.pop_front() {
            each(report);
        }
    }

    /// Whether a report is still open.
    pub fn is_open(&self) -> bool {
        self.current.is_some() || self.earlier.is_some()
    }

    /// Whether a report is open that has not seen its end.
    pub fn awaits_parts(&self) -> bool {
        let awaits = |draft: &Draft| draft.awaits_kill();
        self.loose.is_some() || self.current.as_ref().is_some_and(awaits) || self.earlier.as_ref().is_some_and(awaits)
    }

    fn close_all(&mut self) {
        let loose = self.loose.take().filter(Draft::is_evident);
        for draft in self.earlier.take().into_iter().chain(self.current.take()).chain(loose) {
            self.emit(draft);
        }
        self.other_dump = false;
    }

    fn emit(&mut self, draft: Draft) {
        let report = finish::finish(draft, self.boot.as_deref());
        const REMEMBERED: usize = 16;
        if let (Some(uptime), true) = (report.when.uptime, report.invoker.is_some()) {
            // A log that holds the kernel's ring twice shows every report twice, to the microsecond.
            let identity = (uptime.to_bits(), report.victim.as_ref().map(|victim| victim.pid));
            if self.recent_reports.contains(&identity) {
                return;
            }
            self.recent_reports.push_back(identity);
            self.recent_reports.forget_oldest(REMEMBERED);
        }
        self.done.push_back(report);
    }

    /// Makes `draft` the report at hand.
    fn begin(&mut self, draft: Draft) {
        let loose = self.loose.take().filter(Draft::is_evident);
        if let Some(before) = self.current.take() {
            if let Some(earliest) = self.earlier.take() {
                self.emit(earliest);
            }
            if before.awaits_kill() && draft.has_header {
                self.earlier = Some(before);
            } else {
                self.emit(before);
            }
        }
        if let Some(loose) = loose {
            self.emit(loose);
        }
        self.current = Some(draft);
    }

    /// The report a later part belongs to: the one at hand if it can still take it, else a new one with its head lost.
    fn open(&mut self, takes: impl Fn(&Draft) -> bool, stamp: &Stamp<'_>) -> &mut Draft {
        self.other_dump = false;
        if !self.current.as_ref().is_some_and(takes) {
            let mut draft = self.loose.take().unwrap_or_default();
            draft.stamp(stamp);
            self.begin(draft);
        }
        self.current.get_or_insert_default()
    }

    fn fact(&mut self, fact: Fact<'_>, line: &Line<'_>) -> bool {
        let stamp = &line.stamp;
        match fact {
            Fact::Header { .. } => self.header(&fact, line),
            Fact::ManualOom => self.manual = true,
            Fact::Balloon => {
                self.balloon = true;
                return false;
            }
            Fact::Boot(version) => {
                self.close_all();
                self.boot = Some(version.to_owned());
            }
            Fact::NotOom => {
                self.loose = None;
                self.other_dump = !self.current.as_ref().is_some_and(Draft::awaits_memory);
            }
            Fact::Elision => {
                self.current.iter_mut().for_each(|draft| draft.elided = true);
                return false;
            }
            Fact::Kill(kill) => return self.kill(&kill, line),
            Fact::OomKill(oom_kill) => match oom_kill.pid.and_then(|pid| self.earlier_expecting(pid)) {
                Some(earlier) => earlier.oom_kill(&oom_kill, line.text),
                None => self.open(Draft::awaits_choice, stamp).oom_kill(&oom_kill, line.text),
            },
            Fact::NoKillable => {
                let draft = self.open(|draft| !draft.has_kill() && !draft.report.no_killable, stamp);
                draft.report.no_killable = true;
                draft.report.panic.printed |= line.text.contains("panic");
            }
            Fact::Panic { on_oom } => {
                let draft = self.open(|draft| !draft.has_kill(), stamp);
                draft.report.panic.printed = true;
                draft.report.panic.on_oom |= on_oom;
            }
            Fact::TaskIn { .. } => self.open(Draft::awaits_memcg, stamp).apply(fact, line.text),
            Fact::Counter { .. } => self.open(Draft::awaits_choice, stamp).apply(fact, line.text),
            Fact::TasksState | Fact::TableHeader(_) => self.open(Draft::awaits_table, stamp).apply(fact, line.text),
            Fact::OomGroup(path) => self.open(|draft| draft.report.oom_group.is_none(), stamp).oom_group(path),
            Fact::Reaped(pid) => return self.reaped(pid),
            fact => return self.detail(fact, line),
        }
        true
    }

    fn header(&mut self, fact: &Fact<'_>, line: &Line<'_>) {
        self.other_dump = false;
        let mut draft = Draft::with_header();
        draft.stamp(&line.stamp);
        draft.report.trace.sysrq = std::mem::take(&mut self.manual);
        draft.report.balloon = std::mem::take(&mut self.balloon);
        draft.apply(fact.clone(), line.text);
        // A console and a daemon that write to one file print every line twice.
        if self.current.as_ref().is_some_and(|before| before.is_only_header() && before.same_header(&draft)) {
            return;
        }
        self.begin(draft);
    }

    /// Parts that say nothing by themselves: they join a report that is open for them, or wait for its later parts.
    fn detail(&mut self, fact: Fact<'_>, line: &Line<'_>) -> bool {
        if self.other_dump && fact.is_of_memory() {
            return false;
        }
        let filler = matches!(fact, Fact::Filler);
        if let Some(draft) = self.current.as_mut().filter(|draft| draft.takes(&fact)) {
            draft.apply(fact, line.text);
            return true;
        }
        if let Some(draft) =
            self.earlier.as_mut().filter(|draft| matches!(fact, Fact::TaskRow { .. }) && draft.takes(&fact))
        {
            draft.apply(fact, line.text);
            return true;
        }
        if filler || matches!(fact, Fact::MemcgStat { .. } | Fact::Slab { .. } | Fact::Cpuset { .. }) {
            return false;
        }
        // A new stack dump: what was loose before belonged to something else.
        if matches!(fact, Fact::Cpu { .. }) {
            self.loose = None;
        }
        let loose = self.loose.get_or_insert_default();
        loose.stamp(&line.stamp);
        loose.apply(fact, line.text);
        true
    }

    fn reaped(&mut self, pid: i64) -> bool {
        let drafts = self.current.iter_mut().chain(self.earlier.iter_mut());
        let mut known = false;
        for draft in drafts.filter(|draft| draft.report.killed_pids.contains(&pid)) {
            draft.report.reaped_pids.push(pid);
            draft.report.reaped_pids.dedup();
            known = true;
        }
        known
    }

    /// The report before, where a kill of `pid` must be that one's.
    fn earlier_expecting(&mut self, pid: i64) -> Option<&mut Draft> {
        let is_currents = self.current.as_ref().is_some_and(|draft| draft.expects(pid));
        self.earlier.as_mut().filter(|draft| !is_currents && draft.expects(pid))
    }

    fn kill(&mut self, kill: &KillLine<'_>, line: &Line<'_>) -> bool {
        if kill.sharing {
            let Some(draft) = self.current.as_mut() else { return false };
            draft.shares(kill.pid);
            return true;
        }
        let repeated = self.recent_kills.iter().any(|(pid, name)| *pid == kill.pid && name == kill.name);
        if kill.quoted && repeated {
            return false;
        }
        if kill.done && !repeated {
            self.recent_kills.push_back((kill.pid, kill.name.to_owned()));
            self.recent_kills.forget_oldest(64);
        }
        if let Some(earlier) = self.earlier_expecting(kill.pid) {
            earlier.kill(kill, line.text);
            return true;
        }
        let accepted = self.current.as_ref().is_some_and(|draft| draft.accepts(kill));
        if !accepted && repeated && kill.done {
            return false;
        }
        self.open(|draft| draft.accepts(kill), &line.stamp).kill(kill, line.text);
        true
    }
}

/// Dropping the oldest.
trait ForgetOldest {
    fn forget_oldest(&mut self, length: usize);
}

impl<T> ForgetOldest for VecDeque<T> {
    fn forget_oldest(&mut self, length: usize) {
        while self.len() > length {
            self.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;

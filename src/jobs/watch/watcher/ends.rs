//! How a watched process ended: by itself, by a signal, or killed by the kernel for want of memory.

use std::time::{Duration, Instant};

use super::{Ended, Watcher};
use crate::jobs::watch::kernel::{may_be_a_kill, words};
use crate::jobs::watch::process::Process;
use crate::report::watch::{Event, EventKind, Line};
use crate::target::Ending;

/// How long the kernel's report on a kill is waited for: it is written line by line.
const PATIENCE: Duration = Duration::from_millis(2500);

impl Watcher<'_, '_, '_> {
    /// Takes note that a process ended; what it died of may show a little later.
    pub(super) fn note_end(&mut self, process: Process) {
        let pid = process.target.pid();
        self.triggers.forget(pid);
        let ending = process.target.ending().unwrap_or(Ending::Unknown);
        if let Some(role) = self.roster.leave(&process.kind, &process.role) {
            self.judge.forget(&role);
        }
        let Event { at_seconds, time, .. } = self.out.stamped(Event::new(EventKind::Exited, "", pid, String::new()));
        self.ended.push(Ended { process, ending, noticed: Instant::now(), at_seconds, time, then: Vec::new() });
    }

    /// Says of what died those who ended, as far as it is known; with `all` of everybody.
    pub(super) fn settle_ends(&mut self, all: bool) {
        let mut waiting: Vec<Ended> = Vec::new();
        for mut ended in std::mem::take(&mut self.ended) {
            // One role's ends are told in their order.
            if waiting.iter().any(|before| before.process.role == ended.process.role) {
                waiting.push(ended);
                continue;
            }
            // A process that is being torn down shows no status before its parent, or nobody, has waited for it.
            if ended.ending == Ending::Unknown {
                ended.ending = ended.process.target.ending().unwrap_or(Ending::Unknown);
            }
            let is_patient = !all && ended.noticed.elapsed() < PATIENCE && may_be_a_kill(ended.ending);
            match self.said_of(&ended, is_patient) {
                Some(event) => {
                    let event = Event { at_seconds: ended.at_seconds, time: ended.time, ..event };
                    self.out.line(&Line::Event(event), true);
                    ended.then.iter().for_each(|(line, recorded)| self.out.line(line, *recorded));
                }
                None => waiting.push(ended),
            }
        }
        self.ended = waiting;
    }

    /// The event of an end; None where the kernel may yet say more.
    fn said_of(&mut self, ended: &Ended, is_patient: bool) -> Option<Event> {
        let (process, pid) = (&ended.process, ended.process.target.pid());
        let event = |kind, text: String| {
            let event = Event::new(kind, &process.role, pid, text);
            let (exit_code, signal) = match ended.ending {
                Ending::Exited(code) => (Some(code), None),
                Ending::Killed(signal) => (None, Some(signal)),
                Ending::Unknown => (None, None),
            };
            Event { exit_code, signal, rss_bytes: Some(process.glance.rss), ..event }
        };
        if !may_be_a_kill(ended.ending) {
            return Some(event(EventKind::Exited, format!("{} at {}", words(ended.ending), process.glance.rss)));
        }
        let group = process.target.identity().cgroup.clone();
        if let Some((report, value)) = self.kernel.report_on(pid, &process.standing.name, process.taken_in) {
            // The counter tells of the same kill.
            let _ = group.is_some_and(|group| self.kernel.is_counted(&group));
            let text = format!("killed by the kernel at {}: {}", process.glance.rss, report.cause.summary);
            return Some(Event { oom: Some(value), ..event(EventKind::OomKilled, text) });
        }
        if is_patient {
            return None;
        }
        if let Some(group) = group.filter(|group| self.kernel.is_counted(group)) {
            let text = format!("killed by the kernel at {}: the counter of cgroup {group} says so", process.glance.rss);
            return Some(event(EventKind::OomKilled, text));
        }
        Some(event(EventKind::Exited, format!("{} at {}", words(ended.ending), process.glance.rss)))
    }
}

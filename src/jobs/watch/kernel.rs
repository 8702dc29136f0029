//! What the kernel says of kills while one watches: its log, followed on a thread of its own, and the counters of
//! cgroups. Knows which of them names a process; the report itself is `oom`'s.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;

use crate::jobs::oom::followed;
use crate::oom::OomReport;
use crate::report::oom_model::OomReportModel;
use crate::target::{Ending, oom_kills};

/// Reports kept for processes whose end is not noticed yet.
const KEPT: usize = 64;

/// The kernel's word on kills.
pub struct Kernel {
    reports: Receiver<OomReport>,
    heard: Vec<OomReport>,
    /// Kills that each cgroup had counted and that are accounted for.
    counted: HashMap<String, u64>,
    stop: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
    /// Whether the log is heard.
    pub is_heard: bool,
}

impl Kernel {
    /// Listens from now on. Where the log may not be read the counters alone tell.
    pub fn listen() -> Kernel {
        let (sender, reports) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let log = followed();
        let is_heard = log.is_ok();
        let listener = log.ok().map(|mut log| {
            std::thread::spawn(move || {
                // A log that ends or fails leaves the counters.
                let _ = log.follow(&mut || asked.load(Ordering::Relaxed), &mut |report| sender.send(report).is_ok());
            })
        });
        Kernel { reports, heard: Vec::new(), counted: HashMap::new(), stop, listener, is_heard }
    }

    /// Begins to count the kills of a cgroup.
    pub fn count(&mut self, group: &str) {
        if !self.counted.contains_key(group)
            && let Some(count) = oom_kills(group)
        {
            self.counted.insert(group.to_owned(), count);
        }
    }

    /// Forgets groups of which nobody is watched.
    pub fn keep(&mut self, is_watched: impl Fn(&str) -> bool) {
        self.counted.retain(|group, _| is_watched(group));
    }

    /// The kernel's report on the kill of `pid`, as `leakscope oom` has it, where it was heard.
    pub fn report_on(&mut self, pid: i32) -> Option<(OomReport, serde_json::Value)> {
        self.heard.extend(self.reports.try_iter());
        let excess = self.heard.len().saturating_sub(KEPT);
        self.heard.drain(..excess);
        let names = |report: &OomReport| report.killed_pids.contains(&i64::from(pid));
        let report = self.heard.iter().position(names).map(|index| self.heard[index].clone())?;
        let value = serde_json::to_value(OomReportModel::joined(&report, None)).ok()?;
        Some((report, value))
    }

    /// Whether the counter of `group` tells of a kill that nobody was found for yet; it is accounted for by this.
    pub fn is_counted(&mut self, group: &str) -> bool {
        let (Some(counted), Some(now)) = (self.counted.get_mut(group), oom_kills(group)) else { return false };
        let more = now > *counted;
        *counted += u64::from(more);
        more
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(listener) = self.listener.take() {
            // It naps a tenth of a second at most.
            let _ = listener.join();
        }
    }
}

/// Whether an end may be a kill for want of memory: those come as SIGKILL.
pub fn may_be_a_kill(ending: Ending) -> bool {
    matches!(ending, Ending::Killed(9) | Ending::Unknown)
}

/// An end in words.
pub fn words(ending: Ending) -> String {
    match ending {
        Ending::Exited(code) => format!("exited with code {code}"),
        Ending::Killed(signal) => match nix::sys::signal::Signal::try_from(signal) {
            Ok(name) => format!("killed by signal {signal} ({name})"),
            Err(_) => format!("killed by signal {signal}"),
        },
        Ending::Unknown => "ended, and nobody tells how".into(),
    }
}

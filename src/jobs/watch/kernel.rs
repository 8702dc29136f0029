//! What the kernel says of kills while one watches: its log, followed on a thread of its own, and the counters of
//! cgroups. Knows which of them names a process; the report itself is `oom`'s.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Instant;

use crate::jobs::oom::followed;
use crate::oom::OomReport;
use crate::report::oom_model::OomReportModel;
use crate::target::{Ending, oom_kills};

/// Reports kept for processes whose end is not noticed yet.
const KEPT: usize = 64;

/// The kernel's word on kills.
pub struct Kernel {
    reports: Receiver<OomReport>,
    heard: Vec<(Instant, OomReport)>,
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

    /// Takes in what the log said since.
    pub fn hear(&mut self) {
        let now = Instant::now();
        self.heard.extend(self.reports.try_iter().map(|report| (now, report)));
        let excess = self.heard.len().saturating_sub(KEPT);
        self.heard.drain(..excess);
    }

    /// The kernel's report on the kill of `pid`, as `leakscope oom` has it, where one was heard since the process was taken
    /// in. It is used up by that: the number may come back as another's.
    pub fn report_on(&mut self, pid: i32, name: &str, since: Instant) -> Option<(OomReport, serde_json::Value)> {
        self.hear();
        let (_, report) = self.heard.iter_mut().find(|(at, report)| *at >= since && names(report, pid, name))?;
        let found = report.clone();
        report.killed_pids.retain(|killed| *killed != i64::from(pid));
        let value = serde_json::to_value(OomReportModel::joined(&found, None)).ok()?;
        Some((found, value))
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

/// Whether `report` tells of the kill of `pid`. The log counts pids from the machine's root: seen from within a container the
/// same number is another process, of another name as a rule.
fn names(report: &OomReport, pid: i32, name: &str) -> bool {
    let pid = i64::from(pid);
    // The log writes odd bytes in its own way.
    let is_plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let victim = report.victim.as_ref().filter(|victim| victim.pid == pid);
    let other = victim.is_some_and(|victim| is_plain(name) && is_plain(&victim.name) && victim.name != name);
    report.killed_pids.contains(&pid) && !other
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

#[cfg(test)]
mod tests {
    use super::*;

    fn deaf() -> Kernel {
        let (_, reports) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        Kernel { reports, heard: Vec::new(), counted: HashMap::new(), stop, listener: None, is_heard: false }
    }

    fn report(pid: i64, name: &str) -> OomReport {
        let mut splitter = crate::oom::Splitter::default();
        let mut found = Vec::new();
        for line in [
            "php-fpm invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0".to_owned(),
            format!(
                "Memory cgroup out of memory: Killed process {pid} ({name}) total-vm:9kB, anon-rss:8kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:4kB oom_score_adj:0"
            ),
        ] {
            crate::oom::Undresser::default().undress(line.as_bytes(), &mut |line| {
                splitter.line(line);
            });
        }
        splitter.finish();
        splitter.drain(&mut |report| found.push(report));
        found.pop().unwrap()
    }

    #[test]
    fn a_report_names_one_process_once() {
        let mut kernel = deaf();
        let before = Instant::now();
        kernel.heard.push((before, report(7, "worker")));
        let later = before + std::time::Duration::from_secs(1);
        assert!(kernel.report_on(7, "worker", later).is_none(), "it was told before this process came");
        assert!(kernel.report_on(8, "worker", before).is_none());
        assert!(kernel.report_on(7, "other", before).is_none(), "a container's pid 7 is another one");
        assert!(kernel.report_on(7, "worker", before).is_some());
        assert!(kernel.report_on(7, "worker", before).is_none(), "an heir of the same number was not killed by that");
        kernel.heard.push((before, report(9, "odd\\x1b")));
        assert!(kernel.report_on(9, "odd\u{1b}", before).is_some());
    }
}

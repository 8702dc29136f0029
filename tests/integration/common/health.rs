//! What is seen of a process from outside, to compare before and after: nobody traces it, it runs or is stopped as before,
//! it has no further child, the same signal handling and descriptors, and reading has not grown it.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use super::wait_until;

/// A process seen from outside at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// `running`, `stopped`, `traced`, `zombie`, or the letter of another state.
    pub state: &'static str,
    /// Pid of a tracer, 0 for none, of the process and of its threads.
    pub tracers: BTreeSet<i32>,
    /// Pids whose parent it is, zombies among them.
    pub children: BTreeSet<i32>,
    /// Blocked, ignored and caught signals.
    pub signals: Vec<String>,
    /// Open descriptors.
    pub descriptors: usize,
    /// Lines of maps.
    pub mappings: usize,
    /// Threads.
    pub threads: usize,
    /// Resident KiB from smaps_rollup.
    pub rss_kib: u64,
    /// Of these anonymous.
    pub anonymous_kib: u64,
    /// Page tables in KiB.
    pub page_tables_kib: u64,
}

impl Health {
    /// How `pid` is; None when there is no such process or it is not ours to look at.
    pub fn of(pid: i32) -> Option<Health> {
        let status = read(pid, "status")?;
        let rollup = read(pid, "smaps_rollup").unwrap_or_default();
        let tasks: Vec<String> = entries(&format!("/proc/{pid}/task"));
        let tracer = |task: &String| read(pid, &format!("task/{task}/status")).map(|text| number(&text, "TracerPid:"));
        Some(Health {
            state: state(&status),
            tracers: tasks.iter().filter_map(tracer).map(|tracer| tracer as i32).collect(),
            children: children(pid),
            signals: ["SigBlk:", "SigIgn:", "SigCgt:"].iter().map(|key| value(&status, key)).collect(),
            descriptors: entries(&format!("/proc/{pid}/fd")).len(),
            mappings: read(pid, "maps")?.lines().count(),
            threads: tasks.len(),
            rss_kib: number(&rollup, "Rss:"),
            anonymous_kib: number(&rollup, "Anonymous:"),
            page_tables_kib: number(&status, "VmPTE:"),
        })
    }

    /// What has changed to the worse since `before`, one line each. Of a process that does work of its own, memory,
    /// threads and descriptors are its own affair.
    pub fn harm_since(&self, before: &Health, works: bool) -> Vec<String> {
        let mut harm = Vec::new();
        let mut differ = |what: &str, was: String, is: String| {
            if was != is {
                harm.push(format!("{what}: was {was}, is {is}"));
            }
        };
        differ("state", before.state.into(), self.state.into());
        differ("tracers", format!("{:?}", before.tracers), format!("{:?}", self.tracers));
        differ("signals", format!("{:?}", before.signals), format!("{:?}", self.signals));
        if works {
            return harm;
        }
        differ("children", format!("{:?}", before.children), format!("{:?}", self.children));
        differ("descriptors", before.descriptors.to_string(), self.descriptors.to_string());
        differ("mappings", before.mappings.to_string(), self.mappings.to_string());
        differ("threads", before.threads.to_string(), self.threads.to_string());
        // A page of its own stack may come in as it answers its commands or is led to a call, and where that is the first
        // one below a border of 2 MiB, a page table with it.
        let came_in = self.anonymous_kib > before.anonymous_kib && self.page_tables_kib == before.page_tables_kib + 4;
        if !came_in {
            differ("page table KiB", before.page_tables_kib.to_string(), self.page_tables_kib.to_string());
        }
        if self.anonymous_kib > before.anonymous_kib + 64 {
            harm.push(format!("anonymous: was {} KiB, is {} KiB", before.anonymous_kib, self.anonymous_kib));
        }
        // File pages of its own program may come in as it answers its commands.
        if self.rss_kib > before.rss_kib + 256 {
            harm.push(format!("RSS: was {} KiB, is {} KiB", before.rss_kib, self.rss_kib));
        }
        harm
    }

    /// Panics with every harm done to `pid` since `before`. What needs a moment to settle is looked at again.
    #[track_caller]
    pub fn assert_unharmed(pid: i32, before: &Health, works: bool) {
        let mut harm = vec!["it is gone".to_owned()];
        wait_until(Duration::from_millis(500), || {
            if let Some(after) = Health::of(pid) {
                harm = after.harm_since(before, works);
            }
            harm.is_empty()
        });
        assert!(harm.is_empty(), "pid {pid} was harmed: {}", harm.join("; "));
    }
}

fn read(pid: i32, name: &str) -> Option<String> {
    fs::read(format!("/proc/{pid}/{name}")).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn entries(folder: &str) -> Vec<String> {
    let list = fs::read_dir(folder).into_iter().flatten().flatten();
    list.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn value(text: &str, key: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.unwrap_or_default().trim().to_owned()
}

fn number(text: &str, key: &str) -> u64 {
    value(text, key).split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

fn state(status: &str) -> &'static str {
    match value(status, "State:").chars().next() {
        Some('R' | 'S' | 'D' | 'I') => "running",
        Some('T') => "stopped",
        Some('t') => "traced",
        Some('Z' | 'X') => "zombie",
        _ => "unknown",
    }
}

/// The pids whose parent is `pid`, by a walk over all: the `children` file is a kernel option.
fn children(pid: i32) -> BTreeSet<i32> {
    let pids = entries("/proc").into_iter().filter_map(|name| name.parse::<i32>().ok());
    pids.filter(|child| read(*child, "status").is_some_and(|text| number(&text, "PPid:") == pid as u64)).collect()
}

//! The memory cgroup part of a report, v1 and v2.

use crate::oom::amount::Amount;
use crate::oom::parse::fact::Fact;
use crate::oom::parse::fields::{number, number_after, pairs, word};
use crate::oom::report::Counter;

/// Any line of it.
pub(super) fn line(text: &str) -> Option<Fact<'_>> {
    task_in(text).or_else(|| counter(text)).or_else(|| stats(text)).or_else(|| stat(text))
}

/// `Task in %s killed as a result of limit of %s` (2.6.30–4.20), put together by pr_cont from 3.16 on, so that another
/// message can split it after `Task in …`.
fn task_in(text: &str) -> Option<Fact<'_>> {
    const KILLED: &str = "killed as a result of limit of";
    let (head, limit) = match text.find(KILLED) {
        Some(at) => (text[..at].trim(), Some(text[at + KILLED.len()..].trim()).filter(|limit| !limit.is_empty())),
        None => (text, None),
    };
    if let Some(task) = head.strip_prefix("Task in") {
        let task = Some(task.trim()).filter(|task| !task.is_empty());
        return Some(Fact::TaskIn { task_memcg: task, oom_memcg: limit });
    }
    if let Some(group) = text.strip_prefix("Memory limit reached of cgroup ") {
        return Some(Fact::TaskIn { task_memcg: None, oom_memcg: Some(group.trim()) });
    }
    limit.filter(|_| head.is_empty()).map(|limit| Fact::TaskIn { task_memcg: None, oom_memcg: Some(limit) })
}

/// `memory: usage %llukB, limit %llukB, failcnt %llu`.
fn counter(text: &str) -> Option<Fact<'_>> {
    let at = text.find(": usage ")?;
    let of = ["memory+swap", "memory", "swap", "kmem", "tcpmem"].into_iter().find(|name| text[..at].ends_with(name))?;
    let usage = number_after(&text[at..], "usage")?;
    let limit = number_after(&text[at..], "limit")?;
    let failcnt = number_after(&text[at..], "failcnt").and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
    let counter = Counter { usage: Amount::kib(usage), limit: Amount::kib(limit), failcnt };
    Some(Fact::Counter { of, counter })
}

/// `Memory cgroup stats for %s: cache:%ldKB rss:%ldKB …` (3.9–5.2); afterwards one field per line follows.
fn stats(text: &str) -> Option<Fact<'_>> {
    let rest = text.strip_prefix("Memory cgroup stats")?.trim_start_matches(" for ");
    let end = rest.find(": ").or_else(|| rest.rfind(':')).unwrap_or(rest.len());
    let path = rest[..end].trim();
    let values = pairs(&rest[end..]).filter_map(|pair| Some((stat_key(pair.key)?, pair.value))).take(64).collect();
    Some(Fact::MemcgStats { path, stats: values })
}

/// `anon 103567360`: a known key, a number, nothing else.
fn stat(text: &str) -> Option<Fact<'_>> {
    let (name, rest) = word(text);
    let key = stat_key(name)?;
    let (bytes, after) = number(rest)?;
    after.trim().is_empty().then_some(Fact::MemcgStat { key, bytes })
}

/// The statistics that are kept: those a cause can rest on.
fn stat_key(name: &str) -> Option<&'static str> {
    const KEYS: [&str; 24] = [
        "anon",
        "file",
        "kernel",
        "kernel_stack",
        "pagetables",
        "percpu",
        "sock",
        "shmem",
        "file_mapped",
        "file_dirty",
        "file_writeback",
        "inactive_anon",
        "active_anon",
        "inactive_file",
        "active_file",
        "unevictable",
        "slab_reclaimable",
        "slab_unreclaimable",
        "slab",
        "cache",
        "rss",
        "rss_huge",
        "swap",
        "writeback",
    ];
    KEYS.into_iter().find(|key| *key == name)
}

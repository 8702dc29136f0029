//! The end of a report: the oom-kill line, the kill lines, the reaper, panics.

use crate::oom::parse::fact::{Fact, KillLine, OomKillLine};
use crate::oom::parse::fields::{pairs, small};

/// Any line of the end.
pub(super) fn line(text: &str) -> Option<Fact<'_>> {
    if let Some(rest) = text.strip_prefix("oom-kill:") {
        return Some(Fact::OomKill(oom_kill(rest)));
    }
    if let Some(fact) = panic(text) {
        return Some(fact);
    }
    if let Some(kill) = kill(text) {
        return Some(Fact::Kill(kill));
    }
    if let Some(rest) = text.strip_prefix("Tasks in ")
        && let Some(end) = rest.find(" are going to be killed")
    {
        return Some(Fact::OomGroup(&rest[..end]));
    }
    let reaper = text.strip_prefix("oom_reaper: ")?;
    let pid = reaper.strip_prefix("reaped process ").and_then(small).map(|(pid, _)| pid);
    Some(pid.map_or(Fact::Filler, Fact::Reaped))
}

fn panic(text: &str) -> Option<Fact<'_>> {
    if text.contains("no killable process") {
        return Some(Fact::NoKillable);
    }
    // 2.6.18 “out of memory. panic_on_oom is selected”, 2.6.36 “Out of memory: system-wide panic_on_oom is enabled”.
    if text.contains("panic_on_oom is ") {
        return Some(Fact::Panic { on_oom: true });
    }
    if text.contains("deadlocked on memory") {
        return Some(Fact::Panic { on_oom: false });
    }
    None
}

/// `%s: Kill process %d (%s) score %d or sacrifice child` and `Killed process %d[, UID %d,] (%s) total-vm:%lukB, …`.
fn kill(text: &str) -> Option<KillLine<'_>> {
    let (at, done) = find_kill(text)?;
    let before = text[..at].trim_end();
    let rest = text[at..].find("rocess ").map(|n| text[at + n + "rocess ".len()..].trim_start())?;
    let (pid, rest) = small(rest)?;
    // RHEL 5 and 6 print the user between pid and name.
    let (uid, rest) = match rest.trim_start_matches([',', ' ']).strip_prefix("UID ") {
        Some(after) => small(after).map(|(uid, rest)| (Some(uid), rest))?,
        None => (None, rest),
    };
    let open = rest.find('(').filter(|open| rest[..*open].trim_matches([' ', ',']).is_empty())? + 1;
    let close = open + name_end(&rest[open..])?;
    let tail = &rest[close..];
    let memcg = before.contains("emory cgroup out of memory");
    let known = memcg || before.is_empty() || before.ends_with(':') || before.ends_with("Message");
    let score = tail.find(" score ").and_then(|n| small(&tail[n + " score ".len()..])).map(|(score, _)| score);
    let sizes: Vec<(&str, i128)> = pairs(tail).map(|pair| (pair.key, pair.value)).take(12).collect();
    let of_sizes = |key: &str| sizes.iter().find(|(k, _)| *k == key).and_then(|(_, v)| i64::try_from(*v).ok());
    Some(KillLine {
        done,
        pid,
        name: &rest[open..close],
        score,
        uid: uid.or_else(|| of_sizes("UID")),
        memcg,
        mempolicy: before.contains("MPOL_BIND"),
        cpuset: before.contains("No available memory in cpuset"),
        prefixed: !before.is_empty(),
        sharing: tail.contains("sharing same memory"),
        quoted: !known || !starts_like_a_kill(before),
        sizes,
    })
}

fn find_kill(text: &str) -> Option<(usize, bool)> {
    let at = text.find("rocess ")?;
    let before = &text[..at];
    for (words, done) in [("Killed p", true), ("Kill p", false), ("kill p", false)] {
        if before.ends_with(words) {
            return Some((at - words.len(), done));
        }
    }
    // “process” can occur earlier in a message that quotes the kernel's.
    for (words, done) in [("Killed process ", true), ("Kill process ", false)] {
        if let Some(at) = text.find(words) {
            return Some((at, done));
        }
    }
    None
}

/// Where the name ends: at the last `)` before what the kernel prints next, since a name may hold brackets itself.
fn name_end(text: &str) -> Option<usize> {
    let marks = [") total-vm:", ") vsz:", ") score ", ") sharing same memory", "), adj", "),"];
    marks.iter().filter_map(|mark| text.find(mark)).min().or_else(|| text.rfind(')')).or_else(|| text.find(')'))
}

fn starts_like_a_kill(before: &str) -> bool {
    let starts = ["Out of memory", "Out of Memory", "Memory cgroup out of memory", "No available memory"];
    before.is_empty() || starts.iter().any(|start| before.starts_with(start))
}

/// Split by its known keys: node lists, paths and names may hold commas.
fn oom_kill(rest: &str) -> OomKillLine<'_> {
    let mut line = OomKillLine { constraint: value(rest, "constraint=").unwrap_or(""), ..OomKillLine::default() };
    line.nodemask = value(rest, ",nodemask=");
    line.cpuset = value(rest, ",cpuset=");
    line.mems_allowed = value(rest, ",mems_allowed=");
    line.oom_memcg = value(rest, ",oom_memcg=");
    line.global = rest.contains(",global_oom");
    line.task_memcg = value(rest, ",task_memcg=");
    line.task = value(rest, ",task=");
    line.pid = last_number(rest, ",pid=");
    line.uid = last_number(rest, ",uid=");
    line
}

fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    const ENDS: [&str; 9] = [
        ",nodemask=",
        ",cpuset=",
        ",mems_allowed=",
        ",oom_memcg=",
        ",global_oom",
        ",task_memcg=",
        ",task=",
        ",pid=",
        ",uid=",
    ];
    let from = text.find(key)? + key.len();
    let rest = &text[from..];
    let end = ENDS.iter().filter_map(|mark| rest.find(mark)).min().unwrap_or(rest.len());
    Some(rest[..end].trim())
}

fn last_number(text: &str, key: &str) -> Option<i64> {
    let at = text.rfind(key)? + key.len();
    small(&text[at..]).map(|(value, _)| value)
}

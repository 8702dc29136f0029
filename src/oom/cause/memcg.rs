//! Verdicts on memory cgroups: which limit is reached, by whom, and what in the group is not a process's.

use crate::oom::amount::Amount;
use crate::oom::cause::{Cause, CauseKind, View};
use crate::oom::report::{Constraint, Counter, Memcg, OomReport, Task};
use crate::units::ByteCount;

/// A charge that failed is not in the usage, and up to 64 pages per CPU are charged ahead.
const SLACK: i128 = 4 << 20;

fn is_reached(counter: &Counter) -> bool {
    let slack = SLACK.min(counter.limit.0 / 64);
    is_a_limit(counter.limit) && counter.usage.0 >= counter.limit.0 - slack
}

fn is_a_limit(limit: Amount) -> bool {
    limit_of(limit).is_some()
}

/// A limit, where the printed number is one: no limit prints as one of several huge numbers, the smallest of them on
/// 32 bit: 8589934588 kB.
pub fn limit_of(limit: Amount) -> Option<ByteCount> {
    limit.plausible().filter(|limit| limit.0 < 8_589_934_588 << 10)
}

fn memcg<'v>(view: &View<'v>) -> Option<&'v Memcg> {
    (view.report.constraint == Some(Constraint::Memcg)).then_some(())?;
    view.report.memcg.as_ref()
}

/// `usage 18446744073709537436kB`: the counter went below zero, so every charge fails.
pub(super) fn wrapped_counter(view: &View<'_>) -> Option<Cause> {
    let memory = memcg(view)?.memory.filter(|memory| memory.usage.is_wrapped())?;
    let text = format!(
        "The usage counter of the memory cgroup went below zero (printed as {} kB), so every charge fails whatever is \
         used: a kernel bug in the accounting, not a process's doing.",
        memory.usage.0 / 1024
    );
    Some(Cause::new(CauseKind::KernelBug, text))
}

pub(super) fn swap_limit(view: &View<'_>) -> Option<Cause> {
    let memcg = memcg(view)?;
    let both = memcg.memory_swap.filter(is_reached)?;
    let memory_reached = memcg.memory.as_ref().is_some_and(is_reached);
    // Without the memory counter nobody knows which of the two was reached first.
    (!memory_reached && memcg.memory.is_some()).then_some(())?;
    let memory = memcg.memory.map_or(String::new(), |memory| format!(", memory alone {}", memory.usage.or_zero()));
    let text = format!(
        "{} reached its limit of {} on memory and swap together{memory}; {}.",
        group_words(memcg),
        both.limit.or_zero(),
        who(view.report)
    );
    let mut cause = Cause::new(CauseKind::MemcgSwapLimit, text);
    cause.evidence.push(counter_words("memory+swap", &both));
    Some(cause)
}

pub(super) fn limit(view: &View<'_>) -> Option<Cause> {
    let memcg = memcg(view)?;
    let report = view.report;
    let kernel_reached =
        memcg.kernel.filter(|kernel| is_reached(kernel) && !memcg.memory.as_ref().is_some_and(is_reached));
    let amount = match (kernel_reached, memcg.memory) {
        (Some(kernel), _) => format!("its limit of {} on kernel memory", kernel.limit.or_zero()),
        (None, Some(memory)) if is_a_limit(memory.limit) => format!("its limit of {}", memory.limit.or_zero()),
        _ => "its memory limit".to_owned(),
    };
    let mut text = format!("{} reached {amount}: {}", group_words(memcg), who(report));
    if let Some(parent) = parent_words(memcg) {
        text += &format!("; {parent}");
    } else if let Some(other) = not_a_process(report, memcg) {
        text += &format!("; {other}");
    }
    text += "; the machine itself need not be short of memory.";
    let mut cause = Cause::new(CauseKind::MemcgLimit, text);
    for (name, counter) in [("memory", memcg.memory), ("memory+swap", memcg.memory_swap), ("swap", memcg.swap)] {
        cause.evidence.extend(counter.filter(|counter| is_a_limit(counter.limit)).map(|c| counter_words(name, &c)));
    }
    if let (Some(memory), false) = (memcg.memory, report.tasks.is_empty()) {
        let resident: ByteCount = report.tasks.iter().map(|task| task.rss.or_zero()).sum();
        let usage = memory.usage.or_zero();
        let text = match report.tasks.len() {
            1 => format!("the one listed process has {resident} resident of the {usage} charged"),
            listed => format!("the {listed} listed processes have {resident} resident of the {usage} charged"),
        };
        cause.evidence.push(text);
    }
    Some(cause)
}

fn counter_words(name: &str, counter: &Counter) -> String {
    let (usage, limit) = (counter.usage.or_zero(), counter.limit.or_zero());
    format!("{name}: {usage} of {limit} used, {} charges failed", counter.failcnt)
}

fn group_words(memcg: &Memcg) -> String {
    match memcg.oom_memcg.as_deref() {
        Some("/") | None => "A memory cgroup".to_owned(),
        Some(path) => format!("Memory cgroup {}", short_path(path)),
    }
}

/// The end of a long path, which names the container.
fn short_path(path: &str) -> String {
    const LONGEST: usize = 60;
    let count = path.chars().count();
    if count <= LONGEST {
        return path.to_owned();
    }
    let tail: String = path.chars().skip(count - LONGEST).collect();
    format!("…{tail}")
}

fn who(report: &OomReport) -> String {
    let Some(victim) = &report.victim else {
        return match report.tasks.first() {
            Some(largest) => format!("the largest process in it is {} (pid {})", largest.name, largest.pid),
            None => "who filled it is not in this text".to_owned(),
        };
    };
    let row = report.tasks.iter().find(|task| task.pid == victim.pid);
    let resident = victim.rss().or_else(|| row.map(|row| row.rss.or_zero()));
    let swapped = row.and_then(|row| row.swap).map_or(ByteCount::ZERO, Amount::or_zero);
    let mut text = format!("{} (pid {}) was killed", victim.name, victim.pid);
    if let Some(resident) = resident {
        text += &format!(" with {resident} resident");
    }
    if swapped > ByteCount::ZERO {
        text += &format!(" and {swapped} swapped out");
    }
    let largest = report
        .tasks
        .first()
        .filter(|largest| largest.pid != victim.pid && largest.used() > Task::used(row.unwrap_or(largest)));
    if let Some(largest) = largest {
        text += &format!(", though {} (pid {}) uses more, {}", largest.name, largest.pid, largest.used());
    }
    text
}

/// A group above the victim's own is full: a pod's or a node's limit, not the container's.
fn parent_words(memcg: &Memcg) -> Option<String> {
    let (full, own) = (memcg.oom_memcg.as_deref()?, memcg.task_memcg.as_deref()?);
    let below = own.starts_with(full) && own.len() > full.len();
    below
        .then(|| format!("it is the limit of a group above the victim's own ({}), shared with others", short_path(own)))
}

/// What fills a group and dies with no process.
fn not_a_process(report: &OomReport, memcg: &Memcg) -> Option<String> {
    let usage = memcg.memory?.usage.plausible()?;
    let stat = |key: &str| memcg.stat(key).map_or(ByteCount::ZERO, Amount::or_zero);
    let shmem = stat("shmem");
    let slab = stat("slab").max(stat("slab_unreclaimable") + stat("slab_reclaimable"));
    let resident: ByteCount = report.tasks.iter().map(|task| task.rss.or_zero()).sum();
    if shmem.share_of(usage) > 0.4 {
        return Some(format!("{shmem} of it are tmpfs or shared memory, which no kill frees"));
    }
    if slab.share_of(usage) > 0.4 {
        return Some(format!("{slab} of it are kernel memory (slab), which no kill frees"));
    }
    let unexplained = !report.tasks.is_empty() && resident.share_of(usage) < 0.3;
    unexplained.then(|| {
        format!("its processes explain only {resident} of {usage}: look for tmpfs files, page cache or kernel memory")
    })
}

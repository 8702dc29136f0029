//! Verdicts on processes: one that ate the machine, many that did together, or nobody in particular. And the remarks every
//! verdict needs: that the invoker is not accused, whether the table explains the usage, why just this victim.

use std::collections::HashMap;

use crate::oom::cause::holders::no_killable_cause;
use crate::oom::cause::{Cause, CauseKind, View};
use crate::oom::report::{Outcome, Task};
use crate::units::ByteCount;

/// From this share of RAM and swap on, one process is called the one that ate the machine.
const ONE: f64 = 0.4;
/// Below this share nobody stands out.
const SMALL: f64 = 0.2;

/// The machine is full, and processes hold it.
pub(super) fn exhausted(view: &View<'_>) -> Option<Cause> {
    if view.report.outcome == Outcome::NoKillable {
        return view.usable.map(|_| no_killable_cause(view));
    }
    let Some(pool) = view.pool() else { return from_score(view) };
    let largest = largest(view);
    if let Some(cause) = largest.as_ref().and_then(|largest| one_process(view, pool, largest)) {
        return Some(cause);
    }
    let by_processes = view.anonymous.max(resident(view)) + used_swap(view);
    let share = by_processes.share_of(pool);
    if share < 0.4 {
        return from_reserves(view, pool);
    }
    let small = |largest: &&Largest| largest.is_maximum && largest.bytes.share_of(pool) < SMALL;
    if let Some(largest) = largest.as_ref().filter(small) {
        return Some(many(view, pool, largest));
    }
    let who = match &largest {
        Some(largest) => format!("the largest known is {} with {}", largest.words(), largest.bytes),
        None => "which ones is not in this text".to_owned(),
    };
    let text = format!(
        "RAM is used up by processes ({by_processes} of {pool} RAM and swap{}); {who}: use less or give the machine more.",
        view.swap_words()
    );
    let kind = match (view.report.tasks.is_empty(), view.swap_total) {
        (true, ByteCount::ZERO) if view.report.memory.swap_total.is_some() => CauseKind::NoSwap,
        (true, _) if view.swap_is_full() => CauseKind::SwapFull,
        _ => CauseKind::GlobalExhausted,
    };
    Some(Cause::new(kind, text))
}

/// The largest process that is known.
struct Largest {
    name: String,
    pid: i64,
    bytes: ByteCount,
    /// The killer's rule or a whole table says that nobody is larger.
    is_maximum: bool,
}

impl Largest {
    fn words(&self) -> String {
        format!("{} (pid {})", self.name, self.pid)
    }
}

fn largest(view: &View<'_>) -> Option<Largest> {
    let report = view.report;
    let victim = report.victim.as_ref().and_then(|victim| {
        let row = report.tasks.iter().find(|task| task.pid == victim.pid);
        let bytes = row.map(Task::used).into_iter().chain(victim.rss()).max()?;
        // A printed score says that the victim had the most points of all.
        let is_maximum = report.selected.as_ref().is_some_and(|s| s.score.is_some());
        Some(Largest { name: victim.name.clone(), pid: victim.pid, bytes, is_maximum })
    });
    // A table that nothing follows may be cut.
    let whole_table = report.tasks_left_out == 0 && report.outcome != Outcome::NoneVisible;
    let row = report.tasks.first().map(|task| Largest {
        name: task.name.clone(),
        pid: task.pid,
        bytes: task.used(),
        is_maximum: whole_table,
    });
    match (victim, row) {
        (Some(victim), Some(row)) if victim.bytes >= row.bytes => Some(Largest { is_maximum: true, ..victim }),
        (_, Some(row)) => Some(row),
        (victim, None) => victim,
    }
}

fn one_process(view: &View<'_>, pool: ByteCount, largest: &Largest) -> Option<Cause> {
    let share = largest.bytes.share_of(pool);
    let of_all = largest.bytes.share_of(view.used_by_tasks.max(largest.bytes));
    let second = view.report.tasks.iter().find(|task| task.pid != largest.pid).map_or(ByteCount::ZERO, Task::used);
    let stands_out = share >= 0.25 && of_all >= 0.6 && second.0.saturating_mul(3) < largest.bytes.0;
    (share >= ONE || stands_out).then_some(())?;
    let task = view.report.tasks.iter().find(|task| task.pid == largest.pid);
    let swapped = task.and_then(|task| task.swap).map_or(ByteCount::ZERO, |swap| swap.or_zero());
    let mut text = format!("{} alone uses {}", largest.words(), largest.bytes);
    if swapped > ByteCount::ZERO {
        text += &format!(" ({swapped} of it swapped out)");
    }
    text += &format!(", {:.0} % of the {pool} of RAM and swap{}", share * 100.0, view.swap_words());
    let killed = view.report.victim.as_ref().map(|victim| victim.pid);
    text += match killed {
        Some(pid) if pid == largest.pid => ": it filled the machine and was killed for it.",
        Some(_) => ": it filled the machine, though another process was killed.",
        None => ": it filled the machine.",
    };
    let mut cause = Cause::new(CauseKind::OneProcess, text);
    if second > ByteCount::ZERO {
        cause.evidence.push(format!("the next largest process uses {second}"));
    }
    Some(cause)
}

fn many(view: &View<'_>, pool: ByteCount, largest: &Largest) -> Cause {
    let mut text = format!(
        "Many processes together fill the machine, none of them is big: the largest, {}, uses {} or {:.1} % of {pool}{}",
        largest.words(),
        largest.bytes,
        largest.bytes.share_of(pool) * 100.0,
        view.swap_words()
    );
    if let Some((name, count, bytes)) = largest_family(&view.report.tasks).filter(|(_, count, _)| *count > 1) {
        text += &format!("; {count} listed processes called {name} use {bytes} together");
    }
    text += "; start fewer of them: killing one helps little.";
    Cause::new(CauseKind::ManyProcesses, text)
}

/// The name whose processes use most together.
fn largest_family(tasks: &[Task]) -> Option<(&str, usize, ByteCount)> {
    let mut families: HashMap<&str, (usize, ByteCount)> = HashMap::new();
    for task in tasks {
        let family = families.entry(task.name.as_str()).or_default();
        family.0 += 1;
        family.1 += task.used();
    }
    let families = families.into_iter().map(|(name, (count, bytes))| (name, count, bytes));
    families.max_by_key(|(name, _, bytes)| (*bytes, std::cmp::Reverse(*name)))
}

/// Without Mem-Info a printed score (2.6.36–5.0) tells the victim's share of RAM and swap.
fn from_score(view: &View<'_>) -> Option<Cause> {
    let report = view.report;
    let selected = report.selected.as_ref()?;
    let score = selected.score.filter(|score| (500..=1000).contains(score))?;
    let row = report.tasks.iter().find(|task| task.pid == selected.pid)?;
    (row.oom_score_adj? <= 0).then_some(())?;
    let text = format!(
        "{} (pid {}) alone uses {}, {:.0} % of RAM and swap by the kernel's score of {score} in 1000.",
        selected.name,
        selected.pid,
        row.used(),
        score as f64 / 10.0
    );
    Some(Cause::new(CauseKind::OneProcess, text))
}

/// Neither processes nor another holder explain it: what the zones themselves say.
fn from_reserves(view: &View<'_>, pool: ByteCount) -> Option<Cause> {
    let reach = crate::oom::cause::zone_reach(view.report);
    let full = !reach.is_empty() && !reach.iter().any(|reach| reach.zone_has_page());
    full.then_some(())?;
    let text = format!(
        "All zones the request may use are below what must stay free, but the listed processes explain only {} of \
         {pool}{}: no single holder stands out.",
        view.used_by_tasks,
        view.swap_words()
    );
    Some(Cause::new(CauseKind::GlobalExhausted, text))
}

fn resident(view: &View<'_>) -> ByteCount {
    view.report.tasks.iter().map(|task| task.rss.or_zero()).sum()
}

fn used_swap(view: &View<'_>) -> ByteCount {
    view.swap_total.saturating_sub(view.swap_free)
}

/// What a reader would otherwise get wrong.
pub(super) fn remarks(view: &View<'_>, kind: CauseKind) -> Vec<String> {
    let report = view.report;
    let mut remarks = Vec::new();
    let invoker = report.invoker.as_ref().and_then(|invoker| invoker.name.as_deref());
    let victim = report.victim.as_ref();
    let is_other = match (&report.invoker, victim) {
        (Some(invoker), Some(victim)) => invoker.pid.is_some_and(|pid| pid != victim.pid),
        _ => false,
    };
    if let (Some(name), true) =
        (invoker, is_other || (invoker.is_some() && victim.is_some_and(|v| Some(v.name.as_str()) != invoker)))
    {
        remarks.push(format!("{name} only happened to ask for the memory that could not be found; it is not accused"));
    }
    let global = !matches!(kind, CauseKind::MemcgLimit | CauseKind::MemcgSwapLimit | CauseKind::KernelBug);
    if let (Some(usable), true, false) = (view.usable, global, report.tasks.is_empty()) {
        let resident = resident(view);
        let in_use = usable.saturating_sub(view.free);
        if resident.share_of(in_use) < 0.5 {
            let text = format!(
                "the listed processes have {resident} resident of {in_use} in use: the task table does not explain it"
            );
            remarks.push(text);
        }
    }
    if let (Some(victim), Some(largest)) = (victim, report.tasks.first())
        && largest.pid != victim.pid
        && report.tasks.iter().any(|task| task.pid == victim.pid)
    {
        let why = if largest.is_protected() { " is protected and" } else { "" };
        remarks.push(format!(
            "the largest process, {} (pid {}) with {},{why} was not the one killed",
            largest.name,
            largest.pid,
            largest.used()
        ));
    }
    remarks
}

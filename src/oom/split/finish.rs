//! A draft becomes a report: the page size, sizes in bytes, the decoded mask, the outcome, what is missing.

use crate::oom::amount::Amount;
use crate::oom::cause;
use crate::oom::gfp::{self, Gfp};
use crate::oom::memory::Zone;
use crate::oom::parse::fields::COMM_LENGTH;
use crate::oom::report::{Constraint, Invoker, Memcg, OomReport, Outcome, PageSizeSource, Task};
use crate::oom::split::draft::Draft;
use crate::units::ByteCount;

/// Pages that a swap counter cannot reach: it raced below zero.
const MOST_SWAP_PAGES: i128 = 1 << 40;

/// The report a draft adds up to. `boot` is the kernel that booted earlier in the same log.
pub(super) fn finish(mut draft: Draft, boot: Option<&str>) -> OomReport {
    vouch_for_invoker(&mut draft);
    name_without_prefix(&mut draft.report);
    let (page_size, source) = page_size(&draft.report);
    draft.report.page_size = page_size;
    draft.report.page_size_source = source;
    let tables_in_bytes = draft.columns.as_ref().is_none_or(|columns| columns.contains(&"pgtables_bytes"));
    for task in &mut draft.report.tasks {
        in_bytes(task, page_size, tables_in_bytes);
    }
    draft.report.tasks.sort_by_key(|task| std::cmp::Reverse(task.used()));
    draft.report.slabs.sort_by_key(|slab| std::cmp::Reverse(slab.total));
    complete_victim(&mut draft.report);
    draft.report.gfp = decoded(&draft);
    date(&mut draft);
    let mut report = draft.report;
    report.kernel = report.kernel.take().or(boot.map(str::to_owned));
    report.constraint = constraint(&report);
    report.invoker = report.invoker.take().filter(|invoker| !is_unknown(invoker));
    if let Some(memcg) = &mut report.memcg {
        memcg.version = memcg.version.or(memcg_version(memcg, report.kernel.as_deref()));
    }
    report.outcome = outcome(&report);
    let ended = !matches!(report.outcome, Outcome::NoneVisible | Outcome::KillAnnounced);
    let has_body = report.has_table || !report.memory.is_empty() || report.memcg.as_ref().is_some_and(has_counters);
    report.truncated = !draft.has_header || !ended || draft.elided || !has_body;
    report.cause = cause::judge(&report);
    report
}

fn has_counters(memcg: &Memcg) -> bool {
    memcg.memory.is_some()
}

/// Without a header the stack dump's process is the invoker only if the dump went through the killer.
fn vouch_for_invoker(draft: &mut Draft) {
    let Some((pid, comm)) = draft.cpu.take() else { return };
    if !draft.has_header && draft.report.trace.oom {
        let invoker = draft.report.invoker.get_or_insert_default();
        invoker.pid = invoker.pid.or(pid);
        invoker.name = invoker.name.take().or(comm);
    }
}

/// An invoker of whom nothing is known (≤ 2.6.18) is none.
fn is_unknown(invoker: &Invoker) -> bool {
    invoker.name.is_none() && invoker.pid.is_none()
}

/// More than a comm before `invoked oom-killer` is the rest of an unknown prefix.
fn name_without_prefix(report: &mut OomReport) {
    let Some(name) = report.invoker.as_mut().and_then(|invoker| invoker.name.as_mut()) else { return };
    if name.len() <= COMM_LENGTH {
        return;
    }
    let after = name.rfind("] ").or_else(|| name.rfind(": ")).map(|at| name[at + 2..].trim().to_owned());
    let better = after.filter(|rest| !rest.is_empty() && rest.len() <= COMM_LENGTH);
    let last_word = || name.rsplit(char::is_whitespace).next().unwrap_or("").to_owned();
    *name = better.unwrap_or_else(last_word);
}

fn page_size(report: &OomReport) -> (ByteCount, PageSizeSource) {
    let possible = |size: &ByteCount| size.0.is_power_of_two() && (4096..=1 << 20).contains(&size.0);
    let first_block = report.memory.zones.iter().find_map(|zone: &Zone| zone.blocks.first()).map(|block| block.size);
    if let Some(size) = first_block.or(Some(report.page_size)).filter(possible) {
        return (size, PageSizeSource::BuddyLists);
    }
    if let Some(victim) = &report.victim
        && let Some(total) = victim.total_vm
        && let Some(task) = report.tasks.iter().find(|task| task.pid == victim.pid && task.total_vm.0 > 0)
        && total.0 % task.total_vm.0 == 0
        && let Some(size) = Amount(total.0 / task.total_vm.0).plausible().filter(possible)
    {
        return (size, PageSizeSource::VictimSize);
    }
    let present: ByteCount = report.memory.zones.iter().map(|zone| zone.bytes("present")).sum();
    if let Some(ram) = report.memory.ram_pages.filter(|_| present.0 > 0) {
        for shift in [12, 13, 14, 16] {
            let (size, whole) = (ByteCount(1 << shift), ram.saturating_mul(1 << shift));
            if present.0.abs_diff(whole) < whole / 8 {
                return (size, PageSizeSource::PresentPages);
            }
        }
    }
    (ByteCount::kib(4), PageSizeSource::Assumed)
}

fn in_bytes(task: &mut Task, page_size: ByteCount, tables_in_bytes: bool) {
    let bytes = |pages: Amount| Amount::pages(pages.0, page_size);
    task.total_vm = bytes(task.total_vm);
    task.rss = bytes(task.rss);
    task.rss_shmem = task.rss_shmem.map(bytes);
    task.swap = task.swap.map(|pages| if pages.0 > MOST_SWAP_PAGES || pages.0 < 0 { Amount(0) } else { bytes(pages) });
    if !tables_in_bytes {
        task.page_tables = task.page_tables.map(bytes);
    }
}

/// What the kill line did not print yet: from the victim's row of the table.
fn complete_victim(report: &mut OomReport) {
    let Some(victim) = &mut report.victim else { return };
    let Some(row) = report.tasks.iter().find(|task| task.pid == victim.pid) else { return };
    victim.uid = victim.uid.or(row.uid);
    victim.oom_score_adj = victim.oom_score_adj.or(row.oom_score_adj);
}

fn decoded(draft: &Draft) -> Option<Gfp> {
    let names = draft.names.as_deref();
    match draft.mask {
        Some(mask) => Some(gfp::decode(mask, names, draft.report.kernel.as_deref(), draft.releases)),
        None => names.map(|names| Gfp {
            printed: Some(names.to_owned()),
            flags: gfp::flags_of_names(names),
            ..Gfp::default()
        }),
    }
}

/// The instant, where the log names its offset: a structured log, or an ISO date with `Z` or `+hh:mm`.
fn date(draft: &mut Draft) {
    let when = &mut draft.report.when;
    when.text = draft.wall.take();
    let from_micros = draft.utc_micros.and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok());
    when.utc = from_micros.or_else(|| when.text.as_deref().and_then(instant));
}

fn instant(text: &str) -> Option<jiff::Timestamp> {
    let iso = text.find("T").filter(|at| *at == 10).is_some() || text.contains('+');
    if iso && let Ok(time) = text.replace(',', ".").parse::<jiff::Timestamp>() {
        return Some(time);
    }
    // journalctl -o short-iso prints +0100 without a colon.
    if iso && let Ok(time) = jiff::fmt::strtime::parse("%Y-%m-%dT%H:%M:%S%z", text) {
        return time.to_timestamp().ok();
    }
    let seconds: f64 = text.parse().ok()?;
    jiff::Timestamp::from_microsecond((seconds * 1e6) as i64).ok()
}

fn constraint(report: &OomReport) -> Option<Constraint> {
    let counted = report.memcg.as_ref().is_some_and(|memcg| memcg.oom_memcg.is_some() || memcg.memory.is_some());
    if counted || report.constraint == Some(Constraint::Memcg) {
        return Some(Constraint::Memcg);
    }
    let said = report.constraint;
    // Until 4.20 nothing is printed: a node mask is a memory policy's.
    let policy = report.nodemask.as_deref().is_some_and(|mask| mask_is_partial(mask, report));
    if matches!(said, None | Some(Constraint::Global)) && policy {
        return Some(Constraint::Mempolicy);
    }
    if said.is_none() && report.trace.memcg && report.memory.is_empty() {
        return Some(Constraint::Memcg);
    }
    said.or_else(|| (report.invoker.is_some() && !report.memory.is_empty()).then_some(Constraint::Global))
}

/// Whether nodes exist that a node list such as `0,2-3` leaves out. 4.9–4.11 print `0` where there is no mask.
fn mask_is_partial(mask: &str, report: &OomReport) -> bool {
    let seen = &report.memory.nodes_seen;
    seen.len() > 1 && seen.iter().any(|node| !cause::in_list(mask, *node))
}

fn memcg_version(memcg: &Memcg, kernel: Option<&str>) -> Option<u8> {
    if memcg.swap.is_some() {
        return Some(2);
    }
    let before_v2 = kernel.and_then(gfp::release_of).is_some_and(|release| release < (4, 5, 0));
    let swap_counted = memcg.memory_swap.is_some_and(|counter| counter.usage.0 > 0);
    // The v1 lines are printed for v2 too until 5.2; only v1 counts memory and swap together.
    (before_v2 || swap_counted).then_some(1)
}

fn outcome(report: &OomReport) -> Outcome {
    if !report.killed_pids.is_empty() {
        Outcome::Killed
    } else if report.selected.is_some() {
        Outcome::KillAnnounced
    } else if report.no_killable {
        Outcome::NoKillable
    } else if report.panic.printed {
        Outcome::Panic
    } else {
        Outcome::NoneVisible
    }
}

//! Verdicts that rest on what the kernel was told to do: a person, a policy, a setting, the nodes it was allowed to use.
//! And what a kill line alone can tell.

use crate::oom::cause::{Cause, CauseKind, View, zone_reach};
use crate::oom::report::{Constraint, OomReport, Outcome};
use crate::units::ByteCount;

fn killed(report: &OomReport) -> String {
    match &report.victim {
        Some(victim) if report.outcome == Outcome::Killed => format!("{} (pid {}) was killed", victim.name, victim.pid),
        Some(victim) => format!("{} (pid {}) was chosen", victim.name, victim.pid),
        None => "nothing was killed".to_owned(),
    }
}

/// order=-1 stands in the header of SysRq-f since 3.x; the trace or the line before shows it too.
pub(super) fn manual_sysrq(view: &View<'_>) -> Option<Cause> {
    let report = view.report;
    (report.order == Some(-1) || report.trace.sysrq).then_some(())?;
    let text = "Somebody asked for the OOM killer by hand (SysRq-f, or f written to sysrq-trigger); memory need not have been short";
    Some(Cause::new(CauseKind::ManualSysrq, format!("{text}, {}.", killed(report))))
}

pub(super) fn bpf_policy(view: &View<'_>) -> Option<Cause> {
    let report = view.report;
    (report.constraint == Some(Constraint::Bpf) || report.trace.bpf).then_some(())?;
    let text = "A BPF program decided on this kill, not the kernel's own rule; look at the policy that was loaded";
    Some(Cause::new(CauseKind::BpfPolicy, format!("{text}: {}.", killed(report))))
}

pub(super) fn panic_on_oom(view: &View<'_>) -> Option<Cause> {
    view.report.panic.on_oom.then_some(())?;
    let mut text =
        "vm.panic_on_oom is set, so the machine stopped instead of killing a process when memory ran out".to_owned();
    if let Some((largest, pool)) = view.report.tasks.first().zip(view.pool()) {
        let share = largest.used().share_of(pool) * 100.0;
        text += &format!(
            "; the largest process was {} with {} ({share:.0} % of RAM and swap)",
            largest.name,
            largest.used()
        );
    }
    Some(Cause::new(CauseKind::PanicOnOom, text + "."))
}

/// A watermark above sixteen times the machine's memory is no watermark.
pub(super) fn corrupt_watermarks(view: &View<'_>) -> Option<Cause> {
    let zones = &view.report.memory.zones;
    let machine: ByteCount = zones.iter().map(|zone| zone.size()).sum();
    let machine = machine.max(view.usable.unwrap_or(ByteCount::ZERO));
    let limit = i128::from(machine.0.max(1 << 30)).saturating_mul(16);
    for zone in zones {
        for key in ["min", "low", "high"] {
            let Some(mark) = zone.amount(key).filter(|mark| mark.0 > limit || mark.0 < 0) else { continue };
            let text = format!(
                "The {key} watermark of zone {} is {} kB, more than any memory: the zone can never count as having \
                 enough free, so the kernel's watermarks are corrupt (vm.min_free_kbytes or a kernel bug), not memory short.",
                zone.name,
                mark.0 / 1024
            );
            return Some(Cause::new(CauseKind::CorruptWatermarks, text));
        }
    }
    None
}

/// gfp_mask=0x0: no allocation stands behind it, a page fault came back with “out of memory”.
pub(super) fn false_global_pagefault(view: &View<'_>) -> Option<Cause> {
    let gfp = view.report.gfp.as_ref()?;
    (gfp.mask == 0 && gfp.flags.as_ref().is_none_or(Vec::is_empty)).then_some(())?;
    let reach = zone_reach(view.report);
    let enough = reach.iter().any(|reach| reach.zone_has_enough());
    if !reach.is_empty() && !enough {
        return None;
    }
    let free = if enough { format!(", while {} were free", view.free) } else { String::new() };
    let text = format!(
        "No allocation failed here (gfp_mask 0x0): a page fault gave up with “out of memory”, mostly for a memory cgroup at \
         its limit or a failing driver, and the kernel took it for the whole machine{free}; {}.",
        killed(view.report)
    );
    Some(Cause::new(CauseKind::FalseGlobalPagefault, text))
}

pub(super) fn bound_to_nodes(view: &View<'_>) -> Option<Cause> {
    let report = view.report;
    let (kind, text) = match report.constraint? {
        Constraint::Cpuset => {
            let nodes = report.mems_allowed.as_deref().unwrap_or("?");
            let cpuset = report.cpuset.as_deref().unwrap_or("?");
            let text = format!("The memory nodes of cpuset {cpuset} ({nodes}) are full, not the machine");
            (CauseKind::Cpuset, text)
        }
        Constraint::Mempolicy => {
            let nodes = report.nodemask.as_deref().unwrap_or("?");
            let text =
                format!("The NUMA nodes its memory policy binds the process to ({nodes}) are full, not the machine");
            (CauseKind::NumaNodeBound, text)
        }
        _ => return None,
    };
    let advice = "allow more nodes (cpuset.mems, numactl) or use less there";
    Some(Cause::new(kind, format!("{text}; {advice}; {}.", killed(report))))
}

pub(super) fn swap_being_removed(view: &View<'_>) -> Option<Cause> {
    let report = view.report;
    let by_name = report.invoker.as_ref().and_then(|invoker| invoker.name.as_deref()) == Some("swapoff");
    let negative = report.memory.swap_free.is_some_and(|free| free.0 < 0);
    (report.trace.swapoff || by_name || negative).then_some(())?;
    let text = "Swap was being switched off (swapoff), and what was in it does not fit into memory; switch it on again or \
                stop the largest processes first";
    Some(Cause::new(CauseKind::SwapBeingRemoved, format!("{text}; {}.", killed(report))))
}

/// With nothing but kill lines left: a printed score of half the machine or more still tells (2.6.36–5.0).
pub(super) fn kill_line_alone(view: &View<'_>) -> Option<Cause> {
    let report = view.report;
    let selected = report.selected.as_ref()?;
    let score = selected.score.filter(|score| (500..=1000).contains(score))?;
    let adjusted = report.victim.as_ref().and_then(|victim| victim.oom_score_adj).is_some_and(|adj| adj > 0);
    let new_scale = report.victim.as_ref().is_some_and(|victim| victim.total_vm.is_some());
    (report.memory.is_empty() && report.tasks.is_empty() && new_scale && !adjusted).then_some(())?;
    (report.constraint == Some(Constraint::Global)).then_some(())?;
    let text = format!(
        "{} (pid {}) alone had {:.0} % of RAM and swap by the kernel's score of {score} in 1000, unless its oom_score_adj \
         was raised; the rest of the report is not in this text.",
        selected.name,
        selected.pid,
        score as f64 / 10.0
    );
    Some(Cause::new(CauseKind::OneProcess, text))
}

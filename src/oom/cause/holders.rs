//! Verdicts on who holds the machine's memory when it is no process: the kernel, shared memory, huge pages, page cache,
//! a hypervisor.

use crate::oom::cause::{Cause, CauseKind, View};
use crate::oom::report::Outcome;
use crate::units::ByteCount;

/// Less than this share of the memory is not called its holder.
const HOLDER: f64 = 0.35;

/// The sentence on one holder, of a report and its usable memory.
type Verdict = fn(&View<'_>, ByteCount) -> Cause;

/// The verdict on the largest holder, where that is not the processes.
pub(super) fn largest_holder(view: &View<'_>) -> Option<Cause> {
    let usable = view.usable?;
    if let Some(cause) = ballooned(view, usable) {
        return Some(cause);
    }
    let unaccounted = view.unaccounted.unwrap_or(ByteCount::ZERO);
    let locked_elsewhere = view.unevictable.saturating_sub(view.used_by_tasks);
    let candidates: [(ByteCount, Verdict); 5] = [
        (view.huge, huge_pages),
        (view.kernel(), kernel),
        (view.shmem, shmem),
        (view.cache + locked_elsewhere, page_cache),
        (unaccounted, unexplained),
    ];
    let (bytes, verdict) = candidates.into_iter().max_by_key(|(bytes, _)| *bytes)?;
    let processes = view.anonymous;
    if bytes.share_of(usable) < HOLDER || bytes < processes {
        return no_killable(view);
    }
    let mut cause = verdict(view, usable);
    let share = bytes.share_of(usable) * 100.0;
    cause.evidence.insert(0, format!("{bytes} of {usable} usable memory, {share:.0} %"));
    Some(cause)
}

fn huge_pages(view: &View<'_>, usable: ByteCount) -> Cause {
    let free: ByteCount =
        view.report.memory.hugepages.iter().map(|pool| ByteCount(pool.free.saturating_mul(pool.size.0))).sum();
    let text = format!(
        "{} of {usable} are set aside as huge pages ({free} of them unused), out of reach for ordinary memory: lower \
         vm.nr_hugepages or move the program that should use them there.",
        view.huge
    );
    Cause::new(CauseKind::HugepagesReserved, text)
}

fn kernel(view: &View<'_>, usable: ByteCount) -> Cause {
    let slab = view.slab_unreclaimable + view.slab_reclaimable;
    let mut text = format!("The kernel itself holds {} of {usable}", view.kernel());
    if slab.0 > view.page_tables.0.max(view.stacks.0) {
        text += &format!(", {} of it slab that no kill frees", slab);
    } else if view.page_tables > view.stacks {
        text += &format!(", {} of it page tables (many processes mapping the same memory)", view.page_tables);
    } else {
        text += &format!(", {} of it stacks of threads", view.stacks);
    }
    if let Some(largest) = view.report.slabs.first() {
        text += &format!(", the cache {} alone {}", largest.name, largest.total.or_zero());
    }
    if !view.report.tasks.is_empty() {
        let resident: ByteCount = view.report.tasks.iter().map(|task| task.rss.or_zero()).sum();
        text += &format!("; all {} processes together have {resident} resident", view.report.tasks.len());
    }
    text += if view.report.outcome == Outcome::NoKillable {
        "; there was nothing to kill: look at drivers and modules with slabtop."
    } else {
        "; the killed process is not the cause: look at drivers and modules with slabtop."
    };
    Cause::new(CauseKind::KernelMemory, text)
}

fn shmem(view: &View<'_>, usable: ByteCount) -> Cause {
    let text = format!(
        "{} of {usable} are shared memory or files in tmpfs{}; killing processes does not free files: look at df -t tmpfs \
         and ipcs -m.",
        view.shmem,
        view.swap_words()
    );
    Cause::new(CauseKind::Shmem, text)
}

fn page_cache(view: &View<'_>, usable: ByteCount) -> Cause {
    let waiting = view.dirty;
    if waiting.share_of(view.cache) > 0.25 || waiting.share_of(usable) > 0.15 {
        let text = format!(
            "{waiting} of page cache wait to be written, of {} in all: the disk or network store is slower than the \
             writers; lower vm.dirty_bytes or limit them.",
            view.cache
        );
        return Cause::new(CauseKind::DirtyPageCache, text);
    }
    let text = format!(
        "{} of {usable} are page cache and locked files that the kernel did not manage to give back, not processes: look \
         for locked or ramfs files and a file system that cannot release pages.",
        view.cache + view.unevictable
    );
    // Without the header nobody knows whether the request could use what was free or reclaimable.
    let kind = if view.report.gfp.is_some() { CauseKind::UnreclaimablePageCache } else { CauseKind::Undetermined };
    Cause::new(kind, text)
}

/// Memory that no counter holds.
fn unexplained(view: &View<'_>, usable: ByteCount) -> Cause {
    let unaccounted = view.unaccounted.unwrap_or(ByteCount::ZERO);
    let text = format!(
        "{unaccounted} of {usable} are in no counter: neither processes nor page cache nor slab hold them, so a driver, \
         vmalloc or a hypervisor's balloon does; the killed process is not the cause."
    );
    // Whether this is a virtual machine stands in the head of the report: without it nobody can be accused.
    let kind = match (is_virtual(view), view.report.gfp.is_some()) {
        (true, _) => CauseKind::BallooningAway,
        (false, true) => CauseKind::KernelMemory,
        (false, false) => CauseKind::Undetermined,
    };
    Cause::new(kind, text)
}

/// Hypervisors whose balloon pages stay counted as the guest's RAM.
fn is_virtual(view: &View<'_>) -> bool {
    let hardware = view.report.hardware.as_deref().unwrap_or("");
    view.report.balloon
        || ["VMware", "Hyper-V", "Microsoft Corporation Virtual"].iter().any(|name| hardware.contains(name))
}

/// A balloon driver spoke and most memory is in no counter: what is left is what the guest really had.
fn ballooned(view: &View<'_>, usable: ByteCount) -> Option<Cause> {
    let gone = view.unaccounted.filter(|gone| gone.share_of(usable) > HOLDER)?;
    is_virtual(view).then_some(())?;
    let left = usable.saturating_sub(gone);
    let taken = format!("{gone} of {usable} are in no counter, taken back by the hypervisor's balloon, it seems");
    if view.shmem.share_of(left) > 0.5 {
        let text = format!(
            "Shared memory or files in tmpfs hold {} of the {left} this machine really had; {taken}; killing processes \
             does not free files.",
            view.shmem
        );
        return Some(Cause::new(CauseKind::Shmem, text));
    }
    let text = format!("The machine really had {left}: {taken}; give the guest more memory or stop ballooning.");
    Some(Cause::new(CauseKind::BallooningAway, text))
}

/// Nothing else holds the memory, and everything that does is protected.
fn no_killable(view: &View<'_>) -> Option<Cause> {
    (view.report.outcome == Outcome::NoKillable).then_some(())?;
    Some(no_killable_cause(view))
}

pub(super) fn no_killable_cause(view: &View<'_>) -> Cause {
    let protected: Vec<_> = view.report.tasks.iter().filter(|task| task.is_protected()).collect();
    let text = match protected.first() {
        Some(largest) => format!(
            "Memory is full and all {} listed processes are protected (oom_score_adj -1000), the largest {} with {}: \
             nothing may be killed.",
            protected.len(),
            largest.name,
            largest.used()
        ),
        None => "Memory is full and there is no process that may be killed: the kernel or files hold it.".to_owned(),
    };
    Cause::new(CauseKind::NoKillable, text)
}

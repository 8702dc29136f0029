//! Why memory ran out, by arithmetic on one report. Knows what the allocator may use for a request, what the kernel counts
//! where, and when the text does not allow a verdict. Every verdict carries the sums that show it.

mod bounds;
mod holders;
mod memcg;
mod processes;
mod reach;
mod view;

pub use memcg::limit_of;
pub use reach::{Reach, in_list, zone_reach};
pub use view::{Part, View};

use serde::{Serialize, Serializer};

use crate::oom::report::{OomReport, Outcome};

/// The causes that are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CauseKind {
    /// A memory cgroup reached its limit.
    MemcgLimit,
    /// A memory cgroup reached its limit on memory and swap together.
    MemcgSwapLimit,
    /// The machine was full; nobody stands out.
    GlobalExhausted,
    /// One process ate the machine.
    OneProcess,
    /// Many processes together ate it.
    ManyProcesses,
    /// The zones a request was confined to were full, others were not.
    LowmemZone,
    /// The kernel itself holds the memory.
    KernelMemory,
    /// Enough is free, but not in one piece.
    Fragmentation,
    /// Shared memory or files in tmpfs.
    Shmem,
    /// Huge pages were set aside.
    HugepagesReserved,
    /// The request was bound to NUMA nodes that are full.
    NumaNodeBound,
    /// The request was bound to the nodes of a cpuset.
    Cpuset,
    /// What is free lies in areas reserved for movable pages.
    CmaOnlyFree,
    /// The hypervisor took the memory back.
    BallooningAway,
    /// Page cache that could not be given back.
    UnreclaimablePageCache,
    /// Page cache waiting to be written.
    DirtyPageCache,
    /// Swap is full.
    SwapFull,
    /// There is no swap, and nothing more is known.
    NoSwap,
    /// Swap was being switched off.
    SwapBeingRemoved,
    /// All processes are protected.
    NoKillable,
    /// The machine is set to panic.
    PanicOnOom,
    /// A failed page fault was taken for a machine out of memory.
    FalseGlobalPagefault,
    /// Somebody pressed SysRq-f.
    ManualSysrq,
    /// A BPF policy decided.
    BpfPolicy,
    /// The zone watermarks cannot be right.
    CorruptWatermarks,
    /// A kernel counter or decision that cannot be right.
    KernelBug,
    /// The text does not allow a verdict.
    #[default]
    Undetermined,
}

impl CauseKind {
    /// The word for it in JSON and on screen.
    pub fn word(self) -> &'static str {
        match self {
            CauseKind::MemcgLimit => "memcg-limit",
            CauseKind::MemcgSwapLimit => "memcg-swap-limit",
            CauseKind::GlobalExhausted => "global-exhausted",
            CauseKind::OneProcess => "global-exhausted-by-one-process",
            CauseKind::ManyProcesses => "global-many-processes",
            CauseKind::LowmemZone => "lowmem-zone",
            CauseKind::KernelMemory => "slab/kernel-memory",
            CauseKind::Fragmentation => "fragmentation-order",
            CauseKind::Shmem => "shmem/tmpfs",
            CauseKind::HugepagesReserved => "hugepages-reserved",
            CauseKind::NumaNodeBound => "numa-node-bound",
            CauseKind::Cpuset => "cpuset",
            CauseKind::CmaOnlyFree => "cma-only-free",
            CauseKind::BallooningAway => "memory-ballooned-away",
            CauseKind::UnreclaimablePageCache => "unreclaimable-page-cache",
            CauseKind::DirtyPageCache => "dirty-page-cache",
            CauseKind::SwapFull => "swap-full",
            CauseKind::NoSwap => "no-swap",
            CauseKind::SwapBeingRemoved => "swap-being-removed",
            CauseKind::NoKillable => "no-killable",
            CauseKind::PanicOnOom => "panic-on-oom",
            CauseKind::FalseGlobalPagefault => "false-global-pagefault",
            CauseKind::ManualSysrq => "manual-sysrq",
            CauseKind::BpfPolicy => "bpf-policy",
            CauseKind::CorruptWatermarks => "corrupt-watermarks",
            CauseKind::KernelBug => "kernel-bug",
            CauseKind::Undetermined => "undetermined",
        }
    }
}

impl Serialize for CauseKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// The verdict on one report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cause {
    /// Which.
    pub kind: CauseKind,
    /// One sentence to act on.
    pub summary: String,
    /// The sums that show it, and what does not fit.
    pub evidence: Vec<String>,
}

impl Cause {
    fn new(kind: CauseKind, summary: String) -> Cause {
        Cause { kind, summary, evidence: Vec::new() }
    }
}

/// A rule: a verdict where it applies.
type Rule = fn(&View<'_>) -> Option<Cause>;

/// In the order in which one verdict rules out those after it: what the kernel was told to do, which limit was hit, where
/// the request was confined to, and only then who holds the memory.
const RULES: [Rule; 17] = [
    bounds::manual_sysrq,
    bounds::bpf_policy,
    bounds::panic_on_oom,
    memcg::wrapped_counter,
    memcg::swap_limit,
    memcg::limit,
    bounds::corrupt_watermarks,
    bounds::false_global_pagefault,
    bounds::bound_to_nodes,
    bounds::swap_being_removed,
    reach::lowmem_zone,
    reach::fragmentation,
    reach::cma_only_free,
    reach::one_node_full,
    holders::largest_holder,
    processes::exhausted,
    bounds::kill_line_alone,
];

/// The verdict on `report`; `undetermined` where its text does not allow one.
pub fn judge(report: &OomReport) -> Cause {
    let view = View::new(report);
    let mut cause = RULES.iter().find_map(|rule| rule(&view)).unwrap_or_else(|| undetermined(report));
    cause.evidence.extend(processes::remarks(&view, cause.kind));
    cause
}

fn undetermined(report: &OomReport) -> Cause {
    let known = match (&report.victim, report.outcome) {
        (Some(victim), Outcome::Killed) => format!("{} (pid {}) was killed", victim.name, victim.pid),
        _ => "The OOM killer ran".to_owned(),
    };
    let missing = match (report.memory.is_empty(), report.tasks.is_empty()) {
        (true, true) => "neither the memory figures nor the task table are in this text",
        (true, false) => "the memory figures are not in this text",
        (false, true) => "the task table is not in this text",
        (false, false) => "the figures that are left do not add up to a cause",
    };
    let next = "look for the lines before it in the full kernel log (journalctl -k, kern.log)";
    Cause::new(CauseKind::Undetermined, format!("{known}, but why cannot be told: {missing}; {next}."))
}

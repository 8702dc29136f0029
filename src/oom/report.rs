//! What one OOM report says, as plain comparable facts. Knows no wording and no log format; a fact that was not in the
//! text is None. Sizes are bytes, converted with the page size the report itself shows.

use crate::oom::amount::Amount;
use crate::oom::cause::Cause;
use crate::oom::gfp::Gfp;
use crate::units::ByteCount;

/// When it happened, as far as the log tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct When {
    /// The log's own words for the wall clock, e.g. `Nov 24 19:52:22`.
    pub text: Option<String>,
    /// The instant, where the log names its offset from UTC.
    pub utc: Option<jiff::Timestamp>,
    /// Seconds since boot.
    pub uptime: Option<f64>,
}

/// Where the page size was taken from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PageSizeSource {
    /// The smallest block of the buddy lists.
    BuddyLists,
    /// The victim's `total-vm` in kB over its `total_vm` in pages.
    VictimSize,
    /// The zones' present kB over the number of pages.
    PresentPages,
    /// Not in the text: 4 KiB, which nearly every machine has.
    #[default]
    Assumed,
}

/// A process by what the log calls it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invoker {
    /// Its comm, at most 15 bytes; None where the kernel did not print it (≤ 2.6.18).
    pub name: Option<String>,
    /// Its pid, from the `CPU: … PID: …` line.
    pub pid: Option<i64>,
    /// Its oom_score_adj, from the header.
    pub oom_score_adj: Option<i64>,
}

/// Which limit was hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constraint {
    /// The whole machine.
    Global,
    /// A memory cgroup.
    Memcg,
    /// The nodes of a cpuset.
    Cpuset,
    /// The nodes of a memory policy.
    Mempolicy,
    /// A policy loaded by BPF (patched kernels).
    Bpf,
}

/// One counter of a memory cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Charged now.
    pub usage: Amount,
    /// The limit, as printed even where it means none.
    pub limit: Amount,
    /// How often a charge failed.
    pub failcnt: u64,
}

/// The memory cgroup part of a report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memcg {
    /// 1 or 2, where the text tells.
    pub version: Option<u8>,
    /// The group that is full.
    pub oom_memcg: Option<String>,
    /// The group of the victim.
    pub task_memcg: Option<String>,
    /// `memory: usage …`.
    pub memory: Option<Counter>,
    /// `memory+swap: usage …` (v1).
    pub memory_swap: Option<Counter>,
    /// `swap: usage …` (v2).
    pub swap: Option<Counter>,
    /// `kmem: usage …` (v1).
    pub kernel: Option<Counter>,
    /// The statistics of the full group, e.g. `anon`, `rss`, `shmem`, `slab`.
    pub stats: Vec<(&'static str, Amount)>,
}

impl Memcg {
    /// One statistic by the kernel's name.
    pub fn stat(&self, key: &str) -> Option<Amount> {
        self.stats.iter().find(|(k, _)| *k == key).map(|(_, v)| *v)
    }
}

/// The process the killer announced (`Kill process … score …`, or the oom-kill line).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// Its pid.
    pub pid: i64,
    /// Its comm.
    pub name: String,
    /// The printed badness (2.6.16–5.0).
    pub score: Option<i64>,
}

/// The process that was killed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Victim {
    /// Its pid.
    pub pid: i64,
    /// Its comm.
    pub name: String,
    /// Its user.
    pub uid: Option<i64>,
    /// Its address space.
    pub total_vm: Option<Amount>,
    /// Resident anonymous memory.
    pub anon_rss: Option<Amount>,
    /// Resident file pages.
    pub file_rss: Option<Amount>,
    /// Resident shared memory (since 4.5).
    pub shmem_rss: Option<Amount>,
    /// Its oom_score_adj.
    pub oom_score_adj: Option<i64>,
}

impl Victim {
    /// Everything of it that was resident, where the log says so.
    pub fn rss(&self) -> Option<ByteCount> {
        let parts = [self.anon_rss, self.file_rss, self.shmem_rss];
        self.anon_rss?;
        Some(parts.iter().flatten().map(|part| part.or_zero()).sum())
    }
}

/// One row of the task table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Task {
    /// The thread that still has the memory.
    pub pid: i64,
    /// Its process.
    pub tgid: Option<i64>,
    /// Its user.
    pub uid: Option<i64>,
    /// Its comm.
    pub name: String,
    /// Its address space.
    pub total_vm: Amount,
    /// Resident.
    pub rss: Amount,
    /// The shared-memory part of the resident (6.8 and later).
    pub rss_shmem: Option<Amount>,
    /// Swapped out (3.6 and later).
    pub swap: Option<Amount>,
    /// Its page tables (3.6 and later).
    pub page_tables: Option<Amount>,
    /// Its oom_score_adj (2.6.36 and later).
    pub oom_score_adj: Option<i64>,
    /// Its oom_adj (before 3.6).
    pub oom_adj: Option<i64>,
}

impl Task {
    /// What it really uses: resident and swapped.
    pub fn used(&self) -> ByteCount {
        self.rss.or_zero() + self.swap.map_or(ByteCount::ZERO, Amount::or_zero)
    }

    /// Whether the killer may never choose it.
    pub fn is_protected(&self) -> bool {
        self.oom_score_adj == Some(-1000) || self.oom_adj == Some(-17)
    }
}

/// One row of the list of unreclaimable slab caches (4.15 and later).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slab {
    /// The cache.
    pub name: String,
    /// What it holds, free objects included.
    pub total: Amount,
}

/// How it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// A process was killed.
    Killed,
    /// The killer named its choice; that the kill followed is not in the text.
    KillAnnounced,
    /// There was nothing to kill.
    NoKillable,
    /// The kernel stopped.
    Panic,
    /// The text does not say.
    #[default]
    NoneVisible,
}

/// What the call trace passed through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// A page fault that had already failed for lack of memory.
    pub page_fault: bool,
    /// The magic SysRq key.
    pub sysrq: bool,
    /// A charge to a memory cgroup.
    pub memcg: bool,
    /// fork, clone.
    pub fork: bool,
    /// swapoff.
    pub swapoff: bool,
    /// Reading a file into the page cache.
    pub page_cache: bool,
    /// The OOM killer itself.
    pub oom: bool,
    /// A BPF program.
    pub bpf: bool,
}

/// Why the kernel stopped instead of killing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Panic {
    /// A panic line was printed.
    pub printed: bool,
    /// The sysctl vm.panic_on_oom asked for it.
    pub on_oom: bool,
}

/// Everything one report says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OomReport {
    /// When.
    pub when: When,
    /// The running kernel, as printed.
    pub kernel: Option<String>,
    /// The machine, as printed.
    pub hardware: Option<String>,
    /// The page size.
    pub page_size: ByteCount,
    /// How the page size is known.
    pub page_size_source: PageSizeSource,
    /// Who asked for memory; often only a victim of circumstances.
    pub invoker: Option<Invoker>,
    /// The kind of memory asked for.
    pub gfp: Option<Gfp>,
    /// 2^order pages were asked for; -1 for SysRq.
    pub order: Option<i32>,
    /// The nodes of the memory policy, as printed.
    pub nodemask: Option<String>,
    /// The cpuset of the invoker.
    pub cpuset: Option<String>,
    /// The nodes the cpuset allows.
    pub mems_allowed: Option<String>,
    /// Which limit was hit.
    pub constraint: Option<Constraint>,
    /// The memory cgroup part.
    pub memcg: Option<Memcg>,
    /// Who was announced.
    pub selected: Option<Selected>,
    /// Who was killed first.
    pub victim: Option<Victim>,
    /// Every process killed, in order.
    pub killed_pids: Vec<i64>,
    /// Processes that died with the victim because they share its memory.
    pub sharing_pids: Vec<i64>,
    /// Whose memory the reaper took back.
    pub reaped_pids: Vec<i64>,
    /// The group that died as one (memory.oom.group).
    pub oom_group: Option<String>,
    /// The task table, sorted by what each really uses.
    pub tasks: Vec<Task>,
    /// Whether there was a task table at all, if empty.
    pub has_table: bool,
    /// Rows beyond the number that is kept.
    pub tasks_left_out: u64,
    /// How memory stood.
    pub memory: crate::oom::memory::Memory,
    /// The largest unreclaimable slab caches first.
    pub slabs: Vec<Slab>,
    /// What the call trace passed through.
    pub trace: Trace,
    /// Why the kernel stopped.
    pub panic: Panic,
    /// `no killable processes` was printed.
    pub no_killable: bool,
    /// A balloon driver spoke shortly before.
    pub balloon: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether parts of the report are not in the text.
    pub truncated: bool,
    /// Why, and the arithmetic that shows it.
    pub cause: Cause,
}

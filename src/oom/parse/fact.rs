//! The facts a message can be. They borrow from the message; what they add up to is `split`'s affair.

use crate::oom::memory::{Blocks, HugePages};
use crate::oom::report::{Counter, Trace};

/// What a line of the tail of Mem-Info counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// `N total pagecache pages`.
    PageCache,
    /// `Total swap`, in kB.
    SwapTotal,
    /// `Free swap`, in kB.
    SwapFree,
    /// `N pages RAM`.
    Ram,
    /// `N pages reserved`.
    Reserved,
    /// `N pages HighMem`.
    HighMem,
    /// A count that is recognised and not kept.
    Other,
}

/// The columns of a task table, in their order, without the leading pid and the trailing name.
pub type Columns = Vec<&'static str>;

/// The header of a task table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableHeader {
    /// Its columns.
    pub columns: Columns,
    /// Whether the last one, `name`, is there: otherwise the line is wrapped or cut.
    pub is_whole: bool,
}

/// A `Kill process` or `Killed process` line.
#[derive(Clone, Debug, PartialEq)]
pub struct KillLine<'a> {
    /// `Killed` rather than `Kill`.
    pub done: bool,
    /// The victim's pid.
    pub pid: i64,
    /// The victim's comm.
    pub name: &'a str,
    /// The printed badness.
    pub score: Option<i64>,
    /// The victim's user.
    pub uid: Option<i64>,
    /// Sizes by the kernel's keys (`total-vm`, `anon-rss`, …), in kB, and `oom_score_adj`.
    pub sizes: Vec<(&'a str, i128)>,
    /// `Memory cgroup out of memory`.
    pub memcg: bool,
    /// `No available memory (MPOL_BIND)`.
    pub mempolicy: bool,
    /// `No available memory in cpuset`.
    pub cpuset: bool,
    /// Whether a message such as `Out of memory:` stands before it.
    pub prefixed: bool,
    /// `sharing same memory`: it dies because the victim does.
    pub sharing: bool,
    /// It stands inside another program's message, which only repeats the kernel's.
    pub quoted: bool,
}

/// The `oom-kill:` line (5.0 and later).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OomKillLine<'a> {
    /// `CONSTRAINT_…`.
    pub constraint: &'a str,
    /// As printed, `(null)` included.
    pub nodemask: Option<&'a str>,
    /// The invoker's cpuset.
    pub cpuset: Option<&'a str>,
    /// The nodes it allows.
    pub mems_allowed: Option<&'a str>,
    /// The group that is full.
    pub oom_memcg: Option<&'a str>,
    /// The whole machine is short.
    pub global: bool,
    /// The victim's group.
    pub task_memcg: Option<&'a str>,
    /// The victim's comm.
    pub task: Option<&'a str>,
    /// The victim's pid.
    pub pid: Option<i64>,
    /// The victim's user.
    pub uid: Option<i64>,
}

/// What one message says.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact<'a> {
    /// `X invoked oom-killer: …`.
    Header {
        invoker: Option<&'a str>,
        mask: Option<u64>,
        names: Option<&'a str>,
        nodemask: Option<&'a str>,
        order: Option<i32>,
        oom_score_adj: Option<i64>,
        oom_adj: Option<i64>,
    },
    /// `X cpuset=/ mems_allowed=0`.
    Cpuset { name: &'a str, cpuset: &'a str, mems_allowed: &'a str },
    /// `CPU: 1 PID: 1 Comm: X Not tainted 4.4.0 #1`.
    Cpu { pid: Option<i64>, comm: Option<&'a str>, kernel: Option<&'a str> },
    /// `Hardware name: …`.
    Hardware(&'a str),
    /// `Linux version …`: the machine was started.
    Boot(&'a str),
    /// A line of the call trace that tells something.
    Trace(Trace),
    /// Some other line of a call trace or of a part that is not kept.
    Filler,
    /// `Task in A killed as a result of limit of B`; either half can be missing.
    TaskIn { task_memcg: Option<&'a str>, oom_memcg: Option<&'a str> },
    /// `memory: usage …`, with what stands before `: usage`.
    Counter { of: &'a str, counter: Counter },
    /// `Memory cgroup stats for X:`, with the pairs of the old form in KB.
    MemcgStats { path: &'a str, stats: Vec<(&'static str, i128)> },
    /// One field of the statistics, in bytes (5.3 and later).
    MemcgStat { key: &'static str, bytes: i128 },
    /// `Mem-Info:`, with the totals that can follow on the same line.
    MemInfo(Vec<(&'static str, i128)>),
    /// A line of the totals, in pages.
    Totals(Vec<(&'static str, i128)>),
    /// A node line.
    Node { node: u32, values: Vec<(&'static str, i128)>, all_unreclaimable: Option<bool> },
    /// A zone line.
    Zone { node: Option<u32>, name: &'a str, values: Vec<(&'static str, i128)>, all_unreclaimable: Option<bool> },
    /// `lowmem_reserve[]: …`, in pages.
    LowmemReserve(Vec<u64>),
    /// A buddy list.
    Buddy { node: Option<u32>, zone: &'a str, blocks: Vec<Blocks> },
    /// A line of huge pages.
    HugePages(HugePages),
    /// A line of the tail.
    Tail(Tail, i128),
    /// `Unreclaimable slab info:`.
    SlabHeader,
    /// One cache, total in KB.
    Slab { name: &'a str, total: i128 },
    /// `Tasks state (memory values in pages):`.
    TasksState,
    /// The header of the task table.
    TableHeader(TableHeader),
    /// A row of the task table: the pid and what follows it.
    TaskRow { pid: i64, rest: &'a str },
    /// The `oom-kill:` line.
    OomKill(OomKillLine<'a>),
    /// A kill line.
    Kill(KillLine<'a>),
    /// `Tasks in X are going to be killed due to memory.oom.group set`.
    OomGroup(&'a str),
    /// `oom_reaper: reaped process N`.
    Reaped(i64),
    /// `Out of memory and no killable processes`.
    NoKillable,
    /// The kernel stops; because vm.panic_on_oom asks for it?
    Panic { on_oom: bool },
    /// Memory is shown for another reason: a failed allocation, SysRq-m.
    NotOom,
    /// SysRq-f: somebody asked for the killer by hand.
    ManualOom,
    /// A balloon driver speaks.
    Balloon,
    /// Somebody left out a part of the text (`...`, `<trim>`).
    Elision,
}

//! What a job is asked to do, as plain values. `cli` makes them from what was typed; jobs know no terminal.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::memory::Compression;
use crate::progress::Progress;
use crate::space::RegionKind;
use crate::trace::Method;
use crate::units::{Addr, ByteCount, Span};

/// One command with all that was decided about it.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// What fills the memory, how fast, until when.
    Inspect(Inspect),
    /// The same about a child that leaks on purpose.
    Demo(Demo),
    /// Which region holds what.
    Map(Map),
    /// Which process is fat.
    Top(Top),
    /// Copy memory into a file.
    Dump(Dump),
    /// What fills a file or a stretch of memory.
    Scan(Scan),
    /// What grew between two files.
    Diff(Diff),
    /// What the allocator holds, what of it is lost, who holds the rest.
    Heap(Heap),
    /// Bytes with their addresses.
    Hex(Hex),
    /// What may be done, and what is missing for the rest.
    Doctor(Doctor),
    /// Who grows it.
    Trace(Trace),
}

/// What every job has around it.
#[derive(Clone, Copy)]
pub struct Context<'c> {
    /// Told how the work moves on; asks to stop.
    pub progress: &'c dyn Progress,
    /// Takes a remark that a person should see at once, such as which of several processes was taken.
    pub remark: &'c (dyn Fn(&str) + Sync),
    /// What leakscope may use beside a staged copy.
    pub max_memory: ByteCount,
    /// Whether that was typed: then a staged copy has to fit in as well.
    pub max_memory_is_hard: bool,
    /// Whether values must not be quoted in sentences; documents are masked by the writer.
    pub redact: bool,
}

/// One process as typed, or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// A pid, a name, `children:PID` or `cgroup:PATH`.
    pub text: String,
    /// All processes that fit, not the largest.
    pub all: bool,
}

/// Where bytes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A live process.
    Target(Selector),
    /// A dump.
    File {
        /// Where it is.
        path: PathBuf,
        /// The address of its first byte, where typed; it goes before a manifest.
        base: Option<Addr>,
    },
}

/// Which part of an address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What grows, else what is largest.
    Suspect,
    /// Exactly these addresses.
    Span(Span),
    /// The largest region of a kind.
    Kind(RegionKind),
    /// The region that holds an address.
    At(Addr),
}

/// How bytes of a live process are had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MethodChoice {
    /// Whatever disturbs least.
    Auto,
    /// Without stopping it.
    Live,
    /// Without stopping it, while nobody in it runs.
    Idle,
    /// While it runs, with a short stop for what was written last.
    Precopy,
    /// From a copy-on-write child.
    Fork,
    /// Stopped for the copy.
    Stop,
}

/// `inspect`.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspect {
    /// Whom.
    pub selector: Selector,
    /// How long to watch.
    pub window: Duration,
    /// Time between two samples, where typed; never longer than the window.
    pub interval: Option<Duration>,
    /// How to copy.
    pub method: MethodChoice,
    /// The longest it may be stopped, as far as that can be predicted.
    pub max_pause: Option<Duration>,
    /// What to look into.
    pub part: Part,
    /// Folder to keep the suspect's bytes in.
    pub dump_dir: Option<PathBuf>,
    /// Read swapped-out pages too, which grows the target.
    pub include_swapped: bool,
}

/// `demo`.
#[derive(Clone, Debug, PartialEq)]
pub struct Demo {
    /// How long to watch.
    pub window: Duration,
}

/// The order of `map`'s rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapOrder {
    /// By address.
    Address,
    /// Largest resident first.
    Rss,
    /// Largest first.
    Size,
}

/// `map`.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// Whom; several with `all`.
    pub selector: Selector,
    /// In which order.
    pub order: MapOrder,
}

/// The order of `top`'s rows, largest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopOrder {
    /// Resident.
    Rss,
    /// Resident, shared pages divided.
    Pss,
    /// Swapped out.
    Swap,
    /// Growth between two looks.
    Growth,
    /// The kernel's badness.
    Oom,
    /// Least room below a limit first.
    Headroom,
}

/// `top`.
#[derive(Clone, Debug, PartialEq)]
pub struct Top {
    /// Only these processes.
    pub only: Option<Selector>,
    /// Rows at most.
    pub limit: usize,
    /// In which order.
    pub order: TopOrder,
    /// Time between the two looks that growth needs.
    pub window: Duration,
}

/// `dump`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dump {
    /// Whom.
    pub selector: Selector,
    /// What.
    pub part: Part,
    /// As an ELF core of all private memory, else the bytes of the part as they are.
    pub core: bool,
    /// How the file holds the bytes; cores as they are.
    pub compression: Compression,
    /// Whereto; `leakscope-PID.raw`, `.raw.zst` or `.core` in the working folder where not typed.
    pub output: Option<PathBuf>,
    /// Over an existing file.
    pub force: bool,
    /// Read swapped-out pages too, which grows the target.
    pub include_swapped: bool,
    /// How to copy.
    pub method: MethodChoice,
    /// The longest it may be stopped, as far as that can be predicted.
    pub max_pause: Option<Duration>,
    /// Make a sha256.
    pub hash: bool,
    /// Only tell what it would cost.
    pub dry_run: bool,
}

/// `scan`.
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    /// What.
    pub subject: Subject,
    /// Which part; of a file all where not typed, of a process all private memory.
    pub part: Option<Part>,
    /// Groups at most.
    pub top: usize,
    /// How to copy.
    pub method: MethodChoice,
    /// The longest it may be stopped, as far as that can be predicted.
    pub max_pause: Option<Duration>,
    /// Read swapped-out pages too, which grows the target.
    pub include_swapped: bool,
}

/// `diff`.
#[derive(Clone, Debug, PartialEq)]
pub struct Diff {
    /// The earlier file.
    pub before: PathBuf,
    /// The later file.
    pub after: PathBuf,
    /// Groups at most.
    pub top: usize,
}

/// `heap`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heap {
    /// What.
    pub subject: Subject,
    /// Groups at most.
    pub top: usize,
    /// Time between two walks, where growth is wanted; of a process only.
    pub window: Option<Duration>,
    /// A place in memory to tell the holder of.
    pub why: Option<Addr>,
    /// How to have the bytes of a process.
    pub method: MethodChoice,
    /// How long the target may stand still.
    pub max_pause: Option<Duration>,
    /// Read swapped-out pages too, which grows the target.
    pub include_swapped: bool,
    /// Where a file holds the copy of a process, in place of memory.
    pub spool: Option<PathBuf>,
}

/// `hex`.
#[derive(Clone, Debug, PartialEq)]
pub struct Hex {
    /// What.
    pub subject: Subject,
    /// Where to begin or to look; of a file its beginning where not typed.
    pub part: Option<Part>,
    /// Bytes to list at most; with `find`, around each place.
    pub length: ByteCount,
    /// Bytes to look for.
    pub find: Option<Vec<u8>>,
}

/// Whom to trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Traced {
    /// A live process.
    Target(Selector),
    /// A command to be started, program first.
    Command(Vec<OsString>),
}

/// `trace`.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Whom.
    pub subject: Traced,
    /// How long to watch; where not typed ten seconds, or until a command ends.
    pub window: Option<Duration>,
    /// How to see growth, where typed.
    pub method: Option<Method>,
    /// Watch processes that it forks too.
    pub children: bool,
    /// List single events.
    pub events: bool,
    /// Count the calls that change memory where page faults alone would do.
    pub calls: bool,
    /// See files that are opened and read as well.
    pub all_calls: bool,
    /// File for folded stacks.
    pub folded: Option<PathBuf>,
    /// File for a flame graph.
    pub svg: Option<PathBuf>,
    /// File for a pprof profile.
    pub pprof: Option<PathBuf>,
    /// Over existing files.
    pub force: bool,
}

/// `doctor`.
#[derive(Clone, Debug, PartialEq)]
pub struct Doctor {
    /// Whom to try, where named.
    pub selector: Option<Selector>,
}

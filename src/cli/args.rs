//! What can be typed. Knows clap; decides nothing.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::dump_args::DumpArgs;
use super::heap_args::HeapArgs;
use super::method::SnapshotArgs;
use super::trace::TraceArgs;
use super::values;
use super::watch_args::{ReportArgs, WatchArgs};
use crate::jobs::{MapOrder, Part, TopOrder};
use crate::units::{Addr, ByteCount, Span};

/// Finds out what fills the memory of a running process, how fast it grows and until when.
#[derive(Debug, Parser)]
#[command(
    name = "leakscope",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    override_usage = "leakscope [OPTIONS] TARGET\n       leakscope [OPTIONS] COMMAND …",
    after_help = "TARGET is a pid, a process name (its largest process), children:PID or cgroup:PATH.
`leakscope TARGET` is `leakscope inspect TARGET`; `leakscope inspect --help` lists its options.
A process that is called like a command needs the long form.

Examples:
  leakscope 4711                      what fills it, how fast, until when, in ten seconds
  leakscope nginx --for 1m            the largest nginx worker, watched for a minute
  leakscope top                       which process is fat
  leakscope watch children:4700       workers of a master, until the OOM killer and past it
  leakscope doctor 4711               why it cannot be looked into
  leakscope demo                      try it on a leak of our own

Exit codes: 0 answered, 1 failed, 2 wrong usage, 3 no such process or it ended, 4 not permitted,
10 a leak was found (--exit-code), 130 interrupted."
)]
pub struct CommandLine {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub common: Common,
}

/// What every command takes.
#[derive(Args, Debug)]
#[command(next_help_heading = "Options for all commands")]
pub struct Common {
    /// Answer in one JSON document
    #[arg(long, global = true)]
    pub json: bool,
    /// No progress, no remarks, no warnings; only the answer and errors
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// When to colour; NO_COLOR is heeded
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
    /// Mask values; shapes, keys, sizes and counts stay
    #[arg(long, global = true)]
    pub redact: bool,
    /// Memory leakscope may use, a staged copy included; without it 256MiB beside the copy
    #[arg(long, global = true, value_name = "SIZE", value_parser = values::size)]
    pub max_memory: Option<ByteCount>,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// What fills the memory of a process, how fast, until when (the default command)
    Inspect(InspectArgs),
    /// Regions of a process and what they cost
    Map(MapArgs),
    /// Processes by memory, with growth and room below their limits
    Top(TopArgs),
    /// Copy memory of a process into a file
    Dump(DumpArgs),
    /// What fills a dump or a region: shapes, templates, counts
    Scan(ScanArgs),
    /// What grew between two dumps
    Diff(DiffArgs),
    /// What the allocator holds, what of it is lost, who holds the rest
    Heap(HeapArgs),
    /// Bytes with their addresses; search
    Hex(HexArgs),
    /// What is permitted, and what to do about the rest
    Doctor(DoctorArgs),
    /// What the kernel said when memory ran out, decoded and explained
    Oom(OomArgs),
    /// Who grows a process: stacks, system calls, flame graphs
    Trace(TraceArgs),
    /// Follow processes for days: growth, verdicts, kills, evidence before the kill
    Watch(Box<WatchArgs>),
    /// The record of a watch as one HTML page
    Report(ReportArgs),
    /// Start a small leak and inspect it
    Demo(DemoArgs),
}

/// Which part of the memory.
#[derive(Args, Debug)]
pub struct PartArgs {
    /// Region: heap, anon, arena, stack, thread-stack, shared, file, or an address in it
    #[arg(long, value_name = "REGION", value_parser = values::region, conflicts_with = "range")]
    pub region: Option<Part>,
    /// Addresses: 0xSTART-0xEND or 0xSTART+SIZE
    #[arg(long, value_parser = values::range)]
    pub range: Option<Span>,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  leakscope inspect 4711
  leakscope inspect nginx --for 30s --json
  leakscope inspect 4711 --dump /var/tmp --method stop
  leakscope inspect redis-server --exit-code || page-somebody")]
pub struct InspectArgs {
    /// A pid, a process name, children:PID or cgroup:PATH
    pub target: String,
    /// How long to watch
    #[arg(long = "for", value_name = "DURATION", default_value = "10s", value_parser = values::duration)]
    pub window: Duration,
    /// Time between two samples
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    pub interval: Option<Duration>,
    #[command(flatten)]
    pub part: PartArgs,
    #[command(flatten)]
    pub snapshot: SnapshotArgs,
    /// Keep the bytes that were looked into in this folder
    #[arg(long, value_name = "DIR")]
    pub dump: Option<PathBuf>,
    /// Read swapped-out pages too, which brings them back into the target's memory
    #[arg(long)]
    pub include_swapped: bool,
    /// Exit with 10 where a leak is found
    #[arg(long)]
    pub exit_code: bool,
}

/// The order of regions.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum MapSort {
    Address,
    Rss,
    Size,
}

impl From<MapSort> for MapOrder {
    fn from(sort: MapSort) -> MapOrder {
        match sort {
            MapSort::Address => MapOrder::Address,
            MapSort::Rss => MapOrder::Rss,
            MapSort::Size => MapOrder::Size,
        }
    }
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  leakscope map 4711
  leakscope map nginx --all --sort rss")]
pub struct MapArgs {
    /// A pid, a process name, children:PID or cgroup:PATH
    pub target: String,
    /// The order of the rows
    #[arg(long, value_enum, value_name = "KEY", default_value = "address")]
    pub sort: MapSort,
    /// Every process that fits, not the largest
    #[arg(long)]
    pub all: bool,
}

/// The order of processes.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum TopSort {
    Rss,
    Pss,
    Swap,
    Growth,
    Oom,
    Headroom,
}

impl From<TopSort> for TopOrder {
    fn from(sort: TopSort) -> TopOrder {
        match sort {
            TopSort::Rss => TopOrder::Rss,
            TopSort::Pss => TopOrder::Pss,
            TopSort::Swap => TopOrder::Swap,
            TopSort::Growth => TopOrder::Growth,
            TopSort::Oom => TopOrder::Oom,
            TopSort::Headroom => TopOrder::Headroom,
        }
    }
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  leakscope top
  leakscope top --sort growth --for 10s
  leakscope top children:4700")]
pub struct TopArgs {
    /// Only these: a process name, children:PID or cgroup:PATH
    pub target: Option<String>,
    /// Rows at most
    #[arg(long, short = 'n', value_name = "COUNT", default_value = "20", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// The order of the rows
    #[arg(long, value_enum, value_name = "KEY", default_value = "rss")]
    pub sort: TopSort,
    /// Time between the two looks that growth needs
    #[arg(long = "for", value_name = "DURATION", default_value = "1s", value_parser = values::duration)]
    pub window: Duration,
}

#[derive(Args, Debug)]
#[command(after_help = "What exists as a file is taken for a file; what is a number, for a pid (./123 is the file).

Examples:
  leakscope scan heap.raw
  leakscope scan 4711 --region heap --top 5
  leakscope scan core.bin --base 0x55d0c0a1f000")]
pub struct ScanArgs {
    /// A dump, or a process
    #[arg(value_name = "FILE|TARGET")]
    pub subject: OsString,
    #[command(flatten)]
    pub part: PartArgs,
    /// Address of the file's first byte, where no manifest tells
    #[arg(long, value_name = "ADDR", value_parser = values::address)]
    pub base: Option<Addr>,
    /// Groups at most
    #[arg(long, short = 'n', value_name = "COUNT", default_value = "20", value_parser = clap::value_parser!(u32).range(1..))]
    pub top: u32,
    #[command(flatten)]
    pub snapshot: SnapshotArgs,
    /// Read swapped-out pages too, which brings them back into the target's memory
    #[arg(long)]
    pub include_swapped: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  leakscope diff before.raw after.raw
  leakscope diff before.raw after.raw --top 5 --json")]
pub struct DiffArgs {
    /// The earlier dump
    pub before: PathBuf,
    /// The later dump
    pub after: PathBuf,
    /// Groups at most
    #[arg(long, short = 'n', value_name = "COUNT", default_value = "20", value_parser = clap::value_parser!(u32).range(1..))]
    pub top: u32,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  leakscope hex 4711 --at 0x55d0c0a1f2a0
  leakscope hex heap.raw --find user_id
  leakscope hex 4711 --region heap --find 'hex:de ad be ef' --length 64")]
pub struct HexArgs {
    /// A dump, or a process
    #[arg(value_name = "FILE|TARGET")]
    pub subject: OsString,
    /// First address to list
    #[arg(long, value_name = "ADDR", value_parser = values::address, conflicts_with_all = ["region", "range"])]
    pub at: Option<Addr>,
    #[command(flatten)]
    pub part: PartArgs,
    /// Bytes to list, or to show around each place found [default: 256, with --range all of it]
    #[arg(long, short = 'n', value_name = "SIZE", value_parser = values::size)]
    pub length: Option<ByteCount>,
    /// Text to search for, or hex:BYTES
    #[arg(long, value_name = "TEXT|hex:BYTES", value_parser = pattern)]
    pub find: Option<Pattern>,
    /// Address of the file's first byte, where no manifest tells
    #[arg(long, value_name = "ADDR", value_parser = values::address)]
    pub base: Option<Addr>,
}

/// Bytes to search for. Not a Vec, which clap takes for an option that may be repeated.
pub type Pattern = Box<[u8]>;

fn pattern(text: &str) -> Result<Pattern, String> {
    values::pattern(text).map(Vec::into_boxed_slice)
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  leakscope doctor
  leakscope doctor 4711")]
pub struct DoctorArgs {
    /// A pid, a process name, children:PID or cgroup:PATH
    pub target: Option<String>,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Without FILE the kernel's own log is read, then the journal. Any dressing will do: dmesg, syslog, journalctl
in any form, mails, text from web pages, .gz.

Examples:
  leakscope oom                       the kills on this machine
  leakscope oom /var/log/kern.log.1 --last 1
  dmesg | leakscope oom - --verbose
  leakscope oom --follow              kills as they happen"
)]
pub struct OomArgs {
    /// A kernel log, - for standard input
    #[arg(value_name = "FILE|-")]
    pub log: Option<PathBuf>,
    /// Explain each flag and term
    #[arg(long, short)]
    pub verbose: bool,
    /// Print kills as they happen, until interrupted
    #[arg(long, short, conflicts_with = "log")]
    pub follow: bool,
    /// Only the last so many reports
    #[arg(long, short = 'n', value_name = "COUNT", conflicts_with = "follow", value_parser = clap::value_parser!(u32).range(1..))]
    pub last: Option<u32>,
}

#[derive(Args, Debug)]
pub struct DemoArgs {
    /// How long to watch
    #[arg(long = "for", value_name = "DURATION", default_value = "10s", value_parser = values::duration)]
    pub window: Duration,
    /// Be the child that leaks
    #[arg(long, hide = true)]
    pub leak: bool,
}

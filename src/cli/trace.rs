//! What can be typed behind `trace`, and what is decided of it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::plan::usage;
use super::values;
use crate::error::Result;
use crate::jobs::{self, Selector};
use crate::trace;

/// How growth is seen.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum TraceMethod {
    /// Page faults sampled: never stops it, names who first touches memory
    Perf,
    /// Hardware breakpoints behind brk, mmap, mprotect, mremap: never stops it, names who asks for memory
    Breakpoint,
    /// Every system call by ptrace: sees all, slows it several times
    Syscall,
}

impl From<TraceMethod> for trace::Method {
    fn from(method: TraceMethod) -> trace::Method {
        match method {
            TraceMethod::Perf => trace::Method::Perf,
            TraceMethod::Breakpoint => trace::Method::Breakpoint,
            TraceMethod::Syscall => trace::Method::Syscall,
        }
    }
}

/// Which system calls are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TraceCalls {
    /// Those that change memory, which perf counts where tracefs is readable, at some 50 ns for every system call of the machine
    Memory,
    /// These, and the files opened and read around them (by ptrace: slow)
    All,
}

#[derive(Args, Debug)]
#[command(after_help = "Without --method the lightest that is permitted is taken: perf, breakpoint, syscall.

Examples:
  leakscope trace 4711
  leakscope trace nginx --for 30s --svg flame.svg --pprof leak.pb.gz
  leakscope trace 4711 --calls all    growth beside the files that are read
  leakscope trace -- nginx -t         a command from its start to its end")]
pub struct TraceArgs {
    /// A pid, a process name, children:PID or cgroup:PATH
    #[arg(required_unless_present = "command", conflicts_with = "command")]
    pub target: Option<String>,
    /// A command to start and to trace until it ends
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
    /// How long to watch [default: 10s, of a command until it ends]
    #[arg(long = "for", value_name = "DURATION", value_parser = values::duration)]
    pub window: Option<Duration>,
    /// How to see growth
    #[arg(long, value_enum)]
    pub method: Option<TraceMethod>,
    /// Processes that it forks too
    #[arg(long, short = 'f')]
    pub follow: bool,
    /// List single events
    #[arg(long)]
    pub events: bool,
    /// Which system calls are counted; with --method those of memory are
    #[arg(long, value_enum, value_name = "WHICH")]
    pub calls: Option<TraceCalls>,
    /// Write folded stacks, weighted by bytes
    #[arg(long, value_name = "FILE")]
    pub folded: Option<PathBuf>,
    /// Write a flame graph
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Write a profile for `go tool pprof`
    #[arg(long, value_name = "FILE")]
    pub pprof: Option<PathBuf>,
    /// Write over existing files
    #[arg(long)]
    pub force: bool,
}

/// Decides what to trace and how.
pub fn plan(typed: TraceArgs) -> Result<jobs::Trace> {
    let all_calls = typed.calls == Some(TraceCalls::All);
    let method = typed.method.map(Into::into);
    if all_calls && method.is_some_and(|method| method != trace::Method::Syscall) {
        return Err(usage("--calls all", "only --method syscall sees files being read"));
    }
    Ok(jobs::Trace {
        subject: match typed.target {
            Some(text) => jobs::Traced::Target(Selector { text, all: false }),
            None => jobs::Traced::Command(typed.command),
        },
        window: typed.window,
        method,
        children: typed.follow,
        events: typed.events,
        calls: typed.calls.is_some() || method == Some(trace::Method::Perf),
        all_calls,
        folded: typed.folded,
        svg: typed.svg,
        pprof: typed.pprof,
        force: typed.force,
    })
}

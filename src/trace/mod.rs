//! Who grows a process: growth as it happens, each event with the stack it came from, and a ledger of what is still
//! there at the end. Three ways to see it, from light to heavy; wording is left to others.

mod call;
mod desk;
mod ledger;
mod means;
mod perf;
mod process;
mod result;
mod sites;
mod syscalls;
#[cfg(test)]
mod tests;
mod tracer;

pub use call::{Call, MemoryCall};
pub use ledger::{Ledger, StackId, Sum};
pub use result::{CallSum, Event, Happening, StackSum, TraceResult};
pub use tracer::{Options, Tracer};

use std::fmt;

/// How growth is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Sampled page faults: the first touch of each page, whoever had it mapped and when. The target is never stopped.
    /// Names who writes to new memory, not who asked for it.
    Perf,
    /// Debug registers behind the system calls of the C library's brk, mmap, mremap and mprotect, held by perf. The
    /// target is never stopped and its other calls run at full speed; loading the registers costs at each context switch,
    /// more so in a virtual machine. Memory that was mapped earlier and is touched now is missed.
    Breakpoint,
    /// ptrace at every system call. Sees all and makes a busy process several times slower.
    Syscall,
}

impl Method {
    /// What it costs the target and what it misses, in one line.
    pub fn cost(self) -> &'static str {
        match self {
            Method::Perf => {
                "page faults, some 1000 samples a second, a few µs each and some at context switches; names who touches memory first"
            }
            Method::Breakpoint => {
                "brk, mmap, mremap and mprotect, a few µs each and some at context switches; misses touches of memory mapped before"
            }
            Method::Syscall => {
                "every system call, two stops each: a busy server becomes several times slower; misses touches of memory mapped before"
            }
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Method::Perf => "perf",
            Method::Breakpoint => "breakpoint",
            Method::Syscall => "syscall",
        })
    }
}

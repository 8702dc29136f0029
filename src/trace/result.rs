//! What a trace found, as plain values.

use std::time::Duration;

use super::{Call, MemoryCall, Method};
use crate::stacks::Frame;
use crate::units::ByteCount;

/// All that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceResult {
    /// How it was seen.
    pub method: Method,
    /// How long.
    pub watched: Duration,
    /// Events seen.
    pub events: u64,
    /// Samples that came too fast to be kept; the others stand for them.
    pub lost: u64,
    /// By how much private memory grew meanwhile as the kernel counts it, all processes watched; `None` where they ended.
    pub growth: Option<i64>,
    /// Stacks, largest first.
    pub stacks: Vec<StackSum>,
    /// Calls by name.
    pub calls: Vec<CallSum>,
    /// Why the calls were not seen beside page faults, where they were wanted.
    pub calls_unseen: Option<String>,
    /// Single events, where asked for.
    pub log: Vec<Event>,
    /// Whether of each stack only the innermost function is known: 32-bit code is not unwound.
    pub innermost_only: bool,
    /// Whether the log was cut.
    pub log_cut: bool,
}

/// One stack with what it did.
#[derive(Clone, Debug, PartialEq)]
pub struct StackSum {
    /// Innermost first.
    pub frames: Vec<Frame>,
    /// Events.
    pub events: u64,
    /// Mapped or touched.
    pub mapped: ByteCount,
    /// Of these given back, as far as it was seen.
    pub unmapped: ByteCount,
    /// Still there at the end; where the process ended, all of it.
    pub outstanding: ByteCount,
}

/// One call's sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallSum {
    /// Which.
    pub call: MemoryCall,
    /// How often.
    pub count: u64,
    /// What it gave.
    pub mapped: ByteCount,
    /// What it took back.
    pub unmapped: ByteCount,
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Since the trace began.
    pub at: Duration,
    /// The process.
    pub pid: i32,
    /// The thread.
    pub tid: i32,
    /// What happened.
    pub what: Happening,
    /// Bytes it gave.
    pub mapped: ByteCount,
    /// Bytes it took back.
    pub unmapped: ByteCount,
    /// Innermost first.
    pub frames: Vec<Frame>,
}

/// What an event is about. Names of files are hostile text.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// Pages were touched for the first time.
    Touch,
    /// A call came back.
    Call {
        /// Which, with its arguments.
        call: Call,
        /// The file that the thread read last, and how many bytes of it since it was opened.
        reading: Option<(String, ByteCount)>,
    },
    /// A file was opened.
    Open(String),
    /// So much of a file was read, since the last event of the thread that is no read.
    Read {
        /// The file.
        file: String,
        /// Calls.
        count: u64,
        /// Bytes.
        bytes: ByteCount,
    },
}

impl TraceResult {
    /// What was seen, what that cost and what it misses, in one line.
    pub fn note(&self) -> String {
        let cost = self.method.cost();
        match self.calls.is_empty() {
            false if self.method == Method::Perf => format!("calls of brk, mmap, munmap, mremap, mprotect, and {cost}"),
            _ => cost.into(),
        }
    }

    /// Bytes that stacks account for.
    pub fn seen(&self) -> ByteCount {
        self.stacks.iter().map(|stack| stack.outstanding).sum()
    }

    /// Growth that no stack accounts for.
    pub fn unseen(&self) -> ByteCount {
        let growth = self.growth.and_then(|growth| u64::try_from(growth).ok()).unwrap_or(0);
        ByteCount(growth).saturating_sub(self.seen())
    }
}

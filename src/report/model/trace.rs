//! Who grows a process: stacks with their bytes, calls, single events.

use serde::Serialize;

use super::TargetRow;
use crate::stacks::{Frame, first_outside, is_allocator};
use crate::trace::{CallSum, Event, Happening, StackSum, TraceResult};
use crate::units::{Addr, ByteCount};

/// The answer of `trace`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Trace {
    /// The process.
    pub target: TargetRow,
    /// How long was watched.
    pub seconds: f64,
    /// `perf`, `breakpoint` or `syscall`.
    pub method: String,
    /// What the method sees, costs and misses.
    pub method_note: String,
    /// Growth of private memory as the kernel counts it; null where the process ended.
    pub growth_bytes: Option<i64>,
    /// System calls by name; empty where the method does not see them.
    pub calls: Vec<CallRow>,
    /// Who allocates.
    pub allocations: Allocations,
    /// Single events, where asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<EventRow>>,
    /// Files written.
    pub files: Vec<String>,
    /// Every caution on how this was made.
    pub warnings: Vec<String>,
}

/// Who allocates what grows.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Allocations {
    /// `perf`, `breakpoint` or `syscall`.
    pub method: String,
    /// Events seen.
    pub events: u64,
    /// Bytes that the stacks account for.
    pub bytes: ByteCount,
    /// Growth that no stack accounts for: with it all shares add up to one.
    pub unseen_bytes: ByteCount,
    /// Largest first; those of which nothing is left, last.
    pub stacks: Vec<StackRow>,
    /// Stacks beyond those listed of which something is left.
    pub omitted_stacks: u64,
}

/// One way to more memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StackRow {
    /// Part of the growth, 0 to 1.
    pub share: f64,
    /// Bytes still there at the end; of a process that ended, all it ever got.
    pub bytes: ByteCount,
    /// Bytes it got, whatever became of them.
    pub mapped_bytes: ByteCount,
    /// Of these given back, as far as it was seen.
    pub unmapped_bytes: ByteCount,
    /// Events.
    pub events: u64,
    /// Which of the frames wanted the memory: the first outside the allocator.
    pub culprit: Option<usize>,
    /// Innermost first.
    pub frames: Vec<FrameRow>,
}

/// One function on a stack.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FrameRow {
    /// Its name, null where the file has none.
    pub function: Option<String>,
    /// The file its code is from.
    pub module: Option<String>,
    /// Bytes from the function's start, or from the module's where it has no name.
    pub offset: Option<u64>,
    /// Source file.
    pub file: Option<String>,
    /// Line in it.
    pub line: Option<u32>,
    /// Address in the process.
    pub address: Addr,
    /// Build id of the module.
    pub build_id: Option<String>,
    /// As a line of text; not in the JSON document.
    #[serde(skip)]
    pub text: String,
    /// Name alone; not in the JSON document.
    #[serde(skip)]
    pub name: String,
    /// Whether it is only on the way to memory; not in the JSON document.
    #[serde(skip)]
    pub allocates: bool,
}

/// One system call's sum.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CallRow {
    /// Its name.
    pub name: String,
    /// How often.
    pub count: u64,
    /// Bytes it gave.
    pub mapped_bytes: ByteCount,
    /// Bytes it took back.
    pub unmapped_bytes: ByteCount,
}

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct EventRow {
    /// Since the trace began.
    pub seconds: f64,
    /// The process.
    pub pid: i32,
    /// The thread.
    pub tid: i32,
    /// `touch`, `call`, `open` or `read`.
    pub kind: &'static str,
    /// The call with arguments and result, or how much was read how often.
    pub text: String,
    /// The file opened or read, or read last before a call.
    pub file: Option<String>,
    /// Bytes of that file read until then.
    pub file_bytes: Option<ByteCount>,
    /// Bytes it gave.
    pub mapped_bytes: ByteCount,
    /// Bytes it took back.
    pub unmapped_bytes: ByteCount,
    /// Innermost first.
    pub frames: Vec<FrameRow>,
}

impl Allocations {
    /// The first `limit` stacks of `found`; the rest is counted.
    pub fn from_trace(found: &TraceResult, limit: usize) -> Allocations {
        let whole = found.seen() + found.unseen();
        let row = |stack: &StackSum| StackRow::from_sum(stack, whole);
        Allocations {
            method: found.method.to_string(),
            events: found.events,
            bytes: found.seen(),
            unseen_bytes: found.unseen(),
            stacks: found.stacks.iter().take(limit).map(row).collect(),
            omitted_stacks: found.stacks.iter().skip(limit).filter(|stack| stack.outstanding > ByteCount::ZERO).count()
                as u64,
        }
    }

    /// Part of the growth that no stack accounts for.
    pub fn unseen_share(&self) -> f64 {
        self.unseen_bytes.share_of(self.bytes + self.unseen_bytes)
    }
}

impl StackRow {
    fn from_sum(stack: &StackSum, whole: ByteCount) -> StackRow {
        let culprit = first_outside(&stack.frames);
        StackRow {
            share: stack.outstanding.share_of(whole),
            bytes: stack.outstanding,
            mapped_bytes: stack.mapped,
            unmapped_bytes: stack.unmapped,
            events: stack.events,
            culprit: culprit.and_then(|culprit| stack.frames.iter().position(|frame| frame == culprit)),
            frames: stack.frames.iter().map(FrameRow::from).collect(),
        }
    }
}

impl From<&Frame> for FrameRow {
    fn from(frame: &Frame) -> FrameRow {
        FrameRow {
            function: frame.function.clone(),
            module: frame.module.clone(),
            offset: frame.offset,
            file: frame.file.clone(),
            line: frame.line,
            address: frame.address,
            build_id: frame.build_id.clone(),
            text: frame.to_string(),
            name: frame.name(),
            allocates: is_allocator(frame),
        }
    }
}

impl From<&CallSum> for CallRow {
    fn from(sum: &CallSum) -> CallRow {
        CallRow { name: sum.call.to_string(), count: sum.count, mapped_bytes: sum.mapped, unmapped_bytes: sum.unmapped }
    }
}

impl From<&Event> for EventRow {
    fn from(event: &Event) -> EventRow {
        let (kind, text, file, file_bytes) = match &event.what {
            Happening::Touch => ("touch", "first touch of a page".to_owned(), None, None),
            Happening::Call { call, reading } => {
                let (file, bytes) = reading.clone().unzip();
                ("call", call.to_string(), file, bytes)
            }
            Happening::Open(file) => ("open", "open".to_owned(), Some(file.clone()), None),
            Happening::Read { file, count, bytes } => {
                let times = if *count == 1 { "once".to_owned() } else { format!("{count} times") };
                ("read", format!("read {times}"), Some(file.clone()), Some(*bytes))
            }
        };
        EventRow {
            seconds: event.at.as_secs_f64(),
            pid: event.pid,
            tid: event.tid,
            kind,
            text,
            file,
            file_bytes,
            mapped_bytes: event.mapped,
            unmapped_bytes: event.unmapped,
            frames: event.frames.iter().map(FrameRow::from).collect(),
        }
    }
}

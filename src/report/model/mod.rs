//! The documents that commands answer with, field by field as SPEC names them.
//! Sizes are integers in bytes, durations float seconds unless named `_ms`, addresses `0x…`; unknown is null and
//! never 0. Text of the target is raw here; writers escape it.

mod content;
mod heap;
mod heap_rows;
mod inspect;
mod lookup;
mod region;
mod target;
mod trace;

pub use content::{CompositionRow, Content, GroupRow, SampleRow};
pub use heap::{
    AllocatorRow, ArenaRow, CensusRowOut, ConsistencyRow, FreeRow, Heap, HeapGroupRow, HolderRow, InsideRowOut,
    ReachRow, SizeRow, StepRow, TallyRow, WhyRow,
};
pub use inspect::{Growth, HeapSummary, Inspect, LimitRow, Snapshot, Suspect, Verdict};
pub use lookup::{CheckRow, Diff, Doctor, Dump, Hex, Map, Plan, ProcessRow, Scan, Stretch, Top, WayRow};
pub use region::{RegionRow, Totals};
pub use target::TargetRow;
pub use trace::{Allocations, CallRow, EventRow, FrameRow, StackRow, Trace};

use serde::Serialize;

/// What a command answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Document {
    /// What fills the memory, how fast, until when.
    Inspect(Box<Inspect>),
    /// The same about a child that leaks on purpose.
    Demo(Box<Inspect>),
    /// Which region holds what.
    Map(Map),
    /// Which process is fat.
    Top(Top),
    /// A copy in a file.
    Dump(Dump),
    /// What such a copy would cost.
    Plan(Plan),
    /// What fills a file or a stretch of memory.
    Scan(Scan),
    /// What grew between two files.
    Diff(Diff),
    /// What the allocator holds, what of it is lost, who holds the rest.
    Heap(Box<Heap>),
    /// Bytes with their addresses.
    Hex(Hex),
    /// What may be done, and what is missing for the rest.
    Doctor(Doctor),
    /// Who grows it.
    Trace(Box<Trace>),
}

impl Document {
    /// The command's name, as typed.
    pub fn command(&self) -> &'static str {
        match self {
            Document::Inspect(_) => "inspect",
            Document::Demo(_) => "demo",
            Document::Map(_) => "map",
            Document::Top(_) => "top",
            Document::Dump(_) | Document::Plan(_) => "dump",
            Document::Scan(_) => "scan",
            Document::Diff(_) => "diff",
            Document::Heap(_) => "heap",
            Document::Hex(_) => "hex",
            Document::Doctor(_) => "doctor",
            Document::Trace(_) => "trace",
        }
    }

    /// Every caution on how it was made.
    pub fn warnings(&self) -> &[String] {
        match self {
            Document::Inspect(inspect) | Document::Demo(inspect) => &inspect.warnings,
            Document::Map(map) => &map.warnings,
            Document::Top(top) => &top.warnings,
            Document::Dump(dump) => &dump.warnings,
            Document::Plan(plan) => &plan.warnings,
            Document::Scan(scan) => &scan.warnings,
            Document::Diff(diff) => &diff.warnings,
            Document::Heap(heap) => &heap.warnings,
            Document::Hex(hex) => &hex.warnings,
            Document::Doctor(doctor) => &doctor.warnings,
            Document::Trace(trace) => &trace.warnings,
        }
    }

    /// Whether the answer says that memory is being lost or piled up: the verdicts for which a person should act.
    pub fn accuses(&self) -> bool {
        match self {
            Document::Inspect(inspect) | Document::Demo(inspect) => {
                inspect.verdict.as_ref().is_some_and(Verdict::accuses)
            }
            Document::Heap(heap) => heap.accuses(),
            _ => false,
        }
    }
}

//! Where bytes come from. The contract that every origin keeps, and the origins behind it.
//! No caller can find out whether the bytes are a live process or a file; nobody here knows what bytes mean.

mod copy;
mod core_dump;
mod dump;
mod fake;
mod image;
mod ladder;
mod leisure;
mod live;
mod manifest;
mod output;
mod precopy;
mod recorded;
mod shelf;
mod sink;
mod source;
mod stage;
mod staged;
mod taking;
#[cfg(test)]
mod tests;

pub use core_dump::dump_core;
pub use dump::{DumpOptions, DumpResult, dump, plan_dump};
pub use fake::FakeMemory;
pub use ladder::{Method, Prediction, Wish, missing_in_child, predict, ways};
pub use live::{LiveMemory, StoppedMemory, WINDOW};
pub use manifest::{Manifest, ManifestMapping, ManifestTarget, SCHEMA_VERSION};
pub use output::Output;
pub use recorded::RecordedMemory;
pub use source::{Consistency, Coverage, MemorySource, ReadError};
pub use stage::{CopyOptions, Snapshot, StreamSummary, stage, stage_by, stage_chosen, stream};
pub use staged::StagedMemory;

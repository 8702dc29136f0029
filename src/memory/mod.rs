//! Where bytes come from. The contract that every origin keeps, and the origins behind it.
//! No caller can find out whether the bytes are a live process or a file; nobody here knows what bytes mean.

mod copy;
mod core_dump;
mod dump;
mod fake;
mod image;
mod live;
mod manifest;
mod output;
mod recorded;
mod source;
mod stage;
mod staged;
#[cfg(test)]
mod tests;

pub use core_dump::dump_core;
pub use dump::{DumpOptions, DumpResult, dump};
pub use fake::FakeMemory;
pub use live::{LiveMemory, StoppedMemory, WINDOW};
pub use manifest::{Manifest, ManifestMapping, ManifestTarget, SCHEMA_VERSION};
pub use recorded::RecordedMemory;
pub use source::{Consistency, Coverage, MemorySource, ReadError};
pub use stage::{CopyOptions, Method, Snapshot, StreamSummary, stage, stage_chosen, stream};
pub use staged::StagedMemory;

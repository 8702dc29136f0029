//! Where bytes come from. The contract that every origin keeps, and the origins behind it.
//! No caller can find out whether the bytes are a live process or a file; nobody here knows what bytes mean.

mod copy;
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

pub use dump::{DumpOptions, DumpResult, dump};
pub use fake::FakeMemory;
pub use live::{LiveMemory, StoppedMemory, WINDOW};
pub use manifest::{Manifest, ManifestMapping, ManifestTarget, SCHEMA_VERSION};
pub use output::Output;
pub use recorded::RecordedMemory;
pub use source::{Consistency, Coverage, MemorySource, ReadError};
pub use stage::{CopyOptions, Method, Snapshot, StreamSummary, stage, stream};
pub use staged::StagedMemory;

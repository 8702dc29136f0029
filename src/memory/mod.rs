//! Where bytes come from. The contract that every origin keeps, and the origins behind it.
//! No caller can find out whether the bytes are a live process or a file; nobody here knows what bytes mean.

mod copying;
mod dumping;
mod fake;
mod live;
mod recorded;
mod source;
mod staged;
#[cfg(test)]
mod tests;

pub use copying::copier::CopyOptions;
pub use copying::gently::{Declined, predict_staged, stage_gently};
pub use copying::ladder::{Method, Prediction, Wish, missing_in_child, predict, ways};
pub use copying::stage::{Snapshot, stage_by};
pub use copying::stream::{StreamSummary, stream};
pub use copying::wanted::Wanted;
pub use dumping::core_dump::{dump_core, plan_core};
pub use dumping::dump::{DumpOptions, DumpResult, dump, plan_dump};
pub use dumping::manifest::{Manifest, ManifestMapping, ManifestTarget, SCHEMA_VERSION};
pub use dumping::output::Output;
pub use dumping::packer::{Compression, FrameRun, Frames};
pub use fake::FakeMemory;
pub use live::{LiveMemory, StoppedMemory, WINDOW};
pub use recorded::RecordedMemory;
pub use source::{Consistency, Coverage, MemorySource, ReadError};
pub use staged::StagedMemory;

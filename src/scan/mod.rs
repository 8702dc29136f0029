//! What the bytes are: printable runs, JSON shapes, text templates, repeated strings, file signatures, objects.
//! One streaming pass over windows of memory with bounded tables. Knows nothing of processes and makes no claims.

mod blobs;
mod chunks;
mod gaps;
mod group;
mod json;
mod mask;
mod objects;
mod plausible;
mod pointee;
mod pointers;
mod run;
mod samples;
mod scanner;
mod source;
mod text;
mod view;

#[cfg(test)]
mod tests;

pub use group::{Composition, Group, GroupKind, Label, LabelPart, Sample, ScanResult, Tally};
pub use pointee::{Pointee, PointeeKind, PointerNames};
pub use scanner::{ScanOptions, Scanner};
pub use source::scan_source;

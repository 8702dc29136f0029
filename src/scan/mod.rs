//! What the bytes are: printable runs, JSON shapes, text templates, repeated strings, file signatures, objects.
//! One streaming pass over windows of memory with bounded tables. Knows nothing of processes and makes no claims.

mod group;
mod pointee;
mod text;

pub use group::{Composition, Group, GroupKind, Label, LabelPart, Sample, ScanResult, Tally};
pub use pointee::{Pointee, PointeeKind, PointerNames};

//! Where bytes come from. The contract that every origin keeps, and the origins behind it.
//! No caller can find out whether the bytes are a live process or a file; nobody here knows what bytes mean.

mod fake;
mod source;

pub use fake::FakeMemory;
pub use source::{Consistency, Coverage, MemorySource, ReadError};

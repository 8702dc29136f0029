//! ELF files: cores, and the names of what pointers point to. Everything in such a file is hostile: it is read in bounded
//! parts, and what makes no sense is left out. Knows nothing of processes.

mod core;
mod headers;

pub use self::core::{Core, Segment};

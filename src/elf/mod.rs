//! ELF files: cores, and the names of what pointers point to. Everything in such a file is hostile: it is read in bounded
//! parts, and what makes no sense is left out. Knows nothing of processes.

mod build_id;
mod calls;
mod core;
mod core_head;
mod demangle;
mod frames;
mod headers;
mod rtti;
mod symbols;
mod table;
#[cfg(test)]
mod tests;
mod unwind;

pub use self::build_id::build_id;
pub use self::calls::kernel_entries;
pub use self::core::{Core, Segment};
pub use self::core_head::{CoreHead, CoreProcess, core_head};
pub use self::demangle::demangled;
pub use self::symbols::{OpenFile, Symbols};
pub use self::unwind::{CallFrames, Section, call_frames};

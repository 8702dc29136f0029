//! From registers and a copy of a stack to the functions that called each other: unwinding without frame pointers,
//! names, and stacks as text. Knows ELF files and the mappings they are in; where samples came from is `trace`'s.

mod allocator;
mod folded;
mod frame;
mod jit;
mod modules;
mod symboliser;
#[cfg(test)]
mod tests;
mod unwinder;

pub use allocator::{first_outside, is_allocator};
pub use folded::{flame_graph, fold};
pub use frame::Frame;
pub use jit::PerfMap;
pub use modules::Modules;
pub use symboliser::Symboliser;
pub use unwinder::{Registers, Unwinder};

/// How the file behind a mapping is opened: a handle, and a path that leads to it while the handle is open.
pub type OpenModule<'a> = &'a dyn Fn(&crate::space::Mapping) -> std::io::Result<(std::fs::File, std::path::PathBuf)>;

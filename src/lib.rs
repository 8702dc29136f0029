//! leakscope investigates memory leaks in live Linux processes: what fills the memory, how fast and until when,
//! and whether it is lost, held or only fragmentation. The binary is a thin shell around this library.
//!
//! Facts come from the kernel through [`target`]; bytes come through [`memory`]; analyses ([`growth`], [`scan`], [`stacks`]) turn
//! them into plain results; [`explain`] turns results into claims; [`report`] writes them.

pub mod cli;
pub mod elf;
pub mod error;
pub mod explain;
pub mod growth;
pub mod heap;
pub mod jobs;
pub mod memory;
pub mod oom;
pub mod progress;
pub mod report;
pub mod scan;
pub mod space;
pub mod stacks;
#[allow(unsafe_code)]
pub mod sys;
pub mod target;
pub mod trace;
pub mod tui;
pub mod units;

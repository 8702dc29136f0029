//! The raw kernel contact that crates do not finish, and the only `unsafe` of the project.
//! Knows system calls and their structs; leaves every decision to its callers.

pub mod aside;
pub mod cpu;
pub mod file_map;
pub mod gate;
#[cfg(target_arch = "x86_64")]
pub mod inject;
pub mod lanes;
pub mod launch;
pub mod pagemap_scan;
pub mod pages;
pub mod perf;
pub mod perf_ring;
pub mod pidfd;
pub mod ptrace;
pub mod syscall_stops;
pub mod userfaultfd;

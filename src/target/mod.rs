//! Facts of the kernel about processes and the machine: who a target is, what its address space is made of, what
//! limits it and what may be done with it. The only reader of `/proc` and `/sys`; draws no conclusions.

mod access;
mod cgroup;
#[cfg(test)]
pub(crate) mod child;
#[cfg(test)]
pub(crate) mod false_tree;
mod following;
mod glance;
mod group_memory;
mod identity;
mod injection;
mod launching;
mod ledger;
mod limits;
mod looking;
mod machine;
mod maps;
mod opening;
mod own_pages;
#[cfg(test)]
pub(crate) mod patient;
mod pause;
mod processes;
mod reading;
mod relatives;
mod residency;
mod resolve;
mod role;
mod roots;
mod stat;
mod stillness;
mod unforked;

pub use crate::sys::ptrace::allow_tracers;
pub use access::{Access, Check, machine_access};
pub use following::Following;
pub use glance::{Ending, Glance, Standing};
pub use group_memory::{GroupMemory, group_memory, oom_kills};
pub use identity::Identity;
pub use injection::{ChildSnapshot, ForkCost, WriteTracker};
pub use launching::Launched;
pub use ledger::Ledger;
pub use limits::{Limit, LimitEffect, LimitKind};
pub use machine::{MachineMemory, machine_memory};
pub use opening::Target;
pub use own_pages::OwnPages;
pub use pause::{Pause, Stopped};
pub use processes::{ProcessRow, processes};
pub use reading::{path_of, perf_paranoid, tracepoint};
pub use resolve::{Resolved, fattest_worker_of, resolve};
pub use role::Role;
pub use stillness::Stillness;

//! Making a thread of a target call the kernel for us: which targets and threads are fit for it, and the two things
//! asked for, a copy-on-write child and a userfaultfd. Done in a process beside us; the raw work is `sys::inject`'s.

mod forked;
mod huge_pages;
mod leftover;
mod site;
#[cfg(target_arch = "x86_64")]
mod sitting;
#[cfg(all(test, target_arch = "x86_64"))]
mod tests;
mod tracking;

pub use forked::{ChildSnapshot, ForkCost};
pub use tracking::WriteTracker;

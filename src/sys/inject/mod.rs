//! System calls made by a thread of a target on our behalf, on x86-64, such that the thread repairs itself should we
//! die at any instruction: below its stack lie signal frames, and every call returns into rt_sigreturn(2), which puts
//! back registers, extended state, signal mask and the system call it was taken out of. Nothing is mapped and no text
//! is written. Which thread is fit and what is to be called is `target`'s business.

mod fork;
mod frame;
mod request;
mod seat;
#[cfg(test)]
mod tests;

pub use fork::{Forked, fork};
pub use frame::ROOM;
pub use seat::{Gadgets, Seat};

/// Kills and reaps a process that we trace.
pub fn end(pid: i32) {
    // SAFETY: a signal touches no memory of ours.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    while !matches!(request::wait(pid), Ok(request::Report::Ended) | Err(_)) {}
}

//! The gate before every step of what must be safe to break off: a test says at which step the process is to die.
//! Outside of tests there is nothing behind it.

/// Before a step that changes something of a target.
#[inline]
pub fn step() {
    #[cfg(test)]
    testing::count_down();
}

/// How a test closes the gate.
#[cfg(test)]
pub(crate) mod testing {
    use std::cell::Cell;

    thread_local! {
        static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
    }

    /// The process that the calling thread forks next dies before its step number `step`, counted from 0.
    pub(crate) fn die_at(step: Option<u32>) {
        LEFT.set(step);
    }

    pub(super) fn count_down() {
        match LEFT.get() {
            None => {}
            Some(0) => {
                let _ = nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::Signal::SIGKILL);
            }
            Some(left) => LEFT.set(Some(left - 1)),
        }
    }
}

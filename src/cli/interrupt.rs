//! Ctrl-C and SIGTERM: the first asks the work to stop, the second ends at once. A target that is held at that
//! moment is let go by the kernel, whose detach needs nothing from us.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag;

use super::exit;

/// A flag that is raised when a person asks to stop. Errors are the kernel's, which has no reason to refuse.
pub fn watch() -> std::io::Result<Arc<AtomicBool>> {
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // Registered first, so that it sees the flag of an earlier signal only.
        flag::register_conditional_shutdown(signal, i32::from(exit::INTERRUPTED), Arc::clone(&asked))?;
        flag::register(signal, Arc::clone(&asked))?;
    }
    Ok(asked)
}

/// The same while a screen is shown: no signal ends us before the terminal was given back, and those that come when a
/// terminal goes ask to stop too.
pub fn watch_on_screen() -> std::io::Result<Arc<AtomicBool>> {
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGQUIT, SIGHUP] {
        flag::register(signal, Arc::clone(&asked))?;
    }
    Ok(asked)
}

/// From now on the next one ends us at once: the terminal was given back, and to stop was asked for already.
pub fn ends_at_once() {
    for signal in [SIGINT, SIGTERM, SIGQUIT, SIGHUP] {
        // Where the kernel refused, it only asks again.
        let _ = flag::register_conditional_shutdown(signal, i32::from(exit::INTERRUPTED), Arc::new(true.into()));
    }
}

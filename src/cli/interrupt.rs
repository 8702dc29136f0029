//! Ctrl-C and SIGTERM: the first asks the work to stop, the second ends at once. A target that is held at that
//! moment is let go by the kernel, whose detach needs nothing from us.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag;

use super::exit;

/// A flag that is raised when a person asks to stop. Errors are the kernel's, which has no reason to refuse.
pub fn watch() -> std::io::Result<Arc<AtomicBool>> {
    heard(&[SIGINT, SIGTERM])
}

/// The same while a screen is shown: SIGQUIT must not leave it behind. SIGHUP keeps its meaning: the terminal is gone, and
/// waiting for keys of one that is gone never ends (crossterm 0.29 reads its end of file again and again).
pub fn watch_on_screen() -> std::io::Result<Arc<AtomicBool>> {
    heard(&[SIGINT, SIGTERM, SIGQUIT])
}

fn heard(signals: &[i32]) -> std::io::Result<Arc<AtomicBool>> {
    let asked = Arc::new(AtomicBool::new(false));
    for &signal in signals {
        // Registered first, so that it sees the flag of an earlier signal only.
        flag::register_conditional_shutdown(signal, i32::from(exit::INTERRUPTED), Arc::clone(&asked))?;
        flag::register(signal, Arc::clone(&asked))?;
    }
    Ok(asked)
}

//! The thin binary: everything it can do is in the library. What is left here is that no panic reaches a user.

use std::io::Write;
use std::panic::{self, PanicHookInfo};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use leakscope::report::escape;

fn main() -> ExitCode {
    panic::set_hook(Box::new(report));
    panic::catch_unwind(|| leakscope::cli::run(std::env::args_os())).unwrap_or(ExitCode::FAILURE)
}

/// One line, once, whatever else goes wrong behind it. Unwinding lets go of a target that is held.
fn report(panic: &PanicHookInfo) {
    static REPORTED: AtomicBool = AtomicBool::new(false);
    if REPORTED.swap(true, Ordering::Relaxed) {
        return;
    }
    let place = panic.location().map(|location| format!(" ({}:{})", location.file(), location.line()));
    let payload = panic.payload();
    let reason = payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
    let line = format!(
        "error: leakscope failed inside{}: {}; the target is unharmed, please report this\n",
        place.unwrap_or_default(),
        escape::terminal(reason.unwrap_or("no reason given"))
    );
    // Nobody is left to tell that stderr is closed.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

//! The harness of the integration tests: patients and real programs to look into, leakscope to look with, and the
//! comparison of a patient before and after. Knows nothing of single themes; those are the modules beside this one.

pub mod answer;
pub mod build;
pub mod cgroup;
pub mod health;
pub mod nginx;
pub mod patient;
pub mod python;
pub mod redis;
pub mod run;
pub mod scene;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use answer::{groups, label_like, members};
pub use health::Health;
pub use patient::Patient;
pub use run::{Leakscope, Run, leakscope};

/// The top of the package.
pub fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder of one test's own, removed with the value.
pub fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("leakscope-").tempdir().expect("a temporary folder")
}

/// Held by tests that fill the machine (hundreds of megabytes, a core for seconds): one of them at a time.
pub fn heavy() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Leaves the test unproven, by name and with the reason. With CI set nothing may be missing and it fails.
pub fn skip(reason: &str) {
    assert!(std::env::var_os("CI").is_none(), "nothing is skipped in CI: {reason}");
    note(reason);
}

/// The same for what a complete machine may lack too: never a failure.
pub fn note(reason: &str) {
    let line = format!("SKIPPED {}: {reason}\n", std::thread::current().name().unwrap_or("?"));
    // Straight to the descriptor: what goes through the print macros is swallowed when a test passes.
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(list) = std::env::var_os("LEAKSCOPE_SKIPS") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(list);
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }
}

/// Whether this test process is root, which many of the tests about permissions need.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// The path of a program, or None where it is not installed.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/sbin", "/usr/local/sbin", "/sbin"]);
    folders.map(|folder| Path::new(folder).join(name)).find(|path| path.is_file())
}

/// Looks until `met`, at most `limit`; whether it was.
pub fn wait_until(limit: Duration, mut met: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if met() {
            return true;
        }
        if begun.elapsed() > limit {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Asserts that `got` is within `percent` of `wanted`.
#[track_caller]
pub fn assert_near(what: &str, got: f64, wanted: f64, percent: f64) {
    let off = (got - wanted).abs() / wanted.abs().max(1.0) * 100.0;
    assert!(off <= percent, "{what}: {got} is {off:.1} % away from {wanted}, allowed are {percent} %");
}

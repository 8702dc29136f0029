//! `demo`: `inspect` on a child of our own that leaks JSON records, for whoever has no leak at hand.

use std::io::{self, Read, Write};
use std::mem::forget;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::inspect::{examine, plain};
use super::{Context, Demo, Selector};
use crate::error::{Error, ErrorKind, Result};
use crate::report::Document;
use crate::target::{Target, allow_tracers};

/// The flag that makes this program the leaking child.
pub const LEAK_FLAG: &str = "--leak";
/// Records the child forgets each tick: some 6 MiB a second.
const RECORDS: usize = 300;
const TICK: Duration = Duration::from_millis(10);
/// Whatever happens, the child ends after this.
const LONGEST_LIFE: Duration = Duration::from_secs(300);

/// Starts the child, examines it, ends it.
///
/// # Errors
/// The child cannot be started, or as `inspect`.
pub fn run(request: &Demo, context: &Context) -> Result<Vec<Document>> {
    let mut leak = Leak::start().map_err(|error| Error::new(ErrorKind::Failed, "cannot start", "the demo", error))?;
    let pid = leak.wait_ready().map_err(|error| Error::new(ErrorKind::Failed, "cannot start", "the demo", error))?;
    (context.remark)(&format!("started a child that leaks JSON records: pid {pid}"));
    let target = Target::open(pid)?;
    let selector = Selector { text: pid.to_string(), all: false };
    let answer = examine(&target, &plain(selector, request.window), context)?;
    Ok(vec![Document::Demo(Box::new(answer))])
}

/// The leaking child; ends with this value, and with this process however that ends, because its stdin closes.
struct Leak(Child);

impl Leak {
    fn start() -> io::Result<Leak> {
        let program = std::env::current_exe()?;
        let child = Command::new(program)
            .args(["demo", LEAK_FLAG])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Leak(child))
    }

    /// Its pid once it leaks.
    fn wait_ready(&mut self) -> io::Result<i32> {
        let mut ready = [0u8; 1];
        self.0.stdout.as_mut().ok_or(io::ErrorKind::BrokenPipe)?.read_exact(&mut ready)?;
        i32::try_from(self.0.id()).map_err(io::Error::other)
    }
}

impl Drop for Leak {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // Both fail only where the child has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the child does: forgets records, each different, until stdin closes.
pub fn leak_until_stdin_closes() {
    // What stops it is no ancestor of it, but a process beside its parent.
    allow_tracers();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ = io::stdin().read_to_end(&mut Vec::new());
            over.store(true, Ordering::Relaxed);
        });
        if io::stdout().write_all(b"R").and_then(|()| io::stdout().flush()).is_ok() {
            leak(&over);
        }
    });
}

fn leak(over: &AtomicBool) {
    let began = Instant::now();
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    while !over.load(Ordering::Relaxed) && began.elapsed() < LONGEST_LIFE {
        for _ in 0..RECORDS {
            forget(record(&mut random));
        }
        thread::sleep(TICK);
    }
}

fn record(random: &mut u64) -> String {
    let [a, b, c, d] = [next(random), next(random), next(random), next(random)];
    let system = ["ios", "android", "linux"][(a % 3) as usize];
    format!(
        "{{\"trace_id\":\"{a:016x}{b:016x}\",\"user_id\":{},\"device\":{{\"os\":\"{system}\",\"model\":\"m{}\"}},\
         \"payload\":\"order {} of shop {}\",\"sign\":\"{d:016x}\"}}",
        c % 10_000_000,
        b % 40,
        c % 1_000_000,
        d % 5000
    )
}

/// xorshift: as random as a demo has to be.
fn next(random: &mut u64) -> u64 {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    *random
}

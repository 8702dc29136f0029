//! Holding a target still: the one type with which somebody's production process is stopped.
//! It counts its own time and ends on drop. What is read meanwhile is `memory`'s business.

mod hold;
#[cfg(test)]
mod tests;

use std::io;
use std::marker::PhantomData;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use self::hold::{Hold, Refusal};
use super::Target;
use crate::error::{Error, ErrorKind, Result};

/// How long threads may take to come to rest. A process throttled by its cgroup gets a processor every 100 ms; one
/// that waits for a dead disk or server never comes to rest, and its other threads must not stand for it.
const REST_LIMIT: Duration = Duration::from_secs(1);

/// All threads of a target stand still as long as this lives.
///
/// Made with PTRACE_SEIZE and PTRACE_INTERRUPT (Linux 3.4), never with SIGSTOP: nobody's signal handling, job control
/// or parent notices. A target that a signal had stopped is stopped afterwards too. Tracing is done by a thread of its
/// own: when that ends, in any way, SIGKILL included, the kernel lets the target run, whatever state it is in.
#[derive(Debug)]
pub struct Pause<'t> {
    tracer: Option<Tracer>,
    threads: usize,
    /// The target must outlive the pause, and the pause stays where it began.
    target: PhantomData<(&'t Target, *const ())>,
}

#[derive(Debug)]
struct Tracer {
    release: mpsc::SyncSender<()>,
    thread: JoinHandle<Option<Duration>>,
}

/// Proof that a target stands still; what borrows it cannot outlive the pause.
#[derive(Clone, Copy, Debug)]
pub struct Stopped<'p> {
    threads: usize,
    pause: PhantomData<&'p Pause<'p>>,
}

impl Stopped<'_> {
    /// How many threads stand still.
    pub fn threads(&self) -> usize {
        self.threads
    }
}

impl<'t> Pause<'t> {
    /// Stops all threads of `target`. Costs about 10 µs per thread.
    ///
    /// Fails with `Gone` where it ended, `NotPermitted` where the kernel refuses or another tracer holds it, `Failed`
    /// where a thread does not come to rest within a second; in all cases the target runs on.
    pub fn begin(target: &'t Target) -> Result<Pause<'t>> {
        let failed = |error| refuse(target, Refusal::from(error));
        let tasks = target.proc_file("task").map_err(failed)?;
        let (report, reported) = mpsc::sync_channel(1);
        let (release, released) = mpsc::sync_channel::<()>(1);
        let work = move || trace(tasks, &report, &released);
        let thread = std::thread::Builder::new().name("tracer".into()).spawn(work).map_err(failed)?;
        // A tracer that ended without a word has let go of everything.
        match reported.recv().unwrap_or(Err(Refusal::Gone)) {
            Ok(threads) => Ok(Pause { tracer: Some(Tracer { release, thread }), threads, target: PhantomData }),
            Err(refusal) => {
                let _ = thread.join();
                Err(refuse(target, refusal))
            }
        }
    }

    /// The right to read what stands still.
    pub fn stopped(&self) -> Stopped<'_> {
        Stopped { threads: self.threads, pause: PhantomData }
    }

    /// Lets the target run and says how long it stood still, first interrupt to last detach.
    pub fn end(mut self) -> Duration {
        self.finish()
    }

    fn finish(&mut self) -> Duration {
        let Some(Tracer { release, thread }) = self.tracer.take() else { return Duration::ZERO };
        drop(release);
        thread.join().ok().flatten().unwrap_or_default()
    }
}

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Target {
    /// Why ptrace was refused, after it was.
    pub fn trace_refusal(&self, action: &str) -> Error {
        let tracer = self.status().map_or(0, |status| status.tracer_pid);
        if tracer == 0 {
            return self.failure(action, &io::Error::from_raw_os_error(libc::EPERM));
        }
        let reason = format!("process {tracer} traces it already");
        Error::new(ErrorKind::NotPermitted, action, self.subject(), reason).with_hint(ONE_TRACER)
    }
}

const ONE_TRACER: &str = "a process has one tracer at a time: end that debugger, strace or profiler and try again";

/// The tracer's life: stop, say so, wait, let go. `released` ends when its other half is dropped.
fn trace(
    tasks: std::fs::File,
    report: &mpsc::SyncSender<std::result::Result<usize, Refusal>>,
    released: &mpsc::Receiver<()>,
) -> Option<Duration> {
    match Hold::take(tasks, REST_LIMIT) {
        Ok(hold) => {
            let heard = report.send(Ok(hold.threads().len())).is_ok();
            if heard {
                let _ = released.recv();
            }
            Some(hold.release())
        }
        Err(refusal) => {
            let _ = report.send(Err(refusal));
            None
        }
    }
}

fn refuse(target: &Target, refusal: Refusal) -> Error {
    let error = |kind, reason: String| Error::new(kind, "cannot stop", target.subject(), reason);
    match refusal {
        Refusal::Gone => error(ErrorKind::Gone, "the process ended".into()),
        Refusal::Traced { by } => {
            error(ErrorKind::NotPermitted, format!("process {by} traces it already")).with_hint(ONE_TRACER)
        }
        Refusal::Denied => target.failure("cannot stop", &io::Error::from_raw_os_error(libc::EPERM)),
        Refusal::Stuck { thread, state } => error(
            ErrorKind::Failed,
            format!("thread {thread} (state {state}) did not come to rest within {} s", REST_LIMIT.as_secs()),
        )
        .with_hint("it runs on; a thread in state D waits for a disk or a server: try again when it is back"),
        Refusal::Failed(reason) => error(ErrorKind::Failed, reason.to_string()),
    }
}

//! Growth seen at the target's system calls, by a thread of our own that traces it. The kernel lets every thread of the
//! target run when that thread ends, in whatever way.

mod files;
mod tracing;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::Instant;

use self::tracing::{Refusal, Tracing};
use super::result::Happening;
use super::{Call, Method};
use crate::error::{Error, ErrorKind, Result};
use crate::space::Mapping;
use crate::stacks::Registers;
use crate::target::Target;
use crate::units::ByteCount;

/// Something that a thread of the target did.
pub(super) struct Seen {
    pub when: Instant,
    pub pid: i32,
    pub tid: i32,
    pub what: What,
}

pub(super) enum What {
    /// It is back from a call that changes its memory.
    Call { call: Call, registers: Box<Registers>, stack: Vec<u8>, reading: Option<(String, ByteCount)> },
    /// Code was mapped, or another program begun.
    Code(Vec<Mapping>),
    /// It did something with a file.
    File(Happening),
}

/// The tracing thread.
pub(super) struct Syscalls {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    seen: Receiver<Seen>,
}

impl Syscalls {
    /// Begins to trace all threads of `target`.
    ///
    /// # Errors
    /// `NotPermitted` where the kernel refuses or another tracer holds it, `Gone` where it ended.
    pub fn begin(target: &Target, children: bool, files: bool) -> Result<Syscalls> {
        let (pid, over) = (target.pid(), Arc::new(AtomicBool::new(false)));
        let (report, reported) = mpsc::sync_channel(1);
        let (send, seen) = mpsc::channel();
        let ended = Arc::clone(&over);
        let work = move || match Tracing::begin(pid, children, files, send) {
            Ok(mut tracing) => {
                let heard = report.send(Ok(())).is_ok();
                if heard {
                    tracing.run(&ended);
                }
            }
            Err(refusal) => {
                let _ = report.send(Err(refusal));
            }
        };
        let failed = |error: &dyn std::fmt::Display| {
            Error::new(
                ErrorKind::Failed,
                "cannot trace",
                format!("{} with {}", target.subject(), Method::Syscall),
                error,
            )
        };
        let thread = std::thread::Builder::new().name("tracer".into()).spawn(work).map_err(|error| failed(&error))?;
        match reported.recv() {
            Ok(Ok(())) => Ok(Syscalls { over, thread: Some(thread), seen }),
            Ok(Err(Refusal::Failed(error))) if error.raw_os_error() == Some(libc::EPERM) => {
                Err(target.trace_refusal("cannot trace"))
            }
            Ok(Err(Refusal::Failed(error))) => Err(failed(&error)),
            Ok(Err(Refusal::Unopened(error))) => Err(error),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Whether no thread of the target is left.
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// All that was seen since the last time.
    pub fn drain(&mut self) -> Vec<Seen> {
        self.seen.try_iter().collect()
    }

    /// Lets the target go.
    pub fn end(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Syscalls {
    fn drop(&mut self) {
        self.end();
    }
}

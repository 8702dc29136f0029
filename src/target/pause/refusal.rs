//! Why a target could not be held or made to do something, as the process beside us tells it and as a person reads it.

use std::io;

use serde::{Deserialize, Serialize};

use super::REST_LIMIT;
use crate::error::{Error, ErrorKind};
use crate::target::Target;
use crate::target::opening::PART_ENDED;

/// Why it could not be done. The target runs on when this is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::target) enum Refusal {
    /// No thread is left.
    Gone,
    /// Somebody traces it already.
    Traced { by: i32 },
    /// The kernel refuses.
    Denied,
    /// A thread did not come to rest in time; `state` is its letter in /proc.
    Stuck { thread: i32, state: char },
    /// It is not one to which this may be done.
    Unfit(String),
    /// Anything else, as errno.
    Failed(i32),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Refusal {
        match error.raw_os_error() {
            Some(libc::ESRCH | libc::ENOENT) => Refusal::Gone,
            code => Refusal::Failed(code.unwrap_or(libc::EIO)),
        }
    }
}

const ONE_TRACER: &str = "a process has one tracer at a time: end that debugger, strace or profiler and try again";

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

/// The error that a person sees.
pub(in crate::target) fn refuse(target: &Target, refusal: Refusal) -> Error {
    let error = |kind, reason: String| Error::new(kind, "cannot stop", target.subject(), reason);
    match refusal {
        // One that ended meanwhile looks unfit or fails in many ways.
        _ if !target.is_alive() => error(ErrorKind::Gone, "the process ended".into()),
        Refusal::Gone => error(ErrorKind::Gone, PART_ENDED.into()),
        Refusal::Traced { by } => {
            error(ErrorKind::NotPermitted, format!("process {by} traces it already")).with_hint(ONE_TRACER)
        }
        Refusal::Denied => target.failure("cannot stop", &io::Error::from_raw_os_error(libc::EPERM)),
        Refusal::Stuck { thread, state } => error(
            ErrorKind::Failed,
            format!("thread {thread} (state {state}) did not come to rest within {} s", REST_LIMIT.as_secs()),
        )
        .with_hint("it runs on; a thread in state D waits for a disk or a server: try again when it is back"),
        Refusal::Unfit(reason) => error(ErrorKind::Failed, reason),
        Refusal::Failed(code) => error(ErrorKind::Failed, io::Error::from_raw_os_error(code).to_string()),
    }
}

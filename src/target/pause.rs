//! Holding a target still: the one type with which somebody's production process is stopped.
//! It counts its own time and ends on drop. What is read meanwhile is `memory`'s business.

mod hold;
#[cfg(test)]
mod tests;

pub(super) mod refusal;

use std::marker::PhantomData;
use std::os::fd::AsFd;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::hold::Hold;
use self::refusal::Refusal;
use super::Target;
use super::stat::Stat;
use crate::error::{Error, ErrorKind, Result};
use crate::space::Thread;
use crate::sys::aside::{self, Aside, Heard, Talk};
use crate::sys::cpu::{self, Turn};

/// How long threads may take to come to rest. A process throttled by its cgroup gets a processor every 100 ms; one
/// that waits for a dead disk or server never comes to rest, and its other threads must not stand for it.
pub(super) const REST_LIMIT: Duration = Duration::from_secs(1);

/// All threads of a target stand still as long as this lives.
///
/// Made with PTRACE_SEIZE and PTRACE_INTERRUPT (Linux 3.4), never with SIGSTOP: nobody's signal handling, job control
/// or parent notices. A target that a signal had stopped is stopped afterwards too. Tracing is done by a process of its
/// own in a session of its own: where leakscope is interrupted or killed, it mends what is to be mended and lets go;
/// where it is killed itself, the kernel lets the target run, whatever state it is in.
#[derive(Debug)]
pub struct Pause<'t> {
    target: &'t Target,
    tracer: Option<Aside>,
    threads: usize,
    /// The target waits for what we do meanwhile.
    _ahead: Option<Turn>,
    /// The pause stays where it began.
    here: PhantomData<*const ()>,
}

/// What the tracer says first.
#[derive(Debug, Serialize, Deserialize)]
enum Begun {
    Holding { threads: usize },
    Refused(Refusal),
}

/// What it says last.
#[derive(Debug, Serialize, Deserialize)]
struct Ended {
    stood: Duration,
    /// False where it let go before it was told to, because leakscope was stopped.
    held: bool,
    /// As they stood, where that was asked for.
    threads: Vec<Thread>,
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
        let failed = |error| refusal::refuse(target, Refusal::from(error));
        let tasks = target.proc_file("task").map_err(failed)?;
        let handle = tasks.try_clone().map_err(failed)?;
        let _ahead = cpu::ahead();
        let mut tracer = aside::begin(&[handle.as_fd()], |talk| trace(handle.as_fd(), talk)).map_err(failed)?;
        // A tracer that was killed has let go of everything.
        let begun = tracer.talk().map(Talk::hear).transpose().ok().flatten();
        let killed = || Begun::Refused(Refusal::Unfit("the process that was to hold it was killed".into()));
        match begun.unwrap_or_else(killed) {
            Begun::Holding { threads } => {
                Ok(Pause { target, tracer: Some(tracer), threads, _ahead, here: PhantomData })
            }
            Begun::Refused(refusal) => Err(refusal::refuse(target, refusal)),
        }
    }

    /// The right to read what stands still.
    pub fn stopped(&self) -> Stopped<'_> {
        Stopped { threads: self.threads, pause: PhantomData }
    }

    /// Lets the target run and says how long it stood still, first interrupt to last detach.
    ///
    /// # Errors
    /// `Failed` where it has not stood still all the time: what was read meanwhile is not of one instant.
    pub fn end(self) -> Result<Duration> {
        self.finish(false).map(|ended| ended.stood)
    }

    /// The same with the threads as they stood; without registers on machines other than x86-64. Costs the target
    /// about 1 µs per thread.
    ///
    /// # Errors
    /// As [`Pause::end`].
    pub fn end_with_threads(self) -> Result<(Duration, Vec<Thread>)> {
        self.finish(true).map(|ended| (ended.stood, ended.threads))
    }

    fn finish(mut self, with_threads: bool) -> Result<Ended> {
        let ended = self.tracer.take().and_then(|mut tracer| {
            let talk = tracer.talk()?;
            // Where it has let go already, it has said so.
            let _ = talk.say(&with_threads);
            talk.hear::<Ended>().ok()
        });
        let broken = |reason: &str| {
            Err(Error::new(ErrorKind::Failed, "cannot hold", self.target.subject(), reason)
                .with_hint("the target is unharmed: run it again"))
        };
        match ended {
            Some(ended) if ended.held => Ok(ended),
            Some(_) => broken("leakscope itself was stopped meanwhile, so the target was let go"),
            None => broken("the process that held it was killed, so the kernel let the target go"),
        }
    }
}

/// The tracer's life: stop, say so, wait, let go.
fn trace(tasks: std::os::fd::BorrowedFd<'_>, talk: &mut Talk) {
    let taken = tasks.try_clone_to_owned().map_err(Refusal::from);
    match taken.and_then(|tasks| Hold::take(tasks.into(), REST_LIMIT)) {
        Ok(hold) => {
            let heard = match talk.say(&Begun::Holding { threads: hold.count() }) {
                Ok(()) => talk.wait_for_parent(&is_stopped),
                Err(_) => Heard::Word,
            };
            let asked = heard == Heard::Word && talk.hear().unwrap_or(false);
            let threads = if asked { hold.threads() } else { Vec::new() };
            let stood = hold.release();
            let _ = talk.say(&Ended { stood, held: heard == Heard::Word, threads });
        }
        // A refusal is told to nobody where leakscope is no more.
        Err(refusal) => {
            let _ = talk.say(&Begun::Refused(refusal));
        }
    }
}

/// Whether the process `pid`, which is leakscope, stands still: then a target must not wait for it.
pub(super) fn is_stopped(pid: i32) -> bool {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    Stat::parse(&text).is_some_and(|stat| matches!(stat.state, 'T' | 't'))
}

//! All threads of a process held still by the calling thread: seized, interrupted, waited for and let go.
//! Knows the order of these and what can come between; errors become words in `pause`.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use nix::dir::Dir;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use super::refusal::Refusal;
use crate::space::Thread;
use crate::sys::gate;
use crate::sys::ptrace::{self, Event};

/// Threads standing still. Tracing belongs to the thread that called [`Hold::take`]: only it can let them go, and if
/// it ends in any way, the kernel does.
pub(super) struct Hold {
    tasks: Tasks,
    known: HashSet<i32>,
    running: Vec<i32>,
    stopped: Vec<i32>,
    since: Instant,
}

impl Hold {
    /// Stops all threads listed in `tasks`, an open /proc/PID/task, within `limit`. After a refusal the calling thread
    /// must end: a thread that never came to rest can be let go in no other way.
    pub fn take(tasks: File, limit: Duration) -> Result<Hold, Refusal> {
        let (running, stopped) = (Vec::new(), Vec::new());
        let mut hold = Hold { tasks: Tasks(tasks), known: HashSet::new(), running, stopped, since: Instant::now() };
        // Seizing stops nobody, so the clock starts after it. Later rounds find what was created meanwhile.
        hold.seize_new()?;
        hold.since = Instant::now();
        let deadline = hold.since + limit;
        while !hold.running.is_empty() {
            for thread in &hold.running {
                gate::step();
                // ESRCH: it ended, which `gather` notices.
                let _ = ptrace::interrupt(*thread);
            }
            hold.gather(deadline)?;
            hold.seize_new()?;
        }
        if hold.stopped.is_empty() { Err(Refusal::Gone) } else { Ok(hold) }
    }

    /// How many threads stand still.
    pub fn count(&self) -> usize {
        self.stopped.len()
    }

    /// The threads that stand still.
    pub fn threads(&self) -> Vec<Thread> {
        let thread = |id: &i32| {
            let words = ptrace::registers(*id).ok().and_then(|words| Thread::from_words(*id, &words));
            words.unwrap_or(Thread { id: *id, ..Thread::default() })
        };
        self.stopped.iter().map(thread).collect()
    }

    /// Lets all go and says how long they stood, first interrupt to last detach.
    pub fn release(self) -> Duration {
        for thread in &self.stopped {
            gate::step();
            // ESRCH: it was killed while it stood, and the kernel has taken it from us.
            let _ = ptrace::detach(*thread);
        }
        self.since.elapsed()
    }

    fn seize_new(&mut self) -> Result<(), Refusal> {
        for thread in self.tasks.ids()? {
            if !self.known.insert(thread) {
                continue;
            }
            match ptrace::seize(thread) {
                Ok(()) => self.running.push(thread),
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                Err(error) if error.raw_os_error() == Some(libc::EPERM) => self.explain(thread)?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// EPERM is also the answer for a thread that has ended but still is listed, such as a leader whose process
    /// lives on in other threads.
    fn explain(&self, thread: i32) -> Result<(), Refusal> {
        let (state, tracer) = self.tasks.state(thread);
        match (state, tracer) {
            ('Z' | 'X' | 'x', _) => Ok(()),
            (_, 0) => Err(Refusal::Denied),
            (_, by) => Err(Refusal::Traced { by }),
        }
    }

    /// Waits until every running thread stands still or has ended. Never in waitpid: a leader's end is told only
    /// after that of all others, so a blocking wait can last for ever.
    fn gather(&mut self, deadline: Instant) -> Result<(), Refusal> {
        const QUICK_ROUNDS: u32 = 100;
        let mut round = 0;
        loop {
            self.poll()?;
            let Some(thread) = self.running.first() else { return Ok(()) };
            if Instant::now() >= deadline {
                let (state, _) = self.tasks.state(*thread);
                return Err(Refusal::Stuck { thread: *thread, state });
            }
            // The threads need a processor to come to rest on: first step aside, then sleep.
            round += 1;
            if round < QUICK_ROUNDS { std::thread::yield_now() } else { std::thread::sleep(Duration::from_micros(50)) }
        }
    }

    fn poll(&mut self) -> Result<(), Refusal> {
        let mut still_running = Vec::new();
        for thread in std::mem::take(&mut self.running) {
            match ptrace::wait(thread)? {
                None => still_running.push(thread),
                Some(Event::Ended) => {}
                Some(Event::Stopped) => {
                    gate::step();
                    // Refused only when it was killed this instant.
                    let _ = ptrace::spare_interruption(thread);
                    self.stopped.push(thread);
                }
                Some(Event::SignalDue(signal)) => {
                    // Passed on at once, not kept until the end: were we killed in between, it would be lost. This
                    // stop has used up the interrupt, hence another one, before the thread can run.
                    let _ = ptrace::interrupt(thread);
                    let _ = ptrace::deliver(thread, signal);
                    still_running.push(thread);
                }
            }
        }
        self.running = still_running;
        Ok(())
    }
}

/// An open /proc/PID/task.
struct Tasks(File);

impl Tasks {
    fn ids(&self) -> io::Result<Vec<i32>> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut directory = Dir::openat(&self.0, ".", flags, Mode::empty())?;
        let mut ids = Vec::new();
        for entry in directory.iter() {
            let entry = entry?;
            ids.extend(entry.file_name().to_str().ok().and_then(|name| name.parse::<i32>().ok()));
        }
        Ok(ids)
    }

    /// The state letter and the tracer of a thread; one that cannot be read counts as ended.
    fn state(&self, thread: i32) -> (char, i32) {
        let text = self.status(thread).unwrap_or_default();
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or("").trim();
        (value("State:").chars().next().unwrap_or('X'), value("TracerPid:").parse().unwrap_or(0))
    }

    fn status(&self, thread: i32) -> io::Result<String> {
        const LIMIT: u64 = 64 * 1024;
        let name = format!("{thread}/status");
        let file = File::from(openat(&self.0, name.as_str(), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?);
        let mut bytes = Vec::new();
        file.take(LIMIT).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

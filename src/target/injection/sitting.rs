//! One thread of a target held by the calling process, which is to end afterwards, while it makes calls.

use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

use super::site::Site;
use crate::sys::inject::{Gadgets, ROOM, Seat};
use crate::sys::ptrace::{self, Event};
use crate::target::pause::refusal::Refusal;
use crate::units::ByteCount;

/// How long a thread may take to come to rest before nothing is asked of this target.
const REST_LIMIT: Duration = Duration::from_millis(300);
/// How often all threads are tried, and the time between: a thread that computes soon is elsewhere.
const ROUNDS: u32 = 20;
const BETWEEN: Duration = Duration::from_millis(2);

/// What a call gave, and how long the thread stood still for it.
pub(super) struct Done<T> {
    pub answer: T,
    pub stood: Duration,
}

/// Lets the first thread of `site` that is fit do `work` and go on.
pub(super) fn with_seat<T>(
    site: &Site,
    mem: &File,
    work: &mut dyn FnMut(&mut Seat<'_>) -> io::Result<T>,
) -> Result<Done<T>, Refusal> {
    let gadgets = Gadgets { syscall: site.syscall, restorer: site.restorer };
    for _ in 0..ROUNDS {
        for thread in &site.threads {
            let Some(since) = take(*thread)? else { continue };
            let mut seat = Seat::at(*thread, mem, gadgets)?;
            if !is_fit(&seat, site) {
                seat.restore()?;
                continue;
            }
            let answer = work(&mut seat);
            seat.restore()?;
            return Ok(Done { answer: answer?, stood: since.elapsed() });
        }
        std::thread::sleep(BETWEEN);
    }
    Err(Refusal::Unfit("none of its threads rests on a stack and in a place from which it can be led".into()))
}

fn is_fit(seat: &Seat<'_>, site: &Site) -> bool {
    let stack = seat.stack();
    let has_room =
        site.stacks.iter().any(|span| span.contains(stack) && stack.since(span.start) > ROOM + ByteCount::kib(4));
    has_room && seat.is_64_bit() && seat.is_movable()
}

/// Whether `thread` was there to be seized. EPERM is also the answer for one that has ended and is not buried yet, or
/// whose process becomes another program this instant.
fn seize(thread: i32) -> Result<bool, Refusal> {
    const TRIES: u32 = 5;
    for _ in 0..TRIES {
        match ptrace::seize(thread) {
            Ok(()) => return Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(false),
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => std::thread::sleep(BETWEEN),
            Err(error) => return Err(error.into()),
        }
    }
    let text = std::fs::read_to_string(format!("/proc/{thread}/status")).unwrap_or_default();
    let state = text.lines().find_map(|line| line.strip_prefix("State:")).unwrap_or("X").trim();
    if state.starts_with(['Z', 'X', 'x']) { Ok(false) } else { Err(Refusal::Denied) }
}

/// Stops `thread`; `None` where it ended.
fn take(thread: i32) -> Result<Option<Instant>, Refusal> {
    if !seize(thread)? {
        return Ok(None);
    }
    let since = Instant::now();
    ptrace::interrupt(thread)?;
    let mut round = 0u32;
    loop {
        match ptrace::wait(thread)? {
            Some(Event::Ended) => return Ok(None),
            Some(Event::Stopped) => {
                let _ = ptrace::spare_interruption(thread);
                return Ok(Some(since));
            }
            Some(Event::SignalDue(signal)) => {
                let _ = ptrace::interrupt(thread);
                let _ = ptrace::deliver(thread, signal);
            }
            None if since.elapsed() > REST_LIMIT => return Err(Refusal::Stuck { thread, state: '?' }),
            None => {
                round += 1;
                if round < 100 { std::thread::yield_now() } else { std::thread::sleep(Duration::from_micros(50)) }
            }
        }
    }
}

//! Samplers made of perf events: for every thread and every processor one event of each sort, as `perf record -p` has
//! them, because only events of one processor may share a ring and be inherited by new threads.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{SysconfVar, sysconf};

use crate::sys::perf::{Counter, Event, Sampling};
use crate::sys::perf_ring::{Record, Ring};

/// Rings of all processors together, in 4 KiB pages: 16 MiB.
const PAGES: usize = 4096;
const LARGEST_RING: usize = 512;
const SMALLEST_RING: usize = 16;

/// Events being sampled. Ends with the value.
#[derive(Debug)]
pub(super) struct Sampler {
    counters: Vec<Counter>,
    rings: Vec<Ring>,
}

impl Sampler {
    /// Samples `events` on all `threads`, threads created later included.
    ///
    /// # Errors
    /// The kernel's; ESRCH where no thread is left.
    pub fn open(events: &[Event], mut sampling: Sampling, threads: &[i32]) -> io::Result<Sampler> {
        raise_descriptor_limit();
        let mut sampler = Sampler { counters: Vec::new(), rings: Vec::new() };
        match sampler.fill(events, sampling, threads) {
            // Without CAP_PERFMON faults in the kernel are not ours to see; those of the program itself may be.
            Err(error) if sampling.kernel && is_refusal(&error) => {
                sampling.kernel = false;
                (sampler.counters, sampler.rings) = (Vec::new(), Vec::new());
                sampler.fill(events, sampling, threads)?;
            }
            other => other?,
        }
        if sampler.counters.is_empty() {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        for counter in sampler.counters.iter().filter(|_| !sampling.from_exec) {
            counter.enable()?;
        }
        Ok(sampler)
    }

    fn fill(&mut self, events: &[Event], sampling: Sampling, threads: &[i32]) -> io::Result<()> {
        let processors = sysconf(SysconfVar::_NPROCESSORS_CONF).ok().flatten().unwrap_or(1).clamp(1, 8192);
        let mut pages = (PAGES / processors as usize).clamp(SMALLEST_RING, LARGEST_RING);
        // A ring is a power of two.
        pages = (pages + 1).next_power_of_two() / 2;
        for cpu in 0..processors as i32 {
            // The event whose ring all others of this processor use.
            let mut first: Option<usize> = None;
            for (thread, event) in threads.iter().flat_map(|thread| events.iter().map(move |event| (thread, event))) {
                let counter = match Counter::open(*event, sampling, *thread, cpu) {
                    Ok(counter) => counter,
                    // The thread ended, or the processor sleeps.
                    Err(error) if matches!(error.raw_os_error(), Some(libc::ESRCH | libc::ENODEV)) => continue,
                    Err(error) => return Err(error),
                };
                match first {
                    Some(first) => counter.send_to(&self.counters[first])?,
                    None => {
                        self.rings.push(map(&counter, &mut pages)?);
                        first = Some(self.counters.len());
                    }
                }
                self.counters.push(counter);
            }
        }
        Ok(())
    }

    /// Gives out what was sampled meanwhile.
    pub fn drain(&mut self, found: &mut dyn FnMut(Record<'_>)) {
        self.rings.iter_mut().for_each(|ring| ring.drain(found));
    }

    /// Ends the sampling and tells how many events there were in all.
    pub fn end(&mut self) -> u64 {
        self.counters.iter().for_each(|counter| {
            let _ = counter.disable();
        });
        self.counters.iter().filter_map(|counter| counter.count().ok()).sum()
    }
}

/// A ring as large as kernel.perf_event_mlock_kb lets us have.
fn map(counter: &Counter, pages: &mut usize) -> io::Result<Ring> {
    loop {
        match Ring::map(counter, *pages) {
            Err(error) if is_refusal(&error) && *pages > SMALLEST_RING => *pages /= 2,
            other => return other,
        }
    }
}

pub(super) fn is_refusal(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES))
}

/// Threads times processors are many descriptors, and the usual soft limit is for programs that use select(2).
fn raise_descriptor_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

//! Samplers made of perf events: for every thread and every processor one event of each sort, as `perf record -p` has
//! them, because only events of one processor may share a ring and be inherited by new threads.

use std::io;
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{SysconfVar, sysconf};

use super::MemoryCall;
use crate::space::Mapping;
use crate::sys::perf::{Counter, Event, Sampling};
use crate::sys::perf_ring::{Record, Ring, Sample};

/// Rings of all processors together, in 4 KiB pages: 32 MiB.
const PAGES: usize = 8192;
/// 8 MiB: a thousand samples with 8 KiB of stack, for bursts between two looks.
const LARGEST_RING: usize = 2048;
const SMALLEST_RING: usize = 16;

/// One sort of event to be sampled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watched {
    pub event: Event,
    pub sampling: Sampling,
    /// The call that comes back there. Without one these are page faults, whose period follows their rate.
    pub call: Option<MemoryCall>,
}

/// Events being sampled. Ends with the value.
#[derive(Debug)]
pub(super) struct Sampler {
    counters: Vec<(Counter, Watched)>,
    /// By the counter's id.
    calls: HashMap<u64, (MemoryCall, u64)>,
    rings: Vec<Ring>,
    pace: Pace,
}

/// What comes out of a sampler; samples with the number of events that each stands for.
#[derive(Debug)]
pub(super) enum Drained {
    Fault(Sample, u64),
    Call(Sample, MemoryCall, u64),
    /// A process mapped code.
    Mapped(i32, Mapping),
    /// So many samples did not fit.
    Lost(u64),
}

impl Sampler {
    /// Samples all `watched` on all `threads`, threads created later included.
    ///
    /// # Errors
    /// The kernel's; ESRCH where no thread is left.
    pub fn open(watched: &[Watched], threads: &[i32]) -> io::Result<Sampler> {
        raise_descriptor_limit();
        let period = watched.iter().find(|one| one.call.is_none()).map_or(1, |faults| faults.sampling.period);
        let pace = Pace { since: Instant::now(), period, samples: 0, lost: 0, counted: 0, rate: 0.0, frozen: false };
        let mut sampler = Sampler { counters: Vec::new(), calls: HashMap::new(), rings: Vec::new(), pace };
        sampler.fill(watched, threads)?;
        if sampler.counters.is_empty() {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        for (counter, _) in sampler.counters.iter().filter(|(_, watched)| !watched.sampling.from_exec) {
            counter.enable()?;
        }
        Ok(sampler)
    }

    fn fill(&mut self, watched: &[Watched], threads: &[i32]) -> io::Result<()> {
        let processors = sysconf(SysconfVar::_NPROCESSORS_CONF).ok().flatten().unwrap_or(1).clamp(1, 8192);
        let mut pages = (PAGES / processors as usize).clamp(SMALLEST_RING, LARGEST_RING);
        // A ring is a power of two.
        pages = (pages + 1).next_power_of_two() / 2;
        for cpu in 0..processors as i32 {
            // The events whose rings all others of this processor use: a burst of faults must not push out calls.
            let mut first: [Option<usize>; 2] = [None; 2];
            for (thread, one) in threads.iter().flat_map(|thread| watched.iter().map(move |one| (thread, one))) {
                let counter = match Counter::open(one.event, one.sampling, *thread, cpu) {
                    Ok(counter) => counter,
                    // The thread ended, or the processor sleeps.
                    Err(error) if matches!(error.raw_os_error(), Some(libc::ESRCH | libc::ENODEV)) => continue,
                    Err(error) => return Err(error),
                };
                let first = &mut first[usize::from(one.call.is_some())];
                match *first {
                    Some(first) => counter.send_to(&self.counters[first].0)?,
                    None => {
                        self.rings.push(map(&counter, &mut pages)?);
                        *first = Some(self.counters.len());
                    }
                }
                if let Some(call) = one.call {
                    self.calls.insert(counter.id()?, (call, one.sampling.period));
                }
                self.counters.push((counter, *one));
            }
        }
        Ok(())
    }

    /// Gives out what was sampled meanwhile in the order of time, code that was mapped before samples that may lie in it.
    pub fn drain(&mut self, found: &mut dyn FnMut(Drained)) {
        let (mut samples, period) = (Vec::new(), self.pace.period);
        for ring in &mut self.rings {
            ring.drain(&mut |record| match record {
                Record::Sample(sample) => samples.push(sample),
                Record::Mapped(pid, mapping) => found(Drained::Mapped(pid, mapping)),
                Record::Lost(count) => {
                    self.pace.lost += count;
                    found(Drained::Lost(count));
                }
            });
        }
        samples.sort_by_key(|sample| sample.time);
        for sample in samples {
            found(match self.calls.get(&sample.counter) {
                Some((call, period)) => Drained::Call(sample, *call, *period),
                None => {
                    self.pace.samples += 1;
                    Drained::Fault(sample, period)
                }
            });
        }
        if self.pace.since.elapsed() < ROUND {
            return;
        }
        let counted = match self.counters.len() {
            0..=COUNTED => self.counted(),
            _ => self.pace.counted + (self.pace.samples + self.pace.lost) * self.pace.period,
        };
        if let Some(period) = self.pace.next(counted) {
            self.faults().for_each(|counter| {
                let _ = counter.set_period(period);
            });
        }
    }

    /// Ends the sampling and tells how many page faults there were in all.
    pub fn end(&mut self) -> u64 {
        self.counters.iter().for_each(|(counter, _)| {
            let _ = counter.disable();
        });
        self.counted()
    }

    fn counted(&self) -> u64 {
        self.faults().filter_map(|counter| counter.count().ok()).sum()
    }

    fn faults(&self) -> impl Iterator<Item = &Counter> {
        self.counters.iter().filter(|(_, watched)| watched.call.is_none()).map(|(counter, _)| counter)
    }
}

/// Looks at the rate of events and keeps that of samples. The kernel's own way (a frequency instead of a period) answers
/// a burst of faults with a period so long that the next burst leaves a handful of samples.
#[derive(Debug)]
struct Pace {
    since: Instant,
    period: u64,
    /// In this round.
    samples: u64,
    lost: u64,
    /// Events until this round.
    counted: u64,
    /// Events a second in the last round.
    rate: f64,
    /// The kernel does not take a new period any more.
    frozen: bool,
}

impl Pace {
    /// Ends a round after `counted` events in all; the new period, where it should be another.
    fn next(&mut self, counted: u64) -> Option<u64> {
        let events = counted.saturating_sub(self.counted);
        // Growth comes in bursts: what was seen before counts too.
        let rate = (events as f64 / self.since.elapsed().as_secs_f64()).max(self.rate / 2.0);
        let (samples, lost) = (self.samples, self.lost);
        (self.since, self.samples, self.lost, self.counted, self.rate) = (Instant::now(), 0, 0, counted, rate);
        let differs = |period: u64, other: u64| period > other + other / 2 || period + period / 2 < other;
        // Contexts of threads are exchanged at a switch (perf_event_context_sched_out in kernel/events/core.c, Linux 6.18):
        // ours may have ended with a short-lived thread, and then the period of all others stays as it was.
        let really = events.checked_div(samples).unwrap_or(self.period);
        if lost == 0 && samples >= TELLING && differs(really, self.period) {
            (self.period, self.frozen) = (really.max(1), true);
        }
        // Odd, so that it does not beat with loops over powers of two.
        let wanted = ((rate / SAMPLES_A_SECOND) as u64).max(SHORTEST) | 1;
        (!self.frozen && differs(wanted, self.period)).then(|| {
            self.period = wanted;
            wanted
        })
    }
}

/// So many counters are read four times a second; of more it is taken on trust that samples have their period.
const COUNTED: usize = 4096;
/// Between two looks at the rate.
const ROUND: Duration = Duration::from_millis(250);
/// Of a process at rest: the next burst is to fit into the rings.
const SHORTEST: u64 = 7;
/// So many samples tell their period.
const TELLING: u64 = 30;
/// What a sampler aims at.
const SAMPLES_A_SECOND: f64 = 1000.0;

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

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
        let pace = Pace { since: Instant::now(), period, events: 0, rate: 0.0 };
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
            // The event whose ring all others of this processor use.
            let mut first: Option<usize> = None;
            for (thread, one) in threads.iter().flat_map(|thread| watched.iter().map(move |one| (thread, one))) {
                let counter = match Counter::open(one.event, one.sampling, *thread, cpu) {
                    Ok(counter) => counter,
                    // The thread ended, or the processor sleeps.
                    Err(error) if matches!(error.raw_os_error(), Some(libc::ESRCH | libc::ENODEV)) => continue,
                    Err(error) => return Err(error),
                };
                match first {
                    Some(first) => counter.send_to(&self.counters[first].0)?,
                    None => {
                        self.rings.push(map(&counter, &mut pages)?);
                        first = Some(self.counters.len());
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
                    self.pace.events += count * period;
                    found(Drained::Lost(count));
                }
            });
        }
        samples.sort_by_key(|sample| sample.time);
        for sample in samples {
            found(match self.calls.get(&sample.counter) {
                Some((call, period)) => Drained::Call(sample, *call, *period),
                None => {
                    self.pace.events += period;
                    Drained::Fault(sample, period)
                }
            });
        }
        if let Some(period) = self.pace.next() {
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
    events: u64,
    /// Events a second in the last round.
    rate: f64,
}

impl Pace {
    /// The new period, where it should be another.
    fn next(&mut self) -> Option<u64> {
        const ROUND: Duration = Duration::from_millis(250);
        let passed = self.since.elapsed();
        if passed < ROUND {
            return None;
        }
        // Growth comes in bursts: what was seen before counts too.
        let rate = (self.events as f64 / passed.as_secs_f64()).max(self.rate / 2.0);
        (self.since, self.events, self.rate) = (Instant::now(), 0, rate);
        // Odd, so that it does not beat with loops over powers of two.
        let wanted = (rate / SAMPLES_A_SECOND) as u64 | 1;
        let far = wanted > self.period + self.period / 2 || wanted + wanted / 2 < self.period;
        far.then(|| {
            self.period = wanted;
            wanted
        })
    }
}

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

//! Looks at a target for a while: cheap samples of the whole process, dearer looks at its regions in between.
//! Leaves what the numbers mean to `growth` and `explain`.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::growth::{Look, Sample};
use crate::space::{AddressMap, RegionKind};
use crate::target::Target;
use crate::units::ByteCount;

/// The part of the time that looks at regions may take; beyond it they are spaced out.
const LOOK_COST: f64 = 0.02;
/// Naps between two samples are cut in pieces of this length, so that a wish to stop is heard soon.
const NAP: Duration = Duration::from_millis(50);

/// What was seen of a target, one tick after the other.
pub struct Observation<'t> {
    target: &'t Target,
    began: Instant,
    interval: Duration,
    next_look: Duration,
    /// Cheap samples in order of time.
    pub samples: Vec<Sample>,
    /// Looks at all regions in order of time; the first has all of smaps.
    pub looks: Vec<Look>,
}

impl<'t> Observation<'t> {
    /// Begins with a sample and a whole look. `interval` is the time between samples.
    ///
    /// # Errors
    /// The target ended or may not be looked at.
    pub fn begin(target: &'t Target, interval: Duration) -> Result<Observation<'t>> {
        let (samples, looks) = (Vec::new(), Vec::new());
        let began = Instant::now();
        let mut observation = Observation { target, began, interval, next_look: Duration::ZERO, samples, looks };
        observation.sample()?;
        observation.look_whole()?;
        Ok(observation)
    }

    /// Since it began.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Samples until `until` has passed since the beginning, or `stopped` says so; `tick` hears the time passed.
    ///
    /// # Errors
    /// The target ended or may not be looked at.
    pub fn run_until(
        &mut self,
        until: Duration,
        stopped: &(dyn Fn() -> bool + Sync),
        tick: &(dyn Fn(Duration) + Sync),
    ) -> Result<()> {
        let mut next = self.elapsed() + self.interval;
        while self.elapsed() < until && !stopped() {
            let wake = next.min(until);
            sleep(wake.saturating_sub(self.elapsed()).min(NAP));
            tick(self.elapsed().min(until));
            if self.elapsed() < wake {
                continue;
            }
            next = self.elapsed() + self.interval;
            self.sample()?;
            if self.elapsed() >= self.next_look {
                self.look()?;
            }
        }
        Ok(())
    }

    /// The last sample and look, with all of smaps again.
    ///
    /// # Errors
    /// The target ended or may not be looked at.
    pub fn end(&mut self) -> Result<()> {
        self.sample()?;
        self.look_whole()
    }

    /// The address space at the latest look.
    pub fn map(&self) -> AddressMap {
        self.looks.last().map(|look| look.map.clone()).unwrap_or_default()
    }

    fn sample(&mut self) -> Result<()> {
        self.samples.push(self.target.sample(self.elapsed(), true)?);
        Ok(())
    }

    fn look_whole(&mut self) -> Result<()> {
        let at = self.elapsed();
        let map = self.target.smaps()?;
        self.looks.push(Look { at, map });
        Ok(())
    }

    fn look(&mut self) -> Result<()> {
        let began = Instant::now();
        let mut look = self.target.look(self.elapsed())?;
        self.weigh_shared(&mut look.map)?;
        self.looks.push(look);
        let pause = self.interval.max(began.elapsed().div_f64(LOOK_COST));
        self.next_look = self.elapsed() + pause;
        Ok(())
    }

    /// Shared memory is weighed by what is resident of it: nobody owns its pages.
    fn weigh_shared(&self, map: &mut AddressMap) -> Result<()> {
        let mut regions = std::mem::take(&mut map.regions);
        for region in regions.iter_mut().filter(|region| region.kind == RegionKind::Shared) {
            let mut resident = ByteCount::ZERO;
            for part in &region.parts {
                resident += self.target.residency(*part, map)?.present_bytes();
            }
            region.footprint.rss = resident;
        }
        map.regions = regions;
        Ok(())
    }
}

//! Looks at a target for a while: cheap samples of the whole process, dearer looks at its regions in between.
//! Leaves what the numbers mean to `growth` and `explain`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::growth::{Look, Sample};
use crate::space::{AddressMap, Region, RegionKind};
use crate::target::Target;
use crate::units::ByteCount;

/// A part of the interval that looks at regions may cost; beyond it they are spaced out.
const LOOK_COST: f64 = 0.02;

/// What was seen of a target, grown by one tick at a time.
pub struct Observation<'t> {
    target: &'t Target,
    began: Instant,
    interval: Duration,
    look_every: Duration,
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
        let mut observation = Observation {
            target,
            began: Instant::now(),
            interval,
            look_every: interval,
            next_look: Duration::ZERO,
            samples: Vec::new(),
            looks: Vec::new(),
        };
        observation.sample()?;
        observation.look_whole()?;
        Ok(observation)
    }

    /// Since it began.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Samples until `until` has passed since the beginning, or `stop` is set.
    ///
    /// # Errors
    /// The target ended or may not be looked at.
    pub fn run_until(&mut self, until: Duration, stop: &AtomicBool, tick: &dyn Fn(Duration)) -> Result<()> {
        while self.elapsed() < until && !stop.load(Ordering::Relaxed) {
            let left = until.saturating_sub(self.elapsed());
            sleep(self.interval.min(left));
            tick(self.elapsed());
            self.sample()?;
            if self.elapsed() >= self.next_look {
                self.look_cheaply()?;
            }
        }
        Ok(())
    }

    /// The last look, with all of smaps again.
    ///
    /// # Errors
    /// The target ended or may not be looked at.
    pub fn end(&mut self) -> Result<()> {
        self.sample()?;
        self.look_whole()
    }

    fn sample(&mut self) -> Result<()> {
        let at = self.elapsed();
        self.samples.push(self.target.sample(at, true)?);
        Ok(())
    }

    fn look_whole(&mut self) -> Result<()> {
        let at = self.elapsed();
        let map = self.target.smaps()?;
        self.looks.push(Look { at, map });
        Ok(())
    }

    /// Region sizes from maps and the pages of private regions from the page map, without smaps' long locks.
    fn look_cheaply(&mut self) -> Result<()> {
        let at = self.elapsed();
        let started = Instant::now();
        let mut map = self.target.address_map()?;
        let mut regions = std::mem::take(&mut map.regions);
        for region in &mut regions {
            self.weigh(&map, region)?;
        }
        map.regions = regions;
        self.looks.push(Look { at, map });
        let cost = started.elapsed();
        self.look_every = self.interval.max(cost.div_f64(LOOK_COST));
        self.next_look = self.elapsed() + self.look_every;
        Ok(())
    }

    fn weigh(&self, map: &AddressMap, region: &mut Region) -> Result<()> {
        if matches!(region.kind, RegionKind::File | RegionKind::Special) {
            region.footprint.anonymous = self.known_anonymous(region);
            return Ok(());
        }
        let held = self.target.held_in(map, &region.parts)?;
        region.footprint.anonymous = held;
        region.footprint.rss = held;
        Ok(())
    }

    /// Written file pages hardly change: the last look that counted them stands in.
    fn known_anonymous(&self, region: &Region) -> ByteCount {
        let same = |other: &&Region| other.span == region.span && other.kind == region.kind;
        let last = self.looks.last().map(|look| &look.map.regions);
        last.and_then(|regions| regions.iter().find(same)).map_or(ByteCount::ZERO, |known| known.footprint.anonymous)
    }

    /// The map of the latest look.
    pub fn map(&self) -> AddressMap {
        self.looks.last().map(|look| look.map.clone()).unwrap_or_default()
    }
}

//! A process watched over time: its samples, and the trends of memory, mappings, threads and shared pages in them.
//! Knows how much movement is none; following single regions is `lineage`'s.

use std::time::Duration;

use super::sample::Sample;
use super::shape::{Course, Shape, course};
use super::slope::{Point, Slope};
use super::swings::{extent, spread_around, troughs};
use crate::units::{ByteCount, Rate};

/// Less movement than this is none: allocators and lazily touched pages make as much in a healthy process.
const STILL_BYTES: f64 = 128.0 * 1024.0;
/// Nor is this part of what is held: a large process breathes more.
const STILL_SHARE: f64 = 1.0 / 20_000.0;
/// Of counted things, one is a movement.
const STILL_COUNT: f64 = 0.5;

/// The course of an amount of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Trend {
    /// How fast it changes.
    pub slope: Slope,
    /// How it changes.
    pub shape: Shape,
    /// At the first sample.
    pub first: ByteCount,
    /// At the last sample.
    pub last: ByteCount,
    /// The least of all.
    pub lowest: ByteCount,
    /// The most of all.
    pub highest: ByteCount,
    /// How far samples lie from the slope, typically (a standard deviation).
    pub spread: ByteCount,
    /// Samples there were.
    pub samples: usize,
    /// How long one would have to watch for the slope to stand out from the spread.
    pub settles_after: Duration,
}

impl Trend {
    /// Whether it grows steadily and all of the interval says so.
    pub fn grows(&self) -> bool {
        self.shape == Shape::Steady && self.slope.grows()
    }

    /// Last less first.
    pub fn change(&self) -> i64 {
        self.last.signed_sub(self.first)
    }
}

/// The course of a number of things.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CountTrend {
    /// How many more per second; rates here are things per second, not bytes.
    pub per_second: f64,
    /// At least so many more per second, with 97.5 %.
    pub low_per_second: f64,
    /// How it changes.
    pub shape: Shape,
    /// At the first sample that counted them.
    pub first: u64,
    /// At the last sample that counted them.
    pub last: u64,
    /// Samples that counted them.
    pub samples: usize,
}

impl CountTrend {
    /// Whether it grows steadily and all of the interval says so.
    pub fn grows(&self) -> bool {
        self.shape == Shape::Steady && self.low_per_second > 0.0
    }

    /// Last less first.
    pub fn change(&self) -> i64 {
        self.last.wrapping_sub(self.first) as i64
    }
}

/// All samples of one watch, in order of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    samples: Vec<Sample>,
}

impl Series {
    /// A series of `samples`, which are put in order of time.
    pub fn new(mut samples: Vec<Sample>) -> Series {
        samples.sort_by_key(|sample| sample.at);
        Series { samples }
    }

    /// The samples, in order of time.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// From the first sample to the last.
    pub fn window(&self) -> Duration {
        match (self.samples.first(), self.samples.last()) {
            (Some(first), Some(last)) => last.at.saturating_sub(first.at),
            _ => Duration::ZERO,
        }
    }

    /// Anonymous and swapped memory: the growth measure.
    pub fn held(&self) -> Trend {
        trend(&self.points(|sample| Some(sample.held().0)))
    }

    /// All resident memory, that of files and shared pages too.
    pub fn rss(&self) -> Trend {
        trend(&self.points(|sample| Some(sample.rss.0)))
    }

    /// Resident shared memory and tmpfs pages.
    pub fn shared(&self) -> Trend {
        trend(&self.points(|sample| Some(sample.shared.0)))
    }

    /// Mappings, of the samples that counted them; None where fewer than two did.
    pub fn mappings(&self) -> Option<CountTrend> {
        let points = self.points(|sample| sample.mappings);
        (points.len() >= 2).then(|| count_trend(&points))
    }

    /// Threads.
    pub fn threads(&self) -> CountTrend {
        count_trend(&self.points(|sample| Some(sample.threads)))
    }

    fn points(&self, value: impl Fn(&Sample) -> Option<u64>) -> Vec<Point> {
        let point = |sample: &Sample| Some(Point { at: sample.at.as_secs_f64(), value: value(sample)? as f64 });
        self.samples.iter().filter_map(point).collect()
    }
}

/// The least movement that is one, of an amount that was at most `highest`.
pub(super) fn still(highest: f64) -> f64 {
    STILL_BYTES.max(STILL_SHARE * highest)
}

/// The trend of bytes over seconds.
pub(super) fn trend(points: &[Point]) -> Trend {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Trend::default() };
    let extent = extent(points);
    let still = still(extent.highest);
    let Course { shape, slope } = course(points, still);
    let bytes = |value: f64| ByteCount(value as u64);
    let spread = spread_around(points, slope.rate.0);
    Trend {
        slope,
        shape,
        first: bytes(first.value),
        last: bytes(last.value),
        lowest: bytes(extent.lowest),
        highest: bytes(extent.highest),
        spread: bytes(spread),
        samples: points.len(),
        settles_after: settles_after(points, slope.rate, spread, still),
    }
}

fn count_trend(points: &[Point]) -> CountTrend {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return CountTrend::default() };
    let Course { shape, slope } = course(points, STILL_COUNT);
    CountTrend {
        per_second: slope.rate.0,
        low_per_second: slope.low.0,
        shape,
        first: first.value as u64,
        last: last.value as u64,
        samples: points.len(),
    }
}

/// How long to watch until a slope of `rate` would stand out.
///
/// Of independent samples every `d` seconds with a standard deviation `s`, a slope fitted over `T` seconds has the
/// standard error s·√(12·d)/T^1.5; it stands out at twice that, so T = (2·s·√(12·d)/rate)^⅔. Where memory swings, six
/// of its low turning points are wanted besides. Never less than three times what was watched already, at most two
/// hours.
fn settles_after(points: &[Point], rate: Rate, spread: f64, still: f64) -> Duration {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Duration::ZERO };
    let watched = last.at - first.at;
    let interval = watched / (points.len().max(2) - 1) as f64;
    let rate = rate.0.abs().max(1.0);
    let by_spread = (2.0 * spread * (12.0 * interval).sqrt() / rate).powf(2.0 / 3.0);
    let swings = extent(points).fall;
    let turns = troughs(points, (0.35 * swings).max(still)).len();
    let by_swings = if turns == 0 { 0.0 } else { 6.0 * watched / turns as f64 };
    let seconds = by_spread.max(by_swings).max(3.0 * watched);
    Duration::from_secs_f64(seconds.clamp(0.0, 7200.0))
}

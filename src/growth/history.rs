//! One amount of memory followed for as long as one likes in bounded memory: old values are thinned, the lowest and the
//! highest of each stretch stay. Judges the same values over several horizons, so that a leak of a mebibyte an hour
//! and one of ten a second are both seen. Knows numbers; what they belong to is its owner's.

use std::collections::VecDeque;
use std::time::Duration;

use super::series::{Trend, still, trend};
use super::shape::Shape;
use super::slope::Point;
use crate::units::ByteCount;

/// Stretches kept on every level; each level's are `FACTOR` times as long as those of the one below.
const LENGTH: usize = 120;
const FACTOR: f64 = 4.0;
/// The coarsest level spans 4⁸ × 120 intervals: three months at a second.
const LEVELS: i32 = 9;
/// Values from which a verdict on the latest stretch alone is taken.
const LATEST: usize = 30;
/// Growth that begins late shows by its pace: at least so many times the pace before.
const ONSET: f64 = 2.0;
/// Of what a late stretch gained, this part must lie above everything before: a tooth of a saw does not.
const BEYOND: f64 = 0.5;
/// Growth that does not slow down keeps at least this part of its pace.
const KEPT_PACE: f64 = 0.8;

/// A stretch of time with the least and the most that was held in it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stretch {
    index: u64,
    /// When the least was held, in seconds.
    at: f64,
    low: f64,
    high: f64,
    /// When the most was.
    high_at: f64,
    last: f64,
}

#[derive(Clone, Debug)]
struct Level {
    width: f64,
    stretches: VecDeque<Stretch>,
    /// Whether the oldest were given up.
    is_cut: bool,
}

impl Level {
    fn push(&mut self, at: f64, value: f64) {
        let index = (at / self.width) as u64;
        match self.stretches.back_mut() {
            Some(last) if last.index >= index => {
                if value < last.low {
                    (last.low, last.at) = (value, at);
                }
                if value > last.high {
                    (last.high, last.high_at) = (value, at);
                }
                last.last = value;
            }
            _ => {
                if self.stretches.len() == LENGTH {
                    self.stretches.pop_front();
                    self.is_cut = true;
                }
                self.stretches.push_back(Stretch { index, at, low: value, high: value, high_at: at, last: value });
            }
        }
    }

    /// Whether not even the highest and the lowest value lie far enough apart to be a movement.
    fn is_still(&self) -> bool {
        let low = self.stretches.iter().map(|stretch| stretch.low).fold(f64::INFINITY, f64::min);
        let high = self.stretches.iter().map(|stretch| stretch.high).fold(0.0, f64::max);
        high - low <= still(high)
    }

    fn points(&self, latest: usize) -> Vec<Point> {
        let skipped = self.stretches.len().saturating_sub(latest);
        self.stretches.iter().skip(skipped).map(|stretch| Point { at: stretch.at, value: stretch.low }).collect()
    }
}

/// How an amount has moved, over the horizon that tells most.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outlook {
    /// Its course there.
    pub trend: Trend,
    /// How far that looks back.
    pub horizon: Duration,
    /// Whether it grows: steadily over that horizon, and above all that was held before it.
    pub grows: bool,
    /// Whether it stood and began to grow only within the time watched.
    pub began_late: bool,
}

/// An amount over time.
#[derive(Clone, Debug)]
pub struct History {
    levels: Vec<Level>,
    first: Option<f64>,
    latest: f64,
}

impl History {
    /// Nothing yet; values are expected every `interval`, and more often ones share a place.
    pub fn new(interval: Duration) -> History {
        let width = interval.as_secs_f64().max(0.001);
        let level = |power| Level { width: width * FACTOR.powi(power), stretches: VecDeque::new(), is_cut: false };
        History { levels: (0..LEVELS).map(level).collect(), first: None, latest: 0.0 }
    }

    /// The amount `at` that time, never before the last one: a clock that goes back is taken to stand.
    pub fn push(&mut self, at: Duration, amount: ByteCount) {
        let at = at.as_secs_f64().max(self.latest);
        self.first.get_or_insert(at);
        self.latest = at;
        for level in &mut self.levels {
            level.push(at, amount.0 as f64);
        }
    }

    /// From the first value to the last.
    pub fn age(&self) -> Duration {
        Duration::from_secs_f64(self.first.map_or(0.0, |first| (self.latest - first).max(0.0)))
    }

    /// What it changes by in a second right now, from the last few values: an alarm, not a judgement.
    pub fn pace(&self) -> Option<f64> {
        let latest: Vec<&Stretch> = self.levels.first()?.stretches.iter().rev().take(4).collect();
        let (last, first) = (latest.first()?, latest.last()?);
        // The last value is of now; a stretch bears the time of its least one.
        (last.index > first.index).then(|| (last.last - first.low) / (self.latest - first.at).max(f64::MIN_POSITIVE))
    }

    /// Its course over the horizon that tells most: all of it, unless a later part grows as that cannot explain.
    pub fn outlook(&self) -> Outlook {
        let whole = self.levels.iter().position(|level| !level.is_cut).unwrap_or(self.levels.len() - 1);
        let points = self.levels[whole].points(LENGTH);
        let long = trend(&points);
        if self.levels[whole].is_still() {
            // What did not move as a whole did not in part.
            return Outlook { trend: long, horizon: span(&points), grows: false, began_late: false };
        }
        if long.grows() {
            return self.refined(whole, long);
        }
        let onset = (0..whole).rev().map(|level| (level, LENGTH)).chain([(0, LATEST)]);
        for (level, latest) in onset {
            let points = self.levels[level].points(latest);
            if points.len() < LATEST {
                continue;
            }
            let late = trend(&points);
            if late.grows() && self.is_onset(level, whole, &points, &late, long.shape) {
                let trend = self.without_the_calm(level, late);
                return Outlook { trend, horizon: span(&points), grows: true, began_late: true };
            }
        }
        Outlook { trend: long, horizon: span(&points), grows: false, began_late: false }
    }

    /// Steady growth over the whole time, with the pace it has now where a later part tells that too.
    fn refined(&self, whole: usize, long: Trend) -> Outlook {
        let points = self.levels[whole].points(LENGTH / 3);
        let late = trend(&points);
        let tells = points.len() >= LENGTH / 4 && whole > 0 && late.grows();
        let trend = if tells { Trend { slope: late.slope, ..long } } else { long };
        Outlook { trend, horizon: self.age(), grows: true, began_late: false }
    }

    /// `late`, with the pace of its latest part where that is certainly higher: it may have begun in calm.
    fn without_the_calm(&self, level: usize, late: Trend) -> Trend {
        let latest = trend(&self.levels[level].points(LATEST));
        let is_faster = latest.grows() && latest.slope.low.0 > late.slope.rate.0;
        if is_faster { Trend { slope: latest.slope, ..late } } else { late }
    }

    /// Whether the growth over `points` of `level` is news: above all that was held before, and at no pace that a
    /// warm-up on its way out explains.
    fn is_onset(&self, level: usize, whole: usize, points: &[Point], late: &Trend, long: Shape) -> bool {
        let (Some(start), Some(end)) = (points.first(), points.last()) else { return false };
        let before = self.highest_before(level, whole, start.at);
        let gained = end.value - start.value;
        if gained <= 0.0 || end.value - before.unwrap_or(start.value) < BEYOND * gained {
            return false;
        }
        let length = end.at - start.at;
        let Some(earlier) = self.value_at(whole, start.at - length).or_else(|| self.value_at(level, start.at - length))
        else {
            return false;
        };
        let (pace, before) = (late.slope.rate.0, (start.value - earlier) / length);
        let warming = matches!(long, Shape::Slowing | Shape::Plateau);
        let is_long = length >= self.age().as_secs_f64() / 8.0;
        if warming && is_long { pace >= KEPT_PACE * before } else { pace >= ONSET * before }
    }

    fn highest_before(&self, level: usize, whole: usize, at: f64) -> Option<f64> {
        let highs = self.levels[level..=whole].iter().flat_map(|level| {
            level.stretches.iter().filter(move |stretch| (stretch.index + 1) as f64 * level.width <= at)
        });
        highs.map(|stretch| stretch.high).reduce(f64::max)
    }

    /// What was held at a time, as the level `level` tells.
    fn value_at(&self, level: usize, at: f64) -> Option<f64> {
        let stretches = &self.levels.get(level)?.stretches;
        if self.first.is_none_or(|first| at < first - self.levels[0].width) {
            return None;
        }
        let after = stretches.partition_point(|stretch| stretch.at <= at);
        stretches.get(after.saturating_sub(1)).map(|stretch| stretch.low)
    }

    /// Some `LENGTH` values over the whole time, the highest of each stretch and the last one, for pictures: time and amount.
    pub fn curve(&self) -> Vec<(Duration, ByteCount)> {
        let Some(whole) = self.levels.iter().find(|level| !level.is_cut).or(self.levels.last()) else {
            return Vec::new();
        };
        let highs = whole.stretches.iter().map(|stretch| (stretch.high_at, stretch.high));
        let now = whole.stretches.back().map(|last| (self.latest, last.last));
        let place = |(at, size): (f64, f64)| (Duration::from_secs_f64(at), ByteCount(size as u64));
        highs.chain(now).map(place).collect()
    }
}

fn span(points: &[Point]) -> Duration {
    match (points.first(), points.last()) {
        (Some(first), Some(last)) => Duration::from_secs_f64((last.at - first.at).max(0.0)),
        _ => Duration::ZERO,
    }
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;

//! Invented courses of memory for tests: a hundred ways to leak and a hundred not to, the same at every run.

use std::time::Duration;

use super::sample::Sample;
use crate::units::ByteCount;

const MIB: f64 = 1024.0 * 1024.0;
const PAGE: f64 = 4096.0;

/// Marsaglia's xorshift64*.
pub(crate) struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.next()
    }

    /// Evenly over the orders of magnitude.
    pub fn scaled(&mut self, low: f64, high: f64) -> f64 {
        low * (high / low).powf(self.next())
    }
}

/// One invented watch of about ten seconds.
pub(crate) struct Trace {
    pub name: String,
    pub samples: Vec<Sample>,
    /// True growth in bytes per second; zero where it does not leak.
    pub rate: f64,
}

fn trace(name: &str, chance: &mut Chance, rate: f64, count: usize, value: impl Fn(f64, &mut Chance) -> f64) -> Trace {
    let base = chance.scaled(8.0 * MIB, 2000.0 * MIB);
    let interval = 10.0 / (count - 1) as f64;
    let samples = (0..count)
        .map(|index| {
            let late = if index == 0 { 0.0 } else { chance.between(0.0, 0.1 * interval) };
            let at = index as f64 * interval + late;
            let held = ByteCount((((base + value(at, chance)).max(0.0) / PAGE).floor() * PAGE) as u64);
            let at = Duration::from_secs_f64(at);
            Sample { at, rss: held + ByteCount::mib(3), anonymous: held, threads: 1, ..Sample::default() }
        })
        .collect();
    Trace { name: format!("{name}, {count} samples, {rate:.0} B/s"), samples, rate }
}

fn tooth(at: f64, period: f64, phase: f64) -> f64 {
    (at / period + phase).fract()
}

/// Leaks of 64 KiB/s to 40 MiB/s: by the page, by the break, in bursts, under noise and under a collector.
pub(crate) fn leaking(seed: u64) -> Trace {
    let chance = &mut Chance::new(seed);
    let rate = chance.scaled(64.0 * 1024.0, 40.0 * MIB);
    let count = chance.between(10.0, 61.0) as usize;
    let total = rate * 10.0;
    match seed % 6 {
        0 => trace("by the page", chance, rate, count, |at, _| rate * at),
        1 => {
            let step = 132.0 * 1024.0;
            let phase = chance.between(0.0, 1.0);
            trace("by the break", chance, rate, count, |at, _| ((rate * at / step) + phase).floor() * step)
        }
        2 => {
            let noise = total * chance.between(0.02, 0.25);
            trace("noise on top", chance, rate, count, |at, chance| rate * at + chance.between(0.0, noise))
        }
        3 => {
            let (swing, period) = (total * chance.between(0.02, 0.28), chance.between(0.5, 4.0));
            trace("small collections on top", chance, rate, count, |at, _| rate * at + swing * tooth(at, period, 0.3))
        }
        4 => {
            let count = chance.between(40.0, 61.0) as usize;
            let (swing, period) = (total * chance.between(0.4, 2.0), chance.between(1.0, 1.7));
            let phase = chance.between(0.0, 1.0);
            trace("large collections on top", chance, rate, count, |at, _| rate * at + swing * tooth(at, period, phase))
        }
        _ => {
            let (period, busy) = (chance.between(0.6, 1.8), chance.between(0.2, 0.8));
            let phase = chance.between(0.0, 1.0);
            let burst = rate * period;
            trace("in bursts", chance, rate, count, |at, _| {
                let cycles = at / period + phase;
                burst * (cycles.floor() + (cycles.fract() / busy).min(1.0))
            })
        }
    }
}

/// Courses that must not be accused: warm-ups, swings, jumps, noise, full caches, still ones.
pub(crate) fn sound(seed: u64) -> Trace {
    let chance = &mut Chance::new(seed ^ 0xabcd_ef00);
    let size = chance.scaled(1.0 * MIB, 400.0 * MIB);
    let count = chance.between(10.0, 61.0) as usize;
    match seed % 8 {
        0 => {
            let time = chance.between(0.4, 3.0);
            trace("warm-up", chance, 0.0, count, |at, _| size * (1.0 - (-at / time).exp()))
        }
        1 => {
            let (period, phase) = (chance.between(0.7, 4.5), chance.between(0.0, 1.0));
            trace("sawtooth", chance, 0.0, count, |at, _| size * tooth(at, period, phase))
        }
        2 => {
            let (first, second) = (chance.between(1.0, 5.0), chance.between(5.0, 8.5));
            let part = chance.between(0.3, 1.0);
            trace("step", chance, 0.0, count, |at, _| {
                size * (part * f64::from(at > first) + (1.0 - part) * f64::from(at > second))
            })
        }
        3 => trace("noise", chance, 0.0, count, |_, chance| chance.between(0.0, size)),
        4 => {
            let (full, noise) = (chance.between(2.0, 6.0), chance.between(0.0, 0.06));
            trace("cache that fills and recycles", chance, 0.0, count, |at, chance| {
                size * ((at / full).min(1.0) - chance.between(0.0, noise))
            })
        }
        5 => trace("still", chance, 0.0, count, |_, chance| chance.between(0.0, 100.0 * 1024.0)),
        6 => {
            let (period, phase) = (chance.between(0.7, 3.0), chance.between(0.0, 1.0));
            trace("uneven sawtooth", chance, 0.0, count, |at, chance| {
                size * tooth(at, period, phase) + size * chance.between(0.0, 0.15)
            })
        }
        _ => {
            let (when, noise) = (chance.between(1.0, 8.0), chance.between(0.0, 0.2));
            trace("step under noise", chance, 0.0, count, |at, chance| {
                size * (f64::from(at > when) + chance.between(0.0, noise))
            })
        }
    }
}

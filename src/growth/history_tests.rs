//! Courses of a day, of hours and of seconds, and what a bounded history makes of them.

use super::*;
use crate::growth::traces::{Chance, leaking, sound};

const MIB: f64 = 1024.0 * 1024.0;
const DAY: f64 = 86_400.0;

/// Follows `held` for `seconds`, a value every `interval`.
fn follow(seconds: f64, interval: f64, mut held: impl FnMut(f64) -> f64) -> History {
    let mut history = History::new(Duration::from_secs_f64(interval));
    for index in 0..=(seconds / interval) as u64 {
        let at = index as f64 * interval;
        let pages = (held(at).max(0.0) / 4096.0).floor() * 4096.0;
        history.push(Duration::from_secs_f64(at), ByteCount(pages as u64));
    }
    history
}

/// The trace stretched over a day and looked at every 10 seconds, between its own samples on a line.
fn over_a_day(trace: &crate::growth::traces::Trace) -> History {
    let points: Vec<(f64, f64)> =
        trace.samples.iter().map(|sample| (sample.at.as_secs_f64() * DAY / 10.0, sample.held().0 as f64)).collect();
    let mut next = 0;
    follow(DAY, 10.0, |at| {
        while next + 2 < points.len() && points[next + 1].0 < at {
            next += 1;
        }
        let (a, b) = (points[next], points[next + 1]);
        a.1 + (b.1 - a.1) * ((at - a.0) / (b.0 - a.0)).clamp(0.0, 1.0)
    })
}

#[test]
fn a_hundred_sound_days_are_not_accused() {
    let accused: Vec<String> = (0..100)
        .map(sound)
        .map(|trace| (over_a_day(&trace).outlook(), trace.name))
        .filter(|(outlook, _)| outlook.grows)
        .map(|(outlook, name)| format!("{name}: {outlook:?}"))
        .collect();
    assert!(accused.is_empty(), "{} accused:\n{}", accused.len(), accused.join("\n"));
}

#[test]
fn leaks_of_every_pace_are_found() {
    for seed in 0..100 {
        let chance = &mut Chance::new(seed);
        let rate = chance.scaled(MIB / 3600.0, 20.0 * MIB);
        // As long as it takes to gain 24 MiB, and at least 20 seconds: a mebibyte an hour takes the day.
        let seconds = (24.0 * MIB / rate).clamp(20.0, DAY);
        let interval = (seconds / 3000.0).max(1.0);
        let noise = chance.between(0.0, 0.15) * rate * seconds;
        let period = seconds / chance.between(3.3, 60.0);
        let base = chance.scaled(16.0 * MIB, 500.0 * MIB);
        let warm = chance.between(0.0, 0.3) * rate * seconds;
        let history = follow(seconds, interval, |at| {
            base + rate * at + noise * (at / period).fract() + warm * (1.0 - (-at / (seconds / 20.0)).exp())
        });
        let outlook = history.outlook();
        assert!(outlook.grows, "{seed}: {rate:.0} B/s for {seconds:.0} s, noise {noise:.0}: {outlook:?}");
        let error = (outlook.trend.slope.rate.0 / rate - 1.0).abs();
        assert!(error < 0.25, "{seed}: {rate:.0} B/s seen as {:?}", outlook.trend.slope);
    }
}

#[test]
fn traces_of_ten_seconds_are_judged_too() {
    let of = |trace: &crate::growth::traces::Trace| {
        let mut history = History::new(Duration::from_millis(160));
        trace.samples.iter().for_each(|sample| history.push(sample.at, sample.held()));
        history.outlook()
    };
    let missed = (0..100).map(leaking).filter(|trace| !of(trace).grows).count();
    let accused = (0..100).map(sound).filter(|trace| of(trace).grows).count();
    assert!(missed <= 2 && accused == 0, "{missed} missed, {accused} accused");
}

#[test]
fn a_leak_that_begins_after_hours_is_seen_within_a_minute() {
    let onset = 6.0 * 3600.0;
    let history = follow(onset + 60.0, 1.0, |at| 200.0 * MIB + 10.0 * MIB * (at - onset).max(0.0));
    let outlook = history.outlook();
    assert!(outlook.grows && outlook.began_late, "{outlook:?}");
    assert!((outlook.trend.slope.rate.0 / (10.0 * MIB) - 1.0).abs() < 0.1, "{outlook:?}");
    let before = follow(onset, 1.0, |_| 200.0 * MIB).outlook();
    assert!(!before.grows && before.trend.shape == Shape::Flat, "{before:?}");
}

#[test]
fn a_tooth_that_rises_is_not_a_leak_and_a_warm_up_ends() {
    let saw = |at: f64| 100.0 * MIB + 200.0 * MIB * (at / 1000.0).fract();
    for end in [4400.0, 7100.0, 9900.0] {
        let outlook = follow(end, 1.0, saw).outlook();
        assert!(!outlook.grows, "at {end}: {outlook:?}");
    }
    for end in [1.2, 2.0, 3.0, 6.0] {
        let outlook = follow(end * 3600.0 * 3.0, 4.0, |at| 300.0 * MIB * (1.0 - (-at / 3600.0).exp())).outlook();
        assert!(!outlook.grows, "after {end} thirds: {outlook:?}");
    }
}

#[test]
fn the_time_to_a_limit_is_told_at_half_the_way() {
    for seed in 0..50 {
        let chance = &mut Chance::new(seed ^ 0x77);
        let rate = chance.scaled(MIB / 3600.0, 20.0 * MIB);
        let room = rate * chance.between(60.0, 80_000.0);
        let half = room / 2.0 / rate;
        let period = half / chance.between(5.0, 40.0);
        let history =
            follow(half, (half / 4000.0).max(1.0), |at| 20.0 * MIB + rate * at + 0.03 * room * (at / period).fract());
        let outlook = history.outlook();
        assert!(outlook.grows, "{seed}: {outlook:?}");
        let told = room / 2.0 / outlook.trend.slope.rate.0;
        assert!((told / half - 1.0).abs() <= 0.1, "{seed}: {told:.0} s told, {half:.0} s true");
    }
}

#[test]
fn memory_is_bounded_and_clocks_may_go_back() {
    let history = follow(400_000.0, 1.0, |at| at);
    assert!(history.levels.iter().all(|level| level.stretches.len() <= LENGTH));
    assert!(history.curve().len() <= LENGTH + 1 && history.age() == Duration::from_secs(400_000));
    let mut back = History::new(Duration::from_secs(1));
    for at in [10, 11, 3, 4, 12] {
        back.push(Duration::from_secs(at), ByteCount::mib(at));
    }
    assert_eq!(back.age(), Duration::from_secs(2));
}

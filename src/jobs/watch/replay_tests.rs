//! Invented records of seconds and of days, judged again: nobody sound is accused at the end, every leak is found, and the
//! time to its limit is told at half the way.

use super::*;
use crate::growth::traces::{Chance, Trace, sound};
use crate::report::LimitRow;
use crate::report::watch::{Header, Verdict};
use crate::units::ByteCount;

const MIB: f64 = 1024.0 * 1024.0;
const DAY: f64 = 86_400.0;

/// What the judge last said of `held`, followed for `seconds`; lines that say nothing new are not in a record.
fn replayed(seconds: f64, interval: f64, limit: Option<f64>, mut held: impl FnMut(f64) -> f64) -> Option<Verdict> {
    let mut again = Again::new();
    let mut last = None;
    let mut each = |line: &Line| {
        if let Line::Verdict(verdict) = line {
            last = Some(verdict.clone());
        }
        true
    };
    let header = Header { interval_seconds: interval, command: "watch".into(), ..Header::default() };
    again.line(Line::Watch(header), &mut each);
    let (mut written, mut limits_at) = (None, f64::NEG_INFINITY);
    for index in 0..=(seconds / interval) as u64 {
        let at = index as f64 * interval;
        let bytes = ByteCount(((held(at).max(0.0) / 4096.0).floor() * 4096.0) as u64);
        let reads_limit = limit.is_some() && at - limits_at >= 10.0 * interval;
        if written == Some(bytes) && !reads_limit && at + interval <= seconds {
            continue;
        }
        written = Some(bytes);
        limits_at = if reads_limit { at } else { limits_at };
        let limits = limit.filter(|_| reads_limit).map(|limit| LimitRow {
            kind: "cgroup".into(),
            source: Some("/web".into()),
            limit_bytes: Some(ByteCount(limit as u64)),
            usage_bytes: Some(bytes),
            seconds_to_limit: None,
        });
        let target = "worker 1".to_owned();
        let sample =
            Sample { at_seconds: at, target, pid: 7, rss_bytes: bytes, held_bytes: bytes, limits, ..Sample::default() };
        again.line(Line::Sample(sample), &mut each);
    }
    last
}

/// A trace of ten seconds stretched to `seconds`, on a line between its own samples.
fn stretched(trace: &Trace, seconds: f64) -> impl FnMut(f64) -> f64 + use<> {
    let points: Vec<(f64, f64)> =
        trace.samples.iter().map(|sample| (sample.at.as_secs_f64() * seconds / 10.0, sample.held().0 as f64)).collect();
    let mut next = 0;
    move |at| {
        while next + 2 < points.len() && points[next + 1].0 < at {
            next += 1;
        }
        let (a, b) = (points[next], points[next + 1]);
        a.1 + (b.1 - a.1) * ((at - a.0) / (b.0 - a.0)).clamp(0.0, 1.0)
    }
}

#[test]
fn a_hundred_sound_records_end_without_an_accusation() {
    let mut accused = Vec::new();
    for seed in 0..100 {
        let trace = sound(seed);
        // From ten minutes to a day.
        let seconds = Chance::new(seed ^ 0x5eed).scaled(600.0, DAY);
        let last = replayed(seconds, (seconds / 1000.0).max(1.0), None, stretched(&trace, seconds));
        let Some(last) = last else { continue };
        if last.accuses() {
            accused.push(format!("{seed} {} over {seconds:.0} s: {}", trace.name, last.summary));
        }
    }
    assert!(accused.is_empty(), "{} accused:\n{}", accused.len(), accused.join("\n"));
}

#[test]
fn a_hundred_leaks_are_found_and_their_end_is_told_at_half_the_way() {
    let (mut missed, mut wrong) = (Vec::new(), Vec::new());
    for seed in 0..100 {
        let chance = &mut Chance::new(seed ^ 0x1eaf);
        let rate = chance.scaled(MIB / 3600.0, 20.0 * MIB);
        // As long as 24 MiB take, and at least 20 seconds: a mebibyte an hour takes the day.
        let seconds = (24.0 * MIB / rate).clamp(20.0, DAY);
        let gained = rate * seconds;
        let (base, noise) = (chance.scaled(16.0 * MIB, 500.0 * MIB), chance.between(0.0, 0.06) * gained);
        let (period, warm) = (seconds / chance.between(5.0, 40.0), chance.between(0.0, 0.3) * gained);
        let held =
            |at: f64| base + rate * at + noise * (at / period).fract() + warm * (1.0 - (-at / (seconds / 20.0)).exp());
        let limit = base + warm + 2.0 * gained;
        let last = replayed(seconds, (seconds / 1000.0).max(1.0), Some(limit), held);
        let Some(last) = last.filter(Verdict::accuses) else {
            missed.push(format!("{seed}: {rate:.0} B/s for {seconds:.0} s"));
            continue;
        };
        // By the last word that was said, as a screen counts it down.
        let told = last.at_seconds + last.seconds_to_limit.unwrap_or(f64::INFINITY) - seconds;
        if (told / seconds - 1.0).abs() > 0.1 {
            wrong.push(format!("{seed}: {rate:.0} B/s, {told:.0} s told, {seconds:.0} s true: {}", last.summary));
        }
    }
    assert!(missed.is_empty(), "{} missed:\n{}", missed.len(), missed.join("\n"));
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn who_drains_or_became_another_is_not_judged_by_what_was() {
    let mut again = Again::new();
    let mut accused = Vec::new();
    let mut each = |line: &Line| {
        if let Line::Verdict(verdict) = line
            && verdict.accuses()
        {
            accused.push(verdict.target.clone());
        }
        true
    };
    let event = |kind, target: &str| Line::Event(Event::new(kind, target, 7, String::new()));
    again.line(event(EventKind::Draining, "w (draining) 1"), &mut each);
    for at in 0..30u32 {
        for target in ["w (draining) 1", "x"] {
            // Three seconds of growth at a time are too few to tell.
            if target == "x" && at % 3 == 0 {
                again.line(event(EventKind::Executed, target), &mut each);
            }
            let held_bytes = ByteCount::mib(u64::from(10 * at));
            let sample =
                Sample { at_seconds: f64::from(at), target: target.into(), held_bytes, pid: 7, ..Sample::default() };
            again.line(Line::Sample(sample), &mut each);
        }
    }
    assert!(accused.is_empty(), "{accused:?}");
}

//! Verdicts over samples that were never measured.

use super::*;

fn sample(target: &str, pid: i32, at: u64, held: u64) -> Sample {
    Sample {
        at_seconds: at as f64,
        target: target.into(),
        pid,
        rss_bytes: ByteCount(held),
        held_bytes: ByteCount(held),
        ..Sample::default()
    }
}

fn limited(mut sample: Sample, limit: u64, usage: u64) -> Sample {
    sample.limits = Some(LimitRow {
        kind: "cgroup".into(),
        source: Some("/web".into()),
        limit_bytes: Some(ByteCount(limit)),
        usage_bytes: Some(ByteCount(usage)),
        seconds_to_limit: None,
    });
    sample
}

#[test]
fn a_leak_is_told_in_seconds_with_its_end() {
    let mut judge = Judge::new(Duration::from_secs(1));
    let mut said = Vec::new();
    for at in 0..20 {
        let sample = sample("w", 7, at, (20 + 10 * at) << 20);
        let sample = if at == 0 { limited(sample, 1000 << 20, 100 << 20) } else { sample };
        said.extend(judge.take(&sample));
    }
    let grows = said.iter().find(|verdict| verdict.accuses()).unwrap();
    assert!(grows.at_seconds <= 10.0, "{said:#?}");
    let told = grows.at_seconds + grows.seconds_to_limit.unwrap();
    assert!((told - 90.0).abs() < 2.0, "{told}");
    assert!(said.len() <= 5, "{said:#?}");
    assert_eq!(judge.usage("w"), Some((ByteCount(1000 << 20), ByteCount(290 << 20))));
    assert!((judge.alarm("w").unwrap().as_secs_f64() - 71.0).abs() < 1.0);
}

#[test]
fn a_limit_of_two_is_reached_by_both() {
    let mut judge = Judge::new(Duration::from_secs(1));
    for at in 0..30 {
        for (target, pid) in [("a", 1), ("b", 2)] {
            let sample = sample(target, pid, at, (20 + 10 * at) << 20);
            judge.take(&if at == 29 { limited(sample, 1000 << 20, 600 << 20) } else { sample });
        }
    }
    judge.take(&sample("a", 1, 30, 320 << 20));
    let left = judge.verdict("a", &judge.targets["a"].history.outlook()).unwrap().seconds_to_limit.unwrap();
    assert!((left - 19.5).abs() < 1.0, "{left}");
}

#[test]
fn an_heir_begins_anew_and_remembers() {
    let mut judge = Judge::new(Duration::from_secs(1));
    for at in 0..20 {
        judge.take(&sample("w", 7, at, (20 + 10 * at) << 20));
    }
    let verdict = judge.take(&sample("w", 8, 20, 20 << 20)).unwrap();
    assert_eq!((verdict.kind.as_str(), verdict.pid), ("inconclusive", 8));
    assert!(verdict.summary.contains("the process before it grew until the end"), "{}", verdict.summary);
    assert_eq!(verdict.seconds_to_limit, None);
}

#[test]
fn a_cache_that_filled_is_acquitted() {
    let mut judge = Judge::new(Duration::from_secs(1));
    for at in 0..400 {
        judge.take(&sample("c", 7, at, at.min(60) << 20));
    }
    assert_eq!(judge.said("c").unwrap().kind, "stable");
}

#[test]
fn a_pause_and_a_clock_that_goes_back_change_nothing() {
    let mut judge = Judge::new(Duration::from_secs(1));
    let mut said = Vec::new();
    // A machine that slept for an hour, then a clock that somebody set.
    let times = (0..60).chain(3660..3720).chain(100..160);
    for (index, at) in times.enumerate() {
        let held = 50 << 20 | ((index as u64 * 7919) % 16) << 12;
        said.extend(judge.take(&sample("w", 7, at, held)));
    }
    assert!(said.iter().all(|verdict| verdict.kind == "stable"), "{said:#?}");
}

//! The judgement over a target that is watched for long, from its outlook alone: what it does, how fast, until when.
//! What a leak is made of takes a look inside; that is `verdict`'s.

use std::time::Duration;

use super::limit::TimeToLimit;
use super::verdict::VerdictKind;
use super::words::duration;
use crate::growth::{Outlook, Shape};
use crate::units::{ByteCount, Rate};

/// Samples without which nothing is said.
const FEWEST: usize = 4;

/// Samples without which a shape that has ended is not told from one that goes on.
const FEWEST_OF_A_SHAPE: usize = 8;

/// What is known of a course beside itself.
#[derive(Clone, Debug, Default)]
pub struct Circumstances {
    /// How long the process was watched.
    pub age: Duration,
    /// Words for the nearest limit (`cgroup limit`) and how much it allows.
    pub limit: Option<(String, ByteCount)>,
    /// When that is reached.
    pub to_limit: Option<TimeToLimit>,
    /// Processes before it in the same role that grew until they ended.
    pub predecessors: u64,
}

/// A judgement over a course.
#[derive(Clone, Debug, PartialEq)]
pub struct CourseVerdict {
    /// In a word: `growing`, `stable` or `inconclusive`.
    pub kind: VerdictKind,
    /// How sure, 0..=1.
    pub confidence: f64,
    /// In a sentence.
    pub summary: String,
}

/// Judges what a target does over the horizon that tells most.
pub fn judge_course(outlook: &Outlook, around: &Circumstances) -> CourseVerdict {
    let trend = &outlook.trend;
    let enough = trend.samples as f64 / (trend.samples as f64 + 2.0);
    if outlook.grows {
        let rate = trend.slope.rate.0.max(f64::MIN_POSITIVE);
        let tight = 0.5 + 0.5 * (trend.slope.low.0 / rate).clamp(0.0, 1.0);
        return verdict(VerdictKind::Growing, tight * enough, growing(outlook, around));
    }
    let sure = match trend.shape {
        Shape::Flat => 0.95,
        Shape::Shrinking => 0.9,
        Shape::Sawtooth => 0.85,
        Shape::Plateau => 0.8,
        Shape::Step => 0.7,
        Shape::Steady | Shape::Slowing | Shape::Noisy => 0.0,
    };
    let ended = matches!(trend.shape, Shape::Sawtooth | Shape::Plateau | Shape::Step);
    let fewest = if ended { FEWEST_OF_A_SHAPE } else { FEWEST };
    if trend.samples < fewest || sure == 0.0 {
        return verdict(VerdictKind::Inconclusive, 0.0, undecided(outlook, around));
    }
    verdict(VerdictKind::Stable, sure * enough, stable(outlook))
}

fn verdict(kind: VerdictKind, confidence: f64, summary: String) -> CourseVerdict {
    CourseVerdict { kind, confidence: (confidence.clamp(0.0, 0.99) * 100.0).round() / 100.0, summary }
}

/// `+12.0 MiB/s`, and for slow ones what it makes in an hour.
fn pace(rate: Rate) -> String {
    if rate.0.abs() >= 10.0 * 1024.0 {
        return rate.to_string();
    }
    let sign = if rate.0 < 0.0 { '-' } else { '+' };
    format!("{sign}{}/h", ByteCount((rate.0.abs() * 3600.0) as u64))
}

fn growing(outlook: &Outlook, around: &Circumstances) -> String {
    let slope = outlook.trend.slope;
    let since = if outlook.began_late { "which began only lately, seen for" } else { "steadily for" };
    let mut text = format!(
        "grows {} ({} to {}), {since} {}",
        pace(slope.rate),
        pace(slope.low),
        pace(slope.high),
        duration(outlook.horizon)
    );
    match (&around.limit, around.to_limit) {
        (Some((words, limit)), Some(left)) if left.expected < Duration::from_secs(400 * 86_400) => {
            let (low, high) = (duration(left.soonest), duration(left.latest));
            let spread = if low == high { String::new() } else { format!(" ({low} to {high})") };
            text.push_str(&format!("; {words} {limit} in {}{spread}", duration(left.expected)));
        }
        (Some((words, limit)), Some(_)) => text.push_str(&format!("; {words} {limit} is more than a year away")),
        _ => {}
    }
    text
}

fn stable(outlook: &Outlook) -> String {
    let trend = &outlook.trend;
    let watched = duration(outlook.horizon);
    match trend.shape {
        Shape::Sawtooth => {
            format!("rises and falls between {} and {} and keeps nothing, for {watched}", trend.lowest, trend.highest)
        }
        Shape::Plateau => {
            let gained = trend.last.saturating_sub(trend.first);
            format!("grew by {gained} and stays there: warmed up or filled, in {watched}")
        }
        Shape::Step => format!("jumped from {} to {} and stays there, in {watched}", trend.first, trend.last),
        Shape::Shrinking => format!("shrinks, {} less in {watched}", trend.first.saturating_sub(trend.last)),
        _ => format!("does not grow, {} for {watched}", trend.last),
    }
}

fn undecided(outlook: &Outlook, around: &Circumstances) -> String {
    let (trend, watched) = (&outlook.trend, duration(around.age));
    let course = match trend.shape {
        Shape::Slowing => format!("grows more and more slowly: warming up, or a leak, after {watched}"),
        _ if around.age < Duration::from_secs(1) => "too young to tell".into(),
        _ if trend.samples < FEWEST => format!("too young to tell, watched for {watched}"),
        _ => format!("moves without a clear course for {watched}"),
    };
    match around.predecessors {
        0 => course,
        1 => format!("{course}; the process before it grew until the end"),
        times => format!("{course}; {times} processes before it grew until the end"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::History;

    fn outlook(seconds: u64, held: impl Fn(u64) -> u64) -> Outlook {
        let mut history = History::new(Duration::from_secs(1));
        (0..=seconds).for_each(|at| history.push(Duration::from_secs(at), ByteCount(held(at))));
        history.outlook()
    }

    #[test]
    fn a_leak_has_its_pace_and_its_end() {
        let outlook = outlook(40, |at| (100 + 12 * at) << 20);
        let second = Duration::from_secs;
        let left = TimeToLimit { expected: second(75), soonest: second(70), latest: second(80) };
        let limit = Some(("cgroup limit".to_owned(), ByteCount::mib(1024)));
        let around = Circumstances { age: second(40), limit, to_limit: Some(left), predecessors: 0 };
        let verdict = judge_course(&outlook, &around);
        assert_eq!(verdict.kind, VerdictKind::Growing);
        assert_eq!(
            verdict.summary,
            "grows +12.0 MiB/s (+12.0 MiB/s to +12.0 MiB/s), steadily for 40 s; cgroup limit 1.0 GiB in 75 s (70 s to 80 s)"
        );
        assert!(verdict.confidence > 0.9, "{verdict:?}");
        assert_eq!(pace(Rate(291.3)), "+1.0 MiB/h");
    }

    #[test]
    fn what_does_not_grow_is_called_by_its_course() {
        let around = Circumstances::default();
        let still = judge_course(&outlook(60, |_| 5 << 20), &around);
        assert_eq!((still.kind, still.summary.as_str()), (VerdictKind::Stable, "does not grow, 5.0 MiB for 60 s"));
        let full = judge_course(&outlook(100, |at| at.min(30) << 20), &around);
        assert!(full.kind == VerdictKind::Stable && full.summary.contains("stays there"), "{full:?}");
        let jump = judge_course(&outlook(5, |at| (1 + 100 * u64::from(at > 1)) << 20), &around);
        assert_eq!(jump.kind, VerdictKind::Inconclusive, "{jump:?}");
        let young = judge_course(&outlook(1, |at| at << 20), &around);
        assert_eq!((young.kind, young.confidence), (VerdictKind::Inconclusive, 0.0));
        let heir = judge_course(&outlook(1, |at| at << 20), &Circumstances { predecessors: 3, ..around });
        assert!(heir.summary.ends_with("3 processes before it grew until the end"), "{}", heir.summary);
    }
}

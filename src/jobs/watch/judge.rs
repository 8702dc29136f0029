//! What is thought of each target, from the samples of a watch alone: the same code judges live samples and recorded ones.
//! Leaves the words to `explain`.

use std::collections::HashMap;
use std::time::Duration;

use crate::explain::{Circumstances, TimeToLimit, VerdictKind, judge_course, time_to_limit};
use crate::growth::{History, Outlook, Slope};
use crate::report::LimitRow;
use crate::report::watch::{Sample, Verdict};
use crate::units::{ByteCount, Rate};

/// Of fewer samples nothing is said, except that processes before this one grew.
const FEWEST: usize = 4;
/// A target is judged anew after this part of its age, and at least as often as `RARELY`.
const AGAIN_AFTER: f64 = 0.04;
const RARELY: f64 = 60.0;
/// A target that would be at its limit within this time is judged at every sample.
const SOON: f64 = 120.0;
/// A verdict is said again where its rate moved by this part.
const NEWS: f64 = 0.25;
/// Or its end by this part of what is left: a screen and a scraper count down from what was last said.
const NEWS_OF_END: f64 = 0.04;
/// One that does not accuse is said again where it has held so many times as long.
const NEWS_OF_CALM: f64 = 2.0;
/// A verdict is not withdrawn before its opposite was thought for so long: seconds.
const STANDS_FOR: f64 = 5.0;

/// Judges all targets of a watch.
#[derive(Debug)]
pub struct Judge {
    interval: Duration,
    targets: HashMap<String, Judged>,
}

#[derive(Debug)]
struct Judged {
    pid: i32,
    began: f64,
    history: History,
    limit: Option<(LimitRow, ByteCount)>,
    slope: Option<Slope>,
    said: Option<Verdict>,
    doubted_since: Option<f64>,
    next: f64,
    predecessors: u64,
    last: Sample,
}

impl Judge {
    /// Of samples that come every `interval`.
    pub fn new(interval: Duration) -> Judge {
        Judge { interval, targets: HashMap::new() }
    }

    /// Takes note of a sample; a verdict where there is a new one.
    pub fn take(&mut self, sample: &Sample) -> Option<Verdict> {
        let interval = self.interval;
        let judged = self.targets.entry(sample.target.clone()).or_insert_with(|| Judged::new(sample, interval));
        if judged.pid != sample.pid {
            judged.succeed(sample, interval);
        }
        let at = Duration::from_secs_f64((sample.at_seconds - judged.began).clamp(0.0, 1e9));
        judged.history.push(at, sample.held_bytes);
        judged.last.clone_from(sample);
        if let Some(limits) = &sample.limits {
            judged.limit = Some((limits.clone(), sample.held_bytes));
        }
        if sample.at_seconds < judged.next && !judged.is_near_its_end() {
            return None;
        }
        let age = at.as_secs_f64();
        judged.next = sample.at_seconds + (age * AGAIN_AFTER).min(RARELY).max(interval.as_secs_f64() * 0.5);
        let outlook = judged.history.outlook();
        if outlook.trend.samples < FEWEST && judged.predecessors == 0 {
            return None;
        }
        judged.slope = outlook.grows.then_some(outlook.trend.slope);
        let verdict = self.verdict(&sample.target, &outlook)?;
        self.targets.get_mut(&sample.target)?.news(verdict)
    }

    /// What is said of a target now.
    pub fn said(&self, target: &str) -> Option<&Verdict> {
        self.targets.get(target)?.said.as_ref()
    }

    /// When a target will be at its limit by its latest few samples: an alarm that needs no proof.
    pub fn alarm(&self, target: &str) -> Option<Duration> {
        let judged = self.targets.get(target)?;
        let left = judged.headroom()? / judged.history.pace().filter(|pace| *pace > 0.0)?;
        Duration::try_from_secs_f64(left).ok()
    }

    /// The nearest limit of a target and what is used of it now.
    pub fn usage(&self, target: &str) -> Option<(ByteCount, ByteCount)> {
        let judged = self.targets.get(target)?;
        let limit = judged.limit.as_ref()?.0.limit_bytes?;
        Some((limit, ByteCount((limit.0 as f64 - judged.headroom()?) as u64)))
    }

    /// Nothing more will come of a target whose role nobody takes over.
    pub fn forget(&mut self, target: &str) {
        self.targets.remove(target);
    }

    fn verdict(&self, target: &str, outlook: &Outlook) -> Option<Verdict> {
        let judged = self.targets.get(target)?;
        let to_limit = self.to_limit(judged);
        let around = Circumstances {
            age: judged.history.age(),
            limit: judged.limit.as_ref().and_then(|(row, _)| Some((words(row), row.limit_bytes?))),
            to_limit,
            predecessors: judged.predecessors,
        };
        let found = judge_course(outlook, &around);
        let slope = outlook.trend.slope;
        let rate = |rate: Rate| (outlook.trend.samples >= 2).then_some(rate);
        let seconds = |time: Duration| Some(time.as_secs_f64()).filter(|seconds| *seconds < 1e9);
        Some(Verdict {
            at_seconds: judged.last.at_seconds,
            time: judged.last.time.clone(),
            target: target.to_owned(),
            pid: judged.pid,
            kind: found.kind.to_string(),
            confidence: found.confidence,
            shape: outlook.trend.shape,
            horizon_seconds: outlook.horizon.as_secs_f64(),
            bytes_per_second: rate(slope.rate),
            low_bytes_per_second: rate(slope.low),
            high_bytes_per_second: rate(slope.high),
            seconds_to_limit: to_limit.and_then(|left| seconds(left.expected)),
            low_seconds_to_limit: to_limit.and_then(|left| seconds(left.soonest)),
            high_seconds_to_limit: to_limit.and_then(|left| seconds(left.latest)),
            summary: found.summary,
        })
    }

    /// A limit of several processes is reached by all of them together.
    fn to_limit(&self, judged: &Judged) -> Option<TimeToLimit> {
        let own = judged.slope?;
        let limit = &judged.limit.as_ref()?.0;
        let shares = |other: &&Judged| {
            let theirs = other.limit.as_ref().map(|(row, _)| row);
            limit.kind != "rlimit"
                && theirs.is_some_and(|row| row.source == limit.source)
                && !std::ptr::eq(*other, judged)
        };
        let others = self.targets.values().filter(shares).filter_map(|other| other.slope);
        let all = others.fold(own, |sum, slope| Slope {
            rate: Rate(sum.rate.0 + slope.rate.0),
            low: Rate(sum.low.0 + slope.low.0),
            high: Rate(sum.high.0 + slope.high.0),
        });
        time_to_limit(ByteCount(judged.headroom()? as u64), ByteCount::ZERO, all)
    }
}

impl Judged {
    fn new(sample: &Sample, interval: Duration) -> Judged {
        Judged {
            pid: sample.pid,
            began: sample.at_seconds,
            history: History::new(interval),
            limit: None,
            slope: None,
            said: None,
            doubted_since: None,
            next: 0.0,
            predecessors: 0,
            last: sample.clone(),
        }
    }

    /// Another process has the role: its memory begins anew, what its predecessor did is remembered.
    fn succeed(&mut self, sample: &Sample, interval: Duration) {
        let grew = self.said.as_ref().is_some_and(Verdict::accuses);
        let predecessors = if grew { self.predecessors + 1 } else { 0 };
        *self = Judged { predecessors, ..Judged::new(sample, interval) };
    }

    /// What is left below the limit: as it was read, less what was gained since.
    fn headroom(&self) -> Option<f64> {
        let (row, then) = self.limit.as_ref()?;
        let gained = self.last.held_bytes.0 as f64 - then.0 as f64;
        Some((row.limit_bytes?.0 as f64 - row.usage_bytes?.0 as f64 - gained).max(0.0))
    }

    fn is_near_its_end(&self) -> bool {
        let pace = self.history.pace().unwrap_or(0.0);
        pace > 0.0 && self.headroom().is_some_and(|left| left / pace < SOON)
    }

    /// `verdict` where it says something new. A verdict that stood is not withdrawn for a moment's doubt.
    fn news(&mut self, verdict: Verdict) -> Option<Verdict> {
        let Some(said) = &self.said else {
            self.said = Some(verdict.clone());
            return Some(verdict);
        };
        if said.kind != verdict.kind {
            let since = *self.doubted_since.get_or_insert(verdict.at_seconds);
            let is_doubt =
                verdict.kind != VerdictKind::Growing.to_string() && said.kind != VerdictKind::Inconclusive.to_string();
            if is_doubt && verdict.at_seconds - since < STANDS_FOR {
                return None;
            }
        } else {
            self.doubted_since = None;
            if !is_news(said, &verdict) {
                return None;
            }
        }
        self.doubted_since = None;
        self.said = Some(verdict.clone());
        Some(verdict)
    }
}

fn is_news(said: &Verdict, verdict: &Verdict) -> bool {
    if verdict.accuses() {
        return verdict.differs(said, NEWS, NEWS_OF_END);
    }
    let is_longer = verdict.horizon_seconds >= NEWS_OF_CALM * said.horizon_seconds.max(1.0);
    is_longer || said.shape != verdict.shape && verdict.kind == VerdictKind::Stable.to_string()
}

/// What a sentence calls a limit.
fn words(row: &LimitRow) -> String {
    match row.kind.as_str() {
        "cgroup" => "cgroup limit".into(),
        "system" => "machine memory".into(),
        _ => format!("{} limit", row.source.as_deref().unwrap_or("resource")),
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;

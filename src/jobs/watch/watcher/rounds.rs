//! One round: samples, limits, regions, verdicts, levels.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{WRITTEN_EVERY, Watcher, sample_of};
use crate::jobs::watch::trigger::Standing;
use crate::report::LimitRow;
use crate::report::watch::{Event, EventKind, Line, Sample};

/// Titles are asked, and groups nobody is in forgotten, every so many rounds.
const SELDOM: u64 = 5;
/// Limits are read at least so often, in seconds, and the more often the nearer they are.
const LIMITS_EVERY: f64 = 10.0;
const LIMIT_READS_TO_LIMIT: f64 = 10.0;
/// Looks at regions stop for this round after so long.
const LOOK_TIME: Duration = Duration::from_millis(20);

impl Watcher<'_, '_, '_> {
    pub(super) fn round(&mut self) {
        self.round += 1;
        self.tick_all();
        if self.round.is_multiple_of(SELDOM) {
            self.retire_draining();
            let groups: BTreeSet<&str> =
                self.processes.values().filter_map(|process| process.target.identity().cgroup.as_deref()).collect();
            self.kernel.hear();
            let waits = !self.ended.is_empty();
            self.kernel.keep(|group| waits || groups.contains(group));
            self.limits.retain(|group, _| groups.contains(group.as_str()));
        }
        self.roll_call();
        self.settle_ends(false);
        self.soonest = None;
        let pids: Vec<i32> = self.processes.keys().copied().collect();
        let began = Instant::now();
        for pid in pids {
            self.note_exec(pid);
            let looks = began.elapsed() < LOOK_TIME;
            let Some(sample) = self.sample(pid, looks) else { continue };
            self.judged(&sample);
            self.act(&sample);
        }
    }

    /// Reads everybody's sums, and notes who ended.
    fn tick_all(&mut self) {
        let swaps = self.has_swap;
        let gone: Vec<i32> =
            self.processes.iter_mut().filter_map(|(pid, process)| (!process.tick(swaps)).then_some(*pid)).collect();
        for pid in gone {
            if let Some(process) = self.processes.remove(&pid) {
                self.note_end(process);
            }
        }
    }

    /// The sample of a process, handed on and written where it says something new.
    fn sample(&mut self, pid: i32, looks: bool) -> Option<Sample> {
        let at = self.out.at();
        let limits = self.limit(pid, at);
        let process = self.processes.get_mut(&pid)?;
        let looked = looks && process.look(Duration::from_secs_f64(at));
        let backs_off = process.backs_off().map(|count| {
            let text = format!("it has {count} mappings: its regions are looked at only now and then");
            Event::new(EventKind::Notice, &process.role, pid, text)
        });
        let regions = if looked { process.growing_regions() } else { Vec::new() };
        let news = limits.is_some() || !regions.is_empty() || process.is_news(at, WRITTEN_EVERY);
        if news {
            process.written = Some((process.glance.rss, process.held(), at));
        }
        let sample = Sample { limits, regions, ..sample_of(process, at) };
        backs_off.into_iter().for_each(|event| self.event(event));
        self.line(&sample.target, Line::Sample(sample.clone()), news);
        Some(sample)
    }

    /// The nearest limit, where it is time to read it again and it, or what is used of it, changed.
    fn limit(&mut self, pid: i32, at: f64) -> Option<LimitRow> {
        let process = self.processes.get_mut(&pid)?;
        let every =
            self.judge.alarm(&process.role).map_or(LIMITS_EVERY, |left| left.as_secs_f64() / LIMIT_READS_TO_LIMIT);
        let every = every.clamp(self.request.interval.as_secs_f64().min(0.2), LIMITS_EVERY);
        if process.limits_at.is_some_and(|then| at - then < every) {
            return None;
        }
        let group = process.target.identity().cgroup.clone().filter(|_| !process.has_own_limit);
        // Only a look at the process itself tells whether it has a limit of its own.
        let is_known = process.limits_at.is_some();
        let known = group.as_ref().and_then(|group| self.limits.get(group));
        let known = known.filter(|(then, _)| is_known && at - then < every / 2.0);
        let row = match known {
            Some((_, row)) => row.clone(),
            None => process.limit().ok()??,
        };
        process.limits_at = Some(at);
        if let (Some(group), false) = (group, process.has_own_limit) {
            self.limits.insert(group, (at, row.clone()));
        }
        Some(row)
    }

    fn judged(&mut self, sample: &Sample) {
        // An old worker that drains is no leak, however it ends.
        if self.processes.get(&sample.pid).is_some_and(|process| process.is_draining) {
            return;
        }
        if let Some(verdict) = self.judge.take(sample) {
            self.line(&sample.target, Line::Verdict(verdict), true);
        }
        let alarm = self.judge.alarm(&sample.target);
        self.soonest = self.soonest.into_iter().chain(alarm).min();
    }

    /// What is to be done at the levels that were reached.
    fn act(&mut self, sample: &Sample) {
        let Some(process) = self.processes.get(&sample.pid).filter(|process| !process.is_draining) else { return };
        let standing = Standing {
            rss: sample.rss_bytes,
            gained: sample.held_bytes.saturating_sub(process.first_held),
            usage: self.judge.usage(&sample.target),
            alarm: self.judge.alarm(&sample.target),
            verdict: self.judge.said(&sample.target),
        };
        let reached = self.triggers.reached(&sample.target, sample.pid, sample.at_seconds, &standing);
        for level in &reached {
            let event = Event::new(EventKind::Threshold, &sample.target, sample.pid, format!("reached: {level}"));
            self.event(Event { rss_bytes: Some(sample.rss_bytes), ..event });
        }
        let acts = self.request.actions.inspect || self.request.actions.exec.is_some();
        if let Some(level) = reached.last().filter(|_| acts) {
            self.order(sample.clone(), level.to_string(), None);
        }
    }
}

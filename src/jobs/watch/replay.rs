//! A record shown again: its samples go through the judge anew, its events stand as they are.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use super::Each;
use super::judge::Judge;
use super::record::read;
use crate::error::Result;
use crate::jobs::Context;
use crate::report::watch::{Event, EventKind, Line, Sample};

/// Samples that were left out because nothing moved, at most so many in one gap.
const FILLED: f64 = 100_000.0;

/// Hands the lines of the record at `path` to `each`, with verdicts of today's judge in place of recorded ones.
///
/// # Errors
/// As [`read`].
pub fn replay(path: &Path, context: &Context, each: &mut Each) -> Result<()> {
    let mut again = Again::new();
    let bad = read(path, &mut |line| !context.progress.interrupted() && again.line(line, each))?;
    if bad > 0 {
        (context.remark)(&format!("{bad} lines of {} are not whole and were passed over", path.display()));
    }
    Ok(())
}

struct Again {
    judge: Judge,
    interval: f64,
    last: HashMap<String, Sample>,
    /// Old workers that only finish their work: as in the watch itself they are not judged.
    draining: HashSet<String>,
}

impl Again {
    fn new() -> Again {
        let judge = Judge::new(Duration::from_secs(1));
        Again { judge, interval: 1.0, last: HashMap::new(), draining: HashSet::new() }
    }

    fn line(&mut self, line: Line, each: &mut Each) -> bool {
        match &line {
            Line::Verdict(_) => true,
            Line::Event(event) => {
                self.event(event);
                each(&line)
            }
            Line::Watch(header) => {
                self.interval = header.interval_seconds.clamp(0.01, 3600.0);
                self.judge = Judge::new(Duration::from_secs_f64(self.interval));
                self.last.clear();
                self.draining.clear();
                each(&line)
            }
            Line::Sample(sample) if self.draining.contains(&sample.target) => each(&line),
            Line::Sample(sample) => {
                let mut wanted = self.fill(sample, each) && each(&line);
                if let Some(verdict) = self.judge.take(sample) {
                    wanted = wanted && each(&Line::Verdict(verdict));
                }
                self.last.insert(sample.target.clone(), sample.clone());
                wanted
            }
        }
    }

    /// Who drains, ends or becomes another program is no longer judged by what was.
    fn event(&mut self, event: &Event) {
        match event.event {
            EventKind::Draining => drop(self.draining.insert(event.target.clone())),
            EventKind::Executed => {
                self.judge.forget(&event.target);
                self.last.remove(&event.target);
            }
            EventKind::Exited | EventKind::OomKilled => {
                self.draining.remove(&event.target);
                self.last.remove(&event.target);
            }
            _ => {}
        }
    }

    /// Samples that equal their predecessor are not recorded: the judge sees them again.
    fn fill(&mut self, sample: &Sample, each: &mut Each) -> bool {
        let Some(last) = self.last.get(&sample.target).filter(|last| last.pid == sample.pid) else { return true };
        let gap = (sample.at_seconds - last.at_seconds) / self.interval;
        let mut same = Sample { limits: None, regions: Vec::new(), ..last.clone() };
        for _ in 1..gap.round().clamp(1.0, FILLED) as u64 {
            same.at_seconds += self.interval;
            if let Some(verdict) = self.judge.take(&same)
                && !each(&Line::Verdict(verdict))
            {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
#[path = "replay_tests.rs"]
mod tests;

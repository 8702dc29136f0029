//! When something is to be done: levels, and who has reached which. Each fires once for a process, and not again for its
//! role before a time has passed.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use crate::report::watch::Verdict;
use crate::units::ByteCount;

/// Beyond so many roles and levels those that have cooled down are forgotten.
const REMEMBERED: usize = 4096;

/// A level at which something is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Level {
    /// This part of the nearest limit is used, 0 to 1.
    Share(f64),
    /// So much is resident.
    Resident(ByteCount),
    /// So much more is held than when it was first seen.
    Gained(ByteCount),
    /// The limit is less than this away.
    Left(Duration),
    /// The verdict accuses.
    Verdict,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Level::Share(share) => write!(f, "{:.0} % of the limit", share * 100.0),
            Level::Resident(size) => write!(f, "{size} resident"),
            Level::Gained(size) => write!(f, "{size} gained"),
            Level::Left(time) => write!(f, "the limit less than {time:?} away"),
            Level::Verdict => f.write_str("the verdict accuses"),
        }
    }
}

/// How a process stands against levels.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standing<'v> {
    /// Resident.
    pub rss: ByteCount,
    /// Held now and when it was first seen.
    pub gained: ByteCount,
    /// The nearest limit and what is used of it.
    pub usage: Option<(ByteCount, ByteCount)>,
    /// By the latest few samples, when the limit is reached.
    pub alarm: Option<Duration>,
    /// What is thought of it.
    pub verdict: Option<&'v Verdict>,
}

impl Level {
    fn is_reached(self, standing: &Standing<'_>) -> bool {
        match self {
            Level::Share(share) => standing.usage.is_some_and(|(limit, used)| used.share_of(limit) >= share),
            Level::Resident(size) => standing.rss >= size,
            Level::Gained(size) => standing.gained >= size,
            Level::Left(time) => {
                let accused = standing.verdict.filter(|verdict| verdict.accuses());
                let told = accused.and_then(|verdict| verdict.seconds_to_limit);
                told.is_some_and(|left| left < time.as_secs_f64()) && standing.alarm.is_some_and(|left| left < time)
            }
            Level::Verdict => standing.verdict.is_some_and(Verdict::accuses),
        }
    }
}

/// Who has reached what.
#[derive(Debug)]
pub struct Triggers {
    levels: Vec<Level>,
    cool_down: Duration,
    /// Levels that a process has fired already.
    fired: HashMap<i32, Vec<usize>>,
    /// When a role last fired a level, in seconds of the watch.
    last: HashMap<(String, usize), f64>,
}

impl Triggers {
    /// Of `levels`; a role fires each of them at most once in `cool_down`.
    pub fn new(levels: Vec<Level>, cool_down: Duration) -> Triggers {
        Triggers { levels, cool_down, fired: HashMap::new(), last: HashMap::new() }
    }

    /// The levels that `pid`, which has `role`, reached just now. Of several that may be acted on at once the caller takes
    /// the last.
    pub fn reached(&mut self, role: &str, pid: i32, at: f64, standing: &Standing<'_>) -> Vec<Level> {
        let fired = self.fired.entry(pid).or_default();
        let mut reached = Vec::new();
        for (index, level) in self.levels.iter().enumerate() {
            // While a role cools down its level stays armed: its holder may still be above it afterwards.
            let cools = |last: &f64| at - last < self.cool_down.as_secs_f64();
            if fired.contains(&index)
                || !level.is_reached(standing)
                || self.last.get(&(role.to_owned(), index)).is_some_and(cools)
            {
                continue;
            }
            fired.push(index);
            self.last.insert((role.to_owned(), index), at);
            reached.push(*level);
        }
        if self.last.len() > REMEMBERED {
            self.last.retain(|_, last| at - *last < self.cool_down.as_secs_f64());
        }
        reached
    }

    /// Whether there is any level.
    pub fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    /// A process is gone: its number may come back as another's.
    pub fn forget(&mut self, pid: i32) {
        self.fired.remove(&pid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(share: f64) -> Standing<'static> {
        Standing { usage: Some((ByteCount(1000), ByteCount((share * 1000.0) as u64))), ..Standing::default() }
    }

    #[test]
    fn a_level_fires_once_for_a_process_and_waits_for_its_heir() {
        let levels = vec![Level::Share(0.7), Level::Share(0.9)];
        let mut triggers = Triggers::new(levels, Duration::from_secs(60));
        assert_eq!(triggers.reached("w", 1, 0.0, &used(0.5)), []);
        assert_eq!(triggers.reached("w", 1, 1.0, &used(0.75)), [Level::Share(0.7)]);
        assert_eq!(triggers.reached("w", 1, 2.0, &used(0.65)), []);
        assert_eq!(triggers.reached("w", 1, 3.0, &used(0.95)), [Level::Share(0.9)]);
        triggers.forget(1);
        assert_eq!(triggers.reached("w", 2, 30.0, &used(0.95)), [], "still cooling down");
        assert_eq!(triggers.reached("v", 3, 30.0, &used(0.75)), [Level::Share(0.7)], "another role");
        assert_eq!(triggers.reached("w", 2, 62.0, &used(0.95)), [Level::Share(0.7)], "cooled down, and still above it");
        triggers.forget(2);
        assert_eq!(triggers.reached("w", 4, 64.0, &used(0.95)), [Level::Share(0.9)]);
    }

    #[test]
    fn roles_that_cooled_down_are_forgotten() {
        let mut triggers = Triggers::new(vec![Level::Share(0.5)], Duration::from_secs(10));
        for pid in 0..20_000 {
            assert_eq!(triggers.reached(&format!("w {pid}"), pid, f64::from(pid), &used(0.7)).len(), 1);
            triggers.forget(pid);
        }
        assert!(triggers.last.len() <= REMEMBERED && triggers.fired.is_empty());
    }

    #[test]
    fn each_level_has_its_own_measure() {
        let growing = Verdict { kind: "growing".into(), seconds_to_limit: Some(100.0), ..Verdict::default() };
        let all = Standing {
            rss: ByteCount(700),
            gained: ByteCount(200),
            usage: None,
            alarm: Some(Duration::from_secs(90)),
            verdict: Some(&growing),
        };
        for (level, reached) in [
            (Level::Share(0.1), false),
            (Level::Resident(ByteCount(700)), true),
            (Level::Resident(ByteCount(701)), false),
            (Level::Gained(ByteCount(200)), true),
            (Level::Left(Duration::from_secs(300)), true),
            (Level::Left(Duration::from_secs(95)), false),
            (Level::Verdict, true),
        ] {
            assert_eq!(level.is_reached(&all), reached, "{level}");
        }
        assert!(!Level::Left(Duration::from_secs(300)).is_reached(&Standing { verdict: None, ..all }));
    }
}

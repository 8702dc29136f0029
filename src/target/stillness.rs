//! Whether anybody ran: two looks at the scheduler's count for each thread. A process whose threads all slept between
//! two looks has not changed its memory, and nobody had to stop it for that.

use std::collections::BTreeMap;

use super::Target;
use super::stat::Stat;

/// How often each thread of a target has been given a processor (third field of /proc/PID/task/TID/schedstat, kernels
/// with CONFIG_SCHED_INFO), at a moment when none had one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stillness {
    turns: BTreeMap<i32, u64>,
}

impl Target {
    /// A look. `None` where a thread runs, or the kernel does not count.
    pub fn stillness(&self) -> Option<Stillness> {
        let mut turns = BTreeMap::new();
        for thread in self.thread_ids().ok()? {
            let turn = self.turns_of(thread).filter(|turn| *turn > 0)?;
            // The state after the count: who sleeps now is in no turn, and has begun none that the next look misses.
            let stat = Stat::parse(&self.proc_text(&format!("task/{thread}/stat")).ok()?)?;
            if !matches!(stat.state, 'S' | 'T' | 'D' | 'I') {
                return None;
            }
            turns.insert(thread, turn);
        }
        (!turns.is_empty()).then_some(Stillness { turns })
    }

    /// For a target that stands still now: whether nobody in it ran between `before` and the stop. The interrupt itself
    /// gives each thread one turn, which it spends in the kernel.
    pub fn was_still_until_stopped(&self, before: &Stillness) -> bool {
        let threads = self.thread_ids().unwrap_or_default();
        threads.len() == before.turns.len()
            && before.turns.iter().all(|(thread, turns)| self.turns_of(*thread).is_some_and(|now| now <= turns + 1))
    }

    fn turns_of(&self, thread: i32) -> Option<u64> {
        let counted = self.proc_text(&format!("task/{thread}/schedstat")).ok()?;
        counted.split_ascii_whitespace().nth(2)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::patient::Patient;

    #[test]
    fn a_sleeper_is_still_until_it_is_asked_something() {
        let mut patient = Patient::start(include_str!("pause/sleepers.c"), &["20"]);
        let target = Target::open(patient.pid()).unwrap();
        patient.settled_state();
        let before = target.stillness().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(10));
        assert_eq!(target.stillness(), Some(before.clone()));
        patient.ask("count");
        patient.settled_state();
        assert_ne!(target.stillness(), Some(before));
    }

    #[test]
    fn one_that_computes_is_never_still() {
        let patient = Patient::start(include_str!("injection/busy.c"), &[]);
        let target = Target::open(patient.pid()).unwrap();
        let looks = (0..5).map(|_| target.stillness());
        let still = looks.collect::<Vec<_>>().windows(2).any(|two| two[0].is_some() && two[0] == two[1]);
        assert!(!still);
    }
}

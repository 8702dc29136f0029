//! When a limit is reached if growth goes on.

use std::time::Duration;

use crate::growth::Slope;
use crate::units::{ByteCount, Rate};

/// How long until a limit is reached, from the slope and from both ends of its interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeToLimit {
    /// At the rate found.
    pub expected: Duration,
    /// At the highest rate it may be.
    pub soonest: Duration,
    /// At the lowest rate it may be.
    pub latest: Duration,
}

/// When `usage`, growing by `slope`, reaches `limit`. None where the interval of the slope does not say that it
/// grows. Zero where the limit is reached already; never more than [`Duration::MAX`].
pub fn time_to_limit(limit: ByteCount, usage: ByteCount, slope: Slope) -> Option<TimeToLimit> {
    if !slope.grows() {
        return None;
    }
    let left = limit.saturating_sub(usage).0 as f64;
    let at = |rate: Rate| Duration::try_from_secs_f64(left / rate.0).unwrap_or(Duration::MAX);
    Some(TimeToLimit { expected: at(slope.rate), soonest: at(slope.high), latest: at(slope.low) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slope(low: f64, rate: f64, high: f64) -> Slope {
        Slope { rate: Rate(rate), low: Rate(low), high: Rate(high) }
    }

    #[test]
    fn what_is_left_by_the_rate_and_its_bounds() {
        let time = time_to_limit(ByteCount(1000), ByteCount(400), slope(10.0, 20.0, 30.0)).unwrap();
        let seconds = (time.soonest.as_secs(), time.expected.as_secs(), time.latest.as_secs());
        assert_eq!(seconds, (20, 30, 60));
    }

    #[test]
    fn nothing_is_foretold_without_growth() {
        assert_eq!(time_to_limit(ByteCount(1000), ByteCount(400), slope(0.0, 20.0, 30.0)), None);
        assert_eq!(time_to_limit(ByteCount(1000), ByteCount(400), slope(-9.0, -5.0, -1.0)), None);
    }

    #[test]
    fn a_limit_passed_is_reached_and_a_far_one_does_not_overflow() {
        let time = time_to_limit(ByteCount(10), ByteCount(400), slope(1.0, 2.0, 3.0)).unwrap();
        assert_eq!(time.expected, Duration::ZERO);
        let time = time_to_limit(ByteCount(u64::MAX), ByteCount(0), slope(1e-9, 1e-9, 1e-9)).unwrap();
        assert_eq!(time.expected, Duration::MAX);
    }
}

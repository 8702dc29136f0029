//! The slope of a series by Theil and Sen, with an interval, and whether it means anything by Mann and Kendall.
//! Knows numbers only; what they measure is `series`', what their course looks like is `shape`'s.

use crate::units::Rate;

/// One measured value: seconds since the watch began, and the value (bytes or a count).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Point {
    pub at: f64,
    pub value: f64,
}

/// More points than this are thinned before pairs of them are looked at: 200 make 19 900 pairs.
pub(super) const MOST_POINTS: usize = 200;

/// Two-sided 95 % of the normal distribution.
const INTERVAL_Z: f64 = 1.96;

/// A rate of change with its interval.
///
/// `rate` is the median of the slopes between all pairs of samples (Theil–Sen): a minority of outliers does not move
/// it. `low` and `high` bound it with 95 % by the ranks of those slopes and Kendall's variance, ties counted (Sen
/// 1968), samples taken as independent. Of two samples alone nothing is known of the spread: the interval then reaches
/// from nothing to twice the rate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Slope {
    /// The slope itself.
    pub rate: Rate,
    /// It is at least this, with 97.5 %.
    pub low: Rate,
    /// It is at most this, with 97.5 %.
    pub high: Rate,
}

impl Slope {
    /// Whether all of the interval is growth.
    pub fn grows(&self) -> bool {
        self.low.0 > 0.0
    }
}

/// Kendall's S with its variance: the pairs that rise less the pairs that fall.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Tendency {
    pub s: f64,
    pub variance: f64,
}

impl Tendency {
    /// Standard deviations away from no tendency at all, with the continuity correction; positive where it rises.
    pub fn z(self) -> f64 {
        if self.variance <= 0.0 || self.s == 0.0 {
            return 0.0;
        }
        (self.s - self.s.signum()) / self.variance.sqrt()
    }
}

/// Mann–Kendall over `values` in their order, ties counted.
pub(super) fn tendency(values: &[f64]) -> Tendency {
    let mut s = 0.0;
    for (index, early) in values.iter().enumerate() {
        for late in &values[index + 1..] {
            s += sign(late - early);
        }
    }
    let n = values.len() as f64;
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let ties: f64 =
        sorted.chunk_by(|a, b| a == b).map(|tied| tied.len() as f64).map(|t| t * (t - 1.0) * (2.0 * t + 5.0)).sum();
    Tendency { s, variance: ((n * (n - 1.0) * (2.0 * n + 5.0) - ties) / 18.0).max(0.0) }
}

fn sign(value: f64) -> f64 {
    if value > 0.0 {
        1.0
    } else if value < 0.0 {
        -1.0
    } else {
        0.0
    }
}

/// Theil–Sen over at most [`MOST_POINTS`] of `points`, which are in order of time.
pub(super) fn theil_sen(points: &[Point]) -> Slope {
    let points = thin(points);
    let mut slopes = pair_slopes(&points);
    let Some(rate) = median(&mut slopes) else { return Slope::default() };
    if slopes.len() == 1 {
        let twice = 2.0 * rate;
        return Slope { rate: Rate(rate), low: Rate(twice.min(0.0)), high: Rate(twice.max(0.0)) };
    }
    let values: Vec<f64> = points.iter().map(|point| point.value).collect();
    let reach = INTERVAL_Z * tendency(&values).variance.sqrt();
    let pairs = slopes.len() as f64;
    let last = slopes.len() - 1;
    let low = (((pairs - reach) / 2.0).floor().max(0.0) as usize).min(last);
    let high = (((pairs + reach) / 2.0).ceil().max(0.0) as usize).min(last);
    Slope { rate: Rate(rate), low: Rate(slopes[low]), high: Rate(slopes[high]) }
}

fn pair_slopes(points: &[Point]) -> Vec<f64> {
    let mut slopes = Vec::with_capacity(points.len() * points.len().saturating_sub(1) / 2);
    for (index, early) in points.iter().enumerate() {
        for late in &points[index + 1..] {
            let seconds = late.at - early.at;
            if seconds > 0.0 {
                slopes.push((late.value - early.value) / seconds);
            }
        }
    }
    slopes
}

/// The median of `values`, which are sorted by it; None of nothing.
pub(super) fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 { Some(upper) } else { Some((values[middle - 1] + upper) / 2.0) }
}

/// At most [`MOST_POINTS`] of `points`, evenly chosen, the first and the last among them.
fn thin(points: &[Point]) -> Vec<Point> {
    if points.len() <= MOST_POINTS {
        return points.to_vec();
    }
    (0..MOST_POINTS).map(|index| points[index * (points.len() - 1) / (MOST_POINTS - 1)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[f64]) -> Vec<Point> {
        values.iter().enumerate().map(|(at, &value)| Point { at: at as f64, value }).collect()
    }

    #[test]
    fn a_line_has_its_slope_and_no_spread() {
        let slope = theil_sen(&points(&[5.0, 8.0, 11.0, 14.0, 17.0]));
        assert_eq!(slope, Slope { rate: Rate(3.0), low: Rate(3.0), high: Rate(3.0) });
        assert!(slope.grows());
    }

    #[test]
    fn an_outlier_widens_the_interval_and_leaves_the_rate() {
        let slope = theil_sen(&points(&[0.0, 1.0, 2.0, 90.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]));
        assert_eq!(slope.rate, Rate(1.0));
        assert!(slope.low.0 > -10.0 && slope.low.0 <= 1.0 && slope.high.0 >= 1.0 && slope.high.0 < 30.0, "{slope:?}");
    }

    #[test]
    fn two_samples_do_not_prove_growth() {
        let slope = theil_sen(&points(&[10.0, 30.0]));
        assert_eq!(slope, Slope { rate: Rate(20.0), low: Rate(0.0), high: Rate(40.0) });
        assert!(!slope.grows());
        assert_eq!(theil_sen(&points(&[30.0, 10.0])).low, Rate(-40.0));
    }

    #[test]
    fn nothing_and_one_moment_have_no_slope() {
        assert_eq!(theil_sen(&[]), Slope::default());
        assert_eq!(theil_sen(&points(&[7.0])), Slope::default());
        let same = [Point { at: 1.0, value: 2.0 }, Point { at: 1.0, value: 9.0 }];
        assert_eq!(theil_sen(&same), Slope::default());
    }

    /// n = 10 with one group of 3 ties and one of 2: 45 pairs, 4 of them tied, none falling.
    #[test]
    fn kendalls_variance_counts_ties() {
        let values = [1.0, 2.0, 2.0, 2.0, 3.0, 4.0, 4.0, 5.0, 6.0, 7.0];
        let found = tendency(&values);
        assert_eq!(found.s, 41.0);
        assert!((found.variance - (10.0 * 9.0 * 25.0 - 3.0 * 2.0 * 11.0 - 2.0 * 9.0) / 18.0).abs() < 1e-9);
        assert_eq!(tendency(&[4.0; 12]).z(), 0.0);
    }

    #[test]
    fn long_series_are_thinned_and_keep_their_ends() {
        let line: Vec<f64> = (0..10_000).map(|n| n as f64 * 2.0).collect();
        let thinned = thin(&points(&line));
        assert_eq!((thinned.len(), thinned[0].at, thinned[199].at), (200, 0.0, 9999.0));
        assert_eq!(theil_sen(&points(&line)).rate, Rate(2.0));
    }
}

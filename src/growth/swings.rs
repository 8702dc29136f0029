//! Rises and falls of a series: how far it ever fell back, where it turned, and the level it never went below again.
//! Knows numbers only; which course they make is `shape`'s word.

use super::slope::{Point, median};

/// The deepest fall from any earlier value, and the highest rise above any earlier value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Extent {
    pub lowest: f64,
    pub highest: f64,
    pub fall: f64,
    pub rise: f64,
}

impl Extent {
    pub fn range(self) -> f64 {
        self.highest - self.lowest
    }
}

pub(super) fn extent(points: &[Point]) -> Extent {
    let Some(first) = points.first() else { return Extent::default() };
    let mut extent = Extent { lowest: first.value, highest: first.value, fall: 0.0, rise: 0.0 };
    for point in points {
        extent.highest = extent.highest.max(point.value);
        extent.lowest = extent.lowest.min(point.value);
        extent.fall = extent.fall.max(extent.highest - point.value);
        extent.rise = extent.rise.max(point.value - extent.lowest);
    }
    extent
}

/// The lower envelope: at each point the least value from there on. It never falls, and what it rises by was kept.
pub(super) fn kept(points: &[Point]) -> Vec<Point> {
    let mut kept = points.to_vec();
    for index in (1..kept.len()).rev() {
        kept[index - 1].value = kept[index - 1].value.min(kept[index].value);
    }
    kept
}

/// The least point of each of `count` equal stretches of the points, in order; the points themselves where they are
/// no more. A collector that runs between two of these stays visible by what it left.
pub(super) fn lowest_of_stretches(points: &[Point], count: usize) -> Vec<Point> {
    if points.len() <= count {
        return points.to_vec();
    }
    (0..count)
        .filter_map(|index| {
            let stretch = &points[index * points.len() / count..(index + 1) * points.len() / count];
            stretch.iter().copied().min_by(|a, b| a.value.total_cmp(&b.value))
        })
        .collect()
}

/// The low turning points between falls and rises of at least `height`. The lowest point of a fall that is not over
/// at the end counts only where it is below the last one: it can refute a rise, not make one.
pub(super) fn troughs(points: &[Point], height: f64) -> Vec<Point> {
    let Some(&first) = points.first() else { return Vec::new() };
    let mut troughs = Vec::new();
    let mut falling = false;
    let (mut low, mut high) = (first, first);
    for &point in points {
        if point.value > high.value {
            high = point;
        }
        if point.value < low.value {
            low = point;
        }
        if falling && point.value - low.value >= height {
            troughs.push(low);
            falling = false;
            high = point;
        } else if !falling && high.value - point.value >= height {
            falling = true;
            low = point;
        }
    }
    let unfinished = falling && troughs.last().is_none_or(|trough: &Point| low.value < trough.value);
    if unfinished {
        troughs.push(low);
    }
    troughs
}

/// What a series usually rises by from one point to the next when it rises: nine tenths of its rises are no higher.
/// Between two points a turning point may hide by as much.
pub(super) fn usual_rise(points: &[Point]) -> f64 {
    let mut rises: Vec<f64> =
        points.windows(2).map(|pair| pair[1].value - pair[0].value).filter(|&rise| rise > 0.0).collect();
    rises.sort_by(f64::total_cmp);
    rises.get(rises.len() * 9 / 10).or(rises.last()).copied().unwrap_or(0.0)
}

/// How far the points lie from the line of `rate` through their middle, typically: 1.4826 times the median distance,
/// which is the standard deviation where it is normal.
pub(super) fn spread_around(points: &[Point], rate: f64) -> f64 {
    let mut levels: Vec<f64> = points.iter().map(|point| point.value - rate * point.at).collect();
    let Some(middle) = median(&mut levels) else { return 0.0 };
    let mut distances: Vec<f64> = levels.iter().map(|level| (level - middle).abs()).collect();
    1.4826 * median(&mut distances).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[f64]) -> Vec<Point> {
        values.iter().enumerate().map(|(at, &value)| Point { at: at as f64, value }).collect()
    }

    #[test]
    fn the_deepest_fall_may_lie_before_the_highest_value() {
        let found = extent(&points(&[5.0, 9.0, 2.0, 20.0, 18.0]));
        assert_eq!(found, Extent { lowest: 2.0, highest: 20.0, fall: 7.0, rise: 18.0 });
    }

    #[test]
    fn what_is_kept_never_falls() {
        let kept: Vec<f64> = kept(&points(&[5.0, 9.0, 6.0, 20.0, 8.0, 30.0])).iter().map(|p| p.value).collect();
        assert_eq!(kept, [5.0, 6.0, 6.0, 8.0, 8.0, 30.0]);
    }

    #[test]
    fn troughs_are_low_turning_points() {
        let lows = |values: &[f64]| troughs(&points(values), 5.0).iter().map(|p| p.value).collect::<Vec<_>>();
        assert_eq!(lows(&[4.0, 10.0, 1.0, 9.0, 8.0, 12.0, 2.0, 11.0]), [1.0, 2.0]);
        assert_eq!(lows(&[1.0, 2.0, 3.0, 4.0]), [] as [f64; 0]);
        assert_eq!(lows(&[0.0, 10.0, 3.0, 14.0, 1.0]), [3.0, 1.0], "an unfinished fall below the last trough counts");
        assert_eq!(lows(&[0.0, 10.0, 3.0, 14.0, 6.0]), [3.0], "and one above it does not");
    }

    #[test]
    fn long_series_keep_what_a_collector_left() {
        let teeth: Vec<f64> = (0..4000).map(|n| (n % 10) as f64).collect();
        let lows = lowest_of_stretches(&points(&teeth), 200);
        assert_eq!(lows.len(), 200);
        assert!(lows.iter().all(|point| point.value == 0.0));
    }
}

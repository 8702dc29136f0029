//! The course of a series: whether it grows, has grown, swings, jumps or stands.
//! Knows numbers and their significance; what follows from a shape for the process is `explain`'s.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::slope::{MOST_POINTS, Point, Slope, median, tendency, theil_sen};
use super::swings::{Extent, extent, kept, lowest_of_stretches, troughs, usual_rise};

/// How a value moved while it was watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Hardly moved.
    Flat,
    /// Grows all through, evenly or in bursts; under a collector, what it leaves grows.
    Steady,
    /// Still grows, at a fraction of the pace it began with: a warm-up or a leak, the window does not tell.
    Slowing,
    /// Grew, and in about the last third no more.
    Plateau,
    /// Rises and falls, and comes back to where it was.
    Sawtooth,
    /// One or two jumps made nearly all of the change; flat before and after.
    Step,
    /// Falls.
    Shrinking,
    /// None of these, or too few samples to tell.
    #[default]
    Noisy,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Shape::Flat => "flat",
            Shape::Steady => "steady",
            Shape::Slowing => "slowing",
            Shape::Plateau => "plateau",
            Shape::Sawtooth => "sawtooth",
            Shape::Step => "step",
            Shape::Shrinking => "shrinking",
            Shape::Noisy => "noisy",
        })
    }
}

/// A shape with the slope that belongs to it: for growth under a collector the slope of what it leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Course {
    pub shape: Shape,
    pub slope: Slope,
}

/// Falls below this part of the rise are noise on a rise, and the other way round.
const NOISE_SHARE: f64 = 0.3;
/// One-sided 95 %: with four samples in a row that is all of them rising.
const SIGNIFICANT_Z: f64 = 1.645;
/// What two jumps must make of the change to be called a step.
const STEP_SHARE: f64 = 0.75;
/// The longest a jump may take, of the window.
const JUMP_SHARE: f64 = 0.08;
/// How long growth must have ceased to be called over, of the window.
const PLATEAU_SHARE: f64 = 0.3;

/// The course of `points`, in order of time; a range up to `floor` is not a movement.
pub(super) fn course(points: &[Point], floor: f64) -> Course {
    if points.len() < 2 {
        return Course::default();
    }
    let whole = extent(points);
    if whole.range() <= 0.0 {
        return Course { shape: Shape::Flat, slope: Slope::default() };
    }
    let slope = theil_sen(points);
    let found = |shape| Course { shape, slope };
    if whole.range() <= floor {
        return found(Shape::Flat);
    }
    let points = &lowest_of_stretches(points, MOST_POINTS)[..];
    let extent = extent(points);
    if extent.range() <= floor {
        return found(Shape::Sawtooth);
    }
    if extent.fall <= NOISE_SHARE * extent.rise {
        return rising(points, floor);
    }
    if extent.rise <= NOISE_SHARE * extent.fall {
        let values: Vec<f64> = points.iter().map(|point| point.value).collect();
        let ends_low = points.last().is_some_and(|last| last.value <= extent.lowest + NOISE_SHARE * extent.fall);
        let falls = ends_low && (points.len() < 4 || tendency(&values).z() <= -SIGNIFICANT_Z);
        return found(if falls { Shape::Shrinking } else { Shape::Sawtooth });
    }
    swinging(points, extent, floor).unwrap_or(found(Shape::Noisy))
}

/// The course of a series that falls little or not, judged by what it keeps.
fn rising(points: &[Point], floor: f64) -> Course {
    let slope = theil_sen(points);
    let found = |shape| Course { shape, slope };
    let kept = kept(points);
    if kept.len() < 4 {
        return found(Shape::Noisy);
    }
    if let Some(jumps) = jumps(&kept) {
        return stepping(points, &jumps, floor).unwrap_or(found(Shape::Noisy));
    }
    let ceased = Ceased::of(&kept);
    if ceased.share >= PLATEAU_SHARE && ceased.share >= 2.0 * ceased.longest_wait {
        let tail = points.partition_point(|point| point.at < ceased.at);
        let still_grows = by_itself(&points[tail..], floor).is_some();
        return found(if still_grows { Shape::Slowing } else { Shape::Plateau });
    }
    if slows(&kept) || (ceased.share >= 0.25 && ceased.share >= 3.0 * ceased.longest_wait) {
        return found(Shape::Slowing);
    }
    let values: Vec<f64> = points.iter().map(|point| point.value).collect();
    let certain = tendency(&values).z() >= SIGNIFICANT_Z && slope.grows();
    let gains = gains(&kept, 10);
    let late = gains[..6].iter().sum::<f64>() < 0.1 * gains.iter().sum::<f64>();
    found(if certain && !late { Shape::Steady } else { Shape::Noisy })
}

/// The course of a series whose change is made by `jumps`: a step, unless it grows steadily besides. None where the
/// last jump came so late that what follows it was not seen.
fn stepping(points: &[Point], jumps: &[Jump], floor: f64) -> Option<Course> {
    if let Some(course) = by_itself(&without(points, jumps), floor) {
        return Some(course);
    }
    let end = jumps.iter().map(|jump| points[jump.to].at).fold(f64::NEG_INFINITY, f64::max);
    let (first, last) = (points.first()?.at, points.last()?.at);
    (end <= first + 0.9 * (last - first)).then(|| Course { shape: Shape::Step, slope: theil_sen(points) })
}

/// The course of a remainder, where that is steady growth.
fn by_itself(points: &[Point], floor: f64) -> Option<Course> {
    let extent = extent(points);
    if extent.range() <= floor || extent.fall > NOISE_SHARE * extent.rise || jumps(&kept(points)).is_some() {
        return None;
    }
    Some(rising(points, floor)).filter(|course| course.shape == Shape::Steady)
}

/// `points` with what the jumps gained taken out: level while they last.
fn without(points: &[Point], jumps: &[Jump]) -> Vec<Point> {
    let taken = |index: usize, jump: &Jump| match index {
        index if index <= jump.from => 0.0,
        index if index < jump.to => points[index].value - points[jump.from].value,
        _ => jump.gain,
    };
    let rest = |(index, point): (usize, &Point)| Point {
        value: point.value - jumps.iter().map(|jump| taken(index, jump)).sum::<f64>(),
        ..*point
    };
    points.iter().enumerate().map(rest).collect()
}

/// The one or two jumps that make the change, where they do.
fn jumps(kept: &[Point]) -> Option<Vec<Jump>> {
    let (first, last) = (kept.first()?, kept.last()?);
    let total = last.value - first.value;
    let reach = JUMP_SHARE * (last.at - first.at);
    let biggest = biggest_gain(kept, reach, None)?;
    if biggest.gain >= STEP_SHARE * total {
        return Some(vec![biggest]);
    }
    let second = biggest_gain(kept, reach, Some(biggest))?;
    (biggest.gain + second.gain >= STEP_SHARE * total).then(|| vec![biggest, second])
}

#[derive(Clone, Copy)]
struct Jump {
    from: usize,
    to: usize,
    gain: f64,
}

/// The most that is gained within `reach` seconds or between two samples, outside of `other`; the shortest of equals.
fn biggest_gain(kept: &[Point], reach: f64, other: Option<Jump>) -> Option<Jump> {
    let mut biggest: Option<Jump> = None;
    for from in 0..kept.len() {
        for to in from + 1..kept.len() {
            if to > from + 1 && kept[to].at - kept[from].at > reach {
                break;
            }
            if other.is_some_and(|other| from < other.to && other.from < to) {
                continue;
            }
            let gain = kept[to].value - kept[from].value;
            let better = |jump: Jump| gain > jump.gain || (gain == jump.gain && to - from < jump.to - jump.from);
            if gain > 0.0 && biggest.is_none_or(better) {
                biggest = Some(Jump { from, to, gain });
            }
        }
    }
    biggest
}

/// How long nothing has been gained any more, against the longest wait between gains before; both as parts of the
/// window. A tenth of the growth may come after: noise climbs a little at any end.
struct Ceased {
    at: f64,
    share: f64,
    longest_wait: f64,
}

impl Ceased {
    fn of(kept: &[Point]) -> Ceased {
        let nothing = Ceased { at: 0.0, share: 0.0, longest_wait: 1.0 };
        let (Some(first), Some(last)) = (kept.first(), kept.last()) else { return nothing };
        let seconds = last.at - first.at;
        let mut late: Vec<f64> =
            kept.iter().filter(|point| point.at >= first.at + 0.8 * seconds).map(|point| point.value).collect();
        let Some(top) = median(&mut late) else { return nothing };
        let reached = |share: f64| {
            let level = first.value + share * (top - first.value);
            kept.iter().find(|point| point.value >= level).map_or(last.at, |point| point.at)
        };
        let times: Vec<f64> = (1..=18).map(|step| reached(step as f64 * 0.05)).collect();
        let wait = times.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
        let at = reached(0.9);
        Ceased { at, share: (last.at - at) / seconds, longest_wait: wait / seconds }
    }
}

/// Whether what is gained gets less and less, and by a lot: the last third at most a third of the first, and
/// Kendall's S of six stretches at most -9 of -15, which chance alone makes in about 3 of 100.
fn slows(kept: &[Point]) -> bool {
    if kept.len() < 9 {
        return false;
    }
    let gains = gains(kept, 6);
    gains[4] + gains[5] < 0.35 * (gains[0] + gains[1]) && tendency(&gains).s <= -9.0
}

/// What is gained in each of `count` equal stretches of time, values between points interpolated.
fn gains(kept: &[Point], count: usize) -> Vec<f64> {
    let (Some(first), Some(last)) = (kept.first(), kept.last()) else { return vec![0.0; count] };
    let level = |at: f64| {
        let after = kept.partition_point(|point| point.at < at).clamp(1, kept.len() - 1);
        let (a, b) = (kept[after - 1], kept[after]);
        let share = if b.at > a.at { ((at - a.at) / (b.at - a.at)).clamp(0.0, 1.0) } else { 1.0 };
        a.value + share * (b.value - a.value)
    };
    let edge = |index: usize| level(first.at + (last.at - first.at) * index as f64 / count as f64);
    (0..count).map(|index| edge(index + 1) - edge(index)).collect()
}

/// The shape of a series that rises and falls, by its low turning points. None where they do not tell.
fn swinging(points: &[Point], extent: Extent, floor: f64) -> Option<Course> {
    let troughs = troughs(points, (0.35 * extent.fall).max(floor));
    let (&first, &last) = (troughs.first()?, troughs.last()?);
    let rise = last.value - if troughs.len() > 1 { first.value } else { points.first()?.value };
    // A turning point may hide between two samples by what the series rises between them, so troughs of an even
    // sawtooth seen at an odd interval drift by up to that much.
    let visible = rise > (1.25 * usual_rise(points)).max(floor);
    if visible && troughs_rise(&troughs, floor) {
        let slope = theil_sen(&troughs);
        return slope.grows().then_some(Course { shape: Shape::Steady, slope });
    }
    if rise.abs() <= NOISE_SHARE * extent.fall {
        return Some(Course { shape: Shape::Sawtooth, slope: theil_sen(points) });
    }
    if rise < 0.0 && troughs.len() > 1 {
        return Some(Course { shape: Shape::Shrinking, slope: theil_sen(&troughs) });
    }
    None
}

/// Whether low turning points rise evenly enough to be growth: of few the most of them, and no one rise makes most of
/// it; of a dozen and more so that they would be steady growth by themselves.
fn troughs_rise(troughs: &[Point], floor: f64) -> bool {
    if troughs.len() >= 12 {
        return rising(troughs, floor).shape == Shape::Steady;
    }
    let values: Vec<f64> = troughs.iter().map(|trough| trough.value).collect();
    let steps: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let most = steps.iter().copied().fold(0.0, f64::max);
    let total: f64 = steps.iter().sum();
    let certain = match steps.len() {
        0 | 1 => false,
        2 => steps.iter().all(|&step| step > 0.0),
        _ => tendency(&values).z() >= SIGNIFICANT_Z,
    };
    certain && most <= 0.75 * total
}

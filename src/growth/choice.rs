//! Which region to suspect: the one that grows, not the one that is largest.
//! Knows growth and kinds; how certain the growth is, is `lineage`'s, what to call it is `explain`'s.

use std::fmt;

use super::lineage::RegionGrowth;
use super::shape::Shape;
use crate::space::{Region, RegionKind};

/// Why a region was chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reason {
    /// Several grow steadily, and it by most; its share of their growth, 0..=1.
    GrowsMost {
        /// Of the growth of all that grow steadily.
        share: f64,
    },
    /// It alone grows steadily.
    OnlyOneGrowing,
    /// None grows steadily, or there were too few looks to tell; it gained most.
    GainedMost,
    /// None grows; it is the largest private writable one.
    Largest,
    /// Somebody asked for it.
    Asked,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::GrowsMost { share } => write!(f, "grows most: {:.0} % of the growth", share * 100.0),
            Reason::OnlyOneGrowing => f.write_str("the only one that grows"),
            Reason::GainedMost => f.write_str("gained most, though not steadily"),
            Reason::Largest => f.write_str("none grows; the largest private one"),
            Reason::Asked => f.write_str("asked for"),
        }
    }
}

/// The suspect.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Index into the regions of the last look.
    pub region: usize,
    /// Why it.
    pub reason: Reason,
    /// Those that would have been next, best first, at most three.
    pub runners_up: Vec<usize>,
}

/// The most runners-up named.
const RUNNERS_UP: usize = 3;

/// Chooses among `regions`, those of the last look, by their `growth`. None where no region is private and writable
/// and none grows.
pub fn choose(regions: &[Region], growth: &[RegionGrowth]) -> Option<Choice> {
    let known = || growth.iter().filter(|growth| growth.region < regions.len());
    let mut steady: Vec<&RegionGrowth> = known().filter(|growth| growth.grows()).collect();
    steady.sort_by(|a, b| b.slope.rate.0.total_cmp(&a.slope.rate.0).then(a.region.cmp(&b.region)));
    if let Some(most) = steady.first() {
        let all: f64 = steady.iter().map(|growth| growth.slope.rate.0).sum();
        let reason = match steady.len() {
            1 => Reason::OnlyOneGrowing,
            _ => Reason::GrowsMost { share: most.slope.rate.0 / all },
        };
        return Some(ranked(reason, steady.iter().map(|growth| growth.region)));
    }
    let mut gained: Vec<&RegionGrowth> = known().filter(|growth| may_grow(growth)).collect();
    gained.sort_by(|a, b| b.change().cmp(&a.change()).then(a.region.cmp(&b.region)));
    if !gained.is_empty() {
        return Some(ranked(Reason::GainedMost, gained.iter().map(|growth| growth.region)));
    }
    let mut large: Vec<usize> = (0..regions.len()).filter(|&index| is_private_memory(&regions[index])).collect();
    large.sort_by_key(|&index| (std::cmp::Reverse(regions[index].footprint.held()), index));
    (!large.is_empty()).then(|| ranked(Reason::Largest, large.into_iter()))
}

fn ranked(reason: Reason, mut regions: impl Iterator<Item = usize>) -> Choice {
    let region = regions.next().unwrap_or_default();
    Choice { region, reason, runners_up: regions.take(RUNNERS_UP).collect() }
}

fn may_grow(growth: &RegionGrowth) -> bool {
    matches!(growth.shape, Shape::Noisy | Shape::Slowing) && growth.change() > 0
}

fn is_private_memory(region: &Region) -> bool {
    let fits = matches!(region.kind, RegionKind::Heap | RegionKind::Anon | RegionKind::Arena);
    fits && region.permissions.write && !region.permissions.shared
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::Slope;
    use crate::space::{Footprint, Permissions};
    use crate::units::{ByteCount, Rate, Span};

    fn region(kind: RegionKind, held: u64, permissions: &str) -> Region {
        let footprint = Footprint { anonymous: ByteCount::mib(held), ..Footprint::default() };
        let permissions = Permissions::parse(permissions);
        Region { span: Span::default(), kind, name: String::new(), permissions, parts: Vec::new(), footprint }
    }

    fn growth(region: usize, shape: Shape, rate: f64, low: f64, change: u64) -> RegionGrowth {
        let slope = Slope { rate: Rate(rate), low: Rate(low), high: Rate(rate * 2.0) };
        RegionGrowth { region, slope, shape, last: ByteCount(change), ..RegionGrowth::default() }
    }

    fn regions() -> Vec<Region> {
        vec![
            region(RegionKind::Heap, 10, "rw-p"),
            region(RegionKind::Anon, 4000, "rw-p"),
            region(RegionKind::File, 9000, "rw-p"),
            region(RegionKind::Stack, 9000, "rw-p"),
            region(RegionKind::Shared, 9000, "rw-s"),
            region(RegionKind::Anon, 9000, "r--p"),
        ]
    }

    #[test]
    fn the_suspect_is_what_grows_not_what_is_largest() {
        let still = growth(1, Shape::Flat, 0.0, 0.0, 0);
        let choice = choose(&regions(), &[growth(0, Shape::Steady, 100.0, 90.0, 1000), still]).unwrap();
        assert_eq!(choice, Choice { region: 0, reason: Reason::OnlyOneGrowing, runners_up: vec![] });
    }

    #[test]
    fn of_several_the_fastest_with_its_share() {
        let all = [
            growth(0, Shape::Steady, 300.0, 200.0, 9),
            growth(1, Shape::Steady, 100.0, 50.0, 9),
            growth(2, Shape::Steady, 600.0, 0.0, 9),
            growth(3, Shape::Plateau, 900.0, 800.0, 9),
        ];
        let choice = choose(&regions(), &all).unwrap();
        assert_eq!(choice, Choice { region: 0, reason: Reason::GrowsMost { share: 0.75 }, runners_up: vec![1] });
        assert_eq!(choice.reason.to_string(), "grows most: 75 % of the growth");
    }

    #[test]
    fn private_pages_of_a_file_are_suspects_when_they_grow() {
        let choice = choose(&regions(), &[growth(2, Shape::Steady, 5.0, 4.0, 9)]).unwrap();
        assert_eq!(choice.region, 2);
    }

    #[test]
    fn without_steady_growth_what_gained_most() {
        let all = [growth(0, Shape::Noisy, 5.0, -1.0, 700), growth(1, Shape::Noisy, 5.0, 0.0, 800)];
        let choice = choose(&regions(), &all).unwrap();
        assert_eq!(choice, Choice { region: 1, reason: Reason::GainedMost, runners_up: vec![0] });
    }

    #[test]
    fn without_growth_the_largest_private_one() {
        let choice = choose(&regions(), &[]).unwrap();
        assert_eq!(choice, Choice { region: 1, reason: Reason::Largest, runners_up: vec![0] });
        assert_eq!(choose(&regions()[2..], &[]), None);
        assert_eq!(choose(&[], &[growth(7, Shape::Steady, 5.0, 4.0, 9)]), None);
    }
}

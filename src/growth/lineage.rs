//! Regions followed from look to look through growth, merges and splits, each with its own trend.
//! Knows where bytes went; a start address proves nothing here, since mappings merge, split and grow downwards.
//! Which region to suspect is `choice`'s.

use std::collections::BTreeMap;
use std::time::Duration;

use super::sample::Look;
use super::series::trend;
use super::shape::Shape;
use super::slope::{Point, Slope};
use crate::space::{Region, RegionKind};
use crate::units::{ByteCount, Span};

/// A region of the last look and its past.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RegionGrowth {
    /// Index into the regions of the last look.
    pub region: usize,
    /// What it, or what became it, held at the first look; zero where it was not there.
    pub first: ByteCount,
    /// What it holds at the last look.
    pub last: ByteCount,
    /// How fast that changes.
    pub slope: Slope,
    /// How it changes.
    pub shape: Shape,
    /// Whether nothing of it was there at the first look.
    pub new: bool,
    /// Mappings at the first look.
    pub first_mappings: u64,
    /// Mappings at the last look.
    pub last_mappings: u64,
    /// Change of address space taken, in bytes.
    pub size_change: i64,
    /// What it held at each look.
    pub timeline: Vec<(Duration, ByteCount)>,
}

impl RegionGrowth {
    /// Whether it grows steadily and all of the interval says so.
    pub fn grows(&self) -> bool {
        self.shape == Shape::Steady && self.slope.grows()
    }

    /// Last less first, in bytes.
    pub fn change(&self) -> i64 {
        self.last.signed_sub(self.first)
    }

    /// Mappings more than at the first look.
    pub fn more_mappings(&self) -> u64 {
        self.last_mappings.saturating_sub(self.first_mappings)
    }
}

/// One region's line of descent so far.
#[derive(Clone, Debug, Default)]
struct Line {
    /// What it held at each look so far.
    held: Vec<f64>,
    /// Mappings at the first look.
    mappings: f64,
    /// Address space at the first look.
    size: f64,
    /// Whether any of it was there at the first look.
    rooted: bool,
}

/// Follows the regions of the last of `looks` back to the first, which are in order of time.
///
/// A region descends from those of the look before whose parts it overlaps, with a compatible kind and the same
/// backing. Where one region became several, its past is divided by what each of them holds in the overlap; where
/// several became one, their pasts are added. What vanished into nothing is dropped. A single region that vanished
/// while a single one of its kind and name appeared has moved (mremap).
pub fn region_growth(looks: &[Look]) -> Vec<RegionGrowth> {
    let (Some(first), Some(last)) = (looks.first(), looks.last()) else { return Vec::new() };
    let mut lines: Vec<Line> = first.map.regions.iter().map(root).collect();
    for (seen, pair) in looks.windows(2).enumerate() {
        let (before, after) = (&pair[0].map.regions, &pair[1].map.regions);
        lines = descend(&lines, seen + 1, after, &shares(before, after));
    }
    let at = |look: &Look| look.at.as_secs_f64();
    lines
        .iter()
        .zip(&last.map.regions)
        .enumerate()
        .map(|(index, (line, region))| {
            let points = looks.iter().zip(&line.held).map(|(look, &value)| Point { at: at(look), value });
            let course = trend(&points.collect::<Vec<_>>());
            RegionGrowth {
                region: index,
                first: course.first,
                last: course.last,
                slope: course.slope,
                shape: course.shape,
                new: !line.rooted,
                first_mappings: line.mappings.round() as u64,
                last_mappings: region.parts.len() as u64,
                size_change: size(region).signed_sub(ByteCount(line.size as u64)),
                timeline: looks.iter().zip(&line.held).map(|(look, &held)| (look.at, ByteCount(held as u64))).collect(),
            }
        })
        .collect()
}

fn root(region: &Region) -> Line {
    let (mappings, size) = (region.parts.len() as f64, size(region).0 as f64);
    Line { held: vec![held(region)], mappings, size, rooted: true }
}

/// The growth measure: anonymous and swapped; for shared memory, which may count as neither, what is resident.
fn held(region: &Region) -> f64 {
    let footprint = region.footprint;
    let bytes = if region.kind == RegionKind::Shared { footprint.rss + footprint.swap } else { footprint.held() };
    bytes.0 as f64
}

fn size(region: &Region) -> ByteCount {
    region.parts.iter().map(|part| part.size()).sum()
}

/// The lines of `after`'s regions from those of the `looks` before, and from who gives how much of its past to whom.
fn descend(before: &[Line], looks: usize, after: &[Region], shares: &[(usize, usize, f64)]) -> Vec<Line> {
    let mut lines = vec![Line { held: vec![0.0; looks], ..Line::default() }; after.len()];
    for &(from, to, share) in shares {
        let (ancestor, line) = (&before[from], &mut lines[to]);
        for (sum, held) in line.held.iter_mut().zip(&ancestor.held) {
            *sum += share * held;
        }
        line.mappings += share * ancestor.mappings;
        line.size += share * ancestor.size;
        line.rooted |= ancestor.rooted;
    }
    for (line, region) in lines.iter_mut().zip(after) {
        line.held.push(held(region));
    }
    lines
}

/// Who gives what part of its past to whom: (index before, index after, part). The parts of one giver add up to 1.
fn shares(before: &[Region], after: &[Region]) -> Vec<(usize, usize, f64)> {
    let mut shares: Vec<(usize, usize, f64)> = overlaps(before, after)
        .into_iter()
        .filter(|((from, to), _)| compatible(&before[*from], &after[*to]))
        .map(|((from, to), bytes)| (from, to, bytes.0 as f64 * density(&after[to])))
        .collect();
    for one in shares.chunk_by_mut(|a, b| a.0 == b.0) {
        let all: f64 = one.iter().map(|share| share.2).sum();
        for share in one {
            share.2 /= all;
        }
    }
    shares.extend(moved(before, after, &shares).map(|(from, to)| (from, to, 1.0)));
    shares
}

/// What a byte of the region's address space holds on average; never quite nothing, so that an empty region still
/// inherits from what it replaces.
fn density(region: &Region) -> f64 {
    held(region) / (size(region).0.max(1) as f64) + 1e-9
}

/// How many bytes each region before shares with each one after, in order.
fn overlaps(before: &[Region], after: &[Region]) -> BTreeMap<(usize, usize), ByteCount> {
    let (before, after) = (ordered_parts(before), ordered_parts(after));
    let mut overlaps = BTreeMap::new();
    let (mut left, mut right) = (0, 0);
    while let (Some(&(old, from)), Some(&(new, to))) = (before.get(left), after.get(right)) {
        let common = old.intersection(new);
        if !common.is_empty() {
            *overlaps.entry((from, to)).or_insert(ByteCount::ZERO) += common.size();
        }
        if old.end <= new.end {
            left += 1;
        } else {
            right += 1;
        }
    }
    overlaps
}

fn ordered_parts(regions: &[Region]) -> Vec<(Span, usize)> {
    let mut parts: Vec<(Span, usize)> = regions
        .iter()
        .enumerate()
        .flat_map(|(index, region)| region.parts.iter().map(move |&part| (part, index)))
        .collect();
    parts.sort_unstable();
    parts
}

/// Whether one may have become the other where they overlap. Private memory keeps its pages whatever we think it is
/// for: an anonymous mapping is known for an arena or a stack only once it is used as one.
fn compatible(before: &Region, after: &Region) -> bool {
    if is_private(before.kind) || is_private(after.kind) {
        return is_private(before.kind) && is_private(after.kind);
    }
    before.kind == after.kind && backing(before) == backing(after)
}

fn is_private(kind: RegionKind) -> bool {
    match kind {
        RegionKind::Heap | RegionKind::Anon | RegionKind::Arena | RegionKind::Stack | RegionKind::ThreadStack => true,
        RegionKind::Shared | RegionKind::File | RegionKind::Special => false,
    }
}

/// The name of the file behind it; unlinking a mapped file adds a suffix in maps.
fn backing(region: &Region) -> &str {
    region.name.strip_suffix(" (deleted)").unwrap_or(&region.name)
}

/// Regions that went elsewhere in one piece: the only one of its kind, backing and permissions that has no heir, and
/// the only such one that has no ancestor and is no smaller.
fn moved<'a>(
    before: &'a [Region],
    after: &'a [Region],
    shares: &[(usize, usize, f64)],
) -> impl Iterator<Item = (usize, usize)> + use<'a> {
    let (mut has_heir, mut has_ancestor) = (vec![false; before.len()], vec![false; after.len()]);
    for &(from, to, _) in shares {
        has_heir[from] = true;
        has_ancestor[to] = true;
    }
    let mut orphans: BTreeMap<_, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
    for (index, region) in before.iter().enumerate().filter(|(index, _)| !has_heir[*index]) {
        orphans.entry(likeness(region)).or_default().0.push(index);
    }
    for (index, region) in after.iter().enumerate().filter(|(index, _)| !has_ancestor[*index]) {
        orphans.entry(likeness(region)).or_default().1.push(index);
    }
    orphans.into_values().filter_map(move |(gone, come)| match (&gone[..], &come[..]) {
        (&[from], &[to]) if size(&after[to]) >= size(&before[from]) => Some((from, to)),
        _ => None,
    })
}

fn likeness(region: &Region) -> (RegionKind, &str, String) {
    (region.kind, backing(region), region.permissions.to_string())
}

#[cfg(test)]
mod tests;

//! Which words of templates with one skeleton are values after all. Where many templates are equal but for the word in
//! one place, or in a few, that place is generalised and they become one.
//! Knows the templates of one skeleton at a time; likeness across skeletons is `across`'s.

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};

use super::catalog::Catalog;
use super::template::{NONE, Template};
use crate::scan::text::reading::token::{FREE, MASKED, Role, contribution};

/// Different words that make a place a value.
const ENOUGH: usize = 8;
/// The same for a part of a path, which is more often one of many fixed names.
const ENOUGH_IN_PATH: usize = 24;
/// Members up to which a template may be chance.
const RARE: u64 = 3;
/// Places generalised at once at most.
const MOST_AT_ONCE: usize = 6;
/// Members from which the values of a rest are known well enough.
const WELL_KNOWN: u64 = 512;
/// Templates a fragment is compared with.
const MOST_COVERS: usize = 32;

/// A template under examination.
struct Candidate {
    index: u32,
    count: u64,
    sum: u64,
    literals: Vec<u64>,
    /// Places that hold words.
    words: u64,
    /// Places whose values may look like words by chance: generalised ones and those of random text.
    loose: u64,
    /// Places of random hexadecimal digits.
    hex: u64,
    /// Places behind a slash.
    in_path: u64,
}

impl Candidate {
    fn sum_without(&self, mask: u64) -> u64 {
        let mut sum = self.sum;
        for (index, &literal) in self.literals.iter().enumerate().filter(|(index, _)| mask >> index & 1 == 1) {
            sum = sum.wrapping_sub(contribution(index, literal)).wrapping_add(contribution(index, MASKED));
        }
        sum
    }

    /// Whether the places of `mask` may be generalised here.
    fn allows(&self, mask: u64) -> bool {
        mask & !(self.words | self.loose) == 0
    }

    /// Whether it is all variable with the places of `mask` generalised.
    fn is_bare_without(&self, mask: u64) -> bool {
        self.words & !mask == 0
    }
}

/// Templates that become one, by the places they are generalised in.
type Merge = (u64, Vec<usize>);

fn distinct(candidates: &[Candidate], members: &[usize], place: usize) -> usize {
    members.iter().map(|&member| candidates[member].literals[place]).collect::<HashSet<_, FixedState>>().len()
}

fn grouped(candidates: &[Candidate], members: impl Iterator<Item = usize>, mask: u64) -> Vec<Vec<usize>> {
    let mut groups: HashMap<u64, Vec<usize>, FixedState> = HashMap::default();
    for member in members.filter(|&member| candidates[member].allows(mask)) {
        groups.entry(candidates[member].sum_without(mask)).or_default().push(member);
    }
    let mut groups: Vec<_> = groups.into_values().filter(|group| group.len() > 1).collect();
    groups.sort_unstable();
    groups
}

fn size(merges: &[Merge]) -> usize {
    merges.iter().map(|(_, members)| members.len()).sum()
}

/// The merges for the one place that merges most.
fn best_single(candidates: &[Candidate], last: bool) -> Vec<Merge> {
    let places = candidates[0].literals.len();
    let all = |place: usize| single(candidates, place, last);
    (0..places).map(all).max_by_key(|merges| size(merges)).unwrap_or_default()
}

fn single(candidates: &[Candidate], place: usize, last: bool) -> Vec<Merge> {
    let mask = 1 << place;
    let lone = candidates[0].literals.len() == 1;
    let members = (0..candidates.len()).filter(|&member| {
        let candidate = &candidates[member];
        !candidate.is_bare_without(mask) || candidate.loose & mask != 0 || candidate.count <= RARE
    });
    let groups = grouped(candidates, members, mask);
    let good = |group: &Vec<usize>| {
        let loose = group.iter().any(|&member| candidates[member].loose & mask != 0);
        if candidates[group[0]].is_bare_without(mask) && !(lone && loose) {
            return false;
        }
        let in_path = candidates[group[0]].in_path & mask != 0;
        let words = distinct(candidates, group, place);
        let members: u64 = group.iter().map(|&member| candidates[member].count).sum();
        words >= if in_path { ENOUGH_IN_PATH } else { ENOUGH } || (last && words >= 3 && members <= RARE * words as u64)
    };
    groups.into_iter().filter(good).map(|group| (mask, group)).collect()
}

/// The merges for the few places that together merge most, where no single one does.
fn best_several(candidates: &[Candidate], last: bool) -> Vec<Merge> {
    let all: Vec<usize> = (0..candidates.len()).collect();
    let mut places: Vec<(usize, usize)> = (0..candidates[0].literals.len())
        .map(|place| (distinct(candidates, &all, place), place))
        .filter(|&(words, _)| words >= ENOUGH / 2)
        .collect();
    places.sort_unstable_by(|a, b| b.cmp(a));
    let mut best = Vec::new();
    for count in 2..=places.len().min(MOST_AT_ONCE) {
        let mask = places[..count].iter().fold(0, |mask, (_, place)| mask | 1 << place);
        let merges = several(candidates, mask);
        if size(&merges) > size(&best) {
            best = merges;
        }
    }
    let share = if last { 0 } else { candidates.len() / 4 };
    if size(&best) > share { best } else { Vec::new() }
}

fn several(candidates: &[Candidate], mask: u64) -> Vec<Merge> {
    let mut merges = Vec::new();
    let members = (0..candidates.len()).filter(|&member| !candidates[member].is_bare_without(mask));
    for group in grouped(candidates, members, mask) {
        if group.len() < ENOUGH {
            continue;
        }
        // Of the places only those that vary within this group are meant.
        let varied = (0..candidates[0].literals.len())
            .filter(|&place| mask >> place & 1 == 1 && distinct(candidates, &group, place) >= ENOUGH / 2)
            .fold(0, |varied, place| varied | 1 << place);
        if varied == 0 {
            continue;
        }
        let usual = usual_count(candidates, &group);
        let alike = group.iter().copied().filter(|&member| candidates[member].count <= usual);
        merges
            .extend(grouped(candidates, alike, varied).into_iter().filter(|g| g.len() >= ENOUGH).map(|g| (varied, g)));
    }
    merges
}

/// The count above which a template stands out from its group.
fn usual_count(candidates: &[Candidate], group: &[usize]) -> u64 {
    let mut counts: Vec<u64> = group.iter().map(|&member| candidates[member].count).collect();
    counts.sort_unstable();
    (counts[counts.len() / 2] * 8).max(16)
}

impl Catalog {
    /// Merges what can be merged in `skeleton`; `last` is for the end, when nothing more will come.
    pub(in crate::scan::text) fn generalise(&mut self, skeleton: u32, last: bool) {
        loop {
            let candidates = self.candidates(skeleton);
            if candidates.len() < 2 {
                return;
            }
            let mut merges = best_single(&candidates, last);
            if merges.is_empty() {
                merges = best_several(&candidates, last);
            }
            if merges.is_empty() {
                return;
            }
            for (mask, members) in merges {
                self.merge_all(skeleton, &candidates, mask, &members);
            }
        }
    }

    fn candidates(&mut self, skeleton: u32) -> Vec<Candidate> {
        let live = &self.skeletons[skeleton as usize].live;
        let (templates, scratch) = (&self.templates, &mut self.scratch);
        live.iter()
            .map(|&index| {
                let template = &templates[index as usize];
                scratch.read(&template.first);
                examine(index, template, scratch)
            })
            .collect()
    }

    fn merge_all(&mut self, skeleton: u32, candidates: &[Candidate], mask: u64, members: &[usize]) {
        let Some(&largest) = members.iter().max_by_key(|&&member| candidates[member].count) else {
            return;
        };
        let sum = candidates[largest].sum_without(mask);
        let target = self.with_sum(skeleton, sum).unwrap_or(candidates[largest].index);
        self.templates[target as usize].widen(mask, &mut self.scratch);
        for &member in members {
            let index = candidates[member].index;
            if index != target {
                self.templates[index as usize].widen(mask, &mut self.scratch);
                self.merge(index, target);
            }
        }
        let mask = self.templates[target as usize].mask;
        self.enter_mask(skeleton, mask, sum, target);
    }

    /// Puts the rare half of the templates of `skeleton` into its template of the rest.
    pub(in crate::scan::text) fn fold_rare(&mut self, skeleton: u32) {
        let live = &self.skeletons[skeleton as usize].live;
        let mut counts: Vec<u64> = live.iter().map(|&index| self.templates[index as usize].count()).collect();
        counts.sort_unstable();
        let usual = counts.get(counts.len() / 2).copied().unwrap_or(0);
        self.fold_up_to(skeleton, usual);
    }

    /// Puts the templates of `skeleton` with at most `count` members into its template of the rest.
    pub(in crate::scan::text) fn fold_up_to(&mut self, skeleton: u32, count: u64) {
        let rare: Vec<u32> = self.skeletons[skeleton as usize]
            .live
            .iter()
            .copied()
            .filter(|&index| self.templates[index as usize].count() <= count)
            .collect();
        for index in rare {
            let rest = self.skeletons[skeleton as usize].rest;
            let known = rest != NONE && self.templates[rest as usize].count() > WELL_KNOWN;
            if !known {
                self.templates[index as usize].widen(u64::MAX, &mut self.scratch);
            }
            if rest != NONE {
                self.merge(index, rest);
                continue;
            }
            let skeleton = &mut self.skeletons[skeleton as usize];
            skeleton.rest = index;
            skeleton.live.retain(|&other| other != index);
        }
    }

    /// Puts fragments into the template that covers them: equal but where that has values that may look like
    /// anything.
    pub(in crate::scan::text) fn absorb_fragments(&mut self, skeleton: u32) {
        let mut candidates = self.candidates(skeleton);
        candidates.sort_unstable_by_key(|candidate| std::cmp::Reverse(candidate.count));
        let mut gone = vec![false; candidates.len()];
        for small in (1..candidates.len()).rev() {
            let cover = (0..small.min(MOST_COVERS)).find_map(|large| {
                let places = covered(&candidates[large], &candidates[small])?;
                (!gone[large]).then_some((large, places))
            });
            if let Some((large, places)) = cover {
                gone[small] = true;
                let (from, into) = (candidates[small].index, candidates[large].index);
                let mask = places | self.templates[into as usize].mask | self.templates[from as usize].mask;
                self.templates[into as usize].widen(mask, &mut self.scratch);
                self.templates[from as usize].widen(mask, &mut self.scratch);
                self.merge(from, into);
            }
        }
    }
}

/// The places where `small` has a word and `large` values that may look like it, where all others are equal.
fn covered(large: &Candidate, small: &Candidate) -> Option<u64> {
    let mut places = 0;
    for (place, (&wide, &narrow)) in large.literals.iter().zip(&small.literals).enumerate() {
        let bit = 1 << place;
        if wide == narrow {
            continue;
        }
        let by_chance = large.loose & bit != 0 && (wide == MASKED || small.count * 4 <= large.count);
        let digits = large.hex & bit != 0 && narrow != FREE && small.count * 16 <= large.count;
        if !by_chance && !digits {
            return None;
        }
        places |= bit;
    }
    Some(places)
}

fn examine(index: u32, template: &Template, tokens: &crate::scan::text::reading::token::Tokens) -> Candidate {
    let places = tokens.places();
    let mut candidate = Candidate {
        index,
        count: template.count(),
        sum: tokens.masked_sum(template.mask),
        literals: Vec::with_capacity(places.len()),
        words: 0,
        loose: 0,
        hex: 0,
        in_path: 0,
    };
    for (number, place) in places.iter().enumerate() {
        let bit = 1 << number;
        let literal = template.literal(number, place);
        let slot = template.slots.get(number);
        candidate.literals.push(literal);
        if literal == MASKED {
            candidate.loose |= bit;
        } else if literal != FREE {
            candidate.words |= bit;
        } else if place.role == Role::Value {
            candidate.loose |= bit * u64::from(slot.is_some_and(|slot| slot.is_mixed()));
            candidate.hex |= bit * u64::from(slot.is_some_and(|slot| slot.is_hex()));
        }
        let before = usize::from(place.start).checked_sub(1).and_then(|at| template.first.get(at));
        if matches!(before, Some(b'/' | b'\\')) {
            candidate.in_path |= bit;
        }
    }
    candidate
}

//! The templates known, found by signature, within a bound of memory.
//! Knows how a record finds its template; which templates become one is `generalise`'s.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::scan::group::Tally;

use super::pattern::Patterns;
use super::template::{Member, NONE, Template};
use crate::scan::text::reading::token::{Tokens, signature};

/// Templates of one skeleton before it is tried to generalise them.
const FIRST_LIMIT: u32 = 16;
/// Templates of one skeleton before the rare ones are put together.
pub(in crate::scan::text) const LAST_LIMIT: u32 = 512;
/// Ways of generalising that are tried for records of one skeleton.
const MOST_MASKS: usize = 16;
/// Of records that find no template in a skeleton full of chance likenesses, one in so many founds one: so many at
/// first, and as many at last, where again and again none came to anything.
const ADMITTED: u32 = 8;
const LEAST_ADMITTED: u32 = 64;
/// Signatures remembered beside the table, for words that a mask covers.
const RECENT: usize = 4096;

type Table = HashMap<u64, u32, FixedState>;

/// What is known of all records with the same delimiters and places.
pub(in crate::scan::text) struct Skeleton {
    hash: u64,
    /// Its templates, but for the one of the rest.
    pub(in crate::scan::text) live: Vec<u32>,
    pub(in crate::scan::text) masks: Vec<u64>,
    /// The template with everything generalised that takes what merges with nothing, or `NONE`.
    pub(in crate::scan::text) rest: u32,
    limit: u32,
    refused: u32,
    admitted: u32,
}

pub(in crate::scan::text) struct Catalog {
    by_signature: Table,
    recent: Vec<(u64, u32)>,
    patterns: Patterns,
    pub(in crate::scan::text) templates: Vec<Template>,
    by_skeleton: Table,
    pub(in crate::scan::text) skeletons: Vec<Skeleton>,
    pub(in crate::scan::text) scratch: Tokens,
    used: usize,
    budget: usize,
    /// What was dropped to stay within the budget.
    pub(in crate::scan::text) dropped_now: Tally,
    pub(in crate::scan::text) dropped_before: Tally,
    purged: bool,
    /// Whether a second scan has begun.
    pub(in crate::scan::text) second: bool,
}

impl Catalog {
    /// A catalog of at most about `budget` bytes.
    pub(in crate::scan::text) fn new(budget: usize) -> Catalog {
        Catalog {
            by_signature: Table::default(),
            recent: vec![(0, NONE); RECENT],
            patterns: Patterns::new(),
            templates: Vec::new(),
            by_skeleton: Table::default(),
            skeletons: Vec::new(),
            scratch: Tokens::new(),
            used: 0,
            budget,
            dropped_now: Tally::default(),
            dropped_before: Tally::default(),
            purged: false,
            second: false,
        }
    }

    /// The memory taken, about.
    #[cfg(test)]
    pub(in crate::scan::text) fn used(&self) -> usize {
        self.used
    }

    pub(in crate::scan::text) fn begin_second(&mut self) {
        self.templates.iter_mut().for_each(Template::begin_second);
        self.dropped_before += std::mem::take(&mut self.dropped_now);
        self.second = true;
    }

    /// The template of a line, where it looks like one seen lately.
    #[inline]
    pub(in crate::scan::text) fn find_lately(&mut self, line: &[u8]) -> Option<u32> {
        self.patterns.find(line, &self.templates)
    }

    /// Counts `member` in the template that `find_lately` gave.
    #[inline]
    pub(in crate::scan::text) fn add_to(&mut self, index: u32, member: Member<'_>, tokens: &mut Tokens) {
        if self.templates[index as usize].count_member(&member) {
            tokens.read(member.record);
            let skeleton = self.templates[index as usize].skeleton;
            if self.skeletons[skeleton as usize].hash == tokens.skeleton {
                self.look_at(index, member, tokens);
            }
        }
    }

    /// Counts `member`, whose places are in `tokens`.
    #[inline]
    pub(in crate::scan::text) fn add(&mut self, member: Member<'_>, tokens: &Tokens) {
        let Some(index) = self.find(tokens) else {
            return self.found(member, tokens);
        };
        self.patterns.remember(member.record, index, &self.templates[index as usize], &mut self.scratch);
        self.count_in(index, member, tokens);
    }

    #[inline]
    fn count_in(&mut self, index: u32, member: Member<'_>, tokens: &Tokens) {
        if self.templates[index as usize].count_member(&member) {
            self.look_at(index, member, tokens);
        }
    }

    fn look_at(&mut self, index: u32, member: Member<'_>, tokens: &Tokens) {
        let template = &mut self.templates[index as usize];
        let before = template.slots.is_empty();
        template.look_at(member.record, tokens, &mut self.scratch);
        if before {
            self.used += self.templates[index as usize].slots.len() * 160;
            self.keep_within_budget();
        }
    }

    /// The template of the record in `tokens`.
    #[inline]
    pub(in crate::scan::text) fn find(&mut self, tokens: &Tokens) -> Option<u32> {
        let signature = tokens.signature();
        let recent = self.recent[signature as usize % RECENT];
        if recent.0 == signature && recent.1 != NONE {
            return Some(self.merged(recent.1));
        }
        let index = match self.by_signature.get(&signature) {
            Some(&index) => self.merged(index),
            None => self.find_masked(tokens)?,
        };
        self.recent[signature as usize % RECENT] = (signature, index);
        Some(index)
    }

    fn find_masked(&self, tokens: &Tokens) -> Option<u32> {
        let &skeleton = self.by_skeleton.get(&tokens.skeleton)?;
        self.skeletons[skeleton as usize].masks.iter().find_map(|&mask| {
            let masked = signature(tokens.skeleton, tokens.masked_sum(mask));
            self.by_signature.get(&masked).map(|&index| self.merged(index))
        })
    }

    /// The template a record was counted in: its own, or that of the rest of its skeleton.
    pub(in crate::scan::text) fn home(&mut self, tokens: &Tokens) -> Option<u32> {
        let found = self.find(tokens);
        found.or_else(|| {
            let &skeleton = self.by_skeleton.get(&tokens.skeleton)?;
            Some(self.skeletons[skeleton as usize].rest).filter(|&rest| rest != NONE)
        })
    }

    /// The template that `index` was merged into, or itself.
    pub(in crate::scan::text) fn merged(&self, index: u32) -> u32 {
        let mut index = index;
        while self.templates[index as usize].merged_into != NONE {
            index = self.templates[index as usize].merged_into;
        }
        index
    }

    /// Founds a template, or refuses to where too many were founded for nothing.
    fn found(&mut self, member: Member<'_>, tokens: &Tokens) {
        let skeleton = self.skeleton_of(tokens.skeleton);
        let known = &mut self.skeletons[skeleton as usize];
        let rest = known.rest;
        if rest != NONE {
            known.refused = known.refused.wrapping_add(1);
            if !known.refused.is_multiple_of(known.admitted) {
                return self.count_in(rest, member, tokens);
            }
        }
        let index = self.templates.len() as u32;
        known.live.push(index);
        let full = known.live.len() as u32 > known.limit;
        let mut template = Template::new(skeleton, member);
        template.late = self.purged || rest != NONE;
        self.used += template.footprint() + 88;
        self.templates.push(template);
        self.by_signature.insert(tokens.signature(), index);
        if full {
            self.make_room(skeleton);
        }
        self.keep_within_budget();
    }

    fn skeleton_of(&mut self, hash: u64) -> u32 {
        let next = self.skeletons.len() as u32;
        let index = *self.by_skeleton.entry(hash).or_insert(next);
        if index == next {
            self.used += size_of::<Skeleton>() + 64;
            self.skeletons.push(Skeleton {
                hash,
                live: Vec::new(),
                masks: Vec::new(),
                rest: NONE,
                limit: FIRST_LIMIT,
                refused: 0,
                admitted: ADMITTED,
            });
        }
        index
    }

    fn make_room(&mut self, skeleton: u32) {
        self.generalise(skeleton, false);
        let known = &mut self.skeletons[skeleton as usize];
        let live = known.live.len() as u32;
        if live * 2 <= known.limit {
            return;
        }
        if known.limit < LAST_LIMIT {
            known.limit *= 2;
            return;
        }
        known.admitted = (known.admitted * 2).min(LEAST_ADMITTED);
        self.fold_rare(skeleton);
    }

    /// Enters that records of `skeleton` whose sum with the places of `mask` generalised is `sum` belong to `target`.
    pub(in crate::scan::text) fn enter_mask(&mut self, skeleton: u32, mask: u64, sum: u64, target: u32) {
        let known = &mut self.skeletons[skeleton as usize];
        if !known.masks.contains(&mask) && known.masks.len() < MOST_MASKS {
            known.masks.push(mask);
            // The fewest generalised places first: the most particular template takes the record.
            known.masks.sort_by_key(|mask| mask.count_ones());
        }
        self.by_signature.insert(signature(known.hash, sum), target);
    }

    /// The template with `sum` in `skeleton`, where it is there.
    pub(in crate::scan::text) fn with_sum(&self, skeleton: u32, sum: u64) -> Option<u32> {
        let hash = self.skeletons[skeleton as usize].hash;
        self.by_signature.get(&signature(hash, sum)).map(|&index| self.merged(index))
    }

    /// Makes `from` part of `into`; its values are looked at where it was widened to the same mask.
    pub(in crate::scan::text) fn merge(&mut self, from: u32, into: u32) {
        if from == into {
            return;
        }
        let skeleton = self.templates[from as usize].skeleton;
        let stand_in = Template::merged_away(skeleton, into);
        let template = std::mem::replace(&mut self.templates[from as usize], stand_in);
        self.used = self.used.saturating_sub(template.footprint() - size_of::<Template>());
        let into = &mut self.templates[into as usize];
        if into.mask == template.mask {
            into.absorb(template);
        } else {
            into.absorb_tally(&template);
        }
        self.skeletons[skeleton as usize].live.retain(|&index| index != from);
    }

    /// Forgets what was seen lately, after templates moved.
    fn forget_recent(&mut self) {
        self.recent.fill((0, NONE));
        self.patterns.clear();
    }

    /// Drops the rarest templates until half of the budget is free.
    fn keep_within_budget(&mut self) {
        if self.used <= self.budget {
            return;
        }
        // Those that were merged away go first; they take memory and say nothing.
        self.drop_rare(0);
        if self.used <= self.budget / 4 * 3 {
            return;
        }
        self.purged = true;
        let mut rare = 1;
        while self.used > self.budget / 2 && rare < u64::MAX / 4 {
            self.drop_rare(rare);
            rare *= 2;
        }
    }

    fn drop_rare(&mut self, rare: u64) {
        let mut places = vec![NONE; self.templates.len()];
        let mut skeletons = vec![NONE; self.skeletons.len()];
        let old = std::mem::take(&mut self.templates);
        let merged: Vec<u32> = old.iter().map(|template| template.merged_into).collect();
        for (index, template) in old.into_iter().enumerate() {
            if !template.is_live() {
                continue;
            }
            if template.count() <= rare {
                self.dropped_now += template.now;
                self.dropped_before += template.before;
                continue;
            }
            places[index] = self.templates.len() as u32;
            skeletons[template.skeleton as usize] = 0;
            self.templates.push(template);
        }
        self.templates.shrink_to_fit();
        self.renumber(&places, &merged, &mut skeletons);
        self.used = self.templates.iter().map(|template| template.footprint() + 64).sum::<usize>()
            + self.skeletons.len() * (size_of::<Skeleton>() + 64)
            + self.by_signature.len() * 24;
    }

    /// Brings tables and skeletons up to the `places` templates moved to.
    fn renumber(&mut self, places: &[u32], merged: &[u32], skeletons: &mut [u32]) {
        let place = |index: u32| {
            let mut index = index;
            while index != NONE && merged[index as usize] != NONE {
                index = merged[index as usize];
            }
            if index == NONE { NONE } else { places[index as usize] }
        };
        let old = std::mem::take(&mut self.skeletons);
        for (index, mut skeleton) in old.into_iter().enumerate() {
            if skeletons[index] == NONE {
                continue;
            }
            skeletons[index] = self.skeletons.len() as u32;
            skeleton.live = skeleton.live.iter().map(|&index| place(index)).filter(|&index| index != NONE).collect();
            skeleton.rest = place(skeleton.rest);
            self.skeletons.push(skeleton);
        }
        for template in &mut self.templates {
            template.skeleton = skeletons[template.skeleton as usize];
        }
        let hashes = self.skeletons.iter().enumerate();
        self.by_skeleton = hashes.map(|(index, skeleton)| (skeleton.hash, index as u32)).collect();
        // Signatures of what was merged away are found again through the masks.
        let entries = std::mem::take(&mut self.by_signature);
        self.by_signature = entries
            .into_iter()
            .map(|(key, index)| (key, places[index as usize]))
            .filter(|&(_, index)| index != NONE)
            .collect();
        self.forget_recent();
    }
}

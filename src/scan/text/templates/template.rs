//! One template: the first record of it, what of that is generalised, its members' tally, values and samples.
//! Knows nothing of other templates; those are `catalog`'s.

use crate::scan::group::Tally;
use crate::units::{Addr, ByteCount};

use super::slot::Slot;
use crate::scan::text::reading::record::LONGEST;
use crate::scan::text::reading::token::{MASKED, Place, Role, Tokens};

/// Samples kept of one template, and the length of one.
pub(in crate::scan::text) const SAMPLES: usize = 3;
pub(in crate::scan::text) const SAMPLE_LENGTH: usize = 240;

/// No template.
pub(in crate::scan::text) const NONE: u32 = u32::MAX;

/// A member as it was found.
#[derive(Clone, Copy)]
pub(in crate::scan::text) struct Member<'a> {
    pub(in crate::scan::text) addr: Addr,
    pub(in crate::scan::text) record: &'a [u8],
    /// What it counts for, which is not the record's length where that was converted.
    pub(in crate::scan::text) bytes: ByteCount,
    pub(in crate::scan::text) hash: u64,
}

pub(in crate::scan::text) struct Template {
    pub(in crate::scan::text) skeleton: u32,
    /// The template this one was merged into, or `NONE`.
    pub(in crate::scan::text) merged_into: u32,
    /// The places that are generalised.
    pub(in crate::scan::text) mask: u64,
    /// The hash of the first member, and whether all others are the same.
    hash: u64,
    pub(in crate::scan::text) all_equal: bool,
    /// Whether members may have been counted elsewhere before this template was known.
    pub(in crate::scan::text) late: bool,
    /// The beginning of the first member, where it was, and whether that was in the latest scan.
    pub(in crate::scan::text) first: Box<[u8]>,
    first_addr: Addr,
    first_is_latest: bool,
    pub(in crate::scan::text) now: Tally,
    pub(in crate::scan::text) before: Tally,
    /// One per place, empty until there is a second member.
    pub(in crate::scan::text) slots: Vec<Slot>,
    samples: Vec<(Addr, Box<[u8]>)>,
}

impl Template {
    pub(in crate::scan::text) fn new(skeleton: u32, member: Member<'_>) -> Template {
        Template {
            skeleton,
            merged_into: NONE,
            mask: 0,
            hash: member.hash,
            all_equal: true,
            late: false,
            first: member.record[..member.record.len().min(LONGEST)].into(),
            first_addr: member.addr,
            first_is_latest: true,
            now: Tally { count: 1, bytes: member.bytes },
            before: Tally::default(),
            slots: Vec::new(),
            samples: Vec::new(),
        }
    }

    pub(in crate::scan::text) fn is_live(&self) -> bool {
        self.merged_into == NONE
    }

    /// Whether it takes what merges with nothing.
    pub(in crate::scan::text) fn is_rest(&self) -> bool {
        self.mask == u64::MAX
    }

    /// Members in both scans.
    pub(in crate::scan::text) fn count(&self) -> u64 {
        self.now.count + self.before.count
    }

    /// Bytes of the scan that had more.
    pub(in crate::scan::text) fn weight(&self) -> u64 {
        self.now.bytes.0.max(self.before.bytes.0)
    }

    /// What so far was the latest scan becomes the earlier one.
    pub(in crate::scan::text) fn begin_second(&mut self) {
        self.before += std::mem::take(&mut self.now);
        self.first_is_latest = false;
        self.samples.clear();
    }

    /// An estimate of the memory it takes.
    pub(in crate::scan::text) fn footprint(&self) -> usize {
        let samples: usize = self.samples.iter().map(|(_, text)| text.len() + 40).sum();
        size_of::<Template>() + self.first.len() + samples + self.slots.capacity() * (size_of::<Slot>() + 16) + 64
    }

    /// Counts one more member; whether its values should be looked at.
    #[inline]
    pub(in crate::scan::text) fn count_member(&mut self, member: &Member<'_>) -> bool {
        self.now.add(member.bytes);
        self.all_equal &= self.hash == member.hash;
        let latest = self.now.count;
        if latest <= SAMPLES as u64 || latest.is_power_of_two() {
            self.sample(member.addr, member.record);
        }
        let count = self.count();
        match count {
            0..64 => true,
            64..1024 => count.is_multiple_of(8),
            1024..16384 => count.is_multiple_of(64),
            _ => count.is_multiple_of(512),
        }
    }

    fn sample(&mut self, addr: Addr, record: &[u8]) {
        let kept = SAMPLES - usize::from(self.first_is_latest);
        if self.samples.len() >= kept {
            self.samples.truncate(kept.saturating_sub(1));
        }
        self.samples.push((addr, record[..record.len().min(SAMPLE_LENGTH)].into()));
    }

    /// Members of the latest scan, as they are in memory, bounded in length.
    pub(in crate::scan::text) fn samples(&self) -> impl Iterator<Item = (Addr, &[u8])> {
        let first = self.first_is_latest.then(|| (self.first_addr, &self.first[..self.first.len().min(SAMPLE_LENGTH)]));
        first.into_iter().chain(self.samples.iter().map(|(addr, text)| (*addr, &text[..]))).take(SAMPLES)
    }

    /// What of `place`, the one with `index`, is in the signature of this template.
    pub(in crate::scan::text) fn literal(&self, index: usize, place: &Place) -> u64 {
        if self.mask >> index & 1 == 1 { MASKED } else { place.literal }
    }

    /// Looks at the values of `record`, whose places are in `tokens`; `scratch` is for taking the first one apart.
    pub(in crate::scan::text) fn look_at(&mut self, record: &[u8], tokens: &Tokens, scratch: &mut Tokens) {
        if self.slots.is_empty() {
            self.fill_slots(0, scratch);
        }
        self.add_values(record, tokens);
    }

    fn add_values(&mut self, record: &[u8], tokens: &Tokens) {
        for (index, (slot, place)) in self.slots.iter_mut().zip(tokens.places()).enumerate() {
            if place.role != Role::Word || self.mask >> index & 1 == 1 {
                slot.add(place.of(record));
            }
        }
    }

    /// Makes the slots from the first record, or adds to them those of the words that `mask` generalises.
    fn fill_slots(&mut self, mask: u64, scratch: &mut Tokens) {
        scratch.read(&self.first);
        let fresh = self.slots.is_empty();
        self.slots.resize(scratch.places().len(), Slot::default());
        let mask = if fresh { self.mask | mask } else { mask & !self.mask };
        for (index, (slot, place)) in self.slots.iter_mut().zip(scratch.places()).enumerate() {
            if mask >> index & 1 == 1 && (fresh || place.role == Role::Word) || fresh && place.role != Role::Word {
                slot.add(place.of(&self.first));
            }
        }
    }

    /// Generalises the places of `mask` too.
    pub(in crate::scan::text) fn widen(&mut self, mask: u64, scratch: &mut Tokens) {
        self.fill_slots(mask, scratch);
        self.mask |= mask;
    }

    /// Takes over the members of `other`, whose slots were widened to the same mask.
    pub(in crate::scan::text) fn absorb(&mut self, other: Template) {
        self.absorb_tally(&other);
        for (slot, more) in self.slots.iter_mut().zip(&other.slots) {
            slot.absorb(more);
        }
    }

    /// Takes over only the members and samples of `other`.
    pub(in crate::scan::text) fn absorb_tally(&mut self, other: &Template) {
        self.all_equal &= other.all_equal && self.hash == other.hash;
        self.late |= other.late;
        self.now += other.now;
        self.before += other.before;
        let have = self.samples().count();
        for (addr, text) in other.samples().take(SAMPLES - have) {
            self.samples.push((addr, text.into()));
        }
    }
}

impl Template {
    /// What stays in the place of a template that became part of `into`.
    pub(in crate::scan::text) fn merged_away(skeleton: u32, into: u32) -> Template {
        let none = Member { addr: Addr(0), record: b"", bytes: ByteCount::ZERO, hash: 0 };
        Template { merged_into: into, now: Tally::default(), ..Template::new(skeleton, none) }
    }
}

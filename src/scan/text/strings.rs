//! Which strings occur again and again: a bounded table of fingerprints with exact counts, and the text of the frequent
//! ones. Knows strings as wholes; which template one belongs to is `finish`'s.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::units::{Addr, ByteCount};

use super::reading::record::LONGEST;
use super::templates::template::{Member, SAMPLES};

/// Strings looked up together, so that their cache misses overlap.
const BATCH: usize = 32;
const FIRST_SLOTS: usize = 1 << 12;
/// Occurrences from which the text of a string is kept.
const FREQUENT: u32 = 8;

const NOW: u64 = 0xffff_ffff;
const BEFORE: u64 = 0x7fff_ffff << 32;
/// Occurrences may have been forgotten.
const LATE: u64 = 1 << 63;

#[derive(Clone, Copy)]
struct Slot {
    fingerprint: u64,
    /// Occurrences in the latest scan, in the one before, and the late mark.
    counts: u64,
}

const EMPTY: Slot = Slot { fingerprint: 0, counts: 0 };

fn now(counts: u64) -> u32 {
    (counts & NOW) as u32
}

fn before(counts: u64) -> u32 {
    ((counts & BEFORE) >> 32) as u32
}

fn total(counts: u64) -> u32 {
    now(counts).saturating_add(before(counts))
}

struct Pending {
    fingerprint: u64,
    start: u32,
    end: u32,
    addr: Addr,
    bytes: ByteCount,
}

/// A string that occurs often.
pub(super) struct Frequent {
    pub(super) text: Box<[u8]>,
    /// What one occurrence counts for.
    pub(super) bytes: ByteCount,
    /// Some occurrences of the latest scan.
    pub(super) addresses: Vec<Addr>,
}

/// How often one string occurs.
pub(super) struct Occurrences {
    pub(super) now: u64,
    pub(super) before: u64,
    pub(super) late: bool,
}

pub(super) struct Strings {
    slots: Vec<Slot>,
    filled: usize,
    most_slots: usize,
    pending: Vec<Pending>,
    text: Vec<u8>,
    frequent: HashMap<u64, Frequent, FixedState>,
    frequent_bytes: usize,
    frequent_budget: usize,
    threshold: u32,
    purged: bool,
}

impl Strings {
    /// A table that takes at most about `budget` bytes, while it grows too.
    pub(super) fn new(budget: usize) -> Strings {
        let most = (budget / 2 / size_of::<Slot>()).max(FIRST_SLOTS);
        let most_slots = if most.is_power_of_two() { most } else { most.next_power_of_two() / 2 };
        Strings {
            slots: vec![EMPTY; FIRST_SLOTS],
            filled: 0,
            most_slots,
            pending: Vec::with_capacity(BATCH),
            text: Vec::new(),
            frequent: HashMap::default(),
            frequent_bytes: 0,
            frequent_budget: budget / 8,
            threshold: FREQUENT,
            purged: false,
        }
    }

    /// The memory taken, about.
    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.slots.len() * size_of::<Slot>() + self.frequent_bytes
    }

    pub(super) fn begin_second(&mut self) {
        self.flush();
        for slot in &mut self.slots {
            let all = u64::from(total(slot.counts)).min(BEFORE >> 32);
            slot.counts = slot.counts & LATE | all << 32;
        }
        self.frequent.values_mut().for_each(|frequent| frequent.addresses.clear());
    }

    /// One more string.
    #[inline]
    pub(super) fn add(&mut self, member: &Member<'_>) {
        let shown = &member.record[..member.record.len().min(LONGEST)];
        let start = self.text.len() as u32;
        self.text.extend_from_slice(shown);
        // The same text in another encoding counts for other bytes and is another string.
        let encoding = member.bytes.0.wrapping_sub(member.record.len() as u64);
        self.pending.push(Pending {
            fingerprint: (member.hash ^ encoding.wrapping_mul(0x9e37_79b9_7f4a_7c15)).max(1),
            start,
            end: self.text.len() as u32,
            addr: member.addr,
            bytes: member.bytes,
        });
        if self.pending.len() == BATCH {
            self.flush();
        }
    }

    /// Counts what was collected.
    pub(super) fn flush(&mut self) {
        let mut touched = 0;
        for pending in &self.pending {
            touched ^= self.slots[self.home(pending.fingerprint)].fingerprint;
        }
        std::hint::black_box(touched);
        let pending = std::mem::take(&mut self.pending);
        for one in &pending {
            self.count(one);
        }
        self.pending = pending;
        self.pending.clear();
        self.text.clear();
    }

    #[inline]
    fn home(&self, fingerprint: u64) -> usize {
        fingerprint as usize & (self.slots.len() - 1)
    }

    /// Where `fingerprint` is, or the empty slot where it would be.
    #[inline]
    fn place(&self, fingerprint: u64) -> usize {
        let mut at = self.home(fingerprint);
        loop {
            let found = self.slots[at].fingerprint;
            if found == fingerprint || found == 0 {
                return at;
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    #[inline]
    fn count(&mut self, pending: &Pending) {
        let at = self.place(pending.fingerprint);
        let late = u64::from(self.purged) << 63;
        if self.slots[at].fingerprint == 0 {
            self.slots[at] = Slot { fingerprint: pending.fingerprint, counts: 1 | late };
            self.filled += 1;
            if self.filled * 4 > self.slots.len() * 3 {
                self.make_room();
            }
            return;
        }
        let counts = &mut self.slots[at].counts;
        if now(*counts) < u32::MAX {
            *counts += 1;
        }
        let all = total(*counts);
        if all >= self.threshold && (all == self.threshold || now(*counts).is_power_of_two()) {
            self.keep_text(pending);
        }
    }

    #[cold]
    fn keep_text(&mut self, pending: &Pending) {
        let text = &self.text[pending.start as usize..pending.end as usize];
        let bytes = &mut self.frequent_bytes;
        let frequent = self.frequent.entry(pending.fingerprint).or_insert_with(|| {
            *bytes += text.len() + 128;
            Frequent { text: text.into(), bytes: pending.bytes, addresses: Vec::new() }
        });
        if frequent.addresses.len() < SAMPLES {
            frequent.addresses.push(pending.addr);
        }
        while self.frequent_bytes > self.frequent_budget && self.threshold < u32::MAX / 2 {
            self.threshold *= 2;
            self.drop_less_frequent();
        }
    }

    fn drop_less_frequent(&mut self) {
        let mut frequent = std::mem::take(&mut self.frequent);
        frequent.retain(|&fingerprint, _| total(self.slots[self.place(fingerprint)].counts) >= self.threshold);
        self.frequent_bytes = frequent.values().map(|one| one.text.len() + 128).sum();
        self.frequent = frequent;
    }

    /// Doubles the table or, where it may not grow, forgets the strings seen once.
    #[cold]
    fn make_room(&mut self) {
        let mut survivors: Vec<Slot>;
        let size;
        if self.slots.len() < self.most_slots {
            size = self.slots.len() * 2;
            survivors = std::mem::take(&mut self.slots);
        } else {
            size = self.slots.len();
            self.purged = true;
            let mut least = 2;
            loop {
                let keep = |slot: &&Slot| slot.fingerprint != 0 && total(slot.counts) >= least;
                if self.slots.iter().filter(keep).count() * 4 <= size || least > u32::MAX / 4 {
                    survivors = self.slots.iter().filter(keep).copied().collect();
                    break;
                }
                least *= 2;
            }
            self.slots = Vec::new();
        }
        survivors.retain(|slot| slot.fingerprint != 0);
        self.slots = vec![EMPTY; size];
        self.filled = survivors.len();
        for slot in survivors {
            let at = self.place(slot.fingerprint);
            self.slots[at] = slot;
        }
    }

    /// The strings that occur often, each with its count, in no order.
    pub(super) fn frequent(&self) -> impl Iterator<Item = (&Frequent, Occurrences)> {
        self.frequent.iter().map(|(&fingerprint, frequent)| {
            let counts = self.slots[self.place(fingerprint)].counts;
            let late = counts & LATE != 0;
            (frequent, Occurrences { now: now(counts).into(), before: before(counts).into(), late })
        })
    }
}

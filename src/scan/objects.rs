//! Counts words that lead into programs, by value: the first words of objects. At the end the most frequent values are
//! asked for their names. Where chunk headers tell, only first words of chunks count; else the spacing of equal values
//! has to look like that of objects.

use std::collections::HashMap;

use hashbrown::hash_map::Entry;

use super::chunks::Chunk;
use super::group::{Group, GroupKind, Label, Sample, Tally};
use super::pointee::{PointeeKind, PointerNames};
use crate::units::{Addr, ByteCount};

/// Distinct values counted.
const MAX_VALUES: usize = 32 * 1024;

/// Values whose names are asked for.
const MAX_NAMED: usize = 4096;

/// Larger objects are not believed without a chunk header.
const MAX_STRIDE: u64 = 64 * 1024;

/// Fewer occurrences without chunk headers say nothing.
const MIN_LOOSE: u64 = 16;

/// Members shown.
const KEPT: usize = 3;

/// Words of a member that are shown.
const SHOWN: usize = 4;

/// Where the table of a value is.
pub(super) type Slot = usize;

#[derive(Clone, Debug, Default)]
struct Candidate {
    value: u64,
    /// First words of chunks, per scan.
    chunks: [Tally; 2],
    /// Found where no chain of chunks was believed, per scan.
    loose: [Tally; 2],
    last: u64,
    /// Distances to the occurrence before, with how often.
    strides: [(u64, u32); 4],
    shown: Vec<(u64, [u64; SHOWN])>,
}

impl Candidate {
    fn stride(&self) -> (u64, u32) {
        self.strides.into_iter().max_by_key(|(stride, count)| (*count, std::cmp::Reverse(*stride))).unwrap_or_default()
    }

    fn note_distance(&mut self, addr: u64) {
        let distance = addr.saturating_sub(self.last);
        self.last = addr;
        if distance == 0 || distance > MAX_STRIDE {
            return;
        }
        if let Some((_, count)) = self.strides.iter_mut().find(|(stride, count)| *stride == distance && *count > 0) {
            *count = count.saturating_add(1);
            return;
        }
        // The rarest gives way, a vote at a time, so that the most frequent stays.
        if let Some(rarest) = self.strides.iter_mut().min_by_key(|(_, count)| *count) {
            match rarest.1 {
                0 => *rarest = (distance, 1),
                _ => rarest.1 -= 1,
            }
        }
    }

    /// Its tallies per scan, where it is one of objects.
    fn tallies(&self, kind: PointeeKind) -> Option<[Tally; 2]> {
        let total = |tallies: &[Tally; 2]| tallies[0].count.max(tallies[1].count);
        let (chunks, loose) = (total(&self.chunks), total(&self.loose));
        if chunks > 0 && chunks * 4 >= loose {
            return Some(self.chunks);
        }
        let share = match kind {
            PointeeKind::Vtable => 4,
            PointeeKind::Function => 2,
        };
        let all = self.loose[0].count + self.loose[1].count;
        let (_, regular) = self.stride();
        (loose >= MIN_LOOSE && u64::from(regular) * share >= all).then_some(self.loose)
    }
}

/// All candidates.
#[derive(Debug, Default)]
pub(super) struct Objects {
    slots: hashbrown::HashMap<u64, Slot, foldhash::fast::FixedState>,
    candidates: Vec<Candidate>,
    epoch: usize,
    /// Whether a value found no place.
    pub(super) full: bool,
}

impl Objects {
    pub(super) fn begin_second(&mut self) {
        self.epoch = 1;
        for candidate in &mut self.candidates {
            candidate.last = 0;
            candidate.shown.clear();
        }
    }

    /// Counts `value` at `addr`, first word of `chunk` where that is known; `words` are what is shown of it. Returns its
    /// slot and how many bytes from `addr` on are the object's.
    pub(super) fn add(&mut self, addr: u64, value: u64, chunk: Option<Chunk>, words: &[u8]) -> Option<(Slot, u64)> {
        let slot = match self.slots.entry(value) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                if self.candidates.len() >= MAX_VALUES {
                    self.full = true;
                    return None;
                }
                let slot = *entry.insert(self.candidates.len());
                self.candidates.push(Candidate { value, ..Candidate::default() });
                slot
            }
        };
        let candidate = &mut self.candidates[slot];
        let length = match chunk {
            Some(chunk) => {
                candidate.chunks[self.epoch].count += 1;
                chunk.usable
            }
            None => {
                candidate.note_distance(addr);
                candidate.loose[self.epoch].count += 1;
                candidate.stride().0.max(16)
            }
        };
        let members = candidate.chunks[self.epoch].count + candidate.loose[self.epoch].count;
        if candidate.shown.len() < KEPT || members.is_power_of_two() {
            if candidate.shown.len() == KEPT {
                candidate.shown.remove(0);
            }
            let word = |index: usize| {
                let bytes = words.get(index * 8..).and_then(|rest| rest.first_chunk::<8>());
                bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
            };
            candidate.shown.push((addr, std::array::from_fn(word)));
        }
        Some((slot, length))
    }

    /// So many more bytes were the last-counted object's of a slot.
    pub(super) fn extend(&mut self, slot: Slot, in_chunk: bool, bytes: u64) {
        if let Some(candidate) = self.candidates.get_mut(slot) {
            let tallies = if in_chunk { &mut candidate.chunks } else { &mut candidate.loose };
            tallies[self.epoch].bytes += ByteCount(bytes);
        }
    }

    /// The groups by name.
    pub(super) fn finish(self, names: Option<&dyn PointerNames>) -> Vec<Group> {
        let (Some(names), epoch) = (names, self.epoch) else { return Vec::new() };
        let mut candidates = self.candidates;
        let weight = |candidate: &Candidate| {
            let sum = |tallies: [Tally; 2]| tallies[0].count + tallies[1].count;
            sum(candidate.chunks) + sum(candidate.loose)
        };
        candidates.sort_by_key(|candidate| (std::cmp::Reverse(weight(candidate)), candidate.value));
        let mut groups: HashMap<String, Group> = HashMap::new();
        for candidate in candidates.into_iter().take(MAX_NAMED) {
            let Some(pointee) = names.pointee(Addr(candidate.value)) else { continue };
            let Some(tallies) = candidate.tallies(pointee.kind) else { continue };
            let group = groups.entry(pointee.name.clone()).or_insert_with(|| Group {
                kind: GroupKind::Object,
                label: Label::fixed(pointee.name),
                now: Tally::default(),
                before: (epoch > 0).then(Tally::default),
                samples: Vec::new(),
            });
            group.now += tallies[epoch];
            if let Some(before) = &mut group.before {
                *before += tallies[0];
            }
            let room = KEPT - group.samples.len().min(KEPT);
            group.samples.extend(candidate.shown.iter().take(room).map(show));
        }
        groups.into_values().collect()
    }
}

fn show((addr, words): &(u64, [u64; SHOWN])) -> Sample {
    let words: Vec<String> = words.iter().map(|word| format!("{word:#x}")).collect();
    Sample { address: Addr(*addr), text: words.join(" ") }
}

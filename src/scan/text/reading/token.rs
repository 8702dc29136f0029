//! One record as a skeleton with places in it: delimiters, words, and values whatever is inside them.
//! Knows what of a record is its signature and how values in a row become a list; where places begin and end is
//! `reader`'s, what type a value has is `value`'s, which records are alike is `catalog`'s.

use super::class::fold;
use super::reader::Reader;
use super::record::{LONGEST, Structure};

/// Places of a record that are told apart; what follows them is a tail.
pub(in crate::scan::text) const MOST_PLACES: usize = 64;

/// Stretches passed over that are remembered.
const MOST_SKIPPED: usize = 8;

/// The literal of a place whose content is not part of the signature.
pub(in crate::scan::text) const FREE: u64 = 0;
/// The literal of a place that was a word and has been generalised.
pub(in crate::scan::text) const MASKED: u64 = 1;

/// What a place holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::scan::text) enum Role {
    /// A word, part of the signature.
    #[default]
    Word,
    /// A value.
    Value,
    /// A value that begins with so many bytes that are part of the signature.
    Prefixed(u8),
    /// Three or more values with one delimiter between them.
    List,
    /// The sign that stands for a missing value.
    Dash,
}

/// One place of a record.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::scan::text) struct Place {
    pub(in crate::scan::text) start: u16,
    pub(in crate::scan::text) end: u16,
    pub(in crate::scan::text) role: Role,
    /// What of it is in the signature: the hash of a word or prefix, or `FREE`.
    pub(in crate::scan::text) literal: u64,
    /// The hash of the delimiters before it.
    pub(in crate::scan::text) gap: u64,
}

impl Place {
    pub(in crate::scan::text) fn of<'a>(&self, record: &'a [u8]) -> &'a [u8] {
        record.get(usize::from(self.start)..usize::from(self.end)).unwrap_or_default()
    }
}

/// The part of a signature that place `index` with `literal` makes.
#[inline(always)]
pub(in crate::scan::text) fn contribution(index: usize, literal: u64) -> u64 {
    fold(literal, (index as u64 + 1) << 32)
}

/// The signature of a skeleton and the sum of the contributions of its places.
#[inline(always)]
pub(in crate::scan::text) fn signature(skeleton: u64, sum: u64) -> u64 {
    fold(skeleton, sum)
}

/// A record taken apart. Reused from record to record.
pub(in crate::scan::text) struct Tokens {
    places: [Place; MOST_PLACES],
    count: usize,
    /// The delimiter inside the latest list.
    list_gap: u64,
    /// Stretches that were passed over because they repeat what is before them.
    skipped: [(u16, u16); MOST_SKIPPED],
    skipped_count: usize,
    /// The delimiters behind the last place.
    pub(in crate::scan::text) tail: u64,
    /// The hash of delimiters and places, without words.
    pub(in crate::scan::text) skeleton: u64,
    /// The sum of the contributions of all places.
    pub(in crate::scan::text) sum: u64,
    /// Whether the record goes on behind the last place with more than delimiters.
    pub(in crate::scan::text) cut: bool,
    /// The outer form of the record.
    pub(in crate::scan::text) structure: Structure,
}

impl Tokens {
    pub(in crate::scan::text) fn new() -> Tokens {
        Tokens {
            places: [Place::default(); MOST_PLACES],
            count: 0,
            list_gap: 0,
            skipped: [(0, 0); MOST_SKIPPED],
            skipped_count: 0,
            tail: 0,
            skeleton: 0,
            sum: 0,
            cut: false,
            structure: Structure::Line,
        }
    }

    /// The places found, in order and not overlapping.
    #[inline(always)]
    pub(in crate::scan::text) fn places(&self) -> &[Place] {
        &self.places[..self.count]
    }

    /// The signature where the words are all kept.
    #[inline(always)]
    pub(in crate::scan::text) fn signature(&self) -> u64 {
        signature(self.skeleton, self.sum)
    }

    /// The sum with the places of `mask` generalised.
    pub(in crate::scan::text) fn masked_sum(&self, mask: u64) -> u64 {
        let mut sum = self.sum;
        for (index, place) in self.places().iter().enumerate().filter(|(index, _)| mask >> index & 1 == 1) {
            sum = sum.wrapping_sub(contribution(index, place.literal)).wrapping_add(contribution(index, MASKED));
        }
        sum
    }

    /// Takes `record` apart, of which the first `LONGEST` bytes are looked at.
    #[inline]
    pub(in crate::scan::text) fn read(&mut self, record: &[u8]) {
        let text = &record[..record.len().min(LONGEST)];
        self.count = 0;
        self.skipped_count = 0;
        self.cut = text.len() < record.len();
        self.structure = Structure::of(text);
        let tail = Reader::new(text, self).record();
        self.seal(tail);
    }

    #[inline]
    fn seal(&mut self, tail: u64) {
        let (mut skeleton, mut sum) = (u64::from(self.cut) << 7 | self.count as u64, 0u64);
        for (index, place) in self.places[..self.count].iter().enumerate() {
            skeleton = skeleton.wrapping_add(fold(place.gap, !(index as u64)));
            sum = sum.wrapping_add(contribution(index, place.literal));
        }
        self.tail = tail;
        self.skeleton = fold(skeleton, if self.cut { 1 } else { tail });
        self.sum = sum;
    }

    /// The stretches passed over, in order.
    pub(in crate::scan::text) fn skipped(&self) -> &[(u16, u16)] {
        &self.skipped[..self.skipped_count]
    }

    /// Notes that a stretch was passed over.
    pub(in crate::scan::text) fn skip(&mut self, start: usize, end: usize) {
        if let Some(free) = self.skipped.get_mut(self.skipped_count) {
            *free = (start as u16, end as u16);
            self.skipped_count += 1;
        }
    }

    /// Whether nothing was found so far.
    pub(in crate::scan::text) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether no further place can be taken.
    pub(in crate::scan::text) fn is_full(&self) -> bool {
        self.count == MOST_PLACES
    }

    /// Where the latest place ends.
    #[inline(always)]
    pub(in crate::scan::text) fn last_end(&self) -> Option<usize> {
        self.places().last().map(|place| usize::from(place.end))
    }

    /// Takes one more place; false where there are too many.
    #[inline]
    pub(in crate::scan::text) fn push(&mut self, place: Place) -> bool {
        if place.role == Role::Value && self.extend_list(&place) {
            return true;
        }
        let Some(free) = self.places.get_mut(self.count) else {
            self.cut = true;
            return false;
        };
        *free = place;
        self.count += 1;
        true
    }

    /// Adds a value to the list before it, or makes a list of it and the two values before it.
    #[inline]
    fn extend_list(&mut self, place: &Place) -> bool {
        let (before, last) = match &mut self.places[..self.count] {
            [.., before, last] => (Some(before), last),
            [last] => (None, last),
            [] => return false,
        };
        if last.role == Role::List && self.list_gap == place.gap {
            last.end = place.end;
            return true;
        }
        let Some(first) = before else {
            return false;
        };
        if last.gap != place.gap || last.role != Role::Value || first.role != Role::Value {
            return false;
        }
        first.end = place.end;
        first.role = Role::List;
        // A list and a single value in the same surroundings are different skeletons.
        first.gap = !first.gap;
        self.list_gap = place.gap;
        self.count -= 1;
        true
    }
}

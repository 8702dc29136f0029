//! What a parse leaves behind: the skeleton, compared with a predicted one as long as it holds, and places of values.
//! Buffers are kept from one record to the next. Knows nothing of JSON's grammar.

use std::ops::Range;

use super::parse::Frame;
use super::skeleton::{KEY, LEAF, MAX_SKELETON, VARIABLE};
use super::token::Scalar;

/// Strings with records in them that are remembered, per record.
const MAX_ESCAPED: usize = 1024;

/// A top-level value that can be typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value {
    /// Which top-level key it belongs to, counted from 0.
    pub(super) field: u32,
    /// What it is.
    pub(super) scalar: Scalar,
    /// First byte; of a string, behind its quote.
    pub(super) start: u32,
    /// Past its last byte; of a string, its closing quote.
    pub(super) end: u32,
}

/// A stretch of the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::scan) struct Stretch {
    pub(in crate::scan) start: usize,
    pub(in crate::scan) end: usize,
}

impl Stretch {
    pub(in crate::scan) fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }
}

/// What a parse left behind.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// The shape, where the prediction did not hold.
    pub(super) skeleton: Vec<u8>,
    /// How much of the prediction was met.
    met: usize,
    /// Whether all so far is as predicted.
    following: bool,
    leaves: u32,
    /// Bit k: the k-th leaf of the skeleton is null here. Leaves from the 64th on count as not null.
    pub(super) nulls: u64,
    /// Values of top-level keys.
    pub(super) values: Vec<Value>,
    /// Contents of strings that hold escaped records.
    pub(super) escaped: Vec<Stretch>,
    /// The largest array of many objects, brackets included.
    pub(super) batch: Option<Stretch>,
    /// Top-level keys in the skeleton.
    pub(super) top_keys: u32,
    /// Keys read at any depth, and values that were whole.
    pub(super) keys: u32,
    pub(super) complete: u32,
    /// Keys read outside of anything that was seen to open.
    pub(super) outer_keys: u32,
    /// Behind the last bracket that closed the overwritten part: place in the text, length of the skeleton.
    pub(super) accepted: Option<(usize, usize)>,
    /// What is open.
    pub(super) frames: Vec<Frame>,
}

impl Notes {
    pub(super) fn begin(&mut self) {
        self.skeleton.clear();
        self.values.clear();
        self.escaped.clear();
        self.frames.clear();
        (self.met, self.following, self.leaves, self.nulls) = (0, true, 0, 0);
        (self.batch, self.accepted) = (None, None);
        (self.top_keys, self.keys, self.complete, self.outer_keys) = (0, 0, 0, 0);
    }

    /// Whether all of the prediction was met and nothing else came.
    pub(super) fn is_as_predicted(&self, predicted: &[u8]) -> bool {
        self.following && self.met == predicted.len()
    }

    /// Makes the skeleton valid whether the prediction held or not.
    pub(super) fn settle(&mut self, predicted: &[u8]) {
        if self.following {
            self.following = false;
            self.skeleton.extend_from_slice(&predicted[..self.met]);
        }
    }

    pub(super) fn skeleton_length(&self) -> u32 {
        (if self.following { self.met } else { self.skeleton.len() }) as u32
    }

    pub(super) fn leaves(&self) -> u32 {
        self.leaves
    }

    #[inline]
    pub(super) fn emit(&mut self, token: u8, predicted: &[u8]) {
        if self.following && predicted.get(self.met) == Some(&token) {
            self.met += 1;
            return;
        }
        self.settle(predicted);
        if self.skeleton.len() < MAX_SKELETON {
            self.skeleton.push(token);
        }
    }

    #[inline]
    pub(super) fn emit_key(&mut self, id: Option<&[u8]>, key: &[u8], predicted: &[u8]) {
        self.emit(KEY, predicted);
        if id.is_some() {
            self.emit(VARIABLE, predicted);
        }
        let name = id.unwrap_or(key);
        if self.following && predicted[self.met..].starts_with(name) {
            self.met += name.len();
            return;
        }
        self.settle(predicted);
        if self.skeleton.len() + name.len() <= MAX_SKELETON {
            self.skeleton.extend_from_slice(name);
        }
    }

    /// Whether the prediction goes on with this key; if so it counts as emitted.
    #[inline]
    pub(super) fn meet_key(&mut self, key: &[u8], predicted: &[u8]) -> bool {
        let rest = predicted.get(self.met..).unwrap_or_default();
        let met = self.following
            && rest.first() == Some(&KEY)
            && begins_with(&rest[1..], key)
            && rest.get(1 + key.len()).is_none_or(|byte| *byte <= LEAF);
        if met {
            self.met += 1 + key.len();
        }
        met
    }

    #[inline]
    pub(super) fn emit_leaf(&mut self, value: Value, predicted: &[u8]) {
        if self.leaves < 64 && value.scalar == Scalar::Null {
            self.nulls |= 1 << self.leaves;
        }
        self.leaves += 1;
        self.emit(LEAF, predicted);
    }

    /// Puts one key in place of all pairs of an object whose first began at `from`; its value is that at `value`.
    pub(super) fn replace_pairs(&mut self, from: usize, value: Range<usize>, key: &[u8], predicted: &[u8]) {
        self.settle(predicted);
        let Some(value) = self.skeleton.get(value).map(<[u8]>::to_vec) else { return };
        self.skeleton.truncate(from);
        self.skeleton.push(KEY);
        self.skeleton.extend_from_slice(key);
        self.skeleton.extend_from_slice(&value);
    }

    pub(super) fn forget_leaves_from(&mut self, first: u32) {
        self.leaves = first;
        self.nulls &= 1u64.checked_shl(first).map_or(u64::MAX, |bit| bit - 1);
    }

    pub(super) fn note_escaped(&mut self, text: &[u8], string: Stretch) {
        if self.escaped.len() < MAX_ESCAPED && memchr::memmem::find(&text[string.start..string.end], b"{").is_some() {
            self.escaped.push(string);
        }
    }

    pub(super) fn note_batch(&mut self, list: Stretch) {
        if self.batch.is_none_or(|batch| batch.len() < list.len()) {
            self.batch = Some(list);
        }
    }
}

/// As `starts_with`, but without a call where both are short, as keys are.
#[inline(always)]
fn begins_with(text: &[u8], key: &[u8]) -> bool {
    let word = |bytes: &[u8], at: usize| bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()).copied();
    let length = key.len();
    match (word(text, 0), word(key, 0)) {
        (Some(one), Some(other)) if length <= 16 => {
            one == other && text.len() >= length && word(text, length - 8) == word(key, length - 8)
        }
        _ => text.starts_with(key),
    }
}

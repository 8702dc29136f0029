//! What is known of the values in one place of a template: whether they are all equal, how they begin and end alike,
//! of what kind they are. Knows values only; templates are `template`'s.

use super::value::{Kind, Votes, is_boundary};
use crate::scan::text::reading::class::{DIGIT, HIGH, class};

/// How much of the first value is kept to compare the others with.
const KEPT: usize = 64;

/// The values of one place, as far as they were looked at.
#[derive(Clone, Debug, Default)]
pub(in crate::scan::text) struct Slot {
    /// The beginning of the first value.
    first: Box<[u8]>,
    /// The length of the first value.
    length: u32,
    /// Bytes that all values begin with and end with.
    prefix: u16,
    suffix: u16,
    /// Values looked at, up to a limit.
    seen: u16,
    varies: bool,
    /// Kinds of whole values, and of what is left of them between the common beginning and end.
    whole: Votes,
    middle: Votes,
}

/// What a label shows of a place.
pub(in crate::scan::text) enum Shown<'a> {
    Constant(&'a [u8]),
    Varying { prefix: &'a [u8], kind: Kind, suffix: &'a [u8] },
}

fn common_prefix(one: &[u8], two: &[u8]) -> usize {
    one.iter().zip(two).take_while(|(a, b)| a == b).count()
}

fn common_suffix(one: &[u8], two: &[u8]) -> usize {
    one.iter().rev().zip(two.iter().rev()).take_while(|(a, b)| a == b).count()
}

impl Slot {
    /// One more value.
    pub(in crate::scan::text) fn add(&mut self, value: &[u8]) {
        let whole = Kind::of(&value[..value.len().min(KEPT * 4)]);
        self.whole.add(whole, 1);
        if self.seen == 0 {
            self.first = value[..value.len().min(KEPT)].into();
            self.length = value.len() as u32;
            self.prefix = self.first.len() as u16;
            self.suffix = if value.len() <= KEPT { self.prefix } else { 0 };
        } else if self.length as usize != value.len() || !value.starts_with(&self.first) {
            self.narrow(value);
        }
        self.seen = self.seen.saturating_add(1);
        if self.varies {
            let middle = self.middle_of(value);
            self.middle.add(middle, 1);
        }
    }

    fn narrow(&mut self, value: &[u8]) {
        self.varies = true;
        let prefix = common_prefix(&self.first[..usize::from(self.prefix)], value);
        self.prefix = prefix as u16;
        let room = self.first.len().min(value.len()) - prefix.min(value.len());
        let tail = &self.first[self.first.len() - usize::from(self.suffix)..];
        self.suffix = common_suffix(tail, value).min(room) as u16;
    }

    fn middle_of(&self, value: &[u8]) -> Kind {
        let (prefix, suffix) = self.edges(true);
        let inner = value.get(prefix..value.len().saturating_sub(suffix)).unwrap_or(value);
        let kind = Kind::of(inner);
        if matches!(kind, Kind::Int | Kind::Float) {
            return kind;
        }
        let (prefix, suffix) = self.edges(false);
        Kind::of(value.get(prefix..value.len().saturating_sub(suffix)).unwrap_or(value))
    }

    /// How much of the common beginning and end is meant: up to punctuation, or, where numbers are between, up to
    /// their digits.
    fn edges(&self, numbers: bool) -> (usize, usize) {
        let head = &self.first[..usize::from(self.prefix)];
        let tail = &self.first[self.first.len() - usize::from(self.suffix)..];
        let inside = |byte: u8| if numbers { class(byte) & DIGIT != 0 } else { !is_boundary(byte) };
        let prefix = head.iter().rposition(|&byte| !inside(byte)).map_or(0, |at| at + 1);
        let suffix = tail.iter().position(|&byte| !inside(byte)).map_or(0, |at| tail.len() - at);
        (whole_characters(head, prefix), tail.len() - start_of_character(tail, tail.len() - suffix))
    }

    /// Takes over what is known of another place's values.
    pub(in crate::scan::text) fn absorb(&mut self, other: &Slot) {
        if other.seen == 0 {
            return;
        }
        if self.seen == 0 {
            *self = other.clone();
            return;
        }
        let equal = self.length == other.length && self.first == other.first;
        if !equal || other.varies {
            let kept = usize::from(self.prefix).min(other.first.len()).min(usize::from(other.prefix));
            self.varies = true;
            self.prefix = common_prefix(&self.first[..kept.min(self.first.len())], &other.first) as u16;
            let room = self.first.len().min(other.first.len()) - usize::from(self.prefix);
            let tail = &self.first[self.first.len() - usize::from(self.suffix)..];
            let theirs = &other.first[other.first.len() - usize::from(other.suffix)..];
            self.suffix = common_suffix(tail, theirs).min(room) as u16;
        }
        self.seen = self.seen.saturating_add(other.seen);
        self.whole.absorb(&other.whole);
        self.middle.absorb(&other.middle);
        if self.varies && !other.varies {
            let middle = self.middle_of(&other.first);
            self.middle.add(middle, other.seen);
        }
    }

    /// Whether all values seen are equal.
    pub(in crate::scan::text) fn is_constant(&self) -> bool {
        !self.varies
    }

    /// Whether values of this place may look like a word by chance.
    pub(in crate::scan::text) fn is_mixed(&self) -> bool {
        self.varies && self.whole.is_mixed()
    }

    /// Whether the values are hexadecimal digits.
    pub(in crate::scan::text) fn is_hex(&self) -> bool {
        self.varies && self.whole.winner() == Kind::Hex
    }

    /// What a label shows of the place.
    pub(in crate::scan::text) fn shown(&self) -> Shown<'_> {
        if !self.varies {
            return Shown::Constant(&self.first);
        }
        let whole = self.whole.winner();
        if whole.is_whole() {
            return Shown::Varying { prefix: b"", kind: whole, suffix: b"" };
        }
        let middle = self.middle.winner();
        let (prefix, suffix) = self.edges(matches!(middle, Kind::Int | Kind::Float));
        let (prefix, suffix) = (&self.first[..prefix], &self.first[self.first.len() - suffix..]);
        if whole == Kind::Path && middle == Kind::Str {
            return Shown::Varying { prefix, kind: Kind::Path, suffix };
        }
        Shown::Varying { prefix, kind: middle, suffix }
    }
}

/// `length`, less a character that is cut by it.
fn whole_characters(text: &[u8], length: usize) -> usize {
    let mut length = length;
    while length > 0 && length < text.len() && text[length] & 0xc0 == 0x80 {
        length -= 1;
    }
    if length == text.len() {
        let start = text.iter().rposition(|&byte| byte & 0xc0 != 0x80).unwrap_or(0);
        let cut = text.get(start).is_some_and(|&byte| byte >= 0xc0 && std::str::from_utf8(&text[start..]).is_err());
        return if cut { start } else { length };
    }
    length
}

/// `at`, or the next place where a character begins.
fn start_of_character(text: &[u8], at: usize) -> usize {
    let mut at = at;
    while at < text.len() && class(text[at]) & HIGH != 0 && text[at] & 0xc0 == 0x80 {
        at += 1;
    }
    at
}

//! One word: where it ends, whether it begins a compound value, and what of it is in a signature.
//! Knows what names and numbers look like; what is around the word is `reader`'s.

use super::class::{
    ALPHANUMERIC, DIGIT, HEX_LOWER, HEX_UPPER, HIGH, LETTER, LOWER, PERCENT, UPPER, WEAK, WORD, class, hash,
};
use super::compound;
use super::token::{FREE, Role};

/// Words longer than this are values.
const LONGEST_WORD: usize = 64;
/// Letters that are all hexadecimal digits are a number from this length on.
const HEX_WORD: usize = 8;
/// A word before `=` up to this length is a key, and no padded base64.
const SHORT_KEY: usize = 16;

/// What `find_word` found.
pub(in crate::scan::text) enum Found {
    /// A value made of several words, ending there.
    Compound(usize),
    /// Nothing but punctuation that is found in words.
    Punctuation(usize),
    Word {
        end: usize,
        bits: u16,
    },
}

/// The word at `start`, the class of whose first byte is `first`.
#[inline(always)]
pub(in crate::scan::text) fn find_word(text: &[u8], start: usize, first: u16, not_base64: &mut usize) -> Found {
    let (mut end, mut bits) = (start + 1, first);
    // Long words by eight bytes, one branch each.
    while let Some(chunk) = text.get(end..).and_then(|rest| rest.first_chunk::<8>()) {
        let classes = chunk.map(class);
        if classes.iter().fold(WORD, |all, bits| all & bits) == 0 {
            break;
        }
        bits |= classes.iter().fold(0, |any, bits| any | bits);
        end += 8;
    }
    while let Some(&byte) = text.get(end) {
        let next = class(byte);
        if next & WORD == 0 {
            break;
        }
        bits |= next;
        end += 1;
    }
    if bits & ALPHANUMERIC == 0 {
        return Found::Punctuation(end);
    }
    if let Some(end) = compound_end(text, start, end, bits, not_base64) {
        return Found::Compound(end);
    }
    if bits & WEAK != 0 {
        // A full stop ends a sentence, not a name.
        while text[end - 1] == b'.' {
            end -= 1;
        }
    }
    Found::Word { end, bits }
}

/// What of a word that is no key is in the signature.
#[inline]
pub(in crate::scan::text) fn literal_of(word: &[u8], bits: u16) -> (Role, u64) {
    if word.len() > LONGEST_WORD || bits & PERCENT != 0 {
        return (Role::Value, FREE);
    }
    let only_hex = bits & (LOWER | UPPER | HIGH) == 0;
    if bits & DIGIT == 0 {
        let number = only_hex && bits & WEAK == 0 && word.len() >= HEX_WORD;
        return if number { (Role::Value, FREE) } else { (Role::Word, hash(word) | 2) };
    }
    if only_hex || class(word[0]) & LETTER == 0 {
        return (Role::Value, FREE);
    }
    match name_prefix(word) {
        Some(length) => (Role::Prefixed(length as u8), hash(&word[..length]) | 2),
        None => (Role::Value, FREE),
    }
}

/// The letters a digit-bearing word begins with, where they are a name in one style of case: before digits only, or
/// three or more before punctuation. Random text seldom looks so.
fn name_prefix(word: &[u8]) -> Option<usize> {
    let length = word.iter().position(|&byte| class(byte) & LETTER == 0)?;
    let bits = word[1..length.max(1)].iter().fold(0, |bits, &byte| bits | class(byte));
    let one_case = bits & (HEX_UPPER | UPPER) == 0
        || (bits & (HEX_LOWER | LOWER) == 0 && class(word[0]) & (HEX_UPPER | UPPER) != 0);
    let rest = &word[length..];
    let digits = length >= 2 && rest.iter().all(u8::is_ascii_digit);
    let apart = length >= 3 && class(rest[0]) & WEAK != 0;
    (one_case && (digits || apart)).then_some(length)
}

/// The end of the compound value that begins with the word from `start` to `end`.
#[inline]
fn compound_end(text: &[u8], start: usize, end: usize, bits: u16, not_base64: &mut usize) -> Option<usize> {
    let next = text.get(end).copied().unwrap_or(0);
    if class(text[start]) & DIGIT != 0 {
        // Dates are told by their first separator, the third or fifth byte.
        let dated = matches!(text.get(start + 4), Some(b'-' | b'/'))
            || matches!(text.get(start + 2), Some(b':' | b'/' | b'.' | b'-' | b' '))
            || matches!(text.get(start + 1), Some(b'/' | b' ' | b'-'));
        if let Some(end) = dated.then(|| compound::numeric_time(text, start)).flatten() {
            return Some(end);
        }
    } else if end == start + 3
        && matches!(next, b' ' | b',')
        && let Some(end) = compound::named_time(text, start)
    {
        return Some(end);
    }
    if next == b':'
        && end - start <= 4
        && bits & (LOWER | UPPER | HIGH | WEAK) == 0
        && let Some(end) = compound::colon_address(text, start)
    {
        return Some(end);
    }
    let may_be_base64 = next == b'/' || (next == b'=' && end - start > SHORT_KEY);
    may_be_base64.then(|| compound::base64(text, start, not_base64)).flatten()
}

//! Records whose front was overwritten, by a free list's pointers for one: where the rest begins, and reading it.
//! The grammar is `parse`'s.

use super::notes::Notes;
use super::parse::{Expect, Parser, Record, Stop};
use super::skeleton::{self, Piece};
use super::token;

/// How far into a run the rest of a record is looked for whose front was overwritten.
const RESYNC: usize = 64 * 1024;

/// Where in a run that does not begin with a record the rest of one begins, and whether with a value.
fn resync(text: &[u8]) -> Option<(usize, bool)> {
    for at in memchr::memchr_iter(b'"', &text[..text.len().min(RESYNC)]) {
        match token::before(text, at) {
            Some((comma, b',')) => {
                let behind_value = token::before(text, comma)
                    .is_some_and(|(_, byte)| matches!(byte, b'"' | b'}' | b']' | b'e' | b'l' | b'0'..=b'9'));
                if behind_value && token::is_key(text, at) {
                    return Some((at, false));
                }
            }
            Some((mut start, b'{')) => {
                if let Some((bracket, b'[')) = token::before(text, start) {
                    start = bracket;
                }
                let is_value = match token::before(text, start) {
                    Some((colon, b':')) => token::before(text, colon).is_none_or(|(_, byte)| byte == b'"'),
                    Some(_) => false,
                    None => true,
                };
                return is_value.then_some((start, true));
            }
            _ => {}
        }
    }
    None
}

/// Reads what is left of a record whose front was overwritten, `text` being a run from its beginning. `None` where it
/// does not look like one or where fewer than two keys are left.
pub(super) fn read(text: &[u8], notes: &mut Notes) -> Option<Record> {
    let (at, value) = resync(text)?;
    read_from(text, at, value, notes)
}

/// Whether the record that ends at `end` was a value in a larger one, more of which follows.
pub(super) fn is_followed(text: &[u8], end: usize) -> bool {
    let mut at = token::skip_space(text, end);
    while text.get(at) == Some(&b']') {
        at = token::skip_space(text, at + 1);
    }
    text.get(at) == Some(&b',') && token::is_key(text, token::skip_space(text, at + 1))
}

/// The same from a place that is known: that of a key, or of a value more keys must follow.
pub(super) fn read_from(text: &[u8], at: usize, value: bool, notes: &mut Notes) -> Option<Record> {
    notes.begin();
    let mut parser = Parser { text, pos: at, predicted: b"", notes, muted: 0, open_front: true };
    let stop = parser.run(if value { Expect::Value } else { Expect::Key });
    let record = match (stop, notes.accepted) {
        (Stop::Done(end), _) => Record { end, piece: Piece::Tail },
        (Stop::Cut, _) => Record { end: text.len(), piece: Piece::Middle },
        (Stop::Broken(_), Some((end, length))) => {
            notes.skeleton.truncate(length);
            Record { end, piece: Piece::Tail }
        }
        (Stop::Broken(end), None) => Record { end, piece: Piece::Middle },
    };
    notes.values.clear();
    notes.settle(b"");
    (notes.outer_keys > 0 && skeleton::key_count(&notes.skeleton) >= 2).then_some(record)
}

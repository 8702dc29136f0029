//! The fast way through records of a shape seen before: what stands between the values of such a record, written without
//! whitespace, is compared as a whole. Gives the same notes as the parser, or nothing.

use super::notes::{Notes, Stretch, Value};
use super::skeleton::{self, Token, Tokens, VARIABLE};
use super::token::{self, End, Scalar};
use crate::sys::cpu;

/// What stands between the values of a record.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pieces: Box<[Piece]>,
    /// Behind the last value.
    tail: Piece,
}

/// What stands before a value.
#[derive(Clone, Debug)]
struct Piece {
    text: Box<[u8]>,
    /// Its first and last eight bytes, of a piece of eight to sixteen.
    ends: Option<(u64, u64)>,
    /// The top-level key of the value behind it.
    field: Option<u16>,
}

impl Piece {
    fn new(text: &[u8], field: Option<u16>) -> Piece {
        let ends = ends(text).filter(|_| text.len() <= 16);
        Piece { text: text.into(), ends, field }
    }

    /// What of `text` follows the piece, where it begins with that. Most pieces are a key and its punctuation: too
    /// short for a call to be worth it.
    #[inline(always)]
    fn behind<'t>(&self, text: &'t [u8]) -> Option<&'t [u8]> {
        let (front, rest) = text.split_at_checked(self.text.len())?;
        let same = match self.ends {
            Some(expected) => ends(front) == Some(expected),
            None => *front == *self.text,
        };
        same.then_some(rest)
    }
}

#[inline(always)]
fn ends(text: &[u8]) -> Option<(u64, u64)> {
    let (first, last) = (text.first_chunk::<8>()?, text.last_chunk::<8>()?);
    Some((u64::from_le_bytes(*first), u64::from_le_bytes(*last)))
}

impl Template {
    /// The template of whole records of a shape; `None` for shapes with arrays or keys that vary.
    pub(super) fn of(skeleton: &[u8]) -> Option<Template> {
        let mut text = Vec::new();
        let mut pieces = Vec::new();
        let (mut depth, mut top_keys, mut separate) = (0usize, 0u16, false);
        for token in Tokens(skeleton) {
            match token {
                Token::Open => {
                    text.push(b'{');
                    (depth, separate) = (depth + 1, false);
                }
                Token::Close => {
                    text.push(b'}');
                    (depth, separate) = (depth.checked_sub(1)?, true);
                }
                Token::Key(key) if key.first() != Some(&VARIABLE) => {
                    text.extend_from_slice(if separate { b",\"" } else { b"\"" });
                    text.extend_from_slice(key);
                    text.extend_from_slice(b"\":");
                    top_keys = top_keys.checked_add(u16::from(depth == 1))?;
                }
                Token::Leaf => {
                    let field = (depth == 1).then(|| top_keys.saturating_sub(1));
                    pieces.push(Piece::new(&text, field));
                    text.clear();
                    separate = true;
                }
                Token::Key(_) | Token::List | Token::EndList => return None,
            }
        }
        let whole = depth == 0 && skeleton.last() == Some(&skeleton::CLOSE) && !pieces.is_empty();
        whole.then(|| Template { pieces: pieces.into(), tail: Piece::new(&text, None) })
    }

    /// Reads the record at `start` where it is of this shape without whitespace, and returns its end. Notes its values
    /// only where they are `wanted`.
    pub(super) fn read(&self, text: &[u8], start: usize, wanted: bool, notes: &mut Notes) -> Option<usize> {
        cpu::tuned(|| self.replay(text, start, wanted, notes))
    }

    #[inline(always)]
    fn replay(&self, text: &[u8], start: usize, wanted: bool, notes: &mut Notes) -> Option<usize> {
        notes.begin();
        let mut rest = text.get(start..)?;
        for (leaf, piece) in self.pieces.iter().enumerate() {
            rest = piece.behind(rest)?;
            let start = text.len() - rest.len();
            let (scalar, value, end) = match token::plain(rest) {
                Some(end) => (Scalar::Plain, Stretch { start: start + 1, end: start + end }, start + end + 1),
                None => scalar(text, start)?,
            };
            match scalar {
                Scalar::Null if leaf < 64 => notes.nulls |= 1 << leaf,
                Scalar::Escaped => notes.note_escaped(text, value),
                _ => {}
            }
            if wanted && let Some(field) = piece.field {
                let (start, end) = (value.start as u32, value.end as u32);
                notes.values.push(Value { field: u32::from(field), scalar, start, end });
            }
            rest = text.get(end..)?;
        }
        Some(text.len() - self.tail.behind(rest)?.len())
    }
}

/// The scalar at `at`, if it is whole: the scalar itself, without quotes, and its end with them.
#[inline(always)]
fn scalar(text: &[u8], at: usize) -> Option<(Scalar, Stretch, usize)> {
    let byte = *text.get(at)?;
    let quote = usize::from(byte == b'"');
    let start = at + quote;
    let end = match byte {
        b'"' => token::string(text, start),
        b'-' | b'0'..=b'9' => token::number(text, start),
        _ => token::word(text, start),
    };
    match end {
        End::Whole(scalar, end) => Some((scalar, Stretch { start, end }, end + quote)),
        End::Cut | End::Broken(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::parse;
    use super::*;

    fn read(text: &str) -> (Notes, Option<usize>, Notes, Option<usize>) {
        let (mut parsed, mut replayed) = (Notes::default(), Notes::default());
        let record = parse::record(text.as_bytes(), 0, b"", &mut parsed);
        parsed.settle(b"");
        let end =
            Template::of(&parsed.skeleton).and_then(|template| template.read(text.as_bytes(), 0, true, &mut replayed));
        (parsed, record.map(|record| record.end), replayed, end)
    }

    #[test]
    fn replays_what_was_parsed() {
        let (parsed, end, replayed, same) =
            read(r#"{"a":1,"b":{"c":"x\"{y","d":null,"e":{}},"f":null,"g":"{\"z\":1}"} rest"#);
        assert_eq!(same, end);
        assert!(end.is_some());
        assert_eq!((replayed.values, replayed.nulls), (parsed.values, parsed.nulls));
        assert_eq!(replayed.escaped, parsed.escaped);
        for other in [r#"{"a": 1}"#, r#"{"a":[1]}"#, r#"{"12":1}"#, r#"{"a":1"#] {
            assert_eq!(read(other).3, None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn a_template_never_disagrees(text in r#"\{("[ab]{0,2}":("[^"\\]{0,20}"|1|-2.5e3|null|true|\{\}|\{"c":1\}),){0,4}"z":"x\\"?"\}?.{0,3}"#) {
            let (parsed, end, replayed, same) = read(&text);
            if same.is_some() {
                prop_assert_eq!(same, end);
                prop_assert_eq!(replayed.values, parsed.values);
                prop_assert_eq!(replayed.nulls, parsed.nulls);
            }
        }
    }
}

//! Where JSON's strings, numbers and words end. Looks at bytes only; what they belong to is the parser's business.

use crate::scan::mask::{self, LANE};

/// A value that is neither object nor array.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Scalar {
    #[default]
    Null,
    Bool,
    Int,
    Float,
    /// A string without backslashes.
    Plain,
    /// A string with backslashes.
    Escaped,
}

/// How a token ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Past its last byte; of a string, at its closing quote.
    Whole(Scalar, usize),
    /// The text ended inside it.
    Cut,
    /// It cannot go on with this byte.
    Broken(usize),
}

/// A string whose content begins at `from`. Raw control bytes end it, as the format demands.
#[inline]
pub(super) fn string(text: &[u8], from: usize) -> End {
    let mut at = from;
    let mut scalar = Scalar::Plain;
    loop {
        let found = loop {
            let Some(lane) = text.get(at..).and_then(|rest| rest.first_chunk::<16>()) else {
                match text.get(at..).and_then(|rest| rest.iter().position(|&b| b < 0x20 || b == b'"' || b == b'\\')) {
                    Some(offset) => break at + offset,
                    None => return End::Cut,
                }
            };
            match mask::string_end(lane, 0) {
                Some(offset) => break at + offset,
                None => at += LANE,
            }
        };
        match text[found] {
            b'"' => return End::Whole(scalar, found),
            b'\\' => {
                scalar = Scalar::Escaped;
                at = found + 2;
            }
            _ => return End::Broken(found),
        }
    }
}

/// Where the closing quote is of a string without backslashes that begins with the first byte of `text`, if one does.
#[inline(always)]
pub(super) fn plain(text: &[u8]) -> Option<usize> {
    let (b'"', mut rest) = text.split_first()? else { return None };
    let mut behind = 1;
    while let Some(lane) = rest.first_chunk::<LANE>() {
        if let Some(offset) = mask::string_end(lane, 0) {
            return (lane[offset] == b'"').then_some(behind + offset);
        }
        rest = &rest[LANE..];
        behind += LANE;
    }
    // The last lane holds bytes that were looked at.
    let seen = LANE - rest.len();
    let lane = text.last_chunk::<LANE>()?;
    let offset = mask::string_end(lane, seen)?;
    (lane[offset] == b'"').then(|| behind + offset - seen)
}

fn digits(text: &[u8], mut at: usize) -> usize {
    while text.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    at
}

/// A number that begins at `from`. One that reaches the end of the text counts as cut: more digits may have followed.
pub(super) fn number(text: &[u8], from: usize) -> End {
    let whole = from + usize::from(text.get(from) == Some(&b'-'));
    let mut end = digits(text, whole);
    if end == whole {
        return if end == text.len() { End::Cut } else { End::Broken(end) };
    }
    let mut scalar = Scalar::Int;
    if text.get(end) == Some(&b'.') {
        scalar = Scalar::Float;
        end = digits(text, end + 1);
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        scalar = Scalar::Float;
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        end = digits(text, end + 1 + sign);
    }
    if end >= text.len() { End::Cut } else { End::Whole(scalar, end) }
}

/// One of JSON's three words.
pub(super) fn word(text: &[u8], from: usize) -> End {
    let rest = &text[from.min(text.len())..];
    for (word, scalar) in [(&b"true"[..], Scalar::Bool), (b"false", Scalar::Bool), (b"null", Scalar::Null)] {
        if rest.starts_with(word) {
            return End::Whole(scalar, from + word.len());
        }
        if word.starts_with(rest) {
            return End::Cut;
        }
    }
    End::Broken(from)
}

/// The first position from `at` on that is not whitespace.
#[inline]
pub(super) fn skip_space(text: &[u8], mut at: usize) -> usize {
    while text.get(at).is_some_and(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

/// The byte before `at` that is not whitespace, with its position.
pub(super) fn before(text: &[u8], at: usize) -> Option<(usize, u8)> {
    let found = text[..at].iter().rposition(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t'))?;
    Some((found, text[found]))
}

/// Whether a key and its colon begin at `at`, the quote included.
pub(super) fn is_key(text: &[u8], at: usize) -> bool {
    if text.get(at) != Some(&b'"') {
        return false;
    }
    match string(&text[..text.len().min(at + super::parse::MAX_KEY + 2)], at + 1) {
        End::Whole(_, end) => text.get(skip_space(text, end + 1)) == Some(&b':'),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_end_at_their_quote_at_any_length() {
        for length in 0..70 {
            let text = format!("{}\" tail", "x".repeat(length));
            assert_eq!(string(text.as_bytes(), 0), End::Whole(Scalar::Plain, length));
            assert_eq!(string(&text.as_bytes()[..length], 0), End::Cut);
            let quoted = format!("\"{text}");
            for cut in length + 2..quoted.len() {
                assert_eq!(plain(&quoted.as_bytes()[..cut]), (cut >= LANE).then_some(length + 1));
            }
            assert_eq!(plain(&quoted.as_bytes()[..length + 1]), None);
            let text = format!("{}\\\"y\" tail", "x".repeat(length));
            assert_eq!(string(text.as_bytes(), 0), End::Whole(Scalar::Escaped, length + 3));
            assert_eq!(plain(format!("\"{text}").as_bytes()), None);
        }
        assert_eq!(string(b"ab\ncd\"", 0), End::Broken(2));
        assert_eq!(string(b"ab\\", 0), End::Cut);
    }

    #[test]
    fn numbers_and_words() {
        assert_eq!(number(b"-12,", 0), End::Whole(Scalar::Int, 3));
        assert_eq!(number(b"1.5e+3}", 0), End::Whole(Scalar::Float, 6));
        assert_eq!(number(b"12", 0), End::Cut);
        assert_eq!(number(b"-x", 0), End::Broken(1));
        assert_eq!(word(b"true,", 0), End::Whole(Scalar::Bool, 4));
        assert_eq!(word(b"nul", 0), End::Cut);
        assert_eq!(word(b"nope", 0), End::Broken(0));
    }
}

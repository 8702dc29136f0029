//! What a byte can be inside text, as one table, and the hash everything in this room is keyed by.
//! Knows single bytes and short byte strings; what they mean together is `token`'s and `compound`'s.

/// Part of a word: letters, digits, bytes of UTF-8 sequences and the punctuation found inside names and numbers.
pub(in crate::scan::text) const WORD: u16 = 1;
pub(in crate::scan::text) const DIGIT: u16 = 1 << 1;
/// `a` to `f`.
pub(in crate::scan::text) const HEX_LOWER: u16 = 1 << 2;
/// `A` to `F`.
pub(in crate::scan::text) const HEX_UPPER: u16 = 1 << 3;
/// `g` to `z`.
pub(in crate::scan::text) const LOWER: u16 = 1 << 4;
/// `G` to `Z`.
pub(in crate::scan::text) const UPPER: u16 = 1 << 5;
/// A byte of a UTF-8 sequence.
pub(in crate::scan::text) const HIGH: u16 = 1 << 6;
/// Punctuation inside words.
pub(in crate::scan::text) const WEAK: u16 = 1 << 7;
/// Always ends a bare value after `=`.
pub(in crate::scan::text) const ENDS_VALUE: u16 = 1 << 8;
/// The percent sign, of which escapes are made.
pub(in crate::scan::text) const PERCENT: u16 = 1 << 9;
pub(in crate::scan::text) const SPACE: u16 = 1 << 10;
/// In the base64 alphabets, padding included.
pub(in crate::scan::text) const BASE64: u16 = 1 << 11;
/// May end a bare value after `=`, depending on what follows.
pub(in crate::scan::text) const MAY_END_VALUE: u16 = 1 << 12;

pub(in crate::scan::text) const LETTER: u16 = HEX_LOWER | HEX_UPPER | LOWER | UPPER | HIGH;
pub(in crate::scan::text) const ALPHANUMERIC: u16 = LETTER | DIGIT;

static CLASS: [u16; 256] = classes();

const fn classes() -> [u16; 256] {
    let mut table = [0u16; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'0'..=b'9' => WORD | DIGIT | BASE64,
            b'a'..=b'f' => WORD | HEX_LOWER | BASE64,
            b'g'..=b'z' => WORD | LOWER | BASE64,
            b'A'..=b'F' => WORD | HEX_UPPER | BASE64,
            b'G'..=b'Z' => WORD | UPPER | BASE64,
            0x80..=0xff => WORD | HIGH,
            b'-' | b'_' | b'+' => WORD | WEAK | BASE64,
            b'%' => WORD | WEAK | PERCENT,
            b'.' | b'~' | b'$' | b'@' => WORD | WEAK,
            b'/' | b'=' => BASE64,
            b' ' | b'\t' | b'\n' | b'\r' => SPACE | ENDS_VALUE,
            b'&' | b';' | b'"' | b'(' | b')' | b'<' | b'>' | b'{' | b'}' | b'[' | b']' | b'|' => ENDS_VALUE,
            b',' | b'\'' => MAY_END_VALUE,
            _ => 0,
        };
        byte += 1;
    }
    table
}

/// The class bits of a byte.
#[inline(always)]
pub(in crate::scan::text) fn class(byte: u8) -> u16 {
    CLASS[byte as usize]
}

/// The class bits of the byte at `at`, none past the end.
#[inline(always)]
pub(in crate::scan::text) fn class_at(text: &[u8], at: usize) -> u16 {
    text.get(at).map_or(0, |&byte| class(byte))
}

/// Whether the byte at `at` is `byte`.
#[inline(always)]
pub(in crate::scan::text) fn is_at(text: &[u8], at: usize, byte: u8) -> bool {
    text.get(at) == Some(&byte)
}

const K1: u64 = 0x9e37_79b9_7f4a_7c15;
const K2: u64 = 0xd6e8_feb8_6659_fd93;

/// Two words into one, each bit depending on each.
#[inline(always)]
pub(in crate::scan::text) fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ K1) * u128::from(b ^ K2);
    (product as u64) ^ ((product >> 64) as u64)
}

#[inline(always)]
fn eight(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

#[inline(always)]
fn four(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |chunk| u64::from(u32::from_le_bytes(*chunk)))
}

/// The hash of a byte string.
#[inline]
pub(in crate::scan::text) fn hash(bytes: &[u8]) -> u64 {
    let length = bytes.len();
    let (low, high) = match length {
        0 => (0, 0),
        1..=3 => (u64::from(bytes[0]) | u64::from(bytes[length / 2]) << 8, u64::from(bytes[length - 1])),
        4..=7 => (four(bytes, 0), four(bytes, length - 4)),
        8..=16 => (eight(bytes, 0), eight(bytes, length - 8)),
        _ => return hash_long(bytes),
    };
    fold(low ^ (length as u64) << 56, high)
}

fn hash_long(bytes: &[u8]) -> u64 {
    let length = bytes.len();
    let (mut one, mut two) = (length as u64, K2);
    let mut at = 0;
    while at + 32 < length {
        one = fold(one ^ eight(bytes, at), eight(bytes, at + 8));
        two = fold(two ^ eight(bytes, at + 16), eight(bytes, at + 24));
        at += 32;
    }
    if at + 16 < length {
        one = fold(one ^ eight(bytes, at), eight(bytes, at + 8));
    }
    fold(one ^ eight(bytes, length - 16), two ^ eight(bytes, length - 8))
}

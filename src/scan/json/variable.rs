//! Keys that are values: objects used as maps from ids to things would otherwise be a shape each.

use super::skeleton::VARIABLE;

/// Fewer keys that differ in their digits only are fields such as `line1`, `line2`.
pub(super) const MAP_KEYS: u32 = 4;

/// The name of a key that is an id by itself: all digits, at least eight hex digits with a digit among them, a UUID.
pub(super) fn id_type(key: &[u8]) -> Option<&'static [u8]> {
    let (first, last) = (key.first()?, key.last()?);
    if !first.is_ascii_hexdigit() || !last.is_ascii_hexdigit() {
        return None;
    }
    if key.iter().all(u8::is_ascii_digit) {
        return Some(b"<int>");
    }
    if key.len() < 8 || !key.iter().any(u8::is_ascii_digit) {
        return None;
    }
    if key.iter().all(u8::is_ascii_hexdigit) {
        return Some(b"<hex>");
    }
    is_uuid(key).then_some(b"<uuid>")
}

/// Whether `text` is a UUID in its usual form.
pub(super) fn is_uuid(text: &[u8]) -> bool {
    text.len() == 36
        && text.iter().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Whether the two are alike but for their digits, and have some.
pub(super) fn one_stem(left: &[u8], right: &[u8]) -> bool {
    let letters = |key: &[u8]| key.iter().filter(|byte| !byte.is_ascii_digit()).count();
    let (left_letters, right_letters) = (letters(left), letters(right));
    left_letters == right_letters
        && left_letters < left.len()
        && right_letters < right.len()
        && left.iter().filter(|byte| !byte.is_ascii_digit()).eq(right.iter().filter(|byte| !byte.is_ascii_digit()))
}

/// The text of a key token for all keys alike but for their digits, such as `user<int>`.
pub(super) fn stem_token(key: &[u8]) -> Vec<u8> {
    let mut token = vec![VARIABLE];
    let mut inside = false;
    for &byte in key {
        if !byte.is_ascii_digit() {
            token.push(byte);
        } else if !inside {
            token.extend(b"<int>");
        }
        inside = byte.is_ascii_digit();
    }
    token
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_from_names() {
        assert_eq!(id_type(b"12"), Some(&b"<int>"[..]));
        assert_eq!(id_type(b"deadbeef01"), Some(&b"<hex>"[..]));
        assert_eq!(id_type(b"123e4567-e89b-12d3-a456-426614174000"), Some(&b"<uuid>"[..]));
        for name in [&b"device"[..], b"id", b"deadbeef", b"facade", b"", b"a1", b"address1", b"feed_back_1d"] {
            assert_eq!(id_type(name), None, "{}", String::from_utf8_lossy(name));
        }
        assert!(one_stem(b"user1", b"user234"));
        assert!(!one_stem(b"user", b"user1"));
        assert!(!one_stem(b"line1", b"like1"));
        assert_eq!(stem_token(b"user12x3"), b"\x07user<int>x<int>");
    }
}

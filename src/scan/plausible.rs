//! Whether a short printable run is text at all: random bytes are printable for a while now and then.
//! Knows letters; what becomes of a run is decided by its callers.

/// Runs with letters of at most so many bytes in them are looked at for a plausible script.
pub(super) const DOUBTED: usize = 32;

/// Longer runs are no accident: sixteen random bytes are printable once in four million places.
const LONGEST_NOISE: usize = 15;

/// Whether a run is an accident among binary data. Such a run is short, something other than an end of string follows
/// it, its letters, digits and signs are mixed without words or numbers, and signs are among them that seldom stand
/// between words.
#[inline(always)]
pub(super) fn is_noise(run: &[u8], behind: Option<&u8>) -> bool {
    run.len() <= LONGEST_NOISE && behind.is_some_and(|byte| *byte != 0) && is_mixed(run)
}

fn is_mixed(run: &[u8]) -> bool {
    let classes = run.iter().map(|byte| match byte {
        b'a'..=b'z' => 1u32,
        b'A'..=b'Z' => 2,
        b'0'..=b'9' => 3,
        b' ' | b'=' | b'&' | b',' | b';' | b':' | b'.' | b'-' | b'_' | b'/' => 4,
        _ => 5,
    });
    let (mut changes, mut odd, mut last) = (0, false, 0);
    for class in classes {
        changes += usize::from(class != last);
        odd |= class == 5;
        last = class;
    }
    let markup = run.starts_with(b"{\"") || (run.starts_with(b"<") && run.ends_with(b">"));
    odd && changes * 2 > run.len() && !markup
}

/// Whether a short text is likely one: printable letters of few scripts.
pub(super) fn is_plausible(text: &str) -> bool {
    let mut scripts: [u32; 3] = [u32::MAX; 3];
    for letter in text.chars().filter(|letter| !letter.is_ascii()) {
        let code = u32::from(letter);
        let script = match code {
            0x80..=0x9f | 0xe000..=0xf8ff | 0xfff0..=0xffff => return false,
            0x2000..=0x206f | 0x20a0..=0x20bf | 0x2190..=0x22ff => continue,
            0x3000..=0x9fff | 0xf900..=0xfaff | 0xff00..=0xffef | 0x20000..=0x3ffff => 1,
            0xac00..=0xd7af => 2,
            0x2300..=0x2bff | 0xfe00..=0xfe0f | 0x1f000..=0x1faff => 3,
            0x1_0000.. => return false,
            0xa0..=0x24f => 4,
            _ => code >> 7 | 0x100,
        };
        match scripts.iter_mut().find(|known| **known == script || **known == u32::MAX) {
            Some(known) => *known = script,
            None => return false,
        }
    }
    scripts[2] == u32::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_told_from_short_texts() {
        for noise in ["I'2#x;9S", "aQ[5)uZe", "7h}R3kX0\\q"] {
            assert!(is_noise(noise.as_bytes(), Some(&0x9c)), "{noise}");
            assert!(!is_noise(noise.as_bytes(), Some(&0)), "{noise} ends as a string does");
            assert!(!is_noise(noise.as_bytes(), None), "{noise} may go on");
        }
        for text in [
            "Hello World!",
            "user:12345",
            "a=1&b=2&c=3",
            "SELECT *",
            "aB3xY9kL",
            "{\"a\":12}",
            "<b>text</b>",
            "%d items",
        ] {
            assert!(!is_noise(text.as_bytes(), Some(&1)), "{text}");
        }
    }
}

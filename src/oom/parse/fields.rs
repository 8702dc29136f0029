//! The small pieces kernel messages are made of: numbers, `key:value` pairs glued or spaced in any way, words up to a
//! mark. Knows nothing of what they mean. Every function ends on any text.

/// The decimal number at the beginning of `text`, with its sign, and what follows it.
pub fn number(text: &str) -> Option<(i128, &str)> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let end = digits.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(digits.len());
    if end == 0 || end > 30 {
        return None;
    }
    let value: i128 = digits[..end].parse().ok()?;
    Some((if negative { -value } else { value }, &digits[end..]))
}

/// The number at the beginning of `text` as a pid, uid or oom_score_adj.
pub fn small(text: &str) -> Option<(i64, &str)> {
    let (value, rest) = number(text)?;
    Some((i64::try_from(value).ok()?, rest))
}

/// The number after the first `mark` in `text`, blanks and `=` between allowed.
pub fn number_after(text: &str, mark: &str) -> Option<i128> {
    let at = text.find(mark)? + mark.len();
    number(text[at..].trim_start_matches([' ', '=', ':'])).map(|(value, _)| value)
}

/// The same as a pid, uid or oom_score_adj.
pub fn small_after(text: &str, mark: &str) -> Option<i64> {
    number_after(text, mark).and_then(|value| i64::try_from(value).ok())
}

/// What stands between the first `open` and the next `close`.
pub fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let from = text.find(open)? + open.len();
    let to = text[from..].find(close)?;
    Some(&text[from..from + to])
}

/// A `key:value` with the letters that follow the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair<'a> {
    /// The key, e.g. `isolated(anon)`.
    pub key: &'a str,
    /// The number.
    pub value: i128,
    /// `kB`, `KB` or nothing.
    pub unit: &'a str,
}

/// All pairs in `text`, also where blanks between or inside them were lost or added (`pages_scanned: 7874`).
pub fn pairs(text: &str) -> Pairs<'_> {
    Pairs { text, at: 0 }
}

/// See [`pairs`].
pub struct Pairs<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    fn next(&mut self) -> Option<Pair<'a>> {
        loop {
            let colon = self.at + memchr::memchr(b':', &self.text.as_bytes()[self.at..])?;
            let key = key_before(&self.text[self.at..colon]);
            self.at = colon + 1;
            let after = self.text[colon + 1..].trim_start_matches(' ');
            let Some((value, rest)) = number(after) else { continue };
            if key.is_empty() {
                continue;
            }
            let unit = ["kB", "KB"].into_iter().find(|unit| rest.starts_with(unit)).unwrap_or("");
            self.at = self.text.len() - rest.len() + unit.len();
            return Some(Pair { key, value, unit });
        }
    }
}

fn key_before(text: &str) -> &str {
    let is_key = |b: u8| b.is_ascii_alphabetic() || matches!(b, b'_' | b'(' | b')' | b'-');
    let length = text.bytes().rev().take_while(|b| is_key(*b)).count();
    &text[text.len() - length..]
}

/// The word at the beginning of `text` and what follows it and its blanks.
pub fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    match text.find(char::is_whitespace) {
        Some(end) => (&text[..end], text[end..].trim_start()),
        None => (text, ""),
    }
}

/// Bytes of a comm without the terminating zero: longer names are cut by the kernel.
pub const COMM_LENGTH: usize = 15;

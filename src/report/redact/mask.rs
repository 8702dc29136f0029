//! The masks: which letters of a text are a value and which are a key.
//! Works on any text, also one that begins or ends in the middle of a record. Where the two cannot be told apart,
//! the text is taken for a value.

/// Letters a quoted key may have; longer ones are values.
const LONGEST_KEY: usize = 64;
/// Letters a key without quotes may have.
const LONGEST_BARE_KEY: usize = 32;
/// Digits it may have; more are an identifier of something.
const KEY_DIGITS: usize = 3;

/// `text` with all of it masked: letters as `x`, digits as `9`; spaces and separators stay.
pub fn value(text: &str) -> String {
    text.chars().map(mask).collect()
}

/// A sample of memory: JSON keys (`"key":` after `{` or `,`), form keys (`key=`) and header names (`Key: `) stay.
pub fn sample(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < letters.len() {
        let kept = quoted_key(&letters, at).or_else(|| bare_key(&letters, at)).unwrap_or(at);
        if kept > at {
            out.extend(&letters[at..kept]);
            at = kept;
            continue;
        }
        out.push(mask(letters[at]));
        at += 1;
    }
    out
}

/// One argument of a command line: option names stay.
pub fn argument(text: &str) -> String {
    let Some(name) = text.strip_prefix("--") else {
        // A value may follow a single letter without a space, as in `-pPASSWORD`.
        let (flag, rest) = match text.strip_prefix('-').and_then(|rest| rest.chars().next()) {
            Some(letter) => text.split_at(1 + letter.len_utf8()),
            None => ("", text),
        };
        return format!("{flag}{}", value(rest));
    };
    match name.split_once('=') {
        Some((key, rest)) if is_name(key) => format!("--{key}={}", value(rest)),
        None if is_name(name) => text.to_string(),
        _ => value(text),
    }
}

/// The first argument: the program's path stays. What follows a space is a title that the process wrote itself.
pub(super) fn title(text: &str) -> String {
    match text.split_once(' ') {
        Some((program, rest)) => format!("{program} {}", value(rest)),
        None => text.to_string(),
    }
}

fn mask(letter: char) -> char {
    match letter {
        _ if letter.is_numeric() => '9',
        _ if letter.is_alphabetic() => 'x',
        ' ' | '\t' | '\n' | '\r' => letter,
        _ if letter.is_ascii_punctuation() && letter != '*' => letter,
        _ => '*',
    }
}

/// The end of the JSON key that begins with a quote at `at`, colon included. Quotes may be escaped any number of
/// times, as in JSON inside JSON.
fn quoted_key(letters: &[char], at: usize) -> Option<usize> {
    let open = quote(letters, at)?;
    let before = letters[..at].iter().rev().find(|letter| !letter.is_whitespace())?;
    if !matches!(before, '{' | ',') {
        return None;
    }
    let start = at + open;
    let length = letters[start..].iter().take(LONGEST_KEY + 1).position(|letter| matches!(letter, '"' | '\\'))?;
    let close = quote(letters, start + length)?;
    if length == 0 || close != open {
        return None;
    }
    let end = start + length + close;
    let spaces = letters[end..].iter().take_while(|letter| letter.is_whitespace()).count();
    (letters.get(end + spaces) == Some(&':')).then_some(end + spaces + 1)
}

/// The length of a quote with the backslashes before it.
fn quote(letters: &[char], at: usize) -> Option<usize> {
    let escapes = letters[at..].iter().take_while(|letter| **letter == '\\').count();
    (letters.get(at + escapes) == Some(&'"')).then_some(escapes + 1)
}

/// The end of the `key=` or `Key: ` that begins at `at`, separator included.
fn bare_key(letters: &[char], at: usize) -> Option<usize> {
    let begins = at == 0 || matches!(letters[at - 1], '&' | '?' | ';' | ',' | ' ' | '\n' | '\t');
    if !begins || !letters[at].is_ascii_alphabetic() && letters[at] != '_' {
        return None;
    }
    let is_part = |letter: &&char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
    let length = letters[at..].iter().take(LONGEST_BARE_KEY + 1).take_while(is_part).count();
    let key = &letters[at..at + length];
    let digits = key.iter().filter(|letter| letter.is_ascii_digit()).count();
    // Digits among letters of both cases are base64, whose padding looks like the sign behind a key.
    let mixed = digits > 0 && key.iter().any(char::is_ascii_lowercase) && key.iter().any(char::is_ascii_uppercase);
    if length > LONGEST_BARE_KEY || digits > KEY_DIGITS || mixed {
        return None;
    }
    let end = at + length;
    let next = letters.get(end + 1);
    match letters.get(end)? {
        // Base64 ends in `=` and has nothing behind it.
        '=' if next.is_some_and(|letter| letter.is_alphanumeric() || matches!(letter, '"' | '%' | '/')) => {
            Some(end + 1)
        }
        // A header's name begins its line: `user:password` and words in a sentence are not keys.
        ':' if next == Some(&' ') && (at == 0 || letters[at - 1] == '\n') => Some(end + 1),
        _ => None,
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.'))
}

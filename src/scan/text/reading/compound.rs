//! Values made of several tokens that are one to a reader: times, colon-separated addresses, base64, quoted strings.
//! Each function looks at text from one place on and says where the value ends; what to do with it is `token`'s.

use super::class::{BASE64, DIGIT, HEX_LOWER, HEX_UPPER, LETTER, LOWER, SPACE, UPPER, WORD, class, class_at, is_at};

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
const DAYS: [&[u8; 3]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];

fn named(text: &[u8], at: usize, names: &[&[u8; 3]]) -> Option<usize> {
    let word: &[u8; 3] = text.get(at..)?.first_chunk()?;
    (names.contains(&word) && class_at(text, at + 3) & LETTER == 0).then_some(at + 3)
}

/// Past exactly `count` digits.
fn digits(text: &[u8], at: usize, count: usize) -> Option<usize> {
    let end = at + count;
    (end <= text.len() && text[at..end].iter().all(u8::is_ascii_digit)).then_some(end)
}

/// Past a day of the month, which may be one digit, after any number of spaces.
fn day(text: &[u8], at: usize) -> Option<usize> {
    let at = if is_at(text, at, b' ') { at + 1 } else { at };
    let one = digits(text, at, 1)?;
    Some(digits(text, one, 1).unwrap_or(one))
}

fn one_of(text: &[u8], at: usize, bytes: &[u8]) -> Option<usize> {
    text.get(at).filter(|byte| bytes.contains(byte)).map(|_| at + 1)
}

/// Past `hh:mm:ss` with an optional fraction; with `hh:mm` alone only where `short` allows it.
fn clock(text: &[u8], at: usize, short: bool) -> Option<usize> {
    let hours = one_of(text, digits(text, at, 2)?, b":")?;
    let minutes = digits(text, hours, 2)?;
    let Some(seconds) = one_of(text, minutes, b":").and_then(|at| digits(text, at, 2)) else {
        return short.then_some(minutes);
    };
    let Some(mut fraction) = one_of(text, seconds, b".,").and_then(|at| digits(text, at, 1)) else {
        return Some(seconds);
    };
    while class_at(text, fraction) & DIGIT != 0 {
        fraction += 1;
    }
    Some(fraction)
}

/// Past an optional zone such as `Z`, `+02:00`, ` -0700` or ` GMT`.
fn zone(text: &[u8], at: usize) -> usize {
    if is_at(text, at, b'Z') {
        return at + 1;
    }
    let bare = if is_at(text, at, b' ') { at + 1 } else { at };
    if let Some(sign) = one_of(text, bare, b"+-")
        && let Some(hours) = digits(text, sign, 2)
    {
        let colon = if is_at(text, hours, b':') { hours + 1 } else { hours };
        return digits(text, colon, 2).unwrap_or(at);
    }
    let name = text.get(bare..bare + 3);
    if bare > at && matches!(name, Some(b"GMT" | b"UTC")) { bare + 3 } else { at }
}

/// Past a clock after a date, where one follows `at` behind one of `T`, blank and colon; else `at`.
fn clock_after_date(text: &[u8], at: usize) -> usize {
    one_of(text, at, b"T :").and_then(|at| clock(text, at, true)).map_or(at, |end| zone(text, end))
}

/// Past `hh:mm:ss[ yyyy]` or `yyyy hh:mm:ss[ GMT]`, what follows a day and the name of a month.
fn rest_of_named_date(text: &[u8], at: usize) -> Option<usize> {
    let at = one_of(text, at, b" -/")?;
    if let Some(end) = clock(text, at, false) {
        return Some(one_of(text, end, b" ").and_then(|at| digits(text, at, 4)).unwrap_or(zone(text, end)));
    }
    Some(clock_after_date(text, digits(text, at, 4)?))
}

/// The end of a time that begins with a digit at `at`.
pub(in crate::scan::text) fn numeric_time(text: &[u8], at: usize) -> Option<usize> {
    let end = numeric_time_form(text, at)?;
    (class_at(text, end) & (DIGIT | LETTER) == 0).then_some(end)
}

fn numeric_time_form(text: &[u8], at: usize) -> Option<usize> {
    let separator = |offset: usize| text.get(at + offset).copied().unwrap_or(0);
    if matches!(separator(4), b'-' | b'/') {
        let month = digits(text, digits(text, at, 4)? + 1, 2)?;
        let day = digits(text, one_of(text, month, b"-/")?, 2)?;
        return Some(clock_after_date(text, day));
    }
    if separator(2) == b':' {
        return clock(text, at, false).map(|end| zone(text, end));
    }
    let day = day(text, at)?;
    if !matches!(text.get(day), Some(b'/' | b'-' | b' ' | b'.')) {
        return None;
    }
    if let Some(month) = named(text, day + 1, &MONTHS) {
        return rest_of_named_date(text, month);
    }
    let month = one_of(text, digits(text, day + 1, 2)?, b"/.")?;
    let year = digits(text, month, 4)?;
    Some(clock_after_date(text, year))
}

/// The end of a time that begins with the name of a month or of a day of the week at `at`.
pub(in crate::scan::text) fn named_time(text: &[u8], at: usize) -> Option<usize> {
    if let Some(month) = named(text, at, &MONTHS) {
        return rest_of_named_date(text, day(text, one_of(text, month, b" ")?)?);
    }
    let weekday = named(text, at, &DAYS)?;
    let after = one_of(text, weekday, b",").unwrap_or(weekday);
    let date = one_of(text, after, b" ")?;
    named(text, date, &MONTHS)
        .and_then(|month| rest_of_named_date(text, day(text, one_of(text, month, b" ")?)?))
        .or_else(|| numeric_time_form(text, date))
}

/// The end of an IPv6 or hardware address at `at`: eight groups, six pairs, or fewer with `::` among them.
pub(in crate::scan::text) fn colon_address(text: &[u8], at: usize) -> Option<usize> {
    let leading = text.get(at..).is_some_and(|rest| rest.starts_with(b"::"));
    let (mut end, mut groups, mut pairs, mut double) = (at + if leading { 2 } else { 0 }, 0, 0, leading);
    loop {
        let start = end;
        while class_at(text, end) & (DIGIT | HEX_LOWER | HEX_UPPER) != 0 {
            end += 1;
        }
        match end - start {
            0 => break,
            1..=4 => groups += 1,
            _ => return None,
        }
        pairs += usize::from(end - start == 2);
        if is_at(text, end, b':') && is_at(text, end + 1, b':') && !double {
            double = true;
            end += 2;
        } else if is_at(text, end, b':') && class_at(text, end + 1) & (DIGIT | HEX_LOWER | HEX_UPPER) != 0 {
            end += 1;
        } else {
            break;
        }
    }
    let whole =
        groups == 8 || (groups == 6 && pairs == 6) || (double && (2 - usize::from(leading)..8).contains(&groups));
    (whole && class_at(text, end) & (DIGIT | LETTER) == 0).then_some(end)
}

/// The shortest base64 text that is told from words.
const BASE64_SHORTEST: usize = 20;

/// The end of base64 text from `at` on that looks random: long, of mixed classes that change often. A path or a
/// sentence of words changes class at few places. Where it is none, `not_base64` moves to the end of the stretch, which
/// need not be looked at again.
pub(in crate::scan::text) fn base64(text: &[u8], at: usize, not_base64: &mut usize) -> Option<usize> {
    if at < *not_base64 {
        return None;
    }
    let (mut end, mut padding) = (at, None);
    while class_at(text, end) & BASE64 != 0 {
        end += 1;
        if padding.is_none() && text[end - 1] == b'=' && !is_at(text, end, b'=') {
            padding = Some(end);
        }
    }
    let last = padding.unwrap_or(end);
    let whole = last - at >= BASE64_SHORTEST && class_at(text, last) & WORD == 0;
    if whole && looks_random(&text[at..last]) {
        return Some(last);
    }
    *not_base64 = end;
    None
}

/// Whether the letters and digits of `token` change class as often as those of random base64 do.
pub(in crate::scan::text) fn looks_random(token: &[u8]) -> bool {
    let (mut changes, mut seen, mut last, mut counted) = (0, 0u8, 0u8, 0);
    for &byte in token {
        let kind = match class(byte) {
            bits if bits & DIGIT != 0 => 1,
            bits if bits & (HEX_LOWER | LOWER) != 0 => 2,
            bits if bits & (HEX_UPPER | UPPER) != 0 => 4,
            _ => continue,
        };
        seen |= kind;
        counted += 1;
        changes += usize::from(kind != last);
        last = kind;
    }
    seen == 7 && changes * 3 > counted
}

/// The closing quote that belongs to the opening one at `at`.
pub(in crate::scan::text) fn closing_quote(text: &[u8], at: usize) -> Option<usize> {
    let quote = text[at];
    let mut from = at + 1;
    while let Some(offset) = memchr::memchr(quote, &text[from..]) {
        let found = from + offset;
        let escaped = found > at + 1 && text[found - 1] == b'\\' && text[found - 2] != b'\\';
        let doubled = found > at + 1 && is_at(text, found + 1, quote);
        let inside_word = quote == b'\'' && class_at(text, found + 1) & (LETTER | DIGIT) != 0;
        if doubled {
            from = found + 2;
        } else if escaped || inside_word {
            from = found + 1;
        } else {
            return Some(found);
        }
        if from >= text.len() {
            return None;
        }
    }
    None
}

/// The end of a bare value after `=` that begins at `at`.
pub(in crate::scan::text) fn bare_value_end(text: &[u8], at: usize) -> usize {
    use super::class::{ENDS_VALUE, MAY_END_VALUE};
    let ends = ENDS_VALUE | MAY_END_VALUE;
    let mut end = at;
    loop {
        while let Some(chunk) = text.get(end..).and_then(|rest| rest.first_chunk::<8>()) {
            if chunk.map(class).iter().fold(0, |any, bits| any | bits) & ends != 0 {
                break;
            }
            end += 8;
        }
        while class_at(text, end) & ends == 0 && end < text.len() {
            end += 1;
        }
        if end >= text.len() || class(text[end]) & ENDS_VALUE != 0 || ends_value(text, end) {
            return end;
        }
        end += 1;
    }
}

/// The longest key that is looked for behind a comma.
const LONGEST_KEY: usize = 32;

/// Whether the comma or apostrophe at `at` ends a value: before a blank, the end, or the next `key=`.
fn ends_value(text: &[u8], at: usize) -> bool {
    if text[at] == b'\'' {
        return class_at(text, at + 1) & WORD == 0;
    }
    let mut end = at + 1;
    if end >= text.len() || class(text[end]) & SPACE != 0 {
        return true;
    }
    while class_at(text, end) & WORD != 0 && end - at <= LONGEST_KEY {
        end += 1;
    }
    end > at + 1 && is_at(text, end, b'=')
}

/// Past one more bracketed tuple behind a comma at `at`, quotes in it respected.
pub(in crate::scan::text) fn next_tuple(text: &[u8], at: usize, open: u8, close: u8) -> Option<usize> {
    let mut at = one_of(text, at, b",")?;
    while class_at(text, at) & SPACE != 0 {
        at += 1;
    }
    let mut at = one_of(text, at, &[open])?;
    let mut depth = 1;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' | b'\'' => at = closing_quote(text, at).unwrap_or(at),
            _ if byte == open => depth += 1,
            _ if byte == close => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            break;
        }
    }
    Some(at)
}

/// Past the elements of the same name that follow the closing tag whose name begins at `name` and ends at `end`;
/// `next` where none follows.
pub(in crate::scan::text) fn past_siblings(text: &[u8], name: usize, end: usize, next: usize) -> usize {
    let name = text.get(name..end).unwrap_or_default();
    let opens = text.get(next + 1..).is_some_and(|rest| rest.starts_with(name));
    if name.is_empty() || !opens || !matches!(text.get(next + 1 + name.len()), Some(b'>' | b' ' | b'/')) {
        return next;
    }
    let mut from = text.len();
    while let Some(found) = memchr::memmem::rfind(&text[next..from], name) {
        let at = next + found;
        if text[..at].ends_with(b"</") && is_at(text, at + name.len(), b'>') {
            return memchr::memchr(b'<', &text[at..]).map_or(text.len(), |offset| at + offset);
        }
        from = at;
    }
    next
}

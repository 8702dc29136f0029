//! Undoing what terminals, web pages and log daemons do to characters: escape sequences, entities, odd blanks, escaped
//! newlines. Leaves prefixes to `dressing`.

use std::borrow::Cow;

/// `text` with real newlines and plain blanks, without control characters, markup and entities.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    let text = text.trim_end_matches(['\r', '\n']);
    let suspicious =
        |b: &u8| matches!(b, b'&' | b'\\' | b'#' | b'=') || (*b < b' ' && *b != b'\t') || *b >= 0x7f || *b == b'<';
    if !text.as_bytes().iter().any(suspicious) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut left = text;
    while let Some(c) = left.chars().next() {
        match replacement(left, c) {
            Some((with, length)) => {
                out.push_str(&with);
                left = &left[length..];
            }
            None => {
                out.push(c);
                left = &left[c.len_utf8()..];
            }
        }
    }
    Cow::Owned(out)
}

/// What stands at the beginning of `text` for something else, and how long it is.
fn replacement(text: &str, c: char) -> Option<(String, usize)> {
    match c {
        '\u{1b}' => Some((String::new(), escape_length(text))),
        '&' => entity(text),
        '\\' => escaped(text),
        '#' => octal(text),
        '<' => tag(text),
        '=' => quoted_printable(text),
        '\u{a0}' | '\u{202f}' | '\u{2007}' => Some((" ".into(), c.len_utf8())),
        '\u{200b}' | '\u{200c}' | '\u{200d}' | '\u{feff}' => Some((String::new(), c.len_utf8())),
        '\n' | '\t' => None,
        c if c.is_control() => Some((String::new(), c.len_utf8())),
        _ => None,
    }
}

/// An ANSI sequence: `ESC [ … letter`, `ESC ] … BEL`, else two bytes.
fn escape_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    match bytes.get(1) {
        Some(b'[') => {
            let end = bytes.iter().skip(2).take(32).position(|b| (0x40..0x7f).contains(b));
            end.map_or(2, |end| end + 3)
        }
        Some(b) if b.is_ascii() => 2,
        _ => 1,
    }
}

fn entity(text: &str) -> Option<(String, usize)> {
    let end = text.as_bytes().iter().take(10).position(|b| *b == b';')?;
    let name = &text[1..end];
    let c = match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "hellip" => '…',
        _ => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            match char::from_u32(code)? {
                '\u{a0}' => ' ',
                c if c.is_control() && c != '\n' && c != '\t' => return Some((String::new(), end + 1)),
                c => c,
            }
        }
    };
    Some((c.to_string(), end + 1))
}

/// `\x0a` of /dev/kmsg, `\n` and `\t` of quoted strings.
fn escaped(text: &str) -> Option<(String, usize)> {
    let bytes = text.as_bytes();
    match bytes.get(1)? {
        b'x' => {
            let code = u8::from_str_radix(text.get(2..4)?, 16).ok()?;
            let c = match code {
                b'\n' | b'\t' => char::from(code).to_string(),
                0x20..0x7f => char::from(code).to_string(),
                _ => String::new(),
            };
            Some((c, 4))
        }
        b'n' => Some(("\n".into(), 2)),
        b't' => Some(("\t".into(), 2)),
        b'r' => Some((String::new(), 2)),
        _ => None,
    }
}

/// Mails can be quoted-printable: `=3D` is `=`, `=20` a blank. Numbers do not begin with a letter, so `=3D` is unlike
/// `order=3D` in no other text; `=20` stands at the end of a line only.
fn quoted_printable(text: &str) -> Option<(String, usize)> {
    if text.starts_with("=3D") {
        return Some(("=".into(), 3));
    }
    (text == "=20" || text.starts_with("=C2=A0")).then(|| (" ".into(), if text == "=20" { 3 } else { 6 }))
}

/// rsyslog writes control characters as `#` and three octal digits: `#012` a newline, `#011` a tab.
fn octal(text: &str) -> Option<(String, usize)> {
    let with = match text.get(1..4)? {
        "012" => "\n",
        "011" => "\t",
        "015" => "",
        _ => return None,
    };
    Some((with.into(), 4))
}

/// Markup of a saved web page: line-breaking tags become newlines, others vanish. `<4>` and `[<c0131c35>]` are no tags.
fn tag(text: &str) -> Option<(String, usize)> {
    const BREAKS: [&str; 8] = ["br", "p", "div", "li", "tr", "pre", "ul", "blockquote"];
    const OTHERS: [&str; 9] = ["span", "code", "b", "i", "em", "strong", "a", "td", "font"];
    let end = text.as_bytes().iter().take(200).position(|b| *b == b'>')?;
    let inside = text.get(1..end)?.trim_start_matches('/').trim_end_matches('/');
    let name = inside.split([' ', '\t']).next()?;
    if BREAKS.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return Some(("\n".into(), end + 1));
    }
    OTHERS.iter().any(|known| known.eq_ignore_ascii_case(name)).then(|| (String::new(), end + 1))
}

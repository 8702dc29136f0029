//! Text that came from a target, made harmless for whoever shows it.
//! Every piece passes through here exactly once, at writing: control characters, bidirectional and invisible
//! characters take visible forms such as `\x1b` and `\u{202e}`; printable UTF-8 stays. Backslashes stay as they
//! are, so that escaping twice changes nothing and quoted JSON remains readable.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Marks stacked on one letter beyond this are written out: more than any script needs, and a way to paint over
/// neighbouring lines.
const MARKS_PER_LETTER: usize = 4;

/// `text` as a terminal may show it.
pub fn terminal(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut marks = 0;
    for letter in text.chars() {
        marks = if letter.width() == Some(0) { marks + 1 } else { 0 };
        if is_harmful(letter) || marks > MARKS_PER_LETTER {
            push_visible(&mut out, letter);
        } else {
            out.push(letter);
        }
    }
    Cow::Owned(out)
}

/// The same for bytes of any encoding: what is not UTF-8 becomes `\xff`.
pub fn terminal_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(&terminal(chunk.valid()));
        for byte in chunk.invalid() {
            push_byte(&mut out, *byte);
        }
    }
    out
}

/// `text` for HTML and SVG, between tags and inside quoted attributes.
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for letter in terminal(text).chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// The columns that `text` takes on a terminal.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The longest beginning of `text` that takes at most `columns`, with its length in columns.
pub fn prefix(text: &str, columns: usize) -> (&str, usize) {
    let mut taken = 0;
    for (index, letter) in text.char_indices() {
        let next = taken + letter.width().unwrap_or(0);
        if next > columns {
            return (&text[..index], taken);
        }
        taken = next;
    }
    (text, taken)
}

/// `text` in at most `columns`, `ellipsis` at its end where something was cut off.
pub fn shorten<'t>(text: &'t str, columns: usize, ellipsis: &str) -> Cow<'t, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let room = columns.saturating_sub(width(ellipsis));
    let kept = prefix(text, room).0.trim_end();
    Cow::Owned(prefix(&format!("{kept}{ellipsis}"), columns).0.to_string())
}

fn push_visible(out: &mut String, letter: char) {
    match letter {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\0'..='\x7f' => push_byte(out, letter as u8),
        _ => out.push_str(&format!("\\u{{{:x}}}", u32::from(letter))),
    }
}

fn push_byte(out: &mut String, byte: u8) {
    out.push_str(&format!("\\x{byte:02x}"));
}

/// Whether a terminal would obey, hide or reorder instead of showing the letter.
/// Unicode 16: categories Cc, Zl, Zp, the format characters (Cf), the blank fillers and the noncharacters.
fn is_harmful(letter: char) -> bool {
    if letter.is_control() {
        return true;
    }
    matches!(u32::from(letter),
        0xad | 0x34f | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x890..=0x891 | 0x8e2
        | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f
        | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f
        | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb | 0xfdd0..=0xfdef
        | 0x110bd | 0x110cd | 0x13430..=0x1345f | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a
        | 0xe0000..=0xe0fff)
        || u32::from(letter) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn control_and_reordering_characters_become_visible() {
        assert_eq!(terminal("a\x1b[31mb"), "a\\x1b[31mb");
        assert_eq!(terminal("x\u{9b}2J"), "x\\u{9b}2J");
        assert_eq!(terminal("l1\nl2\r\t\0\x7f"), "l1\\nl2\\r\\t\\x00\\x7f");
        assert_eq!(terminal("gpj\u{202e}exe"), "gpj\\u{202e}exe");
        assert_eq!(terminal("pass\u{200b}word\u{feff}"), "pass\\u{200b}word\\u{feff}");
        assert_eq!(terminal("\u{e0041}"), "\\u{e0041}");
    }

    #[test]
    fn printable_text_stays() {
        for text in ["plain", "ключ=значение", "订单号", "naïve", "ünï", "🦀 {\\\"a\\\":1}"] {
            assert_eq!(terminal(text), text);
        }
    }

    #[test]
    fn stacked_marks_end() {
        let tower = format!("a{}", "\u{301}".repeat(50));
        let shown = terminal(&tower);
        assert_eq!(shown.matches('\u{301}').count(), 4);
        assert!(shown.ends_with("\\u{301}"));
    }

    #[test]
    fn bytes_outside_utf8_become_visible() {
        assert_eq!(terminal_bytes(b"ok\xff\xc3\xa9\xe2\x82"), "ok\\xff\u{e9}\\xe2\\x82");
    }

    #[test]
    fn html_is_inert() {
        assert_eq!(html("<b onclick='x'>&\"\x1b"), "&lt;b onclick=&#39;x&#39;&gt;&amp;&quot;\\x1b");
    }

    #[test]
    fn text_is_cut_by_columns_and_not_by_bytes() {
        assert_eq!(shorten("abcdef", 6, "…"), "abcdef");
        assert_eq!(shorten("abcdefg", 6, "…"), "abcde…");
        assert_eq!(shorten("订单号码长", 5, "…"), "订单…");
        assert_eq!(shorten("订单号码长", 6, "…"), "订单…");
        assert_eq!(shorten("abcdef", 2, "..."), "..");
        assert_eq!(shorten("abc", 0, "…"), "");
    }

    proptest! {
        #[test]
        fn nothing_harmful_survives_and_twice_is_once(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let shown = terminal_bytes(&bytes);
            prop_assert!(!shown.chars().any(is_harmful));
            prop_assert_eq!(terminal(&shown).into_owned(), shown);
        }

        #[test]
        fn any_char_is_tamed(letters in proptest::collection::vec(any::<char>(), 0..60), columns in 0usize..40) {
            let text: String = letters.into_iter().collect();
            let shown = terminal(&text).into_owned();
            prop_assert!(!shown.chars().any(char::is_control));
            prop_assert!(width(&shorten(&shown, columns, "…")) <= columns);
        }
    }
}

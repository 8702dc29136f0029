//! What the values of one field are, joined over the members looked at: by majority, so that one odd value does not
//! rename a field. Knows values, not shapes.

use super::token::Scalar;
use super::variable::is_uuid;

/// Shorter strings of hex digits are words or codes.
const MIN_HEX: usize = 8;

/// Shorter strings of its alphabet are names.
const MIN_BASE64: usize = 16;

/// What one value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Kind {
    Null,
    Bool,
    Int,
    Float,
    /// An empty string: says nothing.
    Empty,
    /// At least eight digits in a string: hex or base64 where others of the field are, else a string.
    Digits,
    /// Hex digits with letters among them.
    Hex,
    /// Base64's alphabet, long enough.
    Base64,
    Uuid,
    Time,
    Url,
    Ip,
    Email,
    Json,
    Str,
}

const KINDS: usize = Kind::Str as usize + 1;

/// Character classes seen in base64 candidates of a field.
const UPPER: u8 = 1;
const LOWER: u8 = 2;
const DIGIT: u8 = 4;

/// The values of one field.
#[derive(Clone, Debug, Default)]
pub(super) struct Field {
    counts: [u32; KINDS],
    classes: u8,
    /// The shape of an escaped record in it, of the first one seen.
    embedded: Option<Box<str>>,
}

impl Field {
    /// One more value; `text` is the string's content or the number's digits.
    pub(super) fn note(&mut self, scalar: Scalar, text: &[u8]) {
        let kind = match scalar {
            Scalar::Null => Kind::Null,
            Scalar::Bool => Kind::Bool,
            Scalar::Int => Kind::Int,
            Scalar::Float => Kind::Float,
            Scalar::Plain | Scalar::Escaped => kind_of(text),
        };
        if matches!(kind, Kind::Base64 | Kind::Hex | Kind::Digits) {
            self.classes |= classes(text);
        }
        self.counts[kind as usize] = self.counts[kind as usize].saturating_add(1);
    }

    /// One more value that is an escaped record of this shape.
    pub(super) fn note_embedded(&mut self, shape: impl FnOnce() -> String) {
        self.counts[Kind::Json as usize] = self.counts[Kind::Json as usize].saturating_add(1);
        self.embedded.get_or_insert_with(|| shape().into_boxed_str());
    }

    /// The same with what another field of the same name saw.
    pub(super) fn absorb(&mut self, other: &Field) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count = count.saturating_add(more);
        }
        self.classes |= other.classes;
        if self.embedded.is_none() {
            self.embedded.clone_from(&other.embedded);
        }
    }

    /// The name of the type that nearly all values have, as it stands in a label.
    pub(super) fn label(&self) -> String {
        let of = |kind: Kind| self.counts[kind as usize];
        let strings = self.counts[Kind::Digits as usize..].iter().sum::<u32>();
        let numbers = of(Kind::Int) + of(Kind::Float);
        let said = strings + numbers + of(Kind::Bool);
        let most = |count: u32, of_all: u32| count > 0 && u64::from(count) * 10 >= u64::from(of_all) * 9;
        if said == 0 {
            return if of(Kind::Empty) > 0 || of(Kind::Null) == 0 { "str" } else { "null" }.to_owned();
        }
        if most(numbers, said) {
            return if of(Kind::Float) > 0 { "float" } else { "int" }.to_owned();
        }
        if most(of(Kind::Bool), said) {
            return "bool".to_owned();
        }
        if !most(strings, said) {
            return if strings > 0 { "str" } else { "float" }.to_owned();
        }
        if most(of(Kind::Json), strings) {
            return match &self.embedded {
                Some(shape) => format!("\"{shape}\""),
                None => "json".to_owned(),
            };
        }
        let plain =
            [(Kind::Uuid, "uuid"), (Kind::Time, "time"), (Kind::Url, "url"), (Kind::Ip, "ip"), (Kind::Email, "email")];
        if let Some((_, name)) = plain.iter().find(|(kind, _)| most(of(*kind), strings)) {
            return (*name).to_owned();
        }
        let hex = of(Kind::Hex) + of(Kind::Digits);
        if of(Kind::Hex) > 0 && most(hex, strings) {
            return "hex".to_owned();
        }
        let mixed = self.classes == UPPER | LOWER | DIGIT;
        if of(Kind::Base64) > 0 && mixed && most(hex + of(Kind::Base64), strings) {
            return "base64".to_owned();
        }
        "str".to_owned()
    }
}

fn classes(text: &[u8]) -> u8 {
    text.iter().fold(0, |seen, byte| {
        seen | match byte {
            b'A'..=b'Z' => UPPER,
            b'a'..=b'z' => LOWER,
            b'0'..=b'9' => DIGIT,
            _ => 0,
        }
    })
}

/// What a string looks like.
fn kind_of(text: &[u8]) -> Kind {
    let Some(first) = text.first() else { return Kind::Empty };
    if text.len() >= MIN_HEX && text.iter().all(u8::is_ascii_hexdigit) {
        return if text.iter().all(u8::is_ascii_digit) { Kind::Digits } else { Kind::Hex };
    }
    if is_uuid(text) {
        return Kind::Uuid;
    }
    if is_time(text) {
        return Kind::Time;
    }
    if is_ip(text) {
        return Kind::Ip;
    }
    if first.is_ascii_alphabetic() && is_url(text) {
        return Kind::Url;
    }
    if is_email(text) {
        return Kind::Email;
    }
    if is_base64(text) {
        return Kind::Base64;
    }
    Kind::Str
}

fn is_base64(text: &[u8]) -> bool {
    let padding = text.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
    let body = &text[..text.len() - padding];
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
    // A path is in the alphabet too, and so is a dashed name: neither has capitals, small letters and digits mixed
    // in most members, which is asked of the field as a whole.
    text.len() >= MIN_BASE64 && text[0] != b'/' && body.iter().all(letter)
}

/// A date in ISO 8601 order, with or without a time behind it.
fn is_time(text: &[u8]) -> bool {
    const PATTERN: &[u8] = b"dddd-dd-dd";
    const CLOCK: &[u8] = b"dd:dd";
    let fits = |text: &[u8], pattern: &[u8]| {
        text.len() >= pattern.len()
            && text.iter().zip(pattern).all(|(byte, want)| match want {
                b'd' => byte.is_ascii_digit(),
                other => byte == other,
            })
    };
    if !fits(text, PATTERN) || text.len() > 40 {
        return false;
    }
    match text.get(PATTERN.len()) {
        None => true,
        Some(b'T' | b't' | b' ') => fits(&text[PATTERN.len() + 1..], CLOCK),
        Some(_) => false,
    }
}

fn is_ip(text: &[u8]) -> bool {
    if text.len() > 45 || !text.iter().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':')) {
        return false;
    }
    std::str::from_utf8(text).is_ok_and(|text| text.parse::<std::net::IpAddr>().is_ok())
}

fn is_url(text: &[u8]) -> bool {
    let Some(colon) = text.iter().take(16).position(|byte| *byte == b':') else { return false };
    let scheme = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'.' | b'-');
    // JSON may write a slash as backslash and slash.
    let behind = &text[colon + 1..];
    text[..colon].iter().all(scheme)
        && (behind.starts_with(b"//") || behind.starts_with(b"\\/\\/"))
        && !text.contains(&b' ')
}

fn is_email(text: &[u8]) -> bool {
    let Some(at) = text.iter().position(|byte| *byte == b'@') else { return false };
    let (name, domain) = (&text[..at], &text[at + 1..]);
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'+' | b'%');
    !name.is_empty()
        && text.len() <= 254
        && name.iter().chain(domain).all(letter)
        && domain.iter().position(|byte| *byte == b'.').is_some_and(|dot| dot > 0 && dot + 2 < domain.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(values: &[&str]) -> String {
        let mut field = Field::default();
        for value in values {
            field.note(Scalar::Plain, value.as_bytes());
        }
        field.label()
    }

    #[test]
    fn strings_have_types() {
        assert_eq!(joined(&["4bf92f3577b34da6"]), "hex");
        assert_eq!(joined(&["12345678"]), "str");
        assert_eq!(joined(&["12345678", "1234567a"]), "hex");
        assert_eq!(joined(&["facade"]), "str");
        assert_eq!(joined(&["123e4567-e89b-12d3-a456-426614174000"]), "uuid");
        assert_eq!(joined(&["2024-05-06T07:08:09Z", "2024-05-06 07:08:09.123+02:00", "2024-05-06"]), "time");
        assert_eq!(joined(&["2024-05-06x"]), "str");
        assert_eq!(joined(&["10.0.0.1", "::1", "fe80::1"]), "ip");
        assert_eq!(joined(&["https://example.org/a?b=c", r"http:\/\/x\/"]), "url");
        assert_eq!(joined(&["a.b@example.org"]), "email");
        assert_eq!(joined(&["dGhpcyBpcyBhIHRlc3Q=", "VGhpcyBpcyAxMjM0NQ=="]), "base64");
        assert_eq!(joined(&["internationalization"]), "str");
        assert_eq!(joined(&["some-dashed-name-without-capitals"]), "str");
        assert_eq!(joined(&["/usr/share/Some/Path/123"]), "str");
        assert_eq!(joined(&["", ""]), "str");
        assert_eq!(joined(&["", "4bf92f3577b34da6"]), "hex");
        assert_eq!(joined(&["4bf92f3577b34da6", "hello world"]), "str");
    }

    #[test]
    fn one_odd_value_does_not_rename_a_field() {
        let mut field = Field::default();
        for index in 0..63 {
            field.note(Scalar::Plain, format!("{index:08x}deadbeef").as_bytes());
        }
        field.note(Scalar::Plain, b"a word");
        field.note(Scalar::Null, b"null");
        assert_eq!(field.label(), "hex");
    }

    #[test]
    fn numbers_join() {
        let join = |scalars: &[Scalar]| {
            let mut field = Field::default();
            scalars.iter().for_each(|scalar| field.note(*scalar, b"1"));
            field.label()
        };
        assert_eq!(join(&[Scalar::Int, Scalar::Null]), "int");
        assert_eq!(join(&[Scalar::Int, Scalar::Float]), "float");
        assert_eq!(join(&[Scalar::Null]), "null");
        assert_eq!(join(&[Scalar::Bool, Scalar::Bool]), "bool");
        assert_eq!(join(&[Scalar::Int, Scalar::Plain]), "str");
    }
}

//! What type a value has, and the type many values have together.
//! Knows single values; which values stand in one place is `slot`'s.

use crate::scan::text::reading::class::{
    ALPHANUMERIC, DIGIT, HEX_LOWER, HEX_UPPER, HIGH, LETTER, LOWER, UPPER, WEAK, class, class_at, is_at,
};
use crate::scan::text::reading::compound;

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::scan::text) enum Kind {
    /// Nothing, or a dash.
    Empty,
    Int,
    Float,
    Hex,
    Uuid,
    Time,
    Ip,
    Base64,
    Url,
    Email,
    Path,
    Str,
}

/// How many kinds there are.
const KINDS: usize = 12;

impl Kind {
    pub(in crate::scan::text) fn name(self) -> &'static str {
        match self {
            Kind::Int => "int",
            Kind::Float => "float",
            Kind::Hex => "hex",
            Kind::Uuid => "uuid",
            Kind::Time => "time",
            Kind::Ip => "ip",
            Kind::Base64 => "base64",
            Kind::Url => "url",
            Kind::Email => "email",
            Kind::Path => "path",
            Kind::Str | Kind::Empty => "str",
        }
    }

    /// Whether the kind says all there is to say, so that a common beginning of its values is chance.
    pub(in crate::scan::text) fn is_whole(self) -> bool {
        !matches!(self, Kind::Str | Kind::Path | Kind::Empty)
    }

    /// The kind of `value`.
    pub(in crate::scan::text) fn of(value: &[u8]) -> Kind {
        if value.is_empty() || value == b"-" {
            return Kind::Empty;
        }
        let bits = value.iter().fold(0, |bits, &byte| bits | class(byte));
        if bits & DIGIT != 0
            && let Some(kind) = numeric(value, bits)
        {
            return kind;
        }
        lettered(value, bits)
    }
}

fn numeric(value: &[u8], bits: u16) -> Option<Kind> {
    let unsigned = value.strip_prefix(b"-").or_else(|| value.strip_prefix(b"+")).unwrap_or(value);
    if bits & LETTER == 0 {
        if unsigned.iter().all(u8::is_ascii_digit) {
            return Some(Kind::Int);
        }
        let mut parts = unsigned.split(|&byte| byte == b'.');
        let two = parts.by_ref().take(2).all(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit));
        if two && parts.next().is_none() && unsigned.contains(&b'.') {
            return Some(Kind::Float);
        }
        if is_ipv4(value) {
            return Some(Kind::Ip);
        }
    }
    if compound::numeric_time(value, 0).or_else(|| compound::named_time(value, 0)) == Some(value.len()) {
        return Some(Kind::Time);
    }
    if is_uuid(value) {
        return Some(Kind::Uuid);
    }
    is_hex(value, bits).then_some(Kind::Hex)
}

fn is_hex(value: &[u8], bits: u16) -> bool {
    let digits = value.strip_prefix(b"0x").or_else(|| value.strip_prefix(b"0X"));
    if let Some(digits) = digits {
        return !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    }
    let mixed = bits & HEX_LOWER != 0 && bits & HEX_UPPER != 0;
    !mixed && value.len() >= 4 && value.iter().all(u8::is_ascii_hexdigit)
}

fn is_ipv4(value: &[u8]) -> bool {
    let host = value.split(|&byte| byte == b':').next().unwrap_or_default();
    let port = value.get(host.len() + 1..).unwrap_or(b"1");
    let octet = |part: &[u8]| matches!(part.len(), 1..=3) && part.iter().all(u8::is_ascii_digit);
    host.split(|&byte| byte == b'.').count() == 4
        && host.split(|&byte| byte == b'.').all(octet)
        && matches!(port.len(), 1..=5)
        && port.iter().all(u8::is_ascii_digit)
}

fn is_uuid(value: &[u8]) -> bool {
    value.len() == 36
        && value.iter().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn lettered(value: &[u8], bits: u16) -> Kind {
    if memchr::memmem::find(value, b"://").is_some_and(|at| at > 1 && at < 12) {
        return Kind::Url;
    }
    if is_path(value) {
        return Kind::Path;
    }
    if is_email(value) {
        return Kind::Email;
    }
    if compound::colon_address(value, 0) == Some(value.len()) {
        return Kind::Ip;
    }
    let only_hex = bits & (LOWER | UPPER | HIGH | WEAK) == 0;
    if only_hex && value.len() >= 8 && is_hex(value, bits) {
        return Kind::Hex;
    }
    let dotted = value.starts_with(b"eyJ");
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=_-".contains(byte) || (dotted && *byte == b'.');
    let padded = value.ends_with(b"=") && value.len().is_multiple_of(4);
    if value.len() >= 16 && value.iter().all(plain) && (padded || compound::looks_random(value)) {
        return Kind::Base64;
    }
    if value.len() >= 64 && is_wrapped_base64(value) {
        return Kind::Base64;
    }
    Kind::Str
}

/// Base64 with line breaks in it.
fn is_wrapped_base64(value: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=\r\n".contains(byte);
    value.iter().all(plain) && compound::looks_random(value)
}

fn is_email(value: &[u8]) -> bool {
    let Some(at) = memchr::memchr(b'@', value) else {
        return false;
    };
    let (name, host) = (&value[..at], &value[at + 1..]);
    let part = |byte: &u8| class(*byte) & ALPHANUMERIC != 0 || b".-_+%".contains(byte);
    !name.is_empty() && name.iter().all(part) && host.iter().all(part) && host[host.len().min(1)..].contains(&b'.')
}

fn is_path(value: &[u8]) -> bool {
    let drive = class_at(value, 0) & LETTER != 0 && is_at(value, 1, b':') && matches!(value.get(2), Some(b'\\' | b'/'));
    let rooted = matches!(value[0], b'/' | b'~') && value.contains(&b'/');
    (rooted || drive || value.starts_with(b"./") || value.starts_with(b"\\\\"))
        && value.len() > 1
        && !value.iter().any(|byte| b" <>|\"?*\n".contains(byte))
}

/// How often each kind was seen in one place.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::scan::text) struct Votes([u16; KINDS]);

impl Votes {
    pub(in crate::scan::text) fn add(&mut self, kind: Kind, weight: u16) {
        if self.0[kind as usize] > u16::MAX - weight {
            self.0.iter_mut().for_each(|votes| *votes /= 2);
        }
        self.0[kind as usize] = self.0[kind as usize].saturating_add(weight);
    }

    pub(in crate::scan::text) fn absorb(&mut self, other: &Votes) {
        for (votes, more) in self.0.iter_mut().zip(other.0) {
            *votes = votes.saturating_add(more);
        }
    }

    fn of(&self, kind: Kind) -> u32 {
        u32::from(self.0[kind as usize])
    }

    /// The kind of the place: that of nearly all values, where numbers may also pass for hexadecimal ones and any
    /// value may be missing.
    pub(in crate::scan::text) fn winner(&self) -> Kind {
        let all: u32 = self.0.iter().map(|&votes| u32::from(votes)).sum::<u32>() - self.of(Kind::Empty);
        if all == 0 {
            return Kind::Empty;
        }
        let most = |votes: u32| votes * 20 >= all * 19;
        let (int, float, hex) = (self.of(Kind::Int), self.of(Kind::Float), self.of(Kind::Hex));
        if most(int) {
            return Kind::Int;
        }
        if most(int + float) {
            return Kind::Float;
        }
        // Of long random digits a few look like plain numbers.
        if hex * 4 >= int && most(hex + int + self.of(Kind::Float)) {
            return Kind::Hex;
        }
        let alone = [Kind::Uuid, Kind::Time, Kind::Ip, Kind::Url, Kind::Email, Kind::Path]
            .into_iter()
            .find(|&k| most(self.of(k)));
        if let Some(kind) = alone {
            return kind;
        }
        let random = self.of(Kind::Base64);
        if random * 2 >= all && most(random + self.of(Kind::Str) + hex + int) { Kind::Base64 } else { Kind::Str }
    }

    /// Whether values of this place may look like a word by chance.
    pub(in crate::scan::text) fn is_mixed(&self) -> bool {
        matches!(self.winner(), Kind::Str | Kind::Base64 | Kind::Empty)
    }
}

/// The classes of punctuation a common beginning may end with.
pub(in crate::scan::text) fn is_boundary(byte: u8) -> bool {
    class(byte) & ALPHANUMERIC == 0 && byte != b'%'
}

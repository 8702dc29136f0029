//! The quantities everything else is written in: addresses, spans of them, byte counts and rates.
//! Knows how they print and how they appear in JSON. Leaves parsing of typed sizes to `cli`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A virtual address in a target. Prints and serialises as `0x…`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Addr(pub u64);

impl Addr {
    /// The address `bytes` further up; saturates at the end of the address space.
    pub fn plus(self, bytes: ByteCount) -> Addr {
        Addr(self.0.saturating_add(bytes.0))
    }

    /// The distance down to `lower`, zero where `lower` is above.
    pub fn since(self, lower: Addr) -> ByteCount {
        ByteCount(self.0.saturating_sub(lower.0))
    }

    /// Rounded down to a multiple of `unit`, which must be a power of two.
    pub fn align_down(self, unit: ByteCount) -> Addr {
        Addr(self.0 & !(unit.0 - 1))
    }

    /// Rounded up to a multiple of `unit`, which must be a power of two.
    pub fn align_up(self, unit: ByteCount) -> Addr {
        Addr(self.0.saturating_add(unit.0 - 1) & !(unit.0 - 1))
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl Serialize for Addr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Addr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Addr, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.strip_prefix("0x").ok_or_else(|| de::Error::custom("an address begins with 0x"))?;
        u64::from_str_radix(digits, 16).map(Addr).map_err(de::Error::custom)
    }
}

/// A half-open stretch of addresses, `start` included and `end` not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// First address inside.
    pub start: Addr,
    /// First address past it; never below `start`.
    pub end: Addr,
}

impl Span {
    /// The span from `start` to `end`; empty at `start` where `end` is below it.
    pub fn new(start: Addr, end: Addr) -> Span {
        Span { start, end: end.max(start) }
    }

    /// The span of `size` bytes from `start`; cut at the end of the address space.
    pub fn sized(start: Addr, size: ByteCount) -> Span {
        Span::new(start, start.plus(size))
    }

    /// Its length.
    pub fn size(self) -> ByteCount {
        self.end.since(self.start)
    }

    /// Whether nothing is inside.
    pub fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// Whether `addr` is inside.
    pub fn contains(self, addr: Addr) -> bool {
        self.start <= addr && addr < self.end
    }

    /// Whether the two share an address.
    pub fn overlaps(self, other: Span) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// What the two share; empty where they share nothing.
    pub fn intersection(self, other: Span) -> Span {
        Span::new(self.start.max(other.start), self.end.min(other.end))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.start, self.end)
    }
}

/// A number of bytes. Prints as `12.3 MiB`, serialises as an integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ByteCount(pub u64);

impl ByteCount {
    /// No bytes.
    pub const ZERO: ByteCount = ByteCount(0);

    /// So many times 1024 bytes, the unit of smaps and status.
    pub const fn kib(count: u64) -> ByteCount {
        ByteCount(count.saturating_mul(1024))
    }

    /// So many times 1024 × 1024 bytes.
    pub const fn mib(count: u64) -> ByteCount {
        ByteCount(count.saturating_mul(1024 * 1024))
    }

    /// The difference, zero where `other` is larger.
    pub fn saturating_sub(self, other: ByteCount) -> ByteCount {
        ByteCount(self.0.saturating_sub(other.0))
    }

    /// The difference with its sign.
    pub fn signed_sub(self, other: ByteCount) -> i64 {
        self.0.wrapping_sub(other.0) as i64
    }

    /// What part of `whole` this is, 0 where `whole` is 0.
    pub fn share_of(self, whole: ByteCount) -> f64 {
        if whole.0 == 0 { 0.0 } else { self.0 as f64 / whole.0 as f64 }
    }
}

impl std::ops::Add for ByteCount {
    type Output = ByteCount;
    fn add(self, other: ByteCount) -> ByteCount {
        ByteCount(self.0.saturating_add(other.0))
    }
}

impl std::ops::AddAssign for ByteCount {
    fn add_assign(&mut self, other: ByteCount) {
        *self = *self + other;
    }
}

impl std::iter::Sum for ByteCount {
    fn sum<I: Iterator<Item = ByteCount>>(items: I) -> ByteCount {
        items.fold(ByteCount::ZERO, |sum, item| sum + item)
    }
}

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1024 {
            return f.pad(&format!("{} B", self.0));
        }
        let unit = byte_unit::Byte::from_u64(self.0).get_appropriate_unit(byte_unit::UnitType::Binary);
        f.pad(&format!("{unit:.1}"))
    }
}

/// Bytes per second, with its sign. Prints as `+12.3 MiB/s`, serialises as a float.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rate(pub f64);

impl Rate {
    /// `bytes` over `seconds`; zero where no time passed.
    pub fn over(bytes: i64, seconds: f64) -> Rate {
        if seconds <= 0.0 { Rate(0.0) } else { Rate(bytes as f64 / seconds) }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0.0 { "-" } else { "+" };
        f.pad(&format!("{sign}{}/s", ByteCount(self.0.abs().round() as u64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_print_in_binary_units() {
        assert_eq!(ByteCount(17).to_string(), "17 B");
        assert_eq!(ByteCount(1536).to_string(), "1.5 KiB");
        assert_eq!(ByteCount::mib(300).to_string(), "300.0 MiB");
        assert_eq!(Rate(-2048.0).to_string(), "-2.0 KiB/s");
    }

    #[test]
    fn addresses_survive_json() {
        let text = serde_json::to_string(&Addr(0x7f00_1234)).unwrap();
        assert_eq!(text, "\"0x7f001234\"");
        assert_eq!(serde_json::from_str::<Addr>(&text).unwrap(), Addr(0x7f00_1234));
        assert!(serde_json::from_str::<Addr>("\"12\"").is_err());
    }

    #[test]
    fn spans_never_turn_round() {
        let span = Span::new(Addr(9), Addr(3));
        assert!(span.is_empty());
        assert_eq!(span.size(), ByteCount::ZERO);
        assert_eq!(Span::sized(Addr(u64::MAX - 1), ByteCount(100)).size(), ByteCount(1));
    }
}

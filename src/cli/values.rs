//! Quantities as a person types them: sizes, durations, addresses, ranges, patterns. Strict: what could mean two
//! things is refused with the form that is wanted.

use std::time::Duration;

use crate::jobs::Part;
use crate::space::RegionKind;
use crate::units::{Addr, ByteCount, Span};

/// A week: longer watches are `watch`'s business, and a typo in the unit shows.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);
/// Shorter looks cost more than they show.
const SHORTEST: Duration = Duration::from_millis(1);

/// `64K`, `1.5GiB`, `4096`, `0x1000`. As byte-unit has it, K, M and G are powers of 1000, KiB, MiB and GiB of 1024.
pub fn size(text: &str) -> Result<ByteCount, String> {
    let wanted = || format!("“{text}” is no size; write it as 65536, 64K, 256MiB or 1.5GiB");
    if text.starts_with("0x") {
        return address(text).map(|addr| ByteCount(addr.0)).map_err(|_| wanted()).and_then(|size| not_zero(text, size));
    }
    if !text.is_ascii() || text.to_ascii_lowercase().ends_with("bit") {
        return Err(wanted());
    }
    let bytes = byte_unit::Byte::parse_str(text, true).map_err(|_| wanted())?;
    not_zero(text, ByteCount(bytes.as_u64()))
}

fn not_zero(text: &str, size: ByteCount) -> Result<ByteCount, String> {
    if size == ByteCount::ZERO {
        Err(format!("“{text}” is nothing; a size is at least one byte"))
    } else {
        Ok(size)
    }
}

/// `500ms`, `10s`, `5m`, `1h30m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wanted = || format!("“{text}” is no duration; write it as 500ms, 10s or 5m");
    let time: jiff::SignedDuration = text.parse().map_err(|_| wanted())?;
    let time = Duration::try_from(time).map_err(|_| format!("“{text}” is negative"))?;
    if time < SHORTEST {
        return Err(format!("“{text}” is too short; the shortest is 1ms"));
    }
    if time > LONGEST {
        return Err(format!("“{text}” is too long; the longest is a week (168h)"));
    }
    Ok(time)
}

/// `0x7f0012340000`.
pub fn address(text: &str) -> Result<Addr, String> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    digits
        .filter(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .map(Addr)
        .ok_or_else(|| format!("“{text}” is no address; write it as 0x55d0c0a1f000"))
}

/// `0xSTART-0xEND` or `0xSTART+SIZE`; never empty, never reversed, never past the end of the address space.
pub fn range(text: &str) -> Result<Span, String> {
    let wanted = || format!("“{text}” is no range; write it as 0xSTART-0xEND or 0xSTART+SIZE");
    let (start, end) = if let Some((start, end)) = text.split_once('-') {
        (address(start).map_err(|_| wanted())?, address(end).map_err(|_| wanted())?)
    } else {
        let (start, length) = text.split_once('+').ok_or_else(wanted)?;
        let start = address(start).map_err(|_| wanted())?;
        let length = size(length).map_err(|_| wanted())?;
        let end = start.0.checked_add(length.0);
        (start, Addr(end.ok_or_else(|| format!("“{text}” goes past the end of the address space"))?))
    };
    if end <= start {
        return Err(format!("“{text}” ends before it begins or holds nothing"));
    }
    Ok(Span::new(start, end))
}

/// `heap`, another kind of region, or the address of a byte in the region.
pub fn region(text: &str) -> Result<Part, String> {
    if text.starts_with("0x") || text.starts_with("0X") {
        return address(text).map(Part::At);
    }
    let kinds = [
        RegionKind::Heap,
        RegionKind::Anon,
        RegionKind::Arena,
        RegionKind::Stack,
        RegionKind::ThreadStack,
        RegionKind::Shared,
        RegionKind::File,
    ];
    kinds.into_iter().find(|kind| kind.to_string() == text).map(Part::Kind).ok_or_else(|| {
        let names = kinds.map(|kind| kind.to_string()).join(", ");
        format!("“{text}” is no region; write one of {names}, or an address in it such as 0x55d0c0a1f000")
    })
}

/// Text to search for as it stands, or bytes as `hex:de ad be ef`; `text:hex:` finds “hex:”.
pub fn pattern(text: &str) -> Result<Vec<u8>, String> {
    let bytes = match text.strip_prefix("hex:") {
        Some(digits) => {
            hexadecimal(digits).ok_or_else(|| format!("“{text}” has no whole bytes; write hex:deadbeef"))?
        }
        None => text.strip_prefix("text:").unwrap_or(text).as_bytes().to_vec(),
    };
    if bytes.is_empty() { Err("nothing to search for".into()) } else { Ok(bytes) }
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|letter| *letter != ' ')
        .map(|letter| letter.to_digit(16).map(|digit| digit as u8))
        .collect();
    let digits = digits?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("4096", 4096),
            ("64K", 64_000),
            ("64KiB", 65_536),
            ("64kib", 65_536),
            ("1.5GiB", 1_610_612_736),
            ("2 MB", 2_000_000),
            ("0x1000", 4096),
        ] {
            assert_eq!(size(text), Ok(ByteCount(bytes)), "{text}");
        }
        for text in ["", "0", "0x0", "0x", "K", "-1", "1e9", "10Mbit", "12X", "99999999999999999999GiB", "४"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        for text in ["", "10", "0s", "-5s", "5s ago", "1ns", "9999h", "10x", "s", "99999999999999999999s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ranges() {
        let span = |start, end| Span::new(Addr(start), Addr(end));
        assert_eq!(range("0x1000-0x3000"), Ok(span(0x1000, 0x3000)));
        assert_eq!(range("0x1000+0x10"), Ok(span(0x1000, 0x1010)));
        assert_eq!(range("0x1000+4KiB"), Ok(span(0x1000, 0x2000)));
        for text in [
            "",
            "0x1000",
            "0x3000-0x1000",
            "0x1000-0x1000",
            "1000-2000",
            "0x1000-2000",
            "0x1-0x2-0x3",
            "0x+0x1",
            "0xffffffffffffffff+0x2",
            "0x1ffffffffffffffff-0x2",
            "0x1000+0",
            "0x1000+-1",
            "-0x1",
        ] {
            assert!(range(text).is_err(), "{text}");
        }
    }

    #[test]
    fn regions_and_patterns() {
        assert_eq!(region("heap"), Ok(Part::Kind(RegionKind::Heap)));
        assert_eq!(region("thread-stack"), Ok(Part::Kind(RegionKind::ThreadStack)));
        assert_eq!(region("0x10"), Ok(Part::At(Addr(16))));
        assert!(region("heaps").is_err());
        assert_eq!(pattern("user_id"), Ok(b"user_id".to_vec()));
        assert_eq!(pattern("hex:dead BE ef"), Ok(vec![0xde, 0xad, 0xbe, 0xef]));
        assert_eq!(pattern("text:hex:"), Ok(b"hex:".to_vec()));
        for text in ["", "hex:", "hex:abc", "hex:zz", "text:"] {
            assert!(pattern(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in any::<String>()) {
            let _ = (size(&text), duration(&text), range(&text), region(&text), pattern(&text), address(&text));
        }

        #[test]
        fn ranges_survive_printing(start in any::<u64>(), end in any::<u64>()) {
            let span = Span { start: Addr(start), end: Addr(end) };
            prop_assert_eq!(range(&span.to_string()).ok(), (start < end).then_some(span));
        }
    }
}

//! What each of 64 bytes is, as bits: printable, zero, the upper half of a plausible UTF-16 unit.
//! Knows bytes and bits only; where runs begin and what they mean is decided by its callers.

use wide::u8x16;

/// Bytes per mask, a bit each, the first byte in the lowest bit.
pub(super) const BLOCK: usize = 64;

/// Bits at even positions: the lower halves of aligned UTF-16 units.
pub(super) const EVEN: u64 = 0x5555_5555_5555_5555;

/// Bits at the first byte of each aligned word.
pub(super) const WORDS: u64 = 0x0101_0101_0101_0101;

/// One block's bytes by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Classes {
    /// Printable ASCII, tab, line feed, carriage return.
    pub(super) ascii: u64,
    /// 0x80 and above.
    pub(super) high: u64,
    /// Zero.
    pub(super) zero: u64,
}

const LANE: usize = 16;

#[inline(always)]
fn lanes(bytes: &[u8; BLOCK]) -> [u8x16; BLOCK / LANE] {
    // Whole arrays are loaded at once; byte by byte the compiler puts them together one by one.
    let (chunks, _) = bytes.as_chunks::<LANE>();
    [u8x16::new(chunks[0]), u8x16::new(chunks[1]), u8x16::new(chunks[2]), u8x16::new(chunks[3])]
}

/// The lanes from `first` to `first + extent`, all bits set.
#[inline(always)]
fn within(lane: u8x16, first: u8, extent: u8) -> u8x16 {
    let moved = lane - u8x16::splat(first);
    moved.cmp_eq(moved.min(u8x16::splat(extent)))
}

/// The bits of all lanes of a block for which `test` holds.
#[inline(always)]
fn gather(lanes: &[u8x16; BLOCK / LANE], test: impl Fn(u8x16) -> u8x16) -> u64 {
    let bits = |index: usize| u64::from(test(lanes[index]).move_mask() as u32) << (index * LANE);
    bits(0) | bits(1) | bits(2) | bits(3)
}

/// Whether all bytes of a block are zero.
#[inline(always)]
pub(super) fn is_zero(bytes: &[u8; BLOCK]) -> bool {
    bytes.as_chunks::<8>().0.iter().fold(0, |all, word| all | u64::from_le_bytes(*word)) == 0
}

/// The classes of a block.
#[inline(always)]
pub(super) fn classify(bytes: &[u8; BLOCK]) -> Classes {
    let lanes = lanes(bytes);
    // Most blocks of text hold nothing but printable ASCII, and that is told by their extremes.
    let lowest = lanes[0].min(lanes[1]).min(lanes[2].min(lanes[3]));
    let highest = lanes[0].max(lanes[1]).max(lanes[2].max(lanes[3]));
    let (first, last) = (u8x16::splat(b' '), u8x16::splat(b'~'));
    if (lowest.min(first).cmp_eq(first) & highest.max(last).cmp_eq(last)).all() {
        return Classes { ascii: u64::MAX, ..Classes::default() };
    }
    let equals = |lane: u8x16, value: u8| lane.cmp_eq(u8x16::splat(value));
    let ascii = |lane| within(lane, b' ', 0x7e - b' ') | within(lane, b'\t', 1) | equals(lane, b'\r');
    let ascii = gather(&lanes, ascii);
    if ascii == u64::MAX {
        return Classes { ascii, ..Classes::default() };
    }
    Classes { ascii, high: gather(&lanes, |lane| lane), zero: gather(&lanes, |lane| equals(lane, 0)) }
}

/// The bytes that could be upper halves of Cyrillic or CJK units of UTF-16LE: 0x04 and 0x4e..=0x9f.
#[inline(always)]
pub(super) fn uppers(bytes: &[u8; BLOCK]) -> u64 {
    gather(&lanes(bytes), |lane| within(lane, 0x4e, 0x9f - 0x4e) | lane.cmp_eq(u8x16::splat(4)))
}

/// The first of 16 bytes that is a quote, a backslash or below a space.
#[inline(always)]
pub(super) fn string_end(bytes: &[u8; LANE]) -> Option<usize> {
    let lane = u8x16::new(*bytes);
    let equals = |value: u8| lane.cmp_eq(u8x16::splat(value));
    let found = (equals(b'"') | equals(b'\\') | within(lane, 0, 0x1f)).move_mask();
    (found != 0).then(|| found.trailing_zeros() as usize)
}

/// The bytes of a block that are in valid two-, three- and four-byte sequences of UTF-8, as far as bit patterns tell
/// (overlong forms and surrogates pass). `after` are the bytes behind the block, `spill` the bits that a sequence
/// from the block before claimed here and, on return, what this one claims of the next.
#[inline(always)]
pub(super) fn sequences(bytes: &[u8; BLOCK], high: u64, after: &[u8], spill: &mut u64) -> u64 {
    let claimed = std::mem::take(spill);
    if high == 0 {
        return claimed;
    }
    let mut lanes = lanes(bytes);
    // The next lower bit of each byte.
    let mut plane = || {
        lanes = lanes.map(|lane| lane + lane);
        gather(&lanes, |lane| lane)
    };
    let six = plane();
    let (follows, lead) = (high & !six, high & six);
    let mut next = 0u64;
    if lead >> 61 != 0 {
        for (index, byte) in after.iter().take(3).enumerate() {
            next |= u64::from(byte & 0xc0 == 0x80) << index;
        }
    }
    if lead & ((follows >> 1) | (next << 63)) == 0 {
        return claimed;
    }
    let (five, four, three) = (plane(), plane(), plane());
    let two = lead & !five;
    let triple = lead & five & !four;
    let quad = lead & five & four & !three;
    let ahead = |by: u32| (follows >> by) | (next << (64 - by));
    let two = two & ahead(1);
    let triple = triple & ahead(1) & ahead(2);
    let quad = quad & ahead(1) & ahead(2) & ahead(3);
    let (second, third, fourth) = (two | triple | quad, triple | quad, quad);
    *spill = (second >> 63) | (third >> 62) | (fourth >> 61);
    second | (second << 1) | (third << 2) | (fourth << 3) | claimed
}

/// Positions from which 8 set bits follow, in `mask` continued by `next`.
#[inline(always)]
pub(super) fn eight_following(mask: u64, next: u64) -> u64 {
    let wide = u128::from(mask) | (u128::from(next) << 64);
    let wide = wide & (wide >> 1);
    let wide = wide & (wide >> 2);
    (wide & (wide >> 4)) as u64
}

/// Even positions from which 8 set even bits follow, in `mask` continued by `next`, odd bits of both being zero.
#[inline(always)]
pub(super) fn eight_even_following(mask: u64, next: u64) -> u64 {
    let wide = u128::from(mask) | (u128::from(next) << 64);
    let wide = wide & (wide >> 2);
    let wide = wide & (wide >> 4);
    (wide & (wide >> 8)) as u64
}

/// The first bytes of aligned words all of whose bits are set.
#[inline(always)]
pub(super) fn whole_words(mask: u64) -> u64 {
    let mask = mask & (mask >> 1);
    let mask = mask & (mask >> 2);
    mask & (mask >> 4) & WORDS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(bytes: &[u8; BLOCK]) -> (Classes, u64) {
        let (mut classes, mut upper) = (Classes::default(), 0);
        for (index, &byte) in bytes.iter().enumerate() {
            let bit = 1u64 << index;
            let blank = matches!(byte, b'\t' | b'\n' | b'\r');
            classes.ascii |= if matches!(byte, 0x20..=0x7e) || blank { bit } else { 0 };
            classes.high |= if byte >= 0x80 { bit } else { 0 };
            classes.zero |= if byte == 0 { bit } else { 0 };
            upper |= if byte == 4 || (0x4e..=0x9f).contains(&byte) { bit } else { 0 };
        }
        (classes, upper)
    }

    #[test]
    fn every_byte_value_has_its_classes() {
        for value in 0..=255u8 {
            let mut bytes: [u8; BLOCK] = std::array::from_fn(|index| value.wrapping_add(index as u8));
            bytes[63] = value;
            assert_eq!((classify(&bytes), uppers(&bytes)), plain(&bytes), "at {value:#x}");
            assert_eq!(is_zero(&bytes), bytes == [0; BLOCK]);
        }
    }

    #[test]
    fn strings_end_where_a_byte_machine_says() {
        for value in 0..=255u8 {
            for at in 0..16 {
                let mut bytes = [b'x'; 16];
                bytes[at] = value;
                let expected = (value < 0x20 || value == b'"' || value == b'\\').then_some(at);
                assert_eq!(string_end(&bytes), expected);
            }
        }
    }

    proptest! {
        #[test]
        fn utf8_is_found_across_blocks(text in "[aшж世界🙂é]{0,60}") {
            let mut bytes = text.clone().into_bytes();
            bytes.resize(256, 0);
            let mut spill = 0;
            for (index, block) in bytes.as_chunks::<BLOCK>().0.iter().enumerate() {
                let classes = classify(block);
                let after = &bytes[(index + 1) * BLOCK..];
                let printable = classes.ascii | sequences(block, classes.high, after, &mut spill);
                for bit in 0..BLOCK {
                    prop_assert_eq!(printable >> bit & 1 == 1, index * BLOCK + bit < text.len());
                }
            }
        }
    }
}

//! What each of 64 bytes is, as bits: printable, zero, the upper half of a plausible UTF-16 unit.
//! Knows bytes and bits only; where runs begin and what they mean is decided by its callers.

use wide::u8x16;

use crate::sys::lanes::Block;
pub(super) use crate::sys::lanes::{BLOCK, WORDS};

/// Bytes of a string that are looked at together.
pub(super) const LANE: usize = 16;

/// Bits at even positions: the lower halves of aligned UTF-16 units.
pub(super) const EVEN: u64 = 0x5555_5555_5555_5555;

/// Printable ASCII, tab, line feed, carriage return.
#[inline(always)]
pub(super) fn ascii(block: impl Block) -> u64 {
    let printable = block.within(b' ', b'~' - b' ');
    if printable == u64::MAX {
        return printable;
    }
    printable | block.within(b'\t', 1) | block.equal(b'\r')
}

/// Bytes that could be upper halves of Cyrillic or CJK units of UTF-16LE: 0x04 and 0x4e..=0x9f.
#[inline(always)]
pub(super) fn uppers(block: impl Block) -> u64 {
    block.within(0x4e, 0x9f - 0x4e) | block.equal(4)
}

/// The first of a lane's bytes from `from` on that is a quote, a backslash or below a space.
#[inline(always)]
pub(super) fn string_end(bytes: &[u8; LANE], from: usize) -> Option<usize> {
    let lane = u8x16::new(*bytes);
    let equals = |value: u8| lane.cmp_eq(u8x16::splat(value));
    let control = lane.cmp_eq(lane.min(u8x16::splat(0x1f)));
    let found = (equals(b'"') | equals(b'\\') | control).move_mask() as u32 >> from << from;
    (found != 0).then(|| found.trailing_zeros() as usize)
}

/// The bytes of a block that are in valid two-, three- and four-byte sequences of UTF-8, as far as bit patterns tell
/// (overlong forms and surrogates pass). `high` are those above ASCII, `after` the bytes behind the block, `spill` the
/// bits that a sequence from the block before claimed here and, on return, what this one claims of the next.
#[inline(always)]
pub(super) fn sequences(block: impl Block, high: u64, after: &[u8], spill: &mut u64) -> u64 {
    let claimed = std::mem::take(spill);
    if high == 0 {
        return claimed;
    }
    let follows = block.masked(0xc0, 0x80);
    let lead = high & !follows;
    let mut next = 0u64;
    if lead >> 61 != 0 {
        for (index, byte) in after.iter().take(3).enumerate() {
            next |= u64::from(byte & 0xc0 == 0x80) << index;
        }
    }
    if lead & ((follows >> 1) | (next << 63)) == 0 {
        return claimed;
    }
    let two = block.masked(0xe0, 0xc0);
    let triple = block.masked(0xf0, 0xe0);
    let quad = block.masked(0xf8, 0xf0);
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
    use crate::sys::lanes::{self, Loader, Work};

    /// Printable ASCII, upper halves of UTF-16 and UTF-8 of a block with what follows it.
    struct All<'b>(&'b [u8; BLOCK], &'b [u8], &'b mut u64);

    impl Work for All<'_> {
        type Output = (u64, u64, u64);

        fn run<L: Loader>(self, loader: L) -> (u64, u64, u64) {
            let block = loader.load(self.0);
            (ascii(block), uppers(block), sequences(block, block.high(), self.1, self.2))
        }
    }

    #[test]
    fn every_byte_value_has_its_classes() {
        for value in 0..=255u8 {
            let mut bytes: [u8; BLOCK] = std::array::from_fn(|index| value.wrapping_add(index as u8));
            bytes[63] = value;
            let bits = |test: fn(u8) -> bool| {
                bytes.iter().enumerate().fold(0, |bits, (index, byte)| bits | u64::from(test(*byte)) << index)
            };
            let (ascii, uppers, _) = lanes::with(All(&bytes, &[], &mut 0));
            assert_eq!(ascii, bits(|byte| matches!(byte, 0x20..=0x7e | b'\t' | b'\n' | b'\r')), "at {value:#x}");
            assert_eq!(uppers, bits(|byte| byte == 4 || (0x4e..=0x9f).contains(&byte)), "at {value:#x}");
        }
    }

    #[test]
    fn strings_end_where_a_byte_machine_says() {
        for value in 0..=255u8 {
            for at in 0..16 {
                let mut bytes = [b'x'; 16];
                bytes[at] = value;
                let expected = (value < 0x20 || value == b'"' || value == b'\\').then_some(at);
                assert_eq!(string_end(&bytes, 0), expected);
                assert_eq!(string_end(&bytes, at), expected);
                assert_eq!(string_end(&bytes, at + 1), None);
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
                let after = &bytes[(index + 1) * BLOCK..];
                let (ascii, _, sequences) = lanes::with(All(block, after, &mut spill));
                let printable = ascii | sequences;
                for bit in 0..BLOCK {
                    prop_assert_eq!(printable >> bit & 1 == 1, index * BLOCK + bit < text.len());
                }
            }
        }
    }
}

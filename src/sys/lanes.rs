//! Compares 64 bytes at once, in one register where the processor has such wide ones (AVX-512, x86 servers since 2017).
//! Knows no meaning of bytes; the loops are their owners'.

use wide::u8x16;

use super::cpu::{self, Level};

/// Bytes per block.
pub const BLOCK: usize = 64;

/// Bits at the first byte of each word.
pub const WORDS: u64 = 0x0101_0101_0101_0101;

/// 64 bytes. Answers have a bit per byte, the first in the lowest.
pub trait Block: Copy {
    /// Bytes that equal `value`.
    fn equal(self, value: u8) -> u64;
    /// Bytes from `first` to `first + extent`.
    fn within(self, first: u8, extent: u8) -> u64;
    /// Bytes that equal `value` in the bits of `mask`.
    fn masked(self, mask: u8, value: u8) -> u64;
    /// Bytes from 0x80 up.
    fn high(self) -> u64;
    /// First bytes of the words (eight bytes each, the lowest first) from `first` to below `first + extent`.
    fn words_within(self, first: u64, extent: u64) -> u64;
}

/// Bits at the first bytes of words, for bits of words.
#[inline(always)]
fn spread(words: u8) -> u64 {
    let one_each = u64::from(words).wrapping_mul(WORDS) & 0x8040_2010_0804_0201;
    ((one_each + 0x7f7f_7f7f_7f7f_7f7f) >> 7) & WORDS
}

/// A way to load blocks. One that needs what not every processor has exists only where that was found.
pub trait Loader: Copy {
    /// What it loads.
    type Block: Block;
    /// Loads a block.
    fn load(self, bytes: &[u8; BLOCK]) -> Self::Block;
}

/// What is compiled for each way.
pub trait Work {
    /// What comes of it; the same in every way.
    type Output;
    /// The work. What it calls in a hot loop must be inlined into it.
    fn run<L: Loader>(self, loader: L) -> Self::Output;
}

/// Does `work` in the best way the processor knows.
pub fn with<W: Work>(work: W) -> W::Output {
    match cpu::level() {
        // SAFETY: the level says that every feature that `newest` is compiled for was found.
        #[cfg(target_arch = "x86_64")]
        Level::Newest => unsafe { zmm::newest(work) },
        _ => cpu::tuned(|| work.run(Narrow)),
    }
}

/// Four registers of 16 bytes, which every processor has or plays.
#[derive(Clone, Copy, Debug)]
pub struct Narrow;

impl Loader for Narrow {
    type Block = [u8x16; 4];

    #[inline(always)]
    fn load(self, bytes: &[u8; BLOCK]) -> [u8x16; 4] {
        // Whole arrays are loaded at once; byte by byte the compiler puts them together one by one.
        let (chunks, _) = bytes.as_chunks::<16>();
        [u8x16::new(chunks[0]), u8x16::new(chunks[1]), u8x16::new(chunks[2]), u8x16::new(chunks[3])]
    }
}

#[inline(always)]
fn gather(lanes: [u8x16; 4], test: impl Fn(u8x16) -> u8x16) -> u64 {
    let bits = |index: usize| u64::from(test(lanes[index]).move_mask() as u32) << (index * 16);
    bits(0) | bits(1) | bits(2) | bits(3)
}

impl Block for [u8x16; 4] {
    #[inline(always)]
    fn equal(self, value: u8) -> u64 {
        gather(self, |lane| lane.cmp_eq(u8x16::splat(value)))
    }

    #[inline(always)]
    fn within(self, first: u8, extent: u8) -> u64 {
        gather(self, |lane| {
            let moved = lane - u8x16::splat(first);
            moved.cmp_eq(moved.min(u8x16::splat(extent)))
        })
    }

    #[inline(always)]
    fn masked(self, mask: u8, value: u8) -> u64 {
        gather(self, |lane| (lane & u8x16::splat(mask)).cmp_eq(u8x16::splat(value)))
    }

    #[inline(always)]
    fn high(self) -> u64 {
        gather(self, |lane| lane)
    }

    #[inline(always)]
    fn words_within(self, first: u64, extent: u64) -> u64 {
        let mut words = 0;
        for (pair, lane) in self.iter().enumerate() {
            let (halves, _) = lane.as_array_ref().as_chunks::<8>();
            for (half, word) in halves.iter().enumerate() {
                let inside = u64::from_le_bytes(*word).wrapping_sub(first) < extent;
                words |= u8::from(inside) << (pair * 2 + half);
            }
        }
        spread(words)
    }
}

#[cfg(target_arch = "x86_64")]
mod zmm {
    use core::arch::x86_64::*;

    use super::{BLOCK, Block, Loader, Work, spread};

    /// One register of 64 bytes. Made by `newest` alone.
    #[derive(Clone, Copy)]
    struct Wide(());

    #[derive(Clone, Copy)]
    struct Zmm(__m512i);

    /// Compiled for processors with AVX-512's byte instructions. The caller has found them.
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512vl")]
    pub(super) fn newest<W: Work>(work: W) -> W::Output {
        work.run(Wide(()))
    }

    impl Loader for Wide {
        type Block = Zmm;

        #[inline(always)]
        fn load(self, bytes: &[u8; BLOCK]) -> Zmm {
            // SAFETY: 64 bytes are there; a `Wide` exists only where the features are, as in all that follows.
            Zmm(unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) })
        }
    }

    impl Block for Zmm {
        #[inline(always)]
        fn equal(self, value: u8) -> u64 {
            // SAFETY: as above.
            unsafe { _mm512_cmpeq_epi8_mask(self.0, _mm512_set1_epi8(value as i8)) }
        }

        #[inline(always)]
        fn within(self, first: u8, extent: u8) -> u64 {
            // SAFETY: as above.
            unsafe {
                let moved = _mm512_sub_epi8(self.0, _mm512_set1_epi8(first as i8));
                _mm512_cmple_epu8_mask(moved, _mm512_set1_epi8(extent as i8))
            }
        }

        #[inline(always)]
        fn masked(self, mask: u8, value: u8) -> u64 {
            // SAFETY: as above.
            unsafe {
                let kept = _mm512_and_si512(self.0, _mm512_set1_epi8(mask as i8));
                _mm512_cmpeq_epi8_mask(kept, _mm512_set1_epi8(value as i8))
            }
        }

        #[inline(always)]
        fn high(self) -> u64 {
            // SAFETY: as above.
            unsafe { _mm512_movepi8_mask(self.0) }
        }

        #[inline(always)]
        fn words_within(self, first: u64, extent: u64) -> u64 {
            // SAFETY: as above.
            spread(unsafe {
                let moved = _mm512_sub_epi64(self.0, _mm512_set1_epi64(first as i64));
                _mm512_cmplt_epu64_mask(moved, _mm512_set1_epi64(extent as i64))
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: u64 = 0x3000_0000_0000_0000;
    const EXTENT: u64 = 0x9000_0000_0000_0001;

    struct Answers<'b>(&'b [u8; BLOCK]);

    impl Work for Answers<'_> {
        type Output = [u64; 5];

        fn run<L: Loader>(self, loader: L) -> [u64; 5] {
            let block = loader.load(self.0);
            let words = block.words_within(FIRST, EXTENT);
            [block.equal(0x41), block.within(0x20, 0x5e), block.masked(0xe0, 0xc0), block.high(), words]
        }
    }

    #[test]
    fn every_way_answers_as_bytes_do() {
        for value in 0..=255u8 {
            let bytes: [u8; BLOCK] = std::array::from_fn(|index| value.wrapping_add(index as u8 * 3));
            let bits = |test: fn(u8) -> bool| {
                bytes.iter().enumerate().fold(0, |bits, (index, byte)| bits | u64::from(test(*byte)) << index)
            };
            let plain = [
                bits(|byte| byte == 0x41),
                bits(|byte| (0x20..=0x7e).contains(&byte)),
                bits(|byte| byte & 0xe0 == 0xc0),
                bits(|byte| byte >= 0x80),
                bytes.as_chunks::<8>().0.iter().enumerate().fold(0, |bits, (index, word)| {
                    let inside = (FIRST..FIRST + EXTENT).contains(&u64::from_le_bytes(*word));
                    bits | u64::from(inside) << (index * 8)
                }),
            ];
            assert_eq!(with(Answers(&bytes)), plain);
            assert_eq!(Answers(&bytes).run(Narrow), plain);
        }
    }
}

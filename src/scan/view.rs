//! A stretch of memory with the classes of its bytes as bits, and the search for printable runs in it.
//! Runs are maximal: where a window happens to end changes nothing. What runs hold is not asked here.

use super::mask::{self, BLOCK, EVEN};
use crate::sys::cpu;
use crate::sys::lanes::{self, Block as _, Loader, Work};
use crate::units::{Addr, ByteCount, Span};

/// Shortest run.
pub(super) const MIN_RUN: usize = 8;

/// Units of UTF-16 that make a run by themselves, whatever script.
const MIN_UNITS: usize = 16;

/// What is known of 64 bytes, a bit each.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Block {
    /// Printable, whole letters of UTF-8 included.
    text: u64,
    /// 0x80 and above.
    high: u64,
    pub(super) zero: u64,
    /// Even positions where a unit of UTF-16 could be.
    wide: u64,
    /// First bytes of words that could be pointers.
    pub(super) pointers: u64,
}

/// Masks of one view, kept from one to the next for their buffer. Bit `k` of block `i` is the byte at `64 i + k - pad`; the
/// last block is empty.
#[derive(Debug, Default)]
pub(super) struct Masks {
    pub(super) blocks: Vec<Block>,
}

/// Bytes of memory in a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'v> {
    pub(super) bytes: &'v [u8],
    pub(super) addr: Addr,
    pub(super) masks: &'v Masks,
    /// How far `addr` is above a multiple of 16: masks begin there.
    pub(super) pad: usize,
}

/// How a run is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// ASCII or UTF-8.
    Bytes,
    /// UTF-16LE.
    Wide,
}

/// Where a run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) offset: usize,
    pub(super) encoding: Encoding,
}

impl Masks {
    /// Classifies `bytes`, which begin at `addr`. Words that lead into `mapped` could be pointers.
    pub(super) fn fill(&mut self, bytes: &[u8], addr: Addr, mapped: &[Span]) {
        lanes::with(Fill { blocks: &mut self.blocks, bytes, mapped, pad: (addr.0 & 15) as usize, spill: 0 });
    }
}

/// Fills the masks of some bytes.
struct Fill<'f> {
    blocks: &'f mut Vec<Block>,
    bytes: &'f [u8],
    mapped: &'f [Span],
    pad: usize,
    /// Bytes of the next block that a letter from the last one claims.
    spill: u64,
}

impl Work for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Loader>(mut self, loader: L) {
        self.blocks.clear();
        self.blocks.reserve((self.pad + self.bytes.len()) / BLOCK + 2);
        if self.pad > 0 {
            let front = self.bytes.len().min(BLOCK - self.pad);
            let mut block = [0xff; BLOCK];
            block[self.pad..self.pad + front].copy_from_slice(&self.bytes[..front]);
            self.bytes = &self.bytes[front..];
            self.push(loader, &block, self.bytes);
        }
        while let Some((block, rest)) = self.bytes.split_first_chunk::<BLOCK>() {
            self.push(loader, block, rest);
            self.bytes = rest;
        }
        if !self.bytes.is_empty() {
            let mut block = [0xff; BLOCK];
            block[..self.bytes.len()].copy_from_slice(self.bytes);
            self.push(loader, &block, b"");
        }
        self.blocks.push(Block::default());
    }
}

impl Fill<'_> {
    #[inline(always)]
    fn push<L: Loader>(&mut self, loader: L, bytes: &[u8; BLOCK], after: &[u8]) {
        let block = loader.load(bytes);
        let zero = block.equal(0);
        if zero == u64::MAX && self.spill == 0 {
            return self.blocks.push(Block { zero, ..Block::default() });
        }
        let ascii = mask::ascii(block);
        if ascii == u64::MAX && self.spill == 0 {
            return self.blocks.push(Block { text: ascii, ..Block::default() });
        }
        let high = block.high();
        let text = ascii | mask::sequences(block, high, after, &mut self.spill);
        let wide = if text == u64::MAX { 0 } else { ((ascii & (zero >> 1)) | (mask::uppers(block) >> 1)) & EVEN };
        let into = |span: &Span| block.words_within(span.start.0, span.size().0);
        let pointers = self.mapped.iter().fold(0, |pointers, span| pointers | into(span));
        self.blocks.push(Block { text, high, zero, wide, pointers });
    }
}

impl<'v> View<'v> {
    pub(super) fn new(bytes: &'v [u8], addr: Addr, masks: &'v Masks) -> View<'v> {
        View { bytes, addr, masks, pad: (addr.0 & 15) as usize }
    }

    pub(super) fn address(&self, offset: usize) -> Addr {
        self.addr.plus(ByteCount(offset as u64))
    }

    /// Rounded down so that its address is a multiple of 8, but not below `lowest`.
    pub(super) fn align_down(&self, offset: usize, lowest: usize) -> usize {
        ((offset + self.pad) & !7).saturating_sub(self.pad).max(lowest)
    }

    /// Positions of a block at or behind `from`, a position in the masks.
    #[inline(always)]
    fn behind(from: usize, block: usize) -> u64 {
        match from.saturating_sub(block * BLOCK) {
            0 => u64::MAX,
            shift if shift < BLOCK => u64::MAX << shift,
            _ => 0,
        }
    }

    /// The first run that begins at `from` or behind it.
    pub(super) fn next_run(&self, from: usize) -> Option<Start> {
        cpu::tuned(|| self.find_run(from))
    }

    #[inline(always)]
    fn find_run(&self, from: usize) -> Option<Start> {
        let from = from + self.pad;
        let mut allowed = Self::behind(from, from / BLOCK);
        for (block, pair) in self.masks.blocks.windows(2).enumerate().skip(from / BLOCK) {
            let (here, next) = (&pair[0], &pair[1]);
            // A run cannot begin before `from`, but what was before it may make it look as if one went on there.
            let (text, units) = (here.text & allowed, here.wide & allowed);
            allowed = u64::MAX;
            if text | units == 0 {
                continue;
            }
            let starts = mask::eight_following(text, next.text);
            let mut wide = mask::eight_even_following(units, next.wide);
            if starts | wide == 0 {
                continue;
            }
            let first = starts.trailing_zeros();
            while wide != 0 && wide.trailing_zeros() < first {
                let offset = block * BLOCK + wide.trailing_zeros() as usize - self.pad;
                if self.wide_end(offset).is_some() {
                    return Some(Start { offset, encoding: Encoding::Wide });
                }
                wide &= wide - 1;
            }
            if starts != 0 {
                let offset = block * BLOCK + first as usize - self.pad;
                return Some(Start { offset, encoding: Encoding::Bytes });
            }
        }
        None
    }

    /// Where the run of bytes that begins at `start` ends, at most `longest` behind it; whether there are bytes above
    /// ASCII in it.
    pub(super) fn run_end(&self, start: usize, longest: usize) -> (usize, bool) {
        let from = start + self.pad;
        let stop = (from + longest).min(self.pad + self.bytes.len());
        let mut high = 0;
        let mut block = from / BLOCK;
        while let Some(here) = self.masks.blocks.get(block) {
            let allowed = Self::behind(from, block);
            let gaps = !here.text & allowed;
            let end = if gaps != 0 { block * BLOCK + gaps.trailing_zeros() as usize } else { (block + 1) * BLOCK };
            let inside = if gaps == 0 { u64::MAX } else { (gaps & gaps.wrapping_neg()) - 1 };
            high |= here.high & allowed & inside;
            block += 1;
            if gaps != 0 || end >= stop {
                return (end.min(stop) - self.pad, high != 0);
            }
        }
        (stop - self.pad, high != 0)
    }

    fn unit(&self, offset: usize) -> Option<u16> {
        let unit = self.bytes.get(offset..)?.first_chunk::<2>()?;
        Some(u16::from_le_bytes(*unit))
    }

    fn begins_run(&self, offset: usize) -> bool {
        let at = offset + self.pad;
        let (block, bit) = (at / BLOCK, at % BLOCK);
        let text = |block: usize| self.masks.blocks.get(block).map_or(0, |block| block.text);
        text(block) >> bit & 1 == 1 && mask::eight_following(text(block), text(block + 1)) >> bit & 1 == 1
    }

    /// Where the UTF-16 that begins at `start` ends; `None` where it is too short to be text.
    pub(super) fn wide_end(&self, start: usize) -> Option<usize> {
        let mut offset = start;
        let (mut sure, mut units) = (0, 0);
        let (mut before, mut changes) = (0, 0);
        while let Some(unit) = self.unit(offset) {
            // A run of single bytes that begins here is likelier than ideographs made of them.
            let single = self.begins_run(offset) || (offset + 1 < self.bytes.len() && self.begins_run(offset + 1));
            match unit {
                9 | 10 | 13 | 0x20..=0x7e => sure += 1,
                0x400..=0x4ff if !single => sure += 1,
                0xa0..=0xff | 0x2010..=0x2026 | 0x3000..=0x30ff | 0x4e00..=0x9fff | 0xff00..=0xffef if !single => {}
                _ => break,
            }
            units += 1;
            changes += usize::from(unit != before);
            before = unit;
            offset += 2;
            // Memory filled with one pattern may look like one ideograph over and over.
            if units == MIN_UNITS && sure < MIN_RUN && changes < MIN_UNITS / 2 {
                return None;
            }
            if units * 2 >= super::scanner::MAX_RUN {
                break;
            }
        }
        (sure >= MIN_RUN || units >= MIN_UNITS).then_some(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(bytes: &[u8], addr: u64) -> Vec<(usize, usize, Encoding)> {
        let mut masks = Masks::default();
        masks.fill(bytes, Addr(addr), &[]);
        let view = View::new(bytes, Addr(addr), &masks);
        let (mut found, mut at) = (Vec::new(), 0);
        while let Some(start) = view.next_run(at) {
            let end = match start.encoding {
                Encoding::Bytes => view.run_end(start.offset, usize::MAX / 2).0,
                Encoding::Wide => view.wide_end(start.offset).unwrap(),
            };
            found.push((start.offset, end, start.encoding));
            at = end;
        }
        found
    }

    #[test]
    fn runs_are_maximal_at_any_place() {
        for addr in 0x1000..0x1010 {
            for before in 0..140 {
                for length in [7, 8, 9, 64, 130] {
                    let mut bytes = vec![1u8; before];
                    bytes.extend(std::iter::repeat_n(b'x', length));
                    bytes.extend([0xff, b'y', b'y', 0]);
                    let expected = (length >= 8).then_some((before, before + length, Encoding::Bytes));
                    assert_eq!(runs(&bytes, addr), expected.into_iter().collect::<Vec<_>>());
                }
            }
        }
    }

    #[test]
    fn a_pattern_is_no_text() {
        for pattern in [0x99u8, 0x9a, 0xff, 0x80, 1] {
            assert_eq!(runs(&vec![pattern; 1 << 18], 0x1000), []);
        }
    }

    #[test]
    fn wide_text_is_found_at_even_addresses() {
        let text: Vec<u8> = "Привет, wide мир".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let ideographs: Vec<u8> =
            "一二三四五六七八九十一二三四五六".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for before in (0..140).step_by(2) {
            for text in [&text, &ideographs] {
                let mut bytes = vec![1u8; before];
                bytes.extend(text);
                bytes.extend([0; 9]);
                assert_eq!(runs(&bytes, 0x1000), [(before, before + text.len(), Encoding::Wide)]);
            }
        }
    }
}

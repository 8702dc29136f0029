//! All chunks in order of address: where each begins, what state it is in, and which one an address lies in, in constant
//! time. Costs 5 bytes a chunk and a hundredth of the heap's bytes; who holds a chunk, 4 more.

use crate::units::{Addr, ByteCount, Span};

/// Chunks begin at multiples of this (MALLOC_ALIGNMENT on 64-bit machines).
pub(super) const UNIT: u64 = 16;
/// From a chunk's header to what its user got.
pub(super) const HEADER: u64 = 16;
/// A region's chunks are counted in units of 32 bits.
pub(super) const LARGEST_REGION: u64 = 1 << 36;

/// What a walk of a heap of `bytes` needs beside these, at most: where all its chunks are as small as they can be (32 bytes).
/// Of most heaps it is half of that.
pub fn tables_of(bytes: ByteCount) -> ByteCount {
    ByteCount(bytes.0 / 3)
}

/// What a chunk is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Handed out.
    Live,
    /// Given back: the next chunk says so.
    Free,
    /// In a fast bin.
    Fast,
    /// In a thread's cache.
    Cached,
    /// The rest of an arena.
    Top,
    /// No chunk: memory whose header makes no sense, or somebody else's between two pieces of the main arena.
    Gap,
    /// An end mark.
    Fence,
    /// A thread's table of cached chunks; handed out by malloc to itself.
    Table,
}

const USES: [Use; 8] = [Use::Live, Use::Free, Use::Fast, Use::Cached, Use::Top, Use::Gap, Use::Fence, Use::Table];
const USE_BITS: u8 = 0b111;

/// What more is known of a chunk; one bit each beside its use.
pub(super) mod mark {
    /// A free one that is in a bin.
    pub const IN_BIN: u8 = 1 << 3;
    /// Something live points to it.
    pub const REACHED: u8 = 1 << 4;
    /// Something live may point to it: a pointer into its middle that stale memory could have left.
    pub const MAYBE: u8 = 1 << 5;
    /// It waits to be looked at as such.
    pub const DEFERRED: u8 = 1 << 6;
    /// Another unreachable one points to it.
    pub const INDIRECT: u8 = 1 << 7;
}

/// A stretch of chunks without anything else in between.
#[derive(Debug)]
pub(super) struct Region {
    pub span: Span,
    /// Index into the arenas; `None` for a chunk that is a mapping of its own.
    pub arena: Option<u32>,
    /// Index of its first chunk, and how many there are.
    pub first: u32,
    pub count: u32,
    /// A bit for each unit at which a chunk begins.
    bits: Vec<u64>,
    /// Chunks before each word of `bits`.
    ranks: Vec<u32>,
}

/// All chunks.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    /// In order of address.
    pub regions: Vec<Region>,
    /// Where each begins, in units from the start of its region.
    offsets: Vec<u32>,
    states: Vec<u8>,
}

impl Chunks {
    /// Begins a region behind all others; its chunks follow by `push`.
    pub fn begin(&mut self, span: Span, arena: Option<u32>) {
        let words = (span.size().0 / UNIT).div_ceil(64) as usize;
        let first = self.offsets.len() as u32;
        self.regions.push(Region { span, arena, first, count: 0, bits: vec![0; words], ranks: Vec::new() });
    }

    /// The next chunk of the region begun last.
    #[inline]
    pub fn push(&mut self, addr: u64, use_: Use) {
        let Some(region) = self.regions.last_mut() else { return };
        let unit = (addr - region.span.start.0) / UNIT;
        if let Some(word) = region.bits.get_mut((unit / 64) as usize) {
            *word |= 1 << (unit % 64);
            region.count += 1;
            self.offsets.push(unit as u32);
            self.states.push(use_ as u8);
        }
    }

    /// Says what the chunk pushed last is for.
    #[inline]
    pub fn correct_last(&mut self, use_: Use) {
        if let Some(state) = self.states.last_mut() {
            *state = use_ as u8;
        }
    }

    /// Ends the region begun last.
    pub fn end(&mut self) {
        let Some(region) = self.regions.last_mut() else { return };
        let mut before = 0;
        region.ranks = region
            .bits
            .iter()
            .map(|word| {
                let rank = before;
                before += word.count_ones();
                rank
            })
            .collect();
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    pub fn use_of(&self, chunk: u32) -> Use {
        self.states.get(chunk as usize).map_or(Use::Gap, |state| USES[usize::from(state & USE_BITS)])
    }

    pub fn set_use(&mut self, chunk: u32, use_: Use) {
        if let Some(state) = self.states.get_mut(chunk as usize) {
            *state = (*state & !USE_BITS) | use_ as u8;
        }
    }

    #[inline]
    pub fn has(&self, chunk: u32, mark: u8) -> bool {
        self.states.get(chunk as usize).is_some_and(|state| state & mark != 0)
    }

    #[inline]
    pub fn set(&mut self, chunk: u32, mark: u8) {
        if let Some(state) = self.states.get_mut(chunk as usize) {
            *state |= mark;
        }
    }

    /// Whether it was handed out: its content is the program's.
    #[inline]
    pub fn is_live(&self, chunk: u32) -> bool {
        self.states.get(chunk as usize).is_some_and(|state| state & USE_BITS == Use::Live as u8)
    }

    /// Whether something may point to it: what is handed out, malloc's tables, and gaps, whose content may be anything.
    #[inline]
    pub fn is_reachable(&self, chunk: u32) -> bool {
        matches!(self.use_of(chunk), Use::Live | Use::Table | Use::Gap)
    }

    /// Whether pointers in it count: a table's lead to free chunks only.
    #[inline]
    pub fn has_content(&self, chunk: u32) -> bool {
        matches!(self.use_of(chunk), Use::Live | Use::Gap)
    }

    /// The region of a chunk.
    #[inline]
    pub fn region_of(&self, chunk: u32) -> &Region {
        let index = self.regions.partition_point(|region| region.first + region.count <= chunk);
        &self.regions[index.min(self.regions.len() - 1)]
    }

    /// Where a chunk begins and ends.
    #[inline]
    pub fn span(&self, chunk: u32) -> Span {
        self.span_in(self.region_of(chunk), chunk)
    }

    /// The same where the region is known.
    #[inline]
    pub fn span_in(&self, region: &Region, chunk: u32) -> Span {
        let at =
            |chunk: u32| self.offsets.get(chunk as usize).map(|unit| region.span.start.0 + u64::from(*unit) * UNIT);
        let start = at(chunk).unwrap_or(region.span.end.0);
        let last = chunk + 1 >= region.first + region.count;
        let end = if last { region.span.end.0 } else { at(chunk + 1).unwrap_or(region.span.end.0) };
        Span { start: Addr(start), end: Addr(end) }
    }

    /// Its header included.
    pub fn size(&self, chunk: u32) -> ByteCount {
        self.span(chunk).size()
    }

    /// What its user got. The first word of the next chunk belongs to it, if there is one.
    pub fn payload(&self, chunk: u32) -> Span {
        self.payload_in(self.region_of(chunk), chunk)
    }

    /// The same where the region is known.
    #[inline]
    pub fn payload_in(&self, region: &Region, chunk: u32) -> Span {
        let span = self.span_in(region, chunk);
        let end = if region.arena.is_some() { (span.end.0 + 8).min(region.span.end.0) } else { span.end.0 };
        Span::new(Addr(span.start.0 + HEADER), Addr(end))
    }

    /// The region that holds `addr`.
    pub fn region_at(&self, addr: u64) -> Option<&Region> {
        let index = self.regions.partition_point(|region| region.span.end.0 <= addr);
        self.regions.get(index).filter(|region| region.span.start.0 <= addr)
    }

    /// The chunk that begins at `addr`.
    pub fn starting_at(&self, addr: u64) -> Option<u32> {
        let region = self.region_at(addr)?;
        if !addr.is_multiple_of(UNIT) || !region.begins(addr) {
            return None;
        }
        region.holding(addr)
    }

    /// All chunks with their regions.
    pub fn iter(&self) -> impl Iterator<Item = (&Region, u32)> {
        self.regions
            .iter()
            .flat_map(|region| (region.first..region.first + region.count).map(move |chunk| (region, chunk)))
    }
}

impl Region {
    /// Whether a chunk begins at `addr`, which lies inside.
    #[inline]
    pub fn begins(&self, addr: u64) -> bool {
        let unit = (addr - self.span.start.0) / UNIT;
        self.bits.get((unit / 64) as usize).is_some_and(|word| word >> (unit % 64) & 1 == 1)
    }

    /// The chunk that holds `addr`, which lies inside.
    #[inline]
    pub fn holding(&self, addr: u64) -> Option<u32> {
        let unit = (addr - self.span.start.0) / UNIT;
        let (word, bit) = ((unit / 64) as usize, unit % 64);
        let bits = self.bits.get(word)? & (u64::MAX >> (63 - bit));
        let rank = self.ranks.get(word)? + bits.count_ones();
        Some(self.first + rank.checked_sub(1)?)
    }
}

//! What is handed out, what is free and where it is held, and what malloc_trim would give back. Numbers are chunk sizes,
//! headers included, as mallinfo2 counts them.

use hashbrown::HashMap;

use super::chunks::{Chunks, Region, Use};
use super::glibc::Heaps;
use super::image::{Image, PAGE};
use crate::scan::Tally;
use crate::units::{Addr, ByteCount, Span};

/// Sizes listed, largest sums first.
const SIZES: usize = 64;

/// Chunks by what they are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Handed out to the program, mmapped ones included; not malloc's own tables.
    pub in_use: Tally,
    /// In bins.
    pub binned: Tally,
    /// In fast bins.
    pub fast: Tally,
    /// In threads' caches.
    pub cached: Tally,
    /// The rests of arenas.
    pub top: Tally,
    /// Those in use that are mappings of their own.
    pub mmapped: Tally,
    /// Threads' tables of cached chunks, end marks: malloc's own.
    pub own: Tally,
    /// What made no sense, or is somebody else's.
    pub gaps: Tally,
    /// Resident whole pages in binned chunks and tops: what malloc_trim(0) would give back.
    pub trimmable: ByteCount,
}

impl Totals {
    /// Free of any kind but top.
    pub fn free(&self) -> Tally {
        let mut free = self.binned;
        free += self.fast;
        free += self.cached;
        free
    }
}

/// One arena.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArenaTotals {
    /// Where its malloc_state is; `None` for all mmapped chunks together.
    pub address: Option<Addr>,
    /// Whether it is the main one.
    pub is_main: bool,
    /// What it has from the system.
    pub system: ByteCount,
    /// Its chunks.
    pub totals: Totals,
}

/// Chunks of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeTotals {
    /// Of each, header included.
    pub size: ByteCount,
    /// Handed out.
    pub in_use: Tally,
    /// Free.
    pub free: Tally,
}

/// The books.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account {
    /// All arenas and mmapped chunks.
    pub totals: Totals,
    /// Each arena.
    pub arenas: Vec<ArenaTotals>,
    /// The sizes that weigh most.
    pub sizes: Vec<SizeTotals>,
}

/// Adds up all chunks.
pub(super) fn account(image: &Image<'_>, heaps: &Heaps) -> Account {
    let chunks = &heaps.chunks;
    let mut arenas: Vec<ArenaTotals> = heaps
        .arenas()
        .map(|arena| ArenaTotals {
            address: Some(Addr(arena.start)),
            is_main: arena.is_main,
            system: ByteCount(arena.system),
            totals: Totals::default(),
        })
        .collect();
    let mut all = Totals::default();
    let mut sizes: HashMap<u64, SizeTotals, foldhash::fast::FixedState> = HashMap::default();
    for region in &chunks.regions {
        let mut mine = Totals::default();
        for chunk in region.first..region.first + region.count {
            add(image, chunks, region, chunk, &mut mine, &mut sizes);
        }
        merge(&mut all, &mine);
        if let Some(arena) = region.arena.and_then(|index| arenas.get_mut(index as usize)) {
            merge(&mut arena.totals, &mine);
        }
    }
    let mut sizes: Vec<SizeTotals> = sizes.into_values().collect();
    sizes.sort_by_key(|row| (std::cmp::Reverse(row.in_use.bytes + row.free.bytes), row.size));
    sizes.truncate(SIZES);
    Account { totals: all, arenas, sizes }
}

fn add(
    image: &Image<'_>,
    chunks: &Chunks,
    region: &Region,
    chunk: u32,
    totals: &mut Totals,
    sizes: &mut HashMap<u64, SizeTotals, foldhash::fast::FixedState>,
) {
    let span = chunks.span_in(region, chunk);
    let size = span.size();
    let use_ = chunks.use_of(chunk);
    let tally = match use_ {
        Use::Live => &mut totals.in_use,
        Use::Free => &mut totals.binned,
        Use::Fast => &mut totals.fast,
        Use::Cached => &mut totals.cached,
        Use::Top => &mut totals.top,
        Use::Table | Use::Fence => &mut totals.own,
        Use::Gap => &mut totals.gaps,
    };
    tally.add(size);
    if region.arena.is_none() && use_ == Use::Live {
        totals.mmapped.add(size);
    }
    if matches!(use_, Use::Free | Use::Top) && size.0 >= PAGE {
        totals.trimmable += image.present(whole_pages(span, use_));
    }
    if matches!(use_, Use::Live | Use::Free | Use::Fast | Use::Cached) {
        let empty = || SizeTotals { size, in_use: Tally::default(), free: Tally::default() };
        let row = sizes.entry(size.0).or_insert_with(empty);
        if use_ == Use::Live { row.in_use.add(size) } else { row.free.add(size) }
    }
}

/// The pages of a free chunk that hold nothing of malloc's: mtrim keeps the header with all links (48 bytes), systrim one
/// page of top for its header.
fn whole_pages(span: Span, use_: Use) -> Span {
    const LINKS: u64 = 48;
    let lead = if use_ == Use::Top { 32 } else { LINKS };
    let page = ByteCount(PAGE);
    Span::new(span.start.plus(ByteCount(lead)).align_up(page), span.end.align_down(page))
}

fn merge(into: &mut Totals, from: &Totals) {
    into.in_use += from.in_use;
    into.binned += from.binned;
    into.fast += from.fast;
    into.cached += from.cached;
    into.top += from.top;
    into.mmapped += from.mmapped;
    into.own += from.own;
    into.gaps += from.gaps;
    into.trimmable += from.trimmable;
}

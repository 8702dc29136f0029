//! Where the chunks of an arena lie: the brk heap, further pieces of the main arena, the heaps of a thread's arena, and
//! chunks that are mappings of their own. Knows extents only; the walk is next door.

use super::super::chunks::LARGEST_REGION;
use super::super::image::{Image, PAGE, WORD};
use super::super::terrain::Terrain;
use super::locate::{ArenaState, Layout, Malloc};
use super::params::Params;
use super::walk::Walker;
use crate::space::spans::joined;
use crate::units::{Addr, ByteCount, Span};

/// A stretch of chunks, to be walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub span: Span,
    /// The arena it belongs to; `None` for a chunk that is a mapping.
    pub arena: Option<u32>,
    /// Bytes in front of the first chunk that the arena, or the mapping, counts as its own.
    pub lead: u64,
}

/// All extents of `malloc`, whose arenas are numbered from `first`; `claimed` grows by them.
pub(super) fn extents(
    image: &Image<'_>,
    terrain: &Terrain,
    (malloc, params): (&Malloc, Option<Params>),
    first: u32,
    claimed: &mut Vec<Span>,
) -> Vec<Extent> {
    let mut extents = Vec::new();
    for (index, arena) in malloc.arenas.iter().enumerate().skip(1) {
        let (heaps, _) = thread_heaps(image, malloc.layout, arena);
        for (heap, start) in heaps {
            let span = Span::new(start, heap.end);
            claimed.push(heap);
            extents.push(Extent { span, arena: Some(first + index as u32), lead: start.since(heap.start).0 });
        }
    }
    if let Some(main) = malloc.arenas.first() {
        let found = main_extents(image, terrain, main, params, first, claimed);
        claimed.extend(found.iter().map(|extent| extent.span));
        extents.extend(found);
    }
    *claimed = joined(std::mem::take(claimed));
    extents
}

fn main_extents(
    image: &Image<'_>,
    terrain: &Terrain,
    main: &ArenaState,
    params: Option<Params>,
    index: u32,
    claimed: &[Span],
) -> Vec<Extent> {
    let mut extents = Vec::new();
    let walker = Walker { image, is_main: true, top: main.top };
    if let Some(brk) = brk_extent(image, terrain, main, params) {
        extents.push(Extent { arena: Some(index), ..brk });
    }
    let mut have: u64 = extents.iter().map(|extent| extent.span.size().0 + extent.lead).sum();
    if have >= main.system {
        return extents;
    }
    let taken = joined(claimed.iter().copied().chain(extents.iter().map(|extent| extent.span)).collect());
    for span in terrain.unclaimed(&taken) {
        let mut at = span.start.align_up(ByteCount(PAGE)).0;
        while at < span.end.0 && have < main.system {
            match walker.closed_end(at, span.end.0) {
                Some(end) => {
                    extents.push(Extent { span: Span::new(Addr(at), Addr(end)), arena: Some(index), lead: 0 });
                    have += end - at;
                    at = end.next_multiple_of(PAGE);
                }
                None => at += PAGE,
            }
        }
    }
    extents
}

/// The brk heap from its first chunk to the end of top, or of the last fence where top lies elsewhere.
fn brk_extent(image: &Image<'_>, terrain: &Terrain, main: &ArenaState, params: Option<Params>) -> Option<Extent> {
    let base = params.map(|params| params.brk_start).filter(|start| *start != 0)?;
    let area = terrain.anonymous_at(base)?;
    let walker = Walker { image, is_main: true, top: main.top };
    let top_end = image.word(main.top.wrapping_add(WORD)).map(|size| main.top.wrapping_add(size & !7));
    let start = base.next_multiple_of(16);
    let start = if walker.is_plausible(start, area.end.0) { start } else { walker.first_chunk(start, area.end.0)? };
    let end = match top_end.filter(|end| area.contains(Addr(main.top)) && *end <= area.end.0 && *end > main.top) {
        Some(end) => end,
        None => walker.closed_end(start, area.end.0)?,
    };
    let span = Span::new(Addr(start), Addr(end.min(start.saturating_add(LARGEST_REGION))));
    Some(Extent { span, arena: None, lead: start - base })
}

/// The heaps of a thread's arena with their first chunks, and whether they are all: their chain closes and their
/// sizes are what the arena has from the system.
///
/// HEAP_MAX_SIZE is 64 MiB, or four huge pages under the tunable hugetlb (2.35 to 2.42); neither field nor
/// tunable tells reliably, so sizes are tried until one fits.
pub(super) fn thread_heaps(image: &Image<'_>, layout: Layout, arena: &ArenaState) -> (Vec<(Span, Addr)>, bool) {
    const USUAL: u32 = 26;
    let info = layout.heap_info.unwrap_or(48);
    let mut best = Vec::new();
    for bits in [USUAL].into_iter().chain((16..=36).filter(|bits| *bits != USUAL)) {
        let Some(heaps) = chain(image, arena, info, layout.state_size(), 1 << bits) else { continue };
        let size: u64 = heaps.iter().map(|(heap, _)| heap.size().0).sum();
        if size == arena.system {
            return (heaps, true);
        }
        if best.is_empty() {
            best = heaps;
        }
    }
    (best, false)
}

fn chain(
    image: &Image<'_>,
    arena: &ArenaState,
    info: u64,
    state_size: u64,
    heap_max: u64,
) -> Option<Vec<(Span, Addr)>> {
    const MOST_HEAPS: usize = 1 << 16;
    let mut heaps = Vec::new();
    let mut heap = arena.top & !(heap_max - 1);
    loop {
        let size = image.word(heap.checked_add(16)?)?;
        let is_first = heap + info == arena.start;
        if image.word(heap)? != arena.start || size > heap_max || size < info || heaps.len() >= MOST_HEAPS {
            return None;
        }
        let start = if is_first { (arena.start + state_size).next_multiple_of(16) } else { heap + info };
        let span = Span::sized(Addr(heap), ByteCount(size));
        if start >= span.end.0 || heaps.iter().any(|(known, _): &(Span, Addr)| known.overlaps(span)) {
            return None;
        }
        heaps.push((span, Addr(start)));
        if is_first {
            heaps.reverse();
            return Some(heaps);
        }
        heap = image.word(heap + WORD)?;
    }
}

/// Chunks that are mappings of their own, in anonymous memory that is not claimed.
pub(super) fn mmapped(image: &Image<'_>, terrain: &Terrain, layout: Layout, claimed: &[Span]) -> Vec<Extent> {
    let mut found = Vec::new();
    for span in terrain.unclaimed(claimed) {
        let mut at = span.start.align_up(ByteCount(PAGE)).0;
        while at < span.end.0 {
            let base = at;
            let chunk = mmapped_at(image, layout, base, span.end.0);
            at = match chunk {
                Some(chunk) => chunk.end.0.next_multiple_of(PAGE),
                None => at + PAGE,
            };
            found.extend(chunk.map(|span| Extent { span, arena: None, lead: span.start.0 - base }));
        }
    }
    found
}

/// The mmapped chunk whose mapping begins at `base`. memalign leaves a header that looks sound at the base, so the
/// deepest one counts: in the first page, or a step before a larger alignment.
fn mmapped_at(image: &Image<'_>, layout: Layout, base: u64, limit: u64) -> Option<Span> {
    let first_page = image.bytes(base, PAGE);
    let words = first_page.as_chunks::<16>().0;
    let is_mapped = |half: &[u8; 16]| half[8] & 7 == 2;
    let deepest = words.iter().rposition(is_mapped)?;
    for unit in (0..=deepest).rev().filter(|unit| is_mapped(&words[*unit])) {
        let Some(chunk) = mapped_chunk(image, layout, base + unit as u64 * 16, base, limit) else { continue };
        if unit > 0 {
            return Some(chunk);
        }
        let aligned = (13..40).map(|bits| (base + 16).next_multiple_of(1 << bits) - 16);
        let deeper = aligned.take_while(|header| *header + 32 <= chunk.end.0);
        let deeper = deeper.filter_map(|header| mapped_chunk(image, layout, header, base, limit));
        return deeper.last().or(Some(chunk));
    }
    None
}

/// The chunk at `header` if it is a mapping from `base` on: prev_size tells how far it is from the base; its end is a
/// page's, in 2.43 after 16 more bytes, and bit 0 of prev_size then stands for huge pages.
fn mapped_chunk(image: &Image<'_>, layout: Layout, header: u64, base: u64, limit: u64) -> Option<Span> {
    let (lead, size) = (image.word(header)?, image.word(header + WORD)?);
    let (lead, tail) = if layout.has_fast_bins() { (lead, 0) } else { (lead & !1, 16) };
    let length = size & !7;
    let end = header.checked_add(length)?.checked_add(tail)?;
    let whole = lead == header - base && end.is_multiple_of(PAGE) && end <= limit;
    (size & 7 == 2 && length >= 32 && whole).then(|| Span::new(Addr(header), Addr(end)))
}

/// How many bytes of `extents` an arena has, and of each its lead.
pub(super) fn size_of(extents: &[Extent], arena: u32) -> ByteCount {
    let mine = extents.iter().filter(|extent| extent.arena == Some(arena));
    ByteCount(mine.map(|extent| extent.span.size().0 + extent.lead).sum())
}

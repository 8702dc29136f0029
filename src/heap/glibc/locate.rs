//! Where glibc keeps its arenas: found by the shape of their bins, never by symbols or a version. A bin is a list head
//! seen as a chunk; 127 in a row (NBINS - 1, glibc 2.3 to 2.43) are an arena. Fields lie at fixed places before and
//! behind them; the few that moved are told apart by what they must hold.

use super::super::image::{Image, PAGE, WORD};
use crate::units::Span;

/// Bins in an arena, unsorted, small and large.
pub(super) const BINS: u64 = 127;
/// A run of so many is looked at; a thread inside malloc may have one bin half linked.
const FEWEST_BINS: u64 = 120;
/// Bytes of a bin's two links.
pub(super) const BIN: u64 = 2 * WORD;
/// From the bins to the field `next`: the links of 127 bins and the map of bins (4 times 32 bits).
const NEXT: u64 = BINS * BIN + 16;
/// From the start of malloc_state to its bins: 0x70 in 2.27 to 2.42, 0x68 before, 0x18 from 2.43 on.
const BINS_AT: [u64; 3] = [0x70, 0x68, 0x18];
/// More arenas than this are a loop of garbage.
const MOST_ARENAS: usize = 1 << 16;

/// How this glibc lays out malloc_state and heap_info.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// From the start of malloc_state to its bins.
    pub bins_at: u64,
    /// Whether malloc_state counts the threads attached to it (2.23).
    pub attached: bool,
    /// Bytes of heap_info where a thread's arena shows it: 32, or 48 from 2.35 on.
    pub heap_info: Option<u64>,
}

impl Layout {
    /// Bytes of malloc_state.
    pub fn state_size(self) -> u64 {
        self.bins_at + NEXT + 2 * WORD + if self.attached { WORD } else { 0 } + 2 * WORD
    }

    /// Whether there are fast bins; 2.43 has none.
    pub fn has_fast_bins(self) -> bool {
        self.bins_at != BINS_AT[2]
    }

    /// The versions of glibc that lay it out so.
    pub fn versions(self) -> &'static str {
        match (self.bins_at, self.attached, self.heap_info) {
            (0x18, ..) => "2.43 or later",
            (0x68, false, _) => "2.17 to 2.22",
            (0x68, true, _) => "2.23 to 2.26",
            (_, _, Some(48)) => "2.35 to 2.42",
            (_, _, Some(_)) => "2.27 to 2.34",
            _ => "2.27 to 2.42",
        }
    }
}

/// One arena as its malloc_state says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArenaState {
    /// Where its malloc_state is.
    pub start: u64,
    /// Whether it is the one in libc's data, which grows by brk.
    pub is_main: bool,
    /// Where its first bin's links are.
    pub bins: u64,
    /// Its top chunk.
    pub top: u64,
    /// Bytes it has from the system.
    pub system: u64,
    /// Whether a thread held its lock.
    pub locked: bool,
    /// Its bins that are no lists.
    pub bad_bins: u64,
}

/// All arenas of one libc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malloc {
    /// How they are laid out.
    pub layout: Layout,
    /// The main one first, then in the order of their ring.
    pub arenas: Vec<ArenaState>,
}

/// All mallocs of glibc whose main arenas lie in `data`.
pub(super) fn find(image: &Image<'_>, data: &[Span]) -> Vec<Malloc> {
    let mut found: Vec<Malloc> = Vec::new();
    for span in data {
        let mut from = span.start.0;
        while let Some(bin) = next_empty_bin(image, Span { start: crate::units::Addr(from), end: span.end }) {
            let (start, end) = run_around(image, bin, *span);
            if (end - start) / BIN >= FEWEST_BINS {
                found.extend(best_placement(image, start, end));
            }
            from = end.max(bin + BIN);
        }
    }
    found
}

fn next_empty_bin(image: &Image<'_>, span: Span) -> Option<u64> {
    let at = |(addr, word): &(u64, u64)| *word == addr.wrapping_sub(BIN) && image.word(addr + WORD) == Some(*word);
    image.words(span).find(at).map(|(addr, _)| addr)
}

/// Whether the links at `addr` are a list head that its neighbours know.
fn is_bin(image: &Image<'_>, addr: u64) -> bool {
    let head = addr.wrapping_sub(BIN);
    let (Some(fd), Some(bk)) = (image.word(addr), image.word(addr.wrapping_add(WORD))) else { return false };
    let points = |at: u64| image.word(at) == Some(head);
    (fd == head && bk == head) || (points(fd.wrapping_add(24)) && points(bk.wrapping_add(16)))
}

/// The bins in a row around `bin`, one bad one at a time forgiven.
fn run_around(image: &Image<'_>, bin: u64, span: Span) -> (u64, u64) {
    let (mut start, mut end) = (bin, bin + BIN);
    loop {
        let step = [1, 2].into_iter().find(|step| {
            let at = start.wrapping_sub(step * BIN);
            at >= span.start.0 && at < start && is_bin(image, at)
        });
        match step {
            Some(step) if (end - start) / BIN < 2 * BINS => start -= step * BIN,
            _ => break,
        }
    }
    loop {
        let step = [0, 1].into_iter().find(|step| is_bin(image, end + step * BIN));
        match step {
            Some(step) if (end - start) / BIN < 2 * BINS => end += (step + 1) * BIN,
            _ => break,
        }
    }
    (start, end)
}

/// The malloc whose 127 bins are about `start` to `end`: the placement with the fewest bad bins whose ring closes.
fn best_placement(image: &Image<'_>, start: u64, end: u64) -> Option<Malloc> {
    let length = (end - start) / BIN;
    let slack = length.abs_diff(BINS) * BIN;
    let first = if length < BINS { start.saturating_sub(slack) } else { start };
    let placements = (first..=first + slack).step_by(BIN as usize);
    let candidates = placements.flat_map(|bins| BINS_AT.into_iter().map(move |at| (bins, at)));
    let mallocs = candidates.filter_map(|(bins, at)| malloc_at(image, bins, at));
    mallocs.min_by_key(|malloc| malloc.arenas.first().map_or(u64::MAX, |main| main.bad_bins))
}

fn malloc_at(image: &Image<'_>, bins: u64, bins_at: u64) -> Option<Malloc> {
    let start = bins.checked_sub(bins_at)?;
    let mut layout = Layout { bins_at, ..Layout::default() };
    let next = bins + NEXT;
    let (small, middle, large) = (image.word(next + 16)?, image.word(next + 24)?, image.word(next + 32)?);
    layout.attached = small < 1 << 16 && large >= middle;
    let mut arenas = vec![arena_at(image, start, layout, true)?];
    let mut at = image.word(next)?;
    while at != start {
        let info = heap_info_before(image, at)?;
        if *layout.heap_info.get_or_insert(info) != info || arenas.len() >= MOST_ARENAS {
            return None;
        }
        arenas.push(arena_at(image, at, layout, false)?);
        at = image.word(at + bins_at + NEXT)?;
    }
    Some(Malloc { layout, arenas })
}

/// The size of the heap_info right before a thread's arena at `addr`: ar_ptr leads back, prev is null.
fn heap_info_before(image: &Image<'_>, addr: u64) -> Option<u64> {
    const HEAP_ALIGNMENT: u64 = 64 * 1024;
    [32u64, 48].into_iter().find(|size| {
        let heap = addr.wrapping_sub(*size);
        heap.is_multiple_of(HEAP_ALIGNMENT) && image.word(heap) == Some(addr) && image.word(heap + WORD) == Some(0)
    })
}

fn arena_at(image: &Image<'_>, start: u64, layout: Layout, is_main: bool) -> Option<ArenaState> {
    let bins = start.checked_add(layout.bins_at)?;
    let system_at = bins + NEXT + if layout.attached { 24 } else { 16 };
    let (system, most) = (image.word(system_at)?, image.word(system_at + WORD)?);
    if system > most || !system.is_multiple_of(16) || (!is_main && !system.is_multiple_of(PAGE)) {
        return None;
    }
    let bad_bins = (0..BINS).filter(|bin| !is_bin(image, bins + bin * BIN)).count() as u64;
    if bad_bins > BINS - FEWEST_BINS {
        return None;
    }
    let top = image.word(bins - BIN)?;
    let locked = image.half(start)? != 0;
    Some(ArenaState { start, is_main, bins, top, system, locked, bad_bins })
}

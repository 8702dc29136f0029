//! From chunk to chunk: each header says where the next one is, and whether the one before is free. Where a header makes
//! no sense the next place is looked for from which chunks follow each other again; what lies between is a gap.

use super::super::chunks::{Chunks, Use};
use super::super::image::{Image, WORD};
use super::regions::Extent;
use crate::units::ByteCount;

/// Chunks that must follow each other before a place counts as found again.
const PROOF: u32 = 24;
/// Smallest chunk (MINSIZE).
const SMALLEST: u64 = 32;
/// Size of an end mark.
const FENCE: u64 = 16;
/// Two end marks, and before them what was left of a top too small to be a chunk (sysmalloc).
const MOST_FENCES: u32 = 3;

const IN_USE_BEFORE: u64 = 1;
const MAPPED: u64 = 2;
const NOT_MAIN: u64 = 4;
const FLAGS: u64 = 7;

/// How to walk one arena's chunks.
#[derive(Clone, Copy)]
pub(super) struct Walker<'i, 'm> {
    pub image: &'i Image<'m>,
    pub is_main: bool,
    /// The arena's top chunk.
    pub top: u64,
}

/// What was not a chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Skipped {
    /// Headers that make no sense.
    pub places: u64,
    /// Bytes skipped after them.
    pub bytes: ByteCount,
    /// Bytes of others between two pieces of the brk heap.
    pub foreign: ByteCount,
}

enum Step {
    Chunk { next: u64, before_is_live: bool },
    Fence { next: u64, before_is_live: bool },
    Bad,
}

impl Walker<'_, '_> {
    #[inline]
    fn step(&self, at: u64, end: u64) -> Step {
        let Some(word) = self.image.word(at + WORD) else { return Step::Bad };
        let size = word & !FLAGS;
        let before_is_live = word & IN_USE_BEFORE != 0;
        if word & MAPPED != 0 || (self.is_main && word & NOT_MAIN != 0) || !size.is_multiple_of(FENCE) {
            return Step::Bad;
        }
        let Some(next) = at.checked_add(size).filter(|next| *next <= end) else { return Step::Bad };
        match size {
            0 if before_is_live => Step::Fence { next: at + FENCE, before_is_live },
            FENCE => Step::Fence { next, before_is_live },
            _ if size < SMALLEST => Step::Bad,
            _ => Step::Chunk { next, before_is_live },
        }
    }

    /// Whether chunks follow each other from `at` on.
    pub fn is_plausible(&self, at: u64, end: u64) -> bool {
        self.proves(at, end, PROOF)
    }

    fn proves(&self, mut at: u64, end: u64, chunks: u32) -> bool {
        for _ in 0..chunks {
            match self.step(at, end) {
                Step::Chunk { .. } if at == self.top => return true,
                Step::Chunk { next, .. } => at = next,
                Step::Fence { .. } | Step::Bad => return false,
            }
        }
        true
    }

    /// The first place from `at` on from which chunks follow each other.
    pub fn first_chunk(&self, at: u64, end: u64) -> Option<u64> {
        (at..end.saturating_sub(SMALLEST)).step_by(16).find(|at| self.proves(*at, end, 64))
    }

    /// The end of a piece that begins with a chunk at `at`: two fences, or the end of top. `None` where it has none.
    pub fn closed_end(&self, at: u64, end: u64) -> Option<u64> {
        let first = self.image.word(at + WORD)?;
        if self.image.word(at)? != 0 || first & FLAGS != IN_USE_BEFORE || first < SMALLEST {
            return None;
        }
        let (mut now, mut fences) = (at, 0);
        loop {
            match self.step(now, end) {
                Step::Chunk { next, .. } if now == self.top => return Some(next),
                Step::Chunk { next, .. } if fences == 0 => now = next,
                Step::Fence { next, .. } => {
                    (now, fences) = (next, fences + 1);
                    let more = matches!(self.step(now, end), Step::Fence { .. }) && fences < MOST_FENCES;
                    if fences >= 2 && !more {
                        return Some(now);
                    }
                }
                Step::Chunk { .. } | Step::Bad => return None,
            }
            if now >= end {
                return None;
            }
        }
    }

    /// Puts all chunks of `extent` into `chunks`.
    pub fn walk(&self, extent: &Extent, chunks: &mut Chunks) -> Skipped {
        let end = extent.span.end.0;
        let mut skipped = Skipped::default();
        let (mut at, mut fences) = (extent.span.start.0, 0);
        chunks.begin(extent.span, extent.arena);
        let mut is_first = true;
        while at < end {
            match self.step(at, end) {
                Step::Chunk { next, before_is_live } if fences < 2 || at == self.top => {
                    if !before_is_live && !is_first {
                        chunks.correct_last(Use::Free);
                    }
                    chunks.push(at, if at == self.top { Use::Top } else { Use::Live });
                    (at, fences) = (next, 0);
                }
                Step::Fence { next, before_is_live } if fences < MOST_FENCES => {
                    if !before_is_live && fences == 0 && !is_first {
                        chunks.correct_last(Use::Free);
                    }
                    chunks.push(at, Use::Fence);
                    (at, fences) = (next, fences + 1);
                }
                _ => {
                    let found = self.found_again(at, end, fences >= 2);
                    let bytes = ByteCount(found - at);
                    if fences >= 2 {
                        skipped.foreign += bytes;
                    } else {
                        skipped.places += 1;
                        skipped.bytes += bytes;
                    }
                    if bytes > ByteCount::ZERO {
                        chunks.push(at, Use::Gap);
                    }
                    (at, fences) = (found, 0);
                    // Whether a gap is free says nothing.
                    is_first = true;
                    continue;
                }
            }
            is_first = false;
        }
        chunks.end();
        skipped
    }

    /// Where chunks follow each other again; at `at` itself only behind two fences, where a next piece may follow.
    fn found_again(&self, at: u64, end: u64, may_follow: bool) -> u64 {
        let from = if may_follow { at } else { at + 16 };
        (from..end).step_by(16).find(|at| self.proves(*at, end, PROOF)).unwrap_or(end)
    }
}

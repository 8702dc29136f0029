//! What malloc leaves behind in memory that is handed out again without being written: whole headers of chunks that once
//! were free, with the links of their bin. Such a link is no pointer of the program's.

use super::image::{Image, WORD};
use super::reach::Flooding;

/// What a word is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stale {
    /// A pointer.
    No,
    /// It stands as a link would: behind a size, beside another link.
    Likely,
    /// And the size stands again where that chunk ended, as free chunks have it.
    Surely,
}

/// Flags of a size word that a free chunk may have: the one before is in use, not of the main arena.
const FREE_FLAGS: u64 = 1 | 4;
const LARGEST: u64 = 1 << 32;

/// Whether the word at `addr`, in memory that begins at `start`, is a link left behind: the size is one word before a
/// forward link, two before a backward one. A chunk's own header lies before its memory and is none left behind.
pub(super) fn look(flooding: &Flooding<'_, '_>, addr: u64, start: u64) -> Stale {
    let image = flooding.image;
    let beside = [(WORD, addr + WORD), (2 * WORD, addr.wrapping_sub(WORD))];
    // No program has a pointer to a bin. At its beginning a chunk may have one beside a pointer all the same: the half of
    // its last links that was not written yet.
    let to_bins = |at: u64| image.word(at).is_some_and(|word| flooding.is_bin(word));
    let beside_bin = addr >= start + 2 * WORD && (to_bins(addr + WORD) || to_bins(addr.wrapping_sub(WORD)));
    let mut found = if beside_bin { Stale::Likely } else { Stale::No };
    for (back, other) in beside {
        let Some(size_at) = addr.checked_sub(back).filter(|at| *at >= start) else { continue };
        let Some(size) = image.word(size_at).and_then(free_size) else { continue };
        let links = image.word(other).is_some_and(|word| word.is_multiple_of(16) && flooding.is_old_link(word));
        if links && ends_as_free(image, size_at - WORD, size) {
            return Stale::Surely;
        }
        if links {
            found = Stale::Likely;
        }
    }
    found
}

fn free_size(word: u64) -> Option<u64> {
    let size = word & !7;
    let sound = word & 7 & !FREE_FLAGS == 0 && word & 1 == 1 && size >= 32 && size.is_multiple_of(16) && size < LARGEST;
    sound.then_some(size)
}

fn ends_as_free(image: &Image<'_>, header: u64, size: u64) -> bool {
    image.word(header + size) == Some(size)
}

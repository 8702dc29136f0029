//! malloc_par (`mp_`): where the brk heap begins and what the allocator itself counts of its mmapped chunks. Found by
//! what its fields must hold.

use super::super::image::{Image, PAGE, WORD};
use super::super::terrain::Terrain;
use crate::units::Span;

/// DEFAULT_MMAP_MAX, the value of n_mmaps_max (glibc 2.17 to 2.43).
const MMAPS_MAX: u32 = 65536;

/// What malloc_par says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// Where the brk heap begins; 0 where there is none.
    pub brk_start: u64,
    /// Chunks that are mappings of their own.
    pub mmaps: u64,
    /// Their bytes.
    pub mmapped: u64,
}

/// The malloc_par in `data`, where one is: several may look like one, then the one with a heap and with chunks.
pub(super) fn find(image: &Image<'_>, data: Span, terrain: &Terrain) -> Option<Params> {
    let fits = |(addr, word): (u64, u64)| {
        let in_heap = word != 0 && terrain.anonymous_at(word).is_some();
        (word == 0 || in_heap).then(|| params_at(image, addr, word)).flatten()
    };
    image.words(data).filter_map(fits).max_by_key(|params| (params.brk_start != 0, params.mmaps > 0))
}

/// sbrk_base at `addr`; before it max_total_mem (until 2.23), max_mmapped_mem and mmapped_mem, and before these the
/// counts, five ints from 2.35 on and four before.
fn params_at(image: &Image<'_>, addr: u64, brk_start: u64) -> Option<Params> {
    for mmapped_at in [addr.checked_sub(2 * WORD)?, addr.checked_sub(3 * WORD)?] {
        let (mmapped, most) = (image.word(mmapped_at)?, image.word(mmapped_at + WORD)?);
        if most < mmapped || !mmapped.is_multiple_of(PAGE) || !most.is_multiple_of(PAGE) {
            continue;
        }
        for counts_at in [mmapped_at - 20, mmapped_at - 16] {
            let (Some(mmaps), Some(limit)) = (image.half(counts_at), image.half(counts_at + 4)) else { continue };
            let Some(seen) = image.half(counts_at + 8) else { continue };
            let pages = u64::from(mmaps) <= mmapped / PAGE && (mmaps == 0) == (mmapped == 0);
            if limit == MMAPS_MAX && mmaps <= seen && seen <= MMAPS_MAX && pages {
                return Some(Params { brk_start, mmaps: u64::from(mmaps), mmapped });
            }
        }
    }
    None
}

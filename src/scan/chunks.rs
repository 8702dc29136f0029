//! Follows the chain of glibc malloc's chunk headers as the words come by, to know where chunks begin. Judges only
//! whether a chain holds; what is in a chunk is its callers' business.
//!
//! A chunk's size word (glibc malloc.c since 2.3: `mchunk_size`, low three bits flags, sizes multiples of 16 on 64-bit)
//! is the second word of a 16-byte unit; the next one is that many bytes further up.

/// Larger chunks are not believed.
const MAX_SIZE: u64 = 64 << 20;

/// Words from this one up are no headers.
pub(super) const LARGEST_SIZE: u64 = MAX_SIZE + 8;

/// Smallest chunk on 64-bit machines.
const MIN_SIZE: u64 = 0x20;

/// Headers in a row that had to be where the one before said, before the chain is believed.
const BELIEVED: u32 = 2;

/// A chunk as its header gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Its first usable byte.
    pub(super) start: u64,
    /// Its usable bytes: its size less the header; the next chunk's first word belongs to it.
    pub(super) usable: u64,
}

/// The chain so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chain {
    next: u64,
    hits: u32,
    current: Option<Chunk>,
}

impl Chain {
    /// What comes next does not follow what came.
    pub(super) fn cut(&mut self) {
        *self = Chain::default();
    }

    /// Looks at a word at `addr`, which is 8 above a multiple of 16. Words are shown in
    /// order of address; those whose value could not be a size may be left out. True where a chunk begins behind it.
    #[inline(always)]
    pub(super) fn look(&mut self, addr: u64, word: u64) -> bool {
        if addr < self.next {
            return false;
        }
        let plausible = word & 8 == 0 && (MIN_SIZE..LARGEST_SIZE).contains(&word);
        if addr > self.next {
            self.hits = 0;
            self.current = None;
        }
        if !plausible {
            if addr == self.next {
                self.cut();
            }
            return false;
        }
        self.hits = if addr == self.next { self.hits.saturating_add(1) } else { 0 };
        let size = word & !0xf;
        self.current = Some(Chunk { start: addr.wrapping_add(8), usable: size - 8 });
        self.next = addr.saturating_add(size);
        true
    }

    /// Whether a header may be due below `end`: none is inside of a chunk.
    #[inline(always)]
    pub(super) fn is_due(&self, end: u64) -> bool {
        self.next < end
    }

    /// The chunk that begins at `addr`.
    pub(super) fn chunk_at(&self, addr: u64) -> Option<Chunk> {
        self.current.filter(|chunk| chunk.start == addr)
    }

    /// Whether the last header shown is the first of its chain.
    pub(super) fn is_new(&self) -> bool {
        self.hits == 0
    }

    /// Whether headers have been where they had to be often enough.
    pub(super) fn is_believed(&self, addr: u64) -> bool {
        self.hits >= BELIEVED && addr < self.next.saturating_add(8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_believed_when_it_holds() {
        let mut chain = Chain::default();
        assert!(chain.look(0x1008, 0x31));
        assert!(!chain.look(0x1018, 0x40), "inside a chunk");
        assert!(chain.look(0x1038, 0x21) && !chain.is_believed(0x1040));
        assert!(chain.look(0x1058, 0x101) && chain.is_believed(0x1060));
        assert_eq!(chain.chunk_at(0x1060), Some(Chunk { start: 0x1060, usable: 0xf8 }));
        assert_eq!(chain.chunk_at(0x1070), None);
        assert!(!chain.is_believed(0x1170), "past the chunk without a header");
        assert!(chain.look(0x1178, 0x21), "a miss begins a new chain");
        assert!(!chain.is_believed(0x1180));
        assert!(!chain.look(0x1198, 0x28), "not a size");
    }
}

//! The bytes between printable runs: zeros, pointers, chunk headers, first words of objects, beginnings of blobs.
//! Counts each byte once; what belongs to an object or blob is told to its tally as it comes by.

use super::blobs::{self, Blobs};
use super::chunks::{Chain, Chunk, LARGEST_SIZE};
use super::mask::{self, BLOCK};
use super::objects::Objects;
use super::pointers::{Place, Pointers};
use super::view::View;
use crate::space::AddressMap;
use crate::sys::cpu;
use crate::units::Span;

/// Bits at multiples of 16, where allocations begin.
const STARTS: u64 = 0x0001_0001_0001_0001;

/// Bits at the second words of 16-byte units, where sizes of chunks stand.
const SIZES: u64 = STARTS << 8;

/// A blob of unknown length ends here at the latest.
const MAX_BLOB: u64 = 1 << 20;

/// Bytes by kind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub(super) zero: u64,
    pub(super) pointer: u64,
    pub(super) other: u64,
}

/// Whose the bytes that come by are.
#[derive(Clone, Copy, Debug)]
enum Owner {
    /// The last of the doubtful objects.
    Doubtful,
    Object {
        slot: usize,
        in_chunk: bool,
    },
    Blob {
        slot: usize,
        until_zeros: bool,
    },
}

/// An object that counts as one only when the chain of chunks it is in holds.
#[derive(Clone, Copy, Debug)]
struct Doubtful {
    addr: u64,
    value: u64,
    chunk: Chunk,
    bytes: u64,
}

/// Everything that is not a run.
#[derive(Debug)]
pub(super) struct Gaps {
    pub(super) counted: Counted,
    pub(super) objects: Objects,
    pub(super) blobs: Blobs,
    pointers: Pointers,
    chain: Chain,
    owner: Option<Owner>,
    owned_until: u64,
    /// Up to here bytes were told to owners.
    told: u64,
    /// The word before what comes next is zero, or nothing is before it.
    zero_before: bool,
    /// Objects at the first chunks of a chain that is not believed yet.
    doubtful: Vec<Doubtful>,
}

impl Gaps {
    pub(super) fn new(map: &AddressMap) -> Gaps {
        Gaps {
            counted: Counted::default(),
            objects: Objects::default(),
            blobs: Blobs::default(),
            pointers: Pointers::new(map),
            chain: Chain::default(),
            owner: None,
            owned_until: 0,
            told: 0,
            zero_before: true,
            doubtful: Vec::new(),
        }
    }

    /// Where pointers may lead, in a few spans.
    pub(super) fn mapped(&self) -> &[Span] {
        self.pointers.spans()
    }

    /// What comes next does not follow what came.
    pub(super) fn cut(&mut self) {
        self.chain.cut();
        self.settle(false);
        self.owner = None;
        self.zero_before = true;
    }

    /// Counts the bytes of `view` from `from` to `to`, none of which are in a run.
    pub(super) fn stretch(&mut self, view: &View<'_>, from: usize, to: usize) {
        if from < to {
            cpu::tuned(|| self.blocks(view, from, to));
        }
    }

    #[inline(always)]
    fn blocks(&mut self, view: &View<'_>, from: usize, to: usize) {
        self.told = view.address(from).0;
        let (first, last) = (from + view.pad, to + view.pad);
        for block in first / BLOCK..=(last - 1) / BLOCK {
            let start = block * BLOCK;
            let mut inside = u64::MAX;
            if first > start {
                inside &= u64::MAX << (first - start);
            }
            if last < start + BLOCK {
                inside &= (1 << (last - start)) - 1;
            }
            self.block(view, block, inside);
        }
        self.tell(view.address(to).0);
        let word = view.align_down(to, 0);
        self.zero_before = word == to && word >= 8 && view.bytes[word - 8..word].iter().all(|byte| *byte == 0);
    }

    /// What follows comes behind a run.
    pub(super) fn after_run(&mut self) {
        self.zero_before = false;
    }

    #[inline(always)]
    fn block(&mut self, view: &View<'_>, block: usize, inside: u64) {
        let zero = view.masks.blocks[block].zero & inside;
        let size = u64::from(inside.count_ones());
        if zero == inside {
            return self.zeros(view, block, inside);
        }
        let whole = mask::whole_words(inside);
        // Addresses and sizes have their two top bytes zero.
        let topless = (zero >> 6) & (zero >> 7) & whole;
        let behind_zero = u64::from(self.is_behind_zero(view, block));
        if topless | behind_zero == 0 {
            let zero = u64::from(zero.count_ones());
            self.counted.zero += zero;
            self.counted.other += size - zero;
            return;
        }
        let zeros = mask::whole_words(zero);
        // Where an allocation could begin behind a zero word.
        let begins = whole & !zeros & STARTS & ((zeros << 8) | behind_zero);
        let end = view.addr.0.wrapping_add(((block + 1) * BLOCK) as u64).wrapping_sub(view.pad as u64);
        let small = topless & !zeros & (zero >> 4) & (zero >> 5);
        let sizes = if self.chain.is_due(end) { small & SIZES } else { 0 };
        let (pointers, programs) = self.pointers(view, block, view.masks.blocks[block].pointers & whole);
        let mut events = begins | sizes | (programs & STARTS);
        while events != 0 {
            let bit = events.trailing_zeros() as usize;
            events &= events - 1;
            let offset = block * BLOCK + bit - view.pad;
            if begins >> bit & 1 == 1 {
                self.blob(view, offset, None);
            }
            if sizes >> bit & 1 == 1 {
                self.size(view, offset);
            } else if programs >> bit & 1 == 1 {
                self.object(view, offset, word(view, offset));
            }
        }
        let pointers = pointers * 0xff;
        let zero = u64::from((zero & !pointers).count_ones());
        let pointers = u64::from(pointers.count_ones());
        self.counted.zero += zero;
        self.counted.pointer += pointers;
        self.counted.other += size - zero - pointers;
    }

    /// Which of the words whose first bytes are `words` are pointers, and which of those lead into programs.
    #[inline(always)]
    fn pointers(&mut self, view: &View<'_>, block: usize, mut words: u64) -> (u64, u64) {
        let (mut mapped, mut programs) = (0, 0);
        while words != 0 {
            let bit = words.trailing_zeros() as usize;
            words &= words - 1;
            match self.pointers.find(word(view, block * BLOCK + bit - view.pad)) {
                Some(Place::Mapped) => mapped |= 1 << bit,
                Some(Place::Program) => (mapped, programs) = (mapped | 1 << bit, programs | 1 << bit),
                None => {}
            }
        }
        (mapped, programs)
    }

    /// A block, or the part of it that is `inside`, is zero.
    #[inline]
    fn zeros(&mut self, view: &View<'_>, block: usize, inside: u64) {
        self.counted.zero += u64::from(inside.count_ones());
        if let Some(Owner::Blob { until_zeros: true, .. }) = self.owner
            && inside == u64::MAX
        {
            self.tell(view.addr.0.wrapping_add((block * BLOCK) as u64).wrapping_sub(view.pad as u64));
            self.owner = None;
        }
    }

    #[inline(always)]
    fn is_behind_zero(&self, view: &View<'_>, block: usize) -> bool {
        match block.checked_sub(1) {
            Some(before) => view.masks.blocks[before].zero >> 56 == 0xff,
            None => view.pad == 0 && self.zero_before,
        }
    }

    /// Looks at a word that could be the size of a chunk.
    #[inline(always)]
    fn size(&mut self, view: &View<'_>, offset: usize) {
        let value = word(view, offset);
        if value < LARGEST_SIZE && self.chain.look(view.address(offset).0, value) {
            self.chunk(view, offset + 8);
        }
    }

    /// A chunk begins at `offset`.
    fn chunk(&mut self, view: &View<'_>, offset: usize) {
        let addr = view.address(offset).0;
        let believed = self.chain.is_believed(addr);
        if believed || self.chain.is_new() {
            self.tell(addr.saturating_sub(8));
            self.settle(believed);
        }
        if self.owner.is_some() && addr < self.owned_until.saturating_add(8) && believed {
            self.tell(addr.saturating_sub(8));
            self.owner = None;
        }
        // A signature right behind what looks like a header is convincing enough by itself, the header's size is not.
        let chunk = self.chain.chunk_at(addr).map(|chunk| match believed {
            true => chunk,
            false => Chunk { usable: chunk.usable.min(MAX_BLOB), ..chunk },
        });
        self.blob(view, offset, chunk);
    }

    #[inline(always)]
    fn blob(&mut self, view: &View<'_>, offset: usize, chunk: Option<Chunk>) {
        if view.bytes.get(offset).is_some_and(|first| blobs::may_begin(*first)) {
            self.likely_blob(view, offset, chunk);
        }
    }

    #[inline(never)]
    fn likely_blob(&mut self, view: &View<'_>, offset: usize, chunk: Option<Chunk>) {
        let addr = view.address(offset).0;
        if self.owner.is_some() && addr < self.owned_until {
            return;
        }
        let bytes = &view.bytes[offset..view.bytes.len().min(offset + blobs::LOOKED_AT)];
        let Some(found) = blobs::identify(bytes) else { return };
        let length = match (found.declared, chunk) {
            (Some(declared), Some(chunk)) => declared.min(chunk.usable),
            (Some(declared), None) => declared.min(64 * MAX_BLOB),
            (None, Some(chunk)) => chunk.usable,
            (None, None) => MAX_BLOB,
        };
        let slot = self.blobs.add(found.label, view.address(offset), bytes);
        let until_zeros = found.declared.is_none() && chunk.is_none();
        self.own(Owner::Blob { slot, until_zeros }, addr, length);
    }

    fn object(&mut self, view: &View<'_>, offset: usize, value: u64) {
        let addr = view.address(offset).0;
        if let Some(Owner::Blob { .. }) = self.owner
            && addr < self.owned_until
        {
            return;
        }
        let words = &view.bytes[offset..view.bytes.len().min(offset + 32)];
        let chunk = self.chain.chunk_at(addr);
        if self.chain.is_believed(addr) {
            let Some(chunk) = chunk else { return };
            if let Some((slot, length)) = self.objects.add(addr, value, Some(chunk), words) {
                self.own(Owner::Object { slot, in_chunk: true }, addr, length);
            }
            return;
        }
        if let Some(chunk) = chunk {
            self.own(Owner::Doubtful, addr, chunk.usable);
            self.doubtful.push(Doubtful { addr, value, chunk, bytes: 0 });
            return;
        }
        if let Some((slot, length)) = self.objects.add(addr, value, None, words) {
            self.own(Owner::Object { slot, in_chunk: false }, addr, length);
        }
    }

    /// Counts the doubtful: as first words of chunks where the chain held, else as found anywhere.
    #[inline]
    fn settle(&mut self, held: bool) {
        if self.doubtful.is_empty() {
            return;
        }
        if let Some(Owner::Doubtful) = self.owner {
            self.owner = None;
        }
        for doubtful in std::mem::take(&mut self.doubtful) {
            let chunk = held.then_some(doubtful.chunk);
            if let Some((slot, _)) = self.objects.add(doubtful.addr, doubtful.value, chunk, &[]) {
                self.objects.extend(slot, held, doubtful.bytes);
            }
        }
    }

    fn own(&mut self, owner: Owner, addr: u64, length: u64) {
        self.tell(addr);
        self.owner = Some(owner);
        self.owned_until = addr.saturating_add(length);
    }

    /// Tells the owner about the bytes that have come by up to `addr`.
    fn tell(&mut self, addr: u64) {
        let Some(owner) = self.owner else {
            self.told = addr;
            return;
        };
        let bytes = addr.min(self.owned_until).saturating_sub(self.told);
        match owner {
            Owner::Doubtful => {
                if let Some(doubtful) = self.doubtful.last_mut() {
                    doubtful.bytes += bytes;
                }
            }
            Owner::Object { slot, in_chunk } => self.objects.extend(slot, in_chunk, bytes),
            Owner::Blob { slot, .. } => self.blobs.extend(slot, bytes),
        }
        self.told = addr;
        if addr >= self.owned_until {
            self.owner = None;
        }
    }
}

/// The word at `offset`; zero where it is not all there.
#[inline(always)]
fn word(view: &View<'_>, offset: usize) -> u64 {
    view.bytes.get(offset..).and_then(|rest| rest.first_chunk::<8>()).map_or(0, |word| u64::from_le_bytes(*word))
}

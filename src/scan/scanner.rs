//! The streaming engine: takes windows in order of address, carries what reaches over their edges, hands runs to the JSON
//! and text tallies and everything else to the gaps. Knows neither where windows come from nor what a finding means.

use super::gaps::Gaps;
use super::group::{Composition, Group, ScanResult};
use super::pointee::PointerNames;
use super::run::Runs;
use super::view::{Encoding, Masks, View};
use crate::space::AddressMap;
use crate::units::{Addr, ByteCount};

/// Longer runs are cut, between records where possible.
pub(super) const MAX_RUN: usize = 1 << 20;

/// Windows are looked at in pieces of so many bytes.
const PIECE: usize = 64 * 1024;

/// What is not looked at before more has come: signatures and runs must be seen whole.
const MARGIN: usize = super::blobs::LOOKED_AT;

/// How much of a new window is first put behind what was carried.
const STEP: usize = 4096;

/// What a scan may cost.
#[derive(Clone, Copy, Debug)]
pub struct ScanOptions {
    /// For the tables of all tallies together, about.
    pub max_memory: ByteCount,
}

impl Default for ScanOptions {
    fn default() -> ScanOptions {
        ScanOptions { max_memory: ByteCount::mib(96) }
    }
}

/// Finds out what bytes are, in one pass or, for growth, two.
pub struct Scanner<'a> {
    names: Option<&'a dyn PointerNames>,
    masks: Masks,
    gaps: Gaps,
    runs: Runs,
    /// What was carried from the windows so far, and where it begins.
    carried: Vec<u8>,
    carried_at: Addr,
    /// Fewer bytes in `carried` are not worth another look.
    retry_at: usize,
    /// Where the next window has to begin to follow the last.
    follows: Option<Addr>,
    scanned: ByteCount,
    /// Of the first scan, once the second began.
    before: Option<Composition>,
}

impl<'a> Scanner<'a> {
    /// A scanner for memory laid out as in `map`. Objects are found only where there are `names`.
    pub fn new(map: &AddressMap, names: Option<&'a dyn PointerNames>, options: ScanOptions) -> Scanner<'a> {
        Scanner {
            names,
            masks: Masks::default(),
            gaps: Gaps::new(map),
            runs: Runs::new(options.max_memory),
            carried: Vec::new(),
            carried_at: Addr(0),
            retry_at: 0,
            follows: None,
            scanned: ByteCount::ZERO,
            before: None,
        }
    }

    /// What was fed so far becomes `before`, what follows is `now`.
    pub fn begin_second(&mut self) {
        self.end_span();
        self.before = Some(self.composition());
        self.scanned = ByteCount::ZERO;
        self.gaps.begin_second();
        self.runs.begin_second();
    }

    /// Takes the bytes at `addr`. Windows come in ascending order of address; one that does not follow the last ends its
    /// runs.
    pub fn feed(&mut self, addr: Addr, bytes: &[u8]) {
        if self.follows != Some(addr) {
            self.end_span();
        }
        self.scanned += ByteCount(bytes.len() as u64);
        self.follows = Some(addr.plus(ByteCount(bytes.len() as u64)));
        let mut at = addr;
        for piece in bytes.chunks(PIECE) {
            self.take(at, piece);
            at = at.plus(ByteCount(piece.len() as u64));
        }
    }

    /// What was fed last is not continued.
    pub fn end_span(&mut self) {
        let carried = std::mem::take(&mut self.carried);
        let consumed = self.look(self.carried_at, &carried, true);
        debug_assert_eq!(consumed, carried.len());
        self.carried = carried;
        self.carried.clear();
        self.retry_at = 0;
        self.follows = None;
        self.gaps.cut();
        self.runs.cut();
    }

    /// What was found.
    pub fn finish(mut self) -> ScanResult {
        self.end_span();
        let composition = self.composition();
        let mut sampled = self.gaps.objects.full && self.names.is_some();
        let mut groups = self.gaps.objects.finish(self.names);
        groups.extend(self.gaps.blobs.finish());
        let (runs, full) = self.runs.finish();
        groups.extend(runs);
        sampled |= full;
        rank(&mut groups);
        ScanResult { scanned: self.scanned, composition, before: self.before, groups, sampled }
    }

    fn composition(&self) -> Composition {
        let counted = self.gaps.counted;
        let (json, text) = self.runs.counted();
        Composition {
            json,
            text,
            pointer: ByteCount(counted.pointer),
            zero: ByteCount(counted.zero),
            other: ByteCount(counted.other),
        }
    }

    fn take(&mut self, addr: Addr, piece: &[u8]) {
        let mut taken = 0;
        while !self.carried.is_empty() {
            let before = self.carried.len();
            let wanted = before.max(STEP).max(self.retry_at.saturating_sub(before));
            let more = &piece[taken..piece.len().min(taken + wanted)];
            self.carried.extend_from_slice(more);
            taken += more.len();
            if self.carried.len() < self.retry_at {
                return;
            }
            let mut carried = std::mem::take(&mut self.carried);
            let consumed = self.look(self.carried_at, &carried, false);
            if consumed >= before {
                // The rest lies in the piece and is looked at in place.
                taken -= carried.len() - consumed;
                carried.clear();
                self.carried = carried;
                break;
            }
            carried.drain(..consumed);
            self.carried_at = self.carried_at.plus(ByteCount(consumed as u64));
            self.carried = carried;
            self.retry_at = self.carried.len() * 2;
            if taken == piece.len() {
                return;
            }
        }
        self.retry_at = 0;
        let start = addr.plus(ByteCount(taken as u64));
        let consumed = self.look(start, &piece[taken..], false);
        self.carried_at = start.plus(ByteCount(consumed as u64));
        self.carried.extend_from_slice(&piece[taken + consumed..]);
    }

    /// Looks at bytes that follow what was looked at before. Returns how many are done with; all where they are the last.
    fn look(&mut self, addr: Addr, bytes: &[u8], last: bool) -> usize {
        let limit = if last { bytes.len() } else { bytes.len().saturating_sub(MARGIN) };
        if limit == 0 {
            return 0;
        }
        let mut masks = std::mem::take(&mut self.masks);
        masks.fill(bytes, addr, self.gaps.mapped());
        let view = View::new(bytes, addr, &masks);
        let mut at = 0;
        loop {
            let next = view.next_run(at).filter(|start| start.offset < limit);
            let Some(start) = next else {
                let stop = if last { limit } else { view.align_down(limit, at) };
                self.gaps.stretch(&view, at, stop);
                at = stop;
                break;
            };
            let (end, high) = match start.encoding {
                Encoding::Bytes => view.run_end(start.offset, MAX_RUN),
                Encoding::Wide => (view.wide_end(start.offset).unwrap_or(start.offset + 2), false),
            };
            if !last && end + MARGIN / 2 > bytes.len() && end - start.offset < MAX_RUN {
                let stop = view.align_down(start.offset, at);
                self.gaps.stretch(&view, at, stop);
                at = stop;
                break;
            }
            self.gaps.stretch(&view, at, start.offset);
            at = match start.encoding {
                Encoding::Bytes => self.runs.bytes(&view, start.offset, end, high, &mut self.gaps),
                Encoding::Wide => self.runs.wide(&view, start.offset, end),
            };
            self.gaps.after_run();
        }
        self.masks = masks;
        at
    }
}

/// By growth, then by size; names decide where both are equal.
fn rank(groups: &mut [Group]) {
    groups.sort_by_cached_key(|group| {
        let growth = group.growth_bytes().unwrap_or(0);
        let before = group.before.unwrap_or_default();
        (
            std::cmp::Reverse((growth, group.now.bytes, before.bytes, group.now.count)),
            group.kind,
            group.label.to_string(),
        )
    });
}

/// The parts that a scan's tables are cut from.
pub(super) fn share(max_memory: ByteCount, percent: u64) -> ByteCount {
    ByteCount(max_memory.0 / 100 * percent)
}

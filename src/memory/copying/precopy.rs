//! A snapshot of one instant by copying while the target runs: the kernel tells what is written meanwhile, that is
//! copied again, and the target stands still only for what was written last. Knows rounds and the final stop; where
//! bytes go is a [`Store`]'s business.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use super::copy::copy;
use super::reader::Reader;
use super::wanted::Wanted;
use super::{leisure, stream::Part};
use crate::error::{Error, ErrorKind, Result};
use crate::memory::live::failure;
use crate::memory::{Coverage, ReadError};
use crate::progress::{Progress, Silent};
use crate::space::spans::{joined, outside, total, within};
use crate::space::{AddressMap, Mapping, Thread};
use crate::sys::{cpu, pages::Pages};
use crate::target::{Pause, Target, WriteTracker};
use crate::units::{Addr, ByteCount, Span};

/// What is copied in the final stop at most, some 5 ms.
pub(in crate::memory) const LAST_COPY: ByteCount = ByteCount::mib(24);
/// Rounds of copying again before the stop, and stops that found too much.
const ROUNDS: u32 = 6;
const ATTEMPTS: u32 = 4;
/// Few enough to stop for: copied in 0.3 ms.
const FEW: ByteCount = ByteCount::mib(1);
const HUGE_PAGE: ByteCount = ByteCount::mib(2);
const PAGE: ByteCount = ByteCount::kib(4);

/// Where the bytes go. Addresses may come more than once, the last time counts.
pub(in crate::memory) trait Store {
    /// Bytes at an address.
    fn put(&mut self, addr: Addr, bytes: &[u8]) -> Result<()>;
    /// Nothing is there any more.
    fn drop(&mut self, span: Span) -> Result<()>;
}

/// What was stored.
#[derive(Debug)]
pub(in crate::memory) struct Precopied {
    /// Stretches stored, in order.
    pub present: Vec<Span>,
    /// Stretches left in swap.
    pub swapped: Vec<Span>,
    pub coverage: Coverage,
    /// What was wanted at that instant, in order.
    pub wanted: Vec<Span>,
    /// The threads as they stood then.
    pub threads: Vec<Thread>,
    /// The mappings at that instant.
    pub mappings: Vec<Mapping>,
    /// The longest a thread stood still.
    pub pause: Duration,
    /// That instant.
    pub at: Instant,
}

struct Rounds<'p, 't> {
    target: &'t Target,
    map: &'p AddressMap,
    /// For the final stop.
    reader: Reader,
    wanted: Wanted<'p>,
    include_swapped: bool,
    /// Stored so far, in order.
    present: Vec<Span>,
    store: &'p mut dyn Store,
    progress: &'p dyn Progress,
}

/// What the final stop gave.
struct Last {
    at: Instant,
    map: AddressMap,
    wanted: Vec<Span>,
    changed: Vec<Span>,
    there: Vec<Span>,
    swapped: Vec<Span>,
    copied: std::result::Result<super::copy::Copied, ReadError>,
}

/// Stores what is `wanted` as it is at one instant.
///
/// # Errors
/// `Failed` where the kernel cannot tell writes, or more is written than can be followed; those of reading, stopping
/// and `store`.
pub(in crate::memory) fn precopy(
    target: &Target,
    map: &AddressMap,
    wanted: Wanted<'_>,
    include_swapped: bool,
    store: &mut dyn Store,
    progress: &dyn Progress,
) -> Result<Precopied> {
    let mut tracker = WriteTracker::begin(target, &map.mappings, &wanted.among(&map.mappings))?;
    let reader = Reader::stopped(target)?;
    let mut rounds = Rounds { target, map, reader, wanted, include_swapped, present: Vec::new(), store, progress };
    rounds.copy_live(tracker.tracked())?;
    for _ in 0..ROUNDS {
        let written = tracker.written()?;
        rounds.copy_live(&written)?;
        if total(&written) <= FEW {
            break;
        }
    }
    let mut pages = Pages::reserve(LAST_COPY).map_err(|error| {
        Error::new(ErrorKind::Failed, "cannot reserve memory for a copy of", target.subject(), error)
    })?;
    pages.touch(2);
    let mut longest = tracker.pause();
    for _ in 0..ATTEMPTS {
        let pause = Pause::begin(target)?;
        let last = rounds.last(&tracker, &mut pages);
        let (stood, threads) = pause.end_with_threads()?;
        longest = longest.max(stood);
        match last? {
            Some(last) => {
                drop(tracker);
                return rounds.finish(last, &pages, threads, longest);
            }
            None => {
                let written = tracker.written()?;
                rounds.copy_live(&written)?;
            }
        }
    }
    let reason = format!("it writes more than {LAST_COPY} in the time that copying those takes");
    Err(Error::new(ErrorKind::Failed, "cannot follow the writes of", target.subject(), reason))
}

impl Rounds<'_, '_> {
    /// Copies what is there of `spans` while the target runs, and remembers it as stored. What was dropped since is
    /// seen at the end.
    fn copy_live(&mut self, spans: &[Span]) -> Result<()> {
        let _aback = cpu::aback();
        let (store, present) = (&mut *self.store, &mut self.present);
        let mut emit = |part: Part<'_>| match part {
            Part::Bytes(addr, bytes) => {
                present.push(Span::sized(addr, ByteCount(bytes.len() as u64)));
                store.put(addr, bytes)
            }
            // What is in swap or cannot be read now is looked at again at the end.
            Part::Swapped(_) | Part::Gap(_) => Ok(()),
        };
        let spans = joined(spans.to_vec());
        leisure::copy_at_leisure(self.target, self.map, &spans, self.include_swapped, self.progress, &mut emit)?;
        self.present = joined(std::mem::take(&mut self.present));
        Ok(())
    }

    /// What is done while the target stands still; `None` where that is too much for `pages`.
    fn last(&self, tracker: &WriteTracker<'_>, pages: &mut Pages) -> Result<Option<Last>> {
        let at = Instant::now();
        let map = AddressMap { mappings: self.target.mappings()?, regions: Vec::new() };
        let wanted = self.wanted.among(&map.mappings);
        let mut changed = tracker.written_last()?;
        changed.extend(self.dropped(tracker.pagemap()));
        changed.extend(wanted.iter().flat_map(|span| outside(tracker.tracked(), *span)));
        // What is wanted no more is dropped with what is there no more.
        let changed: Vec<Span> = joined(changed).iter().flat_map(|span| within(&wanted, *span)).collect();
        let residency = self.target.residency_of(&changed, &map)?;
        let (mut there, mut swapped) = (residency.present, residency.swapped);
        if self.include_swapped {
            there.append(&mut swapped);
        }
        let there = joined(there);
        if total(&there) > LAST_COPY {
            return Ok(None);
        }
        // A thread more has to be made first.
        let threads = if total(&there) > FEW { 2 } else { 1 };
        let copied = copy(&self.reader, &there, pages, threads, &Silent);
        Ok(Some(Last { at, map, wanted, changed, there, swapped: joined(swapped), copied }))
    }

    /// Blocks of a huge page in which something is stored and nothing is left: the kernel tells of single pages that
    /// were dropped, but not where the page table went with them. One entry speaks for its block.
    fn dropped(&self, pagemap: &File) -> Vec<Span> {
        const IS_THERE: u64 = 3 << 62;
        let (mut dropped, mut entry, mut known) = (Vec::new(), [0u8; 8], Addr(0));
        for span in &self.present {
            let mut at = span.start.max(known);
            while at < span.end {
                let block = Span::sized(at.align_down(HUGE_PAGE), HUGE_PAGE);
                let read = pagemap.read_exact_at(&mut entry, at.0 / PAGE.0 * 8);
                if read.is_err() || u64::from_ne_bytes(entry) & IS_THERE == 0 {
                    dropped.extend(within(&self.present, block));
                }
                known = block.end;
                at = block.end;
            }
        }
        dropped
    }

    /// Stores what the final stop copied, and sums up.
    fn finish(self, last: Last, pages: &Pages, threads: Vec<Thread>, pause: Duration) -> Result<Precopied> {
        let copied = last.copied.map_err(|error| failure(self.target, error))?;
        for piece in &copied.pieces {
            self.store.put(piece.span.start, &pages[piece.range()])?;
        }
        let stored = copied.pieces.iter().map(|piece| piece.span);
        let unwanted = self.present.iter().flat_map(|span| outside(&last.wanted, *span));
        let gone = joined(last.changed.iter().flat_map(|span| outside(&last.there, *span)).chain(unwanted).collect());
        for span in gone.iter().flat_map(|span| within(&self.present, *span)) {
            self.store.drop(span)?;
        }
        let kept = self.present.iter().flat_map(|span| outside(&gone, *span));
        let present = joined(kept.chain(stored).collect());
        // Swapped out all the time, it was never written: the page table still says so.
        let known = joined(present.iter().chain(&last.swapped).chain(&copied.gaps).copied().collect());
        let mut swapped = last.swapped;
        for span in last.wanted.iter().flat_map(|span| outside(&known, *span)) {
            swapped.extend(self.target.residency(span, &last.map).map(|there| there.swapped).unwrap_or_default());
        }
        let swapped = joined(swapped);
        let mut coverage = Coverage { wanted: total(&last.wanted), copied: total(&present), ..Coverage::default() };
        (coverage.swapped, coverage.gaps) = (total(&swapped), copied.gaps);
        let known = coverage.copied + coverage.swapped + total(&coverage.gaps);
        coverage.absent = coverage.wanted.saturating_sub(known);
        let (mappings, wanted, at) = (last.map.mappings, last.wanted, last.at);
        Ok(Precopied { present, swapped, coverage, wanted, threads, mappings, pause, at })
    }
}

//! Copying spans of a target while it stands still: all in one stop (`stage`), or in several short ones where they
//! are larger than the memory for it (`stream`). Buffers are touched before a stop; between stop and resume there are
//! reads alone, and resume comes before any error is told.

use std::collections::VecDeque;
use std::fs::File;
use std::time::{Duration, Instant};

use super::copy::{Copied, Piece, copy};
use super::ladder::Method;
use super::live::{failure, open_mem};
use super::precopy::precopy;
use super::shelf::Shelf;
use super::{Consistency, Coverage, StagedMemory};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Progress;
use crate::space::spans::{joined, total, within};
use crate::space::{AddressMap, Mapping, Thread};
use crate::sys::pages::Pages;
use crate::target::{Pause, Target, machine_memory};
use crate::units::{Addr, ByteCount, Span};

/// How to copy.
#[derive(Clone, Copy, Debug)]
pub struct CopyOptions {
    /// Memory the copy may take.
    pub budget: ByteCount,
    /// Copies swapped-out pages too, which brings them back into the target's memory.
    pub include_swapped: bool,
    /// Threads that copy; two are nearly twice as fast as one, more gain little.
    pub threads: usize,
}

impl Default for CopyOptions {
    fn default() -> CopyOptions {
        CopyOptions { budget: ByteCount::mib(256), include_swapped: false, threads: 2 }
    }
}

/// A copy of one instant and what it took.
#[derive(Debug)]
pub struct Snapshot {
    /// The bytes.
    pub memory: StagedMemory,
    /// How they were taken.
    pub method: Method,
    /// The longest the target stood still.
    pub pause: Duration,
    /// How often it was stopped.
    pub stops: u32,
    /// What of the wanted spans is there.
    pub coverage: Coverage,
    /// All of it, preparations included.
    pub took: Duration,
}

/// Copies `spans` into memory of our own, as they are at one instant, in one of the ways that need no child.
///
/// # Errors
/// As [`stage`]; `Failed` where the method cannot be used on this target.
pub fn stage_by(
    method: Method,
    target: &Target,
    map: AddressMap,
    spans: &[Span],
    options: &CopyOptions,
    progress: &dyn Progress,
) -> Result<Snapshot> {
    match method {
        Method::Idle => stage_idle(target, map, spans, options, progress),
        Method::Precopy => stage_precopied(target, map, spans, options, progress),
        Method::Stop | Method::Fork | Method::Live => stage(target, map, spans, options, progress),
    }
}

/// Copies `spans` into memory of our own in one stop. Pages absent are left out, swapped ones unless asked for.
///
/// # Errors
/// `Failed` with the figure where the copy would not fit in `options.budget` or in what the machine has to spare;
/// whatever stopping and reading a target can end in. The target runs on in every case.
pub fn stage(
    target: &Target,
    map: AddressMap,
    spans: &[Span],
    options: &CopyOptions,
    progress: &dyn Progress,
) -> Result<Snapshot> {
    let began = Instant::now();
    let copier = Copier { target, map: &map, mem: open_mem(target)?, options, progress };
    let wanted = joined(spans.to_vec());
    let mut pages = copier.reserve_for(&wanted)?;
    let Taken { copied, swapped, threads, pause } = copier.stop_and_copy(&wanted, &mut pages)?;
    let memory = StagedMemory::new(map, pages, copied, &wanted, swapped).with_threads(threads);
    let coverage = memory.coverage().clone();
    Ok(Snapshot { memory, method: Method::Stop, pause, stops: 1, coverage, took: began.elapsed() })
}

/// The same of what `choose` picks out of the mappings as they are at the stop: what was mapped a moment before
/// it is not missed, nor anything mixed up that moved.
///
/// # Errors
/// As [`stage`].
pub fn stage_chosen(
    target: &Target,
    choose: &dyn Fn(&[Mapping]) -> Vec<Span>,
    options: &CopyOptions,
    progress: &dyn Progress,
) -> Result<Snapshot> {
    let began = Instant::now();
    let early = AddressMap { mappings: target.mappings()?, regions: Vec::new() };
    let copier = Copier { target, map: &early, mem: open_mem(target)?, options, progress };
    let mut pages = copier.reserve_for(&joined(choose(&early.mappings)))?;
    let held = Pause::begin(target)?;
    let map = target.mappings().map(|mappings| AddressMap { mappings, regions: Vec::new() });
    let outcome = map.and_then(|map| {
        let wanted = joined(choose(&map.mappings));
        let now = Copier { map: &map, ..copier };
        let runs = now.runs(&wanted)?;
        let copied = copy(&now.mem, &runs.present, &mut pages, options.threads, progress);
        Ok((map, wanted, copied, runs.swapped))
    });
    let stood = held.end_with_threads();
    let (map, wanted, copied, swapped) = outcome?;
    let (pause, threads) = stood?;
    let copied = copied.map_err(|error| failure(target, error))?;
    let memory = StagedMemory::new(map, pages, copied, &wanted, swapped).with_threads(threads);
    let coverage = memory.coverage().clone();
    Ok(Snapshot { memory, method: Method::Stop, pause, stops: 1, coverage, took: began.elapsed() })
}

/// The same without a stop, of a process in which nobody runs meanwhile.
fn stage_idle(
    target: &Target,
    map: AddressMap,
    spans: &[Span],
    options: &CopyOptions,
    progress: &dyn Progress,
) -> Result<Snapshot> {
    let began = Instant::now();
    let copier = Copier { target, map: &map, mem: open_mem(target)?, options, progress };
    let wanted = joined(spans.to_vec());
    let mut pages = copier.reserve_for(&wanted)?;
    let before = target.stillness().ok_or_else(|| not_idle(target))?;
    let runs = copier.runs(&wanted)?;
    let copied = copy(&copier.mem, &runs.present, &mut pages, options.threads, progress);
    let copied = copied.map_err(|error| failure(target, error))?;
    if target.stillness() != Some(before) {
        return Err(not_idle(target));
    }
    let memory = StagedMemory::new(map, pages, copied, &wanted, runs.swapped);
    let coverage = memory.coverage().clone();
    Ok(Snapshot { memory, method: Method::Idle, pause: Duration::ZERO, stops: 0, coverage, took: began.elapsed() })
}

/// The same copied while the target runs, with a stop for what it wrote last.
fn stage_precopied(
    target: &Target,
    map: AddressMap,
    spans: &[Span],
    options: &CopyOptions,
    progress: &dyn Progress,
) -> Result<Snapshot> {
    let began = Instant::now();
    let copier = Copier { target, map: &map, mem: open_mem(target)?, options, progress };
    let wanted = joined(spans.to_vec());
    let present = copier.runs(&wanted)?.present;
    let mut shelf = Shelf::new(copier.reserve_for(&wanted)?, &present);
    let taken = precopy(target, &map, &wanted, options.include_swapped, &mut shelf, progress)?;
    let (pages, pieces) = shelf.pieces(&taken.present);
    let copied = Copied { pieces, gaps: taken.coverage.gaps, left: Vec::new() };
    let map = AddressMap { mappings: taken.mappings, ..map };
    let memory = StagedMemory::new(map, pages, copied, &wanted, taken.swapped);
    let coverage = memory.coverage().clone();
    Ok(Snapshot { memory, method: Method::Precopy, pause: taken.pause, stops: 1, coverage, took: began.elapsed() })
}

/// The error where somebody runs.
pub(super) fn not_idle(target: &Target) -> Error {
    let reason = "a thread of it ran meanwhile, or the kernel does not count";
    Error::new(ErrorKind::Failed, "cannot copy without a stop the memory of", target.subject(), reason)
}

/// What several stops gave.
#[derive(Clone, Debug)]
pub struct StreamSummary {
    /// How often the target was stopped.
    pub stops: u32,
    /// The longest it stood still.
    pub pause: Duration,
    /// What of the wanted spans was read.
    pub coverage: Coverage,
    /// What the bytes have to do with each other: `Stretches` after more than one stop.
    pub consistency: Consistency,
    /// All of it, preparations and consuming included.
    pub took: Duration,
}

/// What a stream is made of, in order of address. What is in none of them was never touched.
#[derive(Debug)]
pub(super) enum Part<'b> {
    Bytes(Addr, &'b [u8]),
    Swapped(Span),
    Gap(Span),
}

/// Copies `spans` through a buffer of at most `options.budget` and 64 MiB: stop, copy a bufferful, resume, hand it to
/// `consume` in ascending order, next. Each stretch between two stops is of one instant.
///
/// # Errors
/// As for [`stage`], but for the size.
pub fn stream(
    target: &Target,
    map: &AddressMap,
    spans: &[Span],
    options: &CopyOptions,
    progress: &dyn Progress,
    consume: &mut dyn FnMut(Addr, &[u8]),
) -> Result<StreamSummary> {
    stream_parts(target, map, spans, options, progress, &mut |part| {
        if let Part::Bytes(addr, bytes) = part {
            consume(addr, bytes);
        }
        Ok(())
    })
}

pub(super) fn stream_parts(
    target: &Target,
    map: &AddressMap,
    spans: &[Span],
    options: &CopyOptions,
    progress: &dyn Progress,
    emit: &mut dyn FnMut(Part<'_>) -> Result<()>,
) -> Result<StreamSummary> {
    const LARGEST_STOP: ByteCount = ByteCount::mib(64);
    let began = Instant::now();
    let copier = Copier { target, map, mem: open_mem(target)?, options, progress };
    let wanted = joined(spans.to_vec());
    let buffer = options.budget.min(LARGEST_STOP).min(total(&wanted)).max(ByteCount::kib(256));
    afford(target, buffer)?;
    let mut pages = copier.reserve(buffer)?;
    let mut coverage = Coverage { wanted: total(&wanted), ..Coverage::default() };
    let (mut stops, mut longest) = (0, Duration::ZERO);
    let mut ahead = VecDeque::from(wanted);
    while !ahead.is_empty() {
        let (window, found) = copier.next_window(&mut ahead, buffer)?;
        if found == ByteCount::ZERO {
            // Nothing worth a stop: what is swapped can be told without one.
            let swapped = copier.runs(&window)?.swapped;
            coverage.swapped += total(&swapped);
            swapped.into_iter().try_for_each(|span| emit(Part::Swapped(span)))?;
            continue;
        }
        let Taken { copied, swapped, pause, .. } = copier.stop_and_copy(&window, &mut pages)?;
        (stops, longest) = (stops + 1, longest.max(pause));
        // Pages that came up since the window was measured: what did not fit comes with the next stop.
        let until = copied.left.first().map_or(Addr(u64::MAX), |span| span.start);
        let done = Span::new(Addr(0), until);
        let swapped: Vec<Span> = within(&swapped, done).collect();
        for rest in within(&window, Span::new(until, Addr(u64::MAX))).collect::<Vec<_>>().into_iter().rev() {
            ahead.push_front(rest);
        }
        coverage.copied += copied.pieces.iter().map(|piece| piece.span.size()).sum();
        coverage.swapped += total(&swapped);
        parts(&copied.pieces, &pages, &swapped, &copied.gaps).into_iter().try_for_each(&mut *emit)?;
        coverage.gaps.extend(copied.gaps);
    }
    let known = coverage.copied + coverage.swapped + total(&coverage.gaps);
    coverage.absent = coverage.wanted.saturating_sub(known);
    let consistency = if stops > 1 { Consistency::Stretches } else { Consistency::Instant };
    Ok(StreamSummary { stops, pause: longest, coverage, consistency, took: began.elapsed() })
}

/// Pieces of a copy, what was left in swap and what could not be read, in order of address.
pub(super) fn parts<'b>(pieces: &[Piece], bytes: &'b [u8], swapped: &[Span], gaps: &[Span]) -> Vec<Part<'b>> {
    let stored = pieces.iter().map(|piece| (piece.span.start, Part::Bytes(piece.span.start, &bytes[piece.range()])));
    let swapped = swapped.iter().map(|span| (span.start, Part::Swapped(*span)));
    let gaps = gaps.iter().map(|span| (span.start, Part::Gap(*span)));
    let mut parts: Vec<_> = stored.chain(swapped).chain(gaps).collect();
    parts.sort_by_key(|part| part.0);
    parts.into_iter().map(|(_, part)| part).collect()
}

/// Refuses to take memory that the machine, or the cgroup we run in, does not have to spare.
fn afford(target: &Target, bytes: ByteCount) -> Result<()> {
    if is_affordable(bytes)? {
        return Ok(());
    }
    let reason = format!("the copy needs {} and {} can be spared", with_margin(bytes), spare()?);
    Err(Error::new(ErrorKind::Failed, "cannot copy the memory of", target.subject(), reason)
        .with_hint("narrow the range or lower --max-memory to copy in several short stops"))
}

/// Whether `bytes` and a tenth more can be spared.
pub(super) fn is_affordable(bytes: ByteCount) -> Result<bool> {
    Ok(spare()? >= with_margin(bytes))
}

fn spare() -> Result<ByteCount> {
    Ok(machine_memory()?.spare)
}

fn with_margin(bytes: ByteCount) -> ByteCount {
    bytes + ByteCount(bytes.0 / 10)
}

/// Room for what the target grows by between the measuring and the stop.
fn with_slack(need: ByteCount) -> ByteCount {
    need + ByteCount(need.0 / 16) + ByteCount::mib(4)
}

struct Copier<'c> {
    target: &'c Target,
    map: &'c AddressMap,
    mem: File,
    options: &'c CopyOptions,
    progress: &'c dyn Progress,
}

/// What one stop gave.
struct Taken {
    copied: Copied,
    swapped: Vec<Span>,
    threads: Vec<Thread>,
    pause: Duration,
}

/// Where the pages of some spans are.
struct Runs {
    present: Vec<Span>,
    swapped: Vec<Span>,
}

impl Copier<'_> {
    fn runs(&self, spans: &[Span]) -> Result<Runs> {
        let mut runs = Runs { present: Vec::new(), swapped: Vec::new() };
        for span in spans {
            let residency = self.target.residency(*span, self.map)?;
            runs.present.extend(residency.present);
            runs.swapped.extend(residency.swapped);
        }
        if self.options.include_swapped {
            runs.present.append(&mut runs.swapped);
        }
        Ok(Runs { present: joined(runs.present), swapped: joined(runs.swapped) })
    }

    /// Memory for a copy of what is there of `wanted`, and some for what comes meanwhile.
    fn reserve_for(&self, wanted: &[Span]) -> Result<Pages> {
        let (target, budget) = (self.target, self.options.budget);
        let need = total(&self.runs(wanted)?.present);
        if need > budget {
            let reason = format!("{need} are to be copied and {budget} are allowed");
            return Err(Error::new(ErrorKind::Failed, "cannot copy the memory of", target.subject(), reason)
                .with_hint("narrow the range or raise --max-memory"));
        }
        afford(target, need)?;
        self.progress.begin("preparing", None);
        let pages = self.reserve(with_slack(need).min(budget.max(need)));
        self.progress.end();
        pages
    }

    fn reserve(&self, size: ByteCount) -> Result<Pages> {
        let reserved = Pages::reserve(size);
        let mut pages = reserved.map_err(|error| {
            let subject = self.target.subject();
            Error::new(ErrorKind::Failed, "cannot reserve memory for a copy of", subject, format!("{size}: {error}"))
        })?;
        pages.touch(self.options.threads);
        Ok(pages)
    }

    /// The stop itself: finds anew what is there, copies it and lets the target run before anything else.
    fn stop_and_copy(&self, spans: &[Span], pages: &mut Pages) -> Result<Taken> {
        let pause = Pause::begin(self.target)?;
        let outcome = self
            .runs(spans)
            .map(|runs| (copy(&self.mem, &runs.present, pages, self.options.threads, self.progress), runs.swapped));
        let stood = pause.end_with_threads();
        let (copied, swapped) = outcome?;
        let (pause, threads) = stood?;
        Ok(Taken { copied: copied.map_err(|error| failure(self.target, error))?, swapped, threads, pause })
    }

    /// Takes spans off `ahead` until about `room` bytes of them are there to be copied, and says how many are. Looks
    /// in steps, so that a long region is not measured whole for every stop.
    fn next_window(&self, ahead: &mut VecDeque<Span>, room: ByteCount) -> Result<(Vec<Span>, ByteCount)> {
        let first_step = ByteCount(room.0.saturating_mul(4));
        let (mut window, mut found, mut step) = (Vec::new(), ByteCount::ZERO, first_step);
        while let Some(span) = ahead.pop_front() {
            let look = Span::sized(span.start, span.size().min(step));
            let present = self.runs(&[look])?.present;
            let (until, bytes) = reach(&present, look.end, room.saturating_sub(found));
            found += bytes;
            step = if bytes == ByteCount::ZERO { ByteCount(step.0.saturating_mul(2)) } else { first_step };
            window.push(Span::new(span.start, until));
            if until < span.end {
                ahead.push_front(Span::new(until, span.end));
            }
            if found >= room {
                break;
            }
        }
        Ok((joined(window), found))
    }
}

/// How far one gets through `present`, which ends before `end`, with `room`, and what that takes.
fn reach(present: &[Span], end: Addr, room: ByteCount) -> (Addr, ByteCount) {
    let mut taken = ByteCount::ZERO;
    for run in present {
        if taken + run.size() > room {
            return (run.start.plus(room.saturating_sub(taken)), room);
        }
        taken += run.size();
    }
    (end, taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_where_the_room_does() {
        let present = [Span::new(Addr(10), Addr(20)), Span::new(Addr(30), Addr(50))];
        assert_eq!(reach(&present, Addr(100), ByteCount(15)), (Addr(35), ByteCount(15)));
        assert_eq!(reach(&present, Addr(100), ByteCount(30)), (Addr(100), ByteCount(30)));
        assert_eq!(reach(&[], Addr(100), ByteCount(5)), (Addr(100), ByteCount::ZERO));
    }
}

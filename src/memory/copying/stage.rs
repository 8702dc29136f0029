//! Copying spans of a target whole into memory of ours, as they are at one instant. Buffers are touched before a stop;
//! between stop and resume there are reads alone, and resume comes before any error is told.

use std::time::{Duration, Instant};

use super::copier::{Copier, CopyOptions, Taken};
use super::copy::{Copied, copy};
use super::ladder::Method;
use super::precopy::precopy;
use super::shelf::Shelf;
use crate::error::{Error, ErrorKind, Result};
use crate::memory::live::{failure, open_mem};
use crate::memory::{Coverage, StagedMemory};
use crate::progress::Progress;
use crate::space::spans::joined;
use crate::space::{AddressMap, Mapping};
use crate::target::{Pause, Target};
use crate::units::Span;

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
pub(in crate::memory) fn not_idle(target: &Target) -> Error {
    let reason = "a thread of it ran meanwhile, or the kernel does not count";
    Error::new(ErrorKind::Failed, "cannot copy without a stop the memory of", target.subject(), reason)
}

//! Copying spans of a target whole into memory of ours, as they are at one instant. Buffers are touched before a stop;
//! between stop and resume there are reads alone, and resume comes before any error is told.

use std::time::{Duration, Instant};

use super::copier::{Copier, CopyOptions, Now};
use super::copy::Copied;
use super::ladder::Method;
use super::precopy::precopy;
use super::reader::Reader;
use super::shelf::Shelf;
use super::wanted::Wanted;
use crate::error::{Error, ErrorKind, Result};
use crate::memory::live::failure;
use crate::memory::{Coverage, StagedMemory};
use crate::progress::Progress;
use crate::space::AddressMap;
use crate::target::{Pause, Target};

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
    /// The instant whose bytes they are.
    pub at: Instant,
}

/// Copies what is `wanted` into memory of our own, as it is at one instant, in one of the ways that need no child. Pages
/// absent are left out, swapped ones unless asked for.
///
/// # Errors
/// `Failed` with the figure where the copy would not fit in `options.budget` or in what the machine has to spare, or where
/// the method cannot be used on this target; whatever stopping and reading a target can end in. The target runs on in
/// every case.
pub fn stage_by(
    method: Method,
    target: &Target,
    map: AddressMap,
    wanted: Wanted<'_>,
    options: &CopyOptions<'_>,
    progress: &dyn Progress,
) -> Result<Snapshot> {
    let began = Instant::now();
    let reader = if method == Method::Stop { Reader::stopped(target) } else { Reader::running(target) }?;
    let copier = Copier { target, map: &map, reader: &reader, options, progress };
    let taken = match method {
        Method::Idle => stage_idle(&copier, wanted)?,
        Method::Precopy => stage_precopied(&copier, wanted)?,
        Method::Stop => stage_stopped(&copier, wanted)?,
        Method::Fork | Method::Live => {
            let reason = format!("{method} does not copy into memory");
            return Err(Error::new(ErrorKind::Failed, "cannot take a snapshot of", target.subject(), reason));
        }
    };
    let (memory, pause, stops, at) = taken;
    let coverage = memory.coverage().clone();
    Ok(Snapshot { memory, method, pause, stops, coverage, took: began.elapsed(), at })
}

/// What was copied, how long the target stood still for it, how often, and the instant whose bytes they are.
type Staged = (StagedMemory, Duration, u32, Instant);

fn stage_stopped(copier: &Copier<'_>, wanted: Wanted<'_>) -> Result<Staged> {
    let mut pages = copier.reserve_for(&copier.runs(&wanted.among(&copier.map.mappings))?.present)?;
    let held = Pause::begin(copier.target)?;
    let at = Instant::now();
    let outcome = copier.copy_now(wanted, &mut pages);
    let stood = held.end_with_threads();
    let Now { map, spans, copied, swapped } = outcome?;
    let (pause, threads) = stood?;
    let copied = copied.map_err(|error| failure(copier.target, error))?;
    Ok((StagedMemory::new(map, pages, copied, &spans, swapped).with_threads(threads), pause, 1, at))
}

/// Without a stop, of a process in which nobody runs meanwhile; with a bare one where registers are asked for.
fn stage_idle(copier: &Copier<'_>, wanted: Wanted<'_>) -> Result<Staged> {
    let target = copier.target;
    let mut pages = copier.reserve_for(&copier.runs(&wanted.among(&copier.map.mappings))?.present)?;
    let before = target.stillness().ok_or_else(|| not_idle(target))?;
    let at = Instant::now();
    let Now { map, spans, copied, swapped } = copier.copy_now(wanted, &mut pages)?;
    let copied = copied.map_err(|error| failure(target, error))?;
    if target.stillness().as_ref() != Some(&before) {
        return Err(not_idle(target));
    }
    let memory = StagedMemory::new(map, pages, copied, &spans, swapped);
    if matches!(wanted, Wanted::Spans(_)) {
        return Ok((memory, Duration::ZERO, 0, at));
    }
    let held = Pause::begin(target)?;
    let was_woken_by_us_alone = target.was_still_until_stopped(&before);
    let (pause, threads) = held.end_with_threads()?;
    if !was_woken_by_us_alone {
        return Err(not_idle(target));
    }
    Ok((memory.with_threads(threads), pause, 1, at))
}

/// Copied while the target runs, with a stop for what it wrote last.
fn stage_precopied(copier: &Copier<'_>, wanted: Wanted<'_>) -> Result<Staged> {
    let present = copier.runs(&wanted.among(&copier.map.mappings))?.present;
    let mut shelf = Shelf::new(copier.reserve_for(&present)?, &present);
    let include_swapped = copier.options.include_swapped;
    let taken = precopy(copier.target, copier.map, wanted, include_swapped, &mut shelf, copier.progress)?;
    let (pages, pieces) = shelf.pieces(&taken.present);
    let copied = Copied { pieces, gaps: taken.coverage.gaps, left: Vec::new() };
    let map = AddressMap { mappings: taken.mappings, ..copier.map.clone() };
    let memory = StagedMemory::new(map, pages, copied, &taken.wanted, taken.swapped).with_threads(taken.threads);
    Ok((memory, taken.pause, 1, taken.at))
}

/// The error where somebody runs.
pub(in crate::memory) fn not_idle(target: &Target) -> Error {
    let reason = "a thread of it ran meanwhile, or the kernel does not count";
    Error::new(ErrorKind::Failed, "cannot copy without a stop the memory of", target.subject(), reason)
}

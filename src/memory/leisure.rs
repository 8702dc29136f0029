//! Copying from memory that keeps still by itself: a child made for it, or a process in which nobody runs. In order,
//! through a few buffers, one thread reading ahead of who consumes.

use std::fs::File;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::live::{failure, open_mem, read_memory};
use super::stage::Part;
use super::{Coverage, ReadError};
use crate::error::Result;
use crate::progress::Progress;
use crate::space::AddressMap;
use crate::space::spans::{joined, total};
use crate::target::Target;
use crate::units::{Addr, ByteCount, Span};

/// What is read at a time, and how many such buffers there are.
const BUFFER: ByteCount = ByteCount::mib(4);
const BUFFERS: usize = 4;

/// A stretch as it was read.
enum Stretch {
    Bytes(Addr, Vec<u8>),
    Swapped(Span),
    Gap(Span),
}

/// Gives the parts of `spans` (joined) of `target` in order of address to `emit`.
///
/// # Errors
/// Those of reading, and those of `emit`.
pub(super) fn copy_at_leisure(
    target: &Target,
    map: &AddressMap,
    spans: &[Span],
    include_swapped: bool,
    progress: &dyn Progress,
    emit: &mut dyn FnMut(Part<'_>) -> Result<()>,
) -> Result<Coverage> {
    let mem = open_mem(target)?;
    let mut stretches = Vec::new();
    let mut coverage = Coverage { wanted: total(spans), ..Coverage::default() };
    for span in spans {
        let residency = target.residency(*span, map)?;
        let (swapped, mut present) = (residency.swapped, residency.present);
        match include_swapped {
            true => present = joined(present.into_iter().chain(swapped).collect()),
            false => stretches.extend(swapped.into_iter().map(|span| (span, false))),
        }
        stretches.extend(present.into_iter().map(|span| (span, true)));
    }
    stretches.sort_unstable_by_key(|(span, _)| span.start);
    let (full, fulls) = sync_channel(BUFFERS);
    let (empty, empties) = sync_channel(BUFFERS);
    for _ in 0..BUFFERS {
        let _ = empty.send(Vec::new());
    }
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| read_ahead(&mem, &stretches, full, empties));
        let mut emitted = Ok(());
        // Dropped at an error, the channel ends the reader.
        for stretch in fulls {
            emitted = pass_on(stretch, &empty, &mut coverage, progress, emit);
            if emitted.is_err() {
                break;
            }
        }
        drop(empty);
        let read = reader.join().unwrap_or(Err(ReadError::Io(std::io::Error::other("the reader failed"))));
        emitted?;
        read.map_err(|error| failure(target, error))
    })?;
    let known = coverage.copied + coverage.swapped + total(&coverage.gaps);
    coverage.absent = coverage.wanted.saturating_sub(known);
    Ok(coverage)
}

fn pass_on(
    stretch: Stretch,
    empty: &SyncSender<Vec<u8>>,
    coverage: &mut Coverage,
    progress: &dyn Progress,
    emit: &mut dyn FnMut(Part<'_>) -> Result<()>,
) -> Result<()> {
    if progress.interrupted() {
        return Err(super::image::interrupted());
    }
    match stretch {
        Stretch::Bytes(addr, bytes) => {
            coverage.copied += ByteCount(bytes.len() as u64);
            emit(Part::Bytes(addr, &bytes))?;
            // The reader may have ended.
            let _ = empty.send(bytes);
        }
        Stretch::Swapped(span) => {
            coverage.swapped += span.size();
            emit(Part::Swapped(span))?;
        }
        Stretch::Gap(span) => {
            coverage.gaps.push(span);
            emit(Part::Gap(span))?;
        }
    }
    Ok(())
}

/// The reader's work; ends where nobody listens any more.
fn read_ahead(
    mem: &File,
    stretches: &[(Span, bool)],
    full: SyncSender<Stretch>,
    empties: Receiver<Vec<u8>>,
) -> std::result::Result<(), ReadError> {
    for (span, is_present) in stretches {
        if !is_present {
            if full.send(Stretch::Swapped(*span)).is_err() {
                return Ok(());
            }
            continue;
        }
        let mut at = span.start;
        while at < span.end {
            let Ok(mut bytes) = empties.recv() else { return Ok(()) };
            let size = span.end.since(at).min(BUFFER);
            let stretch = fill(mem, at, size, &mut bytes)?;
            at = at.plus(match &stretch {
                Stretch::Bytes(_, bytes) => ByteCount(bytes.len() as u64),
                Stretch::Swapped(gap) | Stretch::Gap(gap) => gap.size(),
            });
            if full.send(stretch).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// As much of `size` bytes at `addr` as can be read; a page that cannot be is a gap.
fn fill(mem: &File, addr: Addr, size: ByteCount, bytes: &mut Vec<u8>) -> std::result::Result<Stretch, ReadError> {
    bytes.resize(size.0 as usize, 0);
    let mut done = 0;
    while done < bytes.len() {
        let window = (done + super::WINDOW.0 as usize).min(bytes.len());
        match read_memory(mem, addr.plus(ByteCount(done as u64)), &mut bytes[done..window]) {
            Ok(length) => done += length,
            Err(ReadError::Fault(at)) if done == 0 => {
                let page = at.plus(ByteCount(1)).align_up(ByteCount::kib(4));
                return Ok(Stretch::Gap(Span::new(addr, page.min(addr.plus(size)))));
            }
            Err(ReadError::Fault(_)) => break,
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(done);
    Ok(Stretch::Bytes(addr, std::mem::take(bytes)))
}

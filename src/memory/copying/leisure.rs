//! Copying from memory that keeps still by itself: a child made for it, or a process in which nobody runs. In order,
//! through a few buffers, one thread reading ahead of who consumes.

use std::fs::File;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::stream::Part;
use crate::error::Result;
use crate::memory::live::{failure, open_mem, read_memory};
use crate::memory::{Coverage, ReadError};
use crate::progress::Progress;
use crate::space::AddressMap;
use crate::space::spans::{joined, total};
use crate::sys::cpu;
use crate::sys::pages::Pages;
use crate::target::Target;
use crate::units::{Addr, ByteCount, Span};

/// What is read at a time, and how many such buffers there are.
const BUFFER: ByteCount = ByteCount::mib(4);
const BUFFERS: usize = 4;

/// A stretch as it was read. Buffers begin on a page, as a disk wants them.
enum Stretch {
    Bytes(Addr, Pages, usize),
    Swapped(Span),
    Gap(Span),
}

/// Gives the parts of `spans` (joined) of `target` in order of address to `emit`.
///
/// # Errors
/// Those of reading, and those of `emit`.
pub(in crate::memory) fn copy_at_leisure(
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
    let residency = target.residency_of(spans, map)?;
    let (swapped, mut present) = (residency.swapped, residency.present);
    match include_swapped {
        true => present = joined(present.into_iter().chain(swapped).collect()),
        false => stretches.extend(swapped.into_iter().map(|span| (span, false))),
    }
    stretches.extend(present.into_iter().map(|span| (span, true)));
    stretches.sort_unstable_by_key(|(span, _)| span.start);
    let (full, fulls) = sync_channel(BUFFERS);
    let (empty, empties) = sync_channel(BUFFERS);
    for _ in 0..BUFFERS.min(1 + stretches.len()) {
        let pages = Pages::reserve(BUFFER).map_err(|error| failure(target, ReadError::Io(error)))?;
        let _ = empty.send(pages);
    }
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| read_ahead(&mem, &stretches, full, empties));
        let mut emitted = Ok(());
        // Dropped at an error, the channels end the reader, whichever it waits for.
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
    empty: &SyncSender<Pages>,
    coverage: &mut Coverage,
    progress: &dyn Progress,
    emit: &mut dyn FnMut(Part<'_>) -> Result<()>,
) -> Result<()> {
    if progress.interrupted() {
        return Err(crate::memory::dumping::image::interrupted());
    }
    match stretch {
        Stretch::Bytes(addr, pages, length) => {
            coverage.copied += ByteCount(length as u64);
            emit(Part::Bytes(addr, &pages[..length]))?;
            // The reader may have ended.
            let _ = empty.send(pages);
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
    empties: Receiver<Pages>,
) -> std::result::Result<(), ReadError> {
    // The target has the processors first.
    cpu::step_back();
    let mut spare = None;
    for (span, is_present) in stretches {
        if !is_present {
            if full.send(Stretch::Swapped(*span)).is_err() {
                return Ok(());
            }
            continue;
        }
        let mut at = span.start;
        while at < span.end {
            let Some(mut pages) = spare.take().or_else(|| empties.recv().ok()) else { return Ok(()) };
            let size = span.end.since(at).min(BUFFER);
            let length = fill(mem, at, &mut pages[..size.0 as usize])?;
            let (done, stretch) = match length {
                // A page that cannot be read; its buffer is for the next.
                0 => {
                    let page = Span::new(at, at.plus(ByteCount(1)).align_up(ByteCount::kib(4)).min(span.end));
                    spare = Some(pages);
                    (page.end, Stretch::Gap(page))
                }
                length => (at.plus(ByteCount(length as u64)), Stretch::Bytes(at, pages, length)),
            };
            at = done;
            if full.send(stretch).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Fills `bytes` from `addr` on as far as it can be read.
fn fill(mem: &File, addr: Addr, bytes: &mut [u8]) -> std::result::Result<usize, ReadError> {
    let mut done = 0;
    while done < bytes.len() {
        let window = (done + crate::memory::WINDOW.0 as usize).min(bytes.len());
        match read_memory(mem, addr.plus(ByteCount(done as u64)), &mut bytes[done..window]) {
            Ok(length) => done += length,
            Err(ReadError::Fault(_)) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

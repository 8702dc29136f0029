//! Copying spans of a target through a small buffer in several short stops, for what is larger than the memory for it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::copier::{Copier, CopyOptions, Now, afford};
use super::copy::Piece;
use super::reader::Reader;
use super::wanted::Wanted;
use crate::error::Result;
use crate::memory::live::failure;
use crate::memory::{Consistency, Coverage};
use crate::progress::Progress;
use crate::space::AddressMap;
use crate::space::spans::{joined, total, within};
use crate::target::{Pause, Target};
use crate::units::{Addr, ByteCount, Span};

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
pub(in crate::memory) enum Part<'b> {
    Bytes(Addr, &'b [u8]),
    Swapped(Span),
    Gap(Span),
}

/// Copies `spans` through a buffer of at most `options.budget` and 64 MiB: stop, copy a bufferful, resume, hand it to
/// `consume` in ascending order, next. Each stretch between two stops is of one instant.
///
/// # Errors
/// As for [`stage_by`](super::stage::stage_by), but for the size.
pub fn stream(
    target: &Target,
    map: &AddressMap,
    spans: &[Span],
    options: &CopyOptions<'_>,
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

pub(in crate::memory) fn stream_parts(
    target: &Target,
    map: &AddressMap,
    spans: &[Span],
    options: &CopyOptions<'_>,
    progress: &dyn Progress,
    emit: &mut dyn FnMut(Part<'_>) -> Result<()>,
) -> Result<StreamSummary> {
    const LARGEST_STOP: ByteCount = ByteCount::mib(64);
    let began = Instant::now();
    let reader = Reader::stopped(target)?;
    let copier = Copier { target, map, reader: &reader, options, progress };
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
        let held = Pause::begin(target)?;
        let outcome = copier.copy_now(Wanted::Spans(&window), &mut pages);
        let pause = held.end();
        let Now { copied, swapped, .. } = outcome?;
        let (copied, pause) = (copied.map_err(|error| failure(target, error))?, pause?);
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
pub(in crate::memory) fn parts<'b>(
    pieces: &[Piece],
    bytes: &'b [u8],
    swapped: &[Span],
    gaps: &[Span],
) -> Vec<Part<'b>> {
    let stored = pieces.iter().map(|piece| (piece.span.start, Part::Bytes(piece.span.start, &bytes[piece.range()])));
    let swapped = swapped.iter().map(|span| (span.start, Part::Swapped(*span)));
    let gaps = gaps.iter().map(|span| (span.start, Part::Gap(*span)));
    let mut parts: Vec<_> = stored.chain(swapped).chain(gaps).collect();
    parts.sort_by_key(|part| part.0);
    parts.into_iter().map(|(_, part)| part).collect()
}

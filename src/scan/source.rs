//! Scanning out of a memory source: residency first, then windows of what is present, borrowed where possible.
//! Absent and swapped pages are counted, never read. Knows no formats.

use std::sync::mpsc;

use super::Scanner;
use crate::memory::{Coverage, MemorySource, ReadError};
use crate::progress::Progress;
use crate::units::{Addr, ByteCount, Span};

/// Bytes read at a time: a copy this size stays in the processor's cache.
const WINDOW: u64 = 256 * 1024;

/// Windows that another thread may be ahead.
const AHEAD: usize = 3;

/// Shorter spans are read in turn.
const WORTH_A_THREAD: ByteCount = ByteCount::mib(4);

/// Where a page cannot be read, the next one is tried.
const PAGE: ByteCount = ByteCount(4096);

/// Feeds `spans` of `source`, which are in ascending order, to `scanner`. What cannot be read is a gap in the coverage; an
/// error means that the source as a whole failed. Ends early where a person interrupted it: the rest is then gaps.
pub fn scan_source(
    scanner: &mut Scanner<'_>,
    source: &dyn MemorySource,
    spans: &[Span],
    progress: &dyn Progress,
) -> Result<Coverage, ReadError> {
    progress.begin("scanning", Some(spans.iter().map(|span| span.size()).sum()));
    let mut coverage = Coverage::default();
    let mut window = vec![0u8; WINDOW as usize];
    let mut outcome = Ok(());
    for span in spans {
        let mut read = Reading { scanner, source, progress, coverage: &mut coverage, window: &mut window };
        outcome = read.span(*span);
        if outcome.is_err() {
            break;
        }
    }
    scanner.end_span();
    progress.end();
    outcome.map(|()| coverage)
}

struct Reading<'r, 'a> {
    scanner: &'r mut Scanner<'a>,
    source: &'r dyn MemorySource,
    progress: &'r dyn Progress,
    coverage: &'r mut Coverage,
    window: &'r mut [u8],
}

impl Reading<'_, '_> {
    fn span(&mut self, span: Span) -> Result<(), ReadError> {
        self.coverage.wanted += span.size();
        let residency = self.source.residency(span)?;
        self.coverage.swapped += residency.swapped_bytes();
        self.coverage.absent += residency.absent;
        self.progress.advance(span.size().saturating_sub(residency.present_bytes()));
        for present in residency.present {
            self.present(present.intersection(span))?;
        }
        Ok(())
    }

    fn present(&mut self, span: Span) -> Result<(), ReadError> {
        match self.source.shared() {
            Some(shared) if span.size() >= WORTH_A_THREAD && self.source.borrow(span).is_none() => {
                self.read_ahead(shared, span)
            }
            _ => self.read_in_turn(span),
        }
    }

    fn read_in_turn(&mut self, span: Span) -> Result<(), ReadError> {
        let mut at = span.start;
        while at < span.end {
            if self.progress.interrupted() {
                self.gap(Span::new(at, span.end));
                return Ok(());
            }
            let wanted = window_at(at, span.end);
            if let Some(bytes) = self.source.borrow(wanted) {
                self.feed(at, bytes);
                at = wanted.end;
                continue;
            }
            let piece = read(self.source, wanted, self.window)?;
            at = piece.end;
            let window = std::mem::take(&mut self.window);
            self.take(wanted.start, &piece, window);
            self.window = window;
        }
        Ok(())
    }

    /// The same with another thread that reads the next windows while this one looks into the last.
    fn read_ahead(&mut self, source: &(dyn MemorySource + Sync), span: Span) -> Result<(), ReadError> {
        let (full, arrived) = mpsc::sync_channel(AHEAD);
        let (back, empty) = mpsc::sync_channel(AHEAD);
        for _ in 0..AHEAD {
            let _ = back.send(vec![0u8; WINDOW as usize]);
        }
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut at = span.start;
                // Ends where nobody takes the windows any more.
                while at < span.end
                    && let Ok(mut window) = empty.recv()
                {
                    let piece = read(source, window_at(at, span.end), &mut window);
                    let begin = at;
                    at = piece.as_ref().map_or(span.end, |piece| piece.end);
                    if full.send((begin, piece, window)).is_err() {
                        return;
                    }
                }
            });
            // Dropped when this ends, in whatever way: the other thread waits for no window then.
            let back = back;
            for (begin, piece, window) in arrived {
                if self.progress.interrupted() {
                    self.gap(Span::new(begin, span.end));
                    break;
                }
                self.take(begin, &piece?, &window);
                let _ = back.send(window);
            }
            Ok(())
        })
    }

    fn feed(&mut self, at: Addr, bytes: &[u8]) {
        let size = ByteCount(bytes.len() as u64);
        self.scanner.feed(at, bytes);
        self.coverage.copied += size;
        self.progress.advance(size);
    }

    fn take(&mut self, begin: Addr, piece: &Piece, window: &[u8]) {
        match piece.read {
            0 => {
                self.gap(Span::new(begin, piece.end));
                self.progress.advance(piece.end.since(begin));
            }
            read => self.feed(begin, &window[..read]),
        }
    }

    fn gap(&mut self, span: Span) {
        match self.coverage.gaps.last_mut() {
            Some(last) if last.end == span.start => last.end = span.end,
            _ => self.coverage.gaps.push(span),
        }
    }
}

/// What came of one reading.
struct Piece {
    /// Bytes that were read; none where the first cannot be.
    read: usize,
    /// Where to go on.
    end: Addr,
}

/// The window at `at`. Windows end at multiples of their size: a long span is read in whole ones.
fn window_at(at: Addr, end: Addr) -> Span {
    Span::new(at, Addr((at.0 / WINDOW).saturating_add(1).saturating_mul(WINDOW)).min(end))
}

/// Reads what can be read from the beginning of `wanted`.
fn read(source: &dyn MemorySource, wanted: Span, window: &mut [u8]) -> Result<Piece, ReadError> {
    let length = (wanted.size().0 as usize).min(window.len());
    match source.read_at(wanted.start, &mut window[..length]) {
        Ok(read) if read > 0 => {
            let read = read.min(length);
            Ok(Piece { read, end: wanted.start.plus(ByteCount(read as u64)) })
        }
        Ok(_) | Err(ReadError::Fault(_)) => {
            let next = wanted.start.plus(ByteCount(1)).align_up(PAGE).min(wanted.end);
            Ok(Piece { read: 0, end: if next > wanted.start { next } else { wanted.end } })
        }
        Err(error) => Err(error),
    }
}

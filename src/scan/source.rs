//! Scanning out of a memory source: residency first, then windows of what is present, borrowed where possible.
//! Absent and swapped pages are counted, never read. Knows no formats.

use super::Scanner;
use crate::memory::{Coverage, MemorySource, ReadError};
use crate::progress::Progress;
use crate::units::{Addr, ByteCount, Span};

/// Bytes read at a time: a copy this size stays in the processor's cache.
const WINDOW: u64 = 256 * 1024;

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
        let mut at = span.start;
        while at < span.end {
            if self.progress.interrupted() {
                self.gap(Span::new(at, span.end));
                return Ok(());
            }
            // Windows end at multiples of their size: a long span is read in whole ones.
            let end = Addr((at.0 / WINDOW).saturating_add(1).saturating_mul(WINDOW)).min(span.end);
            let wanted = Span::new(at, end);
            at = match self.source.borrow(wanted) {
                Some(bytes) => {
                    self.scanner.feed(at, bytes);
                    self.coverage.copied += wanted.size();
                    end
                }
                None => self.read(wanted)?,
            };
            self.progress.advance(at.since(wanted.start));
        }
        Ok(())
    }

    /// Reads what can be read from the beginning of `wanted`. Returns where to go on.
    fn read(&mut self, wanted: Span) -> Result<Addr, ReadError> {
        let length = (wanted.size().0 as usize).min(self.window.len());
        match self.source.read_at(wanted.start, &mut self.window[..length]) {
            Ok(read) if read > 0 => {
                let read = read.min(length);
                self.scanner.feed(wanted.start, &self.window[..read]);
                self.coverage.copied += ByteCount(read as u64);
                Ok(wanted.start.plus(ByteCount(read as u64)))
            }
            Ok(_) | Err(ReadError::Fault(_)) => {
                let next = wanted.start.plus(ByteCount(1)).align_up(PAGE).min(wanted.end);
                let next = if next > wanted.start { next } else { wanted.end };
                self.gap(Span::new(wanted.start, next));
                Ok(next)
            }
            Err(error) => Err(error),
        }
    }

    fn gap(&mut self, span: Span) {
        match self.coverage.gaps.last_mut() {
            Some(last) if last.end == span.start => last.end = span.end,
            _ => self.coverage.gaps.push(span),
        }
    }
}

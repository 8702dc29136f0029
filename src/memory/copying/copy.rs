//! Copying runs of a process's memory into a buffer that is there already, on a few threads. This is what happens
//! while a target stands still: reads and nothing else.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::reader::Reader;
use crate::memory::ReadError;
use crate::progress::Progress;
use crate::space::spans::{joined, outside};
use crate::units::{Addr, ByteCount, Span};

/// What one thread takes at a time.
const JOB: usize = 1024 * 1024;
/// The smallest page there is; what a fault makes unreadable.
const PAGE: ByteCount = ByteCount::kib(4);

/// A stretch of the target's memory and where in the buffer its bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::memory) struct Piece {
    pub span: Span,
    pub offset: usize,
}

/// What a copy gave.
#[derive(Debug, Default)]
pub(in crate::memory) struct Copied {
    /// In order of address and of offset.
    pub pieces: Vec<Piece>,
    /// Not readable, in order.
    pub gaps: Vec<Span>,
    /// Not taken, because the buffer was full.
    pub left: Vec<Span>,
}

struct Job<'b> {
    addr: Addr,
    bytes: &'b mut [u8],
}

/// Reads `runs` (in order) one after another into `buffer`.
///
/// # Errors
/// What speaks of the process as a whole; an interruption comes as `Io` of kind `Interrupted`.
pub(in crate::memory) fn copy(
    reader: &Reader,
    runs: &[Span],
    buffer: &mut [u8],
    threads: usize,
    progress: &dyn Progress,
) -> Result<Copied, ReadError> {
    let (taken, left) = fit(runs, buffer.len());
    let jobs = jobs(&taken, buffer);
    let threads = threads.clamp(1, jobs.len().max(1));
    let crew = Crew { reader, jobs: Mutex::new(jobs.into_iter()), failed: AtomicBool::new(false), progress };
    let gaps = if threads == 1 { crew.work()? } else { crew.work_together(threads)? };
    let gaps = joined(gaps);
    let mut pieces = Vec::with_capacity(taken.len());
    for piece in taken {
        pieces.extend(outside(&gaps, piece.span).into_iter().map(|part| piece.cut(part)));
    }
    Ok(Copied { pieces, gaps, left })
}

impl Piece {
    /// The piece that holds `part` of this one.
    pub fn cut(self, part: Span) -> Piece {
        Piece { span: part, offset: self.offset + part.start.since(self.span.start).0 as usize }
    }

    /// Where in the buffer its bytes are.
    pub fn range(self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.span.size().0 as usize
    }
}

/// As many runs as fit in `room` bytes, and the rest.
fn fit(runs: &[Span], room: usize) -> (Vec<Piece>, Vec<Span>) {
    let (mut taken, mut left, mut offset) = (Vec::with_capacity(runs.len()), Vec::new(), 0);
    for run in runs {
        let free = ByteCount((room - offset) as u64);
        let part = Span::sized(run.start, run.size().min(free));
        if !part.is_empty() {
            taken.push(Piece { span: part, offset });
            offset += part.size().0 as usize;
        }
        if part.end < run.end {
            left.push(Span::new(part.end, run.end));
        }
    }
    (taken, left)
}

fn jobs<'b>(pieces: &[Piece], buffer: &'b mut [u8]) -> Vec<Job<'b>> {
    let mut jobs = Vec::with_capacity(pieces.len() + buffer.len() / JOB);
    let mut rest = buffer;
    for piece in pieces {
        let (mine, others) = rest.split_at_mut(piece.range().len());
        rest = others;
        let mut addr = piece.span.start;
        for bytes in mine.chunks_mut(JOB) {
            let size = ByteCount(bytes.len() as u64);
            jobs.push(Job { addr, bytes });
            addr = addr.plus(size);
        }
    }
    jobs
}

struct Crew<'a, 'b> {
    reader: &'a Reader,
    jobs: Mutex<std::vec::IntoIter<Job<'b>>>,
    failed: AtomicBool,
    progress: &'a dyn Progress,
}

impl Crew<'_, '_> {
    fn work_together(&self, threads: usize) -> Result<Vec<Span>, ReadError> {
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(|| self.work())).collect();
            let mut gaps = self.work();
            for other in others {
                let theirs = other.join().unwrap_or_else(|_| Err(ReadError::Io(io::Error::other("a copier failed"))));
                gaps = gaps.and_then(|mut all| {
                    all.extend(theirs?);
                    Ok(all)
                });
            }
            gaps
        })
    }

    /// Takes jobs until there are none or somebody failed, and says what could not be read.
    fn work(&self) -> Result<Vec<Span>, ReadError> {
        let mut gaps = Vec::new();
        while !self.failed.load(Ordering::Relaxed) {
            let next = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(job) = next else { break };
            if self.progress.interrupted() {
                self.failed.store(true, Ordering::Relaxed);
                return Err(ReadError::Io(io::ErrorKind::Interrupted.into()));
            }
            if let Err(error) = fill(self.reader, job, &mut gaps) {
                self.failed.store(true, Ordering::Relaxed);
                return Err(error);
            }
        }
        Ok(gaps)
    }
}

fn fill(reader: &Reader, job: Job<'_>, gaps: &mut Vec<Span>) -> Result<(), ReadError> {
    let (mut addr, mut rest) = (job.addr, job.bytes);
    while !rest.is_empty() {
        let done = match reader.read(addr, rest) {
            Ok(length) => length,
            Err(ReadError::Fault(_)) => {
                let page = addr.plus(ByteCount(1)).align_up(PAGE);
                let length = page.since(addr).0.min(rest.len() as u64);
                gaps.push(Span::sized(addr, ByteCount(length)));
                length as usize
            }
            Err(error) => return Err(error),
        };
        addr = addr.plus(ByteCount(done as u64));
        rest = &mut rest[done..];
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::*;
    use crate::progress::Silent;

    fn span(start: u64, end: u64) -> Span {
        Span::new(Addr(start), Addr(end))
    }

    /// A plain file reads like /proc/PID/mem, but for faults.
    fn patterned(length: usize) -> (File, Vec<u8>) {
        let bytes: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        (file, bytes)
    }

    #[test]
    fn runs_land_one_after_another_whatever_the_number_of_threads() {
        let (file, bytes) = patterned(5 * JOB);
        let reader = Reader::from(file);
        let runs = [span(10, 20), span(4096, 3 * JOB as u64 + 5), span(4 * JOB as u64, 5 * JOB as u64 - 1)];
        for threads in [1, 2, 7] {
            let mut buffer = vec![0; 5 * JOB];
            let copied = copy(&reader, &runs, &mut buffer, threads, &Silent).unwrap();
            assert_eq!(copied.pieces.iter().map(|piece| piece.span).collect::<Vec<_>>(), runs);
            for piece in &copied.pieces {
                let from = piece.span.start.0 as usize..piece.span.end.0 as usize;
                assert!(buffer[piece.range()] == bytes[from]);
            }
            assert!(copied.gaps.is_empty() && copied.left.is_empty());
        }
    }

    #[test]
    fn what_does_not_fit_is_left_and_what_ends_is_gone() {
        let reader = Reader::from(patterned(8192).0);
        let mut buffer = vec![0; 100];
        let copied = copy(&reader, &[span(0, 90), span(200, 300), span(400, 401)], &mut buffer, 2, &Silent).unwrap();
        assert_eq!(copied.left, [span(210, 300), span(400, 401)]);
        assert_eq!(copied.pieces[1], Piece { span: span(200, 210), offset: 90 });
        assert!(matches!(copy(&reader, &[span(8190, 8200)], &mut buffer, 1, &Silent), Err(ReadError::Gone)));
    }
}

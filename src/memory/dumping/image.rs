//! Writing a raw image: bytes of the target at `address - start`, everything else as holes, and the hash of it all.
//! Pages of files that the target never looked at are taken from the file, as a debugger would read them.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::unistd::{Whence, lseek};
use sha2::{Digest, Sha256};

use super::output::failure;
use super::packer::{Frames, Packer};
use super::sink::Sink;
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Progress;
use crate::space::spans::joined;
use crate::space::{AddressMap, Mapping};
use crate::units::{Addr, ByteCount, Span};

/// How much is written between two looks at the interrupt.
const STEP: usize = 4 * 1024 * 1024;
/// From here on hashing on a second thread is worth starting one.
const WORTH_A_THREAD: usize = 1024 * 1024;
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// Opens the file behind a mapping.
pub(in crate::memory) type OpenFile<'w> = &'w dyn Fn(&Mapping) -> io::Result<File>;

/// Where an image goes.
pub(in crate::memory) enum Place<'w> {
    /// Each byte to its offset.
    Plain(Sink<'w>),
    Packed(Packer<'w>),
}

/// A raw image in the making. Parts come in order of address.
pub(in crate::memory) struct Image<'w> {
    place: Place<'w>,
    path: &'w std::path::Path,
    map: &'w AddressMap,
    open: OpenFile<'w>,
    opened: HashMap<(u32, u32, u64), Option<File>>,
    start: Addr,
    /// All below it is written, hashed or a known hole.
    at: Addr,
    hash: Option<Sha256>,
    progress: &'w dyn Progress,
    written: Written,
}

/// What became of an image's span.
#[derive(Debug, Default)]
pub(in crate::memory) struct Written {
    pub present: Vec<Span>,
    pub swapped: Vec<Span>,
    pub gaps: Vec<Span>,
    pub sha256: Option<String>,
    pub frames: Option<Frames>,
}

impl<'w> Image<'w> {
    /// An image of `span` in the file at `path`, which has no content yet or bytes for which [`Image::kept`] stands; hashed if
    /// `hashed`.
    pub fn begin(
        (place, path): (Place<'w>, &'w std::path::Path),
        span: Span,
        map: &'w AddressMap,
        open: OpenFile<'w>,
        hashed: bool,
        progress: &'w dyn Progress,
    ) -> Image<'w> {
        let hash = hashed.then(Sha256::new);
        let (start, written) = (span.start, Written::default());
        Image { place, path, map, open, opened: HashMap::new(), start, at: start, hash, progress, written }
    }

    /// Bytes of the target that are in the file already.
    pub fn kept(&mut self, span: Span) -> Result<()> {
        self.absent_until(span.start)?;
        if self.hash.is_some() {
            self.hash_kept(span).map_err(|error| failed(self.path, &error))?;
        }
        self.written.present.push(span);
        self.at = self.at.max(span.end);
        Ok(())
    }

    /// Hashes what is in the file, one half of a buffer while the other is read.
    fn hash_kept(&mut self, span: Span) -> io::Result<()> {
        let Some(hash) = &mut self.hash else { return Ok(()) };
        let (mut now, mut next) = (vec![0u8; WORTH_A_THREAD], vec![0u8; WORTH_A_THREAD]);
        let (from, to) = (span.start.since(self.start).0, span.end.since(self.start).0);
        let (Place::Plain(Sink { file, .. }), mut at) = (&self.place, from) else { return Ok(()) };
        let size = |at: u64| to.saturating_sub(at).min(WORTH_A_THREAD as u64) as usize;
        file.read_exact_at(&mut now[..size(at)], at)?;
        while at < to {
            if self.progress.interrupted() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let (length, after) = (size(at), at + size(at) as u64);
            std::thread::scope(|scope| {
                if length == WORTH_A_THREAD {
                    scope.spawn(|| hash.update(&now[..length]));
                } else {
                    hash.update(&now[..length]);
                }
                file.read_exact_at(&mut next[..size(after)], after)
            })?;
            std::mem::swap(&mut now, &mut next);
            at = after;
        }
        Ok(())
    }

    /// Bytes of the target.
    pub fn bytes(&mut self, addr: Addr, bytes: &[u8]) -> Result<()> {
        self.absent_until(addr)?;
        self.store(addr, bytes)
    }

    /// Bytes left in swap.
    pub fn swapped(&mut self, span: Span) -> Result<()> {
        self.absent_until(span.start)?;
        self.written.swapped.push(span);
        self.hole(span.end)
    }

    /// Bytes that could not be read.
    pub fn gap(&mut self, span: Span) -> Result<()> {
        self.absent_until(span.start)?;
        self.written.gaps.push(span);
        self.hole(span.end)
    }

    /// Nothing more comes before `end`.
    pub fn end(mut self, end: Addr) -> Result<Written> {
        self.absent_until(end)?;
        if let Place::Packed(packer) = self.place {
            self.written.frames = Some(packer.end().map_err(|error| failure(self.path, &error))?);
        }
        self.written.sha256 = self.hash.take().map(|hash| hex(&hash.finalize()));
        self.written.present = joined(std::mem::take(&mut self.written.present));
        self.written.gaps = joined(std::mem::take(&mut self.written.gaps));
        Ok(self.written)
    }

    /// What no part spoke of up to `addr`: zeros, a file's bytes, or unmapped.
    fn absent_until(&mut self, addr: Addr) -> Result<()> {
        let map = self.map;
        let first = map.mappings.partition_point(|mapping| mapping.span.end <= self.at);
        for mapping in map.mappings[first..].iter().take_while(|mapping| mapping.span.start < addr) {
            self.unmapped(mapping.span.start.min(addr))?;
            let part = mapping.span.intersection(Span::new(self.at, addr));
            if mapping.has_file() && !part.is_empty() {
                self.file_bytes(mapping, part)?;
            }
            self.hole(part.end)?;
        }
        self.unmapped(addr)
    }

    fn unmapped(&mut self, until: Addr) -> Result<()> {
        if until > self.at {
            self.written.gaps.push(Span::new(self.at, until));
        }
        self.hole(until)
    }

    /// Moves on to `until` without storing anything.
    fn hole(&mut self, until: Addr) -> Result<()> {
        let mut left = until.since(self.at).0;
        self.at = self.at.max(until);
        if let Place::Packed(packer) = &mut self.place {
            packer.skip(left, self.progress).map_err(|error| failed(self.path, &error))?;
        }
        let Some(hash) = &mut self.hash else { return Ok(()) };
        for round in 0_u64.. {
            let length = left.min(ZEROS.len() as u64) as usize;
            if length == 0 {
                break;
            }
            hash.update(&ZEROS[..length]);
            left -= length as u64;
            if round % 64 == 63 && self.progress.interrupted() {
                return Err(interrupted());
            }
        }
        Ok(())
    }

    fn store(&mut self, addr: Addr, bytes: &[u8]) -> Result<()> {
        let offset = addr.since(self.start).0;
        let span = Span::sized(addr, ByteCount(bytes.len() as u64));
        let given_up = AtomicBool::new(false);
        let (place, progress) = (&mut self.place, self.progress);
        let written = match &mut self.hash {
            Some(hash) if bytes.len() >= WORTH_A_THREAD => std::thread::scope(|scope| {
                scope.spawn(|| update(hash, bytes, &given_up));
                place.put(offset, bytes, 1, progress).inspect_err(|_| given_up.store(true, Ordering::Relaxed))
            }),
            Some(hash) => {
                hash.update(bytes);
                place.put(offset, bytes, 1, progress)
            }
            None => place.put(offset, bytes, 2, progress),
        };
        written.map_err(|error| failed(self.path, &error))?;
        self.written.present.push(span);
        self.at = span.end;
        Ok(())
    }

    /// The bytes that a read of untouched pages of `mapping` would bring in, holes of the file left as holes.
    fn file_bytes(&mut self, mapping: &Mapping, part: Span) -> Result<()> {
        let key = (mapping.device.0, mapping.device.1, mapping.inode);
        let file = match self.opened.remove(&key) {
            Some(known) => known,
            None => (self.open)(mapping).ok(),
        };
        let outcome = match &file {
            Some(file) => self.copy_file(file, mapping, part),
            None => self.gap_in_file(part),
        };
        self.opened.insert(key, file);
        outcome
    }

    fn gap_in_file(&mut self, part: Span) -> Result<()> {
        if !part.is_empty() {
            self.written.gaps.push(part);
        }
        self.hole(part.end)
    }

    fn copy_file(&mut self, file: &File, mapping: &Mapping, part: Span) -> Result<()> {
        let length = ByteCount(file.metadata().map(|meta| meta.size()).unwrap_or(0));
        let to_offset = |addr: Addr| (mapping.offset + addr.since(mapping.span.start)).0;
        let to_addr = |offset: u64| mapping.span.start.plus(ByteCount(offset).saturating_sub(mapping.offset));
        // Past the end of the file its last page reads as zeros, and the pages after it cannot be read.
        let data_end = to_addr(length.0).max(part.start).min(part.end);
        let page_end = to_addr(length.0).align_up(ByteCount::kib(4)).max(part.start).min(part.end);
        let mut buffer = vec![0; WORTH_A_THREAD];
        while let Some(data) = next_data(file, to_offset(self.at), to_offset(data_end)) {
            self.hole(to_addr(data.start))?;
            while self.at < to_addr(data.end).min(data_end) {
                let size = to_addr(data.end).min(data_end).since(self.at).0.min(buffer.len() as u64) as usize;
                match file.read_at(&mut buffer[..size], to_offset(self.at)) {
                    Ok(0) | Err(_) => return self.gap_in_file(Span::new(self.at, part.end)),
                    Ok(count) => self.store(self.at, &buffer[..count])?,
                }
            }
        }
        self.hole(page_end)?;
        self.gap_in_file(Span::new(page_end, part.end))
    }
}

impl Place<'_> {
    fn put(&mut self, offset: u64, bytes: &[u8], threads: usize, progress: &dyn Progress) -> io::Result<()> {
        match self {
            Place::Plain(sink) if threads > 1 => write_in_two(*sink, offset, bytes, progress),
            Place::Plain(sink) => write(*sink, offset, bytes, progress),
            Place::Packed(packer) => packer.append(bytes, progress),
        }
    }
}

/// The next stretch of `file` from `from` to `until` that is not a hole.
fn next_data(file: &File, from: u64, until: u64) -> Option<std::ops::Range<u64>> {
    if from >= until {
        return None;
    }
    let seek = |offset: u64, whence| lseek(file, i64::try_from(offset).unwrap_or(i64::MAX), whence);
    let start = match seek(from, Whence::SeekData) {
        Ok(start) => from.max(start as u64),
        Err(Errno::ENXIO) => return None,
        // A file system that knows no holes.
        Err(_) => from,
    };
    let hole = seek(start, Whence::SeekHole).map_or(until, |end| end as u64);
    let end = if hole > start { hole.min(until) } else { until };
    (start < until).then_some(start..end)
}

fn write(sink: Sink<'_>, offset: u64, bytes: &[u8], progress: &dyn Progress) -> io::Result<()> {
    let mut offset = offset;
    sink.announce(offset, bytes.len());
    for step in bytes.chunks(STEP) {
        if progress.interrupted() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        sink.write(step, offset)?;
        offset += step.len() as u64;
        progress.advance(ByteCount(step.len() as u64));
    }
    Ok(())
}

/// The same on two threads, where there is enough for both: a page of a file costs the kernel more than its copying.
fn write_in_two(sink: Sink<'_>, offset: u64, bytes: &[u8], progress: &dyn Progress) -> io::Result<()> {
    let (first, second) = bytes.split_at(bytes.len() / 2 / STEP * STEP);
    if first.is_empty() {
        return write(sink, offset, bytes, progress);
    }
    std::thread::scope(|scope| {
        let other = scope.spawn(|| write(sink, offset + first.len() as u64, second, progress));
        let written = write(sink, offset, first, progress);
        written.and(other.join().unwrap_or_else(|_| Err(io::Error::other("a writer failed"))))
    })
}

fn update(hash: &mut Sha256, bytes: &[u8], given_up: &AtomicBool) {
    for step in bytes.chunks(STEP) {
        if given_up.load(Ordering::Relaxed) {
            return;
        }
        hash.update(step);
    }
}

fn failed(path: &std::path::Path, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::Interrupted => interrupted(),
        _ => failure(path, error),
    }
}

/// What a person's interruption ends in.
pub(in crate::memory) fn interrupted() -> Error {
    Error::new(ErrorKind::Interrupted, "stopped writing", "", "interrupted; what was written is removed")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

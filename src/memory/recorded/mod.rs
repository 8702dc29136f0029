//! Memory that was written to a file: a raw dump with its manifest, compressed or not, a raw file alone, or an ELF core.
//! Read through small windows; what a file says of itself is bounded by what it has.

mod content;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use memmap2::Mmap;
use nix::errno::Errno;
use nix::unistd::{Whence, lseek};

use self::content::{Content, Packed};
use crate::elf::{Core, Segment};
use crate::error::{Error, ErrorKind, Result};
use crate::memory::dumping::manifest::Manifest;
use crate::memory::{Compression, Consistency, MemorySource, ReadError};
use crate::space::spans::{joined, outside, total, within};
use crate::space::{AddressMap, Hints, Mapping, Permissions, Residency, Thread, regions};
use crate::sys::file_map;
use crate::units::{Addr, ByteCount, Span};

/// Memory in a file, at the addresses it had.
#[derive(Debug)]
pub struct RecordedMemory {
    content: Content,
    map: AddressMap,
    /// Which addresses are where in the file; ordered, never overlapping, inside the file.
    segments: Vec<Segment>,
    /// Stored stretches where the manifest lists them; else the holes of the file tell.
    present: Option<Vec<Span>>,
    swapped: Vec<Span>,
    gaps: Vec<Span>,
    manifest: Option<Manifest>,
    consistency: Consistency,
    remarks: Vec<String>,
    threads: Vec<Thread>,
    /// The file as memory, where it was asked for.
    mapped: Option<Mmap>,
}

const ACTION: &str = "cannot read";

impl RecordedMemory {
    /// Opens the file at `path`: a raw dump with its manifest `FILE.json`, an ELF core, or else any file, whose first
    /// byte then has address 0.
    ///
    /// # Errors
    /// `Failed` where it is no regular file, is empty, is shorter than its manifest says, or where a manifest or a
    /// core cannot be made sense of; `NotPermitted` where it may not be read.
    pub fn open(path: &Path) -> Result<RecordedMemory> {
        let subject = || path.display().to_string();
        let fail = |reason: String| Error::new(ErrorKind::Failed, ACTION, subject(), reason);
        let file = open_regular(path).map_err(|error| open_failure(path, &error))?;
        let length = ByteCount(file.metadata().map_err(|error| open_failure(path, &error))?.size());
        if length == ByteCount::ZERO {
            return Err(fail("it is empty".into()));
        }
        let manifest_path = Manifest::path_for(path);
        match open_regular(&manifest_path).and_then(Manifest::read) {
            Ok(manifest) => RecordedMemory::with_manifest(file, length, manifest).map_err(fail),
            // Beside a core there is none, but perhaps an answer that somebody wrote to CORE.json.
            Err(error) if error.kind() == io::ErrorKind::NotFound || matches!(Core::read(&file), Ok(Some(_))) => {
                let memory = RecordedMemory::without_manifest(file, length);
                memory.map_err(|error| fail(error.to_string()))
            }
            Err(error) => Err(Error::new(ErrorKind::Failed, ACTION, manifest_path.display().to_string(), error)
                .with_hint("without that file it is read from address 0")),
        }
    }

    /// The same bytes with the first one at `base`, for a raw file that has lost its manifest.
    pub fn rebased(mut self, base: Addr) -> RecordedMemory {
        if self.manifest.is_none() && self.segments.len() == 1 && self.segments[0].offset == ByteCount::ZERO {
            let span = Span::sized(base, self.segments[0].span.size());
            self.segments[0].span = span;
            self.map = whole_file(span);
        }
        self
    }

    /// The same with its bytes to be borrowed, for who goes to and fro in them: the file is mapped, not held. A compressed
    /// one cannot be.
    pub fn in_place(mut self) -> RecordedMemory {
        if let Content::Plain(file) = &self.content {
            self.mapped = file_map::map(file).ok();
        }
        self
    }

    /// Whether its bytes can be borrowed.
    pub fn is_in_place(&self) -> bool {
        self.mapped.is_some()
    }

    /// What the dumper wrote about it, where that is there.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    /// Whether it is of a whole process: a core, not a dump of a part.
    pub fn is_core(&self) -> bool {
        self.manifest.is_none() && !self.threads.is_empty()
    }

    /// All addresses that the file speaks of, in order.
    pub fn spans(&self) -> Vec<Span> {
        self.segments.iter().map(|segment| segment.span).collect()
    }

    /// What a reader should know about it, such as that the dump was cut off; a sentence each.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    fn with_manifest(
        file: File,
        length: ByteCount,
        mut manifest: Manifest,
    ) -> std::result::Result<RecordedMemory, String> {
        let (whole, mut remarks) = (manifest.range.size(), Vec::new());
        let (content, length) = content_of(file, length, &manifest)?;
        if length < whole && manifest.complete {
            return Err(format!("it was cut off: {length} of {whole} are there"));
        }
        if !manifest.complete {
            remarks.push("the dump was broken off before it was complete: holes may stand for bytes".into());
        }
        if length > whole {
            remarks.push(format!("it is longer than its manifest says; what follows {whole} is not read"));
        }
        let span = Span::sized(manifest.range.start, whole.min(length));
        let mut mappings: Vec<Mapping> = manifest.mappings.iter().map(Mapping::from).collect();
        mappings.retain(|mapping| !mapping.span.is_empty());
        mappings.sort_by_key(|mapping| mapping.span);
        // A map whose lines overlap would be no map: the first of them counts.
        mappings.dedup_by(|next, kept| next.span.start < kept.span.end);
        let present = if manifest.complete { manifest.present.take() } else { None };
        Ok(RecordedMemory {
            content,
            map: mapped(mappings),
            segments: vec![Segment { span, offset: ByteCount::ZERO }],
            present: present.map(joined),
            swapped: joined(std::mem::take(&mut manifest.swapped)),
            gaps: joined(std::mem::take(&mut manifest.gaps)),
            consistency: if manifest.stops > 1 { Consistency::Stretches } else { Consistency::Instant },
            manifest: Some(manifest),
            remarks,
            threads: Vec::new(),
            mapped: None,
        })
    }

    fn without_manifest(file: File, length: ByteCount) -> io::Result<RecordedMemory> {
        let mut remarks = Vec::new();
        let mut threads = Vec::new();
        let (segments, map) = match Core::read(&file)? {
            Some(core) if core.segments.is_empty() => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "it is a core file without any memory in it"));
            }
            Some(core) => {
                if core.cut_off > ByteCount::ZERO {
                    remarks.push(format!("the core was cut off: {} are missing at its end", core.cut_off));
                }
                threads = core.threads;
                (core.segments, mapped(core.mappings))
            }
            None => {
                if is_compressed(&file) {
                    remarks.push("it begins like a zstd file: if it is a compressed dump without its manifest, `zstd -d` makes it readable".into());
                }
                let span = Span::sized(Addr(0), length);
                (vec![Segment { span, offset: ByteCount::ZERO }], whole_file(span))
            }
        };
        let (swapped, gaps) = (Vec::new(), Vec::new());
        let consistency = Consistency::Instant;
        let (present, manifest, mapped) = (None, None, None);
        let content = Content::Plain(file);
        Ok(RecordedMemory {
            content,
            map,
            segments,
            present,
            swapped,
            gaps,
            manifest,
            consistency,
            remarks,
            threads,
            mapped,
        })
    }

    /// Stretches of `span` in the file that are not holes.
    fn stored(&self, span: Span) -> std::result::Result<Vec<Span>, ReadError> {
        let mut stored = Vec::new();
        for segment in self.segments.iter().filter(|segment| segment.span.overlaps(span)) {
            let part = segment.span.intersection(span);
            match &self.present {
                Some(present) => stored.extend(within(present, part)),
                None => match &self.content {
                    Content::Plain(file) => stored_in(segment, file, part, &mut stored).map_err(ReadError::Io)?,
                    // Its holes are zeros like others.
                    Content::Packed(_) => stored.push(part),
                },
            }
        }
        let missing = joined(self.swapped.iter().chain(&self.gaps).copied().collect());
        Ok(stored.into_iter().flat_map(|part| outside(&missing, part)).collect())
    }

    fn segment_at(&self, addr: Addr) -> Option<&Segment> {
        let index = self.segments.partition_point(|segment| segment.span.end <= addr);
        self.segments.get(index).filter(|segment| segment.span.contains(addr))
    }

    fn is_missing(&self, addr: Addr) -> bool {
        let at = Span::sized(addr, ByteCount(1));
        within(&self.swapped, at).next().is_some() || within(&self.gaps, at).next().is_some()
    }
}

impl MemorySource for RecordedMemory {
    fn address_map(&self) -> &AddressMap {
        &self.map
    }

    fn consistency(&self, _span: Span) -> Consistency {
        self.consistency
    }

    fn residency(&self, span: Span) -> std::result::Result<Residency, ReadError> {
        let present = joined(self.stored(span)?);
        let known: Vec<Span> = self.segments.iter().map(|segment| segment.span.intersection(span)).collect();
        let swapped: Vec<Span> = known.iter().flat_map(|part| within(&self.swapped, *part)).collect();
        let absent = span.size().saturating_sub(total(&present) + total(&swapped));
        Ok(Residency { present, swapped, absent })
    }

    fn read_at(&self, addr: Addr, buf: &mut [u8]) -> std::result::Result<usize, ReadError> {
        if buf.is_empty() {
            return Ok(0);
        }
        let segment = self.segment_at(addr).filter(|_| !self.is_missing(addr)).ok_or(ReadError::Fault(addr))?;
        let asked = Span::sized(addr, ByteCount(buf.len() as u64)).intersection(segment.span);
        let missing = within(&self.swapped, asked).chain(within(&self.gaps, asked));
        let until = missing.map(|span| span.start).min().unwrap_or(asked.end);
        let length = until.since(addr).0.min(buf.len() as u64) as usize;
        let offset = segment.at(addr);
        match self.content.read_at(&mut buf[..length], offset) {
            // The file was cut off since it was opened.
            Ok(0) => Err(ReadError::Fault(addr)),
            Ok(count) => Ok(count),
            Err(error) => Err(ReadError::Io(error)),
        }
    }

    fn borrow(&self, span: Span) -> Option<&[u8]> {
        let mapped = self.mapped.as_ref()?;
        let offset = self.segment_at(span.start)?.at(span.start);
        // Segments side by side in memory are so in the file too, as a rule.
        let in_row = |segment: &Segment| {
            let from = segment.span.start.max(span.start);
            !segment.span.overlaps(span) || segment.at(from) == offset + from.since(span.start).0
        };
        if self.residency(span).ok()?.present != [span] || !self.segments.iter().all(in_row) {
            return None;
        }
        let start = usize::try_from(offset).ok()?;
        mapped.get(start..start.checked_add(usize::try_from(span.size().0).ok()?)?)
    }

    fn threads(&self) -> &[Thread] {
        &self.threads
    }

    fn shared(&self) -> Option<&(dyn MemorySource + Sync)> {
        Some(self)
    }
}

/// What the file at hand holds, and how much.
fn content_of(file: File, length: ByteCount, manifest: &Manifest) -> std::result::Result<(Content, ByteCount), String> {
    let whole = manifest.range.size();
    match (manifest.compression, &manifest.frames) {
        (Compression::None, _) => Ok((Content::Plain(file), length)),
        (Compression::Zstd, None) => {
            Err("the dump was broken off before it was complete; `zstd -dc` gives what there is of it".into())
        }
        (Compression::Zstd, Some(frames)) if length < frames.length() => {
            Err(format!("it was cut off: {length} of {} are there", frames.length()))
        }
        (Compression::Zstd, Some(frames)) => Ok((Content::Packed(Packed::new(file, frames, whole)), whole)),
    }
}

/// Whether it begins as a zstd frame does (RFC 8878, 3.1.1).
fn is_compressed(file: &File) -> bool {
    let mut magic = [0; 4];
    file.read_exact_at(&mut magic, 0).is_ok_and(|()| u32::from_le_bytes(magic) == 0xFD2F_B528)
}

/// Stretches of `part`, which lies in `segment`, that are no holes of the file.
fn stored_in(segment: &Segment, file: &File, part: Span, stored: &mut Vec<Span>) -> io::Result<()> {
    let to_addr = |offset: u64| segment.span.start.plus(ByteCount(offset).saturating_sub(segment.offset));
    let seek = |offset: u64, whence| lseek(file, i64::try_from(offset).unwrap_or(i64::MAX), whence);
    let mut from = segment.at(part.start);
    while from < segment.at(part.end) {
        let start = match seek(from, Whence::SeekData) {
            Ok(start) => from.max(start as u64),
            Err(Errno::ENXIO) => return Ok(()),
            // A file system that knows no holes.
            Err(Errno::EINVAL | Errno::EOPNOTSUPP) => from,
            Err(error) => return Err(error.into()),
        };
        let hole = seek(start, Whence::SeekHole).map_or(u64::MAX, |end| end as u64);
        let end = if hole > start { hole } else { u64::MAX };
        let data = Span::new(to_addr(start), to_addr(end)).intersection(part);
        if !data.is_empty() {
            stored.push(data);
        }
        from = end;
    }
    Ok(())
}

fn whole_file(span: Span) -> AddressMap {
    let mapping = Mapping { span, permissions: Permissions::parse("rw-p"), ..Mapping::default() };
    mapped(vec![mapping])
}

fn mapped(mappings: Vec<Mapping>) -> AddressMap {
    let regions = regions(&mappings, &[], &Hints::default());
    AddressMap { mappings, regions }
}

/// O_NONBLOCK: a FIFO is refused, not waited for.
fn open_regular(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(path)?;
    let kind = file.metadata()?.file_type();
    let what = match kind {
        _ if kind.is_file() => return Ok(file),
        _ if kind.is_dir() => "it is a directory",
        _ if kind.is_fifo() => "it is a pipe; write it to a file first",
        _ => "it is not a regular file",
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, what))
}

fn open_failure(path: &Path, error: &io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied => ErrorKind::NotPermitted,
        _ => ErrorKind::Failed,
    };
    let reason = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        _ => error.to_string(),
    };
    Error::new(kind, ACTION, path.display().to_string(), reason)
}

#[cfg(test)]
mod tests;

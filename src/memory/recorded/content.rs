//! The bytes that a recorded file holds, as they are or in zstd frames of which the last few stay decompressed. What a
//! frame gives is bounded by what the manifest says it holds; a frame that says otherwise is damaged.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use zstd::bulk::Decompressor;

use crate::memory::Frames;
use crate::units::ByteCount;

/// Frames kept, 16 MiB: a reader in order needs one, an analysis that follows pointers some more.
const KEPT: usize = 4;

/// A file's content.
#[derive(Debug)]
pub(super) enum Content {
    Plain(File),
    Packed(Packed),
}

impl Content {
    /// As `pread`: what is there from `offset` on, as far as it comes in one piece; 0 past the end.
    pub fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Content::Plain(file) => file.read_at(buf, offset),
            Content::Packed(packed) => packed.read_at(buf, offset),
        }
    }
}

/// A compressed file.
#[derive(Debug)]
pub(super) struct Packed {
    file: File,
    /// Content of a frame, and of all.
    frame: u64,
    whole: u64,
    runs: Vec<Run>,
    kept: Mutex<VecDeque<(u64, Arc<Vec<u8>>)>>,
}

/// Frames of one length in a row.
#[derive(Debug)]
struct Run {
    first: u64,
    /// Where the first is in the file.
    offset: u64,
    bytes: u64,
}

impl Packed {
    /// Of `frames` that hold `content`, as their manifest says and was checked for.
    pub fn new(file: File, frames: &Frames, content: ByteCount) -> Packed {
        let (mut first, mut offset, mut runs) = (0u64, 0u64, Vec::new());
        for run in &frames.runs {
            runs.push(Run { first, offset, bytes: run.bytes.0 });
            first = first.saturating_add(run.count);
            offset = offset.saturating_add(run.count.saturating_mul(run.bytes.0));
        }
        let frame = frames.content_bytes.0.max(1);
        Packed { file, frame, whole: content.0, runs, kept: Mutex::default() }
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset >= self.whole {
            return Ok(0);
        }
        let content = self.content_of(offset / self.frame)?;
        let rest = content.get((offset % self.frame) as usize..).unwrap_or_default();
        let length = rest.len().min(buf.len());
        buf[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn content_of(&self, number: u64) -> io::Result<Arc<Vec<u8>>> {
        let lock = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = lock().iter().find(|(index, _)| *index == number) {
            return Ok(known.clone());
        }
        let content = Arc::new(self.decompress(number)?);
        let mut kept = lock();
        kept.truncate(KEPT - 1);
        kept.push_front((number, content.clone()));
        Ok(content)
    }

    fn decompress(&self, number: u64) -> io::Result<Vec<u8>> {
        let damaged = |reason: &str| {
            let told = format!("its compressed frame {number} is damaged: {reason}");
            io::Error::new(io::ErrorKind::InvalidData, told)
        };
        let after = self.runs.partition_point(|run| run.first <= number);
        let run =
            after.checked_sub(1).and_then(|index| self.runs.get(index)).ok_or_else(|| damaged("it is missing"))?;
        let offset = (number - run.first).checked_mul(run.bytes).and_then(|skipped| skipped.checked_add(run.offset));
        let mut packed = vec![0; run.bytes as usize];
        let read = self.file.read_exact_at(&mut packed, offset.ok_or_else(|| damaged("it is nowhere"))?);
        read.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => damaged("the file was cut off"),
            _ => error,
        })?;
        let size = self.frame.min(self.whole - number * self.frame) as usize;
        let content = Decompressor::new()?.decompress(&packed, size).map_err(|error| damaged(&error.to_string()))?;
        if content.len() == size { Ok(content) } else { Err(damaged("it holds less than it should")) }
    }
}

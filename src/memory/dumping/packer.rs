//! A raw image as a sequence of zstd frames of equal content, each readable by itself: `zstd -dc` gives the image, and a
//! reader finds any place in it. Content comes in order; what was never touched costs the same few bytes a frame.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};
use zstd::bulk::Compressor;
use zstd::zstd_safe::{CParameter, compress_bound};

use crate::progress::Progress;
use crate::units::ByteCount;

/// Content of a frame, of all but the last.
pub(in crate::memory) const FRAME: usize = 4 << 20;
/// The fastest of zstd's usual levels: a copy-on-write child lives as long as this takes.
const LEVEL: i32 = 1;
/// Frames of zeros that are written at a time.
const ZEROS_AT_ONCE: u64 = 1024;
/// More than a frame of zeros takes.
const FRAME_OF_ZEROS: u64 = 256;

/// How a dump's file holds its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// As they are.
    #[default]
    None,
    /// As zstd frames.
    Zstd,
}

/// The frames of a compressed file, one after another from its beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frames {
    /// Bytes that each stands for; the last for the rest.
    pub content_bytes: ByteCount,
    /// What they take in the file, in order.
    pub runs: Vec<FrameRun>,
}

/// Frames of one length in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameRun {
    /// How many.
    pub count: u64,
    /// What each takes in the file.
    pub bytes: ByteCount,
}

impl Frames {
    /// Length of the file.
    pub fn length(&self) -> ByteCount {
        let run = |run: &FrameRun| run.bytes.0.saturating_mul(run.count);
        ByteCount(self.runs.iter().map(run).fold(0, u64::saturating_add))
    }

    /// Whether these can be the frames of `content` bytes.
    pub(in crate::memory) fn hold(&self, content: ByteCount) -> bool {
        let frame = self.content_bytes.0;
        let count = self.runs.iter().try_fold(0u64, |sum, run| sum.checked_add(run.count));
        (1..=FRAME as u64).contains(&frame)
            && count == Some(content.0.div_ceil(frame))
            && self.runs.iter().all(|run| run.bytes.0 <= compress_bound(FRAME) as u64)
    }
}

/// What holes as long as `content` take in a file, at most.
pub(in crate::memory) fn packed_holes(content: ByteCount) -> ByteCount {
    ByteCount(content.0.div_ceil(FRAME as u64).saturating_mul(FRAME_OF_ZEROS))
}

/// An image being compressed into a file.
pub(in crate::memory) struct Packer<'w> {
    file: &'w File,
    /// Content that is not compressed yet, less than a frame for each worker.
    pending: Vec<u8>,
    workers: Vec<Worker>,
    zeros: Option<Vec<u8>>,
    length: u64,
    runs: Vec<FrameRun>,
}

struct Worker {
    compressor: Compressor<'static>,
    frame: Vec<u8>,
}

impl Worker {
    fn new() -> io::Result<Worker> {
        let mut compressor = Compressor::new(LEVEL)?;
        compressor.set_parameter(CParameter::ChecksumFlag(true))?;
        Ok(Worker { compressor, frame: Vec::with_capacity(compress_bound(FRAME)) })
    }

    fn compress(&mut self, content: &[u8]) -> io::Result<()> {
        self.frame.clear();
        self.compressor.compress_to_buffer(content, &mut self.frame).map(|_| ())
    }
}

impl<'w> Packer<'w> {
    /// Into the empty `file`, on so many threads.
    pub fn new(file: &'w File, threads: usize) -> io::Result<Packer<'w>> {
        let workers = (0..threads.max(1)).map(|_| Worker::new()).collect::<io::Result<Vec<_>>>()?;
        let pending = Vec::with_capacity(workers.len() * FRAME);
        Ok(Packer { file, pending, workers, zeros: None, length: 0, runs: Vec::new() })
    }

    /// The next bytes.
    pub fn append(&mut self, bytes: &[u8], progress: &dyn Progress) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(self.room()));
            self.pending.extend_from_slice(now);
            self.flush_if_full(progress)?;
            progress.advance(ByteCount(now.len() as u64));
            rest = later;
        }
        Ok(())
    }

    /// So many zeros.
    pub fn skip(&mut self, length: u64, progress: &dyn Progress) -> io::Result<()> {
        let mut rest = length;
        while rest > 0 {
            if self.pending.len().is_multiple_of(FRAME) && rest >= FRAME as u64 {
                self.flush()?;
                self.put_zeros(rest / FRAME as u64, progress)?;
                rest %= FRAME as u64;
                continue;
            }
            let to_end_of_frame = FRAME - self.pending.len() % FRAME;
            let now = rest.min(to_end_of_frame as u64) as usize;
            self.pending.resize(self.pending.len() + now, 0);
            self.flush_if_full(progress)?;
            rest -= now as u64;
        }
        Ok(())
    }

    /// Writes what is left and tells where everything is.
    pub fn end(mut self) -> io::Result<Frames> {
        self.flush()?;
        Ok(Frames { content_bytes: ByteCount(FRAME as u64), runs: self.runs })
    }

    fn room(&self) -> usize {
        self.workers.len() * FRAME - self.pending.len()
    }

    fn flush_if_full(&mut self, progress: &dyn Progress) -> io::Result<()> {
        if self.room() > 0 {
            return Ok(());
        }
        if progress.interrupted() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        self.flush()
    }

    /// Compresses what is pending, a frame a thread, and writes it in order.
    fn flush(&mut self) -> io::Result<()> {
        let (pending, workers) = (&self.pending, &mut self.workers);
        let done: Vec<io::Result<usize>> = std::thread::scope(|scope| {
            let pairs = pending.chunks(FRAME).zip(workers.iter_mut());
            let running: Vec<_> = pairs
                .map(|(content, worker)| scope.spawn(|| worker.compress(content).map(|()| worker.frame.len())))
                .collect();
            let failed = || Err(io::Error::other("a thread that compresses failed"));
            running.into_iter().map(|one| one.join().unwrap_or_else(|_| failed())).collect()
        });
        for (index, length) in done.into_iter().enumerate() {
            let length = length? as u64;
            self.file.write_all_at(&self.workers[index].frame, self.length)?;
            self.count(1, length);
        }
        self.pending.clear();
        Ok(())
    }

    fn put_zeros(&mut self, count: u64, progress: &dyn Progress) -> io::Result<()> {
        if self.zeros.is_none() {
            self.workers[0].compress(&vec![0; FRAME])?;
            self.zeros = Some(self.workers[0].frame.clone());
        }
        let Some(zeros) = self.zeros.clone() else { return Ok(()) };
        let many = zeros.repeat(count.min(ZEROS_AT_ONCE) as usize);
        let mut left = count;
        while left > 0 {
            if progress.interrupted() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let now = left.min(ZEROS_AT_ONCE);
            self.file.write_all_at(&many[..now as usize * zeros.len()], self.length)?;
            self.count(now, zeros.len() as u64);
            left -= now;
        }
        Ok(())
    }

    fn count(&mut self, count: u64, bytes: u64) {
        self.length += count * bytes;
        match self.runs.last_mut() {
            Some(last) if last.bytes.0 == bytes => last.count += count,
            _ => self.runs.push(FrameRun { count, bytes: ByteCount(bytes) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;
    use crate::progress::Silent;

    /// What `parts`, stretches of a byte or of zeros, become, and what they are.
    fn packed(parts: &[(u8, usize)], threads: usize) -> (File, Frames, Vec<u8>) {
        let (file, mut whole) = (tempfile::tempfile().unwrap(), Vec::new());
        let mut packer = Packer::new(&file, threads).unwrap();
        for (byte, length) in parts {
            match byte {
                0 => packer.skip(*length as u64, &Silent).unwrap(),
                byte => packer.append(&vec![*byte; *length], &Silent).unwrap(),
            }
            whole.resize(whole.len() + length, *byte);
        }
        let frames = packer.end().unwrap();
        (file, frames, whole)
    }

    fn unpacked(file: &File) -> Vec<u8> {
        let mut bytes = Vec::new();
        let file = file.try_clone().unwrap();
        std::io::Seek::rewind(&mut &file).unwrap();
        zstd::stream::read::Decoder::new(file).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn what_comes_out_is_what_went_in(parts in prop::collection::vec((0u8..3, 1usize..3 * FRAME), 1..6), threads in 1usize..4) {
            let (file, frames, whole) = packed(&parts, threads);
            prop_assert!(unpacked(&file) == whole);
            prop_assert!(frames.hold(ByteCount(whole.len() as u64)));
            prop_assert_eq!(frames.length().0, file.metadata().unwrap().len());
        }
    }

    #[test]
    fn a_reservation_costs_next_to_nothing() {
        let (file, content) = (tempfile::tempfile().unwrap(), ByteCount::mib(64 << 10));
        let mut packer = Packer::new(&file, 2).unwrap();
        packer.append(b"x", &Silent).unwrap();
        packer.skip(content.0 - 2, &Silent).unwrap();
        packer.append(b"y", &Silent).unwrap();
        let frames = packer.end().unwrap();
        assert!(frames.hold(content) && frames.runs.len() <= 3, "{frames:?}");
        assert!(frames.length() <= packed_holes(content), "{}", frames.length());
    }

    #[test]
    fn frames_that_cannot_be_are_seen() {
        let frames = |content, count, bytes| Frames {
            content_bytes: ByteCount(content),
            runs: vec![FrameRun { count, bytes: ByteCount(bytes) }],
        };
        assert!(frames(4096, 2, 10).hold(ByteCount(8192)) && frames(4096, 2, 10).hold(ByteCount(4097)));
        let many = FrameRun { count: u64::MAX, bytes: ByteCount(u64::MAX) };
        let endless = Frames { content_bytes: ByteCount(1), runs: vec![many, many] };
        for wrong in [frames(4096, 1, 10), frames(0, 2, 10), frames(1 << 40, 1, 10), frames(4096, 2, 1 << 40), endless]
        {
            assert!(!wrong.hold(ByteCount(8192)), "{wrong:?}");
        }
    }
}

//! Writing stretches of bytes to a file at their offsets: past the page cache where they and the disk allow it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use nix::fcntl::{FallocateFlags, fallocate};

/// What disks and memory have in common: the unit of a write past the cache.
const UNIT: usize = 4096;
/// Below this the detour is not worth it.
const WORTH_IT: usize = 256 * 1024;

/// A file, and the same one opened for writing past the cache.
#[derive(Clone, Copy, Debug)]
pub(in crate::memory) struct Sink<'f> {
    pub file: &'f File,
    pub direct: Option<&'f File>,
}

impl Sink<'_> {
    /// Says where bytes will come, so that the disk can lay them out together.
    pub fn announce(&self, offset: u64, length: usize) {
        let at = |value: u64| i64::try_from(value).ok();
        if let (Some(_), Some(offset), Some(length)) = (self.direct, at(offset), at(length as u64)) {
            // A file system that cannot does it later.
            let _ = fallocate(self.file, FallocateFlags::FALLOC_FL_KEEP_SIZE, offset, length);
        }
    }

    /// Writes all of `bytes`.
    pub fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let aligned = |value: u64| value.is_multiple_of(UNIT as u64);
        let fits = aligned(bytes.as_ptr() as u64) && aligned(bytes.len() as u64) && aligned(offset);
        if let Some(direct) = self.direct.filter(|_| fits && bytes.len() >= WORTH_IT) {
            match direct.write_all_at(bytes, offset) {
                // A disk with another unit.
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
                other => return other,
            }
        }
        self.file.write_all_at(bytes, offset)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::OpenOptionsExt;

    use super::*;
    use crate::sys::pages::Pages;
    use crate::units::ByteCount;

    #[test]
    fn what_is_written_either_way_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let file = File::create_new(&path).unwrap();
        let direct = std::fs::OpenOptions::new().write(true).custom_flags(libc::O_DIRECT).open(&path).ok();
        let sink = Sink { file: &file, direct: direct.as_ref() };
        let mut pages = Pages::reserve(ByteCount::mib(1)).unwrap();
        pages.fill(7);
        sink.announce(0, 2 << 20);
        sink.write(&pages, 4096).unwrap();
        sink.write(&pages[1..5], 3).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 4096 + (1 << 20));
        assert_eq!(bytes[..8], [0, 0, 0, 7, 7, 7, 7, 0]);
        assert!(bytes[4096..].iter().all(|byte| *byte == 7));
    }
}

//! Memory of our own that is there before it is needed: anonymous pages, huge ones where the kernel has them,
//! touched once so that filling them later costs no page fault; or pages of a file, for what is too large to be held.
//! Knows nothing of what goes in.

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::ops::{Deref, DerefMut, Range};
use std::ptr::NonNull;

use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, mmap_anonymous, munmap};

use crate::units::ByteCount;

const HUGE_PAGE: usize = 2 * 1024 * 1024;
const SMALL_PAGE: usize = 4096;

/// A stretch of zeroed memory of our own; given back when dropped.
#[derive(Debug)]
pub struct Pages {
    mapping: NonNull<libc::c_void>,
    mapped: usize,
    start: usize,
    length: usize,
}

// SAFETY: a `Pages` owns its memory alone, like a `Box<[u8]>`.
unsafe impl Send for Pages {}
// SAFETY: shared references only read.
unsafe impl Sync for Pages {}

impl Pages {
    /// Reserves `size` bytes of zeros, begun on a huge page. Fails where address space or overcommit limits refuse.
    pub fn reserve(size: ByteCount) -> io::Result<Pages> {
        let length = usize::try_from(size.0).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let mapped = length.checked_add(2 * HUGE_PAGE).ok_or(io::ErrorKind::OutOfMemory)? & !(HUGE_PAGE - 1);
        let whole = NonZeroUsize::new(mapped).ok_or(io::ErrorKind::OutOfMemory)?;
        let (protection, flags) = (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_PRIVATE);
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choice aliases nothing.
        let mapping = unsafe { mmap_anonymous(None, whole, protection, flags) }?;
        let start = mapping.as_ptr().align_offset(HUGE_PAGE);
        let pages = Pages { mapping, mapped, start, length };
        // Refused where transparent huge pages are not built in or switched off: small ones do, a little slower.
        // SAFETY: the range is the mapping just made.
        let _ = unsafe { madvise(mapping, mapped, MmapAdvise::MADV_HUGEPAGE) };
        // A process forked beside us has no use for it, and neither copies nor shares it.
        // SAFETY: as above.
        let _ = unsafe { madvise(mapping, mapped, MmapAdvise::MADV_DONTFORK) };
        Ok(pages)
    }

    /// Reserves `size` bytes of zeros in `file`, an empty one of ours alone: the kernel writes them there where memory is
    /// short. Fails where the disk is too full.
    pub fn reserve_in(file: &File, size: ByteCount) -> io::Result<Pages> {
        let length = usize::try_from(size.0).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let whole = NonZeroUsize::new(length).unwrap_or(NonZeroUsize::MIN);
        // Without blocks of its own a page that finds no room when it is written ends this process.
        fallocate(file, FallocateFlags::empty(), 0, i64::try_from(whole.get()).map_err(io::Error::other)?)?;
        let (protection, flags) = (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED);
        // SAFETY: a new mapping at an address of the kernel's choice, of a file that nobody else writes to or cuts off.
        let mapping = unsafe { mmap(None, whole, protection, flags, file, 0) }?;
        Ok(Pages { mapping, mapped: whole.get(), start: 0, length })
    }

    /// Touches all of it, on up to `threads` threads. Memory that is never filled costs as much as filled one.
    pub fn touch(&mut self, threads: usize) {
        let share = self.length.div_ceil(threads.max(1)).next_multiple_of(HUGE_PAGE);
        if self.length <= HUGE_PAGE || threads < 2 {
            return touch(self);
        }
        std::thread::scope(|scope| {
            for part in self.chunks_mut(share) {
                scope.spawn(|| touch(part));
            }
        });
    }

    /// Gives the whole pages in `range` back to the machine; what was in them is lost, and they cost nothing until they are
    /// written.
    pub fn give_back(&mut self, range: Range<usize>) {
        let start = range.start.min(self.length).next_multiple_of(SMALL_PAGE);
        let Some(part) = self.get_mut(start..range.end / SMALL_PAGE * SMALL_PAGE).filter(|part| !part.is_empty())
        else {
            return;
        };
        let Some(start) = NonNull::new(part.as_mut_ptr().cast::<libc::c_void>()) else { return };
        // Refused by nothing that we know; what stays costs memory alone.
        // SAFETY: whole pages of a mapping of ours, borrowed mutably; bytes of any value are initialised.
        let _ = unsafe { madvise(start, part.len(), MmapAdvise::MADV_DONTNEED) };
    }
}

/// MADV_POPULATE_WRITE (Linux 5.14) takes every fault in one call; where it is not known each page is written to.
fn touch(part: &mut [u8]) {
    let Some(start) = NonNull::new(part.as_mut_ptr().cast::<libc::c_void>()) else { return };
    let aligned = start.align_offset(SMALL_PAGE) == 0;
    // SAFETY: the range lies in a private anonymous mapping that `part` borrows mutably; its content stays.
    if aligned && unsafe { madvise(start, part.len(), MmapAdvise::MADV_POPULATE_WRITE) }.is_ok() {
        return;
    }
    for page in part.chunks_mut(SMALL_PAGE) {
        let first: *mut u8 = &mut page[0];
        // SAFETY: `first` points at a byte borrowed mutably; volatile so that storing what is there is not elided.
        unsafe { first.write_volatile(first.read_volatile()) };
    }
}

impl Deref for Pages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `start + length` lies inside the mapping, which lives as long as `self` and is initialised to zero.
        unsafe { std::slice::from_raw_parts(self.mapping.as_ptr().cast::<u8>().add(self.start), self.length) }
    }
}

impl DerefMut for Pages {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.mapping.as_ptr().cast::<u8>().add(self.start), self.length) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours alone and no borrow of it can outlive `self`.
        let _ = unsafe { munmap(self.mapping, self.mapped) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touched_pages_are_zero_writable_and_of_the_asked_length() {
        let mut pages = Pages::reserve(ByteCount(5 * 1024 * 1024 + 17)).unwrap();
        pages.touch(2);
        assert_eq!(pages.len(), 5 * 1024 * 1024 + 17);
        assert!(pages.iter().all(|byte| *byte == 0));
        *pages.last_mut().unwrap() = 7;
        pages.touch(1);
        assert_eq!(pages.last(), Some(&7));
        pages.fill(9);
        pages.give_back(4095..12_289);
        let zeros = pages.iter().filter(|byte| **byte == 0).count();
        assert_eq!((zeros, pages[4095], pages[4096], pages[12_287], pages[12_288]), (8192, 9, 0, 0, 9));
    }

    #[test]
    fn pages_of_a_file_are_zeros_and_written_to_it() {
        let file = tempfile::tempfile().unwrap();
        let mut pages = Pages::reserve_in(&file, ByteCount(10_000)).unwrap();
        assert!(pages.len() == 10_000 && pages.iter().all(|byte| *byte == 0));
        pages[9_999] = 7;
        assert_eq!(std::os::unix::fs::FileExt::read_at(&file, &mut [0; 2], 9_999).unwrap(), 1);
        assert!(Pages::reserve_in(&file, ByteCount(1 << 60)).is_err());
        assert!(Pages::reserve_in(&file, ByteCount::ZERO).unwrap().is_empty());
    }

    #[test]
    fn a_reservation_beyond_the_address_space_is_refused() {
        assert!(Pages::reserve(ByteCount(u64::MAX)).is_err());
        assert!(Pages::reserve(ByteCount(1 << 60)).is_err());
        assert!(Pages::reserve(ByteCount::ZERO).unwrap().is_empty());
    }
}

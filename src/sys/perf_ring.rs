//! The ring into which the kernel writes samples of `perf`, and the samples taken out of it as values.
//! Knows the layout of records; what a sample means is the caller's.

use std::io;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::atomic::{Ordering, fence};

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use super::perf::{Counter, REGISTERS};
use crate::space::{Mapping, Permissions};
use crate::units::{Addr, ByteCount, Span};

const PAGE: usize = 4096;
/// Offsets of data_head and data_tail in struct perf_event_mmap_page.
const HEAD: usize = 1024;
const TAIL: usize = 1032;

const RECORD_LOST: u32 = 2;
const RECORD_SAMPLE: u32 = 9;
const RECORD_MMAP2: u32 = 10;
const HEADER: usize = 8;

/// The user's registers, in the order of PERF_REG_X86_*: ax bx cx dx si di bp sp ip flags cs ss r8 … r15.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers(pub [u64; 20]);

/// One sample. Everything in it was written by the kernel, the stack's bytes by the target.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its process, in our pid namespace.
    pub pid: i32,
    /// Its thread.
    pub tid: i32,
    /// When, on the kernel's own clock, in nanoseconds.
    pub time: u64,
    /// The user's instruction; the kernel's where the user's registers are not told.
    pub ip: Addr,
    /// What it touched.
    pub addr: Addr,
    /// The counter it is from, by its id.
    pub counter: u64,
    /// `None` for a thread of a 32-bit program, or one without user registers.
    pub registers: Option<Box<Registers>>,
    /// From the stack pointer up.
    pub stack: Vec<u8>,
}

/// What comes out of a ring.
#[derive(Clone, Debug)]
pub enum Record {
    /// A sample.
    Sample(Sample),
    /// A process, in our pid namespace, mapped code.
    Mapped(i32, Mapping),
    /// So many samples did not fit.
    Lost(u64),
}

/// A ring of samples. Unmapped when dropped.
#[derive(Debug)]
pub struct Ring {
    mapping: NonNull<libc::c_void>,
    size: usize,
    scratch: Vec<u8>,
}

// SAFETY: the mapping is ours alone; the kernel writes to it whatever thread reads.
unsafe impl Send for Ring {}

impl Ring {
    /// Maps a ring of `pages` 4 KiB pages, a power of two, on `counter`.
    ///
    /// # Errors
    /// The kernel's: EPERM beyond kernel.perf_event_mlock_kb.
    pub fn map(counter: &Counter, pages: usize) -> io::Result<Ring> {
        let size = pages.checked_mul(PAGE).ok_or(io::ErrorKind::OutOfMemory)?;
        let whole = NonZeroUsize::new(size + PAGE).ok_or(io::ErrorKind::OutOfMemory)?;
        let (protection, flags) = (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED);
        // SAFETY: a new mapping at an address of the kernel's choice aliases nothing of ours.
        let mapping = unsafe { mmap(None, whole, protection, flags, counter, 0) }?;
        Ok(Ring { mapping, size, scratch: Vec::new() })
    }

    /// Gives every record there is to `found` and frees its place.
    pub fn drain(&mut self, found: &mut dyn FnMut(Record)) {
        let head = self.word(HEAD);
        // The kernel's writes before data_head must be seen after it (perf_event_open(2), "data_head").
        fence(Ordering::Acquire);
        let mut tail = self.word(TAIL);
        while tail < head {
            let mut header = [0u8; HEADER];
            self.copy(tail, &mut header);
            let kind = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]);
            let length = usize::from(u16::from_ne_bytes([header[6], header[7]]));
            if length < HEADER {
                tail = head;
                break;
            }
            let mut body = std::mem::take(&mut self.scratch);
            body.resize(length - HEADER, 0);
            self.copy(tail + HEADER as u64, &mut body);
            if let Some(record) = record(kind, &body) {
                found(record);
            }
            self.scratch = body;
            tail += length as u64;
        }
        fence(Ordering::Release);
        // SAFETY: data_tail lies in the first page of the mapping, aligned, and only we write it.
        unsafe { self.mapping.as_ptr().cast::<u8>().add(TAIL).cast::<u64>().write_volatile(tail) };
    }

    fn word(&self, offset: usize) -> u64 {
        // SAFETY: `offset` is one of two aligned words in the first page; volatile because the kernel writes there.
        unsafe { self.mapping.as_ptr().cast::<u8>().add(offset).cast::<u64>().read_volatile() }
    }

    /// Copies from place `at` of the ring, which goes round.
    fn copy(&self, at: u64, into: &mut [u8]) {
        let start = (at % self.size as u64) as usize;
        let first = into.len().min(self.size - start);
        // SAFETY: both pieces lie inside the pages behind the first, which stay mapped as long as `self`; `into` is
        // memory of ours elsewhere and no longer than the ring, as no record is.
        unsafe {
            let base = self.mapping.as_ptr().cast::<u8>().add(PAGE);
            std::ptr::copy_nonoverlapping(base.add(start), into.as_mut_ptr(), first);
            let rest = (into.len() - first).min(self.size);
            std::ptr::copy_nonoverlapping(base, into.as_mut_ptr().add(first), rest);
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nothing borrows it any more.
        let _ = unsafe { munmap(self.mapping, self.size + PAGE) };
    }
}

fn record(kind: u32, body: &[u8]) -> Option<Record> {
    let mut words = Words(body);
    match kind {
        RECORD_LOST => {
            words.next()?;
            Some(Record::Lost(words.next()?))
        }
        RECORD_SAMPLE => sample(&mut words).map(Record::Sample),
        RECORD_MMAP2 => mapped(&mut words),
        _ => None,
    }
}

/// In the order of perf_event_open(2) for the sample type of `perf`.
fn sample(words: &mut Words<'_>) -> Option<Sample> {
    let ip = Addr(words.next()?);
    let threads = words.next()?;
    let (time, addr, counter) = (words.next()?, Addr(words.next()?), words.next()?);
    let (user_ip, registers) = registers(words)?;
    let size = usize::try_from(words.next()?).ok()?;
    let mut stack = Vec::new();
    if size > 0 {
        let copied = words.bytes(size)?;
        let filled = usize::try_from(words.next()?).ok()?;
        stack.extend_from_slice(copied.get(..filled.min(size))?);
    }
    Some(Sample {
        pid: threads as u32 as i32,
        tid: (threads >> 32) as i32,
        time,
        ip: user_ip.unwrap_or(ip),
        addr,
        counter,
        registers,
        stack,
    })
}

/// PERF_RECORD_MMAP2: who, where, from which place of which file.
fn mapped(words: &mut Words<'_>) -> Option<Record> {
    const EXECUTE: u32 = 4;
    let pid = words.next()? as u32 as i32;
    let (start, length, offset) = (Addr(words.next()?), ByteCount(words.next()?), ByteCount(words.next()?));
    let device = words.next()?;
    let (inode, _generation, flags) = (words.next()?, words.next()?, words.next()?);
    let execute = flags as u32 & EXECUTE != 0;
    let end = memchr::memchr(0, words.0)?;
    // What has no file is called //anon here and nothing in maps.
    let name = words.0.get(..end).filter(|name| !name.starts_with(b"//")).unwrap_or_default();
    let mapping = Mapping {
        span: Span::sized(start, length),
        permissions: Permissions { read: true, execute, ..Permissions::default() },
        offset,
        device: (device as u32, (device >> 32) as u32),
        inode,
        name: String::from_utf8_lossy(name).into_owned(),
    };
    Some(Record::Mapped(pid, mapping))
}

/// Where the user was, and the registers of a 64-bit program, as far as the sample has them.
fn registers(words: &mut Words<'_>) -> Option<(Option<Addr>, Option<Box<Registers>>)> {
    const NONE: u64 = 0;
    const ABI_64: u64 = 2;
    const IP: usize = 8;
    let abi = words.next()?;
    if abi == NONE {
        return Some((None, None));
    }
    let mut values = [0; REGISTERS.count_ones() as usize];
    for value in &mut values {
        *value = words.next()?;
    }
    Some((Some(Addr(values[IP])), (abi == ABI_64).then(|| Box::new(Registers(values)))))
}

struct Words<'r>(&'r [u8]);

impl<'r> Words<'r> {
    fn next(&mut self) -> Option<u64> {
        let (word, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_ne_bytes(*word))
    }

    fn bytes(&mut self, length: usize) -> Option<&'r [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::perf::{Event, Sampling};

    #[test]
    fn a_thread_that_touches_pages_is_sampled() {
        let sampling = Sampling { period: 1, stack: 8192, kernel: false, children: false, from_exec: false };
        let tid = nix::unistd::gettid().as_raw();
        let open = |cpu| Counter::open(Event::PageFaults, sampling, tid, cpu).ok();
        let cpus = std::thread::available_parallelism().unwrap().get() as i32;
        // Where perf is refused there is nothing to test.
        let counters: Vec<Counter> = (0..cpus).filter_map(open).collect();
        if counters.is_empty() {
            return;
        }
        let mut rings: Vec<Ring> = counters.iter().map(|counter| Ring::map(counter, 64).unwrap()).collect();
        counters.iter().for_each(|counter| counter.enable().unwrap());
        let mut pages = crate::sys::pages::Pages::reserve(crate::units::ByteCount::mib(1)).unwrap();
        (0..pages.len()).step_by(4096).for_each(|at| pages[at] = 1);
        let (mut samples, own) = (0, pages.as_ptr() as u64);
        for ring in &mut rings {
            ring.drain(&mut |record| {
                let Record::Sample(sample) = record else { return };
                assert_eq!(sample.tid, tid);
                assert!(counters.iter().any(|counter| counter.id().unwrap() == sample.counter));
                assert!(sample.registers.is_some() && sample.stack.len() > 100);
                samples += u32::from(sample.addr.0 >= own && sample.addr.0 < own + (1 << 20));
            });
        }
        assert!(samples > 0);
        assert!(counters.iter().map(|counter| counter.count().unwrap()).sum::<u64>() >= u64::from(samples));
    }

    #[test]
    fn records_that_make_no_sense_are_passed_over() {
        assert!(record(RECORD_SAMPLE, &[0; 20]).is_none());
        assert!(record(77, &[0; 200]).is_none());
        let mut words = vec![0u64; 6];
        words.push(u64::MAX);
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        assert!(record(RECORD_SAMPLE, &bytes).is_none());
    }
}

//! Memory of a process as it runs, by pread of its held /proc/PID/mem. Not by process_vm_readv: that pins pages
//! and so copies those a forked worker still shares with its master, which makes the worker grow for good.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::{Consistency, MemorySource, ReadError};
use crate::error::{Error, ErrorKind, Result};
use crate::space::{AddressMap, Residency};
use crate::target::{ChildSnapshot, Stopped, Target};
use crate::units::{Addr, ByteCount, Span};

/// What is best read at a time: fits a second-level cache, and pread of /proc/PID/mem is fastest there (measured
/// 5.4-6.2 GB/s; 4.9 at 16 KiB, 4.4 at 16 MiB).
pub const WINDOW: ByteCount = ByteCount::kib(256);

/// The memory of a live process. Bytes read one after another belong to different moments.
#[derive(Debug)]
pub struct LiveMemory<'t> {
    target: &'t Target,
    map: AddressMap,
    mem: File,
    consistency: Consistency,
}

impl<'t> LiveMemory<'t> {
    /// Opens the memory of `target`, whose address space looks like `map`. What was mapped later can be read too.
    pub fn open(target: &'t Target, map: AddressMap) -> Result<LiveMemory<'t>> {
        Ok(LiveMemory { target, map, mem: open_mem(target)?, consistency: Consistency::Torn })
    }

    /// The same of a snapshot that was forked: all of one instant.
    pub fn of_child(snapshot: &'t ChildSnapshot, map: AddressMap) -> Result<LiveMemory<'t>> {
        let target = snapshot.child();
        Ok(LiveMemory { target, map, mem: open_mem(target)?, consistency: Consistency::Instant })
    }

    /// The same bytes while the target stands still.
    pub fn stopped<'m>(&'m self, stopped: Stopped<'m>) -> StoppedMemory<'m> {
        StoppedMemory { live: self, _stopped: stopped }
    }
}

impl MemorySource for LiveMemory<'_> {
    fn address_map(&self) -> &AddressMap {
        &self.map
    }

    fn consistency(&self, _span: Span) -> Consistency {
        self.consistency
    }

    fn residency(&self, span: Span) -> std::result::Result<Residency, ReadError> {
        self.target.residency(span, &self.map).map_err(unsourced)
    }

    fn read_at(&self, addr: Addr, buf: &mut [u8]) -> std::result::Result<usize, ReadError> {
        read_memory(&self.mem, addr, buf)
    }

    fn shared(&self) -> Option<&(dyn MemorySource + Sync)> {
        Some(self)
    }
}

/// The memory of a process that stands still: all of one instant, but for pages it shares with others.
#[derive(Debug)]
pub struct StoppedMemory<'m> {
    live: &'m LiveMemory<'m>,
    _stopped: Stopped<'m>,
}

impl MemorySource for StoppedMemory<'_> {
    fn address_map(&self) -> &AddressMap {
        self.live.address_map()
    }

    fn consistency(&self, _span: Span) -> Consistency {
        Consistency::Instant
    }

    fn residency(&self, span: Span) -> std::result::Result<Residency, ReadError> {
        self.live.residency(span)
    }

    fn read_at(&self, addr: Addr, buf: &mut [u8]) -> std::result::Result<usize, ReadError> {
        self.live.read_at(addr, buf)
    }
}

/// Opens /proc/PID/mem, or says which permission is missing.
pub(super) fn open_mem(target: &Target) -> Result<File> {
    target.proc_file("mem").map_err(|error| target.failure("cannot read the memory of", &error))
}

/// One read of the longest readable prefix, by the contract of `MemorySource::read_at`.
pub(super) fn read_memory(mem: &File, addr: Addr, buf: &mut [u8]) -> std::result::Result<usize, ReadError> {
    if buf.is_empty() {
        return Ok(0);
    }
    loop {
        match mem.read_at(buf, addr.0) {
            // The kernel's answer for memory whose process has ended, or has become another program.
            Ok(0) => return Err(ReadError::Gone),
            Ok(length) => return Ok(length),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(read_error(error, addr)),
        }
    }
}

/// EINVAL is pread's answer for the upper half of the address space, where `[vsyscall]` is.
fn read_error(error: io::Error, addr: Addr) -> ReadError {
    match error.raw_os_error() {
        Some(libc::EIO | libc::EFAULT | libc::EINVAL | libc::EOVERFLOW) => ReadError::Fault(addr),
        Some(libc::ESRCH | libc::ENOENT) => ReadError::Gone,
        Some(libc::EACCES | libc::EPERM) => ReadError::Denied,
        _ => ReadError::Io(error),
    }
}

/// An error of the target's as the contract of `MemorySource` has it.
fn unsourced(error: Error) -> ReadError {
    match error.kind() {
        ErrorKind::Gone => ReadError::Gone,
        ErrorKind::NotPermitted => ReadError::Denied,
        _ => ReadError::Io(io::Error::other(error)),
    }
}

/// A read error that ends a whole piece of work, as the error a person sees.
pub(super) fn failure(target: &Target, error: ReadError) -> Error {
    let kind = match &error {
        ReadError::Gone => ErrorKind::Gone,
        ReadError::Denied => ErrorKind::NotPermitted,
        ReadError::Io(cause) if cause.kind() == io::ErrorKind::Interrupted => {
            return Error::new(ErrorKind::Interrupted, "stopped copying", target.subject(), "interrupted");
        }
        ReadError::Fault(_) | ReadError::Io(_) => ErrorKind::Failed,
    };
    let action = "cannot read the memory of";
    if kind == ErrorKind::Gone && target.is_alive() {
        return Error::new(kind, action, target.subject(), "it became another program (exec) meanwhile");
    }
    Error::new(kind, action, target.subject(), error)
}

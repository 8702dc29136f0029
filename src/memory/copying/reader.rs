//! How memory is read to be copied: by pread of /proc/PID/mem, or in half the time by process_vm_readv where that does no
//! harm. It pins what it reads, and pages that a worker still shares with its master it copies first, for good; so it
//! reads those alone that are nobody else's, and while nobody can fork.

use std::fs::File;
use std::io::IoSliceMut;

use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

use crate::error::Result;
use crate::memory::ReadError;
use crate::memory::live::{WINDOW, open_mem, read_memory};
use crate::target::{OwnPages, Target};
use crate::units::{Addr, ByteCount, Span};

/// The memory of a target, opened to be copied.
#[derive(Debug)]
pub(in crate::memory) struct Reader {
    mem: File,
    pid: Pid,
    /// Where it stands still.
    own: Option<OwnPages>,
}

impl Reader {
    /// For memory whose owner may run.
    pub fn running(target: &Target) -> Result<Reader> {
        Ok(Reader { mem: open_mem(target)?, pid: Pid::from_raw(target.pid()), own: None })
    }

    /// For what is read in a stop alone.
    pub fn stopped(target: &Target) -> Result<Reader> {
        Ok(Reader { own: target.own_pages(), ..Reader::running(target)? })
    }

    /// Reads the longest readable prefix of a window, by the contract of `MemorySource::read_at`.
    pub fn read(&self, addr: Addr, buf: &mut [u8]) -> std::result::Result<usize, ReadError> {
        let size = buf.len().min(WINDOW.0 as usize);
        let window = &mut buf[..size];
        if self.read_own(addr, window) {
            return Ok(size);
        }
        read_memory(&self.mem, addr, window)
    }

    /// Fills `window` where nobody else has any page of it; whether it did.
    fn read_own(&self, addr: Addr, window: &mut [u8]) -> bool {
        let size = window.len();
        let span = Span::sized(addr, ByteCount(size as u64));
        let from = [RemoteIoVec { base: addr.0 as usize, len: size }];
        self.own.as_ref().is_some_and(|own| own.are_all_of(span))
            && process_vm_readv(self.pid, &mut [IoSliceMut::new(window)], &from) == Ok(size)
    }
}

#[cfg(test)]
impl From<File> for Reader {
    fn from(mem: File) -> Reader {
        Reader { mem, pid: Pid::this(), own: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::tests::Subject;

    #[test]
    fn own_pages_are_read_at_once_and_others_too() {
        let subject = Subject::start();
        let readers = (Reader::stopped(&subject.target), Reader::running(&subject.target));
        let (stopped, running) = (readers.0.unwrap(), readers.1.unwrap());
        let (mut ours, mut theirs) = (vec![0; WINDOW.0 as usize], vec![0; WINDOW.0 as usize]);
        for (name, is_own) in [("heap", true), ("shared", false), ("file", false)] {
            let addr = subject.span(name).start;
            assert_eq!(stopped.read_own(addr, &mut ours[..8192]), is_own, "{name}");
            let size = stopped.read(addr, &mut ours).unwrap();
            assert_eq!(running.read(addr, &mut theirs).unwrap(), size, "{name}");
            assert!(ours == theirs, "{name}");
        }
    }
}

//! A file seen as memory: the kernel reads what is looked at and takes it back where memory is short.

use std::fs::File;
use std::io;

use memmap2::Mmap;

/// Maps `file` for reading. Where somebody cuts it off meanwhile, a look behind its end ends this process (SIGBUS).
pub fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: bytes alone are read, of which any are valid. Who writes to the file meanwhile changes what is found in it.
    unsafe { Mmap::map(file) }
}

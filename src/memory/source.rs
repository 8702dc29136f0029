//! The MemorySource contract.

use std::fmt;

use crate::space::{AddressMap, Residency, Thread};
use crate::units::{Addr, ByteCount, Span};

/// Why bytes could not be had. `Fault` is a normal answer about an address, the others speak of the source.
#[derive(Debug)]
pub enum ReadError {
    /// Exactly this first byte cannot be read.
    Fault(Addr),
    /// The process ended.
    Gone,
    /// The kernel refuses.
    Denied,
    /// The file or the kernel failed.
    Io(std::io::Error),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Fault(addr) => write!(f, "nothing readable at {addr}"),
            ReadError::Gone => write!(f, "the process ended"),
            ReadError::Denied => write!(f, "permission denied"),
            ReadError::Io(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for ReadError {}

/// What bytes read one after another have to do with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    /// All of one instant.
    Instant,
    /// Several instants, each stretch whole: copied in more than one stop.
    Stretches,
    /// The process runs on: torn values are possible.
    Torn,
}

/// How much of what was wanted could be had. `copied + absent + swapped + gaps = wanted`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Asked for.
    pub wanted: ByteCount,
    /// Read.
    pub copied: ByteCount,
    /// Never given to the process; zeros by definition.
    pub absent: ByteCount,
    /// Left in swap.
    pub swapped: ByteCount,
    /// Wanted and not readable, in order.
    pub gaps: Vec<Span>,
}

impl Coverage {
    /// Adds what another stretch gave.
    pub fn absorb(&mut self, other: Coverage) {
        self.wanted += other.wanted;
        self.copied += other.copied;
        self.absent += other.absent;
        self.swapped += other.swapped;
        self.gaps.extend(other.gaps);
    }
}

/// Memory that can be read at addresses of the target.
pub trait MemorySource {
    /// What is where.
    fn address_map(&self) -> &AddressMap;

    /// What the bytes of `span` have to do with each other.
    fn consistency(&self, span: Span) -> Consistency;

    /// Which pages of `span` can be read without changing the target. Only mapped addresses are classed;
    /// unmapped ones count as absent.
    fn residency(&self, span: Span) -> Result<Residency, ReadError>;

    /// Reads the longest readable prefix of `buf.len()` bytes at `addr`. For a non-empty buffer `Ok(n)` has n > 0;
    /// `Fault(addr)` exactly when the first byte cannot be read. Missing bytes are never given as zeros.
    fn read_at(&self, addr: Addr, buf: &mut [u8]) -> Result<usize, ReadError>;

    /// The bytes of `span` in place, where the source has all of them in memory.
    fn borrow(&self, _span: Span) -> Option<&[u8]> {
        None
    }

    /// The threads as they stood at the instant the bytes are of; empty where that is not known.
    fn threads(&self) -> &[Thread] {
        &[]
    }

    /// Itself, where several threads may read it at once.
    fn shared(&self) -> Option<&(dyn MemorySource + Sync)> {
        None
    }
}

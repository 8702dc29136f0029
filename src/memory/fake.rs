//! Invented memory for tests: literal bytes at literal addresses.

use super::{Consistency, MemorySource, ReadError};
use crate::space::{AddressMap, Mapping, Permissions, Residency, Thread};
use crate::units::{Addr, ByteCount, Span};

/// Literal bytes at literal addresses; everything else faults.
#[derive(Clone, Debug, Default)]
pub struct FakeMemory {
    pieces: Vec<(Addr, Vec<u8>)>,
    map: AddressMap,
    threads: Vec<Thread>,
}

impl FakeMemory {
    /// Memory with nothing in it.
    pub fn new() -> FakeMemory {
        FakeMemory::default()
    }

    /// The same with `bytes` at `addr`, as a readable and writable anonymous mapping. Pieces must not overlap.
    pub fn with(mut self, addr: u64, bytes: impl Into<Vec<u8>>) -> FakeMemory {
        let bytes = bytes.into();
        let span = Span::sized(Addr(addr), ByteCount(bytes.len() as u64));
        self.map.mappings.push(Mapping { span, permissions: Permissions::parse("rw-p"), ..Mapping::default() });
        self.map.mappings.sort_by_key(|mapping| mapping.span);
        self.pieces.push((Addr(addr), bytes));
        self.pieces.sort_by_key(|piece| piece.0);
        self
    }

    /// The same with the mapping at `addr` being one of the file `path`, with `permissions` as in maps.
    pub fn named(mut self, addr: u64, path: &str, permissions: &str) -> FakeMemory {
        let mapping = self.map.mappings.iter_mut().find(|mapping| mapping.span.start == Addr(addr));
        if let Some(mapping) = mapping {
            (mapping.name, mapping.inode) = (path.to_owned(), 1);
            mapping.permissions = Permissions::parse(permissions);
        }
        self
    }

    /// The same with a thread.
    pub fn thread(mut self, thread: Thread) -> FakeMemory {
        self.threads.push(thread);
        self
    }

    fn at(&self, addr: Addr) -> Option<&[u8]> {
        let index = self.pieces.partition_point(|piece| piece.0 <= addr).checked_sub(1)?;
        let (start, bytes) = &self.pieces[index];
        let offset = usize::try_from(addr.since(*start).0).ok()?;
        bytes.get(offset..).filter(|rest| !rest.is_empty())
    }
}

impl MemorySource for FakeMemory {
    fn address_map(&self) -> &AddressMap {
        &self.map
    }

    fn consistency(&self, _span: Span) -> Consistency {
        Consistency::Instant
    }

    fn residency(&self, span: Span) -> Result<Residency, ReadError> {
        let inside = |piece: &(Addr, Vec<u8>)| Span::sized(piece.0, ByteCount(piece.1.len() as u64)).intersection(span);
        let present: Vec<Span> = self.pieces.iter().map(inside).filter(|part| !part.is_empty()).collect();
        let readable: ByteCount = present.iter().map(|part| part.size()).sum();
        Ok(Residency { present, swapped: Vec::new(), absent: span.size().saturating_sub(readable) })
    }

    fn read_at(&self, addr: Addr, buf: &mut [u8]) -> Result<usize, ReadError> {
        let rest = self.at(addr).ok_or(ReadError::Fault(addr))?;
        let length = rest.len().min(buf.len());
        buf[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn borrow(&self, span: Span) -> Option<&[u8]> {
        self.at(span.start)?.get(..usize::try_from(span.size().0).ok()?)
    }

    fn threads(&self) -> &[Thread] {
        &self.threads
    }

    fn shared(&self) -> Option<&(dyn MemorySource + Sync)> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_longest_prefix_and_faults_on_the_first_byte() {
        let memory = FakeMemory::new().with(0x1000, *b"hello").with(0x2000, *b"world");
        let mut buf = [0u8; 8];
        assert_eq!(memory.read_at(Addr(0x1003), &mut buf).unwrap(), 2);
        assert_eq!(&buf[..2], b"lo");
        assert!(matches!(memory.read_at(Addr(0x1005), &mut buf), Err(ReadError::Fault(Addr(0x1005)))));
        assert_eq!(memory.borrow(Span::sized(Addr(0x2000), ByteCount(5))), Some(&b"world"[..]));
        assert_eq!(memory.borrow(Span::sized(Addr(0x2000), ByteCount(6))), None);
    }
}

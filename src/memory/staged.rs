//! Memory that was copied into buffers of our own and stays as it is.

use super::copying::copy::{Copied, Piece};
use super::copying::stream::{Part, parts};
use super::{Consistency, Coverage, MemorySource, ReadError};
use crate::space::spans::{joined, outside, total, within};
use crate::space::{AddressMap, Residency, Thread};
use crate::sys::pages::Pages;
use crate::units::{Addr, ByteCount, Span};

/// A copy of some spans of a target's memory, all of one instant.
#[derive(Debug)]
pub struct StagedMemory {
    map: AddressMap,
    pages: Pages,
    pieces: Vec<Piece>,
    present: Vec<Span>,
    swapped: Vec<Span>,
    /// Anonymous pages that were never touched: zeros without being stored.
    zeros: Vec<Span>,
    coverage: Coverage,
    threads: Vec<Thread>,
}

enum Stored<'s> {
    Bytes(&'s [u8]),
    Zeros(u64),
}

impl StagedMemory {
    /// What a copy of `wanted` (joined) into `pages` gave; `swapped` was left where it was.
    pub(super) fn new(
        map: AddressMap,
        mut pages: Pages,
        copied: Copied,
        wanted: &[Span],
        swapped: Vec<Span>,
    ) -> StagedMemory {
        let present: Vec<Span> = copied.pieces.iter().map(|piece| piece.span).collect();
        let gaps = joined(copied.gaps.into_iter().chain(copied.left).collect());
        let known = joined(present.iter().chain(&swapped).chain(&gaps).copied().collect());
        let untouched: Vec<Span> = wanted.iter().flat_map(|span| outside(&known, *span)).collect();
        let coverage = Coverage {
            wanted: total(wanted),
            copied: total(&present),
            absent: total(&untouched),
            swapped: total(&swapped),
            gaps,
        };
        let anonymous = map.mappings.iter().filter(|mapping| !mapping.has_file());
        let zeros = joined(anonymous.flat_map(|mapping| within(&untouched, mapping.span)).collect());
        give_back_rest(&mut pages, &copied.pieces);
        StagedMemory {
            map,
            pages,
            pieces: copied.pieces,
            present: joined(present),
            swapped,
            zeros,
            coverage,
            threads: Vec::new(),
        }
    }

    /// The same with the threads as they stood.
    pub(super) fn with_threads(self, threads: Vec<Thread>) -> StagedMemory {
        StagedMemory { threads, ..self }
    }

    /// How much of what was wanted is here.
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// The stretches that were copied, in order, with their bytes.
    pub fn stretches(&self) -> impl Iterator<Item = (Addr, &[u8])> {
        self.pieces.iter().map(|piece| (piece.span.start, &self.pages[piece.range()]))
    }

    /// The same with what is missing in between.
    pub(super) fn parts(&self) -> Vec<Part<'_>> {
        parts(&self.pieces, &self.pages, &self.swapped, &self.coverage.gaps)
    }

    fn at(&self, addr: Addr) -> Option<Stored<'_>> {
        let index = self.pieces.partition_point(|piece| piece.span.end <= addr);
        if let Some(piece) = self.pieces.get(index).filter(|piece| piece.span.contains(addr)) {
            let skip = addr.since(piece.span.start).0 as usize;
            return Some(Stored::Bytes(&self.pages[piece.range()][skip..]));
        }
        let index = self.zeros.partition_point(|span| span.end <= addr);
        let zeros = self.zeros.get(index).filter(|span| span.contains(addr))?;
        Some(Stored::Zeros(zeros.end.since(addr).0))
    }
}

/// Gives back the room that was for what did not come; whoever works on the copy has use for it.
fn give_back_rest(pages: &mut Pages, pieces: &[Piece]) {
    let mut used: Vec<_> = pieces.iter().map(|piece| piece.range()).collect();
    used.sort_unstable_by_key(|range| range.start);
    let mut end = 0;
    for range in used {
        pages.give_back(end..range.start);
        end = range.end;
    }
    pages.give_back(end..pages.len());
}

impl MemorySource for StagedMemory {
    fn address_map(&self) -> &AddressMap {
        &self.map
    }

    fn consistency(&self, _span: Span) -> Consistency {
        Consistency::Instant
    }

    fn residency(&self, span: Span) -> Result<Residency, ReadError> {
        let present: Vec<Span> = within(&self.present, span).collect();
        let swapped: Vec<Span> = within(&self.swapped, span).collect();
        let absent = span.size().saturating_sub(total(&present) + total(&swapped));
        Ok(Residency { present, swapped, absent })
    }

    fn read_at(&self, addr: Addr, buf: &mut [u8]) -> Result<usize, ReadError> {
        let mut filled = 0;
        while filled < buf.len() {
            let rest = &mut buf[filled..];
            filled += match self.at(addr.plus(ByteCount(filled as u64))) {
                Some(Stored::Bytes(bytes)) => {
                    let length = bytes.len().min(rest.len());
                    rest[..length].copy_from_slice(&bytes[..length]);
                    length
                }
                Some(Stored::Zeros(count)) => {
                    let length = count.min(rest.len() as u64) as usize;
                    rest[..length].fill(0);
                    length
                }
                None if filled == 0 => return Err(ReadError::Fault(addr)),
                None => break,
            };
        }
        Ok(filled)
    }

    fn borrow(&self, span: Span) -> Option<&[u8]> {
        match self.at(span.start)? {
            Stored::Bytes(bytes) => bytes.get(..usize::try_from(span.size().0).ok()?),
            Stored::Zeros(_) => None,
        }
    }

    fn threads(&self) -> &[Thread] {
        &self.threads
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Mapping;

    fn span(start: u64, end: u64) -> Span {
        Span::new(Addr(start), Addr(end))
    }

    /// 0x1000 copied in two pieces that touch, 0x3000 never touched, 0x4000 swapped, 0x5000 a gap, 0x6000 a file's.
    fn staged() -> StagedMemory {
        let anonymous = Mapping { span: span(0x1000, 0x6000), ..Mapping::default() };
        let file = Mapping { span: span(0x6000, 0x7000), inode: 7, ..Mapping::default() };
        let map = AddressMap { mappings: vec![anonymous, file], regions: Vec::new() };
        let mut pages = Pages::reserve(ByteCount(0x2000)).unwrap();
        pages[..0x1000].fill(1);
        pages[0x1000..].fill(2);
        let piece = |start, offset| Piece { span: Span::sized(Addr(start), ByteCount(0x1000)), offset };
        let pieces = vec![piece(0x1000, 0), piece(0x2000, 0x1000)];
        let copied = Copied { pieces, gaps: vec![span(0x5000, 0x6000)], left: Vec::new() };
        StagedMemory::new(map, pages, copied, &[span(0x1000, 0x7000)], vec![span(0x4000, 0x5000)])
    }

    #[test]
    fn every_wanted_byte_is_accounted_for() {
        let memory = staged();
        let coverage = memory.coverage();
        assert_eq!(coverage.copied, ByteCount(0x2000));
        assert_eq!(coverage.absent, ByteCount(0x2000));
        assert_eq!(coverage.swapped, ByteCount(0x1000));
        assert_eq!(coverage.gaps, [span(0x5000, 0x6000)]);
        let residency = memory.residency(span(0x1800, 0x4800)).unwrap();
        assert_eq!(residency.present, [span(0x1800, 0x3000)]);
        assert_eq!(residency.swapped, [span(0x4000, 0x4800)]);
        assert_eq!(residency.absent, ByteCount(0x1000));
    }

    #[test]
    fn reads_go_on_over_pieces_and_zeros_and_end_at_what_is_missing() {
        let memory = staged();
        let mut buf = vec![9; 0x8000];
        assert_eq!(memory.read_at(Addr(0x1ffe), &mut buf).unwrap(), 0x2002);
        assert_eq!(buf[..4], [1, 1, 2, 2]);
        assert!(buf[0x1002..0x2002].iter().all(|byte| *byte == 0));
        for missing in [0xfff, 0x4000, 0x5000, 0x6000] {
            assert!(
                matches!(memory.read_at(Addr(missing), &mut buf), Err(ReadError::Fault(at)) if at == Addr(missing))
            );
        }
        assert_eq!(memory.borrow(span(0x2ffe, 0x3000)), Some(&[2, 2][..]));
        assert_eq!(memory.borrow(span(0x2ffe, 0x3001)), None);
    }
}

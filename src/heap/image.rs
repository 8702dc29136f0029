//! Memory laid out for reading by words: all private writable memory of a source, in place where the source has it in
//! memory, else read once. What is missing is missing, never zero.

use std::borrow::Cow;
use std::cell::Cell;

use crate::memory::{MemorySource, ReadError};
use crate::space::spans::joined;
use crate::space::{AddressMap, Mapping};
use crate::units::{ByteCount, Span};

/// Bytes of a word; heaps of 64-bit processes only.
pub(super) const WORD: u64 = 8;
/// The smallest page there is.
pub(super) const PAGE: u64 = 4096;

/// Stretches of memory with their bytes.
pub(super) struct Image<'m> {
    pub map: &'m AddressMap,
    parts: Vec<Part<'m>>,
    /// Where the last word was found.
    last: Cell<usize>,
}

struct Part<'m> {
    start: u64,
    bytes: Cow<'m, [u8]>,
}

impl Part<'_> {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

/// The mappings in which a heap, or what points into one, may lie: private writable ones, and what was writable until
/// it was relocated (RELRO), right before a module's data.
pub fn heap_memory(mappings: &[Mapping]) -> Vec<&Mapping> {
    let relocated = |index: usize, mapping: &Mapping| {
        let next = mappings.get(index + 1).filter(|next| next.span.start == mapping.span.end && is_writable(next));
        let plain = mapping.permissions.read && !mapping.permissions.execute && !mapping.permissions.shared;
        plain && mapping.has_file() && next.is_some_and(|next| next.inode == mapping.inode && next.name == mapping.name)
    };
    let fits = |(index, mapping): &(usize, &Mapping)| is_writable(mapping) || relocated(*index, mapping);
    mappings.iter().enumerate().filter(fits).map(|(_, mapping)| mapping).collect()
}

fn is_writable(mapping: &Mapping) -> bool {
    let permissions = mapping.permissions;
    let named = mapping.name.starts_with("[v") || mapping.name.starts_with("/dev/");
    permissions.read && permissions.write && !permissions.shared && !named
}

impl<'m> Image<'m> {
    /// All of `memory` that a heap can lie in.
    ///
    /// # Errors
    /// What speaks of the source as a whole.
    pub fn read(memory: &'m dyn MemorySource) -> Result<Image<'m>, ReadError> {
        let map = memory.address_map();
        let wanted = heap_memory(&map.mappings).into_iter();
        let mut parts = Vec::new();
        for span in joined(wanted.map(|mapping| mapping.span).collect()) {
            for present in memory.residency(span)?.present {
                match memory.borrow(present) {
                    Some(bytes) => parts.push(Part { start: present.start.0, bytes: Cow::Borrowed(bytes) }),
                    None => copy(memory, present, &mut parts)?,
                }
            }
        }
        Ok(Image { map, parts, last: Cell::new(0) })
    }

    /// The parts from the first one on that ends behind `addr`.
    #[inline]
    fn parts_from(&self, addr: u64) -> &[Part<'m>] {
        let last = self.last.get();
        if self.parts.get(last).is_some_and(|part| part.start <= addr && addr < part.end()) {
            return &self.parts[last..];
        }
        let index = self.parts.partition_point(|part| part.end() <= addr);
        if self.parts.get(index).is_some_and(|part| part.start <= addr) {
            self.last.set(index);
        }
        &self.parts[index..]
    }

    #[inline]
    fn part(&self, addr: u64) -> Option<&Part<'m>> {
        self.parts_from(addr).first().filter(|part| part.start <= addr)
    }

    /// The word at `addr`; `None` where it is not there.
    #[inline]
    pub fn word(&self, addr: u64) -> Option<u64> {
        let part = self.part(addr)?;
        let at = (addr - part.start) as usize;
        let bytes = part.bytes.get(at..at.checked_add(WORD as usize)?)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }

    /// The 32-bit number at `addr`.
    pub fn half(&self, addr: u64) -> Option<u32> {
        let bytes: [u8; 4] = self.bytes(addr, 4).try_into().ok()?;
        Some(u32::from_le_bytes(bytes))
    }

    /// The bytes from `addr`, at most `length`, as far as they are there in one stretch.
    pub fn bytes(&self, addr: u64, length: u64) -> &[u8] {
        let Some(part) = self.part(addr) else { return &[] };
        let at = (addr - part.start) as usize;
        let end = part.bytes.len().min(at.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)));
        part.bytes.get(at..end).unwrap_or_default()
    }

    /// The stretches of `span` that are there, in order.
    pub fn stretches(&self, span: Span) -> impl Iterator<Item = (u64, &[u8])> {
        let inside = self.parts_from(span.start.0).iter().take_while(move |part| part.start < span.end.0);
        inside.map(move |part| {
            let start = part.start.max(span.start.0);
            let end = part.end().min(span.end.0);
            (start, part.bytes.get((start - part.start) as usize..(end - part.start) as usize).unwrap_or_default())
        })
    }

    /// The aligned words of `span` that are there, with their addresses.
    pub fn words(&self, span: Span) -> impl Iterator<Item = (u64, u64)> {
        self.stretches(span).flat_map(|(start, bytes)| {
            let skip = (start.next_multiple_of(WORD) - start) as usize;
            let words = bytes.get(skip..).unwrap_or_default().as_chunks::<8>().0;
            let first = start.next_multiple_of(WORD);
            words.iter().enumerate().map(move |(index, word)| (first + index as u64 * WORD, u64::from_le_bytes(*word)))
        })
    }

    /// How many bytes of `span` are there.
    pub fn present(&self, span: Span) -> ByteCount {
        ByteCount(self.stretches(span).map(|(_, bytes)| bytes.len() as u64).sum())
    }

    /// The text that begins at `addr` and ends with a zero, where it is printable and no longer than `limit`.
    pub fn text(&self, addr: u64, limit: u64) -> Option<&str> {
        let bytes = self.bytes(addr, limit);
        let length = memchr::memchr(0, bytes)?;
        let text = std::str::from_utf8(&bytes[..length]).ok()?;
        (!text.is_empty() && !text.chars().any(char::is_control)).then_some(text)
    }
}

fn copy<'m>(memory: &dyn MemorySource, span: Span, parts: &mut Vec<Part<'m>>) -> Result<(), ReadError> {
    let mut at = span.start;
    while at < span.end {
        let mut bytes = vec![0; usize::try_from(span.end.since(at).0).unwrap_or(usize::MAX)];
        let mut filled = 0;
        while filled < bytes.len() {
            match memory.read_at(at.plus(ByteCount(filled as u64)), &mut bytes[filled..]) {
                Ok(count) => filled += count,
                Err(ReadError::Fault(_)) => break,
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        let stop = at.plus(ByteCount(filled as u64));
        if filled > 0 {
            parts.push(Part { start: at.0, bytes: Cow::Owned(bytes) });
        }
        at = if stop < span.end { stop.plus(ByteCount(1)).align_up(ByteCount(PAGE)) } else { stop };
    }
    Ok(())
}

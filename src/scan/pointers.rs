//! Which words could be pointers: values inside the address map, and those among them that lead to code or to
//! read-only parts of a program, where functions and vtables are. A fast test, since every word is asked.

use crate::space::{AddressMap, Mapping};
use crate::units::{Addr, Span};

/// Low values are sizes and counts, whatever is mapped there.
const LOWEST: u64 = 0x1_0000;

/// User addresses have at most so many bits on the machines we know; larger values are no pointers here.
const ADDRESS_BITS: u32 = 48;

/// Spans that hold all that is mapped, at most: what a process maps lies in a few heaps of mappings far apart.
const SPANS: usize = 3;

/// What a value leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Mapped memory.
    Mapped,
    /// Code or read-only data of a program or library.
    Program,
}

#[derive(Clone, Copy, Debug)]
struct Stretch {
    start: u64,
    end: u64,
    place: Place,
}

/// The address map, for lookups by value.
#[derive(Debug)]
pub(super) struct Pointers {
    stretches: Vec<Stretch>,
    spans: Vec<Span>,
    /// The stretch last found for a value of that slot. Neighbouring pointers lead to a few places again and again.
    lately: Box<[u32; LATELY]>,
}

const LATELY: usize = 1024;

/// The slot of a value: by 2 MiB, the size of what allocators map at a time or more.
#[inline(always)]
fn slot(value: u64) -> usize {
    (value >> 21) as usize % LATELY
}

impl Pointers {
    pub(super) fn new(map: &AddressMap) -> Pointers {
        let executable: std::collections::HashSet<_> =
            map.mappings.iter().filter(|mapping| mapping.has_file() && mapping.permissions.execute).map(file).collect();
        let mut stretches: Vec<Stretch> = Vec::new();
        for mapping in map.mappings.iter().filter(|mapping| !mapping.permissions.is_none()) {
            let (start, end) = (mapping.span.start.0.max(LOWEST), mapping.span.end.0.min(1 << ADDRESS_BITS));
            if start >= end {
                continue;
            }
            let program = mapping.has_file()
                && (mapping.permissions.execute || (!mapping.permissions.write && executable.contains(&file(mapping))));
            let place = if program { Place::Program } else { Place::Mapped };
            match stretches.last_mut() {
                Some(last) if last.end == start && last.place == place => last.end = end,
                _ => stretches.push(Stretch { start, end, place }),
            }
        }
        stretches.sort_by_key(|stretch| stretch.start);
        let spans = few(&stretches);
        Pointers { stretches, spans, lately: Box::new([0; LATELY]) }
    }

    /// A few spans, in one of which every pointer leads, for a first test.
    pub(super) fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// What `value` leads to, if anything.
    #[inline(always)]
    pub(super) fn find(&mut self, value: u64) -> Option<Place> {
        let slot = slot(value);
        if let Some(stretch) = self.stretches.get(self.lately[slot] as usize)
            && (stretch.start..stretch.end).contains(&value)
        {
            return Some(stretch.place);
        }
        let index = self.stretches.partition_point(|stretch| stretch.end <= value);
        let stretch = self.stretches.get(index).filter(|stretch| stretch.start <= value)?;
        self.lately[slot] = index as u32;
        Some(stretch.place)
    }
}

/// The stretches in as few spans as are kept, what is left out between those being as much as possible.
fn few(stretches: &[Stretch]) -> Vec<Span> {
    let mut gaps: Vec<(u64, usize)> =
        stretches.windows(2).zip(1..).map(|(pair, index)| (pair[1].start - pair[0].end, index)).collect();
    gaps.sort_unstable_by_key(|(gap, _)| std::cmp::Reverse(*gap));
    gaps.truncate(SPANS - 1);
    let mut begins: Vec<usize> = gaps.into_iter().map(|(_, index)| index).chain([0, stretches.len()]).collect();
    begins.sort_unstable();
    let parts = begins.windows(2).filter_map(|pair| stretches.get(pair[0]..pair[1]));
    parts.filter_map(|part| Some(Span::new(Addr(part.first()?.start), Addr(part.last()?.end)))).collect()
}

fn file(mapping: &Mapping) -> ((u32, u32), u64) {
    (mapping.device, mapping.inode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Permissions;

    fn mapping(start: u64, end: u64, permissions: &str, inode: u64) -> Mapping {
        let span = Span::new(Addr(start), Addr(end));
        Mapping { span, permissions: Permissions::parse(permissions), inode, ..Mapping::default() }
    }

    #[test]
    fn values_lead_to_what_is_mapped() {
        let mappings = vec![
            mapping(0, 0x2_0000, "rw-p", 0),
            mapping(0x5555_0000_0000, 0x5555_0001_0000, "r--p", 7),
            mapping(0x5555_0001_0000, 0x5555_0002_0000, "r-xp", 7),
            mapping(0x5555_0002_0000, 0x5555_0003_0000, "rw-p", 7),
            mapping(0x6000_0000_0000, 0x6000_0001_0000, "r--p", 8),
            mapping(0x7f00_0000_0000, 0x7f01_0000_0000, "---p", 0),
        ];
        let mut pointers = Pointers::new(&AddressMap { mappings, regions: Vec::new() });
        let span = |start, end| Span::new(Addr(start), Addr(end));
        let spans = [
            span(0x1_0000, 0x2_0000),
            span(0x5555_0000_0000, 0x5555_0003_0000),
            span(0x6000_0000_0000, 0x6000_0001_0000),
        ];
        assert_eq!(pointers.spans(), spans);
        assert_eq!(Pointers::new(&AddressMap::default()).spans(), []);
        assert_eq!(pointers.find(0x20), None);
        assert_eq!(pointers.find(0x1_0000), Some(Place::Mapped));
        assert_eq!(pointers.find(0x5555_0000_0008), Some(Place::Program));
        assert_eq!(pointers.find(0x5555_0001_ffff), Some(Place::Program));
        assert_eq!(pointers.find(0x5555_0002_0000), Some(Place::Mapped));
        assert_eq!(pointers.find(0x5555_0003_0000), None);
        assert_eq!(pointers.find(0x6000_0000_0010), Some(Place::Mapped));
        assert_eq!(pointers.find(0x7f00_8000_0000), None);
        assert_eq!(pointers.find(u64::MAX), None);
    }
}

//! Which words could be pointers: values inside the address map, and those among them that lead to code or to
//! read-only parts of a program, where functions and vtables are. A fast test, since every word is asked.

use crate::space::{AddressMap, Mapping};

/// Low values are sizes and counts, whatever is mapped there.
const LOWEST: u64 = 0x1_0000;

/// User addresses have at most so many bits on the machines we know; larger values are no pointers here.
const ADDRESS_BITS: u32 = 48;

/// Granules of 4 GiB.
const GRANULE_BITS: u32 = 32;

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
    granules: Vec<u64>,
    stretches: Vec<Stretch>,
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
        let mut granules = vec![0u64; 1 << (ADDRESS_BITS - GRANULE_BITS - 6)];
        for stretch in &stretches {
            for granule in stretch.start >> GRANULE_BITS..=(stretch.end - 1) >> GRANULE_BITS {
                granules[granule as usize / 64] |= 1 << (granule % 64);
            }
        }
        Pointers { granules, stretches, lately: Box::new([0; LATELY]) }
    }

    /// What `value` leads to, if anything.
    #[inline(always)]
    pub(super) fn find(&mut self, value: u64) -> Option<Place> {
        let granule = value >> GRANULE_BITS;
        let word = self.granules.get(granule as usize / 64)?;
        if value < LOWEST || word >> (granule % 64) & 1 == 0 {
            return None;
        }
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

fn file(mapping: &Mapping) -> ((u32, u32), u64) {
    (mapping.device, mapping.inode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Permissions;
    use crate::units::{Addr, Span};

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

//! The whole address space in order: its mappings, the regions made of them, and their sum.

use super::{Footprint, Mapping, Region};
use crate::units::Addr;

/// All mappings of a process, or of a file that was made from one, in order of address.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AddressMap {
    /// The kernel's lines, ordered, never overlapping.
    pub mappings: Vec<Mapping>,
    /// Our view of them, ordered by first address. Every mapping is in exactly one.
    pub regions: Vec<Region>,
}

impl AddressMap {
    /// The mapping that holds `addr`.
    pub fn mapping_at(&self, addr: Addr) -> Option<&Mapping> {
        let index = self.mappings.partition_point(|mapping| mapping.span.end <= addr);
        self.mappings.get(index).filter(|mapping| mapping.span.contains(addr))
    }

    /// The sum over all regions.
    pub fn total(&self) -> Footprint {
        let mut total = Footprint::default();
        for region in &self.regions {
            total += region.footprint;
        }
        total
    }
}

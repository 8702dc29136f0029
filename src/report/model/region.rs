//! Regions of an address space as rows, and their sum.

use serde::Serialize;

use crate::space::{Footprint, Region, RegionKind};
use crate::units::{Addr, ByteCount, Rate};

/// One region.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RegionRow {
    /// First address of its first mapping.
    pub start: Addr,
    /// First address past its last mapping.
    pub end: Addr,
    /// What it is for.
    pub kind: RegionKind,
    /// Path or `[heap]` and the like; empty where the kernel gives no name.
    pub name: String,
    /// As in maps: `rw-p`.
    pub permissions: String,
    /// Mappings in it.
    pub mappings: u64,
    /// Address space taken.
    pub size_bytes: ByteCount,
    /// Resident.
    pub rss_bytes: Option<ByteCount>,
    /// Resident, shared pages divided by their users.
    pub pss_bytes: Option<ByteCount>,
    /// Resident, private and written.
    pub private_dirty_bytes: Option<ByteCount>,
    /// Swapped out.
    pub swap_bytes: Option<ByteCount>,
    /// Growth of anonymous + swapped.
    pub growth_bytes_per_second: Option<Rate>,
}

impl RegionRow {
    /// A region whose whole footprint was measured (smaps); `growth` where it was watched.
    pub fn measured(region: &Region, growth: Option<Rate>) -> RegionRow {
        let Footprint { rss, pss, private_dirty, swap, .. } = region.footprint;
        RegionRow {
            rss_bytes: Some(rss),
            pss_bytes: Some(pss),
            private_dirty_bytes: Some(private_dirty),
            swap_bytes: Some(swap),
            ..RegionRow::sized(region, growth)
        }
    }

    /// A region of which only the size is known (maps): the rest is null.
    pub fn sized(region: &Region, growth: Option<Rate>) -> RegionRow {
        RegionRow {
            start: region.span.start,
            end: region.span.end,
            kind: region.kind,
            name: region.name.clone(),
            permissions: region.permissions.to_string(),
            mappings: region.parts.len() as u64,
            size_bytes: region.footprint.size,
            rss_bytes: None,
            pss_bytes: None,
            private_dirty_bytes: None,
            swap_bytes: None,
            growth_bytes_per_second: growth,
        }
    }
}

/// The sum over all regions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Totals {
    /// Regions.
    pub regions: u64,
    /// Mappings in them.
    pub mappings: u64,
    /// Address space taken.
    pub size_bytes: ByteCount,
    /// Resident; null where one part is unknown, as the next three.
    pub rss_bytes: Option<ByteCount>,
    /// Resident, shared pages divided by their users.
    pub pss_bytes: Option<ByteCount>,
    /// Resident, private and written.
    pub private_dirty_bytes: Option<ByteCount>,
    /// Swapped out.
    pub swap_bytes: Option<ByteCount>,
}

impl Totals {
    /// The sum of `rows`.
    pub fn of(rows: &[RegionRow]) -> Totals {
        let sum = |part: fn(&RegionRow) -> Option<ByteCount>| -> Option<ByteCount> {
            rows.iter().map(part).try_fold(ByteCount::ZERO, |sum, bytes| Some(sum + bytes?))
        };
        Totals {
            regions: rows.len() as u64,
            mappings: rows.iter().map(|row| row.mappings).sum(),
            size_bytes: rows.iter().map(|row| row.size_bytes).sum(),
            rss_bytes: sum(|row| row.rss_bytes),
            pss_bytes: sum(|row| row.pss_bytes),
            private_dirty_bytes: sum(|row| row.private_dirty_bytes),
            swap_bytes: sum(|row| row.swap_bytes),
        }
    }
}

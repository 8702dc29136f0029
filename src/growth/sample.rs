//! One look at a process's memory as it stood at one moment.

use std::time::Duration;

use crate::space::AddressMap;
use crate::units::ByteCount;

/// One cheap look at the whole process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// Since the watch began.
    pub at: Duration,
    /// Resident, all kinds.
    pub rss: ByteCount,
    /// Resident anonymous memory.
    pub anonymous: ByteCount,
    /// Resident shared memory and tmpfs pages.
    pub shared: ByteCount,
    /// Swapped out.
    pub swap: ByteCount,
    /// Lines in maps, where they were counted at this look.
    pub mappings: Option<u64>,
    /// Threads.
    pub threads: u64,
}

impl Sample {
    /// The growth measure of the process: anonymous + swapped.
    pub fn held(&self) -> ByteCount {
        self.anonymous + self.swap
    }
}

/// One look at all its regions. `footprint.anonymous + swap` of every region is filled in; the first and the last
/// look of a watch carry all of smaps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    /// Since the watch began.
    pub at: Duration,
    /// The regions as they stood.
    pub map: AddressMap,
}

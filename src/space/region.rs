//! A region: neighbouring mappings of one kind, or a family of equal scattered ones, and what it costs.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Permissions;
use crate::units::{ByteCount, Span};

/// What a region is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegionKind {
    /// The brk heap, all its adjacent mappings as one.
    Heap,
    /// Private anonymous memory of no better known use.
    Anon,
    /// Thread heaps of glibc malloc: 64 MiB reservations, their unused rest PROT_NONE.
    Arena,
    /// The main thread's stack.
    Stack,
    /// Another thread's stack.
    ThreadStack,
    /// Shared anonymous memory, memfd, tmpfs, System V.
    Shared,
    /// A file, private or shared, on a real file system.
    File,
    /// vdso, vvar, vsyscall, devices and the like.
    Special,
}

impl fmt::Display for RegionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            RegionKind::Heap => "heap",
            RegionKind::Anon => "anon",
            RegionKind::Arena => "arena",
            RegionKind::Stack => "stack",
            RegionKind::ThreadStack => "thread-stack",
            RegionKind::Shared => "shared",
            RegionKind::File => "file",
            RegionKind::Special => "special",
        })
    }
}

/// What memory costs, in bytes, as smaps counts it. Parts that a kernel or a cheap look does not give are zero
/// in sums and told apart by `Option` where they are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Address space taken.
    pub size: ByteCount,
    /// Resident.
    pub rss: ByteCount,
    /// Resident, shared pages divided by the number of their users.
    pub pss: ByteCount,
    /// Resident, private and written.
    pub private_dirty: ByteCount,
    /// Resident and not backed by a file.
    pub anonymous: ByteCount,
    /// Swapped out.
    pub swap: ByteCount,
}

impl Footprint {
    /// The growth measure of private memory: anonymous + swapped. A leak must not look cured by swapping.
    pub fn held(&self) -> ByteCount {
        self.anonymous + self.swap
    }
}

impl std::ops::AddAssign for Footprint {
    fn add_assign(&mut self, other: Footprint) {
        self.size += other.size;
        self.rss += other.rss;
        self.pss += other.pss;
        self.private_dirty += other.private_dirty;
        self.anonymous += other.anonymous;
        self.swap += other.swap;
    }
}

/// Neighbouring mappings of one kind as one, or a family of equal-sized scattered ones as one.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// From the first address of its first part to the last of its last; a family has gaps in between.
    pub span: Span,
    /// What it is for.
    pub kind: RegionKind,
    /// Path, `[heap]`, `[stack]` or a name for what it is; hostile text, not escaped.
    pub name: String,
    /// Permissions of its largest part.
    pub permissions: Permissions,
    /// The mappings in it, in order.
    pub parts: Vec<Span>,
    /// What it costs.
    pub footprint: Footprint,
}

impl Region {
    /// Whether `span` touches one of its parts.
    pub fn overlaps(&self, span: Span) -> bool {
        let first = self.parts.partition_point(|part| part.end <= span.start);
        self.parts[first..].first().is_some_and(|part| part.overlaps(span))
    }
}

//! Whether the books balance: what the allocator itself counts against what was found. Where they agree the answer is
//! exact and may say so; where not, by how much.

use std::fmt;

use serde::{Serialize, Serializer};

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// C1: bytes the arenas have from the system, against the regions found.
    SystemMemory,
    /// C2: chunks that are mappings of their own.
    MappedCount,
    /// C2: the bytes of these.
    MappedBytes,
    /// C3: chunks in bins, against chunks that say they are free.
    FreeChunks,
    /// C4: lists of fast bins and caches that are broken or longer than their counts.
    FreeLists,
    /// C5: bytes of all regions, against those of all chunks in them.
    Bytes,
    /// C6: headers that make no sense.
    Headers,
    /// C6: bins that are no lists.
    Bins,
    /// C6: arenas whose lock a thread held: it was inside malloc.
    Locks,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::SystemMemory => "bytes from the system",
            Kind::MappedCount => "mmapped chunks",
            Kind::MappedBytes => "mmapped bytes",
            Kind::FreeChunks => "free chunks in bins",
            Kind::FreeLists => "broken free lists",
            Kind::Bytes => "bytes in chunks",
            Kind::Headers => "bad chunk headers",
            Kind::Bins => "broken bins",
            Kind::Locks => "locked arenas",
        })
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.to_string().replace(' ', "_"))
    }
}

/// One comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// What is compared.
    pub kind: Kind,
    /// What the allocator says; null where its word was not found.
    pub said: Option<u64>,
    /// What was found.
    pub found: Option<u64>,
}

impl Certificate {
    pub(super) fn compare(kind: Kind, said: u64, found: u64) -> Certificate {
        Certificate { kind, said: Some(said), found: Some(found) }
    }

    pub(super) fn unknown(kind: Kind) -> Certificate {
        Certificate { kind, said: None, found: None }
    }

    /// Whether the two agree.
    pub fn holds(&self) -> bool {
        self.said.is_some() && self.said == self.found
    }
}

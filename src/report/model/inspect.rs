//! The main answer: what grows, how fast, until when, and what it is made of.

use serde::{Deserialize, Serialize};

use super::{Allocations, Content, RegionRow, TargetRow};
use crate::explain::Finding;
use crate::units::{ByteCount, Rate};

/// The answer of `inspect`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Inspect {
    /// The process.
    pub target: TargetRow,
    /// The limit that is reached first.
    pub limits: Option<LimitRow>,
    /// How the whole process grew.
    pub growth: Option<Growth>,
    /// Its regions; what grows first.
    pub regions: Vec<RegionRow>,
    /// The region that was looked into.
    pub suspect: Option<Suspect>,
    /// How its bytes were had.
    pub snapshot: Option<Snapshot>,
    /// What fills it.
    pub content: Option<Content>,
    /// Who allocates it.
    pub allocations: Option<Allocations>,
    /// What the allocator thinks of it.
    pub heap: Option<HeapSummary>,
    /// The judgement.
    pub verdict: Option<Verdict>,
    /// What it rests on, growth before size, the weightiest first.
    pub findings: Vec<Finding>,
    /// Every caution on how this was made.
    pub warnings: Vec<String>,
}

/// What the allocator thinks of its heap at the end of the watch; bytes are chunk sizes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct HeapSummary {
    /// Whose heap.
    pub allocator: Option<String>,
    /// Whether the allocator's own counts are what was found.
    pub exact: bool,
    /// Handed out.
    pub in_use_bytes: ByteCount,
    /// The same in chunks.
    pub in_use_chunks: u64,
    /// Given back and held.
    pub free_bytes: ByteCount,
    /// The rests of arenas.
    pub top_bytes: ByteCount,
    /// Handed out, and nothing leads to it.
    pub unreachable_bytes: ByteCount,
    /// The same in chunks.
    pub unreachable_chunks: u64,
    /// Handed out, and probably nothing leads to it.
    pub probably_unreachable_bytes: ByteCount,
    /// The same in chunks.
    pub probably_unreachable_chunks: u64,
}

/// A limit and how near it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LimitRow {
    /// `cgroup`, `rlimit` or `system`.
    pub kind: String,
    /// Where it is set: a control group's path, `RLIMIT_AS`, …
    pub source: Option<String>,
    /// How much is allowed.
    pub limit_bytes: Option<ByteCount>,
    /// How much of it is used.
    pub usage_bytes: Option<ByteCount>,
    /// When it is reached if growth goes on; null where nothing grows.
    pub seconds_to_limit: Option<f64>,
}

/// Growth of the whole process.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Growth {
    /// How long was looked.
    pub seconds: f64,
    /// Looks taken.
    pub samples: u64,
    /// Resident at the first.
    pub rss_start_bytes: Option<ByteCount>,
    /// Resident at the last.
    pub rss_end_bytes: Option<ByteCount>,
    /// Slope of anonymous + swapped.
    pub bytes_per_second: Option<Rate>,
    /// Low end of its interval.
    pub low_bytes_per_second: Option<Rate>,
    /// High end of its interval.
    pub high_bytes_per_second: Option<Rate>,
    /// The looks themselves, for the picture; not in the JSON document.
    #[serde(skip)]
    pub series: Vec<ByteCount>,
}

/// The region that was looked into.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Suspect {
    /// Index into `regions`.
    pub region: usize,
    /// Why this one.
    pub reason: String,
}

/// How bytes were had.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Snapshot {
    /// `live` (never stopped), `stop`, …
    pub method: String,
    /// Longest time the target stood still; null where that is not known, 0 where it was not stopped.
    pub pause_ms: Option<f64>,
    /// Bytes read.
    pub bytes: ByteCount,
    /// Time that took.
    pub seconds: f64,
    /// File they were kept in.
    pub path: Option<String>,
}

/// The judgement in one word and one sentence.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Verdict {
    /// SPEC's word: `leak`, `growing`, `stable`, …
    pub kind: String,
    /// 0 to 1.
    pub confidence: f64,
    /// What, how fast, whose, until when.
    pub summary: String,
    /// What to run next.
    pub next: Vec<String>,
}

impl Verdict {
    /// Whether a person should act on it.
    pub fn accuses(&self) -> bool {
        matches!(self.kind.as_str(), "leak" | "growing" | "mapping-leak" | "thread-leak" | "shared-memory")
    }
}

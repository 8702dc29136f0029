//! The answer on a heap: what the allocator holds, what of it is lost, and who holds the rest.

use serde::Serialize;

use super::content::as_text;
use super::{SampleRow, Snapshot, TargetRow};
use crate::heap::Certificate;
use crate::scan::{GroupKind, Label, Tally};
use crate::units::{Addr, ByteCount, Rate};

/// The answer of `heap`. Bytes are chunk sizes, headers included, unless a field says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Heap {
    /// The process, where one was walked.
    pub target: Option<TargetRow>,
    /// The file, where one was walked.
    pub path: Option<String>,
    /// How the bytes of a process were had.
    pub snapshot: Option<Snapshot>,
    /// Whose heap it is; null where that could not be told.
    pub allocator: Option<AllocatorRow>,
    /// Time between two walks; null for one.
    pub seconds: Option<f64>,
    /// Each arena; of the next eight all are null or empty where no glibc heap was found.
    pub arenas: Vec<ArenaRow>,
    /// Handed out, mmapped chunks included.
    pub in_use: Option<TallyRow>,
    /// Given back and held: in bins, fast bins and threads' caches.
    pub free: Option<FreeRow>,
    /// The rests of arenas.
    pub top: Option<TallyRow>,
    /// Of those in use, mappings of their own.
    pub mmapped: Option<TallyRow>,
    /// What malloc_trim would give back to the system.
    pub trimmable_bytes: Option<ByteCount>,
    /// What is alive and what is not.
    pub reach: Option<ReachRow>,
    /// The sizes that weigh most.
    pub sizes: Vec<SizeRow>,
    /// Chunks in use by likeness; what grows first, else the largest.
    pub groups: Vec<HeapGroupRow>,
    /// Groups found beyond those listed.
    pub omitted_groups: u64,
    /// Objects by class in memory that is in no chunk: under another allocator, or one inside the program.
    pub census: Vec<CensusRowOut>,
    /// What allocators inside the allocator hold: nginx's pools, LuaJIT's objects.
    pub inside: Vec<InsideRowOut>,
    /// The answer to `--why`.
    pub why: Option<WhyRow>,
    /// Whether the books balance.
    pub consistency: Option<ConsistencyRow>,
    /// Cautions.
    pub warnings: Vec<String>,
}

/// Whose heap.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AllocatorRow {
    /// `glibc`, `jemalloc`, …
    pub name: String,
    /// For glibc the versions with this layout.
    pub version: Option<String>,
}

/// Chunks and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct TallyRow {
    /// How many.
    pub chunks: u64,
    /// Their sum.
    pub bytes: ByteCount,
}

impl From<Tally> for TallyRow {
    fn from(tally: Tally) -> TallyRow {
        TallyRow { chunks: tally.count, bytes: tally.bytes }
    }
}

/// Free chunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct FreeRow {
    /// How many in all.
    pub chunks: u64,
    /// Their sum.
    pub bytes: ByteCount,
    /// In bins.
    pub bins: TallyRow,
    /// In fast bins.
    pub fast_bins: TallyRow,
    /// In threads' caches.
    pub tcache: TallyRow,
}

/// One arena.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArenaRow {
    /// Where its malloc_state is.
    pub address: Option<Addr>,
    /// `main` or `thread`.
    pub kind: &'static str,
    /// What it has from the system.
    pub system_bytes: ByteCount,
    /// Handed out.
    pub in_use: TallyRow,
    /// Given back and held.
    pub free: TallyRow,
    /// Its rest.
    pub top_bytes: ByteCount,
}

/// What is alive and what is not, of chunks in use.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ReachRow {
    /// Nothing leads to them: lost, surely.
    pub unreachable: TallyRow,
    /// Of those, what no other lost one points to.
    pub unreachable_directly: TallyRow,
    /// Only pointers into their middle lead there, as memory used twice leaves them: lost, probably.
    pub probably_unreachable: TallyRow,
    /// Whether registers were known and stacks counted from their pointers only.
    pub registers_known: bool,
    /// Anonymous memory of unknown use, which counts as alive when something alive points into it.
    pub opaque_bytes: ByteCount,
}

/// Chunks of one size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SizeRow {
    /// Of each.
    pub size_bytes: ByteCount,
    /// Handed out.
    pub in_use: TallyRow,
    /// Given back and held.
    pub free: TallyRow,
}

/// Chunks alike.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeapGroupRow {
    /// `json`, `text`, `repeat`, `blob`, `object`, `counted`, `pointer`, `zero`, `number`, `binary`.
    pub kind: &'static str,
    /// What they are called.
    #[serde(serialize_with = "as_text")]
    pub label: Label,
    /// Size of each chunk; of the largest where sizes differ.
    pub size_bytes: ByteCount,
    /// Members.
    pub count: u64,
    /// What the program got, headers not counted.
    pub bytes: ByteCount,
    /// Chunk sizes.
    pub chunk_bytes: ByteCount,
    /// Part of all chunks in use, 0 to 1.
    pub share: f64,
    /// Members more than at the first walk; null for one walk, as the next two.
    pub growth_count: Option<i64>,
    /// Bytes more than at the first walk.
    pub growth_bytes: Option<i64>,
    /// The same by time.
    pub bytes_per_second: Option<Rate>,
    /// Members nothing leads to.
    pub unreachable_count: u64,
    /// Their chunk sizes.
    pub unreachable_bytes: ByteCount,
    /// Of those, what no other lost one points to.
    pub unreachable_directly_count: u64,
    /// Members that probably nothing leads to.
    pub probably_unreachable_count: u64,
    /// Their chunk sizes.
    pub probably_unreachable_bytes: ByteCount,
    /// The commonest ways from a root to them.
    pub held_by: Vec<HolderRow>,
    /// A few members.
    pub samples: Vec<SampleRow>,
    /// Whether the label is the scanner's.
    #[serde(skip)]
    pub text_kind: Option<GroupKind>,
}

/// A way from a root.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HolderRow {
    /// The part of the members followed that are held this way, 0 to 1.
    pub share: f64,
    /// The steps, the root first.
    pub path: String,
}

/// Objects of a class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CensusRowOut {
    /// The class.
    pub class: String,
    /// How many.
    pub count: u64,
}

/// One sort of thing of an allocator inside the allocator.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InsideRowOut {
    /// `nginx`, `luajit`.
    pub owner: &'static str,
    /// `request pool`, `table {body,id}`, a template of strings, …
    #[serde(serialize_with = "as_text")]
    pub what: Label,
    /// The scanner's name for the likeness of strings; not part of the answer.
    #[serde(skip)]
    pub text_kind: Option<GroupKind>,
    /// How many.
    pub count: u64,
    /// What they take.
    pub bytes: ByteCount,
    /// Of these, what is used; null where that is not told apart.
    pub used_bytes: Option<ByteCount>,
    /// More than at the first walk; null for one walk and for what the first had nothing of, as the next two.
    pub growth_count: Option<i64>,
    /// Bytes more than at the first walk.
    pub growth_bytes: Option<i64>,
    /// The same by time.
    pub bytes_per_second: Option<Rate>,
}

/// Who holds one chunk.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WhyRow {
    /// Where what the program got begins.
    pub address: Addr,
    /// Chunk size.
    pub size_bytes: ByteCount,
    /// `in-use`, `free`, `tcache`, `fast-bin`, `top`, `malloc`, `unknown`.
    pub state: &'static str,
    /// `reachable`, `probably-unreachable`, `unreachable`; null for what is not in use.
    pub reach: Option<&'static str>,
    /// The way from a root, the chunk last.
    pub path: Vec<StepRow>,
}

/// A step on that way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepRow {
    /// Where the pointer to the next one stands.
    pub address: Option<Addr>,
    /// What it stands in.
    pub what: String,
}

/// Whether the allocator's own counts are what was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConsistencyRow {
    /// `exact` or `partial`.
    pub verdict: &'static str,
    /// Bytes whose headers make no sense.
    pub skipped_bytes: ByteCount,
    /// Each comparison.
    pub certificates: Vec<Certificate>,
}

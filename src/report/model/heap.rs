//! The answer on a heap: what the allocator holds, what of it is lost, and who holds the rest.

use std::time::Duration;

use serde::Serialize;

use super::content::as_text;
use super::{SampleRow, Snapshot, TargetRow};
use crate::explain::Notice;
use crate::heap::{ArenaTotals, Certificate, HeapGroup, HeapKind, HeapResult, Totals, Use};
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
    /// Objects by class under an allocator that is not known, or none.
    pub census: Vec<CensusRowOut>,
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

impl Heap {
    /// What a walk found; `between` it and an earlier one.
    pub fn from_walk(found: &HeapResult, between: Option<Duration>, notices: &[Notice], top: usize) -> Heap {
        let account = found.account.as_ref();
        let totals = account.map(|account| &account.totals);
        let in_use = totals.map_or(ByteCount::ZERO, |totals| totals.in_use.bytes);
        let mut groups: Vec<&HeapGroup> = found.groups.iter().collect();
        // What is lost or grows stands before what is merely large.
        let growth =
            |group: &HeapGroup| group.before.map_or(0, |before| group.now.bytes.signed_sub(before.bytes).max(0));
        let lost = |group: &HeapGroup| group.lost.bytes + group.doubtful.bytes;
        groups.sort_by_key(|group| std::cmp::Reverse((growth(group), lost(group), group.chunk_bytes)));
        let omitted = groups.len().saturating_sub(top) as u64;
        let rows = groups.into_iter().take(top).map(|group| group_row(group, in_use, between));
        Heap {
            allocator: found.allocator.clone().map(|one| AllocatorRow { name: one.name, version: one.version }),
            seconds: between.map(|between| between.as_secs_f64()),
            arenas: account.map(|account| account.arenas.iter().map(arena_row).collect()).unwrap_or_default(),
            in_use: totals.map(|totals| totals.in_use.into()),
            free: totals.map(free_row),
            top: totals.map(|totals| totals.top.into()),
            mmapped: totals.map(|totals| totals.mmapped.into()),
            trimmable_bytes: totals.map(|totals| totals.trimmable),
            reach: found.reach.map(|reach| ReachRow {
                unreachable: reach.lost.into(),
                unreachable_directly: reach.lost_directly.into(),
                probably_unreachable: reach.doubtful.into(),
                registers_known: found.threads_known,
                opaque_bytes: found.opaque,
            }),
            sizes: account.map(size_rows).unwrap_or_default(),
            groups: rows.collect(),
            omitted_groups: omitted,
            census: found
                .census
                .iter()
                .map(|row| CensusRowOut { class: row.class.clone(), count: row.count })
                .collect(),
            why: found.why.as_ref().map(why_row),
            consistency: account.map(|_| ConsistencyRow {
                verdict: if found.is_exact() { "exact" } else { "partial" },
                skipped_bytes: found.skipped,
                certificates: found.certificates.clone(),
            }),
            warnings: notices.iter().map(ToString::to_string).collect(),
            ..Heap::default()
        }
    }

    /// Whether memory was found that nothing leads to.
    pub fn accuses(&self) -> bool {
        self.reach.is_some_and(|reach| reach.unreachable.chunks > 0)
    }
}

fn free_row(totals: &Totals) -> FreeRow {
    let all = totals.free();
    FreeRow {
        chunks: all.count,
        bytes: all.bytes,
        bins: totals.binned.into(),
        fast_bins: totals.fast.into(),
        tcache: totals.cached.into(),
    }
}

fn arena_row(arena: &ArenaTotals) -> ArenaRow {
    ArenaRow {
        address: arena.address,
        kind: if arena.is_main { "main" } else { "thread" },
        system_bytes: arena.system,
        in_use: arena.totals.in_use.into(),
        free: arena.totals.free().into(),
        top_bytes: arena.totals.top.bytes,
    }
}

fn size_rows(account: &crate::heap::Account) -> Vec<SizeRow> {
    let row = |row: &crate::heap::SizeTotals| SizeRow {
        size_bytes: row.size,
        in_use: row.in_use.into(),
        free: row.free.into(),
    };
    account.sizes.iter().map(row).collect()
}

fn group_row(group: &HeapGroup, in_use: ByteCount, between: Option<Duration>) -> HeapGroupRow {
    let growth_bytes = group.before.map(|before| group.now.bytes.signed_sub(before.bytes));
    let seconds = between.map(|between| between.as_secs_f64()).filter(|seconds| *seconds > 0.0);
    HeapGroupRow {
        kind: kind_word(group),
        label: group.label.clone(),
        size_bytes: group.size,
        count: group.now.count,
        bytes: group.now.bytes,
        chunk_bytes: group.chunk_bytes,
        share: group.chunk_bytes.share_of(in_use),
        growth_count: group.before.map(|before| group.now.count as i64 - before.count as i64),
        growth_bytes,
        bytes_per_second: growth_bytes.zip(seconds).map(|(bytes, seconds)| Rate::over(bytes, seconds)),
        unreachable_count: group.lost.count,
        unreachable_bytes: group.lost.bytes,
        unreachable_directly_count: group.lost_directly.count,
        probably_unreachable_count: group.doubtful.count,
        probably_unreachable_bytes: group.doubtful.bytes,
        held_by: group.held_by.iter().map(|(share, path)| HolderRow { share: *share, path: path.clone() }).collect(),
        samples: group
            .samples
            .iter()
            .map(|sample| SampleRow { address: sample.address, text: sample.text.clone() })
            .collect(),
        text_kind: group.text_kind,
    }
}

fn kind_word(group: &HeapGroup) -> &'static str {
    match (group.kind, group.text_kind) {
        (_, Some(GroupKind::Json)) | (HeapKind::Json, None) => "json",
        (_, Some(GroupKind::Repeat)) => "repeat",
        (_, Some(GroupKind::Blob)) => "blob",
        (HeapKind::Text | HeapKind::Json, _) => "text",
        (HeapKind::Object, _) => "object",
        (HeapKind::Counted, _) => "counted",
        (HeapKind::Pointer, _) => "pointer",
        (HeapKind::Zero, _) => "zero",
        (HeapKind::Number, _) => "number",
        (HeapKind::Binary, _) => "binary",
    }
}

fn why_row(why: &crate::heap::Why) -> WhyRow {
    let state = match why.use_ {
        Use::Live => "in-use",
        Use::Free => "free",
        Use::Cached => "tcache",
        Use::Fast => "fast-bin",
        Use::Top => "top",
        Use::Table | Use::Fence => "malloc",
        Use::Gap => "unknown",
    };
    let reach = match (why.links.is_empty(), why.doubtful) {
        (_, true) => "probably-unreachable",
        (true, false) => "unreachable",
        (false, false) => "reachable",
    };
    WhyRow {
        address: why.address,
        size_bytes: why.size,
        state,
        reach: (why.use_ == Use::Live).then_some(reach),
        path: why.links.iter().map(|link| StepRow { address: link.address, what: link.text.clone() }).collect(),
    }
}

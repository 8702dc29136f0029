//! What a walk of a heap found, as the rows of its answer.

use std::time::Duration;

use super::SampleRow;
use super::heap::{
    AllocatorRow, ArenaRow, CensusRowOut, ConsistencyRow, FreeRow, Heap, HeapGroupRow, HolderRow, InsideRowOut,
    ReachRow, SizeRow, StepRow, WhyRow,
};
use crate::explain::Notice;
use crate::heap::{Account, ArenaTotals, HeapGroup, HeapKind, HeapResult, InsideRow, SizeTotals, Totals, Use, Why};
use crate::scan::GroupKind;
use crate::units::{ByteCount, Rate};

/// Rows of allocators inside the allocator that are told.
const INSIDE: usize = 100;

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
        groups.sort_by_key(|group| std::cmp::Reverse((growth(group), group.lost.bytes, group.chunk_bytes)));
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
            inside: found.inside.iter().take(INSIDE).map(|row| inside_row(row, between)).collect(),
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

fn size_rows(account: &Account) -> Vec<SizeRow> {
    let row = |row: &SizeTotals| SizeRow { size_bytes: row.size, in_use: row.in_use.into(), free: row.free.into() };
    account.sizes.iter().map(row).collect()
}

fn group_row(group: &HeapGroup, in_use: ByteCount, between: Option<Duration>) -> HeapGroupRow {
    let growth_bytes = group.before.map(|before| group.now.bytes.signed_sub(before.bytes));
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
        bytes_per_second: by_time(growth_bytes, between),
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

fn inside_row(row: &InsideRow, between: Option<Duration>) -> InsideRowOut {
    let growth_bytes = row.before.map(|before| row.bytes.signed_sub(before.bytes));
    InsideRowOut {
        owner: row.owner,
        what: row.what.clone(),
        text_kind: row.text_kind,
        count: row.count,
        bytes: row.bytes,
        used_bytes: row.used,
        growth_count: row.before.map(|before| row.count as i64 - before.count as i64),
        growth_bytes,
        bytes_per_second: by_time(growth_bytes, between),
    }
}

/// `None` for one walk, and for two files.
fn by_time(growth: Option<i64>, between: Option<Duration>) -> Option<Rate> {
    let seconds = between.map(|between| between.as_secs_f64()).filter(|seconds| *seconds > 0.0);
    growth.zip(seconds).map(|(bytes, seconds)| Rate::over(bytes, seconds))
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

fn why_row(why: &Why) -> WhyRow {
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

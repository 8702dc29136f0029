//! Allocators inside the allocator: what they hand out lies inside chunks, or in memory that no chunk covers. Each in a file
//! of its own, of one shape: memory in, rows out.

mod luajit;
mod nginx;

pub(super) use self::nginx::is_first_in_pool;
use super::chunks::Chunks;
use super::image::Image;
use crate::scan::{GroupKind, Label, Tally};
use crate::units::{ByteCount, Span};

/// Where such an allocator is looked for.
pub(super) struct Site<'s, 'm> {
    pub image: &'s Image<'m>,
    pub chunks: &'s Chunks,
    /// Anonymous memory that is in no heap of malloc.
    pub rest: &'s [Span],
}

/// One sort of thing that an allocator inside the allocator holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsideRow {
    /// Whose: `nginx`, `luajit`.
    pub owner: &'static str,
    /// What: `request pool`, `table {body,id}`, a template of strings; hostile text, not escaped.
    pub what: Label,
    /// How strings are alike; `None` for what is no text.
    pub text_kind: Option<GroupKind>,
    /// How many.
    pub count: u64,
    /// What they take.
    pub bytes: ByteCount,
    /// Of these, what is used; `None` where that is not told apart.
    pub used: Option<ByteCount>,
    /// How many and how much an earlier walk found; `None` where there was none, or nothing of that name.
    pub before: Option<Tally>,
}

/// All that is known of allocators inside the allocator, the largest first.
pub(super) fn rows(site: &Site<'_, '_>) -> Vec<InsideRow> {
    let mut rows = nginx::pools(site);
    rows.extend(luajit::objects(site));
    let by_name = |row: &InsideRow| row.what.to_string();
    rows.sort_by(|left, right| right.bytes.cmp(&left.bytes).then_with(|| by_name(left).cmp(&by_name(right))));
    rows
}

/// What an earlier walk found of each row.
pub(super) fn compare(now: &mut [InsideRow], before: &[InsideRow]) {
    let earlier = |row: &InsideRow| before.iter().find(|other| other.owner == row.owner && other.what == row.what);
    for row in now {
        row.before = earlier(row).map(|other| Tally { count: other.count, bytes: other.bytes });
    }
}

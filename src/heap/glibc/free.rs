//! Which chunks are free although they look handed out: those in fast bins and in threads' caches. And whether those that
//! say they are free are in a bin. Links of fast bins and caches may be mangled with their own address (safe-linking,
//! glibc 2.32); which, each list tells.

use super::super::chunks::{Chunks, HEADER, Use, mark};
use super::super::image::{Image, WORD};
use super::locate::{ArenaState, BIN, BINS, Layout};

const FAST_BINS: u64 = 10;
/// A link that is mangled is xored with its own address shifted by this (PROTECT_PTR).
const MANGLED_BY: u32 = 12;

/// What the lists of an arena, or of all caches, gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lists {
    /// Chunks in lists.
    pub chunks: u64,
    /// Entries that are no chunks of the right state, and counts that are not those of their lists.
    pub errors: u64,
}

/// Marks all chunks in the bins of `arena`.
pub(super) fn read_bins(image: &Image<'_>, arena: &ArenaState, chunks: &mut Chunks) -> Lists {
    let mut lists = Lists::default();
    for bin in 0..BINS {
        let links = arena.bins + bin * BIN;
        let head = links - BIN;
        let mut at = image.word(links).unwrap_or(head);
        while at != head {
            let free = chunks.starting_at(at).filter(|chunk| chunks.use_of(*chunk) == Use::Free);
            let Some(chunk) = free.filter(|chunk| !chunks.has(*chunk, mark::IN_BIN)) else {
                lists.errors += 1;
                break;
            };
            chunks.set(chunk, mark::IN_BIN);
            lists.chunks += 1;
            at = image.word(at + HEADER).unwrap_or(head);
        }
    }
    lists
}

/// Marks all chunks in the fast bins of `arena`: ten list heads that end at the field top.
pub(super) fn read_fast_bins(image: &Image<'_>, layout: Layout, arena: &ArenaState, chunks: &mut Chunks) -> Lists {
    let mut lists = Lists::default();
    if !layout.has_fast_bins() {
        return lists;
    }
    let first = arena.bins - BIN - FAST_BINS * WORD;
    for bin in 0..FAST_BINS {
        let Some(head) = image.word(first + bin * WORD).filter(|head| *head != 0) else { continue };
        let list = follow(image, chunks, head, 0, Some(32 + 16 * bin));
        lists.errors += u64::from(list.broken);
        for chunk in list.chunks {
            chunks.set_use(chunk, Use::Fast);
            lists.chunks += 1;
        }
    }
    lists
}

/// One list of one direction.
struct List {
    chunks: Vec<u32>,
    broken: bool,
}

/// The chunks from `at` on, which is `lead` bytes behind their headers, as the links there are.
fn follow(image: &Image<'_>, chunks: &Chunks, head: u64, lead: u64, size: Option<u64>) -> List {
    let plain = follow_as(image, chunks, (head, lead), size, false);
    if !plain.broken && plain.chunks.len() != 1 {
        return plain;
    }
    let mangled = follow_as(image, chunks, (head, lead), size, true);
    if mangled.broken && (!plain.broken || plain.chunks.len() > mangled.chunks.len()) { plain } else { mangled }
}

fn follow_as(image: &Image<'_>, chunks: &Chunks, (head, lead): (u64, u64), size: Option<u64>, mangled: bool) -> List {
    let mut list = List { chunks: Vec::new(), broken: false };
    let mut at = head;
    while at != 0 {
        let chunk = at.checked_sub(lead).and_then(|header| chunks.starting_at(header));
        let fits = |chunk: &u32| chunks.is_live(*chunk) && size.is_none_or(|size| chunks.size(*chunk).0 == size);
        let Some(chunk) = chunk.filter(fits).filter(|_| list.chunks.len() <= chunks.len()) else {
            list.broken = true;
            break;
        };
        list.chunks.push(chunk);
        let link = at - lead + HEADER;
        let Some(word) = image.word(link) else {
            list.broken = true;
            break;
        };
        at = if mangled { word ^ (link >> MANGLED_BY) } else { word };
    }
    list
}

/// How a thread's cache is laid out.
#[derive(Clone, Copy)]
struct TableLayout {
    /// Bytes of a count, and how many lists there are.
    count: u64,
    lists: u64,
}

impl TableLayout {
    /// Counts of 8 bits since 2.26, of 16 since 2.30; 76 lists whose counts are of free slots since 2.42.
    const ALL: [TableLayout; 3] =
        [TableLayout { count: 1, lists: 64 }, TableLayout { count: 2, lists: 64 }, TableLayout { count: 2, lists: 76 }];

    fn entries(self) -> u64 {
        (self.count * self.lists).next_multiple_of(WORD)
    }

    /// Whether a chunk of `size` may hold it: 16 bytes of header, rounded up, and up to 32 more were seen.
    fn fits(self, size: u64) -> bool {
        let needed = (self.entries() + self.lists * WORD + WORD).next_multiple_of(16);
        (needed..=needed + 48).contains(&size)
    }
}

/// Finds the tables of all threads' caches and marks the chunks in them.
pub(super) fn read_caches(image: &Image<'_>, chunks: &mut Chunks) -> Lists {
    let mut tables: Vec<(u32, TableLayout)> = Vec::new();
    for (region, chunk) in chunks.iter() {
        let size = chunks.span_in(region, chunk).size().0;
        if (0x250..=0x340).contains(&size) && chunks.is_live(chunk) {
            tables
                .extend(TableLayout::ALL.into_iter().filter(|layout| layout.fits(size)).map(|layout| (chunk, layout)));
        }
    }
    let mut lists = Lists::default();
    for (table, layout) in tables {
        if let Some(found) = read_table(image, chunks, chunks.payload(table).start.0, layout) {
            chunks.set_use(table, Use::Table);
            for chunk in found.0 {
                chunks.set_use(chunk, Use::Cached);
                lists.chunks += 1;
            }
            lists.errors += found.1;
        }
    }
    lists
}

/// The chunks of a cache's table at `at`, and how many of its counts are off; `None` where there is none.
fn read_table(image: &Image<'_>, chunks: &Chunks, at: u64, layout: TableLayout) -> Option<(Vec<u32>, u64)> {
    let mut found = Vec::new();
    let mut counts = Vec::new();
    for list in 0..layout.lists {
        let head = image.word(at + layout.entries() + list * WORD)?;
        let bytes = image.bytes(at + list * layout.count, layout.count);
        let count = bytes.iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
        let size = (list < 64).then_some(32 + 16 * list);
        let members = if head == 0 { Vec::new() } else { follow(image, chunks, head, HEADER, size).whole()? };
        counts.push((count, members.len() as u64));
        found.extend(members);
    }
    let off_by_length = counts.iter().filter(|(count, length)| count != length).count() as u64;
    // Free slots: all lists of small chunks have the same number when they are empty.
    let slots = counts.first().map_or(0, |(count, length)| count + length);
    let off_by_slots = counts.iter().take(64).filter(|(count, length)| count + length != slots).count() as u64;
    let off = if slots > 0 { off_by_length.min(off_by_slots) } else { off_by_length };
    // A thread stopped inside malloc may have one count off.
    (!found.is_empty() && off <= 1).then_some((found, off))
}

impl List {
    fn whole(self) -> Option<Vec<u32>> {
        (!self.broken).then_some(self.chunks)
    }
}

//! Chunks in use by size and likeness: how many, how many of them nothing points to, a few to look at, and for these the
//! commonest ways from a root.

use hashbrown::HashMap;

use super::chunks::{Chunks, mark};
use super::image::Image;
use super::names::PlaceNames;
use super::reach::{Flood, is_doubtful, is_lost};
use super::signature::{HeapKind, Key, Reader};
use crate::scan::{GroupKind, Label, Sample, ScanOptions, Scanner, Tally};
use crate::units::{Addr, ByteCount, Span};

/// Groups beyond this are counted under one head of their size.
const MOST_GROUPS: usize = 1 << 16;
/// Members kept of each, to look at and to follow back to a root.
const KEPT: usize = 24;
/// Members of a group that its label is made from, and samples shown.
const LABELLED_BY: usize = 12;
const SAMPLES: usize = 3;
const SAMPLE_BYTES: u64 = 160;
/// Tables of the scan that makes a label.
const LABEL_MEMORY: ByteCount = ByteCount::mib(2);

/// All chunks in use of one size and likeness.
#[derive(Clone, Debug, PartialEq)]
pub struct HeapGroup {
    /// How they are alike.
    pub kind: HeapKind,
    /// What they are called.
    pub label: Label,
    /// What the scanner says of their text, where it is one.
    pub text_kind: Option<GroupKind>,
    /// Size of each chunk; of the largest where sizes differ.
    pub size: ByteCount,
    /// How many, and their bytes without headers.
    pub now: Tally,
    /// The same of an earlier walk.
    pub before: Option<Tally>,
    /// Their bytes with headers.
    pub chunk_bytes: ByteCount,
    /// Those that nothing points to, with headers.
    pub lost: Tally,
    /// The same of an earlier walk.
    pub lost_before: Option<Tally>,
    /// Of those, the ones that not even another lost one points to.
    pub lost_directly: Tally,
    /// Those that only pointers into their middle lead to, as stale memory would have.
    pub doubtful: Tally,
    /// A few members.
    pub samples: Vec<Sample>,
    /// The commonest ways from a root to them and the part of the members followed that they hold, 0 to 1.
    pub held_by: Vec<(f64, String)>,
    pub(super) key: Key,
    pub(super) kept: Vec<u32>,
}

/// Puts all chunks in use into groups, the largest first; labels are still to be made.
pub(super) fn group(reader: &Reader<'_, '_>) -> Vec<HeapGroup> {
    let chunks = reader.chunks;
    let mut found: HashMap<Key, HeapGroup, foldhash::fast::FixedState> = HashMap::default();
    for region in &chunks.regions {
        for chunk in region.first..region.first + region.count {
            if !chunks.is_live(chunk) {
                continue;
            }
            let (span, payload) = (chunks.span_in(region, chunk), chunks.payload_in(region, chunk));
            let mut key = reader.key(payload, span.size());
            if found.len() >= MOST_GROUPS && !found.contains_key(&key) {
                key = Key { detail: 0, kind: HeapKind::Binary, ..key };
            }
            let group = found.entry(key).or_insert_with(|| empty(key));
            group.add(chunks, chunk, span.size(), payload.size());
        }
    }
    let mut groups: Vec<HeapGroup> = found.into_values().collect();
    groups.sort_by_key(|group| {
        let Key { size, kind, detail } = group.key;
        (std::cmp::Reverse(group.chunk_bytes), size, kind, detail)
    });
    groups
}

fn empty(key: Key) -> HeapGroup {
    HeapGroup {
        kind: key.kind,
        label: Label::default(),
        text_kind: None,
        size: ByteCount::ZERO,
        now: Tally::default(),
        before: None,
        chunk_bytes: ByteCount::ZERO,
        lost: Tally::default(),
        lost_before: None,
        lost_directly: Tally::default(),
        doubtful: Tally::default(),
        samples: Vec::new(),
        held_by: Vec::new(),
        key,
        kept: Vec::new(),
    }
}

impl HeapGroup {
    #[inline]
    fn add(&mut self, chunks: &Chunks, chunk: u32, size: ByteCount, payload: ByteCount) {
        self.now.add(payload);
        self.chunk_bytes += size;
        self.size = self.size.max(size);
        if is_lost(chunks, chunk) {
            self.lost.add(size);
            if !chunks.has(chunk, mark::INDIRECT) {
                self.lost_directly.add(size);
            }
        } else if is_doubtful(chunks, chunk) {
            self.doubtful.add(size);
        }
        // The first few, then ever rarer ones: the latest stay well represented.
        let count = self.now.count;
        if self.kept.len() < KEPT {
            self.kept.push(chunk);
        } else if count.is_power_of_two() || count.is_multiple_of(4096) {
            self.kept[(count.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % KEPT] = chunk;
        }
    }

    /// Gives it a label and samples.
    pub(super) fn describe(&mut self, reader: &Reader<'_, '_>, names: Option<&dyn PlaceNames>) {
        let payload = |chunk: &u32| reader.chunks.payload(*chunk);
        let is_text = matches!(self.kind, HeapKind::Json | HeapKind::Text);
        if is_text {
            self.label_text(reader);
        } else {
            self.label = Label::fixed(head(reader, names, self.key));
        }
        let shown = self.kept.iter().rev().take(SAMPLES).map(payload);
        self.samples = shown.map(|span| sample(reader.image, span, is_text)).collect();
    }

    /// The scanner's name for most of the members looked at.
    fn label_text(&mut self, reader: &Reader<'_, '_>) {
        let mut scanner = Scanner::new(reader.image.map, None, ScanOptions { max_memory: LABEL_MEMORY });
        for chunk in self.kept.iter().rev().take(LABELLED_BY) {
            let payload = reader.chunks.payload(*chunk);
            scanner.feed(payload.start, reader.image.bytes(payload.start.0, payload.size().0.min(1 << 16)));
            scanner.end_span();
        }
        let best = scanner.finish().groups.into_iter().max_by_key(|group| group.now.bytes);
        match best {
            Some(best) => {
                self.text_kind = Some(best.kind);
                self.label = best.label;
            }
            None => self.label = Label::fixed("short text"),
        }
    }
}

/// What chunks of that key are called, text apart.
pub(super) fn head(reader: &Reader<'_, '_>, names: Option<&dyn PlaceNames>, key: Key) -> String {
    let addr = Addr(key.detail);
    let named = || names.and_then(|names| names.pointee(addr).map(|pointee| pointee.name));
    let place = || names.and_then(|names| names.place(addr)).unwrap_or_else(|| addr.to_string());
    match key.kind {
        HeapKind::Object => named().unwrap_or_else(|| format!("begins with {}", place())),
        HeapKind::Counted => match reader.type_name(key.detail) {
            Some(name) => name.to_owned(),
            None => named().unwrap_or_else(place),
        },
        HeapKind::Json => "json".into(),
        HeapKind::Text => "text".into(),
        HeapKind::Pointer => "begins with a pointer into the heap".into(),
        HeapKind::Zero => "begins with zeros".into(),
        HeapKind::Number => "begins with a small number".into(),
        HeapKind::Binary => "binary".into(),
    }
}

fn sample(image: &Image<'_>, payload: Span, is_text: bool) -> Sample {
    let bytes = image.bytes(payload.start.0, payload.size().0.min(SAMPLE_BYTES));
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    // A record in a list begins behind its link.
    let lead = if is_text && bytes.first().is_some_and(|byte| *byte != b'{') {
        [8, 16].into_iter().find(|at| bytes.get(*at) == Some(&b'{')).unwrap_or(0)
    } else {
        0
    };
    let text = bytes.get(lead.min(end)..end).unwrap_or_default();
    let printable = memchr::memchr(0, text).unwrap_or(text.len());
    let text = if is_text { String::from_utf8_lossy(&text[..printable]).into_owned() } else { hex(text) };
    Sample { address: payload.start, text }
}

/// The first words as numbers.
fn hex(bytes: &[u8]) -> String {
    let words = bytes.as_chunks::<8>().0.iter().take(6).map(|word| format!("{:#x}", u64::from_le_bytes(*word)));
    words.collect::<Vec<_>>().join(" ")
}

/// How many of a group's chunks an earlier walk had.
pub(super) fn compare(now: &mut [HeapGroup], before: &[HeapGroup]) {
    let known: HashMap<Key, &HeapGroup> = before.iter().map(|group| (group.key, group)).collect();
    for group in now {
        let earlier = known.get(&group.key);
        group.before = Some(earlier.map(|group| group.now).unwrap_or_default());
        group.lost_before = Some(earlier.map(|group| group.lost).unwrap_or_default());
    }
}

/// What a step on the way to a chunk is called: its size and what it is.
pub(super) fn step(reader: &Reader<'_, '_>, names: Option<&dyn PlaceNames>, chunk: u32) -> String {
    let (size, payload) = (reader.chunks.size(chunk), reader.chunks.payload(chunk));
    let key = reader.key(payload, size);
    let size = if size.0 < 4096 { size.0.to_string() } else { size.to_string() };
    match key.kind {
        HeapKind::Object | HeapKind::Counted => format!("[{size} {}]", head(reader, names, key)),
        _ => format!("[{size}]"),
    }
}

/// Follows members kept back to roots.
pub(super) fn hold(
    group: &mut HeapGroup,
    reader: &Reader<'_, '_>,
    flood: &Flood,
    path: &dyn Fn(u32) -> Option<String>,
) {
    let mut ways: HashMap<String, u32> = HashMap::new();
    let held = group.kept.iter().filter(|chunk| !is_lost(reader.chunks, **chunk));
    let mut followed = 0u32;
    for chunk in held.filter(|chunk| flood.parent(**chunk).is_some()) {
        if let Some(way) = path(*chunk) {
            *ways.entry(way).or_default() += 1;
            followed += 1;
        }
    }
    let mut ways: Vec<(String, u32)> = ways.into_iter().collect();
    ways.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
    let share = |count: u32| f64::from(count) / f64::from(followed.max(1));
    group.held_by = ways.into_iter().take(3).map(|(way, count)| (share(count), way)).collect();
}

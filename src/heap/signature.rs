//! What a chunk's content looks like, in a few words: the key by which chunks are alike. The order of the questions matters:
//! pointers before text, because addresses of a heap can be printable.

use std::hash::{BuildHasher, Hasher};
use std::iter;

use wide::u8x16;

use super::chunks::Chunks;
use super::image::Image;
use super::terrain::Terrain;
use crate::units::{ByteCount, Span};

/// How members of a group are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HeapKind {
    /// They begin with a pointer to one place in a module: a vtable, a function, a type.
    Object,
    /// A count of references, then a pointer to one type; CPython's objects.
    Counted,
    /// JSON text.
    Json,
    /// Other text.
    Text,
    /// They begin with a pointer into the heap.
    Pointer,
    /// They begin with zeros.
    Zero,
    /// They begin with a small number.
    Number,
    /// Anything else.
    Binary,
}

/// What makes chunks members of one group, within one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// Chunk size, or the power of two above it for text and large chunks; 0 for JSON.
    pub size: u64,
    pub kind: HeapKind,
    /// The pointer, or a hash of what the text begins with.
    pub detail: u64,
}

/// Bytes of a chunk that are looked at.
const LOOKED_AT: u64 = 64;
/// Of JSON, so many bytes are looked at for keys.
const JSON_LOOKED_AT: u64 = 192;
const JSON_KEYS: usize = 3;
/// Above this, sizes are classes; text is up to this one.
const EXACT: u64 = 1024;
const SMALL_TEXT: u64 = 128;
const SHORTEST_TEXT: usize = 4;
/// Numbers below this are small; so are counts of references.
const SMALL: u64 = 1 << 32;
/// Where addresses of programs end with five levels of page tables (x86-64, arm64). Words of text are above.
const HIGHEST: u64 = 1 << 56;
/// A type's own type, and its name, in PyTypeObject (CPython 2.7 to 3.13).
const TYPE_OF: u64 = 8;
const TYPE_NAME: u64 = 24;
/// PyGC_Head in front of objects that may hold others (CPython 3.8 and later; 24 or 32 bytes before).
const GC_HEAD: u64 = 16;

/// Where signatures are taken.
pub(super) struct Reader<'r, 'm> {
    pub image: &'r Image<'m>,
    pub terrain: &'r Terrain,
    pub chunks: &'r Chunks,
}

impl Reader<'_, '_> {
    /// The key of a chunk with `payload`, whose size with header is `size`.
    pub fn key(&self, payload: Span, size: ByteCount) -> Key {
        let head = self.image.bytes(payload.start.0, LOOKED_AT.min(payload.size().0));
        let (kind, detail) = self.kind(payload, head);
        let size = match kind {
            // The keys say more than the size.
            HeapKind::Json => 0,
            HeapKind::Text => size.0.next_power_of_two().max(SMALL_TEXT),
            _ if size.0 <= EXACT => size.0,
            _ => size.0.next_power_of_two(),
        };
        Key { size, kind, detail }
    }

    fn kind(&self, payload: Span, head: &[u8]) -> (HeapKind, u64) {
        let words = head.as_chunks::<8>().0;
        let word = |index: usize| words.get(index).map_or(0, |word| u64::from_le_bytes(*word));
        let (first, second) = (word(0), word(1));
        if head.iter().all(|byte| *byte == 0) {
            return (HeapKind::Zero, 0);
        }
        let is_address = (SMALL..HIGHEST).contains(&first);
        if is_address && self.terrain.is_module(first) {
            return (HeapKind::Object, first);
        }
        if let Some(kind) = self.counted(first, second) {
            return (HeapKind::Counted, kind);
        }
        if is_address && self.points_into_heap(first) {
            let hidden = (GC_HEAD / 8) as usize;
            return match self.counted(word(hidden), word(hidden + 1)) {
                Some(kind) => (HeapKind::Counted, kind),
                None => self.linked(payload),
            };
        }
        let keys = || json_keys(self.image.bytes(payload.start.0, JSON_LOOKED_AT.min(payload.size().0)));
        // The usual record shows by its keys; what else it holds need not be looked at.
        if head.starts_with(b"{\"")
            && let Some(keys) = keys()
        {
            return (HeapKind::Json, keys);
        }
        match text_of(head) {
            Some(text) if matches!(text[0], b'{' | b'[') => {
                keys().map_or((HeapKind::Text, 0), |keys| (HeapKind::Json, keys))
            }
            Some(text) => (HeapKind::Text, first_word(text)),
            None if first < SMALL => (HeapKind::Number, 0),
            None => (HeapKind::Binary, 0),
        }
    }

    /// What follows one or two pointers into the heap: a record of JSON in a list is one all the same.
    fn linked(&self, payload: Span) -> (HeapKind, u64) {
        let rest = self.image.bytes(payload.start.0 + 8, (JSON_LOOKED_AT + 8).min(payload.size().0.saturating_sub(8)));
        let record = [0, 8].into_iter().filter_map(|skip| rest.get(skip..)).find(|rest| rest.starts_with(b"{\""));
        match record.and_then(json_keys) {
            Some(keys) => (HeapKind::Json, keys),
            None => (HeapKind::Pointer, 0),
        }
    }

    fn points_into_heap(&self, word: u64) -> bool {
        self.chunks.region_at(word).is_some()
    }

    /// The type of an object with `count` references whose second word is `kind`: a place in a module's data, or a type
    /// of CPython wherever it lies.
    fn counted(&self, count: u64, kind: u64) -> Option<u64> {
        // Immortal objects have counts of 2³² - 1 and above (CPython 3.12).
        if count == 0 || count >= SMALL * 4 || kind < SMALL || !kind.is_multiple_of(8) {
            return None;
        }
        let in_data = || super::terrain::holding(&self.terrain.data, kind).is_some();
        (self.is_type(kind) || (in_data() && count < SMALL)).then_some(kind)
    }

    /// Whether a type of CPython lies at `at`: its type's type is its own.
    pub fn is_type(&self, at: u64) -> bool {
        let Some(meta) = self.image.word(at + TYPE_OF).filter(|meta| meta.is_multiple_of(8)) else { return false };
        let Some(metameta) = self.image.word(meta.wrapping_add(TYPE_OF)) else { return false };
        metameta == meta || self.image.word(metameta.wrapping_add(TYPE_OF)) == Some(metameta)
    }

    /// The name of a type of CPython, where it lies in writable memory.
    pub fn type_name(&self, at: u64) -> Option<&str> {
        const LONGEST: u64 = 256;
        if !self.is_type(at) {
            return None;
        }
        self.image.text(self.image.word(at + TYPE_NAME)?, LONGEST)
    }
}

/// The printable beginning of a chunk's first bytes, up to a zero or the end; `None` where it is too short or anything else
/// follows.
fn text_of(head: &[u8]) -> Option<&[u8]> {
    let text = &head[..memchr::memchr(0, head).unwrap_or(head.len())];
    let printable = |byte: u8| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r') || byte >= 0x80;
    // In bytes, of which there are fewer than 256: whole registers at once.
    let count = |test: fn(u8) -> bool| text.iter().map(|byte| u8::from(test(*byte))).sum::<u8>();
    if text.len() < SHORTEST_TEXT || usize::from(count(printable)) < text.len() {
        return None;
    }
    let foreign = usize::from(count(|byte| byte >= 0x80));
    (foreign * 2 < text.len() || std::str::from_utf8(text).is_ok()).then_some(text)
}

/// A hash of the first word, where it is one of letters only; variable beginnings are all alike.
fn first_word(text: &[u8]) -> u64 {
    const LONGEST: usize = 24;
    let in_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let text = &text[..text.len().min(LONGEST)];
    let word = &text[..text.iter().position(|byte| !in_word(byte)).unwrap_or(text.len())];
    if word.iter().any(u8::is_ascii_digit) || word.len() < 3 { 0 } else { hash(word) }
}

/// A hash of the first keys of a JSON object; `None` where it has none.
fn json_keys(text: &[u8]) -> Option<u64> {
    let mut hasher = foldhash::fast::FixedState::default().build_hasher();
    let (mut quotes, mut found) = (quotes(text), 0);
    while found < JSON_KEYS {
        let (Some(open), Some(close)) = (quotes.next(), quotes.next()) else { break };
        if text.get(close + 1) == Some(&b':') {
            hasher.write(&text[open + 1..close]);
            hasher.write_u8(b',');
            found += 1;
        }
    }
    (found > 0).then(|| hasher.finish())
}

/// Where quotes stand in `text`, in order.
fn quotes(text: &[u8]) -> impl Iterator<Item = usize> {
    const LANE: usize = 16;
    let in_lane = |lane: [u8; LANE]| u8x16::new(lane).cmp_eq(u8x16::splat(b'"')).move_mask() as u32;
    let (lanes, rest) = text.as_chunks::<LANE>();
    let last = match text.last_chunk::<LANE>() {
        // Looked at a second time, its first bytes drop out.
        Some(lane) => in_lane(*lane) >> (LANE - rest.len()),
        None => rest.iter().rev().fold(0, |bits, byte| bits << 1 | u32::from(*byte == b'"')),
    };
    let bits = lanes.iter().map(move |lane| in_lane(*lane)).chain(iter::once(last));
    bits.enumerate().flat_map(|(index, mut bits)| {
        iter::from_fn(move || {
            let bit = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
            bits &= bits - 1;
            Some(index * LANE + bit)
        })
    })
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = foldhash::fast::FixedState::default().build_hasher();
    hasher.write(bytes);
    hasher.finish()
}

//! What is alive: a flood from the roots, breadth first, so that each chunk knows a shortest way back to a root.
//!
//! Every word counts as a pointer, into the middle of a chunk too, except those that equal a chunk's header: only
//! malloc's own lists point there, and memory that was used again is full of such links. Later splits turn them into
//! pointers to multiples of 16 inside chunks; what is reached through such alone is `MAYBE`. Links of cached chunks do not
//! count either where memory begins with a copy of one.

use std::collections::VecDeque;
use std::hint::black_box;

use hashbrown::HashSet;

use super::chunks::{Chunks, HEADER, Region, UNIT, Use, mark};
use super::glibc::Heaps;
use super::image::{Image, WORD};
use super::inside::{Site, is_first_in_pool};
use super::roots::{Ground, Root};
use super::signature::Reader;
use super::stale::{self, Stale};
use super::terrain::Terrain;
use crate::units::Span;

/// Nobody's parent, and no node.
pub(super) const NOBODY: u32 = u32::MAX;
/// Nodes whose memory is asked for together: the processor waits for all at once.
const BATCH: usize = 16;

/// Nodes are chunks, then opaque stretches, then roots.
#[derive(Debug, Default)]
pub(super) struct Flood {
    /// Who was first to point to a node, by node.
    parents: Vec<u32>,
    chunks: usize,
    opaque: usize,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Chunk(u32),
    /// Index of an opaque stretch.
    Opaque(usize),
    /// Index of a root.
    Root(usize),
}

impl Flood {
    /// What node `index` is.
    pub fn node(&self, index: u32) -> Node {
        match index as usize {
            chunk if chunk < self.chunks => Node::Chunk(index),
            other if other < self.chunks + self.opaque => Node::Opaque(other - self.chunks),
            root => Node::Root(root - self.chunks - self.opaque),
        }
    }

    /// Who points to a node, `None` for roots and what nobody points to.
    pub fn parent(&self, index: u32) -> Option<u32> {
        self.parents.get(index as usize).copied().filter(|parent| *parent != NOBODY)
    }
}

/// Marks what is alive among `heaps` and tells who points to it.
pub(super) fn flood(image: &Image<'_>, terrain: &Terrain, heaps: &mut Heaps, ground: &Ground) -> Flood {
    let states = heaps.states();
    let links = cached_links(image, &heaps.chunks);
    let chunks = &mut heaps.chunks;
    let zones = zones(chunks, ground);
    let (count, opaque) = (chunks.len(), ground.opaque.len());
    let mut flood = Flooding {
        image,
        terrain,
        states,
        links,
        ground,
        zones,
        last: 0,
        parents: vec![NOBODY; count + opaque],
        reached: vec![false; opaque],
        queue: VecDeque::new(),
        deferred: Vec::new(),
        strict: true,
        chunks,
    };
    for (index, root) in ground.roots.iter().enumerate() {
        flood.start(root, (count + opaque + index) as u32);
        // Globals first, then a thread's own: a way from a global says more than one from a stack.
        let next = ground.roots.get(index + 1);
        if next.is_none_or(|next| next.kind != root.kind) {
            flood.run();
        }
    }
    for word in &ground.exact {
        flood.point(Word { word: *word, ..Word::default() }, NOBODY, true);
    }
    // What made no sense may hold pointers all the same; leaving them out would make up leaks.
    let gaps: Vec<u32> =
        flood.chunks.iter().map(|(_, chunk)| chunk).filter(|chunk| flood.chunks.use_of(*chunk) == Use::Gap).collect();
    for gap in gaps {
        flood.reach(gap, NOBODY);
    }
    flood.run();
    flood.strict = false;
    for (chunk, parent) in std::mem::take(&mut flood.deferred) {
        flood.reach(chunk, parent);
    }
    flood.run();
    let parents = flood.parents;
    Flood { parents, chunks: count, opaque }
}

/// The links of chunks in caches and fast bins as they stand in memory. A chunk handed out begins with its old one until it
/// is written, and so does what realloc copies it to. Mangled as they are since 2.32, with the address's page, they still
/// point into a heap that lies low, as that of a program without PIE.
fn cached_links(image: &Image<'_>, chunks: &Chunks) -> HashSet<u64, foldhash::fast::FixedState> {
    let cached = chunks.iter().filter(|(_, chunk)| matches!(chunks.use_of(*chunk), Use::Cached | Use::Fast));
    cached.filter_map(|(region, chunk)| image.word(chunks.payload_in(region, chunk).start.0)).collect()
}

/// Marks unreachable chunks that other unreachable ones point to.
pub(super) fn split_indirect(image: &Image<'_>, chunks: &mut Chunks) {
    for holder in 0..chunks.len() as u32 {
        if !is_lost(chunks, holder) {
            continue;
        }
        for (_, word) in image.words(chunks.payload(holder)) {
            let held = chunks.region_at(word).and_then(|region| pointee(region, word));
            if let Some(held) = held.filter(|held| *held != holder && is_lost(chunks, *held)) {
                chunks.set(held, mark::INDIRECT);
            }
        }
    }
}

/// Whether a chunk is in use and nothing alive points to it.
pub(super) fn is_lost(chunks: &Chunks, chunk: u32) -> bool {
    chunks.is_live(chunk) && !chunks.has(chunk, mark::REACHED | mark::MAYBE)
}

/// Whether only pointers into its middle lead to a chunk in use.
pub(super) fn is_doubtful(chunks: &Chunks, chunk: u32) -> bool {
    chunks.is_live(chunk) && chunks.has(chunk, mark::MAYBE) && !chunks.has(chunk, mark::REACHED)
}

/// The chunk of `region` in whose memory `word` leads; a chunk's header is nobody's.
#[inline]
fn pointee(region: &Region, word: u64) -> Option<u32> {
    if word.is_multiple_of(UNIT) && region.begins(word) {
        return None;
    }
    let at = word.checked_sub(HEADER).filter(|at| *at >= region.span.start.0)?;
    region.holding(at)
}

/// A word, and where it stands in memory from where on; zero for what is in no chunk.
#[derive(Clone, Copy, Default)]
struct Word {
    word: u64,
    addr: u64,
    start: u64,
}

/// Memory that words may point into, in order.
struct Zone {
    span: Span,
    place: Place,
}

#[derive(Clone, Copy)]
enum Place {
    Region(usize),
    Opaque(usize),
}

fn zones(chunks: &Chunks, ground: &Ground) -> Vec<Zone> {
    let regions = chunks.regions.iter().enumerate().map(|(index, region)| (region.span, Place::Region(index)));
    let opaque = ground.opaque.iter().enumerate().map(|(index, span)| (*span, Place::Opaque(index)));
    let mut zones: Vec<Zone> = regions.chain(opaque).map(|(span, place)| Zone { span, place }).collect();
    zones.sort_by_key(|zone| zone.span);
    zones
}

pub(super) struct Flooding<'f, 'm> {
    pub image: &'f Image<'m>,
    terrain: &'f Terrain,
    /// Each malloc_state.
    states: Vec<Span>,
    /// Links of cached chunks.
    links: HashSet<u64, foldhash::fast::FixedState>,
    ground: &'f Ground,
    zones: Vec<Zone>,
    /// Where the last word pointed.
    last: usize,
    parents: Vec<u32>,
    reached: Vec<bool>,
    queue: VecDeque<u32>,
    /// Chunks that only a pointer into the middle leads to so far, and where from.
    deferred: Vec<(u32, u32)>,
    /// Whether such pointers wait.
    strict: bool,
    chunks: &'f mut Chunks,
}

impl Flooding<'_, '_> {
    fn start(&mut self, root: &Root, node: u32) {
        let image = self.image;
        for (_, word) in image.words(root.span) {
            self.point(Word { word, ..Word::default() }, node, false);
        }
        for word in &root.words {
            self.point(Word { word: *word, ..Word::default() }, node, false);
        }
    }

    fn run(&mut self) {
        let image = self.image;
        let mut batch: Vec<(u32, Span)> = Vec::with_capacity(BATCH);
        while !self.queue.is_empty() {
            while batch.len() < BATCH {
                let Some(node) = self.queue.pop_front() else { break };
                batch.push((node, self.memory(node)));
            }
            let touched = batch.iter().fold(0, |sum, (_, span)| sum ^ image.word(span.start.0).unwrap_or(0));
            black_box(touched);
            for (node, span) in batch.drain(..) {
                for (addr, word) in image.words(span) {
                    self.point(Word { word, addr, start: span.start.0 }, node, false);
                }
            }
        }
    }

    fn memory(&self, node: u32) -> Span {
        match (node as usize).checked_sub(self.chunks.len()) {
            None => self.chunks.payload(node),
            Some(index) => self.ground.opaque.get(index).copied().unwrap_or_default(),
        }
    }

    #[inline]
    fn zone_of(&mut self, word: u64) -> Option<Place> {
        let inside = |zone: &Zone| zone.span.start.0 <= word && word < zone.span.end.0;
        if let Some(zone) = self.zones.get(self.last).filter(|zone| inside(zone)) {
            return Some(zone.place);
        }
        let (first, last) = (self.zones.first()?, self.zones.last()?);
        if word < first.span.start.0 || word >= last.span.end.0 {
            return None;
        }
        let index = self.zones.partition_point(|zone| zone.span.end.0 <= word);
        let zone = self.zones.get(index).filter(|zone| inside(zone))?;
        self.last = index;
        Some(zone.place)
    }

    /// `parent` has `from` in it; `exact` takes it for a pointer to a chunk's beginning wherever it points.
    #[inline]
    fn point(&mut self, from: Word, parent: u32, exact: bool) {
        let word = from.word;
        let Some(place) = self.zone_of(word) else { return };
        let region = match place {
            Place::Region(index) => &self.chunks.regions[index],
            Place::Opaque(index) => return self.reach_opaque(index, parent),
        };
        let Some(chunk) = pointee(region, word) else { return };
        if self.chunks.has(chunk, mark::REACHED) {
            return;
        }
        if from.addr == from.start && from.addr != 0 && self.links.contains(&word) {
            return;
        }
        let aligned = word.is_multiple_of(UNIT) && !exact;
        let left = if aligned && from.addr != 0 { stale::look(self, from.addr, from.start) } else { Stale::No };
        if left == Stale::Surely {
            return;
        }
        let inside = aligned && !region.begins(word - HEADER) && !self.is_embedded(word);
        if self.strict && (inside || left == Stale::Likely) {
            if !self.chunks.has(chunk, mark::DEFERRED) {
                self.chunks.set(chunk, mark::DEFERRED);
                self.deferred.push((chunk, parent));
            }
            return;
        }
        self.reach(chunk, parent);
    }

    /// Whether `addr` is where a bin's link may have led and no pointer of the program does: a bin, or in a heap any place
    /// but the beginning of what somebody got.
    pub fn is_old_link(&self, addr: u64) -> bool {
        let given = || addr.checked_sub(HEADER).and_then(|header| self.chunks.starting_at(header));
        self.is_bin(addr) || (self.chunks.region_at(addr).is_some() && given().is_none())
    }

    /// Whether `addr` lies in a malloc_state.
    pub fn is_bin(&self, addr: u64) -> bool {
        super::terrain::holding(&self.states, addr).is_some()
    }

    /// Whether a thing begins at `addr` that always lies a multiple of 16 inside its chunk: the first in a pool of nginx, or
    /// an object of CPython, in front of which there is a head of 16 bytes where it may hold others.
    fn is_embedded(&self, addr: u64) -> bool {
        if is_first_in_pool(&Site { image: self.image, chunks: self.chunks, rest: &[] }, addr) {
            return true;
        }
        let reader = Reader { image: self.image, terrain: self.terrain, chunks: self.chunks };
        let count = self.image.word(addr).filter(|count| (1..1 << 34).contains(count));
        count.is_some() && self.image.word(addr + WORD).is_some_and(|kind| kind != 0 && reader.is_type(kind))
    }

    fn reach(&mut self, chunk: u32, parent: u32) {
        if self.chunks.has(chunk, mark::REACHED | mark::MAYBE) || !self.chunks.is_reachable(chunk) {
            return;
        }
        self.chunks.set(chunk, if self.strict { mark::REACHED } else { mark::MAYBE });
        if let Some(known) = self.parents.get_mut(chunk as usize) {
            *known = parent;
        }
        if self.chunks.has_content(chunk) {
            self.queue.push_back(chunk);
        }
    }

    fn reach_opaque(&mut self, index: usize, parent: u32) {
        if let Some(reached) = self.reached.get_mut(index).filter(|reached| !**reached) {
            *reached = true;
            let node = self.chunks.len() + index;
            self.parents[node] = parent;
            self.queue.push_back(node as u32);
        }
    }
}

/// Where in the memory of a node a pointer to `target` stands.
pub(super) fn place_of_pointer(image: &Image<'_>, memory: Span, target: Span) -> Option<u64> {
    let mut words = image.words(memory);
    words.find(|(_, word)| target.start.0 <= *word && *word < target.end.0).map(|(addr, _)| addr - addr % WORD)
}

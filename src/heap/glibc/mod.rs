//! glibc malloc without symbols: its arenas, all their chunks, what is free, and whether the books balance. Layouts of
//! 2.17 to 2.43 on 64-bit machines, told apart by structure alone.

mod free;
mod locate;
mod params;
mod regions;
mod walk;

pub use locate::{ArenaState, Malloc};

use self::free::Lists;
use self::params::Params;
use self::regions::Extent;
use self::walk::{Skipped, Walker};
use super::certificate::{Certificate, Kind};
use super::chunks::{Chunks, Use};
use super::image::Image;
use super::terrain::Terrain;
use crate::space::spans::joined;
use crate::units::{Addr, ByteCount, Span};

/// All heaps of glibc in a process.
pub(super) struct Heaps {
    pub mallocs: Vec<Malloc>,
    pub chunks: Chunks,
    /// All memory that belongs to a heap, headers and mappings of single chunks included.
    pub claimed: Vec<Span>,
    /// Memory in front of the first chunks of brk heaps: statically linked programs keep thread-local storage there.
    pub leads: Vec<Span>,
    pub certificates: Vec<Certificate>,
    pub skipped: ByteCount,
}

impl Heaps {
    /// The arenas of all mallocs, in the order that regions number them.
    pub fn arenas(&self) -> impl Iterator<Item = &ArenaState> {
        self.mallocs.iter().flat_map(|malloc| &malloc.arenas)
    }

    /// malloc_state of all arenas: no roots.
    pub fn states(&self) -> Vec<Span> {
        let states = self.mallocs.iter().flat_map(|malloc| {
            let size = ByteCount(malloc.layout.state_size());
            malloc.arenas.iter().map(move |arena| Span::sized(Addr(arena.start), size))
        });
        joined(states.collect())
    }
}

/// All heaps of glibc in `image`; `None` where no malloc of glibc was ever used.
pub(super) fn read(image: &Image<'_>, terrain: &Terrain) -> Option<Heaps> {
    let mallocs: Vec<(Malloc, Option<Params>)> = locate::find(image, &terrain.data)
        .into_iter()
        .map(|malloc| {
            let home = malloc.arenas.first().and_then(|main| super::terrain::holding(&terrain.data, main.start));
            let params = home.and_then(|home| params::find(image, home, terrain));
            (malloc, params)
        })
        .filter(|(malloc, params)| {
            let mapped = params.is_some_and(|params| params.mmaps > 0);
            mapped || malloc.arenas.iter().any(|arena| arena.system > 0)
        })
        .collect();
    let (first, _) = mallocs.first()?;
    let layout = first.layout;
    let (mut claimed, mut extents, mut numbered) = (Vec::new(), Vec::new(), 0u32);
    for (malloc, params) in &mallocs {
        extents.extend(regions::extents(image, terrain, (malloc, *params), numbered, &mut claimed));
        numbered += malloc.arenas.len() as u32;
    }
    let mapped = regions::mmapped(image, terrain, layout, &claimed);
    let mut heaps = Heaps {
        leads: extents.iter().map(lead).filter(|lead| !lead.is_empty()).collect(),
        mallocs: mallocs.iter().map(|(malloc, _)| malloc.clone()).collect(),
        chunks: Chunks::default(),
        claimed: joined(claimed.iter().copied().chain(mapped.iter().map(mapping)).collect()),
        certificates: Vec::new(),
        skipped: ByteCount::ZERO,
    };
    let params: Vec<Params> = mallocs.iter().filter_map(|(_, params)| *params).collect();
    heaps.certificates.extend(sizes(&heaps, &extents));
    heaps.certificates.extend(mappings(&params, &mapped));
    extents.extend(mapped);
    extents.sort_by_key(|extent| extent.span);
    let skipped = heaps.walk(image, &extents);
    heaps.check_lists(image);
    heaps.check_sums(&extents, skipped);
    Some(heaps)
}

fn lead(extent: &Extent) -> Span {
    Span::new(Addr(extent.span.start.0 - extent.lead), extent.span.start)
}

/// The whole pages of a chunk that is a mapping.
fn mapping(extent: &Extent) -> Span {
    let end = extent.span.end.align_up(ByteCount(super::image::PAGE));
    Span::new(Addr(extent.span.start.0 - extent.lead), end)
}

/// C1: what the arenas have from the system is what was found of them.
fn sizes(heaps: &Heaps, extents: &[Extent]) -> Vec<Certificate> {
    let mut said = ByteCount::ZERO;
    let mut found = ByteCount::ZERO;
    for (index, arena) in heaps.arenas().enumerate() {
        said += ByteCount(arena.system);
        found += regions::size_of(extents, index as u32);
    }
    vec![Certificate::compare(Kind::SystemMemory, said.0, found.0)]
}

/// C2: the mappings of single chunks are as many, and as large, as malloc_par counts.
fn mappings(params: &[Params], mapped: &[Extent]) -> Vec<Certificate> {
    if params.is_empty() {
        return vec![Certificate::unknown(Kind::MappedCount), Certificate::unknown(Kind::MappedBytes)];
    }
    let bytes: u64 = mapped.iter().map(|extent| mapping(extent).size().0).sum();
    vec![
        Certificate::compare(Kind::MappedCount, params.iter().map(|params| params.mmaps).sum(), mapped.len() as u64),
        Certificate::compare(Kind::MappedBytes, params.iter().map(|params| params.mmapped).sum(), bytes),
    ]
}

impl Heaps {
    fn walk(&mut self, image: &Image<'_>, extents: &[Extent]) -> Skipped {
        let arenas: Vec<ArenaState> = self.arenas().copied().collect();
        let mut all = Skipped::default();
        for extent in extents {
            let Some(arena) = extent.arena.and_then(|index| arenas.get(index as usize)) else {
                self.chunks.begin(extent.span, None);
                self.chunks.push(extent.span.start.0, Use::Live);
                self.chunks.end();
                continue;
            };
            let walker = Walker { image, is_main: arena.is_main, top: arena.top };
            let skipped = walker.walk(extent, &mut self.chunks);
            all.places += skipped.places;
            all.bytes += skipped.bytes;
            all.foreign += skipped.foreign;
        }
        self.skipped = all.bytes;
        all
    }

    /// C3 and C4: free chunks are in bins, cached ones are as many as their tables say.
    fn check_lists(&mut self, image: &Image<'_>) {
        let (mut binned, mut fast) = (Lists::default(), Lists::default());
        let mallocs = std::mem::take(&mut self.mallocs);
        for malloc in &mallocs {
            for arena in &malloc.arenas {
                let bins = free::read_bins(image, arena, &mut self.chunks);
                let quick = free::read_fast_bins(image, malloc.layout, arena, &mut self.chunks);
                binned.chunks += bins.chunks;
                binned.errors += bins.errors;
                fast.errors += quick.errors;
            }
        }
        self.mallocs = mallocs;
        let caches = free::read_caches(image, &mut self.chunks);
        let free = self.chunks.iter().filter(|(_, chunk)| self.chunks.use_of(*chunk) == Use::Free);
        let free = free.count() as u64;
        self.certificates.push(Certificate::compare(Kind::FreeChunks, binned.chunks + binned.errors, free));
        self.certificates.push(Certificate::compare(Kind::FreeLists, 0, caches.errors + fast.errors + binned.errors));
    }

    /// C5 and C6: every byte is in a chunk, and nothing looked wrong on the way.
    fn check_sums(&mut self, extents: &[Extent], skipped: Skipped) {
        let known = |(region, chunk)| {
            let gap = self.chunks.use_of(chunk) == Use::Gap;
            if gap { 0 } else { self.chunks.span_in(region, chunk).size().0 }
        };
        let arenas = self.chunks.iter().filter(|(region, _)| region.arena.is_some());
        let leads: u64 = extents.iter().filter(|extent| extent.arena.is_some()).map(|extent| extent.lead).sum();
        let in_chunks = arenas.map(known).sum::<u64>() + leads + skipped.foreign.0;
        let system = self.arenas().map(|arena| arena.system).sum();
        let wrong: u64 = self.arenas().map(|arena| arena.bad_bins).sum();
        let locked = self.arenas().filter(|arena| arena.locked).count() as u64;
        self.certificates.push(Certificate::compare(Kind::Bytes, system, in_chunks));
        self.certificates.push(Certificate::compare(Kind::Headers, 0, skipped.places));
        self.certificates.push(Certificate::compare(Kind::Bins, 0, wrong));
        self.certificates.push(Certificate::compare(Kind::Locks, 0, locked));
    }
}

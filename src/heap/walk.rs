//! The whole of it in order: find, walk, add up, flood, group, tell.

use std::cell::Cell;

use super::account::{Account, account};
use super::allocator::{Allocator, by_memory, replacing};
use super::census::{CensusRow, census};
use super::certificate::{Certificate, Kind};
use super::chunks::{Chunks, Use};
use super::glibc::{self, Heaps};
use super::groups::{HeapGroup, compare, group, hold};
use super::holders::{Holders, Link};
use super::image::Image;
use super::inside::{self, InsideRow, Site};
use super::names::PlaceNames;
use super::reach::{Flood, flood, is_doubtful, split_indirect};
use super::roots::{Ground, ground};
use super::signature::Reader;
use super::terrain::Terrain;
use crate::memory::{MemorySource, ReadError};
use crate::scan::Tally;
use crate::units::{Addr, ByteCount};

/// What to find out beyond totals.
#[derive(Clone, Copy, Debug)]
pub struct HeapOptions {
    /// Groups that get a label, samples and holders: so many of the largest, of those that lost most and of those that
    /// grew most.
    pub described: usize,
    /// Whether what is alive is found out.
    pub reach: bool,
    /// Whether allocators inside the allocator are looked into.
    pub inside: bool,
    /// A place in memory to tell the holder of.
    pub why: Option<Addr>,
}

impl Default for HeapOptions {
    fn default() -> HeapOptions {
        HeapOptions { described: 50, reach: true, inside: true, why: None }
    }
}

/// What is alive and what is not, of chunks in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Nothing points to them.
    pub lost: Tally,
    /// Of those, what not even another lost one points to.
    pub lost_directly: Tally,
    /// Only pointers into their middle lead to them, as stale memory would have: lost, probably.
    pub doubtful: Tally,
}

/// Who holds one place in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Why {
    /// Where its chunk's content begins.
    pub address: Addr,
    /// Its size, header included.
    pub size: ByteCount,
    /// What it is for.
    pub use_: Use,
    /// Whether only doubtful pointers lead to it.
    pub doubtful: bool,
    /// The way from a root, the chunk last; empty where nothing points to it.
    pub links: Vec<Link>,
}

/// What a heap holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeapResult {
    /// Whose it is; `None` where that could not be told.
    pub allocator: Option<Allocator>,
    /// The books; `None` where no glibc heap was found.
    pub account: Option<Account>,
    /// Whether they balance.
    pub certificates: Vec<Certificate>,
    /// Bytes whose headers make no sense.
    pub skipped: ByteCount,
    /// What is alive; `None` where it was not asked for.
    pub reach: Option<Reach>,
    /// Whether registers and stack pointers were known; without, whole stacks count.
    pub threads_known: bool,
    /// Anonymous memory of no known use.
    pub opaque: ByteCount,
    /// Chunks in use by likeness, the largest first.
    pub groups: Vec<HeapGroup>,
    /// Objects counted without an allocator's help, in memory that is in no chunk.
    pub census: Vec<CensusRow>,
    /// What allocators inside the allocator hold.
    pub inside: Vec<InsideRow>,
    /// The answer on one place, where it lies in a chunk.
    pub why: Option<Why>,
}

impl HeapResult {
    /// Whether all books balance, a lock held by a thread inside malloc apart.
    pub fn is_exact(&self) -> bool {
        let balances = |one: &Certificate| one.holds() || one.kind == Kind::Locks;
        self.account.is_some() && !self.certificates.is_empty() && self.certificates.iter().all(balances)
    }

    /// Takes the counts of an earlier walk of the same process for comparison.
    pub fn compare(&mut self, before: &HeapResult) {
        compare(&mut self.groups, &before.groups);
        inside::compare(&mut self.inside, &before.inside);
    }
}

/// Walks all heaps in `memory`. Growth since `before`, an earlier walk of the same process, decides which groups are
/// described too.
///
/// # Errors
/// What speaks of the source as a whole; what makes no sense in it is skipped and counted.
pub fn walk(
    memory: &dyn MemorySource,
    names: Option<&dyn PlaceNames>,
    before: Option<&HeapResult>,
    options: &HeapOptions,
) -> Result<HeapResult, ReadError> {
    let image = Image::read(memory)?;
    let terrain = Terrain::of(memory.address_map(), names);
    let mut result = HeapResult { threads_known: has_registers(memory), ..HeapResult::default() };
    let Some(mut heaps) = glibc::read(&image, &terrain) else {
        let map = memory.address_map();
        let name = replacing(map).or_else(|| by_memory(map));
        result.allocator = name.map(|name| Allocator { name: name.into(), version: None });
        result.census = census(&image, &terrain, &terrain.anonymous, names);
        if options.inside {
            result.inside = inside::rows(&Site { image: &image, chunks: &Chunks::default(), rest: &terrain.anonymous });
        }
        if let Some(before) = before {
            result.compare(before);
        }
        return Ok(result);
    };
    result.allocator = Some(allocator(&heaps));
    result.account = Some(account(&image, &heaps));
    result.certificates = std::mem::take(&mut heaps.certificates);
    result.skipped = heaps.skipped;
    let ground = ground(&image, &terrain, &heaps, memory.threads());
    result.opaque = ground.opaque.iter().map(|span| span.size()).sum();
    if options.described > 0 {
        result.census = census(&image, &terrain, &ground.opaque, names);
    }
    if options.inside {
        let rest = terrain.unclaimed(&heaps.claimed);
        result.inside = inside::rows(&Site { image: &image, chunks: &heaps.chunks, rest: &rest });
    }
    let found = options.reach.then(|| {
        let found = flood(&image, &terrain, &mut heaps, &ground);
        split_indirect(&image, &mut heaps.chunks);
        found
    });
    let reader = Reader { image: &image, terrain: &terrain, chunks: &heaps.chunks };
    result.groups = group(&reader);
    result.reach = found.as_ref().map(|_| reach(&result.groups));
    if let Some(before) = before {
        result.compare(before);
    }
    describe(&mut result, &reader, names, options, found.as_ref().map(|found| (found, &ground)));
    Ok(result)
}

fn has_registers(memory: &dyn MemorySource) -> bool {
    memory.threads().iter().any(|thread| thread.stack_pointer != Addr(0))
}

fn allocator(heaps: &Heaps) -> Allocator {
    let version = heaps.mallocs.first().map(|malloc| malloc.layout.versions().to_owned());
    Allocator { name: "glibc".into(), version }
}

/// What is alive of all groups together, in which every chunk in use is.
fn reach(groups: &[HeapGroup]) -> Reach {
    let mut reach = Reach::default();
    for group in groups {
        reach.lost += group.lost;
        reach.lost_directly += group.lost_directly;
        reach.doubtful += group.doubtful;
    }
    reach
}

/// Labels, samples and holders for the groups that matter, and the answer on one place.
fn describe(
    result: &mut HeapResult,
    reader: &Reader<'_, '_>,
    names: Option<&dyn PlaceNames>,
    options: &HeapOptions,
    found: Option<(&Flood, &Ground)>,
) {
    let holders =
        found.map(|(flood, ground)| Holders { image: reader.image, reader, flood, ground, names, steps: Cell::new(0) });
    for index in worth_describing(&result.groups, options.described) {
        let Some(group) = result.groups.get_mut(index) else { continue };
        group.describe(reader, names);
        if let (Some((flood, _)), Some(holders)) = (found, &holders) {
            hold(group, reader, flood, &|chunk| holders.way(chunk));
        }
    }
    let asked = options.why.and_then(|addr| reader.chunks.region_at(addr.0).map(|region| (addr, region)));
    result.why = asked.and_then(|(addr, region)| {
        let chunk = region.holding(addr.0.saturating_sub(16).max(region.span.start.0))?;
        Some(Why {
            address: reader.chunks.payload(chunk).start,
            size: reader.chunks.size(chunk),
            use_: reader.chunks.use_of(chunk),
            doubtful: is_doubtful(reader.chunks, chunk),
            links: holders.as_ref().map(|holders| holders.links(chunk)).unwrap_or_default(),
        })
    });
}

/// Indices of the groups that are largest, that lost most and that grew most.
fn worth_describing(groups: &[HeapGroup], count: usize) -> Vec<usize> {
    let mut chosen: Vec<usize> = (0..groups.len().min(count)).collect();
    let mut most = |weight: &dyn Fn(&HeapGroup) -> u64| {
        let mut order: Vec<usize> = (0..groups.len()).filter(|index| weight(&groups[*index]) > 0).collect();
        order.sort_by_key(|index| std::cmp::Reverse(weight(&groups[*index])));
        chosen.extend(order.into_iter().take(count));
    };
    most(&|group| group.lost.bytes.0 + group.doubtful.bytes.0);
    most(&|group| group.before.map_or(0, |before| group.now.bytes.saturating_sub(before.bytes).0));
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

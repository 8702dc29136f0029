//! nginx's pools (src/core/ngx_palloc.h, unchanged from 1.0 to 1.27): a chain of blocks in chunks of malloc, with large
//! allocations listed beside. A pool is told by its fields; `max` alone is nearly proof.

use hashbrown::HashMap;

use super::{InsideRow, Site};
use crate::scan::Label;
use crate::units::ByteCount;

/// ngx_pool_t: last, end, next, failed (d), then max, current, chain, large, cleanup, log.
const END: u64 = 8;
const NEXT: u64 = 16;
const MAX: u64 = 32;
const CURRENT: u64 = 40;
const LARGE: u64 = 56;
const LOG: u64 = 72;
const SIZE: u64 = 80;
/// NGX_MAX_ALLOC_FROM_POOL on pages of 4 KiB.
const LARGEST_SMALL: u64 = 4095;
/// A chunk is at most so much longer than the pool's block.
const SLACK: u64 = 64;
/// ngx_http_request_t begins with "HTTP", and is the first thing in its pool.
const REQUEST: u32 = 0x5054_5448;
/// Blocks or large allocations of one pool; more is a loop.
const MOST: usize = 1 << 20;

#[derive(Default)]
struct Pools {
    count: u64,
    bytes: ByteCount,
    used: ByteCount,
}

/// The pools by what they serve.
pub(super) fn pools(site: &Site<'_, '_>) -> Vec<InsideRow> {
    let mut kinds: HashMap<&'static str, Pools> = HashMap::new();
    for (region, chunk) in site.chunks.iter() {
        if !site.chunks.is_live(chunk) {
            continue;
        }
        let payload = site.chunks.payload_in(region, chunk);
        if payload.size().0 < SIZE || !is_pool(site, payload.start.0, payload.end.0) {
            continue;
        }
        let pools = kinds.entry(kind(site, payload.start.0)).or_default();
        pools.count += 1;
        measure(site, payload.start.0, pools);
    }
    let row = |(kind, pools): (&'static str, Pools)| InsideRow {
        owner: "nginx",
        what: Label::fixed(kind),
        text_kind: None,
        count: pools.count,
        bytes: pools.bytes,
        used: Some(pools.used),
        before: None,
    };
    kinds.into_iter().map(row).collect()
}

/// Whether `addr` is where the first thing in a pool lies, a request as a rule: nginx keeps pointers to that, and the one
/// to the pool in it.
pub(in crate::heap) fn is_first_in_pool(site: &Site<'_, '_>, addr: u64) -> bool {
    let Some(pool) = addr.checked_sub(SIZE) else { return false };
    let chunk = pool.checked_sub(16).and_then(|header| site.chunks.starting_at(header));
    chunk.is_some_and(|chunk| is_pool(site, pool, site.chunks.payload(chunk).end.0))
}

fn is_pool(site: &Site<'_, '_>, at: u64, chunk_end: u64) -> bool {
    let word = |offset| site.image.word(at + offset).unwrap_or(u64::MAX);
    let (last, end, max) = (word(0), word(END), word(MAX));
    let fits = end <= chunk_end && chunk_end - end <= SLACK && at + SIZE <= last && last <= end;
    let block =
        |addr: u64| site.chunks.starting_at(addr.wrapping_sub(16)).is_some_and(|chunk| site.chunks.is_live(chunk));
    fits && max == (end - at - SIZE).min(LARGEST_SMALL)
        && (word(NEXT) == 0 || block(word(NEXT)))
        && (word(CURRENT) == at || block(word(CURRENT)))
        && site.image.word(word(LOG)).is_some()
}

fn kind(site: &Site<'_, '_>, at: u64) -> &'static str {
    const CYCLE: u64 = 8 * 1024;
    if site.image.half(at + SIZE) == Some(REQUEST) {
        return "request pool";
    }
    match site.image.word(at + END).map(|end| end - at) {
        Some(size) if size <= 1024 => "connection pool",
        Some(size) if size >= CYCLE => "cycle or configuration pool",
        _ => "other pool",
    }
}

/// Adds the blocks of the pool at `at` and its large allocations.
fn measure(site: &Site<'_, '_>, at: u64, pools: &mut Pools) {
    let word = |addr: u64| site.image.word(addr).unwrap_or(0);
    let size_at = |addr: u64| {
        let chunk = site.chunks.starting_at(addr.wrapping_sub(16)).filter(|chunk| site.chunks.is_live(*chunk));
        chunk.map(|chunk| site.chunks.size(chunk))
    };
    let mut block = at;
    for _ in 0..MOST {
        let Some(size) = size_at(block) else { break };
        pools.bytes += size;
        pools.used += ByteCount(word(block).saturating_sub(block).min(size.0));
        block = word(block + NEXT);
    }
    let mut large = word(at + LARGE);
    for _ in 0..MOST {
        if large == 0 {
            break;
        }
        if let Some(size) = size_at(word(large + 8)) {
            pools.bytes += size;
            pools.used += size;
        }
        large = word(large);
    }
}

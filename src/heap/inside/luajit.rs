//! LuaJIT's own heap in GC64 builds (lj_alloc.c, a dlmalloc; lj_obj.h): segments mapped from the system, the allocator's
//! state at the head of the first. Chunks are counted by the type of the object in them, tables by their first keys.

use hashbrown::HashMap;

use super::{InsideRow, Site};
use crate::heap::image::PAGE;
use crate::units::{Addr, ByteCount, Span};

/// mstate: smallmap and treemap, dvsize, topsize, dv, top, trim_check, release_checks, then 33 pairs of links of small bins.
const SMALL_MAP: u64 = 0;
const SMALL_BINS: u64 = 56;
const BINS: u64 = 32;
/// 32 tree bins follow, then the segment: base, size, next.
const TREE_BINS: u64 = SMALL_BINS + (BINS + 1) * 16;
const SEGMENT: u64 = TREE_BINS + 32 * 8;
/// Bits of a chunk's head: the one before is in use, this one is.
const FLAGS: u64 = 3;
const IN_USE: u64 = 2;
const HEAD: u64 = 8;
const SMALLEST: u64 = 16;
/// Sizes a state may have.
const STATES: std::ops::RangeInclusive<u64> = 600..=2048;
const MOST_SEGMENTS: usize = 1 << 16;

/// Objects: nextgc (8), marked (1), type (1).
const TYPE: u64 = 9;
/// Pointers of LuaJIT's values: the upper 17 bits are a tag.
const POINTER: u64 = (1 << 47) - 1;
const STRING: u8 = 4;
const TABLE: u8 = 11;
/// GCstr: its length at 20, its text at 24.
const STRING_LENGTH: u64 = 20;
const STRING_TEXT: u64 = 24;
/// GCtab: its nodes at 40, its mask of nodes at 52.
const NODES: u64 = 40;
const MASK: u64 = 52;
/// Node: value, key, next.
const NODE: u64 = 24;
const NODE_KEY: u64 = 8;
/// The tag of a string in a value: ~4 in the upper 17 bits.
const STRING_TAG: u64 = 0x1_fffb;
const KEYS: u64 = 8;

/// What lies in LuaJIT's heap, by type, and tables by shape.
pub(super) fn objects(site: &Site<'_, '_>) -> Vec<InsideRow> {
    let mut kinds: HashMap<String, (u64, ByteCount)> = HashMap::new();
    for span in site.rest {
        let mut page = span.start.align_up(ByteCount(PAGE)).0;
        while page + PAGE <= span.end.0 {
            if is_state(site, page) {
                for segment in segments(site, page) {
                    walk(site, page, segment, &mut kinds);
                }
            }
            page += PAGE;
        }
    }
    let row = |(what, (count, bytes))| InsideRow { owner: "luajit", what, count, bytes, used: None };
    kinds.into_iter().map(row).collect()
}

/// The state is in the first chunk of its segment: a head with both bits, then bins that are empty or linked. Empty ones
/// keep stale links, so the map of bins is asked first.
fn is_state(site: &Site<'_, '_>, page: u64) -> bool {
    let word = |addr: u64| site.image.word(addr);
    // The chunk begins at the page; its head is its second word.
    let Some(head) = word(page + HEAD).filter(|head| head & FLAGS == FLAGS) else { return false };
    let state = page + 16;
    let Some(map) = site.image.half(state + SMALL_MAP) else { return false };
    STATES.contains(&(head & !FLAGS))
        && segments(site, page).iter().any(|segment| segment.contains(Addr(page)))
        && (1..BINS).filter(|bin| map >> (bin - 1) & 1 == 0).all(|bin| {
            let links = state + SMALL_BINS + bin * 16;
            let own = links - 16;
            word(links) == Some(own) || word(links + 8) == Some(own) || word(links).is_some_and(|link| link != 0)
        })
}

fn segment_at(site: &Site<'_, '_>, at: u64) -> Option<(Span, u64)> {
    let (base, size, next) = (site.image.word(at)?, site.image.word(at + 8)?, site.image.word(at + 16)?);
    let sound = base.is_multiple_of(PAGE) && size.is_multiple_of(PAGE) && size > 0 && base != 0;
    let span = Span::sized(Addr(base), ByteCount(size));
    (sound && site.terrain.anonymous_at(base).is_some()).then_some((span, next))
}

fn segments(site: &Site<'_, '_>, page: u64) -> Vec<Span> {
    let mut found = Vec::new();
    let mut at = page + 16 + SEGMENT;
    while found.len() < MOST_SEGMENTS {
        let Some((span, next)) = segment_at(site, at) else { break };
        if found.contains(&span) {
            break;
        }
        found.push(span);
        at = next;
    }
    found
}

fn walk(site: &Site<'_, '_>, page: u64, segment: Span, kinds: &mut HashMap<String, (u64, ByteCount)>) {
    let mut at = segment.start.0;
    while at + SMALLEST < segment.end.0 {
        let Some(head) = site.image.word(at + HEAD) else { return };
        let size = head & !FLAGS & !4;
        let Some(next) = at.checked_add(size).filter(|next| size >= SMALLEST && *next <= segment.end.0) else { return };
        if head & IN_USE != 0 && at != page {
            let what = kind(site, at + 16, size - HEAD);
            let (count, bytes) = kinds.entry(what).or_default();
            *count += 1;
            *bytes += ByteCount(size);
        }
        at = next;
    }
}

fn kind(site: &Site<'_, '_>, object: u64, room: u64) -> String {
    let half = |offset: u64| site.image.half(object + offset);
    let type_ = site.image.bytes(object + TYPE, 1).first().copied().unwrap_or(0);
    match type_ {
        STRING if half(STRING_LENGTH).is_some_and(|length| is_string(u64::from(length), room)) => "string".into(),
        6 => "thread".into(),
        7 => "function prototype".into(),
        8 => "function".into(),
        TABLE if half(MASK).is_some_and(|mask| (u64::from(mask) + 1).is_power_of_two()) => shape(site, object),
        12 => "userdata".into(),
        _ => "parts of tables and other".into(),
    }
}

fn is_string(length: u64, room: u64) -> bool {
    let needed = STRING_TEXT + length + 1;
    needed <= room && room <= needed + 48
}

/// `table {body,id}`: the keys in its first nodes that are strings, in order of the alphabet.
fn shape(site: &Site<'_, '_>, table: u64) -> String {
    let nodes = site.image.word(table + NODES).unwrap_or(0) & POINTER;
    let mask = u64::from(site.image.half(table + MASK).unwrap_or(0));
    let mut keys: Vec<String> =
        (0..=mask.min(2 * KEYS - 1)).filter_map(|index| key(site, nodes + index * NODE)).collect();
    keys.sort_unstable();
    keys.truncate(KEYS as usize);
    if keys.is_empty() { "table".into() } else { format!("table {{{}}}", keys.join(",")) }
}

fn key(site: &Site<'_, '_>, node: u64) -> Option<String> {
    const LONGEST: u64 = 64;
    const NIL: u64 = u64::MAX;
    let (value, key) = (site.image.word(node)?, site.image.word(node + NODE_KEY)?);
    if value == NIL || key >> 47 != STRING_TAG {
        return None;
    }
    let string = key & POINTER;
    let length = u64::from(site.image.half(string + STRING_LENGTH)?);
    let text = site.image.bytes(string + STRING_TEXT, length.min(LONGEST));
    std::str::from_utf8(text).ok().map(str::to_owned)
}

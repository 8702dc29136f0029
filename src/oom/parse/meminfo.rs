//! Mem-Info: totals, nodes, zones, buddy lists, huge pages, swap, slab. Zone and node lines are read as `key:value` pairs,
//! since every release adds and removes keys.

use crate::oom::memory::{Blocks, HugePages, key};
use crate::oom::parse::fact::{Fact, Tail};
use crate::oom::parse::fields::{number, number_after, pairs, word};
use crate::units::ByteCount;

/// Any line of it.
pub(super) fn line(text: &str) -> Option<Fact<'_>> {
    if let Some(rest) = text.strip_prefix("Mem-Info:").or_else(|| text.strip_prefix("Mem-info:")) {
        return Some(Fact::MemInfo(totals_in(rest)));
    }
    if let Some(rest) = text.strip_prefix("lowmem_reserve[]:").or_else(|| text.strip_prefix("protections[]:")) {
        let reserves = rest.split_whitespace().map_while(|word| word.parse().ok()).take(8);
        return Some(Fact::LowmemReserve(reserves.collect()));
    }
    if let Some(fact) = node_or_zone(text) {
        return Some(fact);
    }
    tail(text).or_else(|| totals(text)).or_else(|| slab(text))
}

/// `Node %d ` before a zone, and the rest.
fn node(text: &str) -> (Option<u32>, &str) {
    let Some(rest) = text.strip_prefix("Node ") else { return (None, text) };
    match number(rest.trim_start()) {
        Some((node, after)) if after.starts_with([' ', ',']) => {
            (u32::try_from(node).ok(), after.trim_start_matches([' ', ',']))
        }
        _ => (None, text),
    }
}

fn node_or_zone(text: &str) -> Option<Fact<'_>> {
    let (node, rest) = node(text);
    if rest.starts_with("hugepages_total=") {
        return huge_pages(node, rest);
    }
    if let (Some(node), true) = (node, rest.starts_with("active_anon:")) {
        return Some(Fact::Node { node, values: kept_pairs(rest), all_unreclaimable: unreclaimable(rest) });
    }
    let end = rest.bytes().position(|b| !b.is_ascii_alphanumeric()).filter(|end| (1..=16).contains(end))?;
    let (name, rest) = rest.split_at(end);
    let after = rest.trim_start();
    if after.starts_with("free:") && pairs(after).next().is_some_and(|pair| pair.unit == "kB") {
        return Some(Fact::Zone { node, name, values: kept_pairs(after), all_unreclaimable: unreclaimable(after) });
    }
    if after.starts_with("per-cpu:") {
        return Some(Fact::Filler);
    }
    let list = after.strip_prefix(':')?.trim_start();
    if list.starts_with("empty") {
        return node.map(|_| Fact::Filler);
    }
    let blocks = blocks(list);
    (!blocks.is_empty()).then_some(Fact::Buddy { node, zone: name, blocks })
}

fn kept_pairs(text: &str) -> Vec<(&'static str, i128)> {
    pairs(text).filter_map(|pair| Some((key(pair.key)?, pair.value))).take(64).collect()
}

fn unreclaimable(text: &str) -> Option<bool> {
    let at = text.find("all_unreclaimable?")? + "all_unreclaimable?".len();
    let answer = text[at..].trim_start();
    if answer.starts_with("yes") { Some(true) } else { answer.starts_with("no").then_some(false) }
}

/// `1*4kB (U) 0*8kB 1*16kB (UM) … = 15908kB`.
pub fn blocks(list: &str) -> Vec<Blocks> {
    let mut found: Vec<Blocks> = Vec::new();
    let mut left = list;
    while found.len() < 32 {
        let Some((count, rest)) = number(left) else { break };
        let Some((size, rest)) = rest.strip_prefix('*').and_then(number) else { break };
        let Some(rest) = rest.strip_prefix("kB") else { break };
        let rest = rest.trim_start();
        let (types, rest) = match rest.strip_prefix('(') {
            Some(inside) => inside.split_once(')').unwrap_or((inside, "")),
            None => ("", rest),
        };
        let (Ok(count), Ok(size)) = (u64::try_from(count), u64::try_from(size)) else { break };
        let types = types.chars().filter(char::is_ascii_uppercase).take(8).collect();
        found.push(Blocks { count, size: ByteCount::kib(size), types });
        left = rest.trim_start();
    }
    found
}

fn huge_pages(node: Option<u32>, text: &str) -> Option<Fact<'_>> {
    let field = |name: &str| number_after(text, name).and_then(|value| u64::try_from(value).ok());
    Some(Fact::HugePages(HugePages {
        node: node.unwrap_or(0),
        total: field("hugepages_total=")?,
        free: field("hugepages_free=").unwrap_or(0),
        size: ByteCount::kib(field("hugepages_size=").unwrap_or(0)),
    }))
}

/// Lines of the tail: `N pages RAM`, `Free swap  = NkB`; on ARM before 3.x `N pages of RAM`, `N reserved pages`.
fn tail(text: &str) -> Option<Fact<'_>> {
    for (name, tail) in [("Total swap", Tail::SwapTotal), ("Free swap", Tail::SwapFree)] {
        if let Some(rest) = text.strip_prefix(name) {
            return number(rest.trim_start_matches([' ', '=', ':'])).map(|(kib, _)| Fact::Tail(tail, kib));
        }
    }
    if text.starts_with("Swap cache") {
        return Some(Fact::Tail(Tail::Other, 0));
    }
    let (count, rest) = number(text)?;
    let kind = match rest.trim() {
        "total pagecache pages" | "pagecache pages" => Tail::PageCache,
        "pages RAM" | "pages of RAM" => Tail::Ram,
        "pages reserved" | "reserved pages" => Tail::Reserved,
        "pages HighMem" | "pages of HIGHMEM" | "pages HighMem/MovableOnly" => Tail::HighMem,
        "pages in swap cache"
        | "pages swap cached"
        | "pages shared"
        | "pages non-shared"
        | "pages cma reserved"
        | "pages hwpoisoned"
        | "free pages"
        | "slab pages"
        | "bounce buffer pages"
        | "pages in page table cache"
        | "pages dirty"
        | "pages writeback"
        | "pages mapped"
        | "pages slab"
        | "pages pagetables" => Tail::Other,
        _ => return None,
    };
    Some(Fact::Tail(kind, count))
}

/// A line of the totals: pairs of known keys without a unit, the first of them at the beginning.
fn totals(text: &str) -> Option<Fact<'_>> {
    if let Some(rest) = text.strip_prefix("Free pages:") {
        return number(rest.trim_start()).map(|_| Fact::Totals(Vec::new()));
    }
    let colon = text.find(':').filter(|colon| *colon <= 24)?;
    key(&text[..colon]).or_else(|| OTHER_TOTALS.contains(&&text[..colon]).then_some(""))?;
    let found = totals_in(text);
    (!found.is_empty() || pairs(text).next().is_some_and(|pair| pair.unit.is_empty())).then_some(Fact::Totals(found))
}

const OTHER_TOTALS: [&str; 3] = ["mapped-file", "balloon", "writeback_tmp"];

fn totals_in(text: &str) -> Vec<(&'static str, i128)> {
    let plain = pairs(text).filter(|pair| pair.unit.is_empty());
    plain.filter_map(|pair| Some((key(pair.key)?, pair.value))).take(64).collect()
}

/// `Unreclaimable slab info:` (4.15 and later), then `name  usedKB  totalKB`.
fn slab(text: &str) -> Option<Fact<'_>> {
    if text.starts_with("Unreclaimable slab info") {
        return Some(Fact::SlabHeader);
    }
    if text.starts_with("Tasks state (memory values in") {
        return Some(Fact::TasksState);
    }
    let (name, rest) = word(text);
    let (used, rest) = word(rest);
    let (total, rest) = word(rest);
    if !rest.is_empty() || !used.ends_with("KB") {
        return None;
    }
    number(used)?;
    let (total, unit) = number(total)?;
    (unit == "KB").then_some(Fact::Slab { name, total })
}

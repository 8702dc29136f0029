//! The places of the Mem-Info facts in a draft. Knows which of them belong to the zone line before; leaves all arithmetic
//! to the cause.

use crate::oom::amount::Amount;
use crate::oom::memory::{Node, Values, Zone, key};
use crate::oom::parse::fields::pairs;
use crate::oom::parse::{self, Fact, Tail};
use crate::oom::report::{OomReport, Slab, Trace};
use crate::oom::split::draft::Draft;

/// More than any machine has; a hostile log must not fill memory.
const MOST_ZONES: usize = 4096;
const MOST_SLABS: usize = 4096;

impl Fact<'_> {
    /// Whether it is part of Mem-Info, which other dumps print too.
    pub(super) fn is_of_memory(&self) -> bool {
        matches!(
            self,
            Fact::MemInfo(_)
                | Fact::Totals(_)
                | Fact::Node { .. }
                | Fact::Zone { .. }
                | Fact::LowmemReserve(_)
                | Fact::Buddy { .. }
                | Fact::HugePages(_)
                | Fact::Tail(..)
                | Fact::SlabHeader
        )
    }
}

impl Trace {
    pub(super) fn add(&mut self, other: Trace) {
        self.page_fault |= other.page_fault;
        self.sysrq |= other.sysrq;
        self.memcg |= other.memcg;
        self.fork |= other.fork;
        self.swapoff |= other.swapoff;
        self.page_cache |= other.page_cache;
        self.oom |= other.oom;
        self.bpf |= other.bpf;
    }
}

impl OomReport {
    /// A report that began at its memory cgroup part: Mem-Info can still follow (until 3.8).
    pub(super) fn has_table_less_memory(&self) -> bool {
        self.memcg.is_some() && !self.has_table
    }
}

fn keep_all(values: &mut Values, found: &[(&'static str, i128)]) {
    for (key, value) in found {
        values.keep(key, *value);
    }
}

impl Draft {
    pub(super) fn memory_part(&mut self, fact: Fact<'_>) {
        let memory = &mut self.report.memory;
        match fact {
            Fact::MemInfo(values) | Fact::Totals(values) => keep_all(&mut memory.totals, &values),
            Fact::Node { node, values, all_unreclaimable } if memory.nodes.len() < MOST_ZONES => {
                let mut kept = Node { node, all_unreclaimable, ..Node::default() };
                keep_all(&mut kept.kib, &values);
                memory.nodes.push(kept);
            }
            Fact::Zone { node, name, values, all_unreclaimable } if memory.zones.len() < MOST_ZONES => {
                let mut kept = Zone { node, name: name.to_owned(), all_unreclaimable, ..Zone::default() };
                keep_all(&mut kept.kib, &values);
                memory.zones.push(kept);
            }
            Fact::LowmemReserve(reserve) => {
                if let Some(zone) = memory.zones.last_mut().filter(|zone| zone.lowmem_reserve.is_empty()) {
                    zone.lowmem_reserve = reserve;
                }
            }
            Fact::Buddy { node, zone, blocks } => {
                let mut zones = memory.zones.iter_mut();
                match zones.find(|known| known.name == zone && known.node == node && known.blocks.is_empty()) {
                    Some(known) => known.blocks = blocks,
                    None => self.block_size_only(blocks.first().map(|block| block.size)),
                }
            }
            Fact::HugePages(pool) => {
                if memory.nodes_seen.len() < MOST_ZONES && !memory.nodes_seen.contains(&pool.node) {
                    memory.nodes_seen.push(pool.node);
                }
                if pool.total > 0 && memory.hugepages.len() < MOST_ZONES {
                    memory.hugepages.push(pool);
                }
            }
            Fact::Tail(tail, value) => self.tail(tail, value),
            Fact::SlabHeader => self.in_slabs = true,
            Fact::Slab { name, total } if self.report.slabs.len() < MOST_SLABS => {
                self.report.slabs.push(Slab { name: name.to_owned(), total: Amount::kib(total) });
            }
            _ => {}
        }
    }

    /// A buddy list whose zone line is lost still shows the page size.
    fn block_size_only(&mut self, size: Option<crate::units::ByteCount>) {
        if let Some(size) = size.filter(|_| self.report.page_size.0 == 0) {
            self.report.page_size = size;
        }
    }

    fn tail(&mut self, tail: Tail, value: i128) {
        let memory = &mut self.report.memory;
        let count = u64::try_from(value).ok();
        match tail {
            Tail::SwapTotal => memory.swap_total = memory.swap_total.or(Some(Amount::kib(value))),
            Tail::SwapFree => memory.swap_free = memory.swap_free.or(Some(Amount::kib(value))),
            Tail::PageCache => memory.page_cache_pages = memory.page_cache_pages.or(count),
            Tail::Ram => memory.ram_pages = memory.ram_pages.or(count),
            Tail::Reserved => memory.reserved_pages = memory.reserved_pages.or(count),
            Tail::HighMem => memory.highmem_pages = memory.highmem_pages.or(count),
            Tail::Other => {}
        }
    }

    /// Takes the rest of a wrapped node, zone, buddy or statistics line.
    pub(super) fn go_on_with_memory(&mut self, zone: bool, buddy: bool, stats: bool, rest: &str) -> bool {
        if buddy {
            let blocks = parse::blocks(rest.trim_start());
            let known = self.report.memory.zones.iter_mut().rev().find(|zone| !zone.blocks.is_empty());
            let Some(known) = known.filter(|known| known.blocks.len() < 32 && !blocks.is_empty()) else { return false };
            known.blocks.extend(blocks);
        } else if stats {
            return pairs(rest).next().is_some_and(|pair| pair.unit == "KB");
        } else {
            let found: Vec<(&'static str, i128)> =
                pairs(rest).filter_map(|pair| Some((key(pair.key)?, pair.value))).take(64).collect();
            if found.is_empty() && !rest.contains("all_unreclaimable?") {
                return false;
            }
            let memory = &mut self.report.memory;
            let values = if zone {
                memory.zones.last_mut().map(|zone| &mut zone.kib)
            } else {
                memory.nodes.last_mut().map(|node| &mut node.kib)
            };
            let Some(values) = values else { return false };
            keep_all(values, &found);
        }
        self.keep_open(zone, buddy);
        true
    }
}

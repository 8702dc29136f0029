//! The Mem-Info part of a report: totals, nodes, zones, buddy lists, huge pages, swap. Knows the kernel's keys and which
//! releases count what where; leaves conclusions to `cause`.

use crate::oom::amount::Amount;
use crate::units::ByteCount;

/// The keys of Mem-Info that are kept; others are recognised and dropped.
const KEYS: [&str; 41] = [
    "active_anon",
    "inactive_anon",
    "isolated_anon",
    "active_file",
    "inactive_file",
    "isolated_file",
    "unevictable",
    "dirty",
    "writeback",
    "unstable",
    "slab_reclaimable",
    "slab_unreclaimable",
    "slab",
    "mapped",
    "shmem",
    "shmem_thp",
    "anon_thp",
    "pagetables",
    "sec_pagetables",
    "bounce",
    "free",
    "free_pcp",
    "free_cma",
    "kernel_misc_reclaimable",
    "kernel_stack",
    "present",
    "managed",
    "boost",
    "min",
    "low",
    "high",
    "mlocked",
    "isolated(anon)",
    "isolated(file)",
    "writepending",
    "reserved_highatomic",
    "free_highatomic",
    "active",
    "inactive",
    "writeback_tmp",
    "local_pcp",
];

/// The kept spelling of a key of Mem-Info, or None for one that is not kept. Case is ignored (`Active:` before 2.6.28).
pub fn key(text: &str) -> Option<&'static str> {
    KEYS.iter().find(|key| key.eq_ignore_ascii_case(text)).copied()
}

/// Values by the kernel's keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values(Vec<(&'static str, i128)>);

impl Values {
    /// Keeps the first value of each key.
    pub fn keep(&mut self, key: &'static str, value: i128) {
        if self.of(key).is_none() {
            self.0.push((key, value));
        }
    }

    /// One value, in the unit it was printed in.
    pub fn of(&self, key: &str) -> Option<i128> {
        self.0.iter().find(|(k, _)| *k == key).map(|(_, v)| *v)
    }

    /// Whether nothing was kept.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One node line (4.8 and later), in kB.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// Its number.
    pub node: u32,
    /// Its values in kB.
    pub kib: Values,
    /// `all_unreclaimable? yes`.
    pub all_unreclaimable: Option<bool>,
}

/// One zone line, in kB.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Zone {
    /// The node, where it is printed.
    pub node: Option<u32>,
    /// DMA, DMA32, Normal, HighMem, Movable, Device.
    pub name: String,
    /// Its values in kB.
    pub kib: Values,
    /// `all_unreclaimable? yes`.
    pub all_unreclaimable: Option<bool>,
    /// Pages kept from requests that could use a higher zone, one per zone type.
    pub lowmem_reserve: Vec<u64>,
    /// Free blocks by order.
    pub blocks: Vec<Blocks>,
}

impl Zone {
    /// One value in bytes.
    pub fn amount(&self, key: &str) -> Option<Amount> {
        self.kib.of(key).map(Amount::kib)
    }

    /// One value in bytes, 0 where it is absent or absurd.
    pub fn bytes(&self, key: &str) -> ByteCount {
        self.amount(key).map_or(ByteCount::ZERO, Amount::or_zero)
    }

    /// Its pages handed to the allocator (3.8 and later), else those present.
    pub fn size(&self) -> ByteCount {
        match self.bytes("managed") {
            ByteCount::ZERO => self.bytes("present"),
            managed => managed,
        }
    }
}

/// The free blocks of one size in a buddy list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blocks {
    /// How many.
    pub count: u64,
    /// The size of each.
    pub size: ByteCount,
    /// The migrate types that have any, as letters (3.9 and later): U M E C H I R.
    pub types: String,
}

/// A pool of huge pages on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HugePages {
    /// The node.
    pub node: u32,
    /// Reserved pages.
    pub total: u64,
    /// Of them, not in use.
    pub free: u64,
    /// The size of one.
    pub size: ByteCount,
}

/// How memory stood.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// The totals, in pages.
    pub totals: Values,
    /// The nodes, in the log's order.
    pub nodes: Vec<Node>,
    /// The zones, in the log's order.
    pub zones: Vec<Zone>,
    /// The huge page pools that have pages.
    pub hugepages: Vec<HugePages>,
    /// Nodes named by the huge page lines: every node with memory, also those the request could not use.
    pub nodes_seen: Vec<u32>,
    /// `N total pagecache pages`.
    pub page_cache_pages: Option<u64>,
    /// `Total swap`.
    pub swap_total: Option<Amount>,
    /// `Free swap`; negative while swap is being removed.
    pub swap_free: Option<Amount>,
    /// `N pages RAM`.
    pub ram_pages: Option<u64>,
    /// `N pages reserved`.
    pub reserved_pages: Option<u64>,
    /// `N pages HighMem`.
    pub highmem_pages: Option<u64>,
}

impl Memory {
    /// Whether nothing of Mem-Info is in the text.
    pub fn is_empty(&self) -> bool {
        self.totals.is_empty() && self.zones.is_empty() && self.nodes.is_empty() && self.ram_pages.is_none()
    }

    /// A counter of the whole machine in bytes: from the totals, else the nodes, else the zones.
    pub fn machine(&self, key: &str, page_size: ByteCount) -> Option<ByteCount> {
        if let Some(pages) = self.totals.of(key) {
            return Amount::pages(pages, page_size).plausible();
        }
        let from_nodes: Vec<i128> = self.nodes.iter().filter_map(|node| node.kib.of(key)).collect();
        let parts = if from_nodes.is_empty() {
            self.zones.iter().filter_map(|zone| zone.kib.of(key)).collect()
        } else {
            from_nodes
        };
        if parts.is_empty() {
            return None;
        }
        Some(parts.iter().map(|kib| Amount::kib(*kib).or_zero()).sum())
    }

    /// Memory the allocator could hand out: pages RAM less reserved, else the zones' managed.
    pub fn usable(&self, page_size: ByteCount) -> Option<ByteCount> {
        if let Some(ram) = self.ram_pages {
            let pages = ram.saturating_sub(self.reserved_pages.unwrap_or(0));
            return Amount::pages(i128::from(pages), page_size).plausible();
        }
        let zones: ByteCount = self.zones.iter().map(Zone::size).sum();
        (zones > ByteCount::ZERO).then_some(zones)
    }
}

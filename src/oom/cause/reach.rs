//! Verdicts on where a request could look: which zones, which blocks, which nodes. Knows the allocator's rule: a zone
//! serves a request only while what is free, less what the request may not use, stays above min and the reserve kept for
//! lower zones, in one block of 2^order pages.

use crate::oom::cause::{Cause, CauseKind, View};
use crate::oom::memory::Zone;
use crate::oom::report::OomReport;
use crate::units::ByteCount;

/// How one zone stood to the request.
#[derive(Clone, Debug)]
pub struct Reach<'r> {
    /// The zone.
    pub zone: &'r Zone,
    /// Whether the request may use it at all.
    pub allowed: bool,
    /// Free, less what the request may not use.
    pub free: ByteCount,
    /// What must stay free: min and the reserve for requests that could use a higher zone.
    pub floor: ByteCount,
    /// Whether a free block of the asked size, or larger, may be used; None without a buddy list.
    pub has_block: Option<bool>,
}

impl Reach<'_> {
    /// Whether one page could have been taken.
    pub fn zone_has_page(&self) -> bool {
        self.allowed && self.free > self.floor
    }

    /// Whether the zone is far from short.
    pub fn zone_has_enough(&self) -> bool {
        let high = self.zone.bytes("high") + self.floor.saturating_sub(self.zone.bytes("min"));
        self.allowed && self.free > ByteCount(high.0.saturating_mul(2)) && self.free > ByteCount::mib(1)
    }
}

/// How every zone stood to the request.
pub fn zone_reach(report: &OomReport) -> Vec<Reach<'_>> {
    report.memory.zones.iter().map(|zone| reach(report, zone)).collect()
}

fn reach<'r>(report: &'r OomReport, zone: &'r Zone) -> Reach<'r> {
    let movable = report.gfp.as_ref().is_some_and(|gfp| gfp.is_movable());
    let cma = if movable { ByteCount::ZERO } else { zone.bytes("free_cma") };
    let highatomic = zone.bytes("free_highatomic");
    let floor = zone.bytes("min") + reserve(report, zone);
    let free = zone.bytes("free").saturating_sub(cma).saturating_sub(highatomic);
    let order = u32::try_from(report.order.unwrap_or(0).clamp(0, 20)).unwrap_or(0);
    let wanted = ByteCount(report.page_size.0.saturating_mul(1 << order));
    let usable = |types: &str| types.is_empty() || types.chars().any(|t| is_usable(t, movable));
    let has_block = (!zone.blocks.is_empty())
        .then(|| zone.blocks.iter().any(|block| block.size >= wanted && block.count > 0 && usable(&block.types)));
    Reach { zone, allowed: is_allowed(report, &zone.name), free, floor, has_block }
}

/// The migrate types a request may take from: contiguous areas only when movable, those kept for atomic requests and
/// isolated ones never.
fn is_usable(letter: char, movable: bool) -> bool {
    match letter {
        'C' => movable,
        'H' | 'I' => false,
        _ => true,
    }
}

/// The zone bits of a mask (0x1 DMA, 0x2 HighMem, 0x4 DMA32, with MOVABLE the movable zone) are the same in all releases.
fn is_allowed(report: &OomReport, zone: &str) -> bool {
    let Some(gfp) = &report.gfp else { return true };
    let bits = gfp.mask & 0x7;
    match zone {
        "DMA" => true,
        "DMA32" => bits & 0x1 == 0,
        "Normal" => bits & 0x5 == 0,
        "HighMem" => bits & 0x2 != 0,
        "Movable" => bits & 0x2 != 0 && gfp.is_movable(),
        "Device" => false,
        _ => true,
    }
}

/// `lowmem_reserve[]` holds one number per zone type: that of the highest zone the request may use counts.
fn reserve(report: &OomReport, zone: &Zone) -> ByteCount {
    let has = |name: &str| report.memory.zones.iter().any(|zone| zone.name == name);
    let types = ["DMA", "DMA32", "Normal", "HighMem", "Movable"];
    let mut index = None;
    let mut position = 0;
    for name in types {
        // A type the kernel was built without has no place; Normal is always there, Movable is last.
        if !(has(name) || name == "Normal" || name == "Movable") {
            continue;
        }
        if is_allowed(report, name) && (name != "Movable" || report.gfp.as_ref().is_some_and(|gfp| gfp.mask & 2 != 0)) {
            index = Some(position);
        }
        position += 1;
    }
    let reserves = &zone.lowmem_reserve;
    let pages = index.and_then(|index| reserves.get(index)).or_else(|| reserves.last()).copied().unwrap_or(0);
    ByteCount(pages.saturating_mul(report.page_size.0))
}

/// A request that may not use HighMem (or only DMA memory) while just that has plenty.
pub(super) fn lowmem_zone(view: &View<'_>) -> Option<Cause> {
    let report = view.report;
    report.gfp.as_ref()?;
    let reach = zone_reach(report);
    let is_real = |reach: &&Reach<'_>| reach.zone.size() > ByteCount::ZERO && reach.zone.name != "Device";
    let closed: Vec<&Reach<'_>> = reach.iter().filter(|reach| !reach.allowed).filter(is_real).collect();
    let open: Vec<&Reach<'_>> = reach.iter().filter(|reach| reach.allowed).filter(is_real).collect();
    let zone = open.iter().max_by_key(|reach| reach.zone.size())?.zone;
    let (name, free_elsewhere) = match closed.iter().max_by_key(|reach| reach.zone.size()) {
        Some(largest) => {
            let free: ByteCount = closed.iter().map(|reach| reach.zone.bytes("free")).sum();
            let wanted: ByteCount = closed.iter().map(|reach| reach.zone.bytes("high")).sum();
            (free > ByteCount(wanted.0.saturating_mul(2))).then_some((largest.zone.name.as_str(), free))?
        }
        None => unprinted(view, &reach)?,
    };
    let slab_reclaimable = zone.bytes("slab_reclaimable");
    let slab = slab_reclaimable + zone.bytes("slab_unreclaimable");
    let holder = if slab.share_of(zone.size()) > 0.3 {
        let whose = if slab_reclaimable.0 * 2 > slab.0 {
            "kernel caches, mostly dentries and inodes"
        } else {
            "kernel objects"
        };
        format!("{slab} of its {} are slab ({whose}), no process's memory", zone.size())
    } else {
        format!("{} of its {} are free", zone.bytes("free"), zone.size())
    };
    let order = match report.order {
        Some(order @ 1..=20) => {
            let wanted = ByteCount(report.page_size.0.saturating_mul(1 << order));
            format!(" for {wanted} in one piece (order {order})")
        }
        _ => String::new(),
    };
    let text = format!(
        "The request{order} can only be served from zone {} and below, and that is full: {holder}, while {name} has \
         {free_elsewhere} free that it may not use; killing processes frees little there.",
        zone.name
    );
    let mut cause = Cause::new(CauseKind::LowmemZone, text);
    cause.evidence.extend(open.iter().map(|reach| zone_words(reach)));
    Some(cause)
}

/// From 6.1 on, zones the request may not use are left out of the dump; what the totals count as free beyond the printed
/// zones lies in them.
fn unprinted(view: &View<'_>, reach: &[Reach<'_>]) -> Option<(&'static str, ByteCount)> {
    let report = view.report;
    let high = report.memory.highmem_pages.filter(|pages| *pages > 0)?;
    let closed = report.gfp.as_ref().is_some_and(|gfp| !gfp.may_use_highmem() || !gfp.is_movable());
    let is_high = |name: &str| matches!(name, "HighMem" | "Movable");
    (closed && !reach.iter().any(|reach| is_high(&reach.zone.name))).then_some(())?;
    report.memory.totals.of("free")?;
    let printed: ByteCount = reach.iter().map(|reach| reach.zone.bytes("free")).sum();
    let free = view.free.saturating_sub(printed);
    let size = ByteCount(high.saturating_mul(report.page_size.0));
    (free.share_of(size) > 0.05).then_some(("the part above (HighMem or Movable, not printed)", free))
}

fn zone_words(reach: &Reach<'_>) -> String {
    let zone = reach.zone;
    let node = zone.node.map_or(String::new(), |node| format!("node {node} "));
    format!("{node}{}: {} free for this request, {} must stay free", zone.name, reach.free, reach.floor)
}

/// Enough pages are free, but no block of 2^order of them that the request may take.
pub(super) fn fragmentation(view: &View<'_>) -> Option<Cause> {
    let report = view.report;
    let order = report.order.filter(|order| (1..=20).contains(order))?;
    let movable = report.gfp.as_ref().is_some_and(|gfp| gfp.is_movable());
    let reach = zone_reach(report);
    let mut enough = reach.iter().filter(|reach| reach.allowed && reach.zone.bytes("free") > reach.floor);
    let best = enough.clone().max_by_key(|reach| reach.zone.bytes("free"))?;
    let blocked = enough.all(|reach| reach.has_block != Some(true) || !reach.zone_has_page());
    // Blocks that are listed as free may all be kept for the watermark of their order, so a few are no contradiction.
    if !blocked && large_blocks(view, &reach, order) > best.floor {
        return None;
    }
    let wanted = ByteCount(report.page_size.0.saturating_mul(1 << order));
    let cma = best.zone.bytes("free_cma");
    let where_free = if cma > ByteCount::ZERO && !movable {
        format!(", {cma} of it in contiguous areas (CMA) that only movable pages may use")
    } else {
        String::new()
    };
    let text = format!(
        "Memory is fragmented, not used up: {} are free in zone {}{where_free}, but no usable piece of {wanted} (order \
         {order}) is among it; the killed process has nothing to do with it.",
        best.zone.bytes("free"),
        best.zone.name
    );
    let mut cause = Cause::new(CauseKind::Fragmentation, text);
    cause.evidence.push(zone_words(best));
    Some(cause)
}

/// Free memory in blocks of at least the asked size that the request may take.
fn large_blocks(view: &View<'_>, reach: &[Reach<'_>], order: i32) -> ByteCount {
    let wanted = ByteCount(view.report.page_size.0.saturating_mul(1 << order.clamp(0, 20)));
    let movable = view.report.gfp.as_ref().is_some_and(|gfp| gfp.is_movable());
    let zones = reach.iter().filter(|reach| reach.allowed && reach.zone_has_page());
    let blocks = zones.flat_map(|reach| &reach.zone.blocks).filter(|block| block.size >= wanted);
    let usable = blocks.filter(|block| block.types.is_empty() || block.types.chars().any(|t| is_usable(t, movable)));
    usable.map(|block| ByteCount(block.count.saturating_mul(block.size.0))).sum()
}

/// All that is free lies in contiguous areas, and the request is not movable.
pub(super) fn cma_only_free(view: &View<'_>) -> Option<Cause> {
    let report = view.report;
    report.gfp.as_ref().filter(|gfp| !gfp.is_movable() && gfp.flags.is_some())?;
    let reach = zone_reach(report);
    let allowed = || reach.iter().filter(|reach| reach.allowed);
    let with_cma =
        |reach: &&Reach<'_>| reach.zone.bytes("free") > reach.floor && reach.zone.bytes("free_cma") > ByteCount::ZERO;
    let zone = allowed().filter(with_cma).max_by_key(|reach| reach.zone.bytes("free_cma"))?;
    (!allowed().any(Reach::zone_has_page)).then_some(())?;
    let text = format!(
        "{} are free in zone {}, but {} of that are contiguous areas (CMA), which kernel memory may not use; without them \
         {} are left, below the {} that must stay free.",
        zone.zone.bytes("free"),
        zone.zone.name,
        zone.zone.bytes("free_cma"),
        zone.free,
        zone.floor
    );
    Some(Cause::new(CauseKind::CmaOnlyFree, text))
}

/// One page was asked for and zones have plenty: on another node (the request was bound), or against all rules.
pub(super) fn one_node_full(view: &View<'_>) -> Option<Cause> {
    let report = view.report;
    report.gfp.as_ref().filter(|gfp| gfp.mask != 0)?;
    (report.order.unwrap_or(0) == 0).then_some(())?;
    let reach = zone_reach(report);
    let open: Vec<&Reach<'_>> = reach.iter().filter(|reach| reach.zone_has_enough()).collect();
    let roomy = open.iter().max_by_key(|reach| reach.free)?;
    // A little above the mark is a race: somebody freed memory between the decision and the dump.
    (roomy.free.share_of(view.usable?) > 0.1).then_some(())?;
    let main = reach.iter().filter(|reach| reach.allowed && reach.zone.size() > ByteCount::mib(64));
    let full: Vec<&Reach<'_>> =
        main.filter(|reach| !reach.zone_has_page() && reach.zone.node != roomy.zone.node).collect();
    let nodes: Vec<u32> = full.iter().filter_map(|reach| reach.zone.node).collect();
    if let (Some(node), Some(other)) = (nodes.first(), roomy.zone.node) {
        let text = format!(
            "Node {node} is full while node {other} has {} free: the request was bound to a node (numactl, a memory policy, \
             a cpuset) instead of using the whole machine.",
            roomy.free
        );
        return Some(Cause::new(CauseKind::NumaNodeBound, text));
    }
    let text = format!(
        "One page was asked for while {} were free in zone {}, far above the {} that must stay free: the kernel should not \
         have called the killer; a bug of this kernel, or memory was freed just before the figures were taken.",
        roomy.free, roomy.zone.name, roomy.floor
    );
    Some(Cause::new(CauseKind::KernelBug, text))
}

/// Whether a node list such as `0,2-3` names `node`.
pub fn in_list(list: &str, node: u32) -> bool {
    list.split(',').any(|range| {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        match (from.trim().parse::<u32>(), to.trim().parse::<u32>()) {
            (Ok(from), Ok(to)) => from <= node && node <= to,
            _ => false,
        }
    })
}

//! The sums of one report that every rule looks at. Knows which counters overlap (shared memory stands in the anonymous
//! lists) and when a sum would be wrong because the text has only a part of it.

use crate::oom::amount::Amount;
use crate::oom::report::{OomReport, Task};
use crate::units::ByteCount;

/// Memory by who holds it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// What the reader calls it.
    pub name: &'static str,
    /// How much.
    pub bytes: ByteCount,
}

/// A report with its sums.
#[derive(Debug)]
pub struct View<'r> {
    /// The report.
    pub report: &'r OomReport,
    /// What the allocator could hand out, where the whole of it is in the text.
    pub usable: Option<ByteCount>,
    /// Free.
    pub free: ByteCount,
    /// Anonymous memory of processes, shared memory not counted.
    pub anonymous: ByteCount,
    /// Shared memory and tmpfs.
    pub shmem: ByteCount,
    /// Page cache on the reclaim lists.
    pub cache: ByteCount,
    /// Of it, waiting to be written or being written.
    pub dirty: ByteCount,
    /// Locked or otherwise unevictable, what is shared memory not counted.
    pub unevictable: ByteCount,
    /// Slab that no shrinker gives back.
    pub slab_unreclaimable: ByteCount,
    /// Slab a shrinker can give back.
    pub slab_reclaimable: ByteCount,
    /// Page tables.
    pub page_tables: ByteCount,
    /// Kernel stacks.
    pub stacks: ByteCount,
    /// Huge pages set aside, in use or not.
    pub huge: ByteCount,
    /// What no counter holds: drivers, balloons, vmalloc. None where counters are missing.
    pub unaccounted: Option<ByteCount>,
    /// Swap, 0 where none is printed.
    pub swap_total: ByteCount,
    /// What of it is free; all of it where the text does not say.
    pub swap_free: ByteCount,
    /// Sum of what the listed processes use, resident and swapped.
    pub used_by_tasks: ByteCount,
}

impl<'r> View<'r> {
    /// The sums of `report`.
    pub fn new(report: &'r OomReport) -> View<'r> {
        let memory = &report.memory;
        let page = report.page_size;
        let of = |key: &str| memory.machine(key, page).unwrap_or(ByteCount::ZERO);
        let shmem = of("shmem");
        let lists = of("active_anon") + of("inactive_anon") + of("isolated_anon");
        // Shared memory stands in the anonymous lists, where it is locked in the unevictable one.
        let shmem_locked = shmem.saturating_sub(lists);
        let cache = of("active_file") + of("inactive_file") + of("isolated_file");
        // Before 2.6.28 one pair of lists held both kinds.
        let both_kinds = of("active") + of("inactive");
        let huge = memory.hugepages.iter().map(|pool| ByteCount(pool.total.saturating_mul(pool.size.0))).sum();
        let stacks = memory.machine("kernel_stack", page).unwrap_or_else(|| sum_of_zones(report, "kernel_stack"));
        let mut view = View {
            report,
            usable: whole_machine(report),
            free: of("free"),
            anonymous: lists.saturating_sub(shmem) + both_kinds,
            shmem,
            cache,
            dirty: of("dirty") + of("writeback"),
            unevictable: of("unevictable").saturating_sub(shmem_locked),
            slab_unreclaimable: of("slab_unreclaimable") + of("slab"),
            slab_reclaimable: of("slab_reclaimable"),
            page_tables: of("pagetables"),
            stacks,
            huge,
            unaccounted: None,
            swap_total: memory.swap_total.map_or(ByteCount::ZERO, Amount::or_zero),
            swap_free: memory.swap_free.or(memory.swap_total).map_or(ByteCount::ZERO, Amount::or_zero),
            used_by_tasks: report.tasks.iter().map(Task::used).sum(),
        };
        view.unaccounted = view.count_unaccounted();
        view
    }

    fn count_unaccounted(&self) -> Option<ByteCount> {
        let totals = &self.report.memory.totals;
        let all_there = ["free", "slab_unreclaimable", "active_anon", "active_file", "unevictable"];
        all_there.iter().all(|key| totals.of(key).is_some()).then_some(())?;
        let counted: ByteCount = self.parts().iter().map(|part| part.bytes).sum();
        Some(self.usable?.saturating_sub(counted + self.free))
    }

    /// What the kernel itself holds.
    pub fn kernel(&self) -> ByteCount {
        self.slab_unreclaimable + self.slab_reclaimable + self.page_tables + self.stacks
    }

    /// Everything counted but what is free.
    pub fn parts(&self) -> [Part; 9] {
        [
            Part { name: "anonymous", bytes: self.anonymous },
            Part { name: "shared memory and tmpfs", bytes: self.shmem },
            Part { name: "page cache", bytes: self.cache },
            Part { name: "unevictable", bytes: self.unevictable },
            Part { name: "slab, unreclaimable", bytes: self.slab_unreclaimable },
            Part { name: "slab, reclaimable", bytes: self.slab_reclaimable },
            Part { name: "page tables", bytes: self.page_tables },
            Part { name: "kernel stacks", bytes: self.stacks },
            Part { name: "huge pages", bytes: self.huge },
        ]
    }

    /// RAM and swap together, what the badness of a process is measured by.
    pub fn pool(&self) -> Option<ByteCount> {
        self.usable.map(|usable| usable + self.swap_total)
    }

    /// Whether swap is there and used up.
    pub fn swap_is_full(&self) -> bool {
        self.swap_total > ByteCount::ZERO && self.swap_free.share_of(self.swap_total) < 0.02
    }

    /// The end of a sentence on swap.
    pub fn swap_words(&self) -> String {
        match self.report.memory.swap_total {
            None => String::new(),
            Some(Amount(0)) => ", and there is no swap".to_owned(),
            Some(_) if self.swap_is_full() => format!(", and all {} of swap are used", self.swap_total),
            Some(_) if self.report.memory.swap_free.is_none() => String::new(),
            Some(_) => format!(", with {} of {} swap free", self.swap_free, self.swap_total),
        }
    }
}

fn sum_of_zones(report: &OomReport, key: &str) -> ByteCount {
    report.memory.zones.iter().map(|zone| zone.bytes(key)).sum()
}

/// What the allocator could hand out. The zones alone count only where the dump went on after them: a cut one lacks zones.
fn whole_machine(report: &OomReport) -> Option<ByteCount> {
    let memory = &report.memory;
    let went_on = memory.page_cache_pages.is_some() || memory.swap_total.is_some() || report.has_table;
    let usable = memory.usable(report.page_size).filter(|_| memory.ram_pages.is_some() || went_on)?;
    (usable > ByteCount::ZERO).then_some(usable)
}

//! One process that is watched: what a tick reads of it, and its regions where they moved. Cheap for the process and for us;
//! what it means is the judge's.

use std::time::{Duration, Instant};

use crate::error::Result;
use crate::growth::{Look, RegionGrowth, region_growth};
use crate::report::LimitRow;
use crate::report::watch::Growth;
use crate::target::{Glance, Ledger, Limit, LimitKind, Standing, Target};
use crate::units::ByteCount;

/// Status is read every so many ticks, statm at each.
const STANDING_EVERY: u32 = 10;
/// Regions are looked at again when so much was gained.
const LOOK_AFTER: ByteCount = ByteCount::mib(1);
/// The part of the time that looks at regions may take, and their distance at least.
const LOOK_COST: f64 = 0.001;
const LOOK_DISTANCE: Duration = Duration::from_secs(5);
/// Every so many looks all mappings are weighed again.
const WHOLE_LOOK_EVERY: u32 = 8;
/// Looks kept: the first one and the latest.
const LOOKS: usize = 6;
/// Beyond so many mappings regions are looked at only now and then, which is said.
const MANY_MAPPINGS: usize = 20_000;
/// Regions told of.
const REGIONS: usize = 5;

/// A process that is watched.
pub struct Process {
    pub target: Target,
    /// When the watch took it in.
    pub taken_in: Instant,
    /// What its role is one of, such as `nginx worker`.
    pub kind: String,
    /// Its role, unique in this watch.
    pub role: String,
    pub glance: Glance,
    pub standing: Standing,
    /// Held when it was first looked at.
    pub first_held: ByteCount,
    /// Where its heap began then.
    first_heap: Option<crate::units::Addr>,
    /// Whether it only finishes its work.
    pub is_draining: bool,
    /// When limits were read, in seconds of the watch.
    pub limits_at: Option<f64>,
    /// Whether a limit of its own was among them.
    pub has_own_limit: bool,
    /// What was last written of it, and when.
    pub written: Option<(ByteCount, ByteCount, f64)>,
    regions: Regions,
    rounds: u32,
}

impl Process {
    /// Takes `target` into the watch; None where it ended meanwhile.
    pub fn new(target: Target, kind: String, role: String) -> Option<Process> {
        let (glance, standing) = (target.glance()?, target.standing()?);
        let mut process = Process {
            target,
            taken_in: Instant::now(),
            kind,
            role,
            glance,
            standing,
            first_held: ByteCount::ZERO,
            first_heap: None,
            is_draining: false,
            limits_at: None,
            has_own_limit: false,
            written: None,
            regions: Regions::default(),
            rounds: 0,
        };
        process.first_held = process.held();
        process.first_heap = process.standing.heap_start;
        Some(process)
    }

    /// Reads its sums. False once it ended. `swaps` asks for what is swapped at every tick.
    pub fn tick(&mut self, swaps: bool) -> bool {
        let Some(glance) = self.target.glance() else { return false };
        self.glance = glance;
        self.rounds = self.rounds.wrapping_add(1);
        if swaps || self.rounds.is_multiple_of(STANDING_EVERY) {
            self.refresh();
        }
        true
    }

    /// Reads its title and what else statm leaves out.
    pub fn refresh(&mut self) {
        if let Some(standing) = self.target.standing() {
            self.standing = standing;
        }
    }

    /// Whether it seems to have become another program.
    pub fn seems_executed(&self) -> bool {
        let standing = &self.standing;
        match (self.first_heap, standing.heap_start) {
            (Some(first), Some(now)) => first != now,
            _ => standing.name != self.target.identity().name,
        }
    }

    /// Private and swapped: what growth is judged by.
    pub fn held(&self) -> ByteCount {
        self.glance.rss.saturating_sub(self.glance.shared) + self.standing.swap
    }

    /// Whether its title says that it finishes its work, as nginx's old workers do after a reload.
    pub fn says_it_drains(&self) -> bool {
        self.standing.title.contains("is shutting down")
    }

    /// Whether there is something new to write of it; in any case once in `at_least` seconds.
    pub fn is_news(&self, at: f64, at_least: f64) -> bool {
        let now = (self.glance.rss, self.held());
        self.written.is_none_or(|(rss, held, then)| (rss, held) != now || at - then >= at_least)
    }

    /// Looks at its regions if they moved and it is affordable; true where it did.
    pub fn look(&mut self, at: Duration) -> bool {
        let held = self.held();
        let moved =
            self.glance.size != self.regions.size || held.signed_sub(self.regions.held).unsigned_abs() >= LOOK_AFTER.0;
        if !moved || self.regions.next.is_some_and(|next| Instant::now() < next) {
            return false;
        }
        (self.regions.size, self.regions.held) = (self.glance.size, held);
        self.regions.look(&self.target, at).is_ok()
    }

    /// Mappings at the latest look, where there was one.
    pub fn mappings(&self) -> Option<u64> {
        (!self.regions.ledger.is_empty()).then_some(self.regions.ledger.len() as u64)
    }

    /// Whether it has so many mappings that they are rarely looked at; said once.
    pub fn backs_off(&mut self) -> Option<usize> {
        let count = self.regions.ledger.len();
        let says = count > MANY_MAPPINGS && !self.regions.backed_off;
        self.regions.backed_off |= says;
        says.then_some(count)
    }

    /// The regions that grow, fastest first.
    pub fn growing_regions(&self) -> Vec<Growth> {
        let Some(last) = self.regions.looks.last() else { return Vec::new() };
        let mut growth: Vec<RegionGrowth> = region_growth(&self.regions.looks);
        growth.retain(|growth| growth.change() > 0 && growth.slope.rate.0 > 0.0);
        growth.sort_by(|a, b| b.slope.rate.0.total_cmp(&a.slope.rate.0));
        let row = |growth: &RegionGrowth| {
            let region = last.map.regions.get(growth.region)?;
            Some(Growth {
                start: region.span.start,
                kind: region.kind.to_string(),
                name: region.name.clone(),
                held_bytes: region.footprint.held(),
                growth_bytes_per_second: growth.slope.rate,
            })
        };
        growth.iter().filter_map(row).take(REGIONS).collect()
    }

    /// Its nearest limit now.
    ///
    /// # Errors
    /// It ended.
    pub fn limit(&mut self) -> Result<Option<LimitRow>> {
        let limits = self.target.limits()?;
        self.has_own_limit = limits.iter().any(|limit| limit.kind == LimitKind::Rlimit);
        Ok(limits.first().map(limit_row))
    }
}

fn limit_row(limit: &Limit) -> LimitRow {
    LimitRow {
        kind: limit.kind.to_string(),
        source: Some(limit.source.clone()),
        limit_bytes: Some(limit.limit),
        usage_bytes: Some(limit.usage),
        seconds_to_limit: None,
    }
}

/// Its regions at some moments.
#[derive(Default)]
struct Regions {
    ledger: Ledger,
    looks: Vec<Look>,
    count: u32,
    /// What it was when they were looked at.
    size: ByteCount,
    held: ByteCount,
    next: Option<Instant>,
    backed_off: bool,
}

impl Regions {
    fn look(&mut self, target: &Target, at: Duration) -> Result<()> {
        let began = Instant::now();
        if self.count.is_multiple_of(WHOLE_LOOK_EVERY) {
            self.ledger = Ledger::default();
        }
        self.count += 1;
        self.ledger = target.ledger(&self.ledger)?;
        let look = target.look_of(&self.ledger, at);
        let kept = if self.ledger.len() > MANY_MAPPINGS { 2 } else { LOOKS };
        while self.looks.len() >= kept {
            self.looks.remove(1.min(self.looks.len() - 1));
        }
        self.looks.push(look);
        let cost = began.elapsed().div_f64(LOOK_COST);
        self.next = Some(Instant::now() + cost.max(LOOK_DISTANCE));
        Ok(())
    }
}

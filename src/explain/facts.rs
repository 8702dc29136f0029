//! All that a judgement is made from, gathered by whoever had the process examined.
//! Plain values and borrows; nothing here is worded or weighed.

use std::time::Duration;

use crate::growth::{Choice, RegionGrowth, Series};
use crate::scan::ScanResult;
use crate::space::Region;
use crate::units::ByteCount;

/// What is known of one process at the end of a watch.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The kernel's short name of it; hostile text, not escaped.
    pub name: &'a str,
    /// Its process id.
    pub pid: i32,
    /// What it is among its kind: `worker`, `master`.
    pub role: Option<String>,
    /// The whole process over time.
    pub series: &'a Series,
    /// Its regions at the last look.
    pub regions: &'a [Region],
    /// How each of those came to be.
    pub growth: &'a [RegionGrowth],
    /// The suspect among them.
    pub choice: Option<&'a Choice>,
    /// What fills the suspect.
    pub content: Option<&'a ScanResult>,
    /// The limit reached first: its words (`cgroup limit`), how much it allows, how much of that is used, by others
    /// in the same group too.
    pub limit: Option<(String, ByteCount, ByteCount)>,
    /// How long was watched.
    pub window: Duration,
    /// Between the two scans of the content, where there were two.
    pub between: Option<Duration>,
    /// What the allocator says, where its heap was walked.
    pub heap: Option<HeapFacts>,
    /// Who allocates what grows, where stacks were sampled.
    pub allocator: Option<Allocator>,
    /// For a master that only supervises, its largest worker.
    pub worker: Option<Worker>,
}

impl Default for Facts<'_> {
    fn default() -> Self {
        static NOTHING: std::sync::LazyLock<Series> = std::sync::LazyLock::new(Series::default);
        Facts {
            name: "",
            pid: 0,
            role: None,
            series: &NOTHING,
            regions: &[],
            growth: &[],
            choice: None,
            content: None,
            limit: None,
            window: Duration::ZERO,
            between: None,
            heap: None,
            allocator: None,
            worker: None,
        }
    }
}

/// The allocator's word on its heap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeapFacts {
    /// Handed out.
    pub in_use: ByteCount,
    /// Given back and kept.
    pub free: ByteCount,
    /// Change of `in_use` over the watch, in bytes.
    pub in_use_growth: Option<i64>,
    /// Handed out and found from nowhere.
    pub unreachable: Option<ByteCount>,
    /// Change of that over the watch, in bytes.
    pub unreachable_growth: Option<i64>,
    /// What most of that is, such as `{user_id:int} records`; hostile text, not escaped.
    pub lost_in: Option<String>,
}

/// The function that most of the growth comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Allocator {
    /// Its name; hostile text, not escaped.
    pub function: String,
    /// The file its code is from; hostile text, not escaped.
    pub module: Option<String>,
    /// Part of the growth, 0 to 1.
    pub share: f64,
}

/// A worker of the process examined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Worker {
    /// Its process id.
    pub pid: i32,
    /// Its name; hostile text, not escaped.
    pub name: String,
    /// What it has resident, where known.
    pub rss: Option<ByteCount>,
}

impl<'a> Facts<'a> {
    /// The suspect region with its growth.
    pub(super) fn suspect(&self) -> Option<(&'a Region, &'a RegionGrowth)> {
        let index = self.choice?.region;
        let growth = self.growth.iter().find(|growth| growth.region == index)?;
        Some((self.regions.get(index)?, growth))
    }

    /// Every region's growth with the region.
    pub(super) fn grown(&self) -> impl Iterator<Item = (&'a Region, &'a RegionGrowth)> + use<'a> {
        let regions = self.regions;
        self.growth.iter().filter_map(move |growth| Some((regions.get(growth.region)?, growth)))
    }
}

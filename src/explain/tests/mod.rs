//! Invented processes to judge.

mod findings;
mod sentences;
mod verdicts;

use std::time::Duration;

use super::*;
use crate::growth::{Choice, Look, RegionGrowth, Sample, Series, choose, region_growth};
use crate::scan::{self, Composition, Group, GroupKind, Label, ScanResult, Tally};
use crate::space::{AddressMap, Footprint, Permissions, Region, RegionKind};
use crate::units::{Addr, ByteCount, Span};

const MIB: f64 = 1048576.0;
const LABEL: &str = "{trace_id:hex, user_id:int, device:{os, model}, payload:str, sign:hex}";

/// Ten seconds of a process: one sample and one look every half second.
struct Scene {
    series: Series,
    looks: Vec<Look>,
    growth: Vec<RegionGrowth>,
    choice: Option<Choice>,
}

impl Scene {
    fn new(sample: impl Fn(f64) -> Sample, regions: impl Fn(f64) -> Vec<Region>) -> Scene {
        let times = || (0..21).map(|index| 0.5 * index as f64);
        let at = Duration::from_secs_f64;
        let series = Series::new(times().map(|time| Sample { at: at(time), ..sample(time) }).collect());
        let look = |time| Look { at: at(time), map: AddressMap { mappings: Vec::new(), regions: regions(time) } };
        let looks: Vec<Look> = times().map(look).collect();
        let growth = region_growth(&looks);
        let choice = choose(&looks[20].map.regions, &growth);
        Scene { series, looks, growth, choice }
    }

    fn heap(held: impl Fn(f64) -> f64) -> Scene {
        Scene::new(|at| anonymous(held(at)), |at| vec![region(RegionKind::Heap, &[(0x5000, 0x9000)], held(at))])
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            name: "nginx",
            pid: 4242,
            role: Some("worker".into()),
            series: &self.series,
            regions: &self.looks[20].map.regions,
            growth: &self.growth,
            choice: self.choice.as_ref(),
            window: Duration::from_secs(10),
            ..Facts::default()
        }
    }
}

fn anonymous(mib: f64) -> Sample {
    let held = ByteCount((mib * MIB) as u64);
    Sample { rss: held, anonymous: held, threads: 1, ..Sample::default() }
}

/// A region of spans in MiB that holds `held` MiB.
fn region(kind: RegionKind, spans: &[(u64, u64)], held: f64) -> Region {
    let parts: Vec<Span> = spans.iter().map(|&(a, b)| Span::new(Addr(a << 20), Addr(b << 20))).collect();
    let span = Span::new(parts[0].start, parts[parts.len() - 1].end);
    let held = ByteCount((held * MIB) as u64);
    let shared = kind == RegionKind::Shared;
    let permissions = Permissions { read: true, write: true, execute: false, shared };
    let anonymous = if shared { ByteCount::ZERO } else { held };
    let name = if shared { "/dev/shm/cache".into() } else { String::new() };
    Region {
        span,
        kind,
        name,
        permissions,
        parts,
        footprint: Footprint { rss: held, anonymous, ..Footprint::default() },
    }
}

fn group(label: &str, before: (u64, u64), now: (u64, u64)) -> Group {
    let tally = |(count, bytes)| Tally { count, bytes: ByteCount(bytes) };
    let samples = vec![scan::Sample { address: Addr(0x5_0000_1000), text: "{\"trace_id\":\"9f\"".into() }];
    let label = Label::fixed(label);
    Group { kind: GroupKind::Json, label, now: tally(now), before: Some(tally(before)), samples }
}

fn records(share: f64) -> ScanResult {
    let growth = (120.0 * MIB * share) as u64;
    let groups = vec![group(LABEL, (10_000, 5_000_000), (550_000, 5_000_000 + growth))];
    let composition = |other| Composition { other, ..Composition::default() };
    let (before, now) = (composition(ByteCount::mib(280)), composition(ByteCount::mib(400)));
    ScanResult { scanned: now.other, composition: now, before: Some(before), groups, ..ScanResult::default() }
}

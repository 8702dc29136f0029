//! What was found, each with its weight and the facts it rests on, the weightiest first.
//! Built from the growth of regions and from content groups; the one-word judgement is `verdict`'s.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::evidence::Evidence;
use super::facts::Facts;
use super::verdict::{VerdictKind, weigh};
use super::words::{members, region};
use crate::growth::{CountTrend, RegionGrowth, Shape};
use crate::scan::Group;
use crate::space::Region;
use crate::units::{ByteCount, Rate};

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// A region that grows.
    RegionGrowth,
    /// A group of content that grows.
    ContentGrowth,
    /// The number of mappings grows.
    MappingGrowth,
    /// The number of threads grows.
    ThreadGrowth,
    /// Shared memory grows.
    SharedGrowth,
    /// Handed out and found from nowhere.
    Unreachable,
    /// Given back and held.
    FreeHeld,
    /// A group that is large and was not seen to grow.
    Content,
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            FindingKind::RegionGrowth => "region-growth",
            FindingKind::ContentGrowth => "content-growth",
            FindingKind::MappingGrowth => "mapping-growth",
            FindingKind::ThreadGrowth => "thread-growth",
            FindingKind::SharedGrowth => "shared-growth",
            FindingKind::Unreachable => "unreachable",
            FindingKind::FreeHeld => "free-held",
            FindingKind::Content => "content",
        })
    }
}

/// A claim with its weight.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// What it is about.
    pub kind: FindingKind,
    /// Of what it speaks, as one bounded line.
    pub subject: String,
    /// How much it is about.
    pub bytes: ByteCount,
    /// The part of its whole: of the process's growth, of the region's growth, or of what was scanned; 0..=1.
    pub share: f64,
    /// How sure, 0..=1.
    pub confidence: f64,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
    /// Commands to run next.
    pub next: Vec<String>,
}

/// Findings listed at most.
const MOST: usize = 20;
/// A group that did not grow is a finding from this part of the bytes scanned.
const LARGE_SHARE: f64 = 0.05;

/// All findings, growth before size, the weightiest first.
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let judgement = weigh(facts);
    let mut found: Vec<Finding> = facts.grown().filter_map(|(region, growth)| grown(facts, region, growth)).collect();
    found.extend(content(facts, judgement.confidence));
    found.extend(counts(facts));
    found.extend(heap(facts, judgement.confidence));
    let size_only = |finding: &Finding| matches!(finding.kind, FindingKind::Content | FindingKind::FreeHeld);
    found.sort_by(|a, b| {
        let order = size_only(a).cmp(&size_only(b)).then(b.bytes.cmp(&a.bytes)).then(a.kind.cmp(&b.kind));
        order.then_with(|| a.subject.cmp(&b.subject))
    });
    found.truncate(MOST);
    let suspected = !matches!(judgement.kind, VerdictKind::Stable | VerdictKind::Inconclusive);
    if let Some(first) = found.first_mut().filter(|_| suspected) {
        first.next = super::next::commands(facts, &judgement);
    }
    found
}

fn grown(facts: &Facts, of: &Region, growth: &RegionGrowth) -> Option<Finding> {
    let bytes = ByteCount(u64::try_from(growth.change()).ok().filter(|&bytes| bytes > 0)?);
    let confidence = match growth.shape {
        Shape::Flat | Shape::Shrinking | Shape::Sawtooth => return None,
        Shape::Steady if growth.grows() => 0.9,
        Shape::Plateau | Shape::Step => 0.3,
        Shape::Steady | Shape::Slowing | Shape::Noisy => 0.5,
    };
    let all = facts.series.held().change().max(growth.change()) as u64;
    let what = region(of);
    let slope = growth.slope;
    let mut evidence = vec![
        Evidence::Rate { what: what.clone(), rate: slope.rate, low: Some(slope.low), high: Some(slope.high) },
        Evidence::Amount { what: format!("{what} now"), bytes: growth.last },
        Evidence::Timeline { what: what.clone(), points: growth.timeline.clone() },
    ];
    if growth.more_mappings() > 0 {
        evidence.push(Evidence::Count { what: "new mappings".to_owned(), count: growth.more_mappings() });
    }
    if facts.suspect().is_some_and(|(suspect, _)| suspect == of) {
        evidence.extend(facts.allocator.iter().map(|who| Evidence::Stack { frames: vec![who.function.clone()] }));
    }
    let share = bytes.share_of(ByteCount(all));
    Some(Finding { kind: FindingKind::RegionGrowth, subject: what, bytes, share, confidence, evidence, next: vec![] })
}

fn content(facts: &Facts, confidence: f64) -> Vec<Finding> {
    let Some(scan) = facts.content else { return Vec::new() };
    let growth = facts.suspect().map_or(facts.series.held().change(), |(_, growth)| growth.change());
    let growth = ByteCount(growth.max(0) as u64);
    let sure = confidence * if scan.sampled { 0.8 } else { 1.0 };
    let composition = Evidence::Distribution {
        what: "bytes scanned".to_owned(),
        parts: [
            ("json", scan.composition.json),
            ("text", scan.composition.text),
            ("pointers", scan.composition.pointer),
            ("zero", scan.composition.zero),
            ("other", scan.composition.other),
        ]
        .map(|(name, bytes)| (name.to_owned(), bytes))
        .to_vec(),
    };
    let one = |group: &Group| {
        let gained = group.growth_bytes().filter(|&bytes| bytes > 0).map(|bytes| ByteCount(bytes as u64));
        let (kind, bytes, share) = match gained {
            Some(gained) => (FindingKind::ContentGrowth, gained, gained.share_of(growth).min(1.0)),
            None => (FindingKind::Content, group.now.bytes, group.now.bytes.share_of(scan.scanned).min(1.0)),
        };
        let worth = gained.is_some() || share >= LARGE_SHARE;
        let evidence = evidence_of(facts, group).into_iter().chain([composition.clone()]).collect();
        let subject = members(group);
        worth.then_some(Finding { kind, subject, bytes, share, confidence: sure, evidence, next: vec![] })
    };
    scan.groups.iter().take(MOST).filter_map(one).collect()
}

fn evidence_of(facts: &Facts, group: &Group) -> Vec<Evidence> {
    let mut evidence = vec![
        Evidence::Count { what: members(group), count: group.now.count },
        Evidence::Amount { what: members(group), bytes: group.now.bytes },
    ];
    if let Some(gained) = group.growth_bytes() {
        let rate = Rate::over(gained, facts.between.unwrap_or(facts.window).as_secs_f64());
        evidence.push(Evidence::Rate { what: members(group), rate, low: None, high: None });
    }
    let quotes = group.samples.iter().take(3);
    evidence.extend(quotes.map(|sample| Evidence::Quote { address: sample.address, text: sample.text.clone() }));
    evidence
}

fn counts(facts: &Facts) -> Vec<Finding> {
    let counted = |kind, what: &str, trend: CountTrend| {
        let rises = trend.grows() && trend.change() > 0;
        rises.then(|| Finding {
            kind,
            subject: what.to_owned(),
            bytes: ByteCount::ZERO,
            share: 0.0,
            confidence: 0.9,
            evidence: vec![
                Evidence::Count { what: format!("{what} at first"), count: trend.first },
                Evidence::Count { what: format!("{what} at last"), count: trend.last },
            ],
            next: vec![format!("leakscope map {}", facts.pid)],
        })
    };
    let shared = facts.series.shared();
    let points = facts.series.samples().iter().map(|sample| (sample.at, sample.shared)).collect();
    let shared = shared.grows().then(|| Finding {
        kind: FindingKind::SharedGrowth,
        subject: "shared memory".to_owned(),
        bytes: ByteCount(shared.change().max(0) as u64),
        share: 1.0,
        confidence: 0.9,
        evidence: vec![Evidence::Timeline { what: "shared memory".to_owned(), points }],
        next: vec![format!("leakscope map {}", facts.pid)],
    });
    let mappings = facts.series.mappings().and_then(|trend| counted(FindingKind::MappingGrowth, "mappings", trend));
    let threads = counted(FindingKind::ThreadGrowth, "threads", facts.series.threads());
    [shared, mappings, threads].into_iter().flatten().collect()
}

fn heap(facts: &Facts, confidence: f64) -> Vec<Finding> {
    let Some(heap) = &facts.heap else { return Vec::new() };
    let all = heap.in_use + heap.free;
    let finding = |kind, what: &str, bytes: ByteCount, whole: ByteCount| Finding {
        kind,
        subject: what.to_owned(),
        bytes,
        share: bytes.share_of(whole).min(1.0),
        confidence,
        evidence: vec![Evidence::Distribution {
            what: "heap".to_owned(),
            parts: vec![("in use".to_owned(), heap.in_use), ("free".to_owned(), heap.free)],
        }],
        next: vec![],
    };
    // What was lost meanwhile says more than what was lost ever.
    let gained = heap.unreachable_growth.and_then(|bytes| u64::try_from(bytes).ok()).map(ByteCount);
    let grown = ByteCount(u64::try_from(facts.series.held().change()).unwrap_or(0));
    let some = |bytes: &ByteCount| *bytes > ByteCount::ZERO;
    let lost = gained.filter(some).map(|bytes| (bytes, grown));
    let lost = lost.or(heap.unreachable.filter(some).map(|bytes| (bytes, all)));
    let words = "in use, yet nothing points to it";
    let lost = lost.map(|(bytes, whole)| finding(FindingKind::Unreachable, words, bytes, whole));
    let free =
        (heap.free.share_of(all) >= 0.5).then(|| finding(FindingKind::FreeHeld, "freed memory held", heap.free, all));
    lost.into_iter().chain(free).collect()
}

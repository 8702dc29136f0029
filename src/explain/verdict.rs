//! The one-word judgement over a process, with how sure it is.
//! Knows when a number is an accusation; the sentence is `summary`'s, the commands are `next`'s.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::facts::{Facts, HeapFacts};
use super::limit::{TimeToLimit, time_to_limit};
use super::{next, summary};
use crate::growth::{CountTrend, RegionGrowth, Shape, Slope, Trend};
use crate::space::{Region, RegionKind};
use crate::units::ByteCount;

/// What a process is judged to do with memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerdictKind {
    /// It grows, and what grows is in use by the allocator yet nothing points to it any more.
    Leak,
    /// It grows steadily; what grows is still referenced, or that could not be told.
    Growing,
    /// It is big or grows because freed memory is held.
    Fragmentation,
    /// The number of mappings grows, and their memory with it.
    MappingLeak,
    /// Threads, and with them stacks, grow.
    ThreadLeak,
    /// Shared or tmpfs pages grow.
    SharedMemory,
    /// It does not grow.
    Stable,
    /// Too short or too noisy to tell.
    Inconclusive,
}

impl VerdictKind {
    /// Whether something grows that a person should act on.
    pub fn accuses(self) -> bool {
        match self {
            VerdictKind::Leak | VerdictKind::Growing | VerdictKind::MappingLeak => true,
            VerdictKind::ThreadLeak | VerdictKind::SharedMemory => true,
            VerdictKind::Fragmentation | VerdictKind::Stable | VerdictKind::Inconclusive => false,
        }
    }
}

impl fmt::Display for VerdictKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            VerdictKind::Leak => "leak",
            VerdictKind::Growing => "growing",
            VerdictKind::Fragmentation => "fragmentation",
            VerdictKind::MappingLeak => "mapping-leak",
            VerdictKind::ThreadLeak => "thread-leak",
            VerdictKind::SharedMemory => "shared-memory",
            VerdictKind::Stable => "stable",
            VerdictKind::Inconclusive => "inconclusive",
        })
    }
}

/// A judgement.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// In a word.
    pub kind: VerdictKind,
    /// How sure, 0..=1, in steps of 0.01; the same for the same facts.
    ///
    /// Of growth: ½ + ½·(low end of the interval / rate), times n/(n+2) for n samples, times g/(g + 256 KiB) for g bytes
    /// gained, times 0.8 where only one region shows it and the whole process does not; for a `leak` also times the part of the growth that is unreachable, at least ½;
    /// times 0.7 where the memory that should go with mappings or threads was not seen. Of `stable`: by shape (flat
    /// 0.95, shrinking 0.9, sawtooth 0.85, plateau 0.8, step 0.7), times n/(n+2), times t/(t+2 s) for a window of t. Of
    /// `fragmentation`: the part of the heap that is free. Of `inconclusive`: the part of the time needed that was
    /// watched.
    pub confidence: f64,
    /// What, how fast, whose, until when, in one sentence.
    pub summary: String,
    /// Commands to run next.
    pub next: Vec<String>,
    /// When the limit is reached if this goes on; None where nothing grows or no limit is known.
    pub time_to_limit: Option<TimeToLimit>,
}

/// What the verdict rests on, before it is put into words.
pub(super) struct Judgement<'a> {
    pub kind: VerdictKind,
    pub confidence: f64,
    pub held: Trend,
    /// What grows, of memory that counts against limits.
    pub slope: Option<Slope>,
    /// The region that grows, where one does.
    pub grower: Option<(&'a Region, &'a RegionGrowth)>,
    pub to_limit: Option<TimeToLimit>,
}

/// Threads that must be more to speak of a leak of threads.
const MORE_THREADS: i64 = 3;
/// Mappings that must be more to speak of a leak of mappings.
const MORE_MAPPINGS: i64 = 5;
/// A thread that costs more than this costs it elsewhere than in its stack.
const THREAD_COST: i64 = 2 << 20;
/// The part of a growth that must be lost to call it a leak: beside one, something else may grow as fast.
const LOST: f64 = 0.2;
/// A heap below this is not called fragmented.
const BIG_HEAP: ByteCount = ByteCount::mib(16);

/// Judges a process by all that is known of it.
pub fn judge(facts: &Facts) -> Verdict {
    let judgement = weigh(facts);
    Verdict {
        kind: judgement.kind,
        confidence: judgement.confidence,
        summary: summary::sentence(facts, &judgement),
        next: next::commands(facts, &judgement),
        time_to_limit: judgement.to_limit,
    }
}

pub(super) fn weigh<'a>(facts: &Facts<'a>) -> Judgement<'a> {
    let held = facts.series.held();
    let grower = grower(facts, &held);
    let found = thread_leak(facts, &held)
        .or_else(|| shared_memory(facts, &held))
        .or_else(|| mapping_leak(facts, &held))
        .or_else(|| growing(facts, &held, grower))
        .unwrap_or_else(|| not_growing(facts, &held));
    let limit = facts.limit.as_ref().zip(found.slope);
    Judgement {
        kind: found.kind,
        confidence: (found.confidence.clamp(0.0, 0.99) * 100.0).round() / 100.0,
        held,
        slope: found.slope,
        grower,
        to_limit: limit.and_then(|(&(_, limit, usage), slope)| time_to_limit(limit, usage, slope)),
    }
}

struct Found {
    kind: VerdictKind,
    confidence: f64,
    slope: Option<Slope>,
}

fn thread_leak(facts: &Facts, held: &Trend) -> Option<Found> {
    let threads = facts.series.threads();
    if !threads.grows() || threads.change() < MORE_THREADS {
        return None;
    }
    let is_stack = |region: &Region| matches!(region.kind, RegionKind::ThreadStack | RegionKind::Arena);
    let stacks = || facts.grown().filter(|(region, _)| is_stack(region)).map(|(_, growth)| growth);
    let gained: i64 = stacks().map(RegionGrowth::change).sum();
    let seen = stacks().any(|growth| growth.change() > 0 || growth.size_change > 0);
    // A pool that fills while the heap leaks is not what leaks.
    if held.change() > threads.change().saturating_mul(THREAD_COST) && gained < held.change() / 4 {
        return None;
    }
    let confidence = counted(&threads) * if seen { 1.0 } else { 0.7 };
    Some(Found { kind: VerdictKind::ThreadLeak, confidence, slope: held.grows().then_some(held.slope) })
}

fn shared_memory(facts: &Facts, held: &Trend) -> Option<Found> {
    let shared = facts.series.shared();
    if !shared.grows() || shared.change() <= held.change().max(0) {
        return None;
    }
    Some(Found { kind: VerdictKind::SharedMemory, confidence: steady(&shared), slope: Some(shared.slope) })
}

/// Mappings grow, and memory in what they are parts of. Arenas are an allocator's way to grow and accuse nobody.
fn mapping_leak(facts: &Facts, held: &Trend) -> Option<Found> {
    let mappings = facts.series.mappings()?;
    if !mappings.grows() || mappings.change() < MORE_MAPPINGS {
        return None;
    }
    let is_arena = |region: &Region| matches!(region.kind, RegionKind::Arena | RegionKind::ThreadStack);
    let more = || facts.grown().filter(|(region, growth)| growth.more_mappings() > 0 && !is_arena(region));
    let count: u64 = more().map(|(_, growth)| growth.more_mappings()).sum();
    if (count as i64) < MORE_MAPPINGS.max(mappings.change() / 2) {
        return None;
    }
    let memory: i64 = more().map(|(_, growth)| growth.change()).sum();
    let space: i64 = more().map(|(_, growth)| growth.size_change).sum();
    let rss = facts.series.rss();
    let (slope, sure) = match () {
        () if held.grows() && memory < held.change() / 2 => return None,
        () if held.grows() => (Some(held.slope), 1.0),
        () if rss.grows() => (Some(rss.slope), 0.9),
        () if space > 0 => (None, 0.7),
        () => return None,
    };
    Some(Found { kind: VerdictKind::MappingLeak, confidence: counted(&mappings) * sure, slope })
}

/// The suspect, where it grows and does not merely take over from others. A collector that copies makes one region
/// grow by what another loses.
fn grower<'a>(facts: &Facts<'a>, held: &Trend) -> Option<(&'a Region, &'a RegionGrowth)> {
    let (region, growth) = facts.suspect()?;
    let takes_part = growth.grows() || (held.grows() && growth.change() > held.change() / 4);
    let lost: i64 = facts.grown().map(|(_, growth)| growth.change().min(0)).sum();
    let taken_over = !held.grows() && lost.saturating_neg() > growth.change() / 2;
    (takes_part && !taken_over).then_some((region, growth))
}

fn growing(facts: &Facts, held: &Trend, grower: Option<(&Region, &RegionGrowth)>) -> Option<Found> {
    let still = matches!(held.shape, Shape::Flat | Shape::Shrinking | Shape::Plateau | Shape::Step);
    let (slope, grown, sure) = match grower {
        _ if held.grows() => (held.slope, held.change(), 1.0),
        Some((_, growth)) if !still && growth.grows() => (growth.slope, growth.change(), 0.8),
        _ => return None,
    };
    let confidence = tightness(slope) * enough(held.samples) * beyond_warming(grown) * sure;
    let found = |kind, confidence| Some(Found { kind, confidence, slope: Some(slope) });
    if let Some(heap) = &facts.heap {
        if let Some(lost) = lost_share(heap, grown).filter(|&share| share >= LOST) {
            return found(VerdictKind::Leak, confidence * lost.max(0.5));
        }
        if is_fragmented(heap) && heap.in_use_growth.is_none_or(|in_use| in_use < grown / 2) {
            return found(VerdictKind::Fragmentation, free_share(heap));
        }
    }
    found(VerdictKind::Growing, confidence)
}

fn not_growing(facts: &Facts, held: &Trend) -> Found {
    if let Some(heap) = facts.heap.as_ref().filter(|heap| is_fragmented(heap)) {
        return Found { kind: VerdictKind::Fragmentation, confidence: free_share(heap), slope: None };
    }
    let sure = match held.shape {
        Shape::Flat => 0.95,
        Shape::Shrinking => 0.9,
        Shape::Sawtooth => 0.85,
        Shape::Plateau => 0.8,
        Shape::Step => 0.7,
        Shape::Steady | Shape::Slowing | Shape::Noisy => 0.0,
    };
    let window = facts.window.as_secs_f64();
    if sure == 0.0 || held.samples < 4 {
        let needed = look_for(facts, held).as_secs_f64();
        return Found { kind: VerdictKind::Inconclusive, confidence: window / needed, slope: None };
    }
    let confidence = sure * enough(held.samples) * window / (window + 2.0);
    Found { kind: VerdictKind::Stable, confidence, slope: None }
}

/// How long to look next time: as long as it takes the slope to stand out, rounded up to what one types.
pub(super) fn look_for(facts: &Facts, held: &Trend) -> Duration {
    let wanted = held.settles_after.max(facts.window.saturating_mul(3)).as_secs();
    let steps = [30, 60, 120, 300, 600, 1800, 3600, 7200];
    Duration::from_secs(steps.into_iter().find(|&step| step >= wanted).unwrap_or(7200))
}

/// The part of a growth that nothing points to, where the heap was walked for it.
pub(super) fn lost_share(heap: &HeapFacts, grown: i64) -> Option<f64> {
    let lost = heap.unreachable_growth?;
    (grown > 0).then(|| (lost as f64 / grown as f64).clamp(0.0, 1.0))
}

fn is_fragmented(heap: &HeapFacts) -> bool {
    heap.in_use + heap.free >= BIG_HEAP && free_share(heap) >= 0.5
}

pub(super) fn free_share(heap: &HeapFacts) -> f64 {
    heap.free.share_of(heap.in_use + heap.free)
}

fn tightness(slope: Slope) -> f64 {
    0.5 + 0.5 * (slope.low.0 / slope.rate.0.max(f64::MIN_POSITIVE)).clamp(0.0, 1.0)
}

fn enough(samples: usize) -> f64 {
    samples as f64 / (samples as f64 + 2.0)
}

/// What a healthy process may touch for the first time while one looks.
fn beyond_warming(grown: i64) -> f64 {
    let grown = grown.max(0) as f64;
    grown / (grown + 256.0 * 1024.0)
}

fn steady(trend: &Trend) -> f64 {
    tightness(trend.slope) * enough(trend.samples) * beyond_warming(trend.change())
}

fn counted(trend: &CountTrend) -> f64 {
    let ratio = trend.low_per_second / trend.per_second.max(f64::MIN_POSITIVE);
    (0.5 + 0.5 * ratio.clamp(0.0, 1.0)) * enough(trend.samples)
}

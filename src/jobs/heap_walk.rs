//! The heap within `inspect`: walked when the watch begins, where that is cheap, and when it ends; what of the growth is
//! lost, and in which groups.

use std::time::{Duration, Instant};

use super::copying::wish;
use super::heap::{copy, present, walk_copy};
use super::{Context, Inspect, MethodChoice};
use crate::error::{ErrorKind, Result};
use crate::explain::HeapFacts;
use crate::heap::{HeapGroup, HeapOptions, HeapResult};
use crate::memory::Wish;
use crate::report::{self, redact};
use crate::scan::{GroupKind, ScanResult};
use crate::target::Target;
use crate::units::ByteCount;

/// A heap is walked twice where copying it stops the target for no longer than this.
const CHEAP: Duration = Duration::from_millis(150);
/// And is no larger than this: a walk of it takes a second, before the watch has begun.
const TWICE: ByteCount = ByteCount::mib(384);
/// And once, at the end, up to this.
const BEARABLE: Duration = Duration::from_millis(400);
/// Groups described: enough to say what is lost.
const DESCRIBED: usize = 12;
/// The part of a group's growth that makes it a lost one.
const MOSTLY: f64 = 0.5;

/// One walk and when it was.
pub struct Walk {
    at: Instant,
    found: HeapResult,
    pause: Duration,
}

/// Walks when the watch begins; `None` where that would disturb, or there is nothing to walk.
///
/// # Errors
/// The target ended, or a person interrupted.
pub fn first(target: &Target, request: &Inspect, context: &Context) -> Result<Option<Walk>> {
    if present(target)? > TWICE {
        return Ok(None);
    }
    take(target, request, context, CHEAP, None, &HeapOptions { described: 0, inside: false, ..HeapOptions::default() })
}

/// Walks at the end.
///
/// # Errors
/// As `first`.
pub fn last(target: &Target, request: &Inspect, context: &Context, first: Option<&Walk>) -> Result<Option<Walk>> {
    let options = HeapOptions { described: DESCRIBED, inside: false, ..HeapOptions::default() };
    take(target, request, context, BEARABLE, first.map(|first| &first.found), &options)
}

fn take(
    target: &Target,
    request: &Inspect,
    context: &Context,
    limit: Duration,
    before: Option<&HeapResult>,
    options: &HeapOptions,
) -> Result<Option<Walk>> {
    if request.method == MethodChoice::Live || target.identity().is_32bit {
        return Ok(None);
    }
    let limit = request.max_pause.map_or(limit, |most| most.min(limit));
    match walk(target, request, context, limit, before, options) {
        Ok(walk) => Ok(walk.found.account.is_some().then_some(walk)),
        Err(error) if matches!(error.kind(), ErrorKind::Gone | ErrorKind::Interrupted) => Err(error),
        // The rest of the answer stands without it.
        Err(_) => Ok(None),
    }
}

fn walk(
    target: &Target,
    request: &Inspect,
    context: &Context,
    limit: Duration,
    before: Option<&HeapResult>,
    options: &HeapOptions,
) -> Result<Walk> {
    // What was typed for the content may not do for a heap: a child has no registers.
    let wish = Wish { max_pause: Some(limit), ..wish(MethodChoice::Auto, None) };
    let (copied, _) = copy(target, wish, request.include_swapped, None, context)?;
    let (at, pause) = (copied.at, copied.pause);
    let found = walk_copy(target, &copied, before, options, context)?;
    Ok(Walk { at, found, pause })
}

impl Walk {
    /// The longest the target stood still for it.
    pub fn pause(&self) -> Duration {
        self.pause
    }

    /// What the judgement needs, its growth brought to a watch of `window`.
    pub fn facts(&self, first: Option<&Walk>, window: Duration, redact: bool) -> Option<HeapFacts> {
        let totals = self.found.account.as_ref()?.totals;
        let between =
            first.map(|first| self.at.duration_since(first.at).as_secs_f64()).filter(|seconds| *seconds > 0.0);
        let scaled = |bytes: i64| between.map(|seconds| (bytes as f64 * window.as_secs_f64() / seconds) as i64);
        let before = first.and_then(|first| Some((first.found.account.as_ref()?.totals, first.found.reach?)));
        let lost = self.found.reach?.lost.bytes;
        Some(HeapFacts {
            in_use: totals.in_use.bytes,
            free: totals.free().bytes + totals.top.bytes,
            in_use_growth: before
                .and_then(|(totals_before, _)| scaled(totals.in_use.bytes.signed_sub(totals_before.in_use.bytes))),
            unreachable: Some(lost),
            unreachable_growth: before.and_then(|(_, reach)| scaled(lost.signed_sub(reach.lost.bytes))),
            lost_in: self.lost_groups().next().map(|group| words(group, redact)),
        })
    }

    /// The groups that lose memory, most first.
    fn lost_groups(&self) -> impl Iterator<Item = &HeapGroup> {
        let more = |group: &HeapGroup| group.lost_before.map_or(0, |before| group.lost.bytes.signed_sub(before.bytes));
        let mut groups: Vec<&HeapGroup> = self.found.groups.iter().filter(|group| more(group) > 0).collect();
        groups.sort_by_key(|group| std::cmp::Reverse(more(group)));
        groups.into_iter().take(DESCRIBED)
    }

    /// Puts the content that is lost before the content that merely grows.
    pub fn rank(&self, content: &mut ScanResult) {
        let lost: Vec<String> =
            self.lost_groups().filter(|group| mostly_lost(group)).map(|group| group.label.to_string()).collect();
        content.groups.sort_by_key(|group| {
            let grows = group.growth_bytes().is_some_and(|bytes| bytes > 0);
            !(grows && lost.contains(&group.label.to_string()))
        });
    }

    /// For the document.
    pub fn summary(&self) -> Option<report::HeapSummary> {
        let totals = self.found.account.as_ref()?.totals;
        let reach = self.found.reach?;
        Some(report::HeapSummary {
            allocator: self.found.allocator.as_ref().map(|allocator| allocator.name.clone()),
            exact: self.found.is_exact(),
            in_use_bytes: totals.in_use.bytes,
            in_use_chunks: totals.in_use.count,
            free_bytes: totals.free().bytes,
            top_bytes: totals.top.bytes,
            unreachable_bytes: reach.lost.bytes,
            unreachable_chunks: reach.lost.count,
            probably_unreachable_bytes: reach.doubtful.bytes,
            probably_unreachable_chunks: reach.doubtful.count,
        })
    }
}

/// Whether most of what a group gained is lost.
fn mostly_lost(group: &HeapGroup) -> bool {
    let Some((before, lost_before)) = group.before.zip(group.lost_before) else { return false };
    let more = group.now.count.saturating_sub(before.count);
    let lost = group.lost.count.saturating_sub(lost_before.count);
    more > 0 && lost as f64 / more as f64 >= MOSTLY
}

fn words(group: &HeapGroup, redact: bool) -> String {
    const LONGEST: usize = 160;
    let kind = group.text_kind.filter(|_| redact);
    let label = kind.map_or_else(|| group.label.clone(), |kind| redact::label(kind, &group.label));
    let mut text: String = label.to_string().chars().take(LONGEST).collect();
    let what = match group.text_kind {
        Some(GroupKind::Json) => "records",
        Some(_) => "text",
        None => "",
    };
    if what.is_empty() && group.size > ByteCount::ZERO {
        text = format!("chunks of {} ({text})", group.size);
    } else {
        text = format!("{text} {what}");
    }
    text
}

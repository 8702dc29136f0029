//! `inspect`: watches for a while, compares what fills the suspect at the start and at the end, and judges.

use std::path::Path;
use std::thread;
use std::time::Duration;

use super::copying::{How, check_interrupted, scan_options, take, take_live};
use super::heap_walk::{self, Walk};
use super::observe::Observation;
use super::scope::{Scope, held, sample};
use super::subject::{hint_at_worker, open_one, spans_of};
use super::{Context, Inspect, MethodChoice, Part, allocations, storing};
use crate::elf::Symbols;
use crate::error::{Error, ErrorKind, Result};
use crate::explain::{self, Facts, HeapFacts, Notice, TimeToLimit, Worker};
use crate::growth::{Choice, RegionGrowth, Series, choose, region_growth};
use crate::progress::Silent;
use crate::report::{self, Content, Document, LimitRow, RegionRow, Snapshot, Suspect, TargetRow};
use crate::scan::{ScanResult, Scanner};
use crate::space::AddressMap;
use crate::space::spans::{joined, outside};
use crate::target::{Limit, LimitKind, Role, Target, fattest_worker_of};
use crate::units::{ByteCount, Span};

/// Groups shown and written; the rest is counted.
const GROUPS: usize = 50;
/// The part of the window that chooses what is scanned first, and its bound.
const WARM_UP_PART: u32 = 6;
const LONGEST_WARM_UP: Duration = Duration::from_millis(1500);
/// Samples in a window where no interval was typed, and the bounds of that interval.
const SAMPLES: u32 = 40;
const SHORTEST_INTERVAL: Duration = Duration::from_millis(50);
const LONGEST_INTERVAL: Duration = Duration::from_secs(1);

/// Examines one process.
///
/// # Errors
/// No such process, it ended, may not be examined, or a person interrupted.
pub fn run(request: &Inspect, context: &Context) -> Result<Vec<Document>> {
    let target = open_one(&request.selector, context)?;
    hint_at_worker(&target, context);
    let answer = examine(&target, request, context)?;
    Ok(vec![Document::Inspect(Box::new(answer))])
}

/// All that `inspect` does to a process that is open already.
///
/// # Errors
/// As `run`.
pub fn examine(target: &Target, request: &Inspect, context: &Context) -> Result<report::Inspect> {
    target.access().require_memory_read(target)?;
    if let Some(folder) = &request.dump_dir {
        storing::check_folder(folder)?;
    }
    let mut notices = Vec::new();
    let heap_before = heap_walk::first(target, request, context)?;
    let mut seen = Observation::begin(target, interval(request))?;
    let start = seen.map();
    let open = |mapping: &_| target.mapped_file(mapping);
    let names = Symbols::load(&start, &open);
    let mut scanner = Scanner::new(&start, Some(&names), scan_options(context));
    let watching = || watch(target, request, &mut seen, &mut scanner, context);
    let (first, allocations) = allocations::beside(target, watching)?;
    notices.extend(allocations.notices());
    let map = seen.map();
    let growth = region_growth(&seen.looks);
    let choice = suspect(request.part, &map, &growth, target)?;
    let all = wanted(request.part, first.scope, &map, choice.as_ref());
    let spans = first.again(&all);
    let there = held(&map, &all);
    if spans != all && there > ByteCount::ZERO {
        let scanned = ByteCount(spans.iter().map(|span| span.size().0).sum::<u64>().min(there.0));
        notices.push(Notice::PartialScan { scanned, of: there });
    }
    scanner.begin_second();
    let between = Some(last_look(&seen).saturating_sub(first.at));
    let mut snapshot = None;
    let mut content = None;
    if !spans.is_empty() {
        let how =
            How { method: request.method, max_pause: request.max_pause, include_swapped: request.include_swapped };
        let taken = take(target, &map, &spans, how, &mut scanner, context)?;
        notices.extend(taken.notices);
        snapshot = Some(taken.snapshot);
        content = Some(scanner.finish());
    }
    let heap = heap_walk::last(target, request, context, heap_before.as_ref())?;
    if let (Some(folder), Some(snapshot)) = (&request.dump_dir, &mut snapshot) {
        let suspect = choice.as_ref().and_then(|choice| map.regions.get(choice.region));
        let suspect = suspect.map(|region| region.parts.clone()).unwrap_or_default();
        keep(target, folder, &suspect, snapshot, context)?;
    }
    let heaps = (heap_before, heap);
    let findings = Findings {
        target,
        request,
        seen,
        map,
        growth,
        choice,
        content,
        between,
        snapshot,
        allocations,
        notices,
        heaps,
    };
    Ok(findings.answer(context))
}

/// What the first scan looked at, and when.
struct FirstScan {
    at: Duration,
    scope: Scope,
    /// All that was to be looked at, and the part of it that was.
    asked: Vec<Span>,
    scanned: Vec<Span>,
}

impl FirstScan {
    /// What to look at the second time of `all`: the same, and whatever is new.
    fn again(&self, all: &[Span]) -> Vec<Span> {
        if self.asked == self.scanned {
            return all.to_vec();
        }
        let new = all.iter().flat_map(|span| outside(&self.asked, *span));
        joined(self.scanned.iter().copied().chain(new).collect())
    }
}

fn interval(request: &Inspect) -> Duration {
    let usual = (request.window / SAMPLES).clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL);
    request.interval.unwrap_or(usual).min(request.window)
}

/// Samples for the whole window; meanwhile scans what seems to grow, live, for comparison at the end.
fn watch(
    target: &Target,
    request: &Inspect,
    seen: &mut Observation<'_>,
    scanner: &mut Scanner<'_>,
    context: &Context,
) -> Result<FirstScan> {
    let window = request.window;
    let stopped = || context.progress.interrupted();
    let tick = |passed: Duration| context.progress.advance(ByteCount(passed.as_millis() as u64));
    context.progress.begin_wait(&format!("watching {}", target.subject()), window);
    let warm_up = (window / WARM_UP_PART).min(LONGEST_WARM_UP);
    seen.run_until(warm_up, &stopped, &tick)?;
    let map = seen.map();
    let choice = choose(&map.regions, &region_growth(&seen.looks));
    let scope = Scope::of(&map);
    let asked = wanted(request.part, scope, &map, choice.as_ref());
    let scanned = sample(&asked, held(&map, &asked));
    let first = FirstScan { at: last_look(seen), scope, asked, scanned };
    let quiet = Context { progress: &Silent, ..*context };
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            seen.run_until(window, &stopped, &tick)?;
            Ok::<Duration, Error>(seen.elapsed())
        });
        let scanned = take_live(target, &map, &first.scanned, scanner, &quiet);
        let watched = watcher.join().unwrap_or_else(|_| Err(broken(target)));
        watched.and(scanned)
    })?;
    check_interrupted(context)?;
    context.progress.end();
    seen.end()?;
    Ok(first)
}

/// When the address space was last looked at. What grew after that lies outside of the spans that look gave, however
/// long their scan takes.
fn last_look(seen: &Observation<'_>) -> Duration {
    seen.looks.last().map_or(Duration::ZERO, |look| look.at)
}

fn broken(target: &Target) -> Error {
    Error::new(ErrorKind::Failed, "cannot watch", target.subject(), "the watching thread failed")
}

/// The suspect: what was typed, else what the growth says.
fn suspect(part: Part, map: &AddressMap, growth: &[RegionGrowth], target: &Target) -> Result<Option<Choice>> {
    if part == Part::Suspect {
        return Ok(choose(&map.regions, growth));
    }
    let spans = spans_of(part, map, &target.subject())?;
    let asked = |region: &crate::space::Region| spans.iter().any(|span| region.overlaps(*span));
    let region = map.regions.iter().position(asked);
    Ok(region.map(|region| Choice { region, reason: crate::growth::Reason::Asked, runners_up: Vec::new() }))
}

/// The spans to look into.
fn wanted(part: Part, scope: Scope, map: &AddressMap, choice: Option<&Choice>) -> Vec<Span> {
    match part {
        Part::Suspect => scope.spans(map, choice),
        part => spans_of(part, map, "").unwrap_or_default(),
    }
}

fn keep(target: &Target, folder: &Path, spans: &[Span], snapshot: &mut Snapshot, context: &Context) -> Result<()> {
    let Some(largest) = spans.iter().max_by_key(|span| span.size()) else { return Ok(()) };
    let kept = storing::keep(target, folder, *largest, context)?;
    snapshot.path = Some(kept.display().to_string());
    Ok(())
}

/// All that was found, before it is told.
struct Findings<'a> {
    target: &'a Target,
    request: &'a Inspect,
    seen: Observation<'a>,
    map: AddressMap,
    growth: Vec<RegionGrowth>,
    choice: Option<Choice>,
    content: Option<ScanResult>,
    /// Between the two scans of content, where there were two.
    between: Option<Duration>,
    snapshot: Option<Snapshot>,
    allocations: allocations::Seen,
    notices: Vec<Notice>,
    /// Its heap when the watch began and when it ended.
    heaps: (Option<Walk>, Option<Walk>),
}

impl Findings<'_> {
    fn answer(mut self, context: &Context) -> report::Inspect {
        let limits = self.target.limits();
        let limit = limits.as_ref().ok().and_then(|limits| limits.first().cloned());
        let series = Series::new(std::mem::take(&mut self.seen.samples));
        if context.redact {
            self.content.iter_mut().for_each(report::redact::scan_result);
        }
        if let (Some(walk), Some(content)) = (&self.heaps.1, &mut self.content) {
            walk.rank(content);
        }
        let facts = self.facts(&series, limit.as_ref(), context.redact);
        let (verdict, cautions) = (explain::judge(&facts), explain::notices(&facts));
        let findings = explain::findings(&facts);
        self.notices.extend(cautions);
        if self.target.identity().is_32bit {
            self.notices.push(Notice::ThirtyTwoBit);
        }
        // The longest of all stops.
        let stood = [&self.heaps.0, &self.heaps.1].into_iter().flatten().map(Walk::pause).max();
        if let Some((snapshot, stood)) = self.snapshot.as_mut().zip(stood) {
            snapshot.pause_ms = snapshot.pause_ms.map(|pause| pause.max(stood.as_secs_f64() * 1000.0));
        }
        let watched = series.window().as_secs_f64();
        let seconds = self.between.map(|between| between.as_secs_f64());
        report::Inspect {
            target: TargetRow::from(self.target.identity()),
            limits: limit.map(|limit| limit_row(&limit, verdict.time_to_limit)),
            growth: Some(growth_row(&series, watched)),
            regions: self.region_rows(),
            suspect: self
                .choice
                .as_ref()
                .map(|choice| Suspect { region: choice.region, reason: choice.reason.to_string() }),
            snapshot: self.snapshot.take(),
            content: self.content.as_ref().map(|scan| Content::from_scan(scan, seconds).top(GROUPS)),
            allocations: self.allocations.rows(),
            heap: self.heaps.1.as_ref().and_then(Walk::summary),
            verdict: Some(report::Verdict {
                kind: verdict.kind.to_string(),
                confidence: verdict.confidence,
                summary: verdict.summary,
                next: verdict.next,
            }),
            findings,
            warnings: self.notices.iter().map(ToString::to_string).collect(),
        }
    }

    fn facts<'f>(&'f self, series: &'f Series, limit: Option<&Limit>, redact: bool) -> Facts<'f> {
        let identity = self.target.identity();
        Facts {
            name: &identity.name,
            pid: identity.pid,
            role: identity.role.as_ref().map(ToString::to_string),
            series,
            regions: &self.map.regions,
            growth: &self.growth,
            choice: self.choice.as_ref(),
            content: self.content.as_ref(),
            limit: limit.map(|limit| (limit_words(limit), limit.limit, limit.usage)),
            window: self.request.window,
            between: self.between,
            heap: self.heap_facts(redact),
            allocator: self.allocations.allocator(),
            worker: self.worker(),
        }
    }

    fn heap_facts(&self, redact: bool) -> Option<HeapFacts> {
        let (first, last) = (self.heaps.0.as_ref(), self.heaps.1.as_ref());
        last.and_then(|last| last.facts(first, self.request.window, redact))
    }

    fn worker(&self) -> Option<Worker> {
        if self.target.identity().role != Some(Role::Master) {
            return None;
        }
        fattest_worker_of(self.target).map(|worker| Worker { pid: worker.pid, name: worker.name, rss: None })
    }

    fn region_rows(&self) -> Vec<RegionRow> {
        let rate = |index: usize| {
            let growth = self.growth.iter().find(|growth| growth.region == index)?;
            Some(growth.slope.rate)
        };
        let rows = self.map.regions.iter().enumerate();
        rows.map(|(index, region)| RegionRow::measured(region, rate(index))).collect()
    }
}

fn growth_row(series: &Series, seconds: f64) -> report::Growth {
    let held = series.held();
    let rss = series.rss();
    report::Growth {
        seconds,
        samples: series.samples().len() as u64,
        rss_start_bytes: Some(rss.first),
        rss_end_bytes: Some(rss.last),
        bytes_per_second: Some(held.slope.rate),
        low_bytes_per_second: Some(held.slope.low),
        high_bytes_per_second: Some(held.slope.high),
        series: series.samples().iter().map(|sample| sample.rss).collect(),
    }
}

/// What a sentence calls a limit.
fn limit_words(limit: &Limit) -> String {
    match limit.kind {
        LimitKind::Cgroup => "cgroup limit".to_string(),
        LimitKind::Rlimit => format!("{} limit", limit.source),
        LimitKind::System => "machine memory".to_string(),
    }
}

fn limit_row(limit: &Limit, left: Option<TimeToLimit>) -> LimitRow {
    LimitRow {
        kind: limit.kind.to_string(),
        source: Some(limit.source.clone()),
        limit_bytes: Some(limit.limit),
        usage_bytes: Some(limit.usage),
        seconds_to_limit: left.map(|left| left.expected.as_secs_f64()),
    }
}

/// The request of somebody who typed no more than a pid.
pub fn plain(selector: super::Selector, window: Duration) -> Inspect {
    Inspect {
        selector,
        window,
        interval: None,
        method: MethodChoice::Auto,
        max_pause: None,
        part: Part::Suspect,
        dump_dir: None,
        include_swapped: false,
    }
}

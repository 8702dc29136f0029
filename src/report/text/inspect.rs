//! The main answer on one screen: the judgement first, then what it rests on, then what to do.

use super::line::{Line, Paint};
use super::page::Page;
use super::table::{Align, Table};
use super::{bar, content, number, target, trace};
use crate::report::{Growth, HeapSummary, Inspect, LimitRow, RegionRow, Snapshot, Verdict};
use crate::units::{ByteCount, Rate};

/// Regions shown; `map` shows all.
const REGIONS: usize = 6;
/// Groups shown; `scan` shows more, `--json` all.
const GROUPS: usize = 6;
/// Stacks shown; `trace` shows more.
const STACKS: usize = 2;
/// Groups whose samples are shown.
const SAMPLED: usize = 1;
/// Pages narrower than this lose the columns that matter least.
const NARROW: usize = 92;
/// Growth below this part of what is resident draws a flat line.
const NOISE: f64 = 0.01;

/// Writes all of it.
pub fn write(inspect: &Inspect, page: &mut Page) {
    if let Some(verdict) = &inspect.verdict {
        write_verdict(verdict, page);
        page.blank();
    }
    target::write(&inspect.target, page);
    if let Some(growth) = &inspect.growth {
        write_growth(growth, page);
    }
    if let Some(limit) = &inspect.limits {
        write_limit(limit, page);
    }
    if let Some(heap) = &inspect.heap {
        write_heap(heap, page);
    }
    if !inspect.regions.is_empty() {
        page.blank();
        write_regions(inspect, page);
    }
    if let Some(found) = &inspect.content {
        page.blank();
        let suspect = inspect.suspect.as_ref().and_then(|suspect| inspect.regions.get(suspect.region));
        let alone = |region: &RegionRow| region.rss_bytes.is_none_or(|resident| found.scanned_bytes <= resident);
        let place = suspect.map(|region| match alone(region) {
            true => format!("the {}", region.kind),
            false => "all private memory".to_string(),
        });
        content::write(found, place.as_deref(), (GROUPS, SAMPLED), page);
    }
    if let Some(allocations) = inspect.allocations.as_ref().filter(|found| found.bytes > ByteCount::ZERO) {
        page.blank();
        trace::write_stacks(allocations, STACKS, page);
    }
    if let Some(snapshot) = &inspect.snapshot {
        page.blank();
        write_snapshot(snapshot, page);
    }
    if let Some(verdict) = inspect.verdict.as_ref().filter(|verdict| !verdict.next.is_empty()) {
        page.blank();
        page.begin_field("next");
        for step in &verdict.next {
            page.field_line(Line::of(Paint::Good, step));
        }
    }
}

fn write_verdict(verdict: &Verdict, page: &mut Page) {
    let paint = match verdict.kind.as_str() {
        _ if verdict.accuses() => Paint::Bad,
        "stable" => Paint::Good,
        _ => Paint::Warn,
    };
    let lead = Line::of(paint, verdict.kind.to_uppercase()).put(Paint::Plain, "  ");
    let sure = format!("  ({} sure)", number::percent(verdict.confidence));
    page.paragraph(lead, Line::of(Paint::Strong, &verdict.summary).put(Paint::Dim, sure));
}

fn write_growth(growth: &Growth, page: &mut Page) {
    page.begin_field("growth");
    let values: Vec<f64> = growth.series.iter().map(|bytes| bytes.0 as f64).collect();
    let curve = bar::sparkline(&values, 20, NOISE, page.style);
    let gap = if curve.is_empty() { "" } else { "  " };
    let mut rate = Line::of(Paint::Shape, curve).put(Paint::Plain, gap);
    rate.push(Paint::Strong, &number::rate(growth.bytes_per_second));
    if let Some((low, high)) = growth.low_bytes_per_second.zip(growth.high_bytes_per_second) {
        rate.push(Paint::Dim, &format!(" ({})", number::interval(low, high)));
    }
    let arrow = page.sign(" → ", " -> ");
    let (start, end) = (number::bytes(growth.rss_start_bytes), number::bytes(growth.rss_end_bytes));
    let resident = format!("RSS {start}{arrow}{end} in {}", number::duration(growth.seconds));
    page.field_facts([rate, Line::of(Paint::Plain, resident)], page.dot());
}

fn write_limit(limit: &LimitRow, page: &mut Page) {
    page.begin_field("limit");
    let (usage, most) = (number::bytes(limit.usage_bytes), number::bytes(limit.limit_bytes));
    let gauge = limit.usage_bytes.zip(limit.limit_bytes).map(|(usage, most)| {
        let share = usage.share_of(most);
        let paint = match share {
            _ if share >= 0.9 => Paint::Bad,
            _ if share >= 0.7 => Paint::Warn,
            _ => Paint::Good,
        };
        bar::gauge(share, 20, paint, page.style).put(Paint::Plain, format!("  {}", number::percent(share)))
    });
    let left = limit.seconds_to_limit.map(|seconds| {
        let paint = if seconds < 3600.0 { Paint::Bad } else { Paint::Warn };
        Line::of(paint, format!("full in {}", number::duration(seconds)))
    });
    let amount = Line::of(Paint::Plain, format!("{usage} of {most}"));
    let facts = [gauge, Some(amount), left, Some(Line::of(Paint::Dim, kind_words(limit)))];
    page.field_facts(facts.into_iter().flatten(), page.dot());
}

fn write_heap(heap: &HeapSummary, page: &mut Page) {
    page.begin_field("heap");
    let plain = |text: String| Line::of(Paint::Plain, text);
    let lost = match heap.unreachable_chunks {
        0 => Line::of(Paint::Good, "nothing lost"),
        chunks => {
            Line::of(Paint::Bad, format!("{} lost in {}", heap.unreachable_bytes, number::counted(chunks, "chunk")))
        }
    };
    let used = format!("{} in use in {}", heap.in_use_bytes, number::counted(heap.in_use_chunks, "chunk"));
    let free = plain(format!("{} free", heap.free_bytes + heap.top_bytes));
    page.field_facts([plain(used), free, lost], page.dot());
}

fn kind_words(limit: &LimitRow) -> String {
    match (limit.kind.as_str(), &limit.source) {
        ("system", _) => "machine".into(),
        (kind, Some(source)) => format!("{kind} {source}"),
        (kind, None) => kind.into(),
    }
}

fn write_regions(inspect: &Inspect, page: &mut Page) {
    let suspect = inspect.suspect.as_ref().map(|suspect| suspect.region);
    let order = shown_first(&inspect.regions, suspect);
    let whole: ByteCount = inspect.regions.iter().filter_map(|region| region.rss_bytes).sum();
    let narrow = page.style.width < NARROW;
    let mut columns =
        vec![("regions", Align::Left), ("start", Align::Left), ("resident", Align::Right), ("growth/s", Align::Right)];
    if !narrow {
        columns.insert(2, ("", Align::Left));
        columns.insert(4, ("size", Align::Right));
    }
    columns.push(("name", Align::Left));
    let mut table = Table::new(&columns);
    for &index in order.iter().take(REGIONS) {
        let region = &inspect.regions[index];
        let mut cells = region_cells(region, suspect == Some(index), page);
        if !narrow {
            let share = region.rss_bytes.unwrap_or_default().share_of(whole);
            cells.insert(2, bar::bar(share, 8, Paint::Shape, page.style));
            cells.insert(4, Line::of(Paint::Dim, region.size_bytes.to_string()));
        }
        cells.push(name_cell(region, false));
        table.row(cells);
    }
    table.write(page);
    let rest: Vec<&RegionRow> = order.iter().skip(REGIONS).map(|index| &inspect.regions[*index]).collect();
    if !rest.is_empty() {
        let resident = rest.iter().filter_map(|region| region.rss_bytes).sum::<ByteCount>();
        let text = format!("  and {} more, {resident} resident", number::count(rest.len() as u64));
        page.line(Line::of(Paint::Dim, text));
    }
    if let Some(reason) = inspect.suspect.as_ref().map(|suspect| &suspect.reason).filter(|reason| !reason.is_empty()) {
        let lead = Line::of(Paint::Warn, page.sign("▸ ", "> "));
        page.paragraph(lead, Line::of(Paint::Dim, "looked into: ").put(Paint::Plain, reason));
    }
}

/// Indices of `regions`: the suspect, then what grows most, then what is largest.
fn shown_first(regions: &[RegionRow], suspect: Option<usize>) -> Vec<usize> {
    let growth = |index: usize| {
        regions[index].growth_bytes_per_second.map_or(0.0, |Rate(rate)| if rate >= 1.0 { rate } else { 0.0 })
    };
    let mut order: Vec<usize> = (0..regions.len()).collect();
    order.sort_by(|&left, &right| {
        (suspect == Some(right))
            .cmp(&(suspect == Some(left)))
            .then(growth(right).total_cmp(&growth(left)))
            .then(regions[right].rss_bytes.cmp(&regions[left].rss_bytes))
    });
    order
}

fn region_cells(region: &RegionRow, suspect: bool, page: &Page) -> Vec<Line> {
    let (mark, paint) = if suspect { (page.sign("▸ ", "> "), Paint::Warn) } else { ("  ", Paint::Plain) };
    let grows = region.growth_bytes_per_second.is_some_and(|Rate(rate)| rate >= 1.0);
    let growth = if grows { Paint::Warn } else { Paint::Dim };
    vec![
        Line::of(paint, mark).put(paint, region.kind.to_string()),
        Line::of(Paint::Dim, region.start.to_string()),
        Line::of(Paint::Plain, number::bytes(region.rss_bytes)),
        Line::of(growth, number::rate(region.growth_bytes_per_second)),
    ]
}

/// The name, or of a path its last part, and how many mappings it stands for.
pub fn name_cell(region: &RegionRow, whole: bool) -> Line {
    let short = region.name.rsplit('/').next().filter(|part| !part.is_empty() && !whole);
    let line = Line::of(Paint::Dim, short.unwrap_or(&region.name));
    if region.mappings < 2 {
        return line;
    }
    let gap = if line.is_empty() { "" } else { " " };
    line.put(Paint::Dim, format!("{gap}({})", number::counted(region.mappings, "mapping")))
}

/// How the bytes were had, and what that cost the target.
pub fn write_snapshot(snapshot: &Snapshot, page: &mut Page) {
    page.begin_field("read");
    let pause = match snapshot.pause_ms {
        Some(0.0) => Line::of(Paint::Good, "the target was never stopped"),
        Some(ms) => Line::of(Paint::Plain, format!("the target stood still for {}", number::milliseconds(ms))),
        None => Line::of(Paint::Plain, "how long the target stood still is not known"),
    };
    let text = format!("{} ({}) in {}", snapshot.bytes, snapshot.method, number::duration(snapshot.seconds));
    let path = snapshot.path.as_ref().map(|path| Line::of(Paint::Plain, format!("kept in {path}")));
    page.field_facts([Line::of(Paint::Plain, text), pause].into_iter().chain(path), page.dot());
}

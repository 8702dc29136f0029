//! The heap as text: whether the books balance, what is handed out, free and lost, then the groups with their holders.

use super::inspect::write_snapshot;
use super::line::{Line, Paint};
use super::page::Page;
use super::table::{Align, Table};
use super::{number, target};
use crate::report::{ConsistencyRow, Heap, HeapGroupRow, WhyRow};
use crate::units::{ByteCount, Rate};

/// Groups whose samples and holders are shown, of those that have so large a share, or lose or gain memory.
const SAMPLED: usize = 8;
const WEIGHTY: f64 = 0.01;
/// Arenas listed; the rest is counted.
const ARENAS: usize = 8;
/// Classes of a census listed.
const CENSUS: usize = 20;
const BELOW: usize = 4;

/// Writes `heap`'s answer.
pub fn write(heap: &Heap, page: &mut Page) {
    if let Some(process) = &heap.target {
        target::write(process, page);
    }
    if let Some(path) = &heap.path {
        page.begin_field("file");
        page.field_line(Line::of(Paint::Strong, path));
    }
    if let Some(snapshot) = &heap.snapshot {
        write_snapshot(snapshot, page);
    }
    write_books(heap, page);
}

/// All but whose heap it is.
pub fn write_books(heap: &Heap, page: &mut Page) {
    write_allocator(heap, page);
    write_totals(heap, page);
    write_reach(heap, page);
    if let Some(why) = &heap.why {
        page.blank();
        write_why(why, page);
    }
    if !heap.groups.is_empty() {
        page.blank();
        write_groups(heap, page);
    }
    if !heap.inside.is_empty() {
        page.blank();
        write_inside(heap, page);
    }
    if !heap.census.is_empty() {
        page.blank();
        write_census(heap, page);
    }
}

fn write_allocator(heap: &Heap, page: &mut Page) {
    page.begin_field("allocator");
    let Some(allocator) = &heap.allocator else {
        return page
            .field_line(Line::of(Paint::Warn, "not known: no heap of glibc was found; objects are counted instead"));
    };
    let version = allocator.version.as_ref().map(|version| format!(" malloc ({version})")).unwrap_or_default();
    let name = Line::of(Paint::Strong, format!("{}{version}", allocator.name));
    match &heap.consistency {
        Some(consistency) => page.field_facts([name, books(consistency)], page.dot()),
        None => page.field_line(name.put(Paint::Plain, ": its heap is not walked, objects are counted instead")),
    }
}

/// `exact: the allocator's own books balance`, or what does not.
fn books(consistency: &ConsistencyRow) -> Line {
    if consistency.verdict == "exact" {
        return Line::of(Paint::Good, "exact: the allocator's own books balance");
    }
    let off = consistency.certificates.iter().filter(|one| !one.holds()).map(|one| match (one.said, one.found) {
        (Some(said), Some(found)) => {
            format!("{} {} said, {} found", one.kind, number::count(said), number::count(found))
        }
        _ => format!("{} not known", one.kind),
    });
    let skipped = match consistency.skipped_bytes {
        ByteCount::ZERO => String::new(),
        bytes => format!("; {bytes} skipped"),
    };
    Line::of(Paint::Warn, format!("not exact: {}{skipped}", off.collect::<Vec<_>>().join(", ")))
}

fn write_totals(heap: &Heap, page: &mut Page) {
    let (Some(in_use), Some(free), Some(top)) = (heap.in_use, heap.free, heap.top) else { return };
    let plain = |text: String| Line::of(Paint::Plain, text);
    page.begin_field("in use");
    let mapped = heap.mmapped.filter(|mapped| mapped.chunks > 0);
    let facts = [
        Some(Line::of(Paint::Strong, format!("{} in {}", in_use.bytes, number::counted(in_use.chunks, "chunk")))),
        mapped.map(|mapped| {
            plain(format!("{} of it in {} of their own", mapped.bytes, number::counted(mapped.chunks, "mapping")))
        }),
        Some(plain(number::counted(heap.arenas.len() as u64, "arena"))),
    ];
    page.field_facts(facts.into_iter().flatten(), page.dot());
    page.begin_field("free");
    let parts = [("bins", free.bins), ("fast bins", free.fast_bins), ("tcache", free.tcache)];
    let parts = parts.into_iter().filter(|(_, part)| part.chunks > 0);
    let parts = parts.map(|(name, part)| plain(format!("{name} {}", part.bytes)));
    let whole = Line::of(Paint::Strong, format!("{} in {}", free.bytes, number::counted(free.chunks, "chunk")));
    let top = plain(format!("{} at the top", top.bytes));
    let trim = heap.trimmable_bytes.map(|bytes| plain(format!("malloc_trim would give back {bytes}")));
    page.field_facts([whole].into_iter().chain(parts).chain([top]).chain(trim), page.dot());
    if heap.arenas.len() > 1 {
        write_arenas(heap, page);
    }
}

fn write_arenas(heap: &Heap, page: &mut Page) {
    page.begin_field("arenas");
    for arena in heap.arenas.iter().take(ARENAS) {
        let address = arena.address.map(|address| format!(" {address}")).unwrap_or_default();
        let text = format!(
            "{}{address}: {} in use, {} free, {} at the top",
            arena.kind, arena.in_use.bytes, arena.free.bytes, arena.top_bytes
        );
        page.field_line(Line::of(Paint::Plain, text));
    }
    if heap.arenas.len() > ARENAS {
        page.field_line(Line::of(Paint::Dim, format!("and {} more", heap.arenas.len() - ARENAS)));
    }
}

fn write_reach(heap: &Heap, page: &mut Page) {
    let Some(reach) = heap.reach else { return };
    page.begin_field("lost");
    if reach.unreachable.chunks + reach.probably_unreachable.chunks == 0 {
        return page.field_line(Line::of(Paint::Good, "nothing: something leads to every chunk in use"));
    }
    let sure = reach.unreachable;
    let surely = match sure.chunks {
        0 => Line::of(Paint::Good, "nothing surely"),
        chunks => {
            let text = format!("{} in {} that nothing leads to", sure.bytes, number::counted(chunks, "chunk"));
            Line::of(Paint::Bad, text)
        }
    };
    let direct = reach.unreachable_directly.chunks;
    let facts = [
        Some(surely),
        (direct < sure.chunks).then(|| {
            Line::of(
                Paint::Plain,
                format!("{} of them only by way of others lost", number::count(sure.chunks - direct)),
            )
        }),
        (reach.probably_unreachable.chunks > 0).then(|| {
            let part = reach.probably_unreachable;
            let text = format!("{} more in {} probably", part.bytes, number::counted(part.chunks, "chunk"));
            Line::of(Paint::Warn, text)
        }),
    ];
    page.field_facts(facts.into_iter().flatten(), page.dot());
}

fn write_why(why: &WhyRow, page: &mut Page) {
    page.begin_field("why");
    let reach = why.reach.map(|reach| format!(", {reach}")).unwrap_or_default();
    page.field_line(Line::of(Paint::Strong, format!("{} ({}, {}{reach})", why.address, why.size_bytes, why.state)));
    for (depth, step) in why.path.iter().enumerate() {
        let at = step.address.map(|address| format!("{address}  ")).unwrap_or_default();
        let indent = " ".repeat(2 * depth.min(20));
        page.field_line(Line::of(Paint::Plain, format!("{indent}{at}{}", step.what)));
    }
}

fn write_groups(heap: &Heap, page: &mut Page) {
    let by_time = heap.groups.iter().any(|group| group.bytes_per_second.is_some());
    let grows = by_time || heap.groups.iter().any(|group| group.growth_bytes.is_some());
    let mut columns =
        vec![("share", Align::Right), ("count", Align::Right), ("size", Align::Right), ("bytes", Align::Right)];
    if grows {
        columns.push((if by_time { "growth/s" } else { "growth" }, Align::Right));
    }
    columns.extend([("lost", Align::Right), ("probably", Align::Right), ("kind", Align::Left), ("what", Align::Left)]);
    let mut table = Table::new(&columns);
    let style = page.style;
    let mut shown = 0;
    for group in &heap.groups {
        let cells = cells(group, grows);
        let is_shown = shown < SAMPLED && matters(group);
        shown += usize::from(is_shown);
        table.row_with(cells, move |room| {
            let label = Line::of(paint(group), group.label.to_string());
            let label = if style.whole { label } else { label.fit(room.max(16), style.ellipsis()) };
            (label, if is_shown { below(group) } else { Vec::new() })
        });
    }
    table.write(page);
    if heap.omitted_groups > 0 {
        page.line(Line::of(Paint::Dim, format!("and {} more", number::count(heap.omitted_groups))));
    }
}

fn matters(group: &HeapGroupRow) -> bool {
    group.share >= WEIGHTY || group.unreachable_count > 0 || group.growth_bytes.is_some_and(|bytes| bytes > 0)
}

fn cells(group: &HeapGroupRow, grows: bool) -> Vec<Line> {
    let count = |count: u64| if count == 0 { "-".to_owned() } else { number::count(count) };
    let mut cells = vec![
        Line::of(Paint::Plain, number::percent(group.share)),
        Line::of(Paint::Plain, number::count(group.count)),
        Line::of(Paint::Dim, group.size_bytes.to_string()),
        Line::of(Paint::Plain, group.chunk_bytes.to_string()),
    ];
    if grows {
        cells.push(growth(group.growth_bytes, group.bytes_per_second));
    }
    let lost = if group.unreachable_count > 0 { Paint::Bad } else { Paint::Dim };
    cells.push(Line::of(lost, count(group.unreachable_count)));
    cells.push(Line::of(Paint::Dim, count(group.probably_unreachable_count)));
    cells.push(Line::of(Paint::Dim, group.kind));
    cells
}

fn growth(bytes: Option<i64>, rate: Option<Rate>) -> Line {
    let rising = bytes.is_some_and(|bytes| bytes > 0);
    let text = match rate {
        Some(rate) => number::rate(Some(rate)),
        None => number::difference(bytes),
    };
    Line::of(if rising { Paint::Warn } else { Paint::Dim }, text)
}

fn below(group: &HeapGroupRow) -> Vec<Line> {
    let indent = || Line::of(Paint::Plain, " ".repeat(BELOW));
    let held = group.held_by.iter().map(|holder| {
        let share = format!("held by {} ", holder.path);
        indent().put(Paint::Plain, share).put(Paint::Dim, format!("({})", number::percent(holder.share)))
    });
    let samples = group
        .samples
        .iter()
        .take(1)
        .map(|sample| indent().put(Paint::Dim, format!("{}  ", sample.address)).put(Paint::Plain, &sample.text));
    samples.chain(held).collect()
}

fn paint(group: &HeapGroupRow) -> Paint {
    match group.kind {
        "json" => Paint::Shape,
        "text" | "repeat" | "blob" => Paint::Text,
        "object" | "counted" => Paint::Pointer,
        _ => Paint::Plain,
    }
}

fn write_inside(heap: &Heap, page: &mut Page) {
    let by_time = heap.inside.iter().any(|row| row.bytes_per_second.is_some());
    let grows = by_time || heap.inside.iter().any(|row| row.growth_bytes.is_some());
    let mut columns = vec![("inside", Align::Left), ("count", Align::Right), ("bytes", Align::Right)];
    if grows {
        columns.push((if by_time { "growth/s" } else { "growth" }, Align::Right));
    }
    columns.extend([("used", Align::Right), ("what", Align::Left)]);
    let mut table = Table::new(&columns);
    for row in heap.inside.iter().take(CENSUS) {
        let used = row.used_bytes.map_or_else(|| "-".to_owned(), |used| used.to_string());
        let what = if row.text_kind.is_some() { Paint::Text } else { Paint::Pointer };
        let mut cells = vec![
            Line::of(Paint::Dim, row.owner),
            Line::of(Paint::Plain, number::count(row.count)),
            Line::of(Paint::Plain, row.bytes.to_string()),
        ];
        if grows {
            cells.push(growth(row.growth_bytes, row.bytes_per_second));
        }
        cells.extend([Line::of(Paint::Dim, used), Line::of(what, row.what.to_string())]);
        table.row(cells);
    }
    table.write(page);
    if heap.inside.len() > CENSUS {
        page.line(Line::of(Paint::Dim, format!("and {} more", heap.inside.len() - CENSUS)));
    }
}

fn write_census(heap: &Heap, page: &mut Page) {
    let mut table = Table::new(&[("objects", Align::Right), ("class", Align::Left)]);
    for row in heap.census.iter().take(CENSUS) {
        table.row(vec![Line::of(Paint::Plain, number::count(row.count)), Line::of(Paint::Pointer, &row.class)]);
    }
    table.write(page);
    if heap.census.len() > CENSUS {
        page.line(Line::of(Paint::Dim, format!("and {} more classes", heap.census.len() - CENSUS)));
    }
}

//! What fills memory: a bar of its composition and the groups, first the one that grows most.

use super::inspect::write_snapshot;
use super::line::{Line, Paint};
use super::page::Page;
use super::table::{Align, Table};
use super::{Style, bar, heap, number, target};
use crate::report::{CompositionRow, Content, Diff, GroupRow, Scan};
use crate::scan::GroupKind;
use crate::units::{ByteCount, Rate};

/// Groups whose samples `scan` and `diff` show.
const SAMPLED: usize = 3;
/// Where labels and samples below a row begin.
const BELOW: usize = 4;
/// Columns for a label beside its numbers; one that needs more goes below.
const BESIDE: usize = 24;

/// Writes `scan`'s answer.
pub fn write_scan(scan: &Scan, page: &mut Page) {
    if let Some(process) = &scan.target {
        target::write(process, page);
    }
    if let Some(path) = &scan.path {
        page.begin_field("file");
        page.field_line(Line::of(Paint::Strong, path));
    }
    if let Some(range) = scan.range {
        page.begin_field("range");
        page.field_line(Line::of(Paint::Plain, format!("{range} ({})", range.size())));
    }
    if let Some(snapshot) = &scan.snapshot {
        write_snapshot(snapshot, page);
    }
    if let Some(found) = &scan.content {
        page.blank();
        write(found, None, (usize::MAX, SAMPLED), page);
    }
}

/// Writes `diff`'s answer.
pub fn write_diff(diff: &Diff, page: &mut Page) {
    page.begin_field("before");
    page.field_line(Line::of(Paint::Strong, &diff.before));
    page.begin_field("after");
    let apart = diff.seconds.map(|seconds| format!(", {} later", number::duration(seconds))).unwrap_or_default();
    page.field_line(Line::of(Paint::Strong, &diff.after).put(Paint::Plain, apart));
    if let Some(found) = &diff.content {
        page.blank();
        write(found, None, (usize::MAX, SAMPLED), page);
    }
    if let Some(walked) = &diff.heap {
        page.blank();
        heap::write_books(walked, page);
    }
}

/// Writes `content`, of the memory `place`: so many groups, and samples of the first few.
pub fn write(content: &Content, place: Option<&str>, (limit, sampled): (usize, usize), page: &mut Page) {
    page.begin_field("content");
    let place = place.map(|place| format!(" of {place}")).unwrap_or_default();
    let mut head = Line::of(Paint::Plain, format!("{}{place} scanned", content.scanned_bytes));
    if content.sampled {
        head = head.put(Paint::Warn, ", counts are lower bounds");
    }
    page.field_line(head);
    write_composition(&content.composition, page);
    if content.groups.is_empty() {
        return page.field_line(Line::of(Paint::Dim, "nothing in it repeats"));
    }
    page.blank();
    write_groups(content, limit, sampled, page);
}

fn write_composition(composition: &CompositionRow, page: &mut Page) {
    let parts = [
        ("json", composition.json_bytes, Paint::Shape, page.sign("█", "#")),
        ("text", composition.text_bytes, Paint::Text, page.sign("▓", "=")),
        ("pointers", composition.pointer_bytes, Paint::Pointer, page.sign("▒", "*")),
        ("zero", composition.zero_bytes, Paint::Dim, page.sign("░", ".")),
        ("other", composition.other_bytes, Paint::Plain, page.sign("▚", "-")),
    ];
    let whole: ByteCount = parts.iter().map(|part| part.1).sum();
    if whole == ByteCount::ZERO {
        return;
    }
    let shares: Vec<_> = parts.iter().map(|(_, bytes, paint, mark)| (bytes.share_of(whole), *paint, *mark)).collect();
    page.field_row(bar::stacked(&shares, page.field_room().min(80)));
    let legend = parts.iter().filter(|part| part.1 > ByteCount::ZERO).map(|(name, bytes, paint, mark)| {
        let text = format!(" {name} {}", number::percent(bytes.share_of(whole)));
        Line::of(*paint, mark).put(Paint::Plain, text)
    });
    page.field_facts(legend, "   ");
}

fn write_groups(content: &Content, limit: usize, sampled: usize, page: &mut Page) {
    let growth = GrowthColumn::of(&content.groups);
    let mut columns = vec![("share", Align::Left), ("count", Align::Right), ("bytes", Align::Right)];
    columns.extend(growth.title().map(|title| (title, Align::Right)));
    columns.extend([("kind", Align::Left), ("what", Align::Left)]);
    let mut table = Table::new(&columns);
    let style = page.style;
    // On a page of many things, crumbs beside a loaf are not worth a line.
    let gained = |group: &GroupRow| group.growth_bytes.unwrap_or(0);
    let most = content.groups.iter().map(gained).max().unwrap_or(0);
    let is_crumb = |group: &GroupRow| group.share < 0.001 && gained(group) <= most / 100;
    let crumbs = limit < usize::MAX && !content.groups.iter().all(is_crumb);
    let is_shown = |group: &GroupRow| is_worth_a_row(group) && !(crumbs && is_crumb(group));
    let shown = content.groups.iter().enumerate().filter(|(_, group)| is_shown(group)).take(limit);
    let mut rows = 0;
    for (index, group) in shown {
        rows += 1;
        let numbers = number_cells(group, &growth, page);
        table.row_with(numbers, move |room| name_and_samples(group, index < sampled, room, style));
    }
    table.write(page);
    let hidden = content.groups.len().saturating_sub(rows) as u64 + content.omitted_groups;
    if hidden > 0 {
        page.line(Line::of(Paint::Dim, format!("and {} more", number::count(hidden))));
    }
}

/// One string that fills next to nothing is no group to a person.
fn is_worth_a_row(group: &GroupRow) -> bool {
    group.count > 1 || group.share >= 0.01 || group.growth_bytes.is_some_and(|growth| growth.unsigned_abs() >= 4096)
}

fn number_cells(group: &GroupRow, growth: &GrowthColumn, page: &Page) -> Vec<Line> {
    let share = bar::bar(group.share, 6, paint(group.kind), page.style)
        .put(Paint::Plain, format!(" {:>6}", number::percent(group.share)));
    let mut cells = vec![
        share,
        Line::of(Paint::Plain, number::count(group.count)),
        Line::of(Paint::Plain, group.bytes.to_string()),
    ];
    cells.extend(growth.cell(group));
    cells.push(Line::of(Paint::Dim, group.kind.to_string()));
    cells
}

/// The label beside the numbers, or nothing there and all of it below; then the samples.
fn name_and_samples(group: &GroupRow, sampled: bool, room: usize, style: &Style) -> (Line, Vec<Line>) {
    let label = Line::of(paint(group.kind), group.title());
    let below = style.width.saturating_sub(BELOW).max(BESIDE);
    let mut under = Vec::new();
    let beside = if style.whole || label.width() <= room.max(BESIDE) {
        label
    } else if sampled {
        under.extend(label.wrap(below, below));
        Line::new()
    } else {
        label.fit(room.max(BESIDE), style.ellipsis())
    };
    if sampled {
        under.extend(
            group
                .samples
                .iter()
                .map(|sample| Line::of(Paint::Dim, format!("{}  ", sample.address)).put(Paint::Plain, &sample.text)),
        );
    }
    let indent = Line::of(Paint::Plain, " ".repeat(BELOW));
    (beside, under.into_iter().map(|line| indent.clone().append(line)).collect())
}

fn paint(kind: GroupKind) -> Paint {
    match kind {
        GroupKind::Json => Paint::Shape,
        GroupKind::Object => Paint::Pointer,
        GroupKind::Text | GroupKind::Blob | GroupKind::Repeat => Paint::Text,
    }
}

/// What the column of growth can say.
enum GrowthColumn {
    PerSecond,
    Difference,
    Nothing,
}

impl GrowthColumn {
    fn of(groups: &[GroupRow]) -> GrowthColumn {
        if groups.iter().any(|group| group.bytes_per_second.is_some()) {
            return GrowthColumn::PerSecond;
        }
        match groups.iter().any(|group| group.growth_bytes.is_some()) {
            true => GrowthColumn::Difference,
            false => GrowthColumn::Nothing,
        }
    }

    fn title(&self) -> Option<&'static str> {
        match self {
            GrowthColumn::PerSecond => Some("growth/s"),
            GrowthColumn::Difference => Some("growth"),
            GrowthColumn::Nothing => None,
        }
    }

    fn cell(&self, group: &GroupRow) -> Option<Line> {
        let text = match self {
            GrowthColumn::PerSecond => number::rate(group.bytes_per_second),
            GrowthColumn::Difference => number::difference(group.growth_bytes),
            GrowthColumn::Nothing => return None,
        };
        let grows = group.growth_bytes.is_some_and(|bytes| bytes > 0)
            || group.bytes_per_second.is_some_and(|Rate(rate)| rate > 0.0);
        Some(Line::of(if grows { Paint::Warn } else { Paint::Dim }, text))
    }
}

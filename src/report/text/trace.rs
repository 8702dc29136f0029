//! Who grows a process: one row a stack with the function that wanted the memory, the way to it below.

use super::line::{Line, Paint};
use super::page::Page;
use super::table::{Align, Table};
use super::{number, target};
use crate::report::{Allocations, CallRow, EventRow, FrameRow, StackRow, Trace};
use crate::units::ByteCount;

/// Stacks shown; JSON and the files have all.
const STACKS: usize = 10;
/// Callers shown below a stack.
const CALLERS: usize = 6;
/// Events shown; JSON has all.
const EVENTS: usize = 200;

/// Writes all of it.
pub fn write(trace: &Trace, page: &mut Page) {
    target::write(&trace.target, page);
    page.begin_field("growth");
    let growth = match trace.growth_bytes {
        Some(growth) => format!("{} in {}", number::difference(Some(growth)), number::duration(trace.seconds)),
        None => format!("it ended after {}", number::duration(trace.seconds)),
    };
    let seen = format!("by {} ({})", trace.method, number::counted(trace.allocations.events, "event"));
    page.field_facts([Line::of(Paint::Strong, growth), Line::of(Paint::Dim, seen)], page.dot());
    page.begin_field("method");
    page.field_line(Line::of(Paint::Dim, &trace.method_note));
    if trace.allocations.bytes == ByteCount::ZERO {
        page.blank();
        page.line(Line::of(Paint::Good, "no stack was seen to grow it"));
    } else {
        page.blank();
        write_stacks(&trace.allocations, STACKS, page);
    }
    if !trace.calls.is_empty() {
        page.blank();
        write_calls(&trace.calls, page);
    }
    if let Some(events) = trace.events.as_ref().filter(|events| !events.is_empty()) {
        page.blank();
        write_events(events, page);
    }
    if !trace.files.is_empty() {
        page.blank();
        page.begin_field("written");
        trace.files.iter().for_each(|file| page.field_line(Line::of(Paint::Plain, file)));
    }
}

/// Writes the first `limit` stacks.
pub fn write_stacks(allocations: &Allocations, limit: usize, page: &mut Page) {
    let mut stacks = by_culprit(&allocations.stacks);
    stacks.retain(|stack| stack.bytes > ByteCount::ZERO);
    let right = |title| (title, Align::Right);
    let mut table = Table::new(&[right("bytes"), right("share"), right("events"), ("allocated by", Align::Left)]);
    let arrow = page.sign("  ← ", "  <- ");
    for stack in stacks.iter().take(limit) {
        table.row_with(numbers(stack.bytes, stack.share, Some(stack.events)), move |_| {
            let culprit = stack.culprit.and_then(|index| stack.frames.get(index));
            (culprit.map(named).unwrap_or_default(), vec![way(stack, arrow)])
        });
    }
    let rest = stacks.get(limit..).unwrap_or_default();
    let more = rest.len() as u64 + allocations.omitted_stacks;
    if more > 0 {
        let bytes = allocations.bytes.saturating_sub(stacks.iter().take(limit).map(|stack| stack.bytes).sum());
        let share = bytes.share_of(allocations.bytes + allocations.unseen_bytes);
        let text = format!("{} more", number::count(more));
        table.row([numbers(bytes, share, None), vec![Line::of(Paint::Dim, text)]].concat());
    }
    if allocations.unseen_bytes > ByteCount::ZERO {
        let cells = numbers(allocations.unseen_bytes, allocations.unseen_share(), None);
        table.row([cells, vec![Line::of(Paint::Dim, "(growth that no event was seen of)")]].concat());
    }
    table.write(page);
}

/// Stacks that differ on the way from the culprit to memory only, as one.
fn by_culprit(stacks: &[StackRow]) -> Vec<StackRow> {
    let outer = |stack: &StackRow| -> Vec<String> {
        stack.frames.iter().skip(stack.culprit.unwrap_or(0)).map(|frame| frame.name.clone()).collect()
    };
    let mut merged: Vec<(Vec<String>, StackRow)> = Vec::new();
    for stack in stacks {
        let key = outer(stack);
        match merged.iter_mut().find(|(known, _)| *known == key) {
            Some((_, sum)) => {
                sum.bytes += stack.bytes;
                sum.share += stack.share;
                sum.events += stack.events;
            }
            None => merged.push((key, stack.clone())),
        }
    }
    let mut merged: Vec<StackRow> = merged.into_iter().map(|(_, stack)| stack).collect();
    merged.sort_by_key(|stack| std::cmp::Reverse(stack.bytes));
    merged
}

fn numbers(bytes: ByteCount, share: f64, events: Option<u64>) -> Vec<Line> {
    vec![
        Line::of(Paint::Plain, bytes.to_string()),
        Line::of(Paint::Warn, number::percent(share)),
        Line::of(Paint::Dim, events.map(number::count).unwrap_or_default()),
    ]
}

/// The function in bold, its file and place beside it.
fn named(frame: &FrameRow) -> Line {
    let place = match (&frame.file, frame.line) {
        (Some(file), Some(line)) => format!(" {}:{line}", file.rsplit('/').next().unwrap_or(file)),
        _ => String::new(),
    };
    let rest = frame.text.strip_prefix(frame.name.as_str()).unwrap_or_default();
    Line::of(Paint::Strong, &frame.name).put(Paint::Plain, rest).put(Paint::Dim, place)
}

/// What called it, and what it called on the way to memory.
fn way(stack: &StackRow, arrow: &str) -> Line {
    let culprit = stack.culprit.unwrap_or(0);
    let callers = stack.frames.iter().skip(culprit + 1);
    let mut line = Line::of(Paint::Dim, "      ");
    for frame in callers.clone().take(CALLERS) {
        line = line.put(Paint::Dim, arrow.trim_start()).put(Paint::Dim, &frame.name).put(Paint::Dim, " ");
    }
    if callers.count() > CALLERS {
        line.push(Paint::Dim, arrow.trim());
        line.push(Paint::Dim, " ..");
    }
    line
}

fn write_calls(calls: &[CallRow], page: &mut Page) {
    let right = |title| (title, Align::Right);
    let mut table = Table::new(&[("call", Align::Left), right("count"), right("mapped"), right("unmapped")]);
    for call in calls {
        let bytes = |bytes: ByteCount| Line::of(Paint::Plain, bytes.to_string());
        table.row(vec![
            Line::of(Paint::Strong, &call.name),
            Line::of(Paint::Plain, number::count(call.count)),
            bytes(call.mapped_bytes),
            bytes(call.unmapped_bytes),
        ]);
    }
    table.write(page);
}

fn write_events(events: &[EventRow], page: &mut Page) {
    let arrow = page.sign("← ", "<- ");
    let mut table = Table::new(&[("at", Align::Right), ("thread", Align::Right), ("event", Align::Left)]);
    for event in events.iter().take(EVENTS) {
        let at = Line::of(Paint::Dim, format!("{:.3} s", event.seconds));
        let cells = vec![at, Line::of(Paint::Dim, event.tid.to_string())];
        table.row_with(cells, move |_| (happening(event), cause(event, arrow)));
    }
    table.write(page);
    if events.len() > EVENTS {
        let text = format!("and {} more; --json has all", number::count((events.len() - EVENTS) as u64));
        page.line(Line::of(Paint::Dim, text));
    }
}

/// What happened; of files with their name.
fn happening(event: &EventRow) -> Line {
    let grows = event.mapped_bytes > ByteCount::ZERO;
    let line = Line::of(if grows { Paint::Strong } else { Paint::Plain }, &event.text);
    match file(event).filter(|_| event.kind != "call") {
        Some(file) => line.put(Paint::Plain, " ").append(file),
        None => line,
    }
}

/// Who did it, and what file its thread was reading.
fn cause(event: &EventRow, arrow: &str) -> Vec<Line> {
    let culprit = event.frames.iter().find(|frame| !frame.allocates).or(event.frames.last());
    let Some(frame) = culprit else { return Vec::new() };
    let mut line = Line::of(Paint::Dim, "      ").put(Paint::Dim, arrow).put(Paint::Plain, &frame.text);
    if let Some(file) = file(event) {
        line = line.put(Paint::Dim, ", reading ").append(file);
    }
    vec![line]
}

fn file(event: &EventRow) -> Option<Line> {
    let line = Line::of(Paint::Text, event.file.as_ref()?);
    Some(match event.file_bytes {
        Some(bytes) => line.put(Paint::Dim, format!(" ({bytes})")),
        None => line,
    })
}

//! What was written where, in a few lines.

use super::line::{Line, Paint};
use super::page::Page;
use super::{number, target};
use crate::report::{Dump, Plan, WayRow};

/// Writes all of it.
pub fn write(dump: &Dump, page: &mut Page) {
    let (paint, word) = if dump.complete { (Paint::Good, "wrote") } else { (Paint::Bad, "partial") };
    page.begin_field(word);
    page.field_line(Line::of(paint, &dump.path));
    page.begin_field("of");
    page.field_line(target::name(&dump.target).put(Paint::Plain, format!(", {}", dump.range)));
    page.begin_field("bytes");
    let seconds = number::duration(dump.seconds);
    let packed = dump.compressed_bytes.map(|bytes| format!(" by zstd to {bytes}")).unwrap_or_default();
    let holes = format!("{} and {} of holes, {}{packed} in {seconds}", dump.bytes, dump.hole_bytes, dump.format);
    page.field_line(Line::of(Paint::Plain, holes));
    page.begin_field("pause");
    let pause = match dump.pause_ms {
        Some(0.0) => format!("none ({})", dump.method),
        Some(ms) => format!("{} ({})", number::milliseconds(ms), dump.method),
        None => format!("? ({})", dump.method),
    };
    page.field_line(Line::of(Paint::Plain, pause));
    if dump.page_tables_bytes.0 > 0 {
        page.begin_field("cost");
        let (tables, copied) = (dump.page_tables_bytes, dump.copy_on_write_bytes);
        let cost = format!("page tables +{tables}, copy-on-write {copied}, both given back");
        page.field_line(Line::of(Paint::Plain, cost));
    }
    if let Some(sum) = &dump.sha256 {
        page.begin_field("sha256");
        page.field_line(Line::of(Paint::Dim, sum));
    }
}

/// Writes what a dump would cost, a line for each way.
pub fn write_plan(plan: &Plan, page: &mut Page) {
    page.begin_field("plan");
    page.field_line(target::name(&plan.target).put(Paint::Plain, format!(", {}", plan.range)));
    page.begin_field("ways");
    for way in &plan.ways {
        let is_chosen = plan.method.as_ref() == Some(&way.method);
        let paint = if is_chosen { Paint::Good } else { Paint::Plain };
        page.field_line(Line::of(paint, format!("{:<8} {}", way.method, sentence(way, is_chosen))));
    }
}

fn sentence(way: &WayRow, is_chosen: bool) -> String {
    if let Some(objection) = &way.objection {
        return format!("no: {objection}");
    }
    let stop =
        if way.pause_ms == 0.0 { "no stop".into() } else { format!("stop ~{}", number::milliseconds(way.pause_ms)) };
    let copied = match (way.copy_on_write_bytes, way.headroom_bytes) {
        (copied, _) if copied.0 == 0 => String::new(),
        (copied, Some(headroom)) => format!(", copy-on-write ≤ {copied} of {headroom} headroom"),
        (copied, None) => format!(", copy-on-write ≤ {copied}"),
    };
    let word = if is_chosen { "go" } else { "possible" };
    format!("{stop}, page tables +{}{copied}: {word}", way.page_tables_bytes)
}

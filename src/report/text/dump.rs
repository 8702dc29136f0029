//! What was written where, in a few lines.

use super::line::{Line, Paint};
use super::page::Page;
use super::{number, target};
use crate::report::Dump;

/// Writes all of it.
pub fn write(dump: &Dump, page: &mut Page) {
    let (paint, word) = if dump.complete { (Paint::Good, "wrote") } else { (Paint::Bad, "partial") };
    page.begin_field(word);
    page.field_line(Line::of(paint, &dump.path));
    page.begin_field("of");
    page.field_line(target::name(&dump.target).put(Paint::Plain, format!(", {}", dump.range)));
    page.begin_field("bytes");
    let seconds = number::duration(dump.seconds);
    let holes = format!("{} and {} of holes, {} in {seconds}", dump.bytes, dump.hole_bytes, dump.format);
    page.field_line(Line::of(Paint::Plain, holes));
    page.begin_field("pause");
    let pause = match dump.pause_ms {
        Some(0.0) => format!("none ({})", dump.method),
        Some(ms) => format!("{} ({})", number::milliseconds(ms), dump.method),
        None => format!("? ({})", dump.method),
    };
    page.field_line(Line::of(Paint::Plain, pause));
    if let Some(sum) = &dump.sha256 {
        page.begin_field("sha256");
        page.field_line(Line::of(Paint::Dim, sum));
    }
}

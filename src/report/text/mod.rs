//! The answer as text for a person. Pure: a document and a style in, a string out.
//! Every piece of text is escaped where it enters a line (`line.rs`), so no writer can forget it.

pub(super) mod bar;
mod content;
mod doctor;
mod dump;
mod heap;
mod hex;
mod inspect;
mod line;
mod map;
pub(super) mod number;
mod oom;
mod oom_words;
mod page;
mod table;
mod target;
mod top;
mod trace;

#[cfg(test)]
mod tests;

use jiff::tz::TimeZone;

use super::Document;
use super::oom_model::Now;
use crate::oom::OomReport;

/// How text should look.
#[derive(Clone, Debug, PartialEq)]
pub struct Style {
    /// Columns to fill.
    pub width: usize,
    /// Whether to colour.
    pub color: bool,
    /// Whether bars, sparklines and marks may be drawn with more than ASCII.
    pub unicode: bool,
    /// Whether labels and names are kept whole on one line, however long: for pipes and files.
    pub whole: bool,
    /// In which zone times are shown.
    pub zone: TimeZone,
}

impl Style {
    /// Plain text of 100 columns, nothing cut off: what a pipe gets.
    pub fn plain() -> Style {
        Style { width: 100, color: false, unicode: false, whole: true, zone: TimeZone::UTC }
    }

    /// What stands where something was cut off.
    fn ellipsis(&self) -> &'static str {
        if self.unicode { "…" } else { "..." }
    }
}

/// One report of the kernel's OOM killer as text; `now` is what is alive of it, `verbose` explains flags and terms.
pub fn oom(report: &OomReport, now: Option<&Now>, verbose: bool, style: &Style) -> String {
    oom::render(report, now, verbose, style)
}

/// `document` as text, with a line feed at its end.
pub fn render(document: &Document, style: &Style) -> String {
    let mut page = page::Page::new(style);
    match document {
        Document::Inspect(inspect) | Document::Demo(inspect) => inspect::write(inspect, &mut page),
        Document::Map(map) => map::write(map, &mut page),
        Document::Top(top) => top::write(top, &mut page),
        Document::Dump(dump) => dump::write(dump, &mut page),
        Document::Plan(plan) => dump::write_plan(plan, &mut page),
        Document::Scan(scan) => content::write_scan(scan, &mut page),
        Document::Diff(diff) => content::write_diff(diff, &mut page),
        Document::Heap(heap) => heap::write(heap, &mut page),
        Document::Hex(hex) => hex::write(hex, &mut page),
        Document::Doctor(doctor) => doctor::write(doctor, &mut page),
        Document::Trace(trace) => trace::write(trace, &mut page),
    }
    page.finish()
}

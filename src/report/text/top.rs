//! Processes side by side.

use super::line::{Line, Paint};
use super::number;
use super::page::Page;
use super::table::{Align, Table};
use crate::report::{ProcessRow, Top};
use crate::units::{ByteCount, Rate};

/// Writes all of it.
pub fn write(top: &Top, page: &mut Page) {
    let right = |title| (title, Align::Right);
    let mut table = Table::new(&[
        right("pid"),
        right("uid"),
        right("rss"),
        right("pss"),
        right("swap"),
        right("growth/s"),
        right("oom"),
        right("headroom"),
        ("name", Align::Left),
    ]);
    for process in &top.processes {
        table.row(cells(process));
    }
    table.write(page);
    if top.omitted_processes > 0 {
        let text = format!("and {} more", number::count(top.omitted_processes));
        page.line(Line::of(Paint::Dim, text));
    }
}

fn cells(process: &ProcessRow) -> Vec<Line> {
    let plain = |text: String| Line::of(Paint::Plain, text);
    let grows = process.growth_bytes_per_second.is_some_and(|Rate(rate)| rate >= 1.0);
    let swap = match process.swap_bytes {
        Some(ByteCount::ZERO) => Line::of(Paint::Dim, "0"),
        other => plain(number::bytes(other)),
    };
    vec![
        plain(process.pid.to_string()),
        Line::of(Paint::Dim, process.uid.map_or("?".into(), |uid| uid.to_string())),
        Line::of(Paint::Strong, number::bytes(process.rss_bytes)),
        plain(number::bytes(process.pss_bytes)),
        swap,
        Line::of(if grows { Paint::Warn } else { Paint::Dim }, number::rate(process.growth_bytes_per_second)),
        plain(process.oom_score.map_or("?".into(), |score| score.to_string())),
        // No limit is no unknown: nothing is there to have room below.
        plain(process.headroom_bytes.map_or("-".into(), |bytes| bytes.to_string())),
        Line::of(Paint::Strong, &process.name),
    ]
}

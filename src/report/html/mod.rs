//! A watch as one HTML page: no script, no reference to anything outside, every text escaped. Pure: a board in, a page out.

mod chart;
mod clock;

use std::time::Duration;

use jiff::tz::TimeZone;

use super::escape::html;
use super::text::number::{duration, percent};
use super::watch::{Board, Event, EventKind, Row, text};
use chart::chart;
use clock::Clock;

/// Events listed; the latest.
const EVENTS: usize = 500;
/// Targets shown with a chart each; the rest is counted.
const ROWS: usize = 200;

const STYLE: &str = include_str!("style.css");

/// What the charts mean by their lines.
const LEGEND: &str = "<p class=\"dim\">Resident memory. <span class=\"growing\">┆</span> killed by the kernel for want of memory, \
┆ ended otherwise or became another program, <span class=\"kept\">╻</span> evidence secured.</p>\n";

/// `board` as a page; times as they are in `zone`.
pub fn page(board: &Board, zone: &TimeZone) -> String {
    let title = html(&format!("leakscope watch {}", board.header.selectors.join(" ")));
    let policy = "default-src 'none'; style-src 'unsafe-inline'";
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    );
    let clock = Clock::of(board, zone);
    let (begun, ended) = (clock.day_at(Duration::ZERO), clock.day_at(Duration::from_secs_f64(board.at_seconds)));
    out.push_str(&format!("<p class=\"dim\">{begun} to {ended}, {}</p>\n", duration(board.at_seconds)));
    let rows = board.rows();
    summary(&mut out, rows);
    out.push_str(LEGEND);
    for row in rows.iter().take(ROWS) {
        section(&mut out, row, board, &clock);
    }
    if rows.len() > ROWS {
        out.push_str(&format!("<p class=\"dim\">and {} more targets</p>\n", rows.len() - ROWS));
    }
    events(&mut out, board, &clock);
    out.push_str("</body>\n</html>\n");
    out
}

fn kind(row: &Row) -> &'static str {
    match row.verdict.as_ref().map(|verdict| verdict.kind.as_str()) {
        Some("growing") => "growing",
        Some("stable") => "stable",
        _ => "inconclusive",
    }
}

/// A table that scrolls by itself where the page is narrow. `#` marks a column of numbers, `~` one of sentences.
fn table(out: &mut String, columns: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let class = |column: &str| match column.chars().next() {
        Some('#') => " class=\"n\"",
        Some('~') => " class=\"s\"",
        _ => "",
    };
    out.push_str("<div class=\"wide\"><table>\n");
    let mut row = |cell: &str, cells: &mut dyn Iterator<Item = String>| {
        let cells = columns.iter().zip(cells).map(|(column, text)| format!("<{cell}{}>{text}</{cell}>", class(column)));
        out.push_str(&format!("<tr>{}</tr>\n", cells.collect::<String>()));
    };
    row("th", &mut columns.iter().map(|column| column.trim_start_matches(['#', '~']).to_owned()));
    rows.for_each(|cells| row("td", &mut cells.into_iter()));
    out.push_str("</table></div>\n");
}

fn summary(out: &mut String, rows: &[Row]) {
    let columns =
        ["target", "#pid", "#resident", "#growth", "#of limit", "#left", "#OOM kills", "#respawns", "verdict"];
    let cells = |row: &Row| {
        let ended = if row.is_alive { "" } else { ", ended" };
        vec![
            html(&row.target),
            row.sample.pid.to_string(),
            row.sample.rss_bytes.to_string(),
            if row.is_alive { text::pace(row.growth()) } else { "-".into() },
            row.share_of_limit().filter(|_| row.is_alive).map_or_else(|| "-".into(), percent),
            text::left(row.seconds_to_limit()),
            row.oom_kills.to_string(),
            row.respawns.to_string(),
            format!("<span class=\"{kind}\">{kind}</span>{ended}", kind = kind(row)),
        ]
    };
    table(out, &columns, rows.iter().take(ROWS).map(cells));
}

fn section(out: &mut String, row: &Row, board: &Board, clock: &Clock<'_>) {
    out.push_str(&format!("<h2>{}</h2>\n", html(&row.target)));
    if let Some(verdict) = &row.verdict {
        let summary = html(&verdict.summary);
        out.push_str(&format!("<p><span class=\"{kind}\">{kind}</span> {summary}</p>\n", kind = kind(row)));
    }
    out.push_str(&chart(&row.curve.curve(), &board.marks(&row.target), clock));
    if row.regions.is_empty() {
        return;
    }
    let cells = row.regions.iter().map(|region| {
        vec![
            format!("<code>{}</code> {}", region.start, html(&region.name)),
            html(&region.kind),
            region.held_bytes.to_string(),
            text::pace(Some(region.growth_bytes_per_second.0)),
        ]
    });
    table(out, &["region that grows", "kind", "#held", "#growth"], cells);
}

fn events(out: &mut String, board: &Board, clock: &Clock<'_>) {
    out.push_str("<h2>Events</h2>\n");
    let skipped = board.events.len().saturating_sub(EVENTS);
    if skipped > 0 {
        out.push_str(&format!("<p class=\"dim\">the last {EVENTS}</p>\n"));
    }
    let cells = |event: &Event| {
        let word = event.event.word();
        let class = if event.event == EventKind::OomKilled { "growing" } else { "" };
        let pid = if event.pid == 0 { String::new() } else { event.pid.to_string() };
        vec![
            format!(
                "<span class=\"at\">{}</span>",
                clock.at(Duration::from_secs_f64(event.at_seconds.clamp(0.0, 1e10)))
            ),
            format!("<span class=\"{class}\">{word}</span>"),
            html(&event.target),
            pid,
            html(&event.text),
        ]
    };
    table(out, &["time", "event", "target", "#pid", "~what"], board.events.iter().skip(skipped).map(cells));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::watch::{Growth, Header, Line, Sample, Verdict};
    use crate::units::ByteCount;

    fn board(hostile: &str) -> Board {
        let mut board = Board::default();
        let header = Header { command: "watch".into(), selectors: vec![hostile.into()], ..Header::default() };
        board.take(&Line::Watch(header));
        for at in 0..50u64 {
            let region = Growth { name: hostile.into(), kind: hostile.into(), ..Growth::default() };
            board.take(&Line::Sample(Sample {
                at_seconds: at as f64,
                target: hostile.into(),
                rss_bytes: ByteCount::mib(at),
                regions: vec![region],
                ..Sample::default()
            }));
        }
        let verdict =
            Verdict { target: hostile.into(), summary: hostile.into(), kind: hostile.into(), ..Verdict::default() };
        board.take(&Line::Verdict(verdict));
        board.take(&Line::Event(Event::new(EventKind::OomKilled, hostile, 9, hostile.into())));
        board
    }

    #[test]
    fn a_page_stands_alone_and_is_inert() {
        let hostile = "</title></style><script>alert(1)</script><img src=x onerror='x'>\u{1b}\"&";
        let page = page(&board(hostile), &TimeZone::UTC);
        for wrong in ["<script", "<img", "http:", "https:", "url(", "\u{1b}", "onerror='", "src="] {
            let found = page.match_indices(wrong).next();
            assert!(found.is_none() || wrong == "src=", "{wrong} in the page");
        }
        assert!(page.contains("&lt;script&gt;") && page.contains("<svg") && page.contains("class=\"kill\""));
        let opened = page.matches("<tr>").count();
        assert_eq!(opened, page.matches("</tr>").count());
    }

    #[test]
    fn an_empty_board_is_a_page_too() {
        assert!(page(&Board::default(), &TimeZone::UTC).ends_with("</html>\n"));
    }
}

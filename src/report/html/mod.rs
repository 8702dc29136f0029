//! A watch as one HTML page: no script, no reference to anything outside, every text escaped. Pure: a board in, a page out.

mod chart;

use jiff::tz::TimeZone;

use super::escape::html;
use super::text::number::duration;
use super::watch::{Board, Event, EventKind, Row, text};

/// Events listed; the latest.
const EVENTS: usize = 500;
/// Targets shown with a chart each; the rest is counted.
const ROWS: usize = 200;

const STYLE: &str = "body{font:14px/1.5 system-ui,sans-serif;margin:2em auto;max-width:72em;padding:0 1em;color:#1a1a1a;background:#fff}
h1{font-size:1.5em}h2{font-size:1.15em;margin:1.8em 0 .2em}table{border-collapse:collapse;width:100%}
th{text-align:left;font-weight:600;border-bottom:2px solid #ccc}td,th{padding:.25em .7em .25em 0;vertical-align:top}
td{border-bottom:1px solid #eee}td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.growing{color:#b00020;font-weight:600}.stable{color:#1b7a2f}.inconclusive{color:#8a6100}.dim{color:#777}
.oom-killed{color:#b00020;font-weight:600}svg{display:block;width:100%;height:auto;margin:.5em 0}
svg text{font:11px system-ui,sans-serif;fill:#777}.grid{stroke:#e5e5e5}.line{fill:none;stroke:#2563eb;stroke-width:1.8}
.area{fill:#2563eb;opacity:.08}.kill{stroke:#b00020;stroke-dasharray:3 3}.mark{stroke:#999;stroke-dasharray:2 4}
@media(prefers-color-scheme:dark){body{background:#161616;color:#e4e4e4}td{border-color:#2a2a2a}th{border-color:#444}
.grid{stroke:#2c2c2c}.line{stroke:#7aa7ff}.area{fill:#7aa7ff}.growing,.oom-killed{color:#ff6b7d}.stable{color:#6ad08a}.inconclusive{color:#e3b04b}}";

/// `board` as a page; times as they are in `zone`.
pub fn page(board: &Board, zone: &TimeZone) -> String {
    let title = html(&format!("leakscope watch {}", board.header.selectors.join(" ")));
    let policy = "default-src 'none'; style-src 'unsafe-inline'";
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<style>\n{STYLE}\n</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    );
    let begun = html(&format!("{} {}", day(&board.header.time, zone), text::clock(&board.header.time, zone)));
    out.push_str(&format!("<p class=\"dim\">last begun {begun}, {} in all</p>\n", duration(board.at_seconds)));
    let rows = board.rows();
    summary(&mut out, rows);
    for row in rows.iter().take(ROWS) {
        section(&mut out, row, board);
    }
    if rows.len() > ROWS {
        out.push_str(&format!("<p class=\"dim\">and {} more targets</p>\n", rows.len() - ROWS));
    }
    events(&mut out, board, zone);
    out.push_str("</body>\n</html>\n");
    out
}

fn day(time: &str, zone: &TimeZone) -> String {
    let time = time.parse::<jiff::Timestamp>().ok();
    time.map(|time| time.to_zoned(zone.clone()).strftime("%Y-%m-%d").to_string()).unwrap_or_default()
}

fn kind(row: &Row) -> &'static str {
    match row.verdict.as_ref().map(|verdict| verdict.kind.as_str()) {
        Some("growing") => "growing",
        Some("stable") => "stable",
        _ => "inconclusive",
    }
}

fn summary(out: &mut String, rows: &[Row]) {
    out.push_str("<table>\n<tr><th>target</th><th>pid</th><th>resident</th><th>growth</th><th>OOM kills</th><th>respawns</th><th>verdict</th></tr>\n");
    for row in rows.iter().take(ROWS) {
        let ended = if row.is_alive { "" } else { ", ended" };
        out.push_str(&format!(
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"{kind}\">{kind}{ended}</td></tr>\n",
            html(&row.target),
            row.sample.pid,
            row.sample.rss_bytes,
            text::pace(row.growth()),
            row.oom_kills,
            row.respawns,
            kind = kind(row),
        ));
    }
    out.push_str("</table>\n");
}

fn section(out: &mut String, row: &Row, board: &Board) {
    out.push_str(&format!("<h2>{}</h2>\n", html(&row.target)));
    if let Some(verdict) = &row.verdict {
        let summary = html(&verdict.summary);
        out.push_str(&format!("<p><span class=\"{kind}\">{kind}</span> {summary}</p>\n", kind = kind(row)));
    }
    out.push_str(&chart::svg(&row.curve.curve(), &board.marks(&row.target)));
    if row.regions.is_empty() {
        return;
    }
    out.push_str("<table>\n<tr><th>region that grows</th><th>kind</th><th>held</th><th>growth</th></tr>\n");
    for region in &row.regions {
        let pace = text::pace(Some(region.growth_bytes_per_second.0));
        out.push_str(&format!(
            "<tr><td>{} {}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{pace}</td></tr>\n",
            region.start,
            html(&region.name),
            html(&region.kind),
            region.held_bytes
        ));
    }
    out.push_str("</table>\n");
}

fn events(out: &mut String, board: &Board, zone: &TimeZone) {
    out.push_str("<h2>events</h2>\n<table>\n<tr><th>time</th><th>event</th><th>target</th><th>what</th></tr>\n");
    let skipped = board.events.len().saturating_sub(EVENTS);
    for event in board.events.iter().skip(skipped) {
        out.push_str(&row_of(event, zone));
    }
    out.push_str("</table>\n");
}

fn row_of(event: &Event, zone: &TimeZone) -> String {
    let class = if event.event == EventKind::OomKilled { "oom-killed" } else { "" };
    let whom = if event.pid == 0 { String::new() } else { format!("{} (pid {})", event.target, event.pid) };
    format!(
        "<tr><td class=\"n\">{}</td><td class=\"{class}\">{}</td><td>{}</td><td>{}</td></tr>\n",
        html(&text::clock(&event.time, zone)),
        event.event.word(),
        html(&whom),
        html(&event.text)
    )
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

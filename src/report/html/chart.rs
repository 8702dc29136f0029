//! A curve of memory with what happened on it. The picture is stretched to the width of the page; its words stand beside it
//! in HTML, so that they can be read at any width.

use std::time::Duration;

use super::clock::Clock;
use crate::report::watch::{EventKind, Mark};
use crate::units::ByteCount;

const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 200.0;
/// Marks drawn.
const MARKS: usize = 300;
/// Words at each axis, less one.
const PARTS: u64 = 4;

type Curve = [(Duration, ByteCount)];

/// `curve` with `marks` on it.
pub fn chart(curve: &Curve, marks: &[Mark], clock: &Clock<'_>) -> String {
    let (Some(first), Some(last)) = (curve.first(), curve.last()) else { return String::new() };
    let (start, length) = (first.0, last.0.saturating_sub(first.0).max(Duration::from_secs(1)));
    let top = round_up(curve.iter().map(|(_, size)| size.0).max().unwrap_or(0));
    let x = |at: Duration| at.saturating_sub(start).min(length).as_secs_f64() / length.as_secs_f64() * WIDTH;
    let y = |size: ByteCount| HEIGHT - size.0 as f64 / top as f64 * HEIGHT;
    let mut out = String::from("<div class=\"chart\"><div class=\"y\">");
    (0..=PARTS).rev().for_each(|part| out.push_str(&format!("<span>{}</span>", ByteCount(top / PARTS * part))));
    out.push_str(&format!(
        "</div>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"resident memory over time\">\n"
    ));
    for part in 0..=PARTS {
        let at = y(ByteCount(top / PARTS * part));
        out.push_str(&format!("<line class=\"grid\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>"));
    }
    for piece in pieces(curve, marks) {
        let points = piece.iter().map(|(at, size)| format!("{:.1},{:.1} ", x(*at), y(*size))).collect::<String>();
        // A line of one point would not be seen.
        let (from, to) = (x(piece[0].0), x(piece[piece.len() - 1].0).max(x(piece[0].0) + 1.0));
        let end = format!("{to:.1},{:.1}", y(piece[piece.len() - 1].1));
        out.push_str(&format!(
            "\n<polygon class=\"area\" points=\"{from:.1},{HEIGHT} {points}{end} {to:.1},{HEIGHT}\"/>"
        ));
        out.push_str(&format!("\n<polyline class=\"line\" points=\"{points}{end}\"/>"));
    }
    for (mark, class) in marks.iter().filter_map(|mark| Some((mark, class(mark.event)?))).take(MARKS) {
        let (at, high) = (x(mark.at), if class == "kept" { 0.85 * HEIGHT } else { 0.0 });
        let title = format!("{} {}", mark.event.word(), clock.at(mark.at));
        out.push_str(&format!(
            "\n<line class=\"{class}\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{high}\" y2=\"{HEIGHT}\"><title>{title}</title></line>"
        ));
    }
    out.push_str("\n</svg>\n<div class=\"x\">");
    (0..=PARTS).for_each(|part| {
        out.push_str(&format!("<span>{}</span>", clock.at(start.saturating_add(length / PARTS as u32 * part as u32))))
    });
    out.push_str("</div></div>\n");
    out
}

/// The curve in one piece for each process: between two of them there is nothing to draw.
fn pieces<'c>(curve: &'c Curve, marks: &[Mark]) -> Vec<&'c Curve> {
    let ends = |event: EventKind| {
        use EventKind::{Executed, Exited, OomKilled, Respawned, Started};
        matches!(event, Executed | Exited | OomKilled | Respawned | Started)
    };
    let mut breaks: Vec<Duration> = marks.iter().filter(|mark| ends(mark.event)).map(|mark| mark.at).collect();
    breaks.sort_unstable();
    let mut breaks = breaks.into_iter().peekable();
    let mut pieces = Vec::new();
    let mut from = 0;
    for (index, (at, _)) in curve.iter().enumerate() {
        let mut is_new = false;
        while breaks.next_if(|end| end <= at).is_some() {
            is_new = true;
        }
        if is_new && index > from {
            pieces.push(&curve[from..index]);
            from = index;
        }
    }
    pieces.push(&curve[from..]);
    pieces
}

/// How an event is drawn, where it is.
fn class(event: EventKind) -> Option<&'static str> {
    match event {
        EventKind::OomKilled => Some("kill"),
        EventKind::Exited | EventKind::Executed => Some("end"),
        EventKind::Dumped => Some("kept"),
        _ => None,
    }
}

/// Up to a number of which quarters read well.
fn round_up(size: u64) -> u64 {
    let mut unit = 1024u64;
    while unit.saturating_mul(8) <= size && unit < 1 << 60 {
        unit = unit.saturating_mul(2);
    }
    (4..=8).map(|times| unit.saturating_mul(times)).find(|top| *top >= size).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::watch::Board;

    fn drawn(curve: &Curve, marks: &[Mark]) -> String {
        chart(curve, marks, &Clock::of(&Board::default(), &jiff::tz::TimeZone::UTC))
    }

    #[test]
    fn all_points_lie_inside_and_each_process_has_its_own_line() {
        let curve: Vec<_> = (0..40).map(|at| (Duration::from_secs(at * 60), ByteCount::mib(at * at))).collect();
        let mark = |seconds, event| Mark { at: Duration::from_secs(seconds), event };
        let marks = [mark(610, EventKind::OomKilled), mark(612, EventKind::Respawned), mark(900, EventKind::Dumped)];
        let svg = drawn(&curve, &marks);
        let lines: Vec<&str> =
            svg.split("class=\"line\" points=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert_eq!(lines.len(), 2);
        for point in lines.iter().flat_map(|line| line.split(' ')) {
            let (x, y) = point.split_once(',').unwrap();
            let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
            assert!((0.0..=WIDTH).contains(&x) && (0.0..=HEIGHT).contains(&y), "{point}");
        }
        assert!(svg.contains("class=\"kill\"") && svg.contains("class=\"kept\"") && !svg.contains("NaN"));
        assert!(!drawn(&[(Duration::ZERO, ByteCount::ZERO)], &[]).contains("NaN"));
        assert!(!drawn(&[(Duration::MAX, ByteCount(u64::MAX))], &marks).contains("NaN"));
        assert_eq!(drawn(&[], &[]), "");
    }

    #[test]
    fn the_scale_is_little_more_than_what_is_on_it() {
        for size in [0, 1, 4096, 5000, ByteCount::mib(133).0, ByteCount::mib(512).0, 1 << 50, u64::MAX] {
            let top = round_up(size);
            assert!(top >= size && top > 0 && (size < 4096 || top <= size.saturating_add(size / 4)), "{size} {top}");
        }
        assert_eq!(round_up(ByteCount::mib(133).0), ByteCount::mib(160).0);
    }
}

//! A curve of memory as SVG, with what happened on it.

use std::time::Duration;

use crate::report::text::number::duration;
use crate::report::watch::{EventKind, Mark};
use crate::units::ByteCount;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 24.0;
/// Marks drawn.
const MARKS: usize = 300;

/// `curve` with `marks` on it.
pub fn svg(curve: &[(Duration, ByteCount)], marks: &[Mark]) -> String {
    let (Some(first), Some(last)) = (curve.first(), curve.last()) else { return String::new() };
    let (start, end) = (first.0.as_secs_f64(), last.0.as_secs_f64().max(first.0.as_secs_f64() + 1.0));
    let top = round_up(curve.iter().map(|(_, size)| size.0).max().unwrap_or(0));
    let x = |at: Duration| LEFT + (at.as_secs_f64() - start) / (end - start) * (WIDTH - LEFT - RIGHT);
    let y = |size: f64| HEIGHT - BOTTOM - size / top as f64 * (HEIGHT - TOP - BOTTOM);
    let mut out =
        format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"resident memory over time\">\n");
    for part in 0..=4u64 {
        let size = top / 4 * part;
        let at = y(size as f64);
        out.push_str(&format!(
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>",
            WIDTH - RIGHT
        ));
        out.push_str(&format!(
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
            LEFT - 6.0,
            at + 4.0,
            ByteCount(size)
        ));
    }
    let points: Vec<String> = curve.iter().map(|(at, size)| format!("{:.1},{:.1}", x(*at), y(size.0 as f64))).collect();
    let (points, ground) = (points.join(" "), y(0.0));
    out.push_str(&format!(
        "<polygon class=\"area\" points=\"{:.1},{ground:.1} {points} {:.1},{ground:.1}\"/>\n",
        x(first.0),
        x(last.0)
    ));
    out.push_str(&format!("<polyline class=\"line\" points=\"{points}\"/>\n"));
    let visible = |mark: &&Mark| mark.at >= first.0 && mark.at <= last.0 + Duration::from_secs(5);
    for mark in marks.iter().filter(visible).take(MARKS) {
        let class = if mark.event == EventKind::OomKilled { "kill" } else { "mark" };
        let at = x(mark.at).min(WIDTH - RIGHT);
        out.push_str(&format!("<line class=\"{class}\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{ground:.1}\"><title>{}</title></line>\n", mark.event.word()));
    }
    let foot = HEIGHT - 7.0;
    out.push_str(&format!("<text x=\"{LEFT}\" y=\"{foot}\">{}</text>", duration(start)));
    out.push_str(&format!(
        "<text x=\"{}\" y=\"{foot}\" text-anchor=\"end\">{}</text>\n</svg>\n",
        WIDTH - RIGHT,
        duration(end)
    ));
    out
}

/// Up to a number of which quarters read well.
fn round_up(size: u64) -> u64 {
    let mut unit = 4096u64;
    while unit.saturating_mul(4) < size {
        unit = unit.saturating_mul(2);
    }
    unit.saturating_mul(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_points_lie_inside() {
        let curve: Vec<_> = (0..40).map(|at| (Duration::from_secs(at * 60), ByteCount::mib(at * at))).collect();
        let marks = [Mark { at: Duration::from_secs(600), event: EventKind::OomKilled }];
        let svg = svg(&curve, &marks);
        let points = svg.split("class=\"line\" points=\"").nth(1).unwrap().split('"').next().unwrap();
        for point in points.split(' ') {
            let (x, y) = point.split_once(',').unwrap();
            let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
            assert!((LEFT..=WIDTH - RIGHT).contains(&x) && (TOP..=HEIGHT - BOTTOM).contains(&y), "{point}");
        }
        assert!(svg.contains("class=\"kill\"") && !svg.contains("NaN"));
        assert!(!super::svg(&[(Duration::ZERO, ByteCount::ZERO)], &[]).contains("NaN"));
        assert_eq!(super::svg(&[], &[]), "");
    }
}

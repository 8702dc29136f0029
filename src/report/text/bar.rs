//! Bars, stacked bars and sparklines in one line of characters.

use super::Style;
use super::line::{Line, Paint};

const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ASCII_HEIGHTS: [char; 8] = ['_', '.', ',', '-', '=', '+', '*', '#'];

/// A bar of `columns` filled to `share` (0 to 1), the rest left blank.
pub fn bar(share: f64, columns: usize, paint: Paint, style: &Style) -> Line {
    let (text, used) = filled(share, columns, style);
    Line::of(paint, text).put(Paint::Plain, " ".repeat(columns - used))
}

/// The same with the rest drawn, for what has an end that counts.
pub fn gauge(share: f64, columns: usize, paint: Paint, style: &Style) -> Line {
    let rest = if style.unicode { "─" } else { "." };
    let full = (share.clamp(0.0, 1.0) * columns as f64).round() as usize;
    let mark = if style.unicode { "█" } else { "#" };
    Line::of(paint, mark.repeat(full)).put(Paint::Dim, rest.repeat(columns - full))
}

fn filled(share: f64, columns: usize, style: &Style) -> (String, usize) {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    if !style.unicode {
        let full = (share * columns as f64).round() as usize;
        return ("#".repeat(full), full);
    }
    let eighths = (share * columns as f64 * 8.0).round() as usize;
    // What is there at all is seen.
    let eighths = if share > 0.0 { eighths.max(1) } else { 0 };
    let part = EIGHTHS[eighths % 8];
    (format!("{}{part}", "█".repeat(eighths / 8)), eighths.div_ceil(8))
}

/// One bar of `columns` made of parts, each with its own look; `parts` are shares of the whole.
pub fn stacked(parts: &[(f64, Paint, &'static str)], columns: usize) -> Line {
    let mut line = Line::new();
    let (mut sum, mut drawn) = (0.0, 0);
    for (share, paint, mark) in parts {
        sum += share;
        let until = ((sum * columns as f64).round() as usize).min(columns);
        line.push(*paint, &mark.repeat(until.saturating_sub(drawn)));
        drawn = drawn.max(until);
    }
    line
}

/// `values` as a curve of at most `columns` letters between their smallest and largest; the scale does not reach
/// below `noise` of the largest, so that a flat line looks flat.
pub fn sparkline(values: &[f64], columns: usize, noise: f64, style: &Style) -> String {
    let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    if finite.is_empty() || columns == 0 {
        return String::new();
    }
    let low = finite.iter().copied().fold(f64::INFINITY, f64::min);
    let high = finite.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let range = (high - low).max(high.abs() * noise).max(f64::MIN_POSITIVE);
    let heights = if style.unicode { HEIGHTS } else { ASCII_HEIGHTS };
    let count = finite.len().min(columns);
    (0..count)
        .map(|column| {
            let value = finite[if count == 1 { 0 } else { column * (finite.len() - 1) / (count - 1) }];
            heights[(((value - low) / range) * 7.0).round().clamp(0.0, 7.0) as usize]
        })
        .collect()
}

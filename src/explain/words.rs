//! How numbers, regions and labels read in a sentence: one line, bounded, for a person in a hurry.

use std::time::Duration;

use super::facts::Facts;
use crate::scan::{Group, GroupKind};
use crate::space::{Region, RegionKind};

/// Letters of a name, at most.
const NAME_LETTERS: usize = 64;
/// Letters of a label, at most.
const LABEL_LETTERS: usize = 160;

/// `text` as one line of at most `most` letters: control characters as escapes, the rest as it is.
pub(super) fn one_line(text: &str, most: usize) -> String {
    let mut line = String::new();
    for (index, letter) in text.chars().enumerate() {
        if index == most {
            line.push('…');
            break;
        }
        if letter.is_control() || is_unseen(letter) {
            line.extend(letter.escape_default());
        } else {
            line.push(letter);
        }
    }
    line
}

/// Letters that turn or hide others: direction marks, zero-width ones, line separators.
fn is_unseen(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// `nginx worker 4242`.
pub(super) fn who(facts: &Facts) -> String {
    let name = one_line(facts.name, NAME_LETTERS);
    match &facts.role {
        Some(role) => format!("{name} {} {}", one_line(role, NAME_LETTERS), facts.pid),
        None => format!("{name} {}", facts.pid),
    }
}

/// What a region is, in a sentence about it.
pub(super) fn region(region: &Region) -> String {
    let name = one_line(&region.name, LABEL_LETTERS);
    let named = |what: &str| if name.is_empty() { what.to_owned() } else { format!("{what} {name}") };
    match region.kind {
        RegionKind::Heap => "heap".to_owned(),
        RegionKind::Anon if name.starts_with("[anon:") => format!("anonymous memory {name}"),
        RegionKind::Anon if region.parts.len() > 1 => {
            format!("anonymous memory in {} mappings", count(region.parts.len() as f64))
        }
        RegionKind::Anon => format!("anonymous memory at {}", region.span.start),
        RegionKind::Arena if region.parts.len() > 2 => "malloc arenas".to_owned(),
        RegionKind::Arena => format!("malloc arena at {}", region.span.start),
        RegionKind::Stack => "main stack".to_owned(),
        RegionKind::ThreadStack => "thread stacks".to_owned(),
        RegionKind::Shared => named("shared memory"),
        RegionKind::File => named("private pages of"),
        RegionKind::Special => named("special mapping"),
    }
}

/// What the members of a group are, in the plural.
pub(super) fn members(group: &Group) -> String {
    let label = one_line(&group.label.to_string(), LABEL_LETTERS);
    match group.kind {
        GroupKind::Json => format!("{label} records"),
        GroupKind::Text => format!("\"{label}\" strings"),
        GroupKind::Object => format!("{label} objects"),
        GroupKind::Blob => format!("{label} blobs"),
        GroupKind::Repeat => format!("copies of \"{label}\""),
    }
}

/// A share as `98 %`; never 100 % or 0 % of what is only nearly so.
pub(super) fn percent(share: f64) -> String {
    let percent = share.clamp(0.0, 1.0) * 100.0;
    if percent > 0.0 && percent < 0.5 {
        return "under 1 %".to_owned();
    }
    if percent > 99.0 && percent < 100.0 {
        return "over 99 %".to_owned();
    }
    format!("{percent:.0} %")
}

/// A whole number with its thousands apart, three figures of it: `54 200`.
pub(super) fn count(number: f64) -> String {
    let magnitude = number.abs().max(1.0).log10().floor() as i32 - 2;
    let unit = 10f64.powi(magnitude.max(0));
    thousands(((number.abs() / unit).round() * unit) as u64)
}

/// All figures of a number with its thousands apart.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Things per second with their sign: `+54 200/s`, `+0.3/s`.
pub(super) fn per_second(rate: f64) -> String {
    let sign = if rate < 0.0 { '-' } else { '+' };
    if rate.abs() < 10.0 {
        let text = format!("{:.1}", rate.abs());
        return format!("{sign}{}/s", text.strip_suffix(".0").unwrap_or(&text));
    }
    format!("{sign}{}/s", count(rate))
}

/// A time as a person says it: `41 s`, `12 min`, `3 h 20 min`, `9 days`.
pub(super) fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 1.0 {
        return format!("{:.0} ms", seconds * 1000.0);
    }
    if seconds < 100.0 {
        return format!("{seconds:.0} s");
    }
    let minutes = (seconds / 60.0).round();
    if minutes < 100.0 {
        return format!("{minutes:.0} min");
    }
    let (hours, rest) = ((minutes / 60.0).floor(), minutes % 60.0);
    if hours < 10.0 && rest >= 1.0 {
        return format!("{hours:.0} h {rest:.0} min");
    }
    match hours {
        ..48.0 => format!("{hours:.0} h"),
        ..9600.0 => format!("{:.0} days", hours / 24.0),
        _ => "over a year".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_like_numbers() {
        assert_eq!([54_213.0, 999.4, 1_234_567.0, 3.0].map(count), ["54 200", "999", "1 230 000", "3"]);
        assert_eq!(thousands(1_204), "1 204");
        assert_eq!([54_000.0, 0.31, 2.0, -40.0, 0.0].map(per_second), ["+54 000/s", "+0.3/s", "+2/s", "-40/s", "+0/s"]);
        assert_eq!(
            [0.98, 1.0, 0.996, 0.0, 0.001, 7.0].map(percent),
            ["98 %", "100 %", "over 99 %", "0 %", "under 1 %", "100 %"]
        );
    }

    #[test]
    fn times_read_like_times() {
        let of = |seconds: f64| duration(Duration::from_secs_f64(seconds));
        assert_eq!([0.25, 41.2, 99.0, 720.0].map(of), ["250 ms", "41 s", "99 s", "12 min"]);
        assert_eq!([12_000.0, 86_400.0, 777_600.0, 1e9].map(of), ["3 h 20 min", "24 h", "9 days", "over a year"]);
    }

    #[test]
    fn hostile_names_stay_on_their_line() {
        assert_eq!(one_line("a\x1b[2Jb\nc\u{202e}d", 64), "a\\u{1b}[2Jb\\nc\\u{202e}d");
        assert_eq!(one_line("äöü", 2), "äö…");
    }
}

//! Lines of a watch for a person: one line of text each. Samples are many: only the caller knows which to show.

use jiff::tz::TimeZone;

use super::line::{Event, EventKind, Line, Sample, Verdict};
use crate::report::escape::terminal;
use crate::report::text::number::{bytes, duration, percent, rate};
use crate::units::{ByteCount, Rate};

/// `line` as text without a line feed; None for what a person need not see.
pub fn line(line: &Line, zone: &TimeZone) -> Option<String> {
    let text = match line {
        Line::Watch(_) => return None,
        Line::Sample(sample) => format!("{}  {}", clock(&sample.time, zone), sampled(sample)),
        Line::Event(event) => format!("{}  {}", clock(&event.time, zone), happened(event)),
        Line::Verdict(verdict) => format!("{}  {}", clock(&verdict.time, zone), judged(verdict)),
    };
    Some(text)
}

/// The time of day where the person lives.
pub fn clock(time: &str, zone: &TimeZone) -> String {
    match time.parse::<jiff::Timestamp>() {
        Ok(time) => time.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string(),
        Err(_) => "--:--:--".into(),
    }
}

fn subject(target: &str, pid: i32) -> String {
    if pid == 0 { terminal(target).into_owned() } else { format!("{} (pid {pid})", terminal(target)) }
}

fn sampled(sample: &Sample) -> String {
    let mut text = format!("{:<32} RSS {:>10}", subject(&sample.target, sample.pid), sample.rss_bytes);
    if sample.swap_bytes > ByteCount::ZERO {
        text.push_str(&format!(", {} swapped", sample.swap_bytes));
    }
    if let Some(limits) = &sample.limits
        && let (Some(limit), Some(usage)) = (limits.limit_bytes, limits.usage_bytes)
    {
        text.push_str(&format!(", {} of {} limit {limit}", percent(usage.share_of(limit)), limits.kind));
    }
    if let Some(region) = sample.regions.first() {
        let name = if region.name.is_empty() { region.kind.clone() } else { terminal(&region.name).into_owned() };
        text.push_str(&format!(", {name} {}", rate(Some(region.growth_bytes_per_second))));
    }
    text
}

fn happened(event: &Event) -> String {
    let word = event.event.word().to_uppercase();
    let whom = subject(&event.target, event.pid);
    let whom = if whom.is_empty() { whom } else { format!("{whom}: ") };
    match event.event {
        EventKind::Notice => format!("note: {whom}{}", terminal(&event.text)),
        _ => format!("{word}  {whom}{}", terminal(&event.text)),
    }
}

fn judged(verdict: &Verdict) -> String {
    let word = verdict.kind.to_uppercase();
    format!("{word}  {}: {}", subject(&verdict.target, verdict.pid), terminal(&verdict.summary))
}

/// Time left with its interval: `4 min 10 s (3 min 50 s to 5 min)`.
pub fn time_left(verdict: &Verdict) -> Option<String> {
    let told = duration(verdict.seconds_to_limit?);
    Some(match (verdict.low_seconds_to_limit, verdict.high_seconds_to_limit) {
        (Some(low), Some(high)) if duration(low) != duration(high) => {
            format!("{told} ({} to {})", duration(low), duration(high))
        }
        _ => told,
    })
}

/// A size, `?` where unknown.
pub fn size(size: Option<ByteCount>) -> String {
    bytes(size)
}

/// A rate, `-` where unknown.
pub fn pace(pace: Option<f64>) -> String {
    rate(pace.map(Rate))
}

/// A time: `4 min 10 s`, `-` where unknown.
pub fn left(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "-".into(), duration)
}

/// A curve of at most `columns` letters.
pub fn sparkline(values: &[f64], columns: usize, unicode: bool) -> String {
    let style = crate::report::text::Style { unicode, ..crate::report::text::Style::plain() };
    crate::report::text::bar::sparkline(values, columns, 0.02, &style)
}

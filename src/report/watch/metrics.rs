//! A board in OpenMetrics, for whoever scrapes it. Labels are roles, not pids, so that their number stays bounded however
//! often workers are respawned.

use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::board::{Board, Row};
use crate::report::escape::terminal;
use crate::units::ByteCount;

/// Targets told of; the rest is counted.
const MOST: usize = 500;

type Labels = Vec<(String, String)>;
type Whole = Family<Labels, Gauge<i64, AtomicI64>>;
type Real = Family<Labels, Gauge<f64, AtomicU64>>;
type Count = Family<Labels, Counter<u64, AtomicU64>>;

/// The type of what [`encoded`] gives.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Default)]
struct Metrics {
    up: Whole,
    rss: Whole,
    growth: Real,
    left: Real,
    limit: Whole,
    usage: Whole,
    growing: Whole,
    verdict: Whole,
    oom_kills: Count,
    respawns: Count,
}

/// `board` as OpenMetrics text.
pub fn encoded(board: &Board) -> String {
    let metrics = Metrics::default();
    let rows = board.rows();
    rows.iter().filter(|row| row.is_alive).chain(rows.iter().filter(|row| !row.is_alive)).take(MOST).for_each(|row| {
        metrics.row(row);
    });
    let mut registry = Registry::with_prefix("leakscope");
    metrics.register(&mut registry);
    let omitted: Gauge<i64, AtomicI64> = Gauge::default();
    omitted.set(rows.len().saturating_sub(MOST) as i64);
    registry.register("targets_omitted", "Targets with a row on the board beyond those told of", omitted);
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = encode(&mut text, &registry);
    text
}

impl Metrics {
    fn row(&self, row: &Row) {
        // People see labels on terminals and in pages.
        let labels: Labels = vec![("target".into(), terminal(&row.target).into_owned())];
        self.up.get_or_create(&labels).set(i64::from(row.is_alive));
        self.oom_kills.get_or_create(&labels).inc_by(row.oom_kills);
        self.respawns.get_or_create(&labels).inc_by(row.respawns);
        if !row.is_alive {
            return;
        }
        self.rss.get_or_create(&labels).set(row.sample.rss_bytes.0 as i64);
        if let Some(growth) = row.growth() {
            self.growth.get_or_create(&labels).set(growth);
        }
        if let Some(left) = row.seconds_to_limit() {
            self.left.get_or_create(&labels).set(left);
        }
        if let Some(limits) = &row.limits {
            let set = |gauge: &Whole, size: Option<ByteCount>| {
                size.map(|size| gauge.get_or_create(&labels).set(size.0 as i64));
            };
            set(&self.limit, limits.limit_bytes);
            set(&self.usage, limits.usage_bytes);
        }
        if let Some(verdict) = &row.verdict {
            self.growing.get_or_create(&labels).set(i64::from(verdict.accuses()));
            let mut labels = labels;
            labels.push(("verdict".into(), verdict.kind.clone()));
            self.verdict.get_or_create(&labels).set(1);
        }
    }

    fn register(self, registry: &mut Registry) {
        registry.register("target_up", "Whether a process has the role now", self.up);
        registry.register_with_unit("resident", "Resident memory", Unit::Bytes, self.rss);
        registry.register("growth_bytes_per_second", "Slope of private and swapped memory", self.growth);
        registry.register_with_unit(
            "time_to_limit",
            "Until the nearest limit if growth goes on",
            Unit::Seconds,
            self.left,
        );
        registry.register_with_unit("limit", "The nearest limit", Unit::Bytes, self.limit);
        registry.register_with_unit("limit_usage", "What is used of the nearest limit", Unit::Bytes, self.usage);
        registry.register("growing", "1 where the verdict accuses", self.growing);
        registry.register("verdict", "1 for the verdict that stands", self.verdict);
        registry.register("oom_kills", "Kills by the kernel for want of memory", self.oom_kills);
        registry.register("respawns", "Times that another process took over", self.respawns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::watch::{Event, EventKind, Line, Sample, Verdict};
    use crate::units::Rate;

    #[test]
    fn a_board_is_told_in_openmetrics() {
        let mut board = Board::default();
        let target = "nginx \"worker\"\n\u{1b}1\\".to_owned();
        board.take(&Line::Sample(Sample {
            target: target.clone(),
            pid: 7,
            rss_bytes: ByteCount(4096),
            ..Sample::default()
        }));
        board.take(&Line::Verdict(Verdict {
            target: target.clone(),
            kind: "growing".into(),
            bytes_per_second: Some(Rate(12.5)),
            seconds_to_limit: Some(60.0),
            ..Verdict::default()
        }));
        board.take(&Line::Event(Event::new(EventKind::Notice, "", 0, String::new())));
        let text = encoded(&board);
        let label = r#"target="nginx \"worker\"\\n\\x1b1\\""#;
        for line in [
            format!("leakscope_resident_bytes{{{label}}} 4096"),
            format!("leakscope_growth_bytes_per_second{{{label}}} 12.5"),
            format!("leakscope_time_to_limit_seconds{{{label}}} 60.0"),
            format!("leakscope_verdict{{{label},verdict=\"growing\"}} 1"),
            format!("leakscope_oom_kills_total{{{label}}} 0"),
        ] {
            assert!(text.lines().any(|found| found == line), "no {line} in:\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        board.take(&Line::Event(Event::new(EventKind::OomKilled, &target, 7, String::new())));
        let text = encoded(&board);
        assert!(
            text.contains(&format!("leakscope_oom_kills_total{{{label}}} 1")) && !text.contains("} 4096"),
            "{text}"
        );
    }
}

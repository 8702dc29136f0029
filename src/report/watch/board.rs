//! All lines of a watch together: a row for each target, what happened, the curves. What a live screen, a page and a
//! scraper show. Bounded however long the watch lasts.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::line::{Event, EventKind, Header, Line, Sample, Verdict};
use crate::growth::History;
use crate::units::ByteCount;

/// Events kept.
const EVENTS: usize = 2000;
/// Rows kept; those of ended targets go first.
const ROWS: usize = 1024;

/// One target over time, whatever processes had its role.
#[derive(Clone, Debug)]
pub struct Row {
    /// The role. Hostile text.
    pub target: String,
    /// The latest sample.
    pub sample: Sample,
    /// The latest verdict.
    pub verdict: Option<Verdict>,
    /// The latest limit that was read.
    pub limits: Option<crate::report::LimitRow>,
    /// The latest regions that were looked at.
    pub regions: Vec<super::line::Growth>,
    /// Resident memory over all of the watch.
    pub curve: History,
    /// Whether a process has the role now.
    pub is_alive: bool,
    /// Times that another process took over.
    pub respawns: u64,
    /// Times that the kernel killed for want of memory.
    pub oom_kills: u64,
}

/// A moment that a curve should show.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Since the watch began.
    pub at: Duration,
    /// What happened.
    pub event: EventKind,
}

/// All that was said so far.
#[derive(Clone, Debug, Default)]
pub struct Board {
    /// How the latest watch began.
    pub header: Header,
    /// When the first one did: RFC 3339, UTC.
    pub began: String,
    /// By role, in order of appearance.
    rows: Vec<Row>,
    index: BTreeMap<String, usize>,
    /// The latest events, the oldest first.
    pub events: VecDeque<Event>,
    /// The time of the latest line.
    pub at_seconds: f64,
    /// What an appended record adds to times: watches follow one another.
    offset: f64,
}

impl Board {
    /// Takes note of `line`.
    pub fn take(&mut self, line: &Line) {
        if let Line::Watch(header) = line {
            return self.begin(header);
        }
        let at = self.offset + line.at_seconds().clamp(0.0, 1e10);
        self.at_seconds = self.at_seconds.max(at);
        match line {
            Line::Watch(_) => {}
            Line::Sample(sample) => self.sample(sample, at),
            Line::Event(event) => self.event(event, at),
            Line::Verdict(verdict) => {
                if let Some(row) = self.row_mut(&verdict.target) {
                    row.verdict = Some(verdict.clone());
                }
            }
        }
    }

    /// Another watch follows in an appended record, as much later as its clock says.
    fn begin(&mut self, header: &Header) {
        if self.header.command.is_empty() {
            self.began.clone_from(&header.time);
        } else {
            self.offset = since(&self.began, &header.time).unwrap_or(0.0).max(self.at_seconds);
            self.rows.iter_mut().for_each(|row| row.is_alive = false);
        }
        self.header = header.clone();
    }

    /// The rows, in order of appearance.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The row of a role.
    pub fn row(&self, target: &str) -> Option<&Row> {
        self.rows.get(*self.index.get(target)?)
    }

    /// What happened to a role.
    pub fn marks(&self, target: &str) -> Vec<Mark> {
        let its = self.events.iter().filter(|event| event.target == target);
        its.map(|event| Mark { at: Duration::from_secs_f64(event.at_seconds.clamp(0.0, 1e10)), event: event.event })
            .collect()
    }

    fn row_mut(&mut self, target: &str) -> Option<&mut Row> {
        self.rows.get_mut(*self.index.get(target)?)
    }

    fn sample(&mut self, sample: &Sample, at: f64) {
        let interval = Duration::from_secs_f64(self.header.interval_seconds.clamp(0.01, 3600.0));
        if !self.index.contains_key(&sample.target) {
            if !self.make_room() {
                return;
            }
            self.index.insert(sample.target.clone(), self.rows.len());
            self.rows.push(Row {
                target: sample.target.clone(),
                sample: sample.clone(),
                verdict: None,
                limits: None,
                regions: Vec::new(),
                curve: History::new(interval),
                is_alive: true,
                respawns: 0,
                oom_kills: 0,
            });
        }
        let Some(row) = self.row_mut(&sample.target) else { return };
        row.is_alive = true;
        row.curve.push(Duration::from_secs_f64(at), sample.rss_bytes);
        if sample.limits.is_some() {
            row.limits.clone_from(&sample.limits);
        }
        if !sample.regions.is_empty() {
            row.regions.clone_from(&sample.regions);
        }
        if row.sample.pid != sample.pid {
            row.regions.clone_from(&sample.regions);
        }
        row.sample.clone_from(sample);
    }

    fn event(&mut self, event: &Event, at: f64) {
        if let Some(row) = self.row_mut(&event.target) {
            match event.event {
                EventKind::Exited => row.is_alive = false,
                EventKind::OomKilled => {
                    row.is_alive = false;
                    row.oom_kills += 1;
                }
                EventKind::Respawned => row.respawns += 1,
                _ => {}
            }
        }
        if self.events.len() == EVENTS {
            self.events.pop_front();
        }
        // The kernel's report lists every process there was: far too much to keep here.
        let plain = Event { oom: None, ..event.clone() };
        self.events.push_back(Event { at_seconds: at, ..plain });
    }

    /// Whether there is room for one more row; an ended one goes for it. Living ones stay: where there are too many, the
    /// first come have a row.
    fn make_room(&mut self) -> bool {
        if self.rows.len() < ROWS {
            return true;
        }
        let Some(gone) = self.rows.iter().position(|row| !row.is_alive) else { return false };
        self.rows.remove(gone);
        self.index = self.rows.iter().enumerate().map(|(index, row)| (row.target.clone(), index)).collect();
        true
    }
}

/// Seconds from one time to another, where both are times.
fn since(began: &str, now: &str) -> Option<f64> {
    let (began, now): (jiff::Timestamp, jiff::Timestamp) = (began.parse().ok()?, now.parse().ok()?);
    Some(now.duration_since(began).as_secs_f64()).filter(|seconds| *seconds < 1e10)
}

impl Row {
    /// Bytes a second, where it grows.
    pub fn growth(&self) -> Option<f64> {
        self.verdict.as_ref().and_then(|verdict| verdict.bytes_per_second).map(|rate| rate.0)
    }

    /// Seconds until the nearest limit, counted on from when that was said.
    pub fn seconds_to_limit(&self) -> Option<f64> {
        let verdict = self.verdict.as_ref().filter(|_| self.is_alive)?;
        let passed = (self.sample.at_seconds - verdict.at_seconds).max(0.0);
        verdict.seconds_to_limit.map(|left| (left - passed).max(0.0))
    }

    /// Its share of the nearest limit, 0 to 1.
    pub fn share_of_limit(&self) -> Option<f64> {
        let limits = self.limits.as_ref()?;
        Some(limits.usage_bytes?.share_of(limits.limit_bytes.filter(|limit| *limit > ByteCount::ZERO)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(target: String, pid: i32) -> Line {
        Line::Sample(Sample { target, pid, ..Sample::default() })
    }

    #[test]
    fn the_living_keep_their_rows_and_the_ended_make_room() {
        let mut board = Board::default();
        for round in 0..3 {
            for pid in 0..ROWS as i32 + 500 {
                board.take(&sample(format!("w {pid}"), pid));
            }
            assert!(board.rows().len() == ROWS && board.row("w 0").is_some(), "{round}");
        }
        board.take(&Line::Event(Event::new(EventKind::Exited, "w 5", 5, String::new())));
        board.take(&sample("new".into(), 1));
        assert!(board.row("w 5").is_none() && board.row("new").is_some() && board.row("w 6").is_some());
    }

    #[test]
    fn an_appended_watch_comes_as_much_later_as_its_clock_says() {
        let mut board = Board::default();
        let mut begin = |time: &str| {
            let header = Header { command: "watch".into(), time: time.into(), ..Header::default() };
            board.take(&Line::Watch(header));
            board.take(&Line::Sample(Sample { at_seconds: 60.0, target: "w".into(), ..Sample::default() }));
            board.at_seconds
        };
        assert_eq!(begin("2026-11-21T10:00:00Z"), 60.0);
        assert_eq!(begin("2026-11-21T11:00:00Z"), 3660.0);
        assert_eq!(begin("2026-11-21T09:00:00Z"), 3720.0, "a clock that was set back");
        assert_eq!(begin("yesterday"), 3780.0);
        assert_eq!(board.began, "2026-11-21T10:00:00Z");
    }

    #[test]
    fn events_are_bounded_in_number_and_in_size() {
        let mut board = Board::default();
        let oom = Some(serde_json::json!({ "tasks": vec![1; 1000] }));
        for pid in 0..3000 {
            board.take(&Line::Event(Event {
                oom: oom.clone(),
                ..Event::new(EventKind::OomKilled, "w", pid, "x".into())
            }));
        }
        assert!(board.events.len() == EVENTS && board.events.iter().all(|event| event.oom.is_none()));
    }
}

//! The lines of a watch, as SPEC has them.

use serde::{Deserialize, Serialize};

use crate::growth::Shape;
use crate::units::{Addr, ByteCount, Rate};

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Line {
    /// A watch begins; times that follow count from here.
    Watch(Header),
    /// What a target held at a moment.
    Sample(Sample),
    /// Something happened to a target, or was done about it.
    Event(Event),
    /// What is thought of a target, where that changed.
    Verdict(Verdict),
}

impl Line {
    /// Since the watch began.
    pub fn at_seconds(&self) -> f64 {
        match self {
            Line::Watch(_) => 0.0,
            Line::Sample(sample) => sample.at_seconds,
            Line::Event(event) => event.at_seconds,
            Line::Verdict(verdict) => verdict.at_seconds,
        }
    }
}

/// How a watch began.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Of these lines.
    pub schema_version: u32,
    /// `watch`.
    pub command: String,
    /// RFC 3339, UTC.
    pub time: String,
    /// Between two samples.
    pub interval_seconds: f64,
    /// As typed. Hostile text.
    pub selectors: Vec<String>,
}

/// What a target held.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Since the watch began, by a clock that nobody sets.
    pub at_seconds: f64,
    /// RFC 3339, UTC.
    pub time: String,
    /// The role that is followed from one process to the next, such as `nginx worker 2`. Hostile text.
    pub target: String,
    /// The process that has the role now.
    pub pid: i32,
    /// Resident, all kinds.
    pub rss_bytes: ByteCount,
    /// Private and swapped: what growth is judged by.
    pub held_bytes: ByteCount,
    /// Swapped out.
    pub swap_bytes: ByteCount,
    /// Threads, where they were counted.
    pub threads: Option<u64>,
    /// Mappings, where they were counted.
    pub mappings: Option<u64>,
    /// The nearest limit, where it was read at this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<crate::report::LimitRow>,
    /// Regions that grew since the process was first looked at, where they were looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<Growth>,
}

/// A region that grows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    /// Where it begins.
    pub start: Addr,
    /// `heap`, `anon`, …
    pub kind: String,
    /// As the kernel names it. Hostile text.
    pub name: String,
    /// Private and swapped.
    pub held_bytes: ByteCount,
    /// How fast that grows.
    pub growth_bytes_per_second: Rate,
}

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// A process is followed from now on.
    Started,
    /// It ended by itself or by a signal, or nobody knows how.
    Exited,
    /// The kernel killed it for want of memory.
    OomKilled,
    /// Another process took over its role.
    Respawned,
    /// It was told to finish its work and end: an old worker after a reload.
    Draining,
    /// It became another program.
    Executed,
    /// A level was reached.
    Threshold,
    /// Evidence was secured.
    Dumped,
    /// Evidence could not be secured, or not all of it.
    Failed,
    /// What the watch could not do, or does less often.
    Notice,
}

impl EventKind {
    /// As in JSON.
    pub fn word(self) -> &'static str {
        match self {
            EventKind::Started => "started",
            EventKind::Exited => "exited",
            EventKind::OomKilled => "oom-killed",
            EventKind::Respawned => "respawned",
            EventKind::Draining => "draining",
            EventKind::Executed => "executed",
            EventKind::Threshold => "threshold",
            EventKind::Dumped => "dumped",
            EventKind::Failed => "failed",
            EventKind::Notice => "notice",
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Since the watch began.
    pub at_seconds: f64,
    /// RFC 3339, UTC.
    pub time: String,
    /// To which role; empty where it is about the watch itself. Hostile text.
    pub target: String,
    /// To which process; 0 where it is about the watch itself.
    pub pid: i32,
    /// What.
    pub event: EventKind,
    /// The same in words. Hostile text.
    pub text: String,
    /// The exit code, where it exited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The signal, where one killed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// What it had resident.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rss_bytes: Option<ByteCount>,
    /// The pid before, where a role was taken over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces_pid: Option<i32>,
    /// Files that were written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// The kernel's report on the kill, as `leakscope oom` has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oom: Option<serde_json::Value>,
}

impl Event {
    /// A plain one.
    pub fn new(event: EventKind, target: &str, pid: i32, text: String) -> Event {
        Event {
            at_seconds: 0.0,
            time: String::new(),
            target: target.to_owned(),
            pid,
            event,
            text,
            exit_code: None,
            signal: None,
            rss_bytes: None,
            replaces_pid: None,
            paths: Vec::new(),
            oom: None,
        }
    }
}

/// What is thought of a target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Since the watch began.
    pub at_seconds: f64,
    /// RFC 3339, UTC.
    pub time: String,
    /// Of which role. Hostile text.
    pub target: String,
    /// Of which process.
    pub pid: i32,
    /// `growing`, `stable`, `inconclusive`.
    pub kind: String,
    /// 0 to 1.
    pub confidence: f64,
    /// How it moved.
    pub shape: Shape,
    /// The judgement looks back so far.
    pub horizon_seconds: f64,
    /// Slope of what is held.
    pub bytes_per_second: Option<Rate>,
    /// Low end of its interval.
    pub low_bytes_per_second: Option<Rate>,
    /// High end of its interval.
    pub high_bytes_per_second: Option<Rate>,
    /// Until the nearest limit, where it grows and there is one.
    pub seconds_to_limit: Option<f64>,
    /// At the soonest.
    pub low_seconds_to_limit: Option<f64>,
    /// At the latest.
    pub high_seconds_to_limit: Option<f64>,
    /// The sentence. Hostile text.
    pub summary: String,
}

impl Verdict {
    /// Whether a person should act on it.
    pub fn accuses(&self) -> bool {
        self.kind == "growing"
    }

    /// Whether its pace, or the end it tells, differs from what was `said` by these parts: the end counts down meanwhile, and
    /// one that is near does not count as moved for less than that part of ten seconds.
    pub fn differs(&self, said: &Verdict, pace: f64, end: f64) -> bool {
        const NEAR: f64 = 10.0;
        let rate = |verdict: &Verdict| verdict.bytes_per_second.map_or(0.0, |rate| rate.0);
        let passed = self.at_seconds - said.at_seconds;
        let ends = match (said.seconds_to_limit, self.seconds_to_limit) {
            (Some(before), Some(now)) => (now - (before - passed)).abs() > end * now.max(NEAR),
            (before, now) => before.is_some() != now.is_some(),
        };
        (rate(self) - rate(said)).abs() > pace * rate(said).abs().max(1.0) || ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_survive_json_and_have_their_type() {
        let sample = Line::Sample(Sample { pid: 7, rss_bytes: ByteCount(4096), ..Sample::default() });
        let event = Line::Event(Event::new(EventKind::OomKilled, "nginx worker 1", 7, "killed\u{1b}".into()));
        let verdict = Line::Verdict(Verdict { kind: "growing".into(), ..Verdict::default() });
        for (line, kind) in [(sample, "sample"), (event, "event"), (verdict, "verdict")] {
            let text = serde_json::to_string(&line).unwrap();
            assert!(text.starts_with(&format!("{{\"type\":\"{kind}\"")) && !text.contains('\n'), "{text}");
            assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line);
        }
        let text = serde_json::to_string(&EventKind::OomKilled).unwrap();
        assert_eq!(text, format!("\"{}\"", EventKind::OomKilled.word()));
    }
}

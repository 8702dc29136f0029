//! Structured logs: `journalctl -o json`, `-o json-pretty`, `-o export`, and the JSON lines of container runtimes. Knows
//! their field names; what a message says is read elsewhere.

use serde_json::Value;

use crate::oom::reading::dressing::Line;

/// One entry of a structured log.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub message: String,
    /// Microseconds since 1970.
    realtime: Option<i64>,
    /// Seconds since boot.
    uptime: Option<f64>,
    foreign: bool,
}

impl Entry {
    pub(super) fn stamp_onto(&self, line: &mut Line<'_>) {
        line.bare = false;
        line.foreign |= self.foreign;
        line.stamp.utc_micros = self.realtime.or(line.stamp.utc_micros);
        line.stamp.uptime = line.stamp.uptime.or(self.uptime);
    }
}

/// What the last lines of a structured log announced.
#[derive(Debug, Default)]
pub(super) struct Journal {
    realtime: Option<i64>,
    uptime: Option<f64>,
    /// `MESSAGE` stood alone on a line: eight bytes of length and the text follow (`-o export`, a text with newlines).
    length_follows: bool,
}

impl Journal {
    pub(super) fn without_length<'a>(&mut self, raw: &'a [u8]) -> &'a [u8] {
        if std::mem::take(&mut self.length_follows) { raw.get(8..).unwrap_or(b"") } else { raw }
    }

    /// The entry a line holds, or None where it is plain text.
    pub(super) fn entry(&mut self, text: &str) -> Option<Entry> {
        let text = text.trim_start();
        match text.as_bytes().first()? {
            b'{' => object(text),
            b'"' => self.pretty(text),
            b'M' | b'_' => self.exported(text),
            _ => None,
        }
    }

    /// A line of `-o json-pretty`: `"MESSAGE" : "…",`.
    fn pretty(&mut self, text: &str) -> Option<Entry> {
        let (name, value) = text[1..].split_once('"')?;
        let value = value.trim_start().strip_prefix(':')?.trim().trim_end_matches(',');
        let value: Value = serde_json::from_str(value).ok()?;
        match name {
            "MESSAGE" => Some(self.entry_of(text_of(&value)?)),
            "__REALTIME_TIMESTAMP" => {
                self.realtime = integer(&value);
                Some(Entry::default())
            }
            _ => Some(Entry::default()),
        }
    }

    /// A line of `-o export`: `MESSAGE=…`.
    fn exported(&mut self, text: &str) -> Option<Entry> {
        if text == "MESSAGE" {
            self.length_follows = true;
            return Some(Entry::default());
        }
        let (name, value) = text.split_once('=')?;
        match name {
            "MESSAGE" => return Some(self.entry_of(value.to_owned())),
            "__REALTIME_TIMESTAMP" => self.realtime = value.trim().parse().ok(),
            "_SOURCE_MONOTONIC_TIMESTAMP" => self.uptime = value.trim().parse::<f64>().ok().map(|us| us / 1e6),
            name if name.starts_with('_') && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_') => {}
            _ => return None,
        }
        Some(Entry::default())
    }

    fn entry_of(&self, message: String) -> Entry {
        Entry { message, realtime: self.realtime, uptime: self.uptime, foreign: false }
    }
}

/// A JSON object with a message: journald's MESSAGE (a string, or bytes where it is not UTF-8), docker's log, others'.
fn object(text: &str) -> Option<Entry> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let Some(Ok(Value::Object(fields))) = values.next() else { return None };
    let names = ["MESSAGE", "message", "msg", "log", "text", "line"];
    let message = names.iter().find_map(|name| fields.get(*name).and_then(text_of))?;
    let field = |name: &str| fields.get(name).and_then(Value::as_str);
    let foreign = match (field("_TRANSPORT"), field("SYSLOG_IDENTIFIER")) {
        (Some("kernel"), _) | (_, Some("kernel")) => false,
        (Some(_), _) | (_, Some(_)) => true,
        _ => false,
    };
    let micros = |name: &str| fields.get(name).and_then(integer);
    Some(Entry {
        message,
        realtime: micros("__REALTIME_TIMESTAMP"),
        uptime: micros("_SOURCE_MONOTONIC_TIMESTAMP").map(|us| us as f64 / 1e6),
        foreign,
    })
}

fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(bytes) => {
            let bytes: Vec<u8> = bytes.iter().filter_map(|b| b.as_u64().and_then(|b| u8::try_from(b).ok())).collect();
            Some(String::from_utf8_lossy(&bytes).into_owned())
        }
        _ => None,
    }
}

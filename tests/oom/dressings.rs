//! Each log in each dressing must give the same facts.

use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::Value;

use crate::facts::differences;
use crate::{json, logs, reports};

/// The kernel's own messages of a log, without the prefixes it came with; other programs' lines are left out.
fn messages(log: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in log.lines() {
        let dated = line.get(3..4) == Some(" ") && line.as_bytes().get(9) == Some(&b':');
        let text = match line.find("kernel: ") {
            Some(at) if dated => &line[at + "kernel: ".len()..],
            _ if dated => continue,
            _ => line,
        };
        let stamped = text.starts_with('[') && text.find(']').is_some_and(|end| text[..end].contains('.'));
        let text = match text.find("] ") {
            Some(end) if stamped => &text[end + 2..],
            _ => text,
        };
        if !text.trim().is_empty() {
            found.push(text.trim_end().to_owned());
        }
    }
    found
}

type Dressing = fn(&[String]) -> Vec<u8>;

fn lines(messages: &[String], each: impl Fn(usize, &str) -> String) -> Vec<u8> {
    let mut out = String::new();
    for (index, message) in messages.iter().enumerate() {
        let _ = writeln!(out, "{}", each(index, message));
    }
    out.into_bytes()
}

fn uptime(index: usize) -> String {
    format!("{:5}.{:06}", 4000 + index / 100, index * 37 % 1_000_000)
}

fn entities(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace("  ", " &nbsp;")
}

/// Wrapped at 76 columns as mail programs do, and quoted.
fn wrapped(messages: &[String]) -> Vec<u8> {
    let mut out = String::new();
    for (index, message) in messages.iter().enumerate() {
        let mut column = 0;
        out.push_str("> ");
        for word in format!("[{}] {message}", uptime(index)).split(' ') {
            if column > 0 && column + word.len() > 74 {
                out.push_str("\n> ");
                column = 0;
            } else if column > 0 {
                out.push(' ');
            }
            out.push_str(word);
            column += word.len() + 1;
        }
        out.push('\n');
    }
    out.into_bytes()
}

/// Several messages in one kmsg record, as the totals of Mem-Info are printed.
fn kmsg_records(messages: &[String]) -> Vec<u8> {
    let mut out = String::new();
    let mut sequence = 100;
    let mut iter = messages.iter().peekable();
    while let Some(message) = iter.next() {
        let mut record = message.clone();
        while iter.peek().is_some_and(|next| next.starts_with(' ') && next.contains("file:")) {
            record = format!("{record}\\x0a{}", iter.next().unwrap());
        }
        let micros = 4_000_000_000u64 + sequence * 11;
        let _ = writeln!(out, "4,{sequence},{micros},-,caller=T{sequence};{record}\n SUBSYSTEM=acpi\n DEVICE=+acpi:x");
        sequence += 1;
    }
    out.into_bytes()
}

fn zipped(messages: &[String]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(&lines(messages, |_, text| format!("Jan 25 14:59:30 host1 kernel: {text}"))).unwrap();
    let zipped = writer.finish().unwrap();
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(&zipped[..]), &mut plain).unwrap();
    plain
}

fn other_lines(index: usize) -> String {
    let lines = [
        "audit: type=1400 audit(1611586770.1:12): apparmor=\"DENIED\" operation=\"open\" pid=12 comm=\"x\"",
        "nf_conntrack: table full, dropping packet",
        "docker0: port 2(veth1) entered disabled state",
    ];
    format!("[{}] {}", uptime(index), lines[index % lines.len()])
}

const DRESSINGS: &[(&str, Dressing)] = &[
    ("bare", |m| lines(m, |_, text| text.to_owned())),
    ("dmesg", |m| lines(m, |i, text| format!("[{}] {text}", uptime(i)))),
    ("dmesg with callers", |m| lines(m, |i, text| format!("[{}][ T{i}] {text}", uptime(i)))),
    ("dmesg -T", |m| lines(m, |_, text| format!("[Sat Mar 20 09:50:20 2021] {text}"))),
    ("dmesg -x", |m| lines(m, |i, text| format!("kern  :warn  : [{}] {text}", uptime(i)))),
    ("serial console", |m| lines(m, |i, text| format!("<4>[{}] {text}", uptime(i)))),
    ("syslog", |m| lines(m, |i, text| format!("Jan  5 15:19:04 host1 kernel: [{}] {text}", uptime(i)))),
    ("syslog without host", |m| lines(m, |i, text| format!("Jan  5 15:19:04 kernel: [{}] {text}", uptime(i)))),
    ("syslog without times", |m| lines(m, |_, text| format!("Jan  5 15:19:04 host1 kernel: {text}"))),
    ("ISO syslog", |m| lines(m, |_, text| format!("2019-12-19T08:09:47.123+01:00 host1 kernel: {text}"))),
    ("journalctl short-iso", |m| lines(m, |_, text| format!("2019-12-19T08:09:47+0100 host1 kernel: {text}"))),
    ("journalctl short-full", |m| lines(m, |_, text| format!("Mon 2021-01-25 14:59:30 UTC host1 kernel: {text}"))),
    ("journalctl short-unix", |m| lines(m, |_, text| format!("1611586770.123456 host1 kernel: {text}"))),
    ("journalctl short-monotonic", |m| lines(m, |i, text| format!("[{}] host1 kernel: {text}", uptime(i)))),
    ("journalctl json", |m| {
        lines(m, |i, text| {
            let message = serde_json::to_string(text).unwrap();
            let time = 1_611_586_770_000_000u64 + i as u64;
            format!("{{\"MESSAGE\":{message},\"_TRANSPORT\":\"kernel\",\"__REALTIME_TIMESTAMP\":\"{time}\"}}")
        })
    }),
    ("journalctl json as bytes", |m| {
        lines(m, |_, text| {
            format!("{{\"_TRANSPORT\":\"kernel\",\"MESSAGE\":{:?}}}", text.as_bytes()).replace(", ", ",")
        })
    }),
    ("journalctl json-pretty", |m| {
        lines(m, |_, text| {
            let message = serde_json::to_string(text).unwrap();
            format!("{{\n\t\"_TRANSPORT\" : \"kernel\",\n\t\"MESSAGE\" : {message},\n\t\"PRIORITY\" : \"4\"\n}}")
        })
    }),
    ("journalctl export", |m| lines(m, |_, text| format!("__CURSOR=s=1;i=2\n_TRANSPORT=kernel\nMESSAGE={text}\n"))),
    ("container json", |m| {
        lines(m, |_, text| {
            let message = serde_json::to_string(&format!("{text}\n")).unwrap();
            format!("{{\"log\":{message},\"stream\":\"stdout\",\"time\":\"2021-01-25T14:59:30.1Z\"}}")
        })
    }),
    ("container runtime", |m| {
        lines(m, |_, text| format!("2021-01-25T14:59:30.123456789Z stdout F Jan 25 14:59:30 host1 kernel: {text}"))
    }),
    ("vmware.log", |m| {
        lines(m, |i, text| format!("2023-01-02T03:04:05.678Z In(05) vcpu-0 - Guest: <4>[{}] {text}", uptime(i)))
    }),
    ("kmsg", kmsg_records),
    ("CRLF", |m| lines(m, |i, text| format!("[{}] {text}\r", uptime(i)))),
    ("entities", |m| lines(m, |i, text| entities(&format!("[{}] {text}", uptime(i))))),
    ("line breaks as markup", |m| lines(m, |i, text| format!("{}<br>", entities(&format!("[{}] {text}", uptime(i)))))),
    ("colours", |m| lines(m, |i, text| format!("\u{1b}[32m[{}]\u{1b}[0m \u{1b}[33m{text}\u{1b}[0m", uptime(i)))),
    ("quoted", |m| lines(m, |i, text| format!("> > [{}] {text}", uptime(i)))),
    ("wrapped mail", wrapped),
    ("collapsed blanks", |m| lines(m, |_, text| text.split_whitespace().collect::<Vec<_>>().join(" "))),
    ("blanks that do not break", |m| lines(m, |_, text| text.replace(' ', "\u{a0}"))),
    ("lost newlines", |m| m.join(" ").into_bytes()),
    ("lost newlines, times kept", |m| {
        String::from_utf8(lines(m, |i, t| format!("[{}] {t}", uptime(i)))).unwrap().replace('\n', " ").into_bytes()
    }),
    ("lost newlines of syslog", |m| {
        String::from_utf8(lines(m, |i, t| format!("Jan  5 15:19:04 host1 kernel: [{}] {t}", uptime(i))))
            .unwrap()
            .replace('\n', " ")
            .into_bytes()
    }),
    ("lost newlines without blanks", |m| m.concat().into_bytes()),
    ("rsyslog", |m| format!("Jan  5 15:19:04 host1 kernel: {}\n", m.join("#012")).into_bytes()),
    ("others between", |m| lines(m, |i, text| format!("[{}] {text}\n{}", uptime(i), other_lines(i)))),
    ("gzip", zipped),
];

/// Facts that a dressing destroys: with every newline lost, a name and what follows it cannot be told apart.
fn lost(dressing: &str, fact: &str) -> bool {
    dressing == "lost newlines without blanks" && (fact.contains("invoker:") || fact.contains("kernel:"))
}

#[test]
fn every_dressing_gives_the_same_facts() {
    let mut failed = String::new();
    for (name, log, expected) in logs() {
        let messages = messages(&log);
        for (dressing, dress) in DRESSINGS {
            let got: Vec<Value> = reports(&dress(&messages)).iter().map(json).collect();
            let bad = differences(&expected, &got);
            let bad: Vec<&String> = bad.iter().filter(|fact| !lost(dressing, fact)).collect();
            if !bad.is_empty() {
                let _ = writeln!(failed, "{name} as {dressing}:");
                bad.iter().take(4).for_each(|fact| failed.push_str(&format!("    {fact}\n")));
            }
        }
    }
    assert!(failed.is_empty(), "\n{failed}");
}

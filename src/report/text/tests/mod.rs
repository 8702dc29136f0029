mod documents;

use insta::assert_snapshot;

use super::*;
use crate::report::escape;
use crate::report::{FrameRow, Inspect, SampleRow, Scan, TargetRow};
use crate::scan::Label;

fn terminal(width: usize, color: bool) -> Style {
    Style { width, color, unicode: true, whole: false, ..Style::plain() }
}

#[test]
fn an_inspection_is_one_screen() {
    let document = Document::Inspect(Box::new(documents::inspect()));
    assert_snapshot!("inspect-100", render(&document, &terminal(100, false)));
    assert_snapshot!("inspect-80", render(&document, &terminal(80, false)));
    assert_snapshot!("inspect-100-color", render(&document, &terminal(100, true)));
    assert_snapshot!("inspect-pipe", render(&document, &Style::plain()));
}

#[test]
fn the_other_answers() {
    for document in documents::all().into_iter().skip(1) {
        let name = document.command();
        assert_snapshot!(format!("{name}-100"), render(&document, &terminal(100, false)));
        assert_snapshot!(format!("{name}-80"), render(&document, &terminal(80, false)));
        assert_snapshot!(format!("{name}-pipe"), render(&document, &Style::plain()));
    }
}

#[test]
fn colour_changes_nothing_but_colour() {
    for document in documents::all() {
        let colored = render(&document, &terminal(100, true));
        let mut plain = String::new();
        let mut rest = colored.as_str();
        while let Some((before, after)) = rest.split_once("\x1b[") {
            plain.push_str(before);
            rest = after.split_once('m').unwrap().1;
        }
        plain.push_str(rest);
        assert!(colored.contains("\x1b["), "{}", document.command());
        let trimmed: String = plain.lines().flat_map(|line| [line.trim_end(), "\n"]).collect();
        assert_eq!(trimmed, render(&document, &terminal(100, false)), "{}", document.command());
    }
}

#[test]
fn a_terminal_is_never_overrun() {
    for document in documents::all() {
        for width in [60, 80, 100, 140] {
            for line in render(&document, &terminal(width, false)).lines() {
                assert_eq!(line.trim_end(), line, "{}", document.command());
                // The rows of hexyl are as wide as they are.
                let fixed = document.command() == "hex" && line.len() > 60;
                assert!(fixed || escape::width(line) <= width, "{} at {width}: {line}", document.command());
            }
        }
    }
}

#[test]
fn a_pipe_gets_ascii_drawings_and_whole_labels() {
    let mut scan = documents::scan();
    let label = format!("{{{}}}", ["order_id:int"; 40].join(", "));
    scan.content.as_mut().unwrap().groups[0].label = Label::fixed(&label);
    scan.content.as_mut().unwrap().groups.truncate(1);
    let text = render(&Document::Scan(scan), &Style::plain());
    assert!(text.lines().any(|line| line.contains(&label)), "{text}");
    assert!(text.is_ascii(), "{text}");
}

#[test]
fn an_empty_answer_says_unknown_and_not_zero() {
    let growth = Some(crate::report::Growth { seconds: 1.0, ..Default::default() });
    let limits = Some(crate::report::LimitRow { kind: "system".into(), ..Default::default() });
    let empty = Inspect { growth, limits, ..Inspect::default() };
    let text = render(&Document::Inspect(Box::new(empty)), &Style::plain());
    assert!(text.contains("RSS ? -> ? in 1.0 s") && text.contains("? of ?"), "{text}");
    assert!(!text.contains("0 B"), "{text}");
}

const HOSTILE: &str = "x\x1b[2J\x1b]0;owned\x07\r\ny\u{202e}z\u{9b}31m\u{200b}\t";

/// Every text that a target can choose.
fn hostile() -> Vec<Document> {
    let text = || HOSTILE.to_string();
    let target = TargetRow {
        name: text(),
        exe: Some(text()),
        cmdline: vec![text(), text()],
        cgroup: Some(text()),
        container_id: Some(text()),
        role: Some(text()),
        ..documents::target()
    };
    let mut content = documents::content();
    for group in &mut content.groups {
        group.label = Label::fixed(HOSTILE);
        group.samples.iter_mut().for_each(|sample: &mut SampleRow| sample.text = text());
    }
    let mut inspect = Inspect { target: target.clone(), content: Some(content.clone()), ..documents::inspect() };
    inspect.regions.iter_mut().for_each(|region| region.name = text());
    let verdict = inspect.verdict.as_mut().unwrap();
    (verdict.summary, verdict.next) = (text(), vec![text()]);
    inspect.limits.as_mut().unwrap().source = Some(text());
    let mut map = documents::map();
    map.regions.clone_from(&inspect.regions);
    let mut top = documents::top();
    top.processes[0].name = text();
    let mut dump = documents::dump();
    (dump.target, dump.path) = (target.clone(), text());
    let mut doctor = documents::doctor();
    (doctor.checks[1].detail, doctor.checks[1].remedy) = (text(), Some(text()));
    let mut trace = documents::trace();
    let hostile_frame = |frame: &mut FrameRow| (frame.text, frame.name, frame.file) = (text(), text(), Some(text()));
    trace.allocations.stacks.iter_mut().flat_map(|stack| &mut stack.frames).for_each(hostile_frame);
    let event = &mut trace.events.as_mut().unwrap()[0];
    event.file = Some(text());
    event.frames.iter_mut().for_each(hostile_frame);
    vec![
        Document::Scan(Scan { target: Some(target), path: Some(text()), content: Some(content), ..documents::scan() }),
        Document::Inspect(Box::new(inspect)),
        Document::Map(map),
        Document::Top(top),
        Document::Dump(dump),
        Document::Doctor(doctor),
        Document::Trace(Box::new(trace)),
    ]
}

#[test]
fn nothing_of_the_target_reaches_the_terminal() {
    for document in hostile() {
        for style in [terminal(100, false), terminal(80, false), Style::plain()] {
            let text = render(&document, &style);
            assert!(text.contains("x\\x1b[2J"), "{}: {text}", document.command());
            let bad = text.chars().find(|letter| letter.is_control() && *letter != '\n');
            assert_eq!(bad, None, "{}: {text}", document.command());
            assert!(!text.contains(['\u{202e}', '\u{200b}']), "{}", document.command());
        }
        let colored = render(&document, &terminal(100, true));
        let codes = colored.split('\x1b').skip(1);
        let ours = |code: &str| {
            let (numbers, _) = code.strip_prefix('[').and_then(|rest| rest.split_once('m')).unwrap_or(("?", ""));
            numbers.bytes().all(|byte| byte.is_ascii_digit() || byte == b';')
        };
        assert!(codes.clone().all(ours), "{}", document.command());
    }
}

#[test]
fn documents_begin_with_version_and_command() {
    for document in documents::all() {
        let mut out = Vec::new();
        crate::report::json::write(&document, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let head = format!("{{\"schema_version\":1,\"command\":\"{}\",", document.command());
        assert!(text.starts_with(&head), "{text}");
        assert!(text.ends_with("}\n") && text.lines().count() == 1, "{text}");
    }
}

#[test]
fn json_has_the_names_that_were_promised() {
    let mut out = Vec::new();
    crate::report::json::write(&Document::Inspect(Box::new(documents::inspect())), &mut out).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_snapshot!("inspect-json", serde_json::to_string_pretty(&value).unwrap());
    assert_eq!(value["target"]["start_time"], "2026-03-01T03:12:45Z");
    assert_eq!(value["regions"][1]["start"], "0x55d0c0a1f000");
    assert!(value["allocations"].is_null() && value["heap"].is_null());
    assert!(value["growth"].get("series").is_none());
}

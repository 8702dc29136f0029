//! Words in, plan or refusal out: no process and no terminal needed.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::plan::Voice;
use super::*;
use crate::jobs::{MethodChoice, Part, Selector, Subject};
use crate::space::RegionKind;
use crate::units::{Addr, ByteCount, Span};

fn nowhere() -> Surroundings {
    Surroundings {
        stdout_terminal: false,
        stderr_terminal: false,
        width: None,
        no_color: false,
        force_color: false,
        term: Some("xterm-256color".into()),
        locale: Some("en_US.UTF-8".into()),
        zone: TimeZone::UTC,
    }
}

fn terminal() -> Surroundings {
    Surroundings { stdout_terminal: true, stderr_terminal: true, width: Some(120), ..nowhere() }
}

fn words(text: &str) -> Vec<OsString> {
    std::iter::once("leakscope").chain(text.split(' ').filter(|word| !word.is_empty())).map(OsString::from).collect()
}

fn planned_in(text: &str, around: &Surroundings) -> Plan {
    match read(words(text), around) {
        Ok(Typed::Plan(plan)) => *plan,
        Ok(Typed::Help(_) | Typed::Leak | Typed::Oom(_) | Typed::Watch(_)) => panic!("{text} is no plan"),
        Err(error) => panic!("{text}: {error}"),
    }
}

fn planned(text: &str) -> Plan {
    planned_in(text, &nowhere())
}

fn refused(text: &str) -> Error {
    match read(words(text), &nowhere()) {
        Err(error) => error,
        Ok(_) => panic!("{text} was taken"),
    }
}

fn one(text: &str) -> Selector {
    Selector { text: text.into(), all: false }
}

#[test]
fn a_bare_target_is_inspected_for_ten_seconds() {
    let wanted = jobs::Inspect {
        selector: one("4711"),
        window: Duration::from_secs(10),
        interval: None,
        method: MethodChoice::Auto,
        max_pause: None,
        part: Part::Suspect,
        dump_dir: None,
        include_swapped: false,
    };
    assert_eq!(planned("4711").request, Request::Inspect(wanted.clone()));
    assert_eq!(planned("inspect 4711").request, Request::Inspect(wanted.clone()));
    let typed =
        planned("--json nginx --for 30s --interval 500ms --method stop --region heap --dump /d --include-swapped");
    assert!(typed.output.json);
    assert_eq!(
        typed.request,
        Request::Inspect(jobs::Inspect {
            selector: one("nginx"),
            window: Duration::from_secs(30),
            interval: Some(Duration::from_millis(500)),
            method: MethodChoice::Stop,
            max_pause: None,
            part: Part::Kind(RegionKind::Heap),
            dump_dir: Some("/d".into()),
            include_swapped: true,
        })
    );
}

#[test]
fn options_for_all_may_stand_anywhere() {
    for text in ["--json --quiet map 5", "map --json 5 --quiet", "map 5 -q --json"] {
        let plan = planned(text);
        assert!(plan.output.json && plan.voice.quiet, "{text}");
    }
    let plan = planned("scan 5 --max-memory 64MiB");
    assert_eq!((plan.max_memory, plan.max_memory_is_hard), (ByteCount::mib(64), true));
    let plan = planned("scan 5");
    assert_eq!((plan.max_memory, plan.max_memory_is_hard), (ByteCount::mib(256), false));
    assert!(planned("inspect 5 --exit-code").exit_code && !planned("5").exit_code);
}

#[test]
fn files_and_targets_are_told_apart() {
    let subject = |text: &str| match planned(&format!("scan {text}")).request {
        Request::Scan(scan) => scan.subject,
        other => panic!("{other:?}"),
    };
    let file = |path: &str| Subject::File { path: path.into(), base: None };
    assert_eq!(subject("5"), Subject::Target(one("5")));
    assert_eq!(subject("nginx"), Subject::Target(one("nginx")));
    assert_eq!(subject("children:5"), Subject::Target(one("children:5")));
    assert_eq!(
        subject("cgroup:/system.slice/nginx.service"),
        Subject::Target(one("cgroup:/system.slice/nginx.service"))
    );
    assert_eq!(subject("/no/such/file"), file("/no/such/file"));
    assert_eq!(subject("./5"), file("./5"));
    // Tests run where Cargo.toml is.
    assert_eq!(subject("Cargo.toml"), file("Cargo.toml"));
    assert_eq!(subject("./x --base 0x10"), Subject::File { path: "./x".into(), base: Some(Addr(16)) });
}

#[test]
fn hex_lists_what_was_asked_for() {
    let hex = |text: &str| match planned(&format!("hex {text}")).request {
        Request::Hex(hex) => (hex.part, hex.length, hex.find),
        other => panic!("{other:?}"),
    };
    let span = |start, size| Some(Part::Span(Span::sized(Addr(start), ByteCount(size))));
    assert_eq!(hex("5 --at 0x1000"), (span(0x1000, 256), ByteCount(256), None));
    assert_eq!(hex("5 --at 0x1000 --length 64"), (span(0x1000, 64), ByteCount(64), None));
    assert_eq!(hex("5 --range 0x1000+8KiB"), (span(0x1000, 8192), ByteCount(8192), None));
    assert_eq!(hex("./f"), (None, ByteCount(256), None));
    assert_eq!(hex("5 --find hex:00ff"), (None, ByteCount(256), Some(vec![0, 255])));
    assert_eq!(hex("5 --find ab --at 0x10"), (Some(Part::At(Addr(16))), ByteCount(256), Some(b"ab".to_vec())));
}

#[test]
fn what_contradicts_itself_is_wrong_usage() {
    for text in [
        "",
        "--bogus 5",
        "inspect",
        "inspect 5 6",
        "isnpect 5",
        "map",
        "5 --for 0s",
        "5 --for -1s",
        "5 --for 10",
        "5 --for 1s --interval 2s",
        "5 --method telepathy",
        "5 --region heap --range 0x1-0x2",
        "5 --range 0x2-0x1",
        "5 --max-memory 0",
        "5 --max-memory lots",
        "5 --color purple",
        "top -n 0",
        "top --sort name",
        "dump 5 --format core --region heap",
        "dump 5 --redact",
        "hex 5",
        "hex 5 --find x --redact",
        "hex 5 --at 0x1 --range 0x1-0x2",
        "hex 5 --range 0x0+1GiB",
        "hex 5 --at 12",
        "hex ./f --find hex:0",
        "scan 5 --base 0x10",
        "scan ./f --include-swapped",
        "diff a",
        "demo 5",
    ] {
        let error = refused(text);
        assert_eq!(error.kind(), ErrorKind::Usage, "{text}");
        let line = error.to_string();
        assert!(!line.contains('\n') && line.len() < 300, "{text}: {line}");
    }
}

#[test]
fn usage_errors_name_the_page_that_helps() {
    assert!(refused("top -n 0").to_string().ends_with("see leakscope top --help"));
    assert!(refused("--color x top").to_string().ends_with("see leakscope --help"));
    assert_eq!(
        refused("map 5 --qiuet").to_string(),
        "cannot read the command line: unexpected argument '--qiuet' found; tip: a similar argument exists: '--quiet'; \
         see leakscope map --help"
    );
}

#[test]
fn help_and_version_are_answers() {
    for text in ["--help", "-h", "--version", "-V", "map --help", "5 --help", "help", "help map"] {
        assert!(matches!(read(words(text), &nowhere()), Ok(Typed::Help(_))), "{text}");
    }
    let names = <CommandLine as clap::CommandFactory>::command();
    for command in names.get_subcommands() {
        let text = format!("{} --help", command.get_name());
        let Ok(Typed::Help(help)) = read(words(&text), &nowhere()) else { panic!("{text}") };
        assert!(
            help.contains("Usage:") && help.is_ascii() || help.contains('“') || help.contains('…'),
            "{text}: {help}"
        );
    }
}

#[test]
fn a_terminal_gets_colour_and_a_pipe_plain_text() {
    let look = |text: &str, around: &Surroundings| {
        let style = planned_in(text, around).output.style;
        (style.color, style.unicode, style.whole, style.width)
    };
    assert_eq!(look("5", &terminal()), (true, true, false, 120));
    assert_eq!(look("5", &nowhere()), (false, false, true, 100));
    assert!(look("5 --color always", &nowhere()).0);
    assert!(!look("5 --color never", &terminal()).0);
    let changed = |change: fn(&mut Surroundings)| {
        let mut around = terminal();
        change(&mut around);
        around
    };
    let no_color = changed(|around| (around.no_color, around.force_color) = (true, true));
    assert!(!look("5", &no_color).0 && look("5 --color always", &no_color).0);
    assert!(look("5", &Surroundings { force_color: true, ..nowhere() }).0);
    let dumb = changed(|around| around.term = Some("dumb".into()));
    assert_eq!(look("5", &dumb), (false, false, false, 120));
    assert!(!look("5", &changed(|around| around.locale = Some("C".into()))).1);
    assert!(look("5", &changed(|around| around.locale = None)).1);
    assert!(!look("5", &changed(|around| around.term = Some("linux".into()))).1);
    for (width, taken) in [(Some(0), 100), (Some(20), 60), (Some(500), 140), (None, 100)] {
        assert_eq!(look("5", &Surroundings { width, ..terminal() }).3, taken);
    }
}

#[test]
fn bars_move_on_a_terminal_only() {
    let voice = |text: &str, around: &Surroundings| planned_in(text, around).voice;
    assert_eq!(voice("5", &terminal()), Voice { quiet: false, color: true, bars: true, unicode: true });
    assert_eq!(voice("5 -q", &terminal()), Voice { quiet: true, color: true, bars: false, unicode: true });
    assert_eq!(voice("5", &nowhere()), Voice { quiet: false, color: false, bars: false, unicode: true });
}

#[test]
fn a_name_that_no_process_has_may_be_a_command() {
    let gone = || Error::new(ErrorKind::Gone, "cannot find", "scna", "no process has that name");
    let line = told(gone(), &planned("scna").request).to_string();
    assert_eq!(line, "cannot find scna: no process has that name; did you mean the command “scan”?");
    assert_eq!(told(gone(), &planned("nginx").request).hint(), None);
    assert_eq!(told(gone(), &planned("map scna").request).hint(), None);
}

#[test]
fn a_kernel_log_is_read_from_where_it_was_said() {
    let plan = |text: &str| match read(words(text), &nowhere()) {
        Ok(Typed::Oom(plan)) => *plan,
        _ => panic!("{text} is no plan for a kernel log"),
    };
    assert_eq!(plan("oom").request.log, jobs::oom::Log::Kernel);
    assert_eq!(plan("oom -").request.log, jobs::oom::Log::Stdin);
    let typed = plan("oom kern.log --last 2 --json --verbose");
    assert_eq!(typed.request.log, jobs::oom::Log::File("kern.log".into()));
    assert_eq!(typed.request.last, Some(2));
    assert!(typed.json && typed.verbose);
    assert!(plan("oom --follow").request.follow);
    refused("oom --follow kern.log");
}

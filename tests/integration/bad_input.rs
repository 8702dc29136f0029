//! Targets, files and ranges that are wrong, end too early or mean harm: an exit code and one line, never a panic.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::run::{binary, dump};
use crate::common::{Patient, Run, folder, is_root, leakscope, note, skip};

/// Characters that a terminal would obey or that turn the direction of writing.
fn harmful(text: &str) -> Vec<char> {
    let bad = |c: &char| {
        (c.is_control() && *c != '\n' && *c != '\t') || matches!(*c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().filter(bad).collect()
}

#[track_caller]
fn assert_harmless(run: &Run) {
    assert_eq!(harmful(&run.stdout), [], "stdout\n{}", run.scene().escape_debug());
    assert_eq!(harmful(&run.stderr), [], "stderr\n{}", run.scene().escape_debug());
}

#[track_caller]
fn assert_code_in(run: Run, codes: &[i32]) -> Run {
    assert!(run.code.is_some_and(|code| codes.contains(&code)), "wanted one of {codes:?}\n{}", run.scene());
    run
}

#[test]
fn a_pid_without_a_process_is_code_3() {
    let mut child = Command::new("true").stdin(Stdio::null()).spawn().expect("true");
    child.wait().expect("our child");
    let gone = child.id().to_string();
    for command in ["inspect", "map", "scan", "dump"] {
        for pid in [gone.as_str(), "4194303"] {
            leakscope([command, pid]).run().fails(3, &[pid]);
        }
    }
    leakscope(["inspect", "no-process-has-this-name"]).run().fails(3, &["no-process-has-this-name"]);
    leakscope(["inspect", &format!("children:{gone}")]).run().fails(3, &[]);
}

#[test]
fn words_that_are_no_target_are_refused() {
    for word in
        ["", "0", "-1", "99999999999999999999", "children:", "children:x", "cgroup:", "cgroup:/no/such", "../../etc"]
    {
        let run = leakscope(["inspect", "--for", "1s", "--json", "--", word]).run();
        assert_harmless(&assert_code_in(run, &[1, 2, 3]));
    }
    let run = leakscope([OsStr::new("inspect"), OsStr::from_bytes(b"\xff\xfe\x1b[31m")]).run();
    assert_harmless(&assert_code_in(run, &[1, 2, 3]));
}

#[test]
fn kernel_threads_are_refused() {
    let threadd = fs::read_to_string("/proc/2/status").unwrap_or_default();
    if !threadd.contains("kthreadd") {
        return note("pid 2 is no kernel thread here (a container)");
    }
    for command in ["inspect", "scan", "dump"] {
        let run = leakscope([command, "2"]).run();
        assert!(run.stderr.contains("kernel"), "{}", run.scene());
        assert_code_in(run, &[1, 3, 4]);
    }
}

#[test]
fn leakscope_does_not_look_into_itself() {
    let run = leakscope::<&str>([]).through(&["sh", "-c", "exec \"$0\" inspect $$ --for 1s"], binary()).run();
    assert_code_in(run, &[1, 2]).stderr.contains("itself").then_some(()).expect("it says why");
}

#[test]
fn a_zombie_is_refused() {
    let mut zombie = Command::new("true").stdin(Stdio::null()).spawn().expect("true");
    let pid = zombie.id().to_string();
    let dead = || fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "));
    assert!(crate::common::wait_until(std::time::Duration::from_secs(5), dead));
    for command in ["inspect", "map", "scan", "dump"] {
        let run = leakscope([command, &pid]).run();
        assert!(!run.stderr.is_empty() && run.stdout.is_empty(), "{}", run.scene());
        assert_code_in(run, &[1, 3]);
    }
    zombie.wait().expect("our child");
}

#[test]
fn a_target_that_ends_in_any_phase_is_code_3() {
    for milliseconds in ["1", "30", "100", "300", "800", "1500", "1900", "2050"] {
        let patient = Patient::spawn("exits_midway", &[milliseconds, "100000"]);
        patient.expect_end();
        patient.tell("go");
        let run = leakscope(["inspect", &patient.target(), "--for", "2s", "--json"]).run();
        let run = assert_code_in(run, &[0, 3]);
        if run.code == Some(0) {
            run.json(); // it had all it needed before the end
        } else {
            run.fails(3, &[]);
        }
    }
}

#[test]
fn a_target_that_becomes_another_program_is_noticed() {
    for milliseconds in ["50", "700", "1500"] {
        let patient = Patient::spawn("execs_midway", &[milliseconds, "20000"]);
        patient.expect_end();
        patient.tell("go");
        let run = assert_code_in(leakscope(["inspect", &patient.target(), "--for", "2s", "--json"]).run(), &[0, 1, 3]);
        if run.code == Some(0) {
            let value = run.json();
            let kind = value["verdict"]["kind"].as_str().unwrap_or("");
            let warned = value["warnings"].as_array().is_some_and(|warnings| !warnings.is_empty());
            assert!(kind != "leak" && (kind != "growing" || warned), "{:#}", value["verdict"]);
        }
    }
}

#[test]
fn ranges_that_make_no_sense_are_refused() {
    let (patient, folder) = (Patient::spawn("json_leak", &["100"]), folder());
    let path = folder.path().join("out");
    for range in
        ["0x2000-0x1000", "0x1000-0x1000", "0x1000", "1000-", "0xzz-0x1", "", "-", "0x1000+", "0x1+-5", "0x1-0x2-0x3"]
    {
        let run = dump(&patient.target(), range, &path).run();
        assert!(!path.exists(), "{range}");
        assert_code_in(run, &[1, 2]);
    }
    for range in ["0x1000-0x2000", "0xffffffffffffe000-0xfffffffffffff000", "0x0-0x1000", "0x7ffffffff000+4K"] {
        let run = dump(&patient.target(), range, &path).run();
        assert!(!path.exists(), "{range}");
        run.fails(1, &[]);
    }
    for range in ["0x0-0xffffffffffffffff", "0xffffffffffffffff+0xffffffffffffffff", "0x0+18446744073709551615"] {
        let run = dump(&patient.target(), range, &path).run();
        assert!(!path.exists(), "{range}");
        assert_code_in(run, &[1, 2]);
    }
}

#[test]
fn an_unaligned_range_is_taken_as_typed() {
    let (patient, folder) = (Patient::spawn("json_leak", &["5000"]), folder());
    let value = leakscope(["map", &patient.target(), "--json"]).run().json();
    let heap = crate::common::answer::regions_of(&value, "heap")[0].clone();
    let start = crate::common::answer::address(&heap["start"]);
    let (whole, part) = (folder.path().join("whole"), folder.path().join("part"));
    dump(&patient.target(), &format!("{start:#x}+64KiB"), &whole).run().ok();
    dump(&patient.target(), &format!("{:#x}-{:#x}", start + 4097, start + 4097 + 12345), &part).run().ok();
    let (whole, part) = (fs::read(whole).expect("a dump"), fs::read(part).expect("a dump"));
    assert_eq!(whole.len(), 65536);
    assert_eq!(part, whole[4097..4097 + 12345]);
}

/// Every command that takes a file, on `path`.
fn on_file(path: &Path) -> Vec<Run> {
    let one = |command: &str| leakscope([command, "--json"]).arg(path).run();
    vec![one("scan"), leakscope(["hex"]).arg(path).run(), leakscope(["diff", "--json"]).arg(path).arg(path).run()]
}

#[test]
fn truncated_and_false_manifests_are_survived() {
    let (patient, folder) = (Patient::spawn("json_leak", &["2000"]), folder());
    let path = folder.path().join("heap.raw");
    leakscope(["dump", &patient.target(), "--json"]).arg("--output").arg(&path).run().ok();
    let manifest = folder.path().join("heap.raw.json");
    let text = fs::read_to_string(&manifest).expect("a manifest");
    let lie = |from: &str, to: &str| text.replacen(from, to, 1);
    let false_ones = [
        text[..text.len() / 2].to_owned(),
        String::new(),
        "null".into(),
        "[]".into(),
        "{}".into(),
        "{\"schema_version\":99}".into(),
        "[".repeat(100_000),
        lie("\"start\": \"0x", "\"start\": \"0xfffffffffffffff"),
        lie("\"start\": \"0x", "\"start\": \"-"),
        lie("\"start\":\"0x", "\"start\":\"0xf"),
        lie("\"schema_version\"", "\"\u{1b}[31m\""),
    ];
    for content in &false_ones {
        fs::write(&manifest, content).expect("a false manifest");
        for run in on_file(&path) {
            assert_harmless(&assert_code_in(run, &[0, 1]));
        }
    }
    fs::write(&manifest, &text).expect("the manifest");
    let file = fs::OpenOptions::new().write(true).open(&path).expect("the dump");
    for length in [file.metadata().expect("its size").len() / 2 + 7, 1, 0] {
        file.set_len(length).expect("a cut dump");
        for run in on_file(&path) {
            assert_harmless(&assert_code_in(run, &[0, 1]));
        }
    }
}

#[test]
fn files_that_are_no_dumps_are_survived() {
    let folder = folder();
    for run in on_file(&folder.path().join("missing")) {
        assert_code_in(run, &[1, 3]);
    }
    for run in on_file(folder.path()) {
        assert_code_in(run, &[1]);
    }
    let odd = folder.path().join(OsStr::from_bytes(b"od\xff\xfed\x1b[31m"));
    fs::write(&odd, b"{\"a\":1}\x00{\"a\":2}\x00\xff\xfe\x1b[2J".repeat(1000)).expect("a file with an odd name");
    for run in on_file(&odd) {
        assert_harmless(&run.ok());
    }
    let fifo = folder.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
    for run in [leakscope(["scan"]).arg(&fifo), leakscope(["hex"]).arg(&fifo)] {
        assert_code_in(run.limit(std::time::Duration::from_secs(10)).run(), &[1, 2]);
    }
}

#[test]
fn hostile_names_and_content_do_no_harm() {
    let patient = Patient::spawn("hostile_name", &[]);
    let target = patient.target();
    let commands: [&[&str]; 6] = [
        &["inspect", &target, "--for", "1s"],
        &["map", &target],
        &["scan", &target],
        &["doctor", &target],
        &["top"],
        &["scan", &target, "--redact"],
    ];
    for arguments in commands {
        assert_harmless(&leakscope(arguments).run().ok());
    }
    let value = leakscope(["inspect", &target, "--for", "1s", "--json"]).run().json();
    assert_eq!(value["target"]["pid"], patient.pid());
    let folder = folder();
    let path = folder.path().join("out");
    assert_harmless(&leakscope(["dump", &target]).arg("--output").arg(&path).run().ok());
    assert_harmless(&leakscope(["scan"]).arg(&path).run().ok());
    assert_harmless(&leakscope(["hex", "--color", "never"]).arg(&path).run().ok());
}

#[test]
fn a_proc_that_shows_nothing_is_an_error_of_one_line() {
    if !is_root() {
        return skip("mounting needs root");
    }
    let patient = Patient::spawn("json_leak", &[]);
    for script in ["mount -t tmpfs none /proc", "mount --bind /sys /proc"] {
        let script = format!("{script} && exec \"$@\"");
        for command in ["inspect", "map", "scan", "dump", "top", "doctor"] {
            let words = ["unshare", "--mount", "sh", "-c", &script, "sh"];
            let target = patient.target();
            let arguments = if command == "top" { vec![command] } else { vec![command, &target] };
            let run = leakscope(arguments).through(&words, binary()).run();
            assert_harmless(&assert_code_in(run, if command == "doctor" { &[0, 1, 3, 4] } else { &[1, 3, 4] }));
        }
    }
}

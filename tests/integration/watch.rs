//! `watch` on real processes: workers that the kernel kills again and again, reloads, ends of every kind, evidence before
//! the kill, records that are cut.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::cgroup::Cgroup;
use crate::common::{Patient, Run, build, folder, heavy, leakscope, skip, wait_until};

const MIB: u64 = 1 << 20;
/// What a worker leaks.
const JSON_LABEL: &str = "{trace_id:hex, user_id:int, device:{os, model}, payload:str, sign:hex}";

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn events<'l>(lines: &'l [Value], event: &str) -> Vec<&'l Value> {
    lines.iter().filter(|line| line["type"] == "event" && line["event"] == event).collect()
}

fn verdicts(lines: &[Value]) -> Vec<&str> {
    lines.iter().filter(|line| line["type"] == "verdict").filter_map(|line| line["kind"].as_str()).collect()
}

#[track_caller]
fn watch(arguments: &[&str]) -> (Run, Vec<Value>) {
    let run = leakscope([&["watch", "--json"], arguments].concat()).run().ok();
    let lines = lines(&run.stdout);
    (run, lines)
}

/// A master in a cgroup, started with its stdin open; ends with the cgroup.
fn master(group: &Cgroup, workers: &str, pace: &str) -> Child {
    let program = build::patient("respawner");
    let mut command = Command::new(program);
    command.args([workers, pace, "a-title-needs-some-room-to-be-written-into"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = group.spawn(&mut command);
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while line != "READY\n" {
        line.clear();
        assert!(stdout.read_line(&mut line).unwrap() > 0, "the master ended");
    }
    child.stdout = Some(stdout.into_inner());
    child
}

#[test]
fn kills_are_named_respawns_followed_and_evidence_is_there_before() {
    let _one = heavy();
    let group = match Cgroup::new(96 * MIB) {
        Ok(group) => group,
        Err(reason) => return skip(&reason),
    };
    let mut child = master(&group, "1", "16M");
    let evidence = folder();
    let record = evidence.path().join("record.jsonl");
    let target = format!("children:{}", child.id());
    let path = |path: &std::path::Path| path.display().to_string();
    let (dump, recorded) = (path(evidence.path()), path(&record));
    let arguments = [&target, "--for", "22s", "--at", "50%", "--cool-down", "0s", "--keep", "9"];
    let (_, lines) = watch(&[&arguments[..], &["--dump", &dump, "--record", &recorded]].concat());
    let killed = events(&lines, "oom-killed");
    assert!(killed.len() >= 2, "{lines:#?}");
    assert!(killed.iter().all(|event| event["target"] == "respawner worker 1"), "{killed:#?}");
    let respawned = events(&lines, "respawned");
    assert!(respawned.len() >= 2 && respawned.iter().all(|event| event["target"] == "respawner worker 1"));
    assert_eq!(respawned[0]["replaces_pid"], killed[0]["pid"]);
    if std::fs::File::open("/dev/kmsg").is_ok() {
        assert_eq!(killed[0]["oom"]["cause"]["kind"], "memcg-limit", "{:#}", killed[0]);
    }
    assert!(verdicts(&lines).contains(&"growing"));
    let whole = events(&lines, "dumped").iter().filter(|event| event["paths"].as_array().unwrap().len() == 3).count();
    assert!(whole + 1 >= killed.len() && whole >= 2, "{:#?}", events(&lines, "failed"));
    for event in events(&lines, "dumped") {
        for path in event["paths"].as_array().unwrap() {
            let metadata = std::fs::metadata(path.as_str().unwrap()).unwrap();
            assert!(metadata.len() > 0 && metadata.permissions().mode() & 0o777 == 0o600, "{path}");
        }
        let mut report = event["paths"].as_array().unwrap().iter().map(|path| path.as_str().unwrap());
        let report = report.find(|path| path.ends_with("Z.json")).unwrap();
        let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
        assert_eq!(report["content"]["groups"][0]["label"], JSON_LABEL, "{report:#}");
    }
    let left = std::fs::read_dir(evidence.path()).unwrap().flatten();
    assert!(left.into_iter().all(|entry| !entry.file_name().to_string_lossy().contains("partial")));
    group.remove();
    child.wait().unwrap();
    // The record says the same again, and makes a page.
    let replayed = leakscope(["watch", "--json", "--replay", &recorded]).run().ok();
    let replayed = self::lines(&replayed.stdout);
    assert_eq!(events(&replayed, "oom-killed"), killed);
    assert!(verdicts(&replayed).contains(&"growing"));
    let page = path(&evidence.path().join("page.html"));
    leakscope(["report", &recorded, "-o", &page]).run().ok();
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.contains("<svg") && html.contains("oom-killed") && html.contains("respawner worker 1"));
    assert!(leakscope(["report", &recorded, "-o", &page]).run().code(1).stderr.contains("exists already"));
    leakscope(["report", &recorded, "-o", &page, "--force"]).run().ok();
}

#[test]
fn a_reload_is_no_leak_and_roles_are_handed_on() {
    let patient = Patient::start(
        "respawner",
        Command::new(build::patient("respawner")).args(["2", "0", "a-title-needs-some-room-to-be-written-into"]),
    );
    patient.expect_end();
    let target = format!("children:{}", patient.pid());
    let child = leakscope(["watch", "--json", "--for", "7s", "--interval", "500ms", &target]).spawn();
    std::thread::sleep(Duration::from_millis(1800));
    patient.tell("reload");
    std::thread::sleep(Duration::from_millis(2500));
    patient.tell("exit");
    let output = child.wait_with_output().unwrap();
    let lines = lines(&String::from_utf8(output.stdout).unwrap());
    let draining = events(&lines, "draining");
    assert_eq!(draining.len(), 2, "{lines:#?}");
    assert!(draining.iter().all(|event| event["target"].as_str().unwrap().contains("draining")));
    let respawned = events(&lines, "respawned");
    assert!(respawned.len() >= 3, "{respawned:#?}");
    assert!(
        respawned
            .iter()
            .all(|event| { ["respawner worker 1", "respawner worker 2"].contains(&event["target"].as_str().unwrap()) })
    );
    let exited = events(&lines, "exited");
    assert!(exited.iter().any(|event| event["exit_code"] == 3), "{exited:#?}");
    assert!(events(&lines, "oom-killed").is_empty() && !verdicts(&lines).contains(&"growing"));
}

#[test]
fn ends_are_told_apart_and_the_watch_ends_with_its_target() {
    let patient = Patient::spawn("steady", &["100"]);
    let child = leakscope(["watch", "--json", &patient.target()]).spawn();
    std::thread::sleep(Duration::from_millis(800));
    let begun = Instant::now();
    patient.end();
    let output = child.wait_with_output().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(8) && output.status.code() == Some(0));
    let lines = lines(&String::from_utf8(output.stdout).unwrap());
    // The harness reaps it only later: until then it is a zombie, which tells its status.
    assert_eq!(events(&lines, "exited")[0]["signal"], 9, "{lines:#?}");
    leakscope(["watch", &patient.target()]).run().code(3);
    leakscope(["watch", "no-such-process-anywhere"]).run().code(3);
    leakscope(["watch", "children:x"]).run().code(2);
}

#[test]
fn an_exec_begins_anew() {
    let patient = Patient::spawn("execs_midway", &[]);
    patient.expect_end();
    let child = leakscope(["watch", "--json", "--for", "4s", "--interval", "200ms", &patient.target()]).spawn();
    std::thread::sleep(Duration::from_millis(800));
    patient.tell("go");
    let output = child.wait_with_output().unwrap();
    let lines = lines(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(events(&lines, "executed").len(), 1, "{lines:#?}");
}

#[test]
fn sound_processes_are_not_accused() {
    let steady = Patient::spawn("steady", &["20000"]);
    let cache = Patient::spawn("warm_cache", &[]);
    steady.tell("go");
    cache.tell("go");
    let (_, lines) = watch(&["--for", "12s", &steady.target(), &cache.target()]);
    assert!(!verdicts(&lines).contains(&"growing"), "{lines:#?}");
    steady.tell("stop");
    cache.tell("stop");
}

#[test]
fn a_record_survives_kill_9() {
    let patient = Patient::spawn("steady", &["1000"]);
    let place = folder();
    let record = place.path().join("r.jsonl").display().to_string();
    for pause in [150, 333, 777] {
        let arguments = ["watch", "--json", "--interval", "5ms", "--record", &record, &patient.target()];
        let mut child = leakscope(arguments).spawn();
        std::thread::sleep(Duration::from_millis(pause));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let text = std::fs::read_to_string(&record).unwrap();
    let begun = text.lines().filter(|line| line.starts_with("{\"type\":\"watch\"")).count();
    assert_eq!(begun, 3);
    let run = leakscope(["watch", "--replay", &record, "--json"]).run().ok();
    assert!(lines(&run.stdout).len() > 3);
    assert_eq!(std::fs::metadata(&record).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_cannot_be_written_is_said_and_the_watch_goes_on() {
    let patient = Patient::spawn("steady", &["100"]);
    let target = patient.target();
    leakscope(["watch", &target, "--record", "/proc/nothing/here"]).run().code(1);
    leakscope(["watch", &target, "--dump", "/no/such/folder"]).run().code(1);
    leakscope(["watch", &target, "--listen", "0.0.0.0:0"]).run().code(2);
    leakscope(["watch", &target, "--at", "many"]).run().code(2);
    let place = folder();
    let precious = place.path().join("precious");
    std::fs::write(&precious, "precious").unwrap();
    let path = precious.display().to_string();
    assert!(leakscope(["watch", &target, "--record", &path]).run().code(1).stderr.contains("no record"));
    assert_eq!(std::fs::read(&precious).unwrap(), b"precious");
}

#[test]
fn scrapers_are_served() {
    let patient = Patient::spawn("steady", &["1000"]);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let arguments = ["watch", "--plain", "--for", "6s", "--listen", &address, &patient.target()];
    let child = leakscope(arguments).spawn();
    let mut text = String::new();
    let scraped = wait_until(Duration::from_secs(5), || {
        text.clear();
        let Ok(mut stream) = TcpStream::connect(&address) else { return false };
        let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        let _ = stream.read_to_string(&mut text);
        text.contains("leakscope_resident_bytes{")
    });
    assert!(scraped && text.ends_with("# EOF\n"), "{text}");
    assert!(text.contains(&format!("target=\"steady {}\"", patient.pid())), "{text}");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
}

#[test]
fn a_cgroup_that_vanishes_ends_the_watch() {
    let group = match Cgroup::new(64 * MIB) {
        Ok(group) => group,
        Err(reason) => return skip(&reason),
    };
    let mut child = group.spawn(Command::new("sleep").arg("60"));
    let selector = format!("cgroup:{}", group.path);
    let watching = leakscope(["watch", "--json", &selector]).spawn();
    std::thread::sleep(Duration::from_millis(1200));
    child.kill().unwrap();
    child.wait().unwrap();
    group.remove();
    let output = watching.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let lines = lines(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(events(&lines, "exited").len(), 1, "{lines:#?}");
}

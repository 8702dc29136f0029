//! The harness itself: every patient tells its truth and ends with its stdin, harm is seen, nginx grows as it should.

use std::fs;
use std::io::{Read, Seek};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::common::nginx::Nginx;
use crate::common::redis::Redis;
use crate::common::{self, Health, Patient, assert_near, build, python, skip, wait_until};

#[test]
fn every_patient_gets_ready_and_ends_with_its_stdin() {
    let folder = fs::read_dir(common::package().join("test-programs")).expect("test-programs");
    let names = folder
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "c" || extension == "cpp"));
    let mut seen = 0;
    for path in names {
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a plain name").to_owned();
        let arguments: &[&str] = match name.as_str() {
            "coupon_beside_cache" => &["1000000"],
            "reads_and_grows" => &["/dev/null"],
            _ => &[],
        };
        // A file, not a pipe: the end of a pipe is waited for as long as any child of the patient holds it.
        let mut told = tempfile::tempfile().expect("a file");
        let mut child = Command::new(build::patient(&name))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(told.try_clone().expect("its descriptor"))
            .spawn()
            .expect("a patient starts");
        if name == "stopped" {
            let pid = nix::unistd::Pid::from_raw(child.id() as i32);
            let stopped = || Health::of(pid.as_raw()).is_some_and(|health| health.state == "stopped");
            assert!(wait_until(Duration::from_secs(5), stopped), "stopped is not");
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGCONT).expect("our own child");
        }
        let ended = wait_until(Duration::from_secs(10), || child.try_wait().expect("our own child").is_some());
        let _ = child.kill();
        let status = child.wait().expect("our own child");
        assert!(ended, "{name} goes on without stdin");
        assert!(status.success(), "{name}: {status}");
        let mut text = String::new();
        told.rewind().and_then(|()| told.read_to_string(&mut text)).expect("its output");
        assert!(text.lines().any(|line| line == "READY"), "{name}: {text}");
        assert!(text.contains("count="), "{name}: {text}");
        seen += 1;
    }
    assert!(seen >= 35, "only {seen} patients");
}

#[test]
fn a_patient_grows_at_its_rate_and_only_when_told() {
    let patient = Patient::spawn("json_leak", &["1000", "4000000"]);
    let before = patient.number("bytes");
    patient.tell("count");
    assert_eq!(patient.number("bytes"), before);
    patient.tell("go");
    std::thread::sleep(Duration::from_secs(1));
    patient.tell("stop");
    assert_near("bytes in a second", (patient.number("bytes") - before) as f64, 4e6, 10.0);
    let count = patient.number("count");
    patient.tell("more 17");
    assert_eq!(patient.number("count"), count + 17);
}

#[test]
fn two_heaps_are_two_lines_of_maps() {
    let patient = Patient::spawn("two_heaps", &[]);
    let maps = fs::read_to_string(format!("/proc/{}/maps", patient.pid())).expect("maps");
    assert_eq!(maps.lines().filter(|line| line.ends_with("[heap]")).count(), 2, "{maps}");
}

#[test]
fn anon_down_keeps_its_end_and_moves_its_start() {
    let patient = Patient::spawn("anon_down", &[]);
    let largest = || {
        let maps = fs::read_to_string(format!("/proc/{}/maps", patient.pid())).expect("maps");
        let spans = maps.lines().filter_map(|line| {
            let (start, end) = line.split_whitespace().next()?.split_once('-')?;
            Some((u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?, line.len()))
        });
        spans.filter(|span| span.0 > 0x7000_0000_0000 && span.2 < 60).max_by_key(|span| span.1 - span.0).expect("one")
    };
    let before = largest();
    patient.tell("more 20000");
    let after = largest();
    assert_eq!(before.1, after.1);
    assert!(after.0 < before.0);
}

#[test]
fn harm_is_seen() {
    let patient = Patient::spawn("steady", &["100"]);
    let before = patient.health();
    assert_eq!(Health::of(patient.pid()).expect("it runs").harm_since(&before, false), Vec::<String>::new());
    let pid = nix::unistd::Pid::from_raw(patient.pid());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).expect("our own child");
    let harm = || Health::of(patient.pid()).expect("it runs").harm_since(&before, true);
    assert!(wait_until(Duration::from_secs(1), || !harm().is_empty()));
    assert_eq!(harm(), ["state: was running, is stopped"]);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGCONT).expect("our own child");
    let leak = Patient::spawn("json_leak", &["100"]);
    let before = leak.health();
    leak.tell("more 20000");
    assert!(!Health::of(leak.pid()).expect("it runs").harm_since(&before, false).is_empty());
}

#[test]
fn nginx_leaks_at_the_pace_of_its_load() {
    let nginx = match Nginx::start() {
        Ok(nginx) => nginx,
        Err(missing) => return skip(&missing),
    };
    assert!(nginx.ask("/encrypt?n=3").starts_with('3'));
    assert!(nginx.ask("/keep?n=5").starts_with('5'));
    let load = nginx.load("/encrypt?n=64", 700.0);
    std::thread::sleep(Duration::from_millis(500));
    let rss = || Health::of(nginx.worker()).expect("the worker runs").anonymous_kib as f64 / 1024.0;
    let (before, begun) = (rss(), std::time::Instant::now());
    std::thread::sleep(Duration::from_secs(2));
    let rate = (rss() - before) / begun.elapsed().as_secs_f64();
    assert!(load.end() > 1000);
    assert_near("MiB/s", rate, 12.0, 15.0);
}

#[test]
fn redis_and_python_hold_what_they_were_given() {
    match Redis::start() {
        Ok(redis) => {
            let before = Health::of(redis.pid()).expect("redis runs").anonymous_kib;
            redis.set(0, 20_000);
            assert!(Health::of(redis.pid()).expect("redis runs").anonymous_kib > before + 2000);
        }
        Err(missing) => skip(&missing),
    }
    match python::start("sessions", &["5000", "1000"]) {
        Ok(patient) => assert_eq!(patient.number("count"), 5000),
        Err(missing) => skip(&missing),
    }
}

//! What a target is owed: whatever happens to leakscope, SIGKILL at any instant included, the target runs on as before.

use std::path::Path;
use std::process::Child;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common::nginx::Nginx;
use crate::common::{Health, Leakscope, Patient, folder, heavy, leakscope, skip, wait_until};

/// Instants spread over `longest` without a pattern, the same in each run.
fn instants(count: u32, longest: Duration) -> Vec<Duration> {
    let fraction = |n: u32| f64::from(n) * 0.618_033_988_75 % 1.0;
    (0..count).map(|n| longest.mul_f64(fraction(n))).collect()
}

fn end(mut child: Child, signal: Signal) -> Option<i32> {
    let _ = kill(Pid::from_raw(child.id() as i32), signal);
    assert!(
        wait_until(Duration::from_secs(10), || child.try_wait().expect("our child").is_some()),
        "{signal} is ignored"
    );
    child.wait().expect("our child").code()
}

/// `command` on a patient; a dump goes to a file of its own.
fn prepare(patient: &Patient, command: &str, file: &Path) -> Leakscope {
    let run = leakscope([command, &patient.target(), "--json"]);
    match command {
        "inspect" => run.arg("--for").arg("1s"),
        "dump" => run.arg("--output").arg(file),
        _ => run,
    }
}

/// Kills `command` on a patient at instants all over the time that it takes, and looks at the patient each time.
#[track_caller]
fn kill_on(patient: &Patient, command: &str, count: u32) {
    let folder = folder();
    let whole = prepare(patient, command, &folder.path().join("whole")).run().ok().took;
    let mut hits = 0;
    for (n, instant) in instants(count, whole).into_iter().enumerate() {
        let mut child = prepare(patient, command, &folder.path().join(n.to_string())).spawn();
        std::thread::sleep(instant);
        hits += u32::from(child.try_wait().expect("our child").is_none());
        end(child, Signal::SIGKILL);
        patient.assert_unharmed();
    }
    assert!(hits * 4 >= count, "only {hits} of {count} kills met it at work ({whole:?})");
}

#[test]
fn killed_on_an_idle_process() {
    let patient = Patient::spawn("json_leak", &["100000"]);
    kill_on(&patient, "dump", 25);
    kill_on(&patient, "scan", 15);
    kill_on(&patient, "inspect", 8);
}

#[test]
fn killed_on_a_busy_process() {
    let patient = Patient::spawn("json_leak", &["50000", "10000000"]);
    patient.tell("go");
    kill_on(&patient, "dump", 20);
    kill_on(&patient, "inspect", 8);
    patient.tell("stop");
    let before = patient.number("bytes");
    patient.tell("more 10");
    assert!(patient.number("bytes") > before, "it works on");
}

#[test]
fn killed_on_a_process_of_many_threads() {
    let patient = Patient::spawn("many_threads", &["200"]);
    kill_on(&patient, "dump", 20);
    kill_on(&patient, "inspect", 5);
    patient.tell("count");
    // The process beside leakscope mends every wait before it lets go, also when leakscope is no more.
    assert_eq!(patient.number("wrong"), 0, "waits were cut short");
    assert_eq!(patient.number("threads"), 201);
}

#[test]
fn killed_on_a_stopped_process() {
    let patient = Patient::spawn("stopped", &["50000"]);
    patient.wait_stopped();
    kill_on(&patient, "dump", 15);
    kill_on(&patient, "inspect", 4);
    assert_eq!(Health::of(patient.pid()).map(|health| health.state), Some("stopped"));
}

#[test]
fn a_stopped_process_stays_stopped_and_is_read_all_the_same() {
    let patient = Patient::spawn("stopped", &["5000"]);
    patient.wait_stopped();
    let value = leakscope(["scan", &patient.target(), "--json"]).run().json();
    let (count, _) = crate::common::members(&value, "json", &["{trace_id:hex"]);
    assert_eq!(count, 5000);
    let folder = folder();
    leakscope(["dump", &patient.target(), "--json"]).arg("--output").arg(folder.path().join("d")).run().ok();
    assert_eq!(Health::of(patient.pid()).map(|health| health.state), Some("stopped"));
    // And it can be woken by who stopped it.
    kill(Pid::from_raw(patient.pid()), Signal::SIGCONT).expect("our child");
    let runs = || Health::of(patient.pid()).is_some_and(|health| health.state == "running");
    assert!(wait_until(Duration::from_secs(2), runs));
    patient.settle();
    patient.tell("count");
}

#[test]
fn interrupted_it_says_so_and_leaves_nothing() {
    let patient = Patient::spawn("json_leak", &["50000"]);
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let folder = folder();
        let path = folder.path().join("d");
        let mut child = leakscope(["inspect", &patient.target(), "--for", "20s", "--json"]).spawn();
        std::thread::sleep(Duration::from_millis(700));
        assert!(child.try_wait().expect("our child").is_none(), "it still looks");
        let code = end(child, signal);
        assert!(signal != Signal::SIGINT || code == Some(130), "code {code:?} after {signal}");
        patient.assert_unharmed();
        assert!(!path.exists());
    }
}

#[test]
fn reading_wakes_nobody_from_epoll() {
    let patient = Patient::spawn("epoll_wait", &["20000"]);
    let folder = folder();
    for n in 0..10 {
        let path = folder.path().join(n.to_string());
        leakscope(["dump", &patient.target(), "--json"]).arg("--output").arg(path).run().ok();
    }
    leakscope(["inspect", &patient.target(), "--for", "1s", "--json"]).run().ok();
    patient.tell("count");
    assert_eq!(patient.number("eintr"), 0, "spurious EINTR");
}

#[test]
fn threads_that_wait_go_on_waiting() {
    let patient = Patient::spawn("many_threads", &["100"]);
    let folder = folder();
    for n in 0..5 {
        let path = folder.path().join(n.to_string());
        let value = leakscope(["dump", &patient.target(), "--json"]).arg("--output").arg(path).run().json();
        assert!(value["pause_ms"].as_f64().is_some_and(|pause| pause > 0.0 && pause < 1000.0), "{value:#}");
    }
    let beats = patient.number("beats");
    patient.tell("count");
    assert!(patient.number("beats") > beats, "the busy thread works on");
    assert_eq!(patient.number("wrong"), 0, "waits were cut short");
}

#[test]
fn the_pause_said_is_the_pause_felt() {
    let _one = heavy();
    let (patient, folder) = (Patient::spawn("stamper", &["64M"]), folder());
    patient.tell("count");
    let path = folder.path().join("d");
    // Other methods stop one thread for longer than the rest, and say that.
    let words = ["dump", &patient.target(), "--json", "--method", "stop"];
    let value = leakscope(words).arg("--output").arg(path).run().json();
    patient.tell("count");
    let felt = patient.number("gap_us") as f64 / 1000.0;
    let said = value["pause_ms"].as_f64().expect("pause_ms");
    // The thread's own wait and a busy machine lengthen what it feels, by milliseconds.
    assert!(said <= felt + 1.0 && felt <= said + 40.0, "said {said} ms, felt {felt} ms");
}

#[test]
fn a_live_scan_does_not_stop_anything() {
    let value = {
        let patient = Patient::spawn("json_leak", &["100000"]);
        leakscope(["scan", &patient.target(), "--json"]).run().json()
    };
    let pause = &value["snapshot"]["pause_ms"];
    assert!(pause.is_null() || pause == 0.0 || pause == 0, "{pause}");
}

#[test]
fn nginx_serves_while_it_is_looked_into() {
    let _one = heavy();
    let nginx = match Nginx::start() {
        Ok(nginx) => nginx,
        Err(missing) => return skip(&missing),
    };
    let load = nginx.load("/encrypt?n=32", 300.0);
    let worker = nginx.worker().to_string();
    let folder = folder();
    for (n, instant) in instants(15, Duration::from_millis(200)).into_iter().enumerate() {
        let child =
            leakscope(["dump", &worker, "--json"]).arg("--output").arg(folder.path().join(n.to_string())).spawn();
        std::thread::sleep(instant);
        end(child, Signal::SIGKILL);
        nginx.assert_unharmed();
    }
    let before = load.asked();
    std::thread::sleep(Duration::from_millis(500));
    assert!(load.end() > before + 100, "it serves on");
}

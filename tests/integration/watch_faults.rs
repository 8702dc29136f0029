//! `watch` where things go wrong around it: full and read-only disks, readers that do not read, a machine that sleeps,
//! thousands of children, pids that are not there, a real nginx whose workers the kernel kills.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::common::cgroup::Cgroup;
use crate::common::nginx::Nginx;
use crate::common::{Patient, build, folder, heavy, leakscope, skip, wait_until};

/// A small file system in memory; gone when dropped.
struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    fn mount(options: &str) -> Result<Disk, String> {
        let folder = folder();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Ok(Disk { folder }),
            _ => Err("no file system can be mounted (needs root)".into()),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).status();
    }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn texts<'l>(lines: &'l [Value], event: &str) -> Vec<&'l str> {
    lines.iter().filter(|line| line["event"] == event).filter_map(|line| line["text"].as_str()).collect()
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn a_full_disk_is_said_and_ends_neither_the_watch_nor_the_record() {
    let disk = match Disk::mount("size=1m") {
        Ok(disk) => disk,
        Err(reason) => return skip(&reason),
    };
    let patient = Patient::spawn("json_leak", &["20000", "2000000"]);
    patient.tell("go");
    fs::write(disk.path("filler"), vec![1; 990 << 10]).unwrap();
    let (record, evidence) = (disk.path("record"), disk.path("evidence"));
    fs::create_dir(&evidence).unwrap();
    let (recorded, dump) = (text(&record), text(&evidence));
    let arguments = ["watch", "--json", "--for", "8s", "--interval", "10ms", "--at", "1KiB", "--record", &recorded];
    let child = leakscope([&arguments[..], &["--dump", &dump, &patient.target()]].concat()).spawn();
    let is_full = || fs::metadata(&record).is_ok_and(|metadata| metadata.len() > 20_000);
    wait_until(Duration::from_secs(5), is_full);
    std::thread::sleep(Duration::from_millis(1500));
    fs::remove_file(disk.path("filler")).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let said = lines(&String::from_utf8(output.stdout).unwrap());
    let failed = texts(&said, "failed");
    assert!(failed.iter().any(|text| text.contains("cannot record") && text.contains("No space")), "{failed:?}");
    assert!(
        texts(&said, "notice").iter().any(|text| text.contains("recording goes on")),
        "{:?}",
        texts(&said, "notice")
    );
    // Every line of it is whole.
    assert!(lines(&fs::read_to_string(&record).unwrap()).len() > 10);
    for entry in fs::read_dir(&evidence).unwrap().flatten() {
        assert!(!entry.file_name().to_string_lossy().contains("partial"), "{entry:?}");
    }
    patient.tell("stop");
}

#[test]
fn a_record_in_a_read_only_folder_or_of_another_watch_is_refused() {
    let disk = match Disk::mount("size=1m,ro") {
        Ok(disk) => disk,
        Err(reason) => return skip(&reason),
    };
    let patient = Patient::spawn("steady", &["100"]);
    let run = leakscope(["watch", "--record", &text(&disk.path("record")), &patient.target()]).run().code(1);
    assert!(run.stderr.contains("Read-only"), "{}", run.stderr);
    let place = folder();
    let record = text(&place.path().join("record"));
    let first = leakscope(["watch", "--json", "--for", "3s", "--record", &record, &patient.target()]).spawn();
    assert!(wait_until(Duration::from_secs(2), || fs::metadata(&record).is_ok_and(|metadata| metadata.len() > 0)));
    let run = leakscope(["watch", "--for", "1s", "--record", &record, &patient.target()]).run().code(1);
    assert!(run.stderr.contains("another watch"), "{}", run.stderr);
    assert_eq!(first.wait_with_output().unwrap().status.code(), Some(0));
}

#[test]
fn a_reader_that_does_not_read_does_not_hold_up_the_watch() {
    let patient = Patient::spawn("json_leak", &["1000", "4000000"]);
    patient.tell("go");
    let place = folder();
    let record = place.path().join("record");
    let arguments = ["watch", "--json", "--interval", "2ms", "--for", "5s", "--record", &text(&record)];
    let child = leakscope([&arguments[..], &[&patient.target()]].concat()).spawn();
    // More than a pipe holds.
    let length = || fs::metadata(&record).map_or(0, |metadata| metadata.len());
    assert!(wait_until(Duration::from_secs(4), || length() > 100 << 10), "{} bytes", length());
    let then = length();
    assert!(wait_until(Duration::from_secs(4), || length() > then + (20 << 10)), "{} bytes", length());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    lines(&String::from_utf8(output.stdout).unwrap());
    patient.tell("stop");
}

#[test]
fn a_machine_that_sleeps_is_no_leak() {
    let patient = Patient::spawn("steady", &["5000"]);
    let child = leakscope(["watch", "--json", "--for", "6s", "--interval", "100ms", &patient.target()]).spawn();
    let pid = Pid::from_raw(child.id() as i32);
    std::thread::sleep(Duration::from_millis(1500));
    kill(pid, Signal::SIGSTOP).unwrap();
    std::thread::sleep(Duration::from_millis(2500));
    kill(pid, Signal::SIGCONT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let said = lines(&String::from_utf8(output.stdout).unwrap());
    assert!(said.iter().all(|line| line["kind"] != "growing"), "{said:#?}");
    let last = said.iter().filter_map(|line| line["at_seconds"].as_f64()).fold(0.0, f64::max);
    assert!(last > 4.0, "it goes on after the pause: {last}");
}

#[test]
fn thousands_of_children_are_followed() {
    let _one = heavy();
    let master = Patient::start(
        "respawner",
        Command::new(build::patient("respawner")).args(["2000", "0", "a-title-needs-some-room-to-be-written-into"]),
    );
    let target = format!("children:{}", master.pid());
    let run = leakscope(["watch", "--json", "--for", "6s", &target]).run().ok();
    let said = lines(&run.stdout);
    let started = said.iter().filter(|line| line["event"] == "started").count();
    assert_eq!(started, 2000, "{:?}", texts(&said, "notice"));
    assert!(said.iter().all(|line| line["kind"] != "growing"));
    assert!(run.took < Duration::from_secs(20), "{:?}", run.took);
    master.expect_end();
}

#[test]
fn of_many_mappings_it_keeps_off_and_says_so() {
    let patient = Patient::spawn("many_mappings", &["25000"]);
    let run = leakscope(["watch", "--json", "--for", "6s", &patient.target()]).run().ok();
    let said = lines(&run.stdout);
    let notices = texts(&said, "notice");
    assert!(
        notices.iter().any(|text| text.contains("mappings: its regions are looked at only now and then")),
        "{said:#?}"
    );
    assert!(said.iter().any(|line| line["mappings"].as_u64().is_some_and(|count| count > 20_000)));
}

#[test]
fn one_of_several_pids_that_is_not_there_is_said() {
    let patient = Patient::spawn("steady", &["100"]);
    let run = leakscope(["watch", "--for", "1s", &patient.target(), "2147483647"]).run();
    run.fails(3, &["2147483647", "no such process"]);
}

#[test]
fn workers_of_a_real_nginx_are_followed_from_kill_to_kill() {
    let _one = heavy();
    let group = match Cgroup::new(64 << 20) {
        Ok(group) => group,
        Err(reason) => return skip(&reason),
    };
    let nginx = match Nginx::start() {
        Ok(nginx) => nginx,
        Err(reason) => return skip(&reason),
    };
    nginx.expect_kills();
    [nginx.master(), nginx.worker()].into_iter().for_each(|pid| group.join(pid));
    let place = folder();
    let arguments = ["watch", "--json", "--for", "25s", "--at", "50%", "--cool-down", "0s", "--keep", "9", "--dump"];
    let target = format!("children:{}", nginx.master());
    let child = leakscope([&arguments[..], &[&text(place.path()), &target]].concat()).spawn();
    let begun = Instant::now();
    let mut requests = 0;
    while begun.elapsed() < Duration::from_secs(25) {
        // Some 8 MiB a second.
        let due = Duration::from_millis(40) * requests;
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
        let _ = nginx.try_ask("/encrypt?n=1000");
        requests += 1;
    }
    let output = child.wait_with_output().unwrap();
    let said = lines(&String::from_utf8(output.stdout).unwrap());
    let events = |event: &str| said.iter().filter(|line| line["event"] == event).cloned().collect::<Vec<_>>();
    let (killed, respawned) = (events("oom-killed"), events("respawned"));
    assert!(killed.len() >= 2 && respawned.len() >= 2, "{said:#?}");
    assert!(killed.iter().chain(&respawned).all(|event| event["target"] == "nginx worker 1"), "{killed:#?}");
    let whole: Vec<Value> = events("dumped").into_iter().filter(|event| event["paths"][2].is_string()).collect();
    assert!(whole.iter().any(|event| event["pid"] == killed[1]["pid"]), "{:#?}", events("failed"));
    assert!(nginx.try_ask("/healthy").is_some());
}

//! Snapshots by every method: of one instant, alike where nothing changes, and never at the target's cost, whatever it is
//! forbidden or does meanwhile.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::common::run::dump;
use crate::common::{Patient, folder, heavy, is_root, leakscope, members, skip, wait_until};

const PAGE: usize = 4096;
const METHODS: [&str; 5] = ["idle", "precopy", "fork", "stop", "live"];

fn span(patient: &Patient) -> String {
    format!("{:#x}+{}", patient.number("start"), patient.number("size"))
}

fn by(patient: &Patient, method: &str, path: &Path) -> crate::common::Leakscope {
    dump(&patient.target(), &span(patient), path).arg("--force").arg("--method").arg(method)
}

/// Whether the numbers are those of one instant: this round's up to a page, none up to the end of a stretch that was given
/// back, the last round's after that.
fn is_whole(bytes: &[u8], drops: bool) -> Result<(), String> {
    let number = |page: &[u8]| u64::from_ne_bytes(page[..8].try_into().expect("8 bytes"));
    let numbers: Vec<u64> = bytes.chunks(PAGE).map(number).collect();
    let pages = numbers.len() as u64;
    let first = numbers.iter().position(|number| *number == 0).unwrap_or(numbers.len());
    let newest = numbers.iter().copied().max().unwrap_or(0);
    let cut = numbers.iter().position(|number| *number == newest).unwrap_or(0);
    for (page, number) in numbers.iter().enumerate() {
        let wanted = match page {
            page if page <= cut => newest - (cut - page) as u64,
            page => (newest + (page - cut) as u64).wrapping_sub(pages),
        };
        // The next to be stamped is in the stretch that was given back; after the last page that is the first one.
        let next = (cut + 1) % numbers.len();
        let in_gap = drops && *number == 0 && page / 512 == next / 512 && (page > cut || next == 0);
        if *number != wanted && !in_gap {
            return Err(format!("page {page} is {number}, not {wanted}; newest {newest} at {cut}, first zero {first}"));
        }
    }
    Ok(())
}

#[test]
fn the_check_of_instants_can_fail() {
    let image = |numbers: &[u64]| -> Vec<u8> {
        let page = |number: &u64| [number.to_ne_bytes().to_vec(), vec![0; PAGE - 8]].concat();
        numbers.iter().flat_map(page).collect()
    };
    assert!(is_whole(&image(&[9, 10, 7, 8]), false).is_ok());
    assert!(is_whole(&image(&[9, 10, 0, 8]), true).is_ok());
    for torn in [[9, 10, 11, 4], [9, 6, 7, 12], [5, 10, 7, 8], [9, 10, 0, 8]] {
        assert!(is_whole(&image(&torn), false).is_err(), "{torn:?}");
    }
}

/// Takes `count` snapshots of a patient and looks at each; some may be refused.
#[track_caller]
fn never_torn(arguments: &[&str], method: &str, count: u32, refusals: u32) {
    let _one = heavy();
    let (patient, folder) = (Patient::spawn("sequence", arguments), folder());
    let path = folder.path().join("d");
    let (mut taken, mut refused) = (0, 0);
    while taken < count {
        let run = by(&patient, method, &path).run();
        if run.code == Some(1) && refused < refusals {
            refused += 1;
            continue;
        }
        let value = run.json();
        assert_eq!(value["method"], method);
        let bytes = fs::read(&path).expect("the dump");
        assert_eq!(bytes.len() as u64, patient.number("size"));
        if let Err(torn) = is_whole(&bytes, arguments.len() > 2) {
            panic!("{method} {taken}: {torn}\n{value:#}");
        }
        taken += 1;
    }
}

#[test]
fn a_fork_is_of_one_instant() {
    never_torn(&["4096", "0"], "fork", 15, 0);
    never_torn(&["8192", "0", "drop"], "fork", 15, 0);
}

#[test]
fn a_precopy_is_of_one_instant() {
    never_torn(&["2048", "0"], "precopy", 15, 0);
    never_torn(&["4096", "2"], "precopy", 15, 0);
}

#[test]
fn a_precopy_sees_what_is_given_back() {
    never_torn(&["4096", "0", "drop"], "precopy", 20, 0);
}

#[test]
fn a_stop_is_of_one_instant() {
    never_torn(&["8192", "0", "drop"], "stop", 10, 0);
}

#[test]
fn an_idle_copy_is_of_one_instant_or_none() {
    never_torn(&["2048", "120"], "idle", 5, 200);
}

#[test]
fn what_writes_too_much_to_be_followed_is_copied_otherwise() {
    let _one = heavy();
    let (patient, folder) = (Patient::spawn("sequence", &["30000", "0"]), folder());
    let path = folder.path().join("d");
    by(&patient, "precopy", &path).run().fails(1, &["precopy: ", "--method auto"]);
    let value = by(&patient, "auto", &path).run().json();
    assert_eq!(value["method"], "fork");
    let warnings = value["warnings"].to_string();
    assert!(warnings.contains("not copied by precopy"), "{warnings}");
    is_whole(&fs::read(&path).expect("the dump"), false).expect("one instant");
}

/// Content groups that matter for a comparison.
fn content(value: &Value) -> (u64, u64) {
    members(value, "json", &["{trace_id:hex"])
}

#[test]
fn every_analysis_is_the_same_over_every_method() {
    let (patient, folder) = (Patient::spawn("json_leak", &["60000"]), folder());
    let heap = leakscope(["dump", &patient.target(), "--json", "--region", "heap"]);
    let whole = heap.arg("--output").arg(folder.path().join("whole")).run().json();
    let wanted = (patient.number("count"), patient.number("bytes"));
    for method in METHODS {
        let path = folder.path().join(method);
        let run = leakscope(["dump", &patient.target(), "--json", "--region", "heap", "--method", method]);
        let value = run.arg("--output").arg(&path).run().json();
        assert_eq!(value["method"], method);
        assert_eq!(value["sha256"], whole["sha256"], "{method}");
        for field in ["range", "bytes", "hole_bytes"] {
            assert_eq!(value[field], whole[field], "{method}: {field}");
        }
        let of_file = leakscope(["scan", "--json"]).arg(&path).run().json();
        assert_eq!(content(&of_file), wanted, "scan of the dump by {method}");
        let scanned =
            leakscope(["scan", &patient.target(), "--json", "--region", "heap", "--method", method]).run().json();
        assert_eq!(scanned["snapshot"]["method"], method);
        assert_eq!(content(&scanned), wanted, "scan by {method}");
        assert_eq!(scanned["content"]["groups"], of_file["content"]["groups"], "{method}");
        let words = ["inspect", &patient.target(), "--json", "--for", "500ms", "--region", "heap", "--method", method];
        let inspected = leakscope(words).run().json();
        assert_eq!(content(&inspected), wanted, "inspect by {method}");
        patient.assert_unharmed();
    }
}

#[test]
fn a_plan_touches_nothing_and_names_every_way() {
    let (patient, folder) = (Patient::spawn("stamper", &["64M"]), folder());
    let words = ["dump", &patient.target(), "--region", "heap", "--dry-run", "--json"];
    let value = leakscope(words).within(folder.path()).run().json();
    let ways: Vec<&str> =
        value["ways"].as_array().expect("ways").iter().filter_map(|way| way["method"].as_str()).collect();
    assert_eq!(ways[0], "idle");
    assert_eq!(ways.len(), 4);
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
    let told = leakscope(["dump", &patient.target(), "--region", "heap", "--dry-run"]).run().ok().stdout;
    assert!(told.contains("page tables +") && told.contains(": go"), "{told}");
    let words = ["dump", &patient.target(), "--region", "heap", "--method", "stop", "--max-pause", "1ms"];
    leakscope(words).within(folder.path()).run().fails(1, &["--max-pause"]);
}

#[test]
fn what_the_kernel_would_punish_is_not_tried() {
    for (kind, method, reason) in [
        ("seccomp", "fork", "seccomp"),
        ("seccomp", "precopy", "seccomp"),
        ("processes", "fork", "refuses it a child"),
        ("dontfork", "fork", "not given to children"),
        ("wipeonfork", "fork", "not given to children"),
    ] {
        if kind == "processes" && !is_root() {
            skip("changing the user needs root");
            continue;
        }
        let (patient, folder) = (Patient::spawn("confined", &["8M", kind]), folder());
        let path = folder.path().join("d");
        by(&patient, method, &path).run().fails(1, &[reason]);
        patient.assert_unharmed();
        // What is left gives the bytes all the same.
        by(&patient, "auto", &path).run().ok();
        by(&patient, "stop", &path).run().ok();
        patient.tell("count");
    }
}

#[test]
fn a_process_that_ends_or_execs_midway_ends_in_an_answer() {
    let _one = heavy();
    for method in ["precopy", "fork", "idle"] {
        for milliseconds in [1, 8, 15, 30, 60] {
            let (patient, folder) = (Patient::spawn("sequence", &["16384", "1"]), folder());
            let mut child = by(&patient, method, &folder.path().join("d")).spawn();
            std::thread::sleep(Duration::from_millis(milliseconds));
            patient.end();
            assert!(wait_until(Duration::from_secs(20), || child.try_wait().expect("our child").is_some()), "it hangs");
            let output = child.wait_with_output().expect("its output");
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            // Refused before, made before, or gone.
            assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{method}: {:?} {told}", output.status);
        }
    }
}

#[test]
fn killed_by_any_method_it_leaves_nothing() {
    let _one = heavy();
    let (patient, folder) = (Patient::spawn("sequence", &["16384", "1"]), folder());
    patient.settle();
    for method in ["precopy", "fork", "stop"] {
        for n in 0..15u32 {
            let mut child = by(&patient, method, &folder.path().join(format!("{method}{n}"))).spawn();
            std::thread::sleep(Duration::from_micros(u64::from(n) * 3700 % 60_000));
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id() as i32), Signal::SIGKILL);
            child.wait().expect("our child");
            patient.assert_unharmed();
        }
    }
}

/// A memory cgroup with a limit, v1 or v2, in which a process can be put; gone with this.
struct Limited(std::path::PathBuf);

impl Limited {
    fn to(bytes: u64) -> Option<Limited> {
        let name = format!("leakscope-snapshots-{}-{bytes}", std::process::id());
        for (top, file) in [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")] {
            let folder = Path::new(top).join(&name);
            if fs::create_dir(&folder).is_ok() {
                if fs::write(folder.join(file), bytes.to_string()).is_ok() {
                    return Some(Limited(folder));
                }
                let _ = fs::remove_dir(&folder);
            }
        }
        None
    }

    /// `name` started within.
    fn patient(&self, name: &str, arguments: &[&str]) -> Patient {
        let program = crate::common::build::patient(name);
        let script = format!("echo $$ > '{}/cgroup.procs' && exec \"$@\"", self.0.display());
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &script, "sh"]).arg(program).args(arguments);
        Patient::start(name, &mut command)
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        wait_until(Duration::from_secs(5), || fs::remove_dir(&self.0).is_ok());
    }
}

#[test]
fn near_its_memory_limit_no_child_is_made() {
    let Some(limited) = Limited::to(84 << 20) else { return skip("no memory cgroup can be made here") };
    let (patient, folder) = (limited.patient("confined", &["64M", "none"]), folder());
    let path = folder.path().join("d");
    by(&patient, "fork", &path).run().fails(1, &["memory limit"]);
    patient.assert_unharmed();
    assert_ne!(by(&patient, "auto", &path).run().json()["method"], "fork");
}

#[test]
fn a_child_is_given_up_before_its_copies_kill_the_target() {
    let _one = heavy();
    let Some(limited) = Limited::to(200 << 20) else { return skip("no memory cgroup can be made here") };
    let (patient, folder) = (limited.patient("sequence", &["24576", "0"]), folder());
    let path = folder.path().join("d");
    for _ in 0..5 {
        let run = by(&patient, "fork", &path).run();
        match run.code {
            Some(0) => is_whole(&fs::read(&path).expect("the dump"), false).expect("one instant"),
            Some(1) => {
                assert!(run.stderr.contains("given up") || run.stderr.contains("memory limit"), "{}", run.scene())
            }
            _ => panic!("{}", run.scene()),
        }
        patient.assert_unharmed();
    }
}

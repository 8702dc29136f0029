//! Snapshots at limits met on purpose: no further process, no disk, and a target that forks, execs, stops or maps its memory
//! anew at the same time. Each gives a correct answer or an error with the right code, and never at the target's cost.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common::run::{binary, dump};
use crate::common::{Health, Leakscope, Patient, folder, heavy, is_root, skip, wait_until};

const PAGE: usize = 4096;
const METHODS: [&str; 3] = ["precopy", "fork", "stop"];

fn by(patient: &Patient, method: &str, path: &Path) -> Leakscope {
    let span = format!("{:#x}+{}", patient.number("start"), patient.number("size"));
    dump(&patient.target(), &span, path).arg("--force").arg("--method").arg(method)
}

fn listing(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// A dump or an error with one of `codes` that leaves nothing; the bytes where there are any.
#[track_caller]
fn answer(run: Leakscope, path: &Path, codes: &[i32]) -> Option<Vec<u8>> {
    let run = run.run();
    if run.code == Some(0) {
        let bytes = fs::read(path).expect("the dump");
        fs::remove_file(path).expect("the dump");
        fs::remove_file(path.with_extension("json")).expect("its manifest");
        return Some(bytes);
    }
    assert!(run.code.is_some_and(|code| codes.contains(&code)), "{}", run.scene());
    assert!(run.stderr.starts_with("error: ") && run.stdout.is_empty(), "{}", run.scene());
    assert_eq!(listing(path.parent().expect("a folder")), Vec::<String>::new(), "{}", run.scene());
    None
}

/// Each page bears its number, or nothing where `blanks` are allowed.
#[track_caller]
fn assert_numbered(bytes: &[u8], blanks: bool) {
    for (index, page) in bytes.chunks(PAGE).enumerate() {
        let number = u64::from_ne_bytes(page[..8].try_into().expect("8 bytes"));
        assert!(number == index as u64 + 1 || (blanks && number == 0), "page {index} bears {number}");
    }
}

/// A cgroup that allows so many processes and threads; gone with this.
struct Crowded(PathBuf);

impl Crowded {
    fn around(pid: i32, most: usize) -> Option<Crowded> {
        ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"].iter().find_map(|top| {
            let folder = Path::new(top).join(format!("leakscope-crowded-{pid}"));
            fs::create_dir(&folder).ok()?;
            let crowded = Crowded(folder);
            fs::write(crowded.0.join("pids.max"), most.to_string()).ok()?;
            fs::write(crowded.0.join("cgroup.procs"), pid.to_string()).ok()?;
            Some(crowded)
        })
    }
}

impl Drop for Crowded {
    fn drop(&mut self) {
        wait_until(Duration::from_secs(5), || fs::remove_dir(&self.0).is_ok());
    }
}

#[test]
fn where_no_process_may_be_added_no_child_is_made() {
    let _one = heavy();
    let folder = folder();
    let path = folder.path().join("d");
    // Writes more than a precopy can follow, so that auto comes to the child.
    let patient = Patient::spawn("sequence", &["30000", "0"]);
    let Some(_crowded) = Crowded::around(patient.pid(), patient.health().threads) else {
        return skip("no pids cgroup can be made here");
    };
    by(&patient, "fork", &path).run().fails(1, &["refuses it a child"]);
    patient.assert_unharmed();
    let fell_back = (0..10).any(|_| {
        let value = by(&patient, "auto", &path).run().json();
        assert_ne!(value["method"], "fork");
        // Where the writer had no processor the precopy did.
        let stopped = value["method"] == "stop";
        assert!(!stopped || value["warnings"].to_string().contains("refuses it a child"), "{value:#}");
        stopped
    });
    assert!(fell_back, "it never came to the child");
    patient.assert_unharmed();
    patient.end();
}

#[test]
fn a_disk_that_fills_up_midway_keeps_nothing() {
    if !is_root() {
        return skip("mounting needs root");
    }
    let _one = heavy();
    let (patient, folder) = (Patient::spawn("restless", &["quiet", "16384"]), folder());
    let place = folder.path().display();
    // Others take what is left as soon as the manifest says that it begins; what is there at the end is told.
    let script = format!(
        "mount -t tmpfs -o size=70m none '{place}' || exit 99
         (until set -- '{place}'/.d.json.*.partial; [ -s \"$1\" ]; do :; done
          head -c 70M /dev/zero > '{place}/other') >/dev/null 2>&1 &
         \"$@\"; code=$?; kill $! 2>/dev/null; wait
         ls -A '{place}' | tr '\\n' ' ' >&2; exit $code"
    );
    for method in ["precopy", "fork", "stop", "idle"] {
        let full = (0..5).any(|_| {
            let run = by(&patient, method, &folder.path().join("d"));
            let run = run.through(&["unshare", "--mount", "sh", "-c", &script, "sh"], binary()).run();
            let (told, left) = run.stderr.trim_end().rsplit_once('\n').unwrap_or_default();
            match run.code {
                Some(0) => assert!(run.stderr.ends_with("d d.json other ") || run.stderr.ends_with("d d.json ")),
                Some(1) => {
                    assert!(told.contains("no space is left there"), "{}", run.scene());
                    assert_eq!(left.trim(), "other", "{}", run.scene());
                }
                _ => panic!("{}", run.scene()),
            }
            run.code == Some(1)
        });
        assert!(full, "{method}: the disk was never full in time");
        patient.assert_unharmed();
    }
    // How much a compressed file takes shows as it is written.
    let script = format!("mount -t tmpfs -o size=3m none '{place}' && \"$@\"");
    let noise = Patient::spawn("blob_leak", &["5000"]);
    let words = ["dump", &noise.target(), "--region", "heap", "--compress", "zstd", "--output"];
    let run = crate::common::leakscope(words).arg(folder.path().join("d"));
    run.through(&["unshare", "--mount", "sh", "-c", &script, "sh"], binary()).run().fails(1, &["no space is left"]);
}

#[test]
fn interrupted_midway_it_ends_and_leaves_nothing() {
    let _one = heavy();
    let (patient, folder) = (Patient::spawn("restless", &["quiet", "32768"]), folder());
    for method in ["precopy", "fork", "stop", "idle"] {
        for milliseconds in [25, 40, 60, 90] {
            let path = folder.path().join("d");
            let mut child = by(&patient, method, &path).spawn();
            std::thread::sleep(Duration::from_millis(milliseconds));
            // It may have ended.
            let _ = kill(Pid::from_raw(child.id() as i32), Signal::SIGINT);
            assert!(wait_until(Duration::from_secs(20), || child.try_wait().expect("our child").is_some()), "it hangs");
            let output = child.wait_with_output().expect("its output");
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            match output.status.code() {
                Some(0) => {}
                // It had answered already.
                Some(130) if !output.stdout.is_empty() => {}
                Some(130) => assert_eq!(listing(folder.path()), Vec::<String>::new(), "{method}: {told}"),
                // Before it could say so.
                None => {}
                code => panic!("{method}: {code:?} {told}"),
            }
            listing(folder.path()).iter().for_each(|name| fs::remove_file(folder.path().join(name)).expect("a file"));
            patient.assert_unharmed();
        }
    }
}

#[test]
fn a_target_that_maps_anew_meanwhile_is_dumped_as_it_was() {
    let _one = heavy();
    let (patient, folder) = (Patient::spawn("restless", &["maps", "8192"]), folder());
    let path = folder.path().join("d");
    patient.tell("go");
    for method in METHODS {
        let mut answers = 0;
        for _ in 0..6 {
            if let Some(bytes) = answer(by(&patient, method, &path), &path, &[1]) {
                assert_numbered(&bytes, true);
                let there = bytes.chunks(PAGE).filter(|page| page[..8] != [0; 8]).count();
                assert!(there > bytes.len() / PAGE - 130, "{method}: only {there} pages");
                answers += 1;
            }
            patient.assert_unharmed();
        }
        assert!(answers > 0, "{method} never answers");
    }
    let before = patient.number("rounds");
    patient.tell("count");
    assert!(patient.number("rounds") > before, "it goes on");
}

#[test]
fn a_target_that_forks_meanwhile_sees_its_own_children_alone() {
    let _one = heavy();
    let (patient, folder) = (Patient::spawn("restless", &["forks", "8192"]), folder());
    let path = folder.path().join("d");
    patient.tell("go");
    for method in METHODS {
        for _ in 0..6 {
            let bytes = answer(by(&patient, method, &path), &path, &[]).expect("an answer");
            assert_numbered(&bytes, false);
            patient.assert_unharmed();
        }
    }
    let before = patient.number("rounds");
    patient.tell("count");
    assert_eq!(patient.number("wrong"), 0, "its waits");
    assert!(patient.number("rounds") > before, "it goes on");
}

#[test]
fn a_target_that_execs_meanwhile_ends_in_an_answer() {
    let _one = heavy();
    for method in METHODS {
        for milliseconds in ["1", "4", "9", "15", "25", "40"] {
            let patient = Patient::spawn("restless", &["execs", "16384", milliseconds]);
            let folder = folder();
            let path = folder.path().join("d");
            patient.expect_end();
            patient.tell("go");
            if let Some(bytes) = answer(by(&patient, method, &path), &path, &[1, 3]) {
                // What it became has pages of its own, or none yet, at the same place or another.
                assert_numbered(&bytes, true);
            }
            let health = || Health::of(patient.pid()).expect("it lives on as another program");
            let is_free = |it: Health| it.state == "running" && it.tracers == [0].into() && it.children.is_empty();
            let settled = wait_until(Duration::from_secs(5), || is_free(health()));
            assert!(settled, "{method} {milliseconds}: {:?}", health());
        }
    }
}

#[test]
fn a_target_that_is_stopped_meanwhile_stays_stopped_and_wakes() {
    let _one = heavy();
    let (patient, folder) = (Patient::spawn("sequence", &["16384", "1"]), folder());
    let pid = Pid::from_raw(patient.pid());
    let state = |wanted: &str| {
        let is =
            || Health::of(patient.pid()).is_some_and(|health| health.state == wanted && health.tracers == [0].into());
        assert!(wait_until(Duration::from_secs(5), is), "not {wanted}: {:?}", Health::of(patient.pid()));
    };
    for method in METHODS {
        for milliseconds in [0, 3, 8, 15, 30] {
            let path = folder.path().join("d");
            let stopper = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(milliseconds));
                kill(pid, Signal::SIGSTOP)
            });
            answer(by(&patient, method, &path), &path, &[1]);
            stopper.join().expect("a thread").expect("a signal");
            state("stopped");
            kill(pid, Signal::SIGCONT).expect("a signal");
            state("running");
            patient.assert_unharmed();
        }
    }
}

/// KiB of its memory in huge pages.
fn in_huge_pages(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("its memory");
    let line = text.lines().find_map(|line| line.strip_prefix("AnonHugePages:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[test]
fn huge_pages_are_dumped_as_they_were_at_one_instant() {
    let _one = heavy();
    let patient = Patient::spawn("restless", &["huge", "16384"]);
    if in_huge_pages(patient.pid()) < 32 << 10 {
        return skip("the kernel gives no huge pages (/sys/kernel/mm/transparent_hugepage/enabled)");
    }
    let folder = folder();
    let path = folder.path().join("d");
    patient.tell("go");
    for method in METHODS {
        for _ in 0..5 {
            let bytes = answer(by(&patient, method, &path), &path, &[]).expect("an answer");
            assert_numbered(&bytes, false);
            // Rounds go upwards through the pages, each with one number.
            let second = |page: &[u8]| u64::from_ne_bytes(page[8..16].try_into().expect("8 bytes"));
            let rounds: Vec<u64> = bytes.chunks(PAGE).step_by(17).map(second).collect();
            assert!(rounds.is_sorted_by(|before, after| before >= after), "{method}: torn");
            assert!(rounds[0] - rounds[rounds.len() - 1] <= 1, "{method}: {} rounds", rounds[0]);
            patient.assert_unharmed();
        }
    }
}

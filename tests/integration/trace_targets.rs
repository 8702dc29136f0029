//! Who grows a process that is not made as most are: with another C library, linked statically, of 32 bits, in other
//! namespaces, with huge pages, with code of its own making, stopped and signalled meanwhile. And calls beside page faults.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::common::run::binary;
use crate::common::{Health, Leakscope, Patient, build, folder, is_root, leakscope, skip, wait_until};
use crate::trace::{ALL, LIGHT, frames_of, has_perf, share, shares, trace};

fn growers(program: &Path) -> Patient {
    let patient = Patient::start("growers", Command::new(program).args(["4", "16M"]));
    patient.tell("go");
    patient
}

#[track_caller]
fn named(answer: &Value, at_least: f64) {
    let named = share(answer, "leaks_small") + share(answer, "maps_pages");
    let rest = (&answer["allocations"]["unseen_bytes"], &answer["growth_bytes"], &answer["warnings"]);
    assert!(named >= at_least, "{}: {:?}, {rest:?}", answer["method"], shares(answer));
}

/// leakscope where tracefs is mounted; None where that cannot be had.
fn with_tracefs(run: Leakscope) -> Option<Leakscope> {
    const SCRIPT: &str = "mount -t tracefs nodev /sys/kernel/tracing && exec \"$@\"";
    let words = ["unshare", "--mount", "sh", "-c", SCRIPT, "sh"];
    let mounted = Command::new(words[0]).args(&words[1..]).args(["cat", CALL]).output();
    mounted.is_ok_and(|output| output.status.success()).then(|| run.through(&words, binary()))
}

const NO_TRACEFS: &str = "tracefs cannot be mounted, or the kernel has no tracepoints of system calls";
const CALL: &str = "/sys/kernel/tracing/events/syscalls/sys_exit_brk/id";

/// Whether that leakscope has its events.
fn watches(pid: u32) -> bool {
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    open.filter_map(|entry| std::fs::read_link(entry.path()).ok()).any(|link| link.ends_with("anon_inode:[perf_event]"))
}

fn calls(answer: &Value, name: &str, key: &str) -> u64 {
    let calls = answer["calls"].as_array().expect("calls");
    calls.iter().find(|call| call["name"] == name).and_then(|call| call[key].as_u64()).unwrap_or(0)
}

#[test]
fn calls_are_counted_beside_page_faults_where_tracefs_is_readable() {
    if !has_perf() {
        return;
    }
    for threads in ["0", "1"] {
        let patient = Patient::spawn("growers", &["4", "0", threads]);
        let pid = patient.target();
        let Some(run) = with_tracefs(trace(&pid, "perf", "4s").arg("--events")) else {
            return skip(NO_TRACEFS);
        };
        let mut run = run.spawn();
        assert!(wait_until(Duration::from_secs(10), || watches(run.id())), "it does not begin");
        std::thread::sleep(Duration::from_millis(1500));
        patient.tell("more 10");
        let mut out = String::new();
        std::io::Read::read_to_string(run.stdout.as_mut().unwrap(), &mut out).unwrap();
        assert!(run.wait().unwrap().success());
        let answer: Value = serde_json::from_str(&out).unwrap();
        // Ten rounds, each a MiB mapped and 2 MiB mapped and given back; what a thread's stack and arena take comes on top.
        let (count, bytes) = (calls(&answer, "mmap", "count"), calls(&answer, "mmap", "mapped_bytes"));
        assert!((20..=24).contains(&count) && (30 << 20..40 << 20).contains(&bytes), "{count} {bytes}");
        let unmapped = calls(&answer, "munmap", "unmapped_bytes");
        assert!(calls(&answer, "munmap", "count") >= 10 && unmapped >= 20 << 20, "{unmapped}");
        let grown = calls(&answer, "brk", "mapped_bytes") + calls(&answer, "mprotect", "mapped_bytes");
        assert!((29 << 20..34 << 20).contains(&grown), "{threads}: {grown} of {}", answer["calls"]);
        named(&answer, 0.95);
        // What it gave back is told with the stack that had it.
        let stacks = answer["allocations"]["stacks"].as_array().unwrap();
        let freed = |stack: &&Value| stack["frames"].to_string().contains("\"frees_its_own\"");
        let sum = |key: &str| stacks.iter().filter(freed).map(|stack| stack[key].as_f64().unwrap()).sum::<f64>();
        let (mapped, unmapped) = (sum("mapped_bytes"), sum("unmapped_bytes"));
        // What is mapped is an estimate of samples, what is unmapped is counted.
        assert!(mapped > 17e6 && (0.9..1.1).contains(&(unmapped / mapped)), "{unmapped} of {mapped}");
        let events = answer["events"].as_array().unwrap();
        // The compiler may have made a jump of the last call in frees_its_own().
        let whole = |event: &&Value| {
            event["text"].as_str().unwrap().starts_with("munmap(") && event["frames"].to_string().contains("\"once\"")
        };
        assert!(events.iter().filter(whole).count() >= 10, "{} events", events.len());
        assert!(!answer["warnings"].to_string().contains("tracefs"), "{}", answer["warnings"]);
    }
}

#[test]
fn page_faults_alone_say_that_calls_were_not_counted() {
    if !has_perf() {
        return;
    }
    if Path::new(CALL).exists() {
        return skip("tracefs is mounted");
    }
    let patient = Patient::spawn("growers", &["4", "16M"]);
    patient.tell("go");
    let answer = trace(&patient.target(), "perf", "2s").run().json();
    patient.tell("stop");
    assert_eq!(answer["calls"], serde_json::json!([]));
    assert!(answer["warnings"][0].as_str().unwrap().contains("tracefs is not mounted"), "{}", answer["warnings"]);
    named(&answer, 0.93);
    let chosen = leakscope(["trace", &patient.target(), "--json", "--for", "300ms"]).run().json();
    assert_eq!((&chosen["method"], &chosen["warnings"]), (&"perf".into(), &serde_json::json!([])));
}

#[test]
fn musl_has_no_tables_and_yet_its_callers_are_found() {
    if !has_perf() {
        return;
    }
    for flags in [&[][..], &["-static"]] {
        let Some(program) = build::patient_by("musl-gcc", flags, "growers") else {
            return skip("musl-gcc is not installed (apt-get install musl-tools)");
        };
        for method in ALL {
            let patient = growers(&program);
            let run = trace(&patient.target(), method, "2s");
            // Its allocator uses places again in no order: only with the calls is it known whose they were.
            let Some(run) = (if method == "perf" { with_tracefs(run) } else { Some(run) }) else {
                skip(NO_TRACEFS);
                continue;
            };
            let answer = run.run().json();
            named(&answer, 0.9);
            let names = frames_of(&answer, "leaks_small");
            assert!(names.iter().any(|name| name == "main"), "{method}: the callers are missing: {names:?}");
            patient.tell("stop");
        }
    }
}

#[test]
fn of_32_bit_programs_the_innermost_place_is_told_and_calls_are_seen() {
    if !has_perf() {
        return;
    }
    let Some(program) = build::patient_of_32_bits("growers") else {
        return skip("32-bit programs cannot be compiled (apt-get install gcc-multilib)");
    };
    let patient = growers(&program);
    let says = |answer: &Value| answer["warnings"].to_string().contains("32-bit");
    let answer = trace(&patient.target(), "perf", "2s").run().json();
    assert!(says(&answer) && answer["allocations"]["bytes"].as_u64().unwrap() > 20 << 20, "{answer}");
    for stack in answer["allocations"]["stacks"].as_array().unwrap() {
        let frames = stack["frames"].as_array().unwrap();
        assert!(frames.len() == 1 && frames[0]["module"].is_string(), "{stack}");
    }
    let answer = trace(&patient.target(), "syscall", "2s").run().json();
    let mapped = calls(&answer, "mmap", "mapped_bytes") + calls(&answer, "brk", "mapped_bytes");
    let growth = answer["growth_bytes"].as_f64().unwrap();
    // A part of what is mapped is given back.
    assert!(says(&answer) && growth > 20e6 && mapped as f64 > growth, "{mapped} of {growth}");
    assert!(answer["allocations"]["unseen_bytes"].as_f64().unwrap() < growth * 0.1, "{answer}");
    trace(&patient.target(), "breakpoint", "1s").run().fails(1, &["32-bit program"]);
    patient.tell("stop");
}

#[test]
fn a_program_that_is_only_in_its_own_mount_namespace_has_names() {
    if !has_perf() || !is_root() {
        return skip("only root can have a mount namespace of its own");
    }
    const SCRIPT: &str =
        "mount -t tmpfs none /mnt && mkdir /mnt/only && cp \"$0\" /mnt/only && exec /mnt/only/growers 4 16M";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", SCRIPT]).arg(build::patient("growers"));
    let patient = Patient::start("growers", &mut command);
    patient.tell("go");
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", patient.pid())).unwrap();
    assert!(maps.contains("/mnt/only/growers") && !Path::new("/mnt/only").exists());
    for method in ALL {
        let answer = trace(&patient.target(), method, "2s").run().json();
        named(&answer, 0.93);
        let stack = &answer["allocations"]["stacks"][0];
        let frame = &stack["frames"][stack["culprit"].as_u64().unwrap() as usize];
        assert!(frame["line"].is_u64() && frame["build_id"].is_string(), "{frame}");
    }
    patient.tell("stop");
}

#[test]
fn code_made_at_run_time_has_the_names_of_its_map() {
    if !has_perf() {
        return;
    }
    let patient = Patient::spawn("jit_code", &["16M"]);
    let map = PathBuf::from(format!("/tmp/perf-{}.map", patient.pid()));
    patient.tell("go");
    let share_of_map = || share(&trace(&patient.target(), "perf", "1s").run().json(), "jitted_handle app.js:3");
    assert!(share_of_map() > 0.95);
    if is_root() {
        // In a folder where everybody writes, another's words are not the target's.
        chown(&map, Some(65534), None).unwrap();
        assert_eq!(share_of_map(), 0.0);
        chown(&map, Some(0), None).unwrap();
    }
    std::fs::remove_file(&map).unwrap();
    nix::unistd::mkfifo(&map, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(share_of_map(), 0.0, "a pipe is not opened");
    std::fs::remove_file(&map).unwrap();
    patient.tell("stop");
}

#[test]
fn code_made_in_a_container_is_named_by_the_pid_in_there() {
    if !has_perf() || !is_root() {
        return skip("only root can have namespaces of its own");
    }
    let mut command = Command::new("unshare");
    let script = "exec 9< \"$0\"; mount -t tmpfs none /tmp && exec /proc/self/fd/9 16M";
    command.args(["--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "sh", "-c", script]);
    let patient = Patient::start("jit_code", command.arg(build::patient("jit_code")));
    patient.expect_end();
    let inner = *Health::of(patient.pid()).unwrap().children.first().expect("what unshare started");
    patient.tell("go");
    let answer = trace(&inner.to_string(), "perf", "1s").run().json();
    assert!(share(&answer, "jitted_handle app.js:3") > 0.95, "{:?}", shares(&answer));
}

#[test]
fn names_of_rust_are_readable() {
    if !has_perf() {
        return;
    }
    let program = build::rust_program("rust_grower");
    let answer = leakscope(["trace", "--json", "--method", "perf", "--"]).arg(program).run().json();
    let keeps = |(name, _): &(&String, &f64)| name.contains("rust_grower::") && !name.contains("17h");
    let found: f64 = shares(&answer).iter().filter(keeps).map(|(_, share)| share).sum();
    assert!(found > 0.9, "{:?}", shares(&answer));
}

#[test]
fn a_page_given_as_a_huge_one_stands_for_all_of_it() {
    if !has_perf() {
        return;
    }
    let enabled = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
    let patient = Patient::spawn("huge_pages", &["64M"]);
    let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", patient.pid())).unwrap();
    if enabled.is_empty() || enabled.contains("[never]") || rollup.contains("AnonHugePages:         0 kB") {
        return skip("the kernel gives no transparent huge pages");
    }
    patient.tell("go");
    let answer = trace(&patient.target(), "perf", "4s").run().json();
    patient.tell("stop");
    // Eight of nine MiB; some twenty samples of 14 MiB each tell it, and taken for small pages they would be a hundredth.
    assert!((0.4..0.99).contains(&share(&answer, "huge")), "{:?}", shares(&answer));
    assert!(share(&answer, "small") > 0.03, "{:?}", shares(&answer));
}

/// SIGRTMIN of the C library, of which each arrives however fast they come.
fn queue_signals(pid: Pid, count: u64) {
    let script = format!("for n in $(seq {count}); do kill -34 {pid}; sleep 0.003; done");
    assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
}

#[test]
fn signals_arrive_and_stops_hold_while_it_is_traced() {
    const SIGNALS: u64 = 100;
    for method in ALL {
        if LIGHT.contains(&method) && !has_perf() {
            continue;
        }
        let patient = Patient::spawn("signalled", &["16M"]);
        patient.tell("go");
        let mut run = trace(&patient.target(), method, "3s").spawn();
        std::thread::sleep(Duration::from_millis(700));
        let pid = Pid::from_raw(patient.pid());
        queue_signals(pid, SIGNALS);
        kill(pid, Signal::SIGSTOP).unwrap();
        let rss = || Health::of(pid.as_raw()).unwrap().rss_kib;
        let stands = || {
            let before = rss();
            std::thread::sleep(Duration::from_millis(150));
            rss() == before
        };
        assert!(wait_until(Duration::from_secs(2), stands), "{method}: it runs on");
        queue_signals(pid, 1);
        assert!(stands(), "{method}: a signal ended the stop");
        let standing = rss();
        kill(pid, Signal::SIGCONT).unwrap();
        assert!(wait_until(Duration::from_secs(2), || rss() > standing + 1024), "{method}: it stays stopped");
        let mut out = String::new();
        std::io::Read::read_to_string(run.stdout.as_mut().unwrap(), &mut out).unwrap();
        assert!(run.wait().unwrap().success(), "{method}");
        let answer: Value = serde_json::from_str(&out).unwrap();
        assert!(share(&answer, "grow") > 0.95, "{method}: {:?}", shares(&answer));
        patient.tell("stop");
        assert_eq!(patient.number("signals"), SIGNALS + 1, "{method}");
    }
}

#[test]
fn a_new_program_of_the_same_process_is_traced_on() {
    if !has_perf() {
        return;
    }
    let (folder, program) = (folder(), build::patient("growers"));
    let script = folder.path().join("becomes");
    // A second later it is another program with another break, other code and other names.
    std::fs::write(&script, format!("#!/bin/sh\nsleep 1\nexec {} 0 16M\n", program.display())).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    for method in ["perf", "syscall"] {
        let mut child = Command::new(&script)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"go\n").unwrap();
        let answer = trace(&child.id().to_string(), method, "3s").run();
        let state = Health::of(child.id() as i32).map(|health| (health.state, health.tracers));
        child.kill().unwrap();
        child.wait().unwrap();
        let answer = answer.json();
        named(&answer, 0.85);
        assert!(calls(&answer, "brk", "mapped_bytes") < 64 << 20, "{}", answer["calls"]);
        assert_eq!(state.map(|(state, tracers)| (state, tracers.into_iter().max())), Some(("running", Some(0))));
    }
}

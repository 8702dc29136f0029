//! The command line as a user meets it: exit codes, one JSON document, colours, quiet, secrets masked, pipes that close.

use std::io::Read as _;
use std::time::Duration;

use serde_json::Value;

use crate::common::{Patient, folder, groups, leakscope, wait_until};

#[test]
fn every_command_answers_in_json() {
    let (patient, folder) = (Patient::spawn("json_leak", &["5000"]), folder());
    let target = patient.target();
    let path = folder.path().join("heap.raw");
    let file = path.to_str().expect("a plain path");
    let commands: [(&[&str], &[&str]); 7] = [
        (
            &["dump", &target, "--output", file],
            &["target", "range", "path", "format", "bytes", "hole_bytes", "method", "pause_ms", "seconds", "sha256"],
        ),
        (
            &["inspect", &target, "--for", "1s"],
            &[
                "target",
                "limits",
                "growth",
                "regions",
                "suspect",
                "snapshot",
                "content",
                "allocations",
                "heap",
                "verdict",
                "warnings",
            ],
        ),
        (&["map", &target], &["target", "regions", "totals"]),
        (&["top"], &["processes"]),
        (&["scan", &target], &["content"]),
        (&["scan", file], &["content"]),
        (&["diff", file, file], &["content"]),
    ];
    for (arguments, keys) in commands {
        let run = leakscope(arguments).arg("--json").run();
        let scene = run.scene();
        let value = run.json();
        assert_eq!(value["command"], arguments[0], "{scene}");
        for key in keys {
            assert!(value.get(key).is_some(), "no {key}\n{scene}");
        }
    }
}

#[test]
fn the_parts_of_an_inspection_have_the_promised_keys() {
    let patient = Patient::spawn("json_leak", &["5000"]);
    patient.tell("go");
    let value = leakscope(["inspect", &patient.target(), "--for", "2s", "--json"]).run().json();
    let has = |part: &Value, keys: &[&str]| {
        for key in keys {
            assert!(part.get(key).is_some(), "no {key} in {part:#}");
        }
    };
    has(
        &value["target"],
        &["pid", "ppid", "name", "exe", "cmdline", "uid", "threads", "start_time", "cgroup", "container_id", "role"],
    );
    has(&value["limits"], &["kind", "limit_bytes", "usage_bytes", "seconds_to_limit"]);
    has(
        &value["growth"],
        &[
            "seconds",
            "samples",
            "rss_start_bytes",
            "rss_end_bytes",
            "bytes_per_second",
            "low_bytes_per_second",
            "high_bytes_per_second",
        ],
    );
    has(
        &value["regions"][0],
        &[
            "start",
            "end",
            "kind",
            "name",
            "permissions",
            "mappings",
            "size_bytes",
            "rss_bytes",
            "pss_bytes",
            "private_dirty_bytes",
            "swap_bytes",
            "growth_bytes_per_second",
        ],
    );
    has(&value["snapshot"], &["method", "pause_ms", "bytes", "seconds", "path"]);
    has(&value["content"], &["scanned_bytes", "composition", "groups"]);
    has(
        &groups(&value)[0],
        &["kind", "label", "count", "bytes", "share", "growth_count", "growth_bytes", "bytes_per_second", "samples"],
    );
    has(&value["verdict"], &["kind", "confidence", "summary", "next"]);
    has(
        &value["heap"],
        &[
            "allocator",
            "in_use_bytes",
            "in_use_chunks",
            "free_bytes",
            "top_bytes",
            "unreachable_bytes",
            "unreachable_chunks",
        ],
    );
    // Null where perf is refused, with a warning that says so.
    let warned = value["warnings"].to_string().contains("who allocates was not sampled");
    assert!(value["allocations"].is_object() || warned, "{value}");
    if value["allocations"].is_object() {
        has(&value["allocations"], &["method", "events", "bytes", "unseen_bytes", "stacks"]);
    }
    let share = groups(&value)[0]["share"].as_f64().expect("share");
    assert!((0.0..=1.0).contains(&share), "{share}");
}

#[test]
fn inspect_is_what_a_bare_target_means() {
    let patient = Patient::spawn("json_leak", &[]);
    let value = leakscope([patient.target().as_str(), "--for", "1s", "--json"]).run().json();
    assert_eq!(value["command"], "inspect");
}

#[test]
fn wrong_usage_is_code_2() {
    for arguments in [
        &["inspect"][..],
        &["--no-such-flag"],
        &["no-such-command", "x", "y"],
        &["inspect", "1", "--for", "soon"],
        &["scan", "1", "--max-memory", "lots"],
        &["map", "1", "--color", "sometimes"],
    ] {
        let run = leakscope(arguments).run();
        assert_eq!(run.code, Some(2), "{}", run.scene());
        assert!(run.stdout.is_empty() && !run.stderr.is_empty(), "{}", run.scene());
    }
    assert!(leakscope(["--help"]).run().ok().stdout.contains("inspect"));
    assert!(leakscope(["--version"]).run().ok().stdout.starts_with("leakscope "));
}

#[test]
fn a_leak_found_is_code_10_when_asked_for() {
    let patient = Patient::spawn("json_leak", &["5000", "8000000"]);
    patient.tell("go");
    let target = patient.target();
    leakscope(["inspect", &target, "--for", "2s", "--exit-code", "--json"]).run().code(10);
    let steady = Patient::spawn("steady", &[]);
    leakscope(["inspect", &steady.target(), "--for", "1s", "--exit-code", "--json"]).run().code(0);
}

#[test]
fn piped_output_is_plain_and_color_is_a_choice() {
    let patient = Patient::spawn("json_leak", &[]);
    let target = patient.target();
    let has_escape = |arguments: &[&str], variable: Option<&str>| {
        let mut run = leakscope(arguments);
        if let Some(name) = variable {
            run = run.env(name, "1");
        }
        run.run().ok().stdout.contains('\u{1b}')
    };
    assert!(!has_escape(&["map", &target], None));
    assert!(!has_escape(&["map", &target, "--color", "never"], None));
    assert!(has_escape(&["map", &target, "--color", "always"], None));
    assert!(!has_escape(&["map", &target], Some("NO_COLOR")));
    assert!(!has_escape(&["map", &target, "--json", "--color", "always"], None), "JSON has no colours");
}

#[test]
fn stdout_carries_the_answer_alone() {
    let patient = Patient::spawn("json_leak", &[]);
    let target = patient.target();
    let run = leakscope(["inspect", &target, "--for", "1s", "--json"]).run().ok();
    assert!(serde_json::from_str::<Value>(&run.stdout).is_ok());
    let run = leakscope(["inspect", &target, "--for", "1s", "--quiet"]).run().ok();
    assert_eq!(run.stderr, "", "quiet is quiet");
    assert!(!run.stdout.is_empty(), "but it answers");
    let run = leakscope(["inspect", &target, "--for", "1s"]).run().ok();
    assert!(!run.stderr.contains('\r'), "no progress bar where there is no terminal\n{}", run.scene());
    assert!(!run.stdout.lines().any(|line| line.ends_with(' ') || line.chars().count() > 240), "{}", run.scene());
}

#[test]
fn redacted_output_holds_no_value() {
    let patient = Patient::spawn("json_leak", &["5000"]);
    let target = patient.target();
    let plain = leakscope(["scan", &target, "--json"]).run().ok();
    assert!(
        plain.stdout.contains("Pixel 8 Pro") || plain.stdout.contains("iPhone 15") || plain.stdout.contains("courier")
    );
    let folder = folder();
    let path = folder.path().join("d");
    leakscope(["dump", &target]).arg("--output").arg(&path).run().ok();
    let file = path.to_str().expect("a plain path").to_owned();
    let words =
        ["Pixel", "iPhone", "Surface", "Galaxy", "Android", "HarmonyOS", "Windows", "courier", "lamp", "parcel"];
    for arguments in [
        &["scan", &target, "--json"][..],
        &["scan", &target],
        &["scan", &file],
        &["inspect", &target, "--for", "1s"],
        &["inspect", &target, "--for", "1s", "--json"],
        &["diff", &file, &file],
    ] {
        let run = leakscope(arguments).arg("--redact").run().ok();
        for word in words {
            assert!(!run.stdout.contains(word), "{word}\n{}", run.scene());
        }
        assert!(run.stdout.contains("trace_id"), "keys stay\n{}", run.scene());
    }
    let repeated = Patient::spawn("repeat_leak", &[]);
    let run = leakscope(["scan", &repeated.target(), "--redact"]).run().ok();
    assert!(!run.stdout.contains("banner"), "an equal string is a value too\n{}", run.scene());
}

#[test]
fn a_pipe_that_closes_is_no_error_to_shout_about() {
    let patient = Patient::spawn("json_leak", &[]);
    for arguments in [&["map", &patient.target(), "--json"][..], &["scan", &patient.target()], &["top"]] {
        let mut child = leakscope(arguments).spawn();
        drop(child.stdout.take());
        assert!(wait_until(Duration::from_secs(20), || child.try_wait().expect("our child").is_some()));
        let mut stderr = String::new();
        child.stderr.take().expect("a piped stderr").read_to_string(&mut stderr).expect("its stderr");
        assert!(!stderr.contains("panicked"), "{stderr}");
        child.wait().expect("our child");
    }
}

#[test]
fn top_lists_the_patient() {
    let patient = Patient::spawn("json_leak", &["100000"]);
    let value = leakscope(["top", "--json", "-n", "100000"]).run().json();
    let rows = value["processes"].as_array().expect("processes");
    let row = rows.iter().find(|row| row["pid"] == patient.pid());
    // A short list may leave it out on a machine with larger processes.
    if let Some(row) = row {
        assert!(row["rss_bytes"].as_u64().is_some_and(|rss| rss > patient.number("bytes")), "{row:#}");
        for key in ["pss_bytes", "swap_bytes", "growth_bytes_per_second", "oom_score", "limit_bytes", "headroom_bytes"]
        {
            assert!(row.get(key).is_some(), "no {key} in {row:#}");
        }
    }
    let sizes: Vec<u64> = rows.iter().filter_map(|row| row["rss_bytes"].as_u64()).collect();
    assert!(sizes.is_sorted_by(|a, b| a >= b), "the largest first");
}

#[test]
fn memory_stays_within_what_was_allowed() {
    let _one = crate::common::heavy();
    let patient = Patient::spawn("stamper", &["300M"]);
    // A limit of the address space would count what is only reserved; of data, what is really taken.
    let words = ["prlimit", "--data=400000000"];
    let run = leakscope(["inspect", &patient.target(), "--for", "1s", "--max-memory", "128MiB", "--json"]);
    let value = run.through(&words, crate::common::run::binary()).run().json();
    assert!(groups(&value)[0]["count"].as_u64().is_some_and(|count| count >= patient.number("count")));
}

#[test]
fn the_demonstration_finds_its_own_leak_and_leaves_nothing() {
    let value = leakscope(["demo", "--for", "3s", "--json"]).run().json();
    let kind = value["verdict"]["kind"].as_str().unwrap_or("");
    assert!(["growing", "leak"].contains(&kind), "{:#}", value["verdict"]);
    let pid = value["target"]["pid"].as_i64().expect("a pid");
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "pid {pid} is still there");
}

//! Address spaces as they are in the wild: what a person would call one region is one, and what was never touched costs nothing.

use serde_json::Value;

use crate::common::answer::{address, regions_of};
use crate::common::{Patient, build, leakscope, members, note};

#[track_caller]
fn map(patient: &Patient) -> Value {
    leakscope(["map", &patient.target(), "--json"]).run().json()
}

/// A sum over all regions.
fn sum(value: &Value, key: &str) -> u64 {
    value["regions"].as_array().expect("regions").iter().filter_map(|region| region[key].as_u64()).sum()
}

fn rollup(patient: &Patient, key: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", patient.pid())).expect("smaps_rollup");
    let line = text.lines().find_map(|line| line.strip_prefix(key)).expect("a line of smaps_rollup");
    line.split_whitespace().next().and_then(|word| word.parse::<u64>().ok()).expect("a number") * 1024
}

#[test]
fn two_lines_of_heap_are_one_region() {
    let patient = Patient::spawn("two_heaps", &["20000"]);
    let value = map(&patient);
    let heaps = regions_of(&value, "heap");
    assert_eq!(heaps.len(), 1, "{heaps:#?}");
    assert_eq!(heaps[0]["mappings"], 2);
    assert_eq!(heaps[0]["name"], "[heap]");
    assert!(heaps[0]["rss_bytes"].as_u64().is_some_and(|rss| rss > patient.number("bytes")), "{heaps:#?}");
    let scanned = leakscope(["scan", &patient.target(), "--json"]).run().json();
    assert_eq!(members(&scanned, "json", &["{trace_id:hex"]).0, patient.number("count"));
}

#[test]
fn the_regions_add_up_to_what_the_kernel_says() {
    for (name, arguments) in
        [("json_leak", "20000"), ("many_threads", "40"), ("arena_leak", "20000"), ("shm_growth", "memfd")]
    {
        let patient = Patient::spawn(name, &[arguments]);
        let value = map(&patient);
        assert_eq!(sum(&value, "rss_bytes"), rollup(&patient, "Rss:"), "{name}");
        assert_eq!(sum(&value, "private_dirty_bytes"), rollup(&patient, "Private_Dirty:"), "{name}");
        assert_eq!(value["totals"]["rss_bytes"], rollup(&patient, "Rss:"), "{name}");
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", patient.pid())).expect("maps");
        assert_eq!(sum(&value, "mappings"), maps.lines().count() as u64, "{name}");
    }
}

#[test]
fn equal_scattered_mappings_are_one_row() {
    let patient = Patient::spawn("many_mappings", &["5000"]);
    let value = map(&patient);
    let family = regions_of(&value, "anon").into_iter().find(|region| region["mappings"].as_u64() >= Some(4990));
    let family = family.unwrap_or_else(|| panic!("no family of 5000 among {:#}", value["regions"]));
    assert!(family["size_bytes"].as_u64() >= Some(4990 * 16384), "{family:#}");
    assert!(value["regions"].as_array().is_some_and(|regions| regions.len() < 60));
    let scanned = leakscope(["scan", &patient.target(), "--json"]).run().json();
    // A piece that the kernel put between mappings of the libraries may be a region of its own.
    assert!((4990..=5000).contains(&members(&scanned, "json", &["{trace_id:hex"]).0));
}

#[test]
fn arenas_and_thread_stacks_are_known() {
    let patient = Patient::spawn("arena_leak", &["20000", "1", "3"]);
    let value = map(&patient);
    let arenas = regions_of(&value, "arena");
    let held: u64 = arenas.iter().filter_map(|region| region["rss_bytes"].as_u64()).sum();
    assert!(held > patient.number("bytes"), "{arenas:#?}");
    let stacks = regions_of(&value, "thread-stack");
    let count: u64 = stacks.iter().filter_map(|region| region["mappings"].as_u64()).sum();
    assert!(count >= 4, "four threads beside the main one have stacks: {stacks:#?}");
    assert_eq!(regions_of(&value, "stack").len(), 1);
    let scanned = leakscope(["scan", &patient.target(), "--json"]).run().json();
    assert_eq!(members(&scanned, "json", &["{trace_id:hex"]).0, patient.number("count"));
}

#[test]
fn shared_memory_is_known() {
    for kind in ["memfd", "tmpfs"] {
        let patient = Patient::spawn("shm_growth", &[kind]);
        let value = map(&patient);
        let shared: u64 = regions_of(&value, "shared").iter().filter_map(|region| region["rss_bytes"].as_u64()).sum();
        assert!(shared >= patient.number("bytes"), "{kind}: {:#}", value["regions"]);
    }
}

#[test]
fn what_was_never_touched_costs_nothing() {
    let small = Patient::spawn("sparse", &["2097152", "512"]);
    let big = Patient::spawn("sparse", &["8G", "512"]);
    let time = |patient: &Patient| {
        let run = leakscope(["scan", &patient.target(), "--json"]).run();
        let took = run.took.as_secs_f64();
        assert_eq!(members(&run.json(), "json", &["{trace_id:hex"]).0, patient.number("count"));
        patient.assert_unharmed(); // resident memory and page tables too
        took
    };
    time(&big);
    let small = (0..3).map(|_| time(&small)).fold(f64::MAX, f64::min);
    let big = (0..3).map(|_| time(&big)).fold(f64::MAX, f64::min);
    assert!(big < small + 0.25, "8 GiB that are not there: {big} s, 2 MiB: {small} s");
}

#[test]
fn a_reserved_terabyte_is_only_listed() {
    let patient = Patient::spawn("reserved", &[]);
    let value = leakscope(["inspect", &patient.target(), "--for", "1s", "--json"]).run();
    assert!(value.took.as_secs_f64() < 5.0, "{}", value.scene());
    let value = value.json();
    let reserved = value["regions"]
        .as_array()
        .expect("regions")
        .iter()
        .find(|region| region["size_bytes"].as_u64() >= Some(1 << 40));
    let reserved = reserved.unwrap_or_else(|| panic!("no terabyte among {:#}", value["regions"]));
    assert_eq!(reserved["rss_bytes"], 0);
    let rss = value["growth"]["rss_end_bytes"].as_u64().expect("rss_end_bytes");
    assert!(rss < 64 << 20, "{rss}");
}

#[test]
fn unreadable_pages_are_stepped_over() {
    let patient = Patient::spawn("unreadable", &["5000"]);
    let value = leakscope(["scan", &patient.target(), "--json"]).run().json();
    assert_eq!(members(&value, "json", &["{trace_id:hex"]).0, 5000, "records on both sides of the wall");
}

#[test]
fn a_region_that_grows_downwards_is_followed() {
    let patient = Patient::spawn("anon_down", &["20000", "4000000"]);
    patient.tell("go");
    let value = leakscope(["inspect", &patient.target(), "--for", "2s", "--json"]).run().json();
    let index = value["suspect"]["region"].as_u64().expect("a suspect") as usize;
    let region = &value["regions"][index];
    assert_eq!(region["kind"], "anon");
    assert!(address(&region["start"]) < address(&region["end"]));
    assert!(region["growth_bytes_per_second"].as_f64().is_some_and(|rate| rate > 3e6 && rate < 5e6), "{region:#}");
}

#[test]
fn a_32_bit_process_is_read_like_any_other() {
    let Some(program) = build::patient_of_32_bits("json_leak") else {
        return note("the compiler makes no 32-bit programs (apt-get install gcc-multilib)");
    };
    let patient = Patient::start("json_leak", &mut std::process::Command::new(program));
    let value = map(&patient);
    assert_eq!(regions_of(&value, "heap").len(), 1, "{:#}", value["regions"]);
    let scanned = leakscope(["scan", &patient.target(), "--json"]).run().json();
    assert_eq!(members(&scanned, "json", &["{trace_id:hex"]).0, patient.number("count"));
}

//! The verdict of `inspect` on one patient for each: what grows is said to grow, at its rate; what does not is not accused.

use serde_json::Value;

use crate::common::answer::regions_of;
use crate::common::{Patient, assert_near, heavy, leakscope};

/// Inspects a patient that was told to go.
#[track_caller]
fn inspect(patient: &Patient, window: &str) -> Value {
    let value = leakscope(["inspect", &patient.target(), "--for", window, "--json"]).run().json();
    assert_eq!(value["command"], "inspect");
    assert_eq!(value["target"]["pid"], patient.pid());
    value
}

#[track_caller]
fn assert_verdict(value: &Value, kinds: &[&str]) {
    let verdict = &value["verdict"];
    let kind = verdict["kind"].as_str().unwrap_or("");
    let seen = serde_json::json!({"verdict": verdict, "growth": value["growth"], "suspect": value["suspect"],
        "warnings": value["warnings"]});
    assert!(kinds.contains(&kind), "wanted one of {kinds:?}: {seen:#}");
    let confidence = verdict["confidence"].as_f64().unwrap_or(-1.0);
    assert!((0.0..=1.0).contains(&confidence), "{verdict:#}");
    let summary = verdict["summary"].as_str().unwrap_or("");
    assert!(!summary.is_empty() && !summary.contains('\n'), "{verdict:#}");
}

/// The suspect's region.
#[track_caller]
fn suspect(value: &Value) -> &Value {
    let index = value["suspect"]["region"].as_u64().unwrap_or_else(|| panic!("no suspect: {:#}", value["verdict"]));
    &value["regions"][index as usize]
}

/// A patient that leaks into a region of `kind`, `rate` bytes of it a second.
#[track_caller]
fn assert_growing(name: &str, arguments: &[&str], kind: &str, rate: f64) {
    let patient = Patient::spawn(name, arguments);
    patient.tell("go");
    let value = inspect(&patient, "3s");
    assert_verdict(&value, &["growing", "leak"]);
    assert_eq!(suspect(&value)["kind"], kind, "{:#}", suspect(&value));
    let growth = &value["growth"];
    let number = |key: &str| growth[key].as_f64().unwrap_or_else(|| panic!("no {key}: {growth:#}"));
    assert_near("bytes_per_second", number("bytes_per_second"), rate, 12.0);
    assert!(number("low_bytes_per_second") <= number("bytes_per_second"), "{growth:#}");
    assert!(number("high_bytes_per_second") >= number("bytes_per_second"), "{growth:#}");
    let region = suspect(&value)["growth_bytes_per_second"].as_f64().unwrap_or(0.0);
    assert_near("the suspect's rate", region, rate, 15.0);
    let findings = value["findings"].as_array().expect("findings");
    let grown = findings.iter().find(|finding| finding["kind"] == "region-growth").expect("a region that grows");
    assert!(grown["evidence"].as_array().is_some_and(|facts| facts.iter().any(|fact| fact["type"] == "timeline")));
}

#[track_caller]
fn assert_stable(name: &str, arguments: &[&str], window: &str) {
    let patient = Patient::spawn(name, arguments);
    patient.tell("go");
    assert_verdict(&inspect(&patient, window), &["stable"]);
}

// A record of 261 bytes on average takes a chunk of 277.
#[test]
fn json_records_in_the_main_heap_grow() {
    assert_growing("json_leak", &["5000", "4000000"], "heap", 4e6 * 1.06);
}

#[test]
fn a_slow_leak_beside_a_big_heap_grows() {
    assert_growing("json_leak", &["200000", "1000000"], "heap", 1e6 * 1.06);
}

#[test]
fn bytes_without_a_meaning_grow_all_the_same() {
    assert_growing("binary_leak", &["5000", "4000000"], "heap", 4e6 * 1.016);
}

#[test]
fn a_thread_arena_grows() {
    assert_growing("arena_leak", &["5000", "4000000"], "arena", 4e6 * 1.06);
}

#[test]
fn a_mapping_that_grows_downwards_grows() {
    assert_growing("anon_down", &["5000", "4000000"], "anon", 4e6);
}

#[test]
fn the_second_heap_of_a_forked_worker_grows() {
    assert_growing("two_heaps", &["5000", "4000000"], "heap", 4e6 * 1.06);
}

#[test]
fn mappings_that_are_never_unmapped_are_a_mapping_leak() {
    let patient = Patient::spawn("mapping_leak", &["20", "8M"]);
    patient.tell("go");
    assert_verdict(&inspect(&patient, "3s"), &["mapping-leak"]);
}

#[test]
fn threads_that_never_end_are_a_thread_leak() {
    let patient = Patient::spawn("thread_leak", &["10", "1310720"]);
    patient.tell("go");
    assert_verdict(&inspect(&patient, "3s"), &["thread-leak"]);
}

#[test]
fn a_growing_memfd_is_shared_memory() {
    let patient = Patient::spawn("shm_growth", &["memfd"]);
    patient.tell("go");
    assert_verdict(&inspect(&patient, "3s"), &["shared-memory"]);
}

#[test]
fn a_growing_file_on_tmpfs_is_shared_memory() {
    let patient = Patient::spawn("shm_growth", &["tmpfs"]);
    patient.tell("go");
    assert_verdict(&inspect(&patient, "3s"), &["shared-memory"]);
}

#[test]
fn a_steady_process_is_stable() {
    assert_stable("steady", &[], "2s");
}

#[test]
fn a_full_cache_that_recycles_is_stable() {
    assert_stable("warm_cache", &[], "3s");
}

#[test]
fn a_sawtooth_is_stable() {
    assert_stable("sawtooth", &[], "5s");
}

#[test]
fn a_plateau_is_stable() {
    assert_stable("plateau", &["8000000", "16000000"], "5s");
}

#[test]
fn thousands_of_mappings_that_do_not_grow_are_stable() {
    assert_stable("many_mappings", &[], "2s");
}

#[test]
fn freed_memory_that_is_held_is_no_leak() {
    let _one = heavy();
    let patient = Patient::spawn("freed_held", &[]);
    patient.tell("go");
    assert_verdict(&inspect(&patient, "2s"), &["stable", "fragmentation"]);
}

#[test]
fn reservations_are_not_accused() {
    assert_stable("sparse", &[], "2s");
    assert_stable("reserved", &[], "2s");
}

#[test]
fn the_answer_of_a_stopped_process_is_no_accusation() {
    let patient = Patient::spawn("stopped", &[]);
    patient.wait_stopped();
    assert_verdict(&inspect(&patient, "2s"), &["stable", "inconclusive"]);
}

#[test]
fn the_time_to_the_limit_follows_from_the_rate() {
    let patient = Patient::spawn("json_leak", &["5000", "8000000"]);
    patient.tell("go");
    let value = inspect(&patient, "3s");
    let limits = &value["limits"];
    assert!(["cgroup", "rlimit", "system"].contains(&limits["kind"].as_str().unwrap_or("")), "{limits:#}");
    let number = |key: &str| limits[key].as_f64().unwrap_or_else(|| panic!("no {key}: {limits:#}"));
    let rate = value["growth"]["bytes_per_second"].as_f64().unwrap_or(0.0);
    let wanted = (number("limit_bytes") - number("usage_bytes")) / rate;
    assert_near("seconds_to_limit", number("seconds_to_limit"), wanted, 10.0);
}

#[test]
fn the_largest_region_is_not_the_suspect_when_another_grows() {
    let patient = Patient::spawn("arena_leak", &["2000", "4000000", "2"]);
    patient.tell("go");
    let value = inspect(&patient, "3s");
    assert!(!regions_of(&value, "file").is_empty());
    assert_eq!(suspect(&value)["kind"], "arena");
}

//! A real nginx worker that leaks: through a library into its heap, and in a Lua table that lives in LuaJIT's mappings.

use std::time::Duration;

use serde_json::Value;

use crate::common::nginx::Nginx;
use crate::common::{assert_near, groups, heavy, leakscope, members, skip};

const LABEL: &str = "{trace_id:hex, user_id:int, device:{os, model}, payload:str, sign:hex}";

fn start() -> Option<Nginx> {
    Nginx::start().map_err(|missing| skip(&missing)).ok()
}

#[track_caller]
fn suspect(value: &Value) -> &Value {
    let index = value["suspect"]["region"].as_u64().unwrap_or_else(|| panic!("no suspect: {:#}", value["verdict"]));
    &value["regions"][index as usize]
}

#[test]
fn the_forgotten_records_of_a_worker_are_named() {
    let _one = heavy();
    let Some(nginx) = start() else { return };
    let load = nginx.load("/encrypt?n=64", 700.0);
    std::thread::sleep(Duration::from_millis(500));
    let value = leakscope(["inspect", &nginx.worker().to_string(), "--for", "5s", "--json"]).run().json();
    let asked = load.end();
    let kind = value["verdict"]["kind"].as_str().unwrap_or("");
    assert!(["growing", "leak"].contains(&kind), "{:#}", value["verdict"]);
    assert_eq!(value["target"]["role"], "worker");
    assert_eq!(value["target"]["ppid"], nginx.master());
    assert_eq!(suspect(&value)["kind"], "heap", "{:#}", value["regions"]);
    let rate = value["growth"]["bytes_per_second"].as_f64().unwrap_or(0.0);
    assert_near("MiB/s", rate / 1048576.0, 12.0, 15.0);

    let first = &groups(&value)[0];
    assert_eq!(first["label"], LABEL, "{first:#}");
    assert_near("records' MiB/s", first["bytes_per_second"].as_f64().unwrap_or(0.0) / 1048576.0, 11.3, 15.0);
    let growth: f64 =
        groups(&value).iter().filter_map(|group| group["growth_bytes"].as_f64()).map(|n| n.max(0.0)).sum();
    let share = first["growth_bytes"].as_f64().unwrap_or(0.0) / growth;
    assert!(share > 0.9, "{share} of the growth, of what has a name");
    assert!(first["count"].as_u64().unwrap_or(0) <= asked * 64, "more records than were ever made\n{first:#}");
    assert_eq!(first["samples"].as_array().map(Vec::len), Some(3));
}

#[test]
fn every_record_of_an_idle_worker_is_counted() {
    let Some(nginx) = start() else { return };
    (0..50).for_each(|_| assert!(nginx.ask("/encrypt?n=200").starts_with("200")));
    let before = crate::common::Health::of(nginx.worker()).expect("the worker runs");
    let value = leakscope(["scan", &nginx.worker().to_string(), "--json"]).run().json();
    // Lua's own strings that are not collected yet hold some of the same records once more.
    let (count, _) = members(&value, "json", &["{trace_id:hex, user_id:int, device:{os, model}"]);
    assert!((10_000..=20_100).contains(&count), "{count}");
    let after = crate::common::Health::of(nginx.worker()).expect("the worker runs");
    // It closes the connections of the requests above in its own time.
    let after = crate::common::Health { descriptors: before.descriptors, ..after };
    assert_eq!(after.harm_since(&before, false), Vec::<String>::new());
}

#[test]
fn a_lua_table_that_keeps_urls_is_found_outside_the_heap() {
    let _one = heavy();
    let Some(nginx) = start() else { return };
    (0..40).for_each(|_| assert!(!nginx.ask("/keep?n=1000").is_empty()));
    let load = nginx.load("/keep?n=64", 600.0);
    let value = leakscope(["inspect", &nginx.worker().to_string(), "--for", "5s", "--json"]).run().json();
    drop(load);
    assert_eq!(suspect(&value)["kind"], "anon", "{:#}", value["regions"]);
    let first = &groups(&value)[0];
    assert_eq!(first["label"], "GET /v1/orders/<int>?expires=<int>&sig=<hex>", "{first:#}");
    let kind = value["verdict"]["kind"].as_str().unwrap_or("");
    assert!(["growing", "leak"].contains(&kind), "{:#}", value["verdict"]);
}

#[test]
fn a_master_leads_to_its_worker() {
    let Some(nginx) = start() else { return };
    let run = leakscope(["inspect", &nginx.master().to_string(), "--for", "1s"]).run().ok();
    let worker = nginx.worker().to_string();
    assert!(run.stderr.contains(&worker) || run.stdout.contains(&worker), "{}", run.scene());
    let children = format!("children:{}", nginx.master());
    let value = leakscope(["inspect", &children, "--for", "1s", "--json"]).run().json();
    assert_eq!(value["target"]["pid"], nginx.worker());
}

#[test]
fn a_name_finds_the_fattest_of_that_name() {
    let Some(nginx) = start() else { return };
    (0..100).for_each(|_| assert!(!nginx.ask("/encrypt?n=500").is_empty()));
    let run = leakscope(["map", "nginx", "--json"]).run();
    let said = run.stderr.clone();
    let value = run.json();
    // Another nginx may run on this machine, or in another test; it is the largest that counts.
    assert_eq!(value["target"]["name"], "nginx");
    let pid = value["target"]["pid"].to_string();
    assert!(said.contains(&pid), "the choice is said on stderr: {said}");
}

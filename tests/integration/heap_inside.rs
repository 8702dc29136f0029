//! Allocators inside the allocator: nginx's pools, which lie in chunks of malloc, and LuaJIT's objects, which do not.

use std::time::Duration;

use serde_json::Value;

use crate::common::nginx::Nginx;
use crate::common::{assert_near, heavy, skip, wait_until};
use crate::heap::heap;

fn start() -> Option<Nginx> {
    Nginx::start().map_err(|missing| skip(&missing)).ok()
}

/// The rows of `owner` in a walk of the worker, which loses nothing.
fn rows(nginx: &Nginx, owner: &str) -> Vec<Value> {
    let value = heap(&nginx.worker().to_string(), &[]);
    assert_eq!(value["consistency"]["verdict"], "exact", "{:#}", value["consistency"]);
    assert_eq!(value["reach"]["unreachable"]["chunks"], 0, "{:#}", value["reach"]);
    let probably = value["reach"]["probably_unreachable"]["chunks"].as_u64();
    assert!(probably.is_some_and(|chunks| chunks <= 8), "{:#}", value["reach"]);
    let rows = value["inside"].as_array().expect("rows");
    rows.iter().filter(|row| row["owner"] == owner).cloned().collect()
}

/// How many `what` there are.
fn count(rows: &[Value], what: &str) -> u64 {
    rows.iter().find(|row| row["what"] == what).and_then(|row| row["count"].as_u64()).unwrap_or(0)
}

#[test]
fn pools_of_requests_held_open_are_counted() {
    let Some(nginx) = start() else { return };
    let held = nginx.hold(100);
    nginx.ask("/healthy");
    let mut found = (0, 0);
    wait_until(Duration::from_secs(5), || {
        let rows = rows(&nginx, "nginx");
        found = (count(&rows, "request pool"), count(&rows, "connection pool"));
        found == (100, 100)
    });
    assert_eq!(found, (100, 100), "request and connection pools");
    drop(held);
}

#[test]
fn what_a_lua_table_keeps_is_counted() {
    // Where LuaJIT's memory lies differs from run to run.
    for _ in 0..3 {
        let Some(nginx) = start() else { return };
        (0..20).for_each(|_| assert!(!nginx.ask("/keep?n=1000").is_empty()));
        (0..5).for_each(|_| assert!(!nginx.ask("/note?n=1000").is_empty()));
        let rows = rows(&nginx, "luajit");
        let lines = count(&rows, "GET /v1/orders/<int>?expires=<int>&sig=<hex>");
        assert!((19_990..=20_200).contains(&lines), "{lines} request lines\n{rows:#?}");
        let notes = count(&rows, "table {at,body,order}");
        assert!((5000..=5001).contains(&notes), "{notes} notes\n{rows:#?}");
        assert_eq!(count(&rows, "table, an array of up to 32768"), 1, "{rows:#?}");
        let bytes: u64 = rows.iter().filter_map(|row| row["bytes"].as_u64()).sum();
        assert!(bytes > 20_000 * 96 && bytes < 16 << 20, "{bytes} bytes in all\n{rows:#?}");
    }
}

#[test]
fn growth_of_what_a_lua_table_keeps_is_told() {
    let _alone = heavy();
    let Some(nginx) = start() else { return };
    assert!(!nginx.ask("/keep?n=1000").is_empty());
    let load = nginx.load("/keep?n=10", 200.0);
    let value = heap(&nginx.worker().to_string(), &["--for", "4s"]);
    drop(load);
    let rows = value["inside"].as_array().expect("rows");
    let lines = rows.iter().find(|row| row["what"] == "GET /v1/orders/<int>?expires=<int>&sig=<hex>");
    let grown = lines.and_then(|row| row["growth_count"].as_f64()).unwrap_or_else(|| panic!("{rows:#?}"));
    assert_near("lines a second", grown / value["seconds"].as_f64().expect("seconds"), 2000.0, 15.0);
}

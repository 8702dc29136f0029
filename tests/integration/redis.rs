//! A real redis whose keys never expire.

use crate::common::answer::members_per_second;
use crate::common::redis::Redis;
use crate::common::{assert_near, groups, heavy, leakscope, members, skip};
use crate::heap::{heap, number};

#[test]
fn keys_that_never_expire_are_named() {
    let _one = heavy();
    let redis = match Redis::start() {
        Ok(redis) => redis,
        Err(missing) => return skip(&missing),
    };
    redis.set(0, 100_000);
    let filling = redis.fill(100_000, 15_000.0);
    let value = leakscope(["inspect", &redis.pid().to_string(), "--for", "5s", "--json"]).run().json();
    let count = 100_000 + filling.count();
    drop(filling);
    let kind = value["verdict"]["kind"].as_str().unwrap_or("");
    assert!(["growing", "leak"].contains(&kind), "{:#}", value["verdict"]);
    let first = groups(&value).iter().find(|group| group["kind"] == "json").expect("a json group");
    let label = first["label"].as_str().unwrap_or("");
    assert!(label.starts_with("{session:hex, user_id:int, cart:["), "{label}");
    assert!(first["count"].as_u64().unwrap_or(0) <= count + 1000, "more records than were ever set\n{first:#}");
    assert_near("records a second", members_per_second(first), 15_000.0, 15.0);
}

#[test]
fn a_redis_on_glibc_is_accounted_for_and_loses_nothing() {
    let redis = match Redis::start_without_jemalloc() {
        Ok(redis) => redis,
        Err(missing) => return skip(&missing),
    };
    redis.set(0, 50_000);
    let value = heap(&redis.pid().to_string(), &[]);
    if value["allocator"]["name"] != "glibc" {
        return skip("this redis has jemalloc inside it");
    }
    assert_eq!(value["consistency"]["verdict"], "exact", "{:#}", value["consistency"]);
    assert_eq!(number(&value, "/reach/unreachable/chunks"), 0, "{:#}", value["reach"]);
    let (chunks, bytes) = (number(&value, "/in_use/chunks"), number(&value, "/in_use/bytes"));
    let Some(used) = redis.used_memory() else {
        return skip("redis-cli is not installed (apt-get install redis-tools)");
    };
    // It counts what can be used of each chunk; what the C library and Lua have it does not know.
    let usable = bytes - 8 * chunks;
    assert!((used..used + (1 << 20)).contains(&usable), "{usable} in chunks, {used} by its own count");
}

#[test]
fn an_idle_redis_is_counted_and_stays_as_it_is() {
    let redis = match Redis::start() {
        Ok(redis) => redis,
        Err(missing) => return skip(&missing),
    };
    redis.set(0, 50_000);
    let value = leakscope(["scan", &redis.pid().to_string(), "--json"]).run().json();
    let (count, _) = members(&value, "json", &["{session:hex, user_id:int"]);
    // Buffers hold a few once more.
    assert!((49_990..50_200).contains(&count), "{count}");
}

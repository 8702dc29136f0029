//! A real redis whose keys never expire.

use crate::common::answer::members_per_second;
use crate::common::redis::Redis;
use crate::common::{assert_near, groups, heavy, leakscope, members, skip};

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

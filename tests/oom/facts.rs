//! Every fact that is expected of a log, compared with the JSON answer.

use serde_json::{Value, json};

use crate::{json as answer, logs, reports};

/// What differs, one line a fact.
pub fn differences(expected: &Value, got: &[Value]) -> Vec<String> {
    let mut bad = Vec::new();
    let wanted = expected["reports"].as_array().unwrap();
    if expected["expected_reports"] != json!(got.len()) {
        bad.push(format!("{} reports instead of {}", got.len(), expected["expected_reports"]));
    }
    for (want, got) in wanted.iter().zip(got) {
        compare(want, got, &mut |what, want, got| {
            if !want.is_null() && want != got {
                bad.push(format!("[{}] {what}: {got} instead of {want}", want_index(expected, want)));
            }
        });
    }
    bad
}

fn want_index(expected: &Value, _: &Value) -> String {
    expected["name"].as_str().unwrap_or("").to_owned()
}

fn bytes(kib: &Value) -> Value {
    kib.as_i64().map_or(Value::Null, |kib| json!(i128::from(kib) * 1024))
}

fn compare(want: &Value, got: &Value, check: &mut dyn FnMut(&str, &Value, &Value)) {
    for key in ["name", "pid"] {
        check("invoker", &want["invoker"][key], &got["invoker"][key]);
    }
    check("mask", &want["gfp_mask"]["raw"], &got["gfp"]["mask"]);
    check("flags", &sorted(&want["gfp_mask"]["decoded"]), &got["gfp"]["flags"]);
    check("order", &want["order"], &got["order"]);
    let memcg = &want["cgroup"];
    check("oom_memcg", &memcg["oom_memcg"], &got["memcg"]["oom_memcg"]);
    check("usage", &bytes(&memcg["memory"]["usage_kb"]), &got["memcg"]["usage_bytes"]);
    check("limit", &bytes(&memcg["memory"]["limit_kb"]), &got["memcg"]["limit_bytes"]);
    check("failcnt", &memcg["memory"]["failcnt"], &got["memcg"]["failcnt"]);
    for key in ["pid", "name", "uid", "oom_score_adj"] {
        check(&format!("victim.{key}"), &want["victim"][key], &got["victim"][key]);
    }
    for key in ["total_vm", "anon_rss", "file_rss", "shmem_rss"] {
        let expected = bytes(&want["victim"][format!("{key}_kb")]);
        check(&format!("victim.{key}"), &expected, &got["victim"][format!("{key}_bytes")]);
    }
    check("killed_pids", &want["killed_pids"], &got["killed_pids"]);
    check("tasks", &want["tasks"]["rows"], &json!(got["tasks"].as_array().map_or(0, Vec::len)));
    top_rows(want, got, check);
    for (index, zone) in want["zones"].as_array().into_iter().flatten().enumerate() {
        for key in ["free", "min", "low", "high"] {
            let expected = bytes(&zone[format!("{key}_kb")]);
            check(&format!("zone {index} {key}"), &expected, &got["zones"][index][format!("{key}_bytes")]);
        }
    }
    for key in ["total", "free"] {
        check("swap", &bytes(&want["swap"][format!("{key}_kb")]), &got["swap"][format!("{key}_bytes")]);
    }
    check("kernel", &want["kernel_version"], &got["kernel"]);
    check("page size", &bytes(&want["page_size_kb"]), &got["page_size_bytes"]);
    check("outcome", &want["outcome"], &got["outcome"]);
    let kind = &got["cause"]["kind"];
    let accepted = want["cause_also_accepted"].as_array().is_some_and(|also| also.contains(kind));
    check("cause", if accepted { kind } else { &want["cause"] }, kind);
}

fn sorted(flags: &Value) -> Value {
    let Some(flags) = flags.as_array() else { return Value::Null };
    let mut names: Vec<&str> = flags.iter().filter_map(Value::as_str).collect();
    names.sort_unstable();
    json!(names)
}

fn top_rows(want: &Value, got: &Value, check: &mut dyn FnMut(&str, &Value, &Value)) {
    let expected: Vec<Value> =
        want["tasks"]["top3_by_rss"].as_array().into_iter().flatten().map(|row| bytes(&row["rss_kb"])).collect();
    let mut sizes: Vec<i64> =
        got["tasks"].as_array().into_iter().flatten().filter_map(|task| task["rss_bytes"].as_i64()).collect();
    sizes.sort_unstable_by_key(|size| std::cmp::Reverse(*size));
    sizes.truncate(expected.len());
    if !expected.is_empty() {
        check("largest rss", &json!(expected), &json!(sizes));
    }
}

#[test]
fn every_fact_of_every_log_is_found() {
    for (name, log, expected) in logs() {
        let got: Vec<Value> = reports(log.as_bytes()).iter().map(answer).collect();
        let bad = differences(&expected, &got);
        assert!(bad.is_empty(), "{name}:\n{}", bad.join("\n"));
    }
}

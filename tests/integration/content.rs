//! What fills the memory: groups under the right label, with exact counts where nothing moves and true rates where it grows.

use serde_json::Value;

use crate::common::{Patient, assert_near, groups, heavy, label_like, leakscope, members};

#[track_caller]
fn scan(patient: &Patient) -> Value {
    leakscope(["scan", &patient.target(), "--json"]).run().json()
}

#[track_caller]
fn listing(value: &Value) -> String {
    let line = |group: &Value| {
        let text = group["samples"][0]["text"].as_str().unwrap_or("").escape_debug().to_string();
        format!("  {} {} × {} = {} bytes, e.g. {text}", group["kind"], group["label"], group["count"], group["bytes"])
    };
    groups(value).iter().take(15).map(line).collect::<Vec<_>>().join("\n")
}

/// Scans a patient that stands still: one group has all `count` members, with all their bytes.
#[track_caller]
fn assert_exact(name: &str, kind: &str, words: &[&str]) -> Value {
    let patient = Patient::spawn(name, &[]);
    let value = scan(&patient);
    let found = groups(&value)
        .iter()
        .find(|group| group["kind"] == kind && label_like(group["label"].as_str().unwrap_or(""), words));
    let group = found.unwrap_or_else(|| panic!("no {kind} like {words:?}\n{}", listing(&value))).clone();
    assert_eq!(group["count"], patient.number("count"), "{words:?}\n{}", listing(&value));
    assert_eq!(group["bytes"], patient.number("bytes"), "{words:?}\n{}", listing(&value));
    let samples = group["samples"].as_array().expect("samples");
    assert!((1..=3).contains(&samples.len()), "{group:#}");
    for sample in samples {
        assert!(sample["address"].as_str().is_some_and(|address| address.starts_with("0x")), "{sample}");
    }
    group
}

#[test]
fn json_records_of_one_shape_are_one_group() {
    let group = assert_exact("json_leak", "json", &["{trace_id:hex, user_id:int, device:{os"]);
    assert_eq!(group["label"], "{trace_id:hex, user_id:int, device:{os, model}, payload:str, sign:hex}");
    let sample = group["samples"][0]["text"].as_str().expect("a text");
    assert!(sample.starts_with("{\"trace_id\":\""), "{sample}");
}

#[test]
fn urls_become_a_template() {
    let group = assert_exact("url_leak", "text", &["GET /v1/orders/"]);
    assert_eq!(group["label"], "GET /v1/orders/<int>?expires=<int>&sig=<hex>");
}

#[test]
fn key_value_lines_become_a_template() {
    assert_exact("kv_leak", "text", &["level=info user=<int> action=login ip=<", "latency=<int>ms session=<hex>"]);
}

#[test]
fn log_lines_become_a_template() {
    assert_exact("log_lines", "text", &["INFO [worker-<int>] order <int> accepted in <int> ms"]);
}

#[test]
fn sql_becomes_a_template() {
    assert_exact(
        "sql_leak",
        "text",
        &["SELECT id, total FROM orders WHERE user_id = <int> AND token = '<hex>'", "LIMIT <int>"],
    );
}

#[test]
fn xml_becomes_a_template() {
    assert_exact("xml_leak", "text", &["<order id=\"<int>\"><sku>AB-<int></sku><qty><int></qty><token><hex></token>"]);
}

#[test]
fn http_heads_become_a_template() {
    let patient = Patient::spawn("http_heads", &[]);
    let value = scan(&patient);
    // Whether a head is one member or one a line is left open; each head is counted once under its first line.
    let (count, _) = members(&value, "text", &["GET /cart/<int>/items HTTP/<"]);
    let (exact, _) = members(&value, "text", &["GET /cart/<int>/items HTTP/1.1"]);
    assert_eq!(count.max(exact), patient.number("count"), "{}", listing(&value));
}

#[test]
fn utf8_text_is_text() {
    let patient = Patient::spawn("utf8_leak", &[]);
    let value = scan(&patient);
    for (key, words) in [
        ("chinese", ["用户 <int>", "订单号 <int>"]),
        ("cyrillic", ["Заказ <int>", "покупателю <int>"]),
        ("emoji", ["🎉 winner <int>", "🏆 number <int> home"]),
    ] {
        assert_eq!(members(&value, "text", &words).0, patient.number(key), "{key}\n{}", listing(&value));
    }
}

#[test]
fn utf16_text_is_text() {
    let patient = Patient::spawn("utf16_leak", &[]);
    let value = scan(&patient);
    let (count, _) = members(&value, "text", &["Order <int> shipped to customer <int>"]);
    assert_eq!(count, patient.number("count"), "{}", listing(&value));
}

#[test]
fn equal_strings_are_a_repeat() {
    assert_exact("repeat_leak", "repeat", &["The banner of the shop, set in a frame of paper flowers"]);
}

#[test]
fn files_are_known_by_their_signature() {
    let patient = Patient::spawn("blob_leak", &[]);
    let value = scan(&patient);
    for (key, word) in [("png", "png"), ("gzip", "gz"), ("x509", "x509")] {
        let (count, _) = members(&value, "blob", &[word]);
        assert_eq!(count, patient.number(key), "{key}\n{}", listing(&value));
    }
}

#[test]
fn cpp_objects_are_named_by_their_class() {
    let patient = Patient::spawn("cpp_objects", &[]);
    let value = scan(&patient);
    let (count, _) = members(&value, "object", &["shop::Session"]);
    assert_near("objects", count as f64, patient.number("count") as f64, 1.0);
}

#[test]
fn structs_are_named_by_their_first_function() {
    let patient = Patient::spawn("struct_fnptr", &[]);
    let value = scan(&patient);
    let (count, _) = members(&value, "object", &["on_order_timeout"]);
    assert_near("structs", count as f64, patient.number("count") as f64, 1.0);
}

#[test]
fn records_in_every_form_count() {
    let patient = Patient::spawn("json_forms", &[]);
    let value = scan(&patient);
    for form in ["whole", "truncated", "escaped", "nested", "garbage", "overwritten"] {
        let found = members(&value, "json", &[form]).0 as f64;
        // The key of a form stands in the middle; a freed record may have lost it to its neighbours' bookkeeping.
        assert_near(form, found, patient.number(form) as f64, 2.0);
    }
}

#[test]
fn random_bytes_are_nothing() {
    let patient = Patient::spawn("binary_leak", &[]);
    let value = scan(&patient);
    let composition = &value["content"]["composition"];
    let part = |key: &str| composition[key].as_f64().unwrap_or_else(|| panic!("no {key}: {composition:#}"));
    let keys = ["json_bytes", "text_bytes", "pointer_bytes", "zero_bytes", "other_bytes"];
    let scanned = value["content"]["scanned_bytes"].as_f64().expect("scanned_bytes");
    assert_eq!(keys.iter().map(|key| part(key)).sum::<f64>(), scanned, "each byte is in exactly one part");
    assert!(part("other_bytes") > patient.number("bytes") as f64 * 0.97, "{composition:#}");
    assert!(part("json_bytes") < 10_000.0, "{composition:#}");
}

#[test]
fn what_grows_ranks_before_what_is_large() {
    let _one = heavy();
    let patient = Patient::spawn("coupon_beside_cache", &["300000000", "2000000"]);
    patient.tell("go");
    let value = leakscope(["inspect", &patient.target(), "--for", "4s", "--json"]).run().json();
    let first = &groups(&value)[0];
    assert!(label_like(first["label"].as_str().unwrap_or(""), &["coupon=", "&shop="]), "{}", listing(&value));
    assert_near("bytes_per_second", first["bytes_per_second"].as_f64().unwrap_or(0.0), 2e6, 5.0);
    let (count, bytes) = members(&value, "json", &["{sku:", "price:", "stock:"]);
    assert_eq!((count, bytes), (patient.number("cache_count"), patient.number("cache_bytes")), "{}", listing(&value));
}

#[test]
fn the_rate_of_a_group_is_the_rate_of_its_records() {
    let patient = Patient::spawn("json_leak", &["5000", "4000000"]);
    patient.tell("go");
    let value = leakscope(["inspect", &patient.target(), "--for", "3s", "--json"]).run().json();
    let first = &groups(&value)[0];
    assert_eq!(first["label"], patient.text("label").as_str(), "{}", listing(&value));
    assert_near("bytes_per_second", first["bytes_per_second"].as_f64().unwrap_or(0.0), 4e6, 5.0);
    let (bytes, count) = (first["growth_bytes"].as_f64(), first["growth_count"].as_f64());
    assert_near("bytes per record", bytes.unwrap_or(0.0) / count.unwrap_or(1.0), 261.0, 2.0);
}

#[test]
fn a_recycled_cache_does_not_seem_to_grow() {
    let patient = Patient::spawn("warm_cache", &[]);
    patient.tell("go");
    let value = leakscope(["inspect", &patient.target(), "--for", "3s", "--json"]).run().json();
    for group in groups(&value) {
        let rate = group["bytes_per_second"].as_f64().unwrap_or(0.0);
        assert!(rate < 400_000.0, "a tenth of its turnover at most\n{group:#}");
    }
}

#[test]
fn two_dumps_differ_by_what_was_added() {
    let (patient, folder) = (Patient::spawn("url_leak", &["20000"]), crate::common::folder());
    let dump = |name: &str| {
        let path = folder.path().join(name);
        leakscope(["dump", &patient.target(), "--json"]).arg("--output").arg(&path).run().json();
        path
    };
    let before = dump("before");
    patient.tell("more 3000");
    let after = dump("after");
    let value = leakscope(["diff", "--json"]).arg(&before).arg(&after).run().json();
    let first = &groups(&value)[0];
    assert_eq!(first["label"], patient.text("label").as_str(), "{}", listing(&value));
    assert_eq!(first["growth_count"], 3000, "{first:#}");
    assert_eq!(first["growth_bytes"], 3000 * 78, "{first:#}");
}

//! Literal records.

use super::*;

/// Labels with counts and bytes, largest first.
fn scanned(runs: &[&[u8]]) -> Vec<(String, u64, u64)> {
    let mut tally = JsonTally::new(ByteCount::mib(16));
    for raw in runs {
        tally.scan(&Run { addr: Addr(0x1000), raw, decoded: None, fresh: true, cut: false });
    }
    let (groups, full) = tally.finish();
    assert!(!full);
    let mut found: Vec<_> =
        groups.into_iter().map(|group| (group.label.to_string(), group.now.count, group.now.bytes.0)).collect();
    found.sort_by_key(|(label, count, bytes)| (std::cmp::Reverse((*bytes, *count)), label.clone()));
    found
}

fn one(raw: &str) -> (String, u64, u64) {
    let mut found = scanned(&[raw.as_bytes()]);
    assert_eq!(found.len(), 1, "{raw} gave {found:?}");
    found.remove(0)
}

#[test]
fn labels_are_shapes() {
    let raw = r#"{"trace_id":"4bf92f3577b34da6","user_id":12,"device":{"os":"a","model":"b"},"payload":"hello there","sign":"00ff00ff00"}"#;
    let label = "{trace_id:hex, user_id:int, device:{os, model}, payload:str, sign:hex}";
    assert_eq!(one(raw), (label.to_owned(), 1, raw.len() as u64));
}

fn labels(raw: &str) -> Vec<String> {
    scanned(&[raw.as_bytes()]).into_iter().map(|(label, ..)| label).collect()
}

#[test]
fn whitespace_nesting_and_escapes() {
    let pretty = "{\n  \"a\": 1,\r\n\t\"b\" : { \"c\" : [ 1, 2 ],\n \"d\": null }\n}";
    assert_eq!(one(pretty), ("{a:int, b:{c, d}}".to_owned(), 1, pretty.len() as u64));
    assert_eq!(one(r#"{"k\"ey":"va\\lue\"","ж":"\u0416 🙂"}"#).0, r#"{k\"ey:str, ж:str}"#);
    assert_eq!(
        one(r#"{"items":[{"sku":"a","qty":1},{"sku":"b"}],"tags":["x"],"none":[]}"#).0,
        "{items:[{sku, qty}], tags:[str], none:[]}"
    );
    assert_eq!(one(r#"{"m":[[1,2],[3]],"x":[1,{"y":2}],"z":{}}"#).0, "{m:[[]], x:[{y}], z:{}}");
    let deep = format!("{}1{}", r#"{"a":"#.repeat(60), "}".repeat(60));
    assert_eq!(one(&deep).2, deep.len() as u64);
}

#[test]
fn types_are_joined_over_members() {
    let records = [r#"{"a":1,"b":null,"c":"12345678","d":true}"#, r#"{"a":1.5,"b":"x","c":"1234567f","d":false}"#];
    let runs: Vec<&[u8]> = records.iter().map(|record| record.as_bytes()).collect();
    let label = "{a:float, b:str, c:hex, d:bool}";
    assert_eq!(scanned(&runs), [(label.to_owned(), 2, (records[0].len() + records[1].len()) as u64)]);
}

#[test]
fn what_is_not_json_is_left_alone() {
    for text in [
        "{ color: red; }",
        "{\"%s\": %d}",
        "static const char *names[] = {\"one\", \"two\"};",
        "{'a': 1, 'b': 2}",
        "{}",
        "{{template}} {% if %}",
        "{\"unfinished",
        "if (x) { y(\"z\"); }",
        "{\"a\" 1}",
        "{\"a\":}",
    ] {
        assert_eq!(scanned(&[text.as_bytes()]), [], "{text}");
    }
}

#[test]
fn text_around_records_is_not_theirs() {
    let text = r#"POST /x body={"a":1} then {"a":2}garbage {"a":3"#;
    assert_eq!(one(text), ("{a:int}".to_owned(), 3, 7 + 7 + 6));
    assert_eq!(one("[{\"a\":1},{\"a\":2},\n{\"a\":3}]"), ("{a:int}".to_owned(), 3, 21));
    assert_eq!(one("{\"a\":1}\n{\"a\":2}\n"), ("{a:int}".to_owned(), 2, 14));
}

#[test]
fn cut_records_go_to_the_shape_they_begin_like() {
    let whole = r#"{"a":1,"b":{"c":"x","d":2},"e":[{"f":1}],"g":"y"}"#;
    for cut in 6..whole.len() {
        let runs = [whole.as_bytes(), whole.as_bytes(), &whole.as_bytes()[..cut]];
        let bytes = (2 * whole.len() + cut) as u64;
        assert_eq!(scanned(&runs), [("{a:int, b:{c, d}, e:[{f}], g:str}".to_owned(), 3, bytes)], "cut at {cut}");
    }
    assert_eq!(labels(r#"{"a":1,"b":"x","c":{"d":"#), ["{a:int, b:str, c:{d}, …}"]);
    assert_eq!(labels("{\"a\":1,\"b\":\"xy\n{\"a\":2,\"b\":\"z\"}"), ["{a:int, b:str}"]);
    assert_eq!(labels("{\"a\":1,\"b\":\"xy{\"a\":2,\"b\":\"z\"}"), ["{a:int, b:str}"]);
}

#[test]
fn overwritten_records_go_to_the_shape_they_end_like() {
    let whole = r#"{"a":"some text","b":{"c":"x","d":2},"e":[{"f":1}],"g":"y","h":12}"#;
    let label = "{a:str, b:{c, d}, e:[{f}], g:str, h:int}";
    for cut in 1..48 {
        let runs = [whole.as_bytes(), &whole.as_bytes()[cut..]];
        let found = scanned(&runs);
        assert_eq!(found.len(), 1, "cut at {cut}: {found:?}");
        assert_eq!((found[0].0.as_str(), found[0].1), (label, 2), "cut at {cut}");
    }
    let middle = &whole.as_bytes()[8..whole.len() - 9];
    assert_eq!(scanned(&[whole.as_bytes(), middle])[0].1, 2);
    assert_eq!(labels(r#"ue","p":1,"q":"x"}"#), ["{…, p, q}"]);
    assert_eq!(scanned(&[br#"ue","p":1}"#]), []);
}

#[test]
fn escaped_records_are_records() {
    let plain = r#"{"a":1,"b":"x y"}"#;
    let once = plain.replace('\\', "\\\\").replace('"', "\\\"");
    let twice = once.replace('\\', "\\\\").replace('"', "\\\"");
    for text in [&once, &twice] {
        assert_eq!(one(text), ("{a:int, b:str}".to_owned(), 1, text.len() as u64));
        let log = format!("level=info msg={text} and more");
        assert_eq!(one(&log), ("{a:int, b:str}".to_owned(), 1, text.len() as u64));
    }
    let small = format!(r#"{{"level":"info","message":"a long message before the record","log":"{once}"}}"#);
    assert_eq!(one(&small), ("{level:str, message:str, log:\"{a, b}\"}".to_owned(), 1, small.len() as u64));
    let large = format!(r#"{{"log":"{once}"}}"#);
    let found = scanned(&[large.as_bytes()]);
    assert_eq!(found[0], ("{a:int, b:str}".to_owned(), 1, once.len() as u64));
    assert_eq!(found[1], ("{log:\"{a, b}\"}".to_owned(), 1, 10));
}

#[test]
fn batches_are_records() {
    let records: Vec<String> = (0..1000).map(|index| format!(r#"{{"id":{index},"v":"x"}}"#)).collect();
    let inside: u64 = records.iter().map(|record| record.len() as u64).sum();
    let batch = format!(r#"{{"records":[{}],"total":1000}}"#, records.join(","));
    let found = scanned(&[batch.as_bytes()]);
    assert_eq!(found[0], ("{id:int, v:str}".to_owned(), 1000, inside));
    assert_eq!(found[1], ("{records:[{id, v}], total:int}".to_owned(), 1, batch.len() as u64 - inside));
    let few = format!(r#"{{"records":[{}]}}"#, records[..7].join(","));
    assert_eq!(one(&few), ("{records:[{id, v}]}".to_owned(), 1, few.len() as u64));
}

#[test]
fn empty_and_null_merge_into_what_they_could_be() {
    let runs: [&[u8]; 4] = [
        br#"{"a":[],"b":null,"c":{"d":null}}"#,
        br#"{"a":[{"x":1}],"b":{"y":1},"c":{"d":[1]}}"#,
        br#"{"a":[],"b":{"y":1},"c":{"d":null}}"#,
        br#"{"a":[{"x":1}],"b":null,"c":{"d":[]}}"#,
    ];
    let found = scanned(&runs);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].0.as_str(), found[0].1), ("{a:[{x}], b:{y}, c:{d}}", 4));
    let apart: [&[u8]; 2] = [br#"{"a":[{"x":1}]}"#, br#"{"a":[{"y":1}]}"#];
    assert_eq!(scanned(&apart).len(), 2);
}

#[test]
fn maps_from_ids_do_not_explode() {
    let pair = |index: usize| format!(r#""{}":{{"name":"n","age":{index}}}"#, index * 7919 + 100_000);
    let map: Vec<String> = (0..50).map(pair).collect();
    assert_eq!(one(&format!("{{{}}}", map.join(","))).0, "{<int>:{name, age}}");
    let users: Vec<String> = (0..50).map(|index| format!(r#""user{index}":{{"name":"n"}}"#)).collect();
    assert_eq!(one(&format!(r#"{{"users":{{{}}}}}"#, users.join(","))).0, "{users:{user<int>:{name}}}");
    let singles: Vec<String> = (0..500)
        .map(|index| {
            format!(
                r#"{{"{}":{{"name":"n","age":1}}}}"#,
                char::from(b'a' + index as u8 % 26).to_string().repeat(1 + index / 26)
            )
        })
        .collect();
    let runs: Vec<&[u8]> = singles.iter().map(|record| record.as_bytes()).collect();
    let found = scanned(&runs);
    assert_eq!((found.len(), found[0].0.as_str(), found[0].1), (1, "{<str>:{name, age}}", 500));
}

#[test]
fn a_full_table_counts_by_first_key() {
    let mut tally = JsonTally::new(ByteCount(20_000));
    let records: Vec<String> = (0..5000).map(|index| format!(r#"{{"kind":1,"key{}x":2}}"#, index * 7)).collect();
    for raw in &records {
        tally.scan(&Run { addr: Addr(0), raw: raw.as_bytes(), decoded: None, fresh: true, cut: false });
    }
    let (groups, full) = tally.finish();
    assert!(full && groups.len() < 100);
    assert_eq!(groups.iter().map(|group| group.now.count).sum::<u64>(), 5000);
    assert!(groups.iter().any(|group| group.label.to_string() == "{kind, …}"), "{groups:?}");
}

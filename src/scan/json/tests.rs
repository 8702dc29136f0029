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

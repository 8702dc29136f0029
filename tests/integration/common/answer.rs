//! Questions to an answer's JSON that several themes ask: which groups there are, how a label reads, what is null.

use serde_json::Value;

/// The groups of a document with `content`, or of a content.
#[track_caller]
pub fn groups(value: &Value) -> &Vec<Value> {
    let content = value.get("content").unwrap_or(value);
    content["groups"].as_array().unwrap_or_else(|| panic!("no groups in {value:#}"))
}

/// Whether `words` stand in `label` in this order.
pub fn label_like(label: &str, words: &[&str]) -> bool {
    let mut rest = label;
    words.iter().all(|word| match rest.find(word) {
        Some(at) => {
            rest = &rest[at + word.len()..];
            true
        }
        None => false,
    })
}

/// Count and bytes of all groups of `kind` whose label has `words` in order.
#[track_caller]
pub fn members(value: &Value, kind: &str, words: &[&str]) -> (u64, u64) {
    let like = |group: &&Value| group["kind"] == kind && label_like(group["label"].as_str().unwrap_or(""), words);
    groups(value).iter().filter(like).fold((0, 0), |(count, bytes), group| {
        (count + group["count"].as_u64().unwrap_or(0), bytes + group["bytes"].as_u64().unwrap_or(0))
    })
}

/// Members that a group gains in a second: its bytes per second over the bytes of a member.
#[track_caller]
pub fn members_per_second(group: &Value) -> f64 {
    let number = |key: &str| group[key].as_f64().unwrap_or_else(|| panic!("no {key}: {group:#}"));
    number("bytes_per_second") * number("growth_count") / number("growth_bytes")
}

/// The regions of a kind.
#[track_caller]
pub fn regions_of<'v>(value: &'v Value, kind: &str) -> Vec<&'v Value> {
    let regions = value["regions"].as_array().unwrap_or_else(|| panic!("no regions in {value:#}"));
    regions.iter().filter(|region| region["kind"] == kind).collect()
}

/// An address as JSON has it, as a number.
#[track_caller]
pub fn address(value: &Value) -> u64 {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is no address"));
    let digits = text.strip_prefix("0x").unwrap_or_else(|| panic!("{text} does not begin with 0x"));
    u64::from_str_radix(digits, 16).unwrap_or_else(|error| panic!("{text}: {error}"))
}

//! Templates, repeats, scans compared and bounds, on made-up text.

mod behaviour;
mod bounds;
mod kinds;
mod parts;
mod random;

use super::TextTally;
use crate::scan::group::{Group, GroupKind, LabelPart, Tally};
use crate::units::{Addr, ByteCount};

use random::Chance;

fn add_all(tally: &mut TextTally, records: &[String]) {
    for (index, record) in records.iter().enumerate() {
        tally.add(Addr(0x1000 + index as u64 * 4096), record.as_bytes());
    }
}

fn tally_of(records: &[String]) -> (Vec<Group>, bool) {
    let mut tally = TextTally::new(ByteCount::mib(96));
    add_all(&mut tally, records);
    tally.finish()
}

/// The labels of all groups with their counts, largest first.
fn labels(groups: &[Group]) -> Vec<(String, u64)> {
    groups.iter().map(|group| (group.label.to_string(), group.now.count)).collect()
}

fn find<'a>(groups: &'a [Group], label: &str) -> &'a Group {
    let found = groups.iter().find(|group| group.label.to_string() == label);
    found.unwrap_or_else(|| panic!("no {label:?} in {:#?}", labels(groups)))
}

//! Strings by template: what the scanner makes of their text. All strings of a state are different.

use super::object::{STRING_LENGTH, STRING_TEXT, Sort};
use super::state::State;
use super::{InsideRow, Site, row};
use crate::scan::{Group, Label, ScanOptions, Scanner, Tally};
use crate::units::{Addr, ByteCount};

/// Tables of the scan.
const MEMORY: ByteCount = ByteCount::mib(32);
/// Bytes of one string that are looked at.
const LOOKED_AT: u64 = 1 << 16;
/// Fewer of a likeness are not told.
const WORTH: u64 = 16;
/// Rows told.
const ROWS: usize = 50;

/// Strings alike, and all others as one.
pub(super) fn rows(site: &Site<'_, '_>, state: &State) -> Vec<InsideRow> {
    let mut scanner = Scanner::new(site.image.map, None, ScanOptions { max_memory: MEMORY });
    let (mut all, mut text) = (Tally::default(), ByteCount::ZERO);
    for at in state.strings(site) {
        all.add(Sort::String.size(site, state, at));
        let length = site.image.half(at + STRING_LENGTH).map_or(0, u64::from);
        let bytes = site.image.bytes(at + STRING_TEXT, length.min(LOOKED_AT));
        text += ByteCount(length);
        scanner.feed(Addr(at + STRING_TEXT), bytes);
        scanner.end_span();
    }
    // What a string takes beside its text, about the same for each.
    let beside = all.bytes.saturating_sub(text).0.checked_div(all.count).unwrap_or(0);
    let worth = |group: &Group| group.now.count >= WORTH;
    let mut rest = all;
    let mut rows = Vec::new();
    for group in scanner.finish().groups.into_iter().filter(worth).take(ROWS) {
        let bytes = ByteCount(group.now.bytes.0.saturating_add(group.now.count.saturating_mul(beside)));
        // A string of several lines may be in several groups.
        let tally = Tally { count: group.now.count.min(rest.count), bytes: bytes.min(rest.bytes) };
        rest = Tally { count: rest.count - tally.count, bytes: rest.bytes.saturating_sub(tally.bytes) };
        rows.push(InsideRow { text_kind: Some(group.kind), ..row(group.label, tally) });
    }
    if rest.count > 0 {
        rows.push(row(Label::fixed("other strings"), rest));
    }
    rows
}

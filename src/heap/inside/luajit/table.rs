//! Tables by their shape: the same string keys are one shape, as records of one kind have them.

use super::object::{ARRAY_LENGTH, NODE, NODE_MASK, STRING_LENGTH, STRING_TEXT};
use super::{Site, object};
use crate::scan::Label;

/// GCtab: its nodes; keys are behind values in a node.
const NODES: u64 = 40;
const KEY: u64 = object::VALUE;
/// The tag of a string in a value: ~4 in the upper 17 bits, the rest is the pointer.
const STRING_TAG: u64 = 0x1_fffb;
const TAG_SHIFT: u32 = 47;
const POINTER: u64 = (1 << TAG_SHIFT) - 1;
/// A value that is nil: nothing is kept under its key.
const NIL: u64 = u64::MAX;
/// Tables of more nodes are no records: their keys are values.
const RECORD: u64 = 64;
/// Arrays and maps from here on are told by size.
const LARGE: u64 = 1024;
/// Keys that are named, and bytes of each.
const NAMED: usize = 8;
const LONGEST: u64 = 48;

/// How tables are alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Shape {
    /// By the strings that are its keys; equal strings are one object.
    Record(Vec<u64>),
    /// Entries, as a power of two where they are many and 0 where few.
    Array(u64),
    /// Nodes, the same.
    Map(u64),
    Other,
}

impl Shape {
    /// The shape of the table at `at`.
    pub fn of(site: &Site<'_, '_>, at: u64) -> Shape {
        let half = |offset: u64| site.image.half(at + offset).map_or(0, u64::from);
        let (array, mask) = (half(ARRAY_LENGTH), half(NODE_MASK));
        let class = |count: u64| if count < LARGE { 0 } else { count.next_power_of_two() };
        if mask >= RECORD {
            return Shape::Map(class(mask + 1));
        }
        let nodes = site.image.word(at + NODES).unwrap_or(0) & POINTER;
        let mut keys: Vec<u64> = (0..=mask).filter_map(|index| key(site, nodes + index * NODE)).collect();
        keys.sort_unstable();
        match (keys.is_empty(), array) {
            (false, _) => Shape::Record(keys),
            (true, 0) => Shape::Other,
            (true, array) => Shape::Array(class(array - 1)),
        }
    }

    /// What it is called; hostile text.
    pub fn label(&self, site: &Site<'_, '_>) -> Label {
        let sized =
            |what: &str, class: u64| if class == 0 { what.to_owned() } else { format!("{what} of up to {class}") };
        Label::fixed(match self {
            Shape::Record(keys) => record(site, keys),
            Shape::Array(class) => sized("table, an array", *class),
            Shape::Map(class) => sized("table, a map", *class),
            Shape::Other => "table".to_owned(),
        })
    }
}

/// `table {body,id}`, in order of the alphabet.
fn record(site: &Site<'_, '_>, keys: &[u64]) -> String {
    let mut names: Vec<String> = keys.iter().map(|key| name(site, *key)).collect();
    names.sort_unstable();
    let more = if names.len() > NAMED { ",…" } else { "" };
    names.truncate(NAMED);
    format!("table {{{}{more}}}", names.join(","))
}

fn key(site: &Site<'_, '_>, node: u64) -> Option<u64> {
    let (value, key) = (site.image.word(node)?, site.image.word(node + KEY)?);
    (value != NIL && key >> TAG_SHIFT == STRING_TAG).then_some(key & POINTER)
}

fn name(site: &Site<'_, '_>, string: u64) -> String {
    let length = site.image.half(string + STRING_LENGTH).map_or(0, u64::from);
    String::from_utf8_lossy(site.image.bytes(string + STRING_TEXT, length.min(LONGEST))).into_owned()
}

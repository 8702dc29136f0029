//! Sorts of objects and what each takes, as the collector counts it (lj_gc.c, gc_freefunc).

use super::Site;
use super::state::State;
use crate::units::ByteCount;

/// Objects begin with nextgc (8), marked (1), their type (1), and two bytes that differ.
pub(super) const TYPE: u64 = 9;
const MARKED: u64 = 8;
const DETAIL: u64 = 10;
/// GCstr: its length, its text.
pub(super) const STRING_LENGTH: u64 = 20;
pub(super) const STRING_TEXT: u64 = 24;
/// GCtab: its size without parts, then entries of its array and the mask of its nodes.
pub(super) const TABLE_SIZE: u64 = 64;
pub(super) const ARRAY_LENGTH: u64 = 48;
pub(super) const NODE_MASK: u64 = 52;
/// Node: value, key, next.
pub(super) const NODE: u64 = 24;
/// A value.
pub(super) const VALUE: u64 = 8;
const PROTOTYPE_SIZE: u64 = 56;
const STACK_LENGTH: u64 = 88;
const USERDATA: u64 = 48;
const USERDATA_LENGTH: u64 = 24;
const UPVALUE: u64 = 48;
/// No object is larger: fields of 32 bits count entries of at most 24 bytes, and far fewer of them.
const LARGEST: u64 = 1 << 34;

/// Sorts of objects, numbered as LuaJIT does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(super) enum Sort {
    String = 4,
    Upvalue = 5,
    Thread = 6,
    Prototype = 7,
    Function = 8,
    Trace = 9,
    Cdata = 10,
    Table = 11,
    Userdata = 12,
}

const SORTS: [Sort; 9] = [
    Sort::String,
    Sort::Upvalue,
    Sort::Thread,
    Sort::Prototype,
    Sort::Function,
    Sort::Trace,
    Sort::Cdata,
    Sort::Table,
    Sort::Userdata,
];

impl Sort {
    /// What the object at `at` is.
    pub fn of(site: &Site<'_, '_>, at: u64) -> Option<Sort> {
        let type_ = site.image.bytes(at.checked_add(TYPE)?, 1).first()?;
        SORTS.into_iter().find(|sort| *sort as u8 == *type_)
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Sort::String => "string",
            Sort::Upvalue => "upvalue",
            Sort::Thread => "coroutine",
            Sort::Prototype => "function prototype",
            Sort::Function => "function",
            Sort::Trace => "compiled trace",
            Sort::Cdata => "cdata",
            Sort::Table => "table",
            Sort::Userdata => "userdata",
        }
    }

    /// What the object at `at` takes with its parts.
    pub fn size(self, site: &Site<'_, '_>, state: &State, at: u64) -> ByteCount {
        let half = |offset: u64| site.image.half(at + offset).map_or(0, u64::from);
        let byte = |offset: u64| site.image.bytes(at + offset, 1).first().map_or(0, |byte| u64::from(*byte));
        let size = match self {
            // With its zero, in units of four (lj_str_size).
            Sort::String => STRING_TEXT + ((half(STRING_LENGTH) + 4) & !3),
            Sort::Upvalue => UPVALUE,
            Sort::Thread => state.thread_size + half(STACK_LENGTH) * VALUE,
            Sort::Prototype => half(PROTOTYPE_SIZE),
            // Lua's own begin with type 0 and have pointers to their upvalues; others have a pointer more, and values.
            Sort::Function => byte(DETAIL + 1) * VALUE + if byte(DETAIL) == 0 { 40 } else { 48 },
            Sort::Table => table_size(half(ARRAY_LENGTH), half(NODE_MASK)),
            Sort::Userdata => USERDATA + half(USERDATA_LENGTH),
            Sort::Cdata if byte(MARKED) & 0x80 != 0 => variable_size(site, at),
            Sort::Cdata | Sort::Trace => chunk_size(site, at),
        };
        ByteCount(size.min(LARGEST))
    }
}

fn table_size(array: u64, mask: u64) -> u64 {
    let nodes = if mask == 0 { 0 } else { mask + 1 };
    TABLE_SIZE + array * VALUE + nodes * NODE
}

/// GCcdataVar, before an object of variable size: offset (2), extra (2), length (4).
fn variable_size(site: &Site<'_, '_>, at: u64) -> u64 {
    let word = at.checked_sub(8).and_then(|head| site.image.word(head)).unwrap_or(0);
    (word >> 32) + (word >> 16 & 0xffff)
}

/// What the head of its allocation says: objects whose size is written nowhere else.
fn chunk_size(site: &Site<'_, '_>, at: u64) -> u64 {
    const SOUND: std::ops::Range<u64> = 24..1 << 30;
    let head = at.checked_sub(8).and_then(|head| site.image.word(head)).unwrap_or(0) & !7;
    if SOUND.contains(&head) { head - 8 } else { 0 }
}

//! LuaJIT's objects made by hand, sound and broken.

use proptest::prelude::*;

use super::walked;
use crate::heap::{HeapOptions, HeapResult, walk};
use crate::memory::FakeMemory;
use crate::units::ByteCount;

const BASE: u64 = 0x7f12_3400_0000;
const SIZE: usize = 0x8000;
/// Where in it the main thread, its global state, the table of strings and the first object are.
const THREAD: u64 = 0x10;
const GLOBAL: u64 = THREAD + 112;
const BUCKETS: u64 = 0x400;
const FIRST: u64 = 0x500;
const TOTAL: u64 = 100_000;

/// A state under construction.
struct FakeLua {
    memory: Vec<u8>,
    end: u64,
    strings: u64,
}

impl FakeLua {
    /// With the collector's fields behind the allocator, and segments of light userdata, as since 2020.
    fn new() -> FakeLua {
        let mut lua = FakeLua { memory: vec![0; SIZE], end: FIRST, strings: 0 };
        let collector = GLOBAL + 16;
        lua.head(THREAD, 6);
        lua.put(THREAD + 16, BASE + GLOBAL);
        lua.put(THREAD + 88, 50);
        lua.put(collector, TOTAL);
        lua.put(collector + 24, BASE + THREAD);
        lua.head(collector + 104, 4);
        lua.put(collector + 136, BASE + BUCKETS);
        lua.put(collector + 200, BASE + THREAD);
        lua
    }

    fn put(&mut self, at: u64, word: u64) {
        self.memory[at as usize..at as usize + 8].copy_from_slice(&word.to_le_bytes());
    }

    fn word(&self, at: u64) -> u64 {
        u64::from_le_bytes(self.memory[at as usize..at as usize + 8].try_into().unwrap())
    }

    fn head(&mut self, at: u64, type_: u8) {
        self.memory[at as usize + 9] = type_;
    }

    fn room(&mut self, size: u64) -> u64 {
        let at = self.end;
        self.end += size.next_multiple_of(16);
        at
    }

    fn string(&mut self, text: &str) -> u64 {
        let at = self.room(25 + text.len() as u64);
        self.head(at, 4);
        let place = at as usize;
        self.memory[place + 20..place + 24].copy_from_slice(&(text.len() as u32).to_le_bytes());
        self.memory[place + 24..place + 24 + text.len()].copy_from_slice(text.as_bytes());
        let bucket = BUCKETS + self.strings % 16 * 8;
        self.put(at, self.word(bucket) & !1);
        // The lowest bit of an entry is no part of the address.
        self.put(bucket, (BASE + at) | 1);
        self.strings += 1;
        self.put(GLOBAL + 16 + 136 + 8, 15 | self.strings << 32);
        at
    }

    fn object(&mut self, size: u64, type_: u8) -> u64 {
        let at = self.room(size);
        self.head(at, type_);
        let root = GLOBAL + 16 + 24;
        self.put(at, self.word(root));
        self.put(root, BASE + at);
        at
    }

    /// A table with these string keys, all values true.
    fn table(&mut self, keys: [u64; 2]) {
        let (at, nodes) = (self.object(64, 11), self.room(48));
        self.put(at + 40, BASE + nodes);
        self.put(at + 48, 1 << 32);
        for (index, key) in keys.into_iter().enumerate() {
            let node = nodes + index as u64 * 24;
            self.put(node, 0xfffe_ffff_ffff_ffff);
            self.put(node + 8, 0x1_fffb << 47 | (BASE + key));
        }
    }

    fn build(self) -> FakeMemory {
        FakeMemory::new().with(BASE, self.memory)
    }
}

fn some_lua() -> FakeLua {
    lua_with(60)
}

fn lua_with(count: u64) -> FakeLua {
    let mut lua = FakeLua::new();
    let keys = [lua.string("name"), lua.string("body")];
    for number in 0..count {
        lua.string(&format!("GET /v1/orders/{}?sig=a", 1000 + number * 7));
        lua.table(keys);
    }
    let function = lua.object(56, 8);
    lua.memory[function as usize + 11] = 2;
    lua
}

fn row(found: &HeapResult, what: &str) -> (u64, ByteCount) {
    let row = found.inside.iter().find(|row| row.what.to_string() == what);
    row.map_or_else(|| panic!("no {what} in {:#?}", found.inside), |row| (row.count, row.bytes))
}

#[test]
fn objects_are_counted_by_type_shape_and_template() {
    let found = walked(&some_lua().build());
    assert_eq!(row(&found, "table {body,name}"), (60, ByteCount(60 * (64 + 48))));
    assert_eq!(row(&found, "GET /v1/orders/<int>?sig=a").0, 60);
    assert_eq!(row(&found, "other strings").0, 2);
    assert_eq!(row(&found, "function"), (1, ByteCount(40 + 16)));
    assert_eq!(row(&found, "coroutine"), (1, ByteCount(112 + 50 * 8)));
    assert_eq!(found.inside.iter().map(|row| row.bytes).sum::<ByteCount>(), ByteCount(TOTAL));
    assert!(found.inside.iter().all(|row| row.owner == "luajit"));
}

#[test]
fn growth_is_told_by_row() {
    let before = walked(&lua_with(40).build());
    let now = walk(&some_lua().build(), None, Some(&before), &HeapOptions::default()).unwrap();
    let earlier = |what: &str| {
        let row = now.inside.iter().find(|row| row.what.to_string() == what);
        row.and_then(|row| row.before).map(|before| before.count)
    };
    assert_eq!(earlier("table {body,name}"), Some(40));
    assert_eq!(earlier("GET /v1/orders/<int>?sig=a"), Some(40));
    assert!(before.inside.iter().all(|row| row.before.is_none()));
}

#[test]
fn a_thread_that_its_state_does_not_know_is_none() {
    let mut lua = some_lua();
    lua.put(GLOBAL + 216, 0);
    assert_eq!(walked(&lua.build()).inside, []);
}

#[test]
fn a_list_that_bites_its_tail_ends() {
    let mut lua = some_lua();
    let last = THREAD;
    lua.put(last, lua.word(GLOBAL + 40));
    let found = walked(&lua.build());
    let (count, _) = row(&found, "table {body,name}");
    assert!((60..=180).contains(&count), "{count}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn any_bytes_end(places in prop::collection::vec((0..SIZE as u64 / 8, any::<u64>(), any::<bool>()), 1..60)) {
        let mut lua = some_lua();
        for (place, word, is_pointer) in places {
            lua.put(place * 8, if is_pointer { BASE + word % SIZE as u64 } else { word });
        }
        let found = walked(&lua.build());
        let counted: u64 = found.inside.iter().map(|row| row.count).sum();
        prop_assert!(counted <= 64 * 2 * SIZE as u64 / 16, "{}", counted);
    }
}

//! Heaps made by hand, in the layouts of all versions, sound and broken.

mod fake;
mod luajit;

use proptest::prelude::*;

use self::fake::{FakeHeap, GLOBALS, HEAP, STACK, VERSIONS};
use super::{CertificateKind, HeapKind, HeapOptions, HeapResult, walk};
use crate::memory::{FakeMemory, MemorySource};
use crate::units::{Addr, ByteCount};

fn walked(memory: &dyn MemorySource) -> HeapResult {
    walk(memory, None, None, &HeapOptions::default()).unwrap()
}

#[test]
fn every_layout_is_accounted_for_to_the_byte() {
    for version in VERSIONS {
        let mut heap = FakeHeap::new(version);
        let kept = heap.chunk(64);
        heap.global(0, kept);
        heap.free(1200);
        heap.chunk(48);
        for _ in 0..3 {
            heap.quick(64);
        }
        heap.quick(96);
        let found = walked(&heap.build());
        assert!(found.is_exact(), "{}: {:?}", version.name, found.certificates);
        let totals = found.account.unwrap().totals;
        assert_eq!((totals.in_use.count, totals.in_use.bytes), (2, ByteCount(112)), "{}", version.name);
        assert_eq!((totals.binned.count, totals.binned.bytes), (1, ByteCount(1200)), "{}", version.name);
        let quick = if version.cache.1 > 0 { totals.cached } else { totals.fast };
        assert_eq!((quick.count, quick.bytes), (4, ByteCount(288)), "{}", version.name);
        let reach = found.reach.unwrap();
        assert_eq!((reach.lost.count, reach.lost.bytes), (1, ByteCount(48)), "{}", version.name);
    }
}

#[test]
fn the_version_is_told_by_structure() {
    for (index, said) in [(0, "2.17 to 2.22"), (1, "2.23 to 2.26"), (4, "2.27 to 2.42"), (6, "2.43 or later")] {
        let found = walked(&FakeHeap::new(VERSIONS[index]).build());
        assert_eq!(found.allocator.unwrap().version.as_deref(), Some(said));
    }
}

#[test]
fn arenas_of_threads_are_found_in_every_layout() {
    let layouts = [
        (0, 32, 0x8b0, "2.17 to 2.22"),
        (1, 32, 0x8b0, "2.23 to 2.26"),
        (2, 32, 0x8c0, "2.27 to 2.34"),
        (4, 48, 0x8d0, "2.35 to 2.42"),
        (6, 48, 0x870, "2.43 or later"),
    ];
    for (version, info, first, versions) in layouts {
        let mut heap = FakeHeap::new(VERSIONS[version]);
        // A table of cached chunks is known by what is in it.
        heap.quick(64);
        let [kept, _lost] = heap.arena(info, first, [64, 48]);
        heap.global(0, kept);
        let found = walked(&heap.build());
        assert!(found.is_exact(), "{versions}: {:?}", found.certificates);
        assert_eq!(found.allocator.unwrap().version.as_deref(), Some(versions));
        let account = found.account.unwrap();
        assert_eq!((account.arenas.len(), account.arenas[1].system), (2, ByteCount(fake::ARENA_SIZE)), "{versions}");
        assert_eq!((account.totals.in_use.count, account.totals.in_use.bytes), (2, ByteCount(112)), "{versions}");
        let reach = found.reach.unwrap();
        assert_eq!((reach.lost.count, reach.lost.bytes), (1, ByteCount(48)), "{versions}");
    }
}

#[test]
fn what_is_lost_is_split_and_what_is_doubtful_is_said() {
    let mut heap = FakeHeap::new(VERSIONS[4]);
    let (kept, by_stack, dead) = (heap.chunk(64), heap.chunk(64), heap.chunk(64));
    let (parent, child, middle, stale) = (heap.chunk(80), heap.chunk(96), heap.chunk(112), heap.chunk(128));
    heap.global(0, kept);
    heap.put(STACK + 0x900, by_stack);
    // Below the stack pointer nothing counts.
    heap.put(STACK + 0x100, dead);
    heap.put(parent, child);
    heap.global(1, middle + 20);
    heap.global(2, stale + 32);
    // A word that equals a header is a list's old link.
    heap.global(3, dead - 16);
    let reach = walked(&heap.build()).reach.unwrap();
    assert_eq!((reach.lost.count, reach.lost.bytes), (3, ByteCount(64 + 80 + 96)));
    assert_eq!((reach.lost_directly.count, reach.lost_directly.bytes), (2, ByteCount(64 + 80)));
    assert_eq!((reach.doubtful.count, reach.doubtful.bytes), (1, ByteCount(128)));
}

#[test]
fn links_left_behind_in_memory_used_again_count_for_nothing() {
    let mut heap = FakeHeap::new(VERSIONS[4]);
    let (kept, lost, likely) = (heap.chunk(256), heap.chunk(64), heap.chunk(80));
    heap.global(0, kept);
    // A chunk of 96 bytes was free here: its size, two links, and its size again where it ended.
    for (offset, word) in [(40, 97), (48, lost), (56, kept + 32), (32 + 96, 96)] {
        heap.put(kept + offset, word);
    }
    // The same without the end.
    for (offset, word) in [(168, 49), (176, likely), (184, kept + 32)] {
        heap.put(kept + offset, word);
    }
    let reach = walked(&heap.build()).reach.unwrap();
    assert_eq!((reach.lost.count, reach.lost.bytes), (1, ByteCount(64)));
    assert_eq!((reach.doubtful.count, reach.doubtful.bytes), (1, ByteCount(80)));
}

#[test]
fn a_copy_of_a_cached_chunk_s_link_counts_for_nothing() {
    // As low as the heap of a program without PIE: mangled with its page, a link still points into it.
    let mut heap = FakeHeap::at(0x0300_5000, VERSIONS[4]);
    let copy = heap.chunk(64);
    let (last, first) = (heap.quick(96), heap.quick(96));
    let (lost, kept) = (heap.chunk(0x4000), heap.chunk(0x4000));
    let link = last ^ (first >> 12);
    assert!(lost < link && link < lost + 0x4000 && !link.is_multiple_of(16), "{link:#x} in {lost:#x}");
    heap.put(copy, link);
    heap.put(copy + 8, kept + 5);
    heap.global(0, copy);
    let found = walked(&heap.build());
    assert!(found.is_exact(), "{:?}", found.certificates);
    assert_eq!((found.reach.unwrap().lost.count, found.reach.unwrap().lost.bytes), (1, ByteCount(0x4000)));
}

#[test]
fn chunks_alike_are_one_group_with_its_holder() {
    let mut heap = FakeHeap::new(VERSIONS[4]);
    let table = heap.chunk(1024);
    heap.global(0, table);
    for index in 0..100 {
        let record = heap.chunk(64);
        let text = format!("{{\"user_id\":{index:5},\"tag\":\"x\"}}\0");
        for (place, word) in text.as_bytes().chunks(8).enumerate() {
            let mut bytes = [0; 8];
            bytes[..word.len()].copy_from_slice(word);
            heap.put(record + place as u64 * 8, u64::from_le_bytes(bytes));
        }
        if index % 2 == 0 {
            heap.put(table + index * 8, record);
        }
    }
    let found = walked(&heap.build());
    let group = found.groups.iter().find(|group| group.kind == HeapKind::Json).unwrap();
    assert_eq!((group.now.count, group.chunk_bytes, group.lost.count), (100, ByteCount(6400), 50));
    assert_eq!(group.label.to_string(), "{user_id:int, tag:str}");
    let (share, way) = &group.held_by[0];
    assert_eq!((*share, way.as_str()), (1.0, format!("data at {:#x} → [1024]", fake::DATA + GLOBALS).as_str()));
}

#[test]
fn one_place_is_told_who_holds_it() {
    let mut heap = FakeHeap::new(VERSIONS[4]);
    let (first, second) = (heap.chunk(64), heap.chunk(80));
    heap.global(0, first);
    heap.put(first + 8, second);
    let options = HeapOptions { why: Some(Addr(second + 5)), ..HeapOptions::default() };
    let why = walk(&heap.build(), None, None, &options).unwrap().why.unwrap();
    assert_eq!((why.address, why.size), (Addr(second), ByteCount(80)));
    let places: Vec<Option<Addr>> = why.links.iter().map(|link| link.address).collect();
    assert_eq!(places, [Some(Addr(fake::DATA + GLOBALS)), Some(Addr(first + 8)), None]);
}

#[test]
fn growth_is_told_by_group() {
    let build = |count: usize| {
        let mut heap = FakeHeap::new(VERSIONS[4]);
        (0..count).for_each(|_| _ = heap.chunk(160));
        heap.build()
    };
    let before = walked(&build(10));
    let now = walk(&build(25), None, Some(&before), &HeapOptions::default()).unwrap();
    let group = now.groups.iter().find(|group| group.size == ByteCount(160)).unwrap();
    assert_eq!((group.before.unwrap().count, group.now.count, group.lost_before.unwrap().count), (10, 25, 10));
}

#[test]
fn a_broken_header_is_skipped_counted_and_still_scanned() {
    let mut heap = FakeHeap::new(VERSIONS[4]);
    let mut chunks: Vec<u64> = (0..200).map(|_| heap.chunk(64)).collect();
    let last = chunks.pop().unwrap();
    for (index, chunk) in chunks.iter().enumerate() {
        heap.global(index as u64, *chunk);
    }
    // The one whose header is overwritten is all that holds another.
    heap.put(chunks[50] + 8, last);
    heap.put(chunks[50] - 8, 0x4141_4141_4141_4141);
    let found = walked(&heap.build());
    assert!(!found.is_exact());
    assert_eq!(found.skipped, ByteCount(64));
    let bad = found.certificates.iter().find(|one| one.kind == CertificateKind::Headers).unwrap();
    assert_eq!(bad.found, Some(1));
    assert_eq!(found.reach.unwrap().lost.count, 0);
}

#[test]
fn what_is_no_heap_of_glibc_is_said_to_be_none() {
    let memory = FakeMemory::new().with(0x1000, vec![0; 4096]).with(0x7000_0000, vec![1; 4096]).named(
        0x7000_0000,
        "/usr/lib/libjemalloc.so.2",
        "rw-p",
    );
    let found = walked(&memory);
    assert_eq!(found.allocator.unwrap().name, "jemalloc");
    assert_eq!(found.account, None);
}

fn some_heap(seed: &[u8]) -> FakeHeap {
    let mut heap = FakeHeap::new(VERSIONS[usize::from(seed[0]) % VERSIONS.len()]);
    let mut before = HEAP;
    for (index, byte) in seed.iter().enumerate() {
        let size = 32 + u64::from(byte >> 3) * 16;
        before = match byte % 8 {
            0 => {
                heap.free(size);
                heap.chunk(32)
            }
            1 => heap.quick(size),
            _ => heap.chunk(size),
        };
        heap.global(index as u64 % 400, before);
    }
    heap.put(before, HEAP + 64);
    heap
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn any_heap_is_exact(seed in prop::collection::vec(any::<u8>(), 1..300)) {
        let found = walked(&some_heap(&seed).build());
        prop_assert!(found.is_exact(), "{:?}", found.certificates);
    }

    #[test]
    fn a_broken_heap_ends_and_says_so(
        seed in prop::collection::vec(any::<u8>(), 1..300),
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u64>(), 0..3u8), 1..40),
    ) {
        let mut heap = some_heap(&seed);
        for (place, word, memory) in places {
            let words = |bytes: &[u8]| place.index(bytes.len() / 8) as u64 * 8;
            let at = match memory {
                0 => HEAP + words(&heap.heap),
                1 => fake::DATA + words(&heap.data),
                _ => STACK + words(&heap.stack),
            };
            // Half of what is put there looks like a pointer or a size.
            let word = if word & 1 == 0 { word } else { HEAP + word % 0x4000 };
            heap.put(at, word);
        }
        let found = walked(&heap.build());
        if let Some(account) = found.account {
            let totals = account.totals;
            let whole = totals.in_use.bytes + totals.free().bytes + totals.top.bytes + totals.own.bytes + totals.gaps.bytes;
            prop_assert!(whole <= ByteCount(1 << 30));
        }
    }
}

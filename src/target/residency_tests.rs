use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;

use super::*;
use crate::space::Permissions;
use crate::target::child::WaitingChild;
use crate::target::false_tree::FalseTree;
use crate::units::Addr;

fn mapping(start: u64, size: u64, permissions: &str, inode: u64) -> Mapping {
    let span = Span::sized(Addr(start), ByteCount(size));
    Mapping { span, permissions: Permissions::parse(permissions), inode, ..Mapping::default() }
}

/// A process in a false tree whose pagemap is a plain file: PAGEMAP_SCAN is refused there as by an old kernel.
fn target_with_pages(entries: &BTreeMap<u64, u64>) -> (FalseTree, Target) {
    let tree = FalseTree::new().with_process(77, "x", 1, 100);
    let pagemap = File::create(tree.path("proc/77/pagemap")).unwrap();
    pagemap.set_len(8 << 20).unwrap();
    for (page, entry) in entries {
        pagemap.write_at(&entry.to_ne_bytes(), page * 8).unwrap();
    }
    let target = tree.open(77);
    (tree, target)
}

#[test]
fn old_kernels_answer_from_the_table() {
    let present = ENTRY_PRESENT;
    let entries = BTreeMap::from([
        (0x10, present),
        (0x11, present | ENTRY_FILE),
        (0x12, ENTRY_SWAPPED),
        (0x13, ENTRY_SWAPPED | ENTRY_GUARD),
        (0x20, present),
        (0x30, present),
    ]);
    let (_tree, target) = target_with_pages(&entries);
    let mappings = vec![mapping(0x10000, 0x5000, "rw-p", 9), mapping(0x20000, 0x1000, "rw-s", 9)];
    let map = AddressMap { mappings, regions: Vec::new() };
    let residency = target.residency(Span::new(Addr(0x10800), Addr(0x21000)), &map).unwrap();
    let expected = Residency {
        present: vec![Span::new(Addr(0x10800), Addr(0x12000)), Span::new(Addr(0x20000), Addr(0x21000))],
        swapped: vec![Span::new(Addr(0x12000), Addr(0x13000))],
        absent: ByteCount(0xd000),
    };
    assert_eq!(residency, expected);
    let everything = [Span::new(Addr(0), Addr(0x40000))];
    assert_eq!(target.held_in(&map, &everything).unwrap(), ByteCount(0x2000));
}

#[test]
fn old_kernels_pass_over_reserved_terabytes() {
    let (_tree, target) = target_with_pages(&BTreeMap::from([(0x10, ENTRY_PRESENT)]));
    let map = AddressMap { mappings: vec![mapping(0x10000, 1 << 44, "---p", 0)], regions: Vec::new() };
    let residency = target.residency(map.mappings[0].span, &map).unwrap();
    assert_eq!((residency.present.len(), residency.absent), (0, ByteCount(1 << 44)));
}

#[test]
fn the_scan_and_the_table_agree_with_smaps_on_a_real_process() {
    let child = WaitingChild::start();
    let target = Target::open(child.pid()).unwrap();
    let (mappings, costs) = target.proc_file("smaps").and_then(super::super::maps::read_smaps).unwrap();
    let pages = target.page_table().unwrap();
    let scanned = pages.held_by(&mappings).unwrap();
    for ((mapping, cost), held) in mappings.iter().zip(&costs).zip(&scanned) {
        assert_eq!(*held, cost.held(), "{mapping:?}");
    }
    assert!(scanned.iter().copied().sum::<ByteCount>() > ByteCount::kib(50));
    for (mapping, held) in mappings.iter().zip(&scanned) {
        let question = Question::private_of(mapping);
        let mut read = ByteCount::ZERO;
        pages.read_entries(mapping.span, question, &mappings, &mut |stretch| read += stretch.span.size()).unwrap();
        if question != Question::Nothing {
            // The table does not tell pages of zeros that were only ever read.
            assert!(read >= *held && read <= *held + ByteCount::kib(32), "{read} {held} {mapping:?}");
        }
    }
    let map = AddressMap { mappings, regions: Vec::new() };
    let parts: Vec<Span> = map.mappings.iter().map(|mapping| mapping.span).collect();
    assert_eq!(target.held_in(&map, &parts).unwrap(), scanned.iter().copied().sum());
}

#[test]
fn a_stretch_is_shared_out_over_the_mappings_it_crosses() {
    let mappings =
        [mapping(0x1000, 0x1000, "rw-p", 0), mapping(0x2000, 0x2000, "rw-p", 0), mapping(0x9000, 0x1000, "rw-p", 0)];
    let mut amounts = vec![ByteCount::ZERO; 3];
    let mut at = 0;
    for (start, end) in [(0x1000, 0x3000), (0x3000, 0x4000), (0x8000, 0xb000)] {
        spread(Span::new(Addr(start), Addr(end)), &mappings, &mut amounts, &mut at);
    }
    assert_eq!(amounts, [ByteCount(0x1000), ByteCount(0x2000), ByteCount(0x1000)]);
}

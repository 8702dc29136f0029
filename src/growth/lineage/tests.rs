//! Traps for whoever follows a region by its start address.

use proptest::prelude::*;

use super::*;
use crate::space::{AddressMap, Footprint, Permissions};
use crate::units::Addr;

fn parts(spans: &[(u64, u64)]) -> Vec<Span> {
    spans.iter().map(|&(start, end)| Span::new(Addr(start << 20), Addr(end << 20))).collect()
}

/// A region of spans in MiB that holds so many MiB.
fn region(kind: RegionKind, name: &str, spans: &[(u64, u64)], held: u64) -> Region {
    let parts = parts(spans);
    let span = Span::new(parts[0].start, parts[parts.len() - 1].end);
    let held = ByteCount::mib(held);
    let shared = kind == RegionKind::Shared;
    let anonymous = if shared { ByteCount::ZERO } else { held };
    Region {
        span,
        kind,
        name: name.into(),
        permissions: Permissions { read: true, write: true, execute: false, shared },
        parts,
        footprint: Footprint { size: span.size(), rss: held, anonymous, ..Footprint::default() },
    }
}

fn looks(regions: Vec<Vec<Region>>) -> Vec<Look> {
    let look = |(index, regions)| Look {
        at: Duration::from_secs(index as u64),
        map: AddressMap { mappings: Vec::new(), regions },
    };
    regions.into_iter().enumerate().map(look).collect()
}

fn mib(bytes: ByteCount) -> u64 {
    (bytes.0 + (1 << 19)) >> 20
}

#[test]
fn a_region_that_grows_downwards_stays_itself() {
    let growth = region_growth(&looks(
        (0..8).map(|n| vec![region(RegionKind::Anon, "", &[(900 - 10 * n, 1000)], 100 + 10 * n)]).collect(),
    ));
    assert_eq!(growth.len(), 1);
    assert!(growth[0].grows() && !growth[0].new, "{growth:?}");
    assert_eq!((mib(growth[0].first), mib(growth[0].last)), (100, 170));
    assert!((growth[0].slope.rate.0 / 1048576.0 - 10.0).abs() < 1e-6);
    assert_eq!(growth[0].size_change, 70 << 20);
    assert_eq!(growth[0].timeline.len(), 8);
}

#[test]
fn two_that_merge_bring_both_their_pasts() {
    let growth = region_growth(&looks(vec![
        vec![region(RegionKind::Anon, "", &[(100, 200)], 60), region(RegionKind::Anon, "", &[(300, 400)], 30)],
        vec![region(RegionKind::Anon, "", &[(100, 200)], 70), region(RegionKind::Anon, "", &[(300, 400)], 30)],
        vec![region(RegionKind::Anon, "", &[(100, 400)], 110)],
        vec![region(RegionKind::Anon, "", &[(100, 410)], 120)],
    ]));
    assert_eq!(growth[0].timeline.iter().map(|point| mib(point.1)).collect::<Vec<_>>(), [90, 100, 110, 120]);
    assert_eq!((growth[0].first_mappings, growth[0].last_mappings), (2, 1));
    assert!(growth[0].grows());
}

#[test]
fn one_that_splits_divides_its_past_by_what_the_pieces_hold() {
    let growth = region_growth(&looks(vec![
        vec![region(RegionKind::Anon, "", &[(0, 1000)], 110)],
        vec![region(RegionKind::Anon, "", &[(0, 100)], 100), region(RegionKind::Anon, "", &[(200, 1000)], 10)],
    ]));
    assert_eq!(growth.iter().map(|one| (mib(one.first), mib(one.last))).collect::<Vec<_>>(), [(100, 100), (10, 10)]);
    assert!(growth.iter().all(|one| !one.new && one.shape == Shape::Flat), "{growth:?}");
}

#[test]
fn a_break_heap_in_several_lines_is_one() {
    let heap = |n: u64| region(RegionKind::Heap, "[heap]", &[(10, 12), (12, 40 + 5 * n)], 20 + 5 * n);
    let growth = region_growth(&looks((0..6).map(|n| vec![heap(n)]).collect()));
    assert!(growth.len() == 1 && growth[0].grows());
    assert_eq!(growth[0].change(), 25 << 20);
}

#[test]
fn a_family_that_grows_in_number_counts_its_new_mappings() {
    let family = |n: u64| {
        let spans: Vec<(u64, u64)> = (0..20 + 4 * n).map(|part| (100 + 3 * part, 101 + 3 * part)).collect();
        region(RegionKind::Anon, "", &spans, 20 + 4 * n)
    };
    let growth = region_growth(&looks((0..5).map(|n| vec![family(n)]).collect()));
    assert_eq!((growth[0].first_mappings, growth[0].more_mappings()), (20, 16));
    assert!(growth[0].grows());
}

#[test]
fn loners_that_became_a_family_bring_their_pasts() {
    let lone = |at: u64| region(RegionKind::Anon, "", &[(at, at + 1)], 1);
    let growth = region_growth(&looks(vec![
        vec![lone(10), lone(20), lone(30)],
        vec![region(RegionKind::Anon, "", &[(10, 11), (20, 21), (30, 31), (40, 41)], 4)],
    ]));
    assert_eq!((mib(growth[0].first), mib(growth[0].last), growth[0].first_mappings), (3, 4, 3));
}

#[test]
fn what_appears_is_new_and_what_vanishes_is_dropped() {
    let old = || region(RegionKind::Anon, "", &[(10, 20)], 5);
    let growth = region_growth(&looks(vec![
        vec![old(), region(RegionKind::Anon, "", &[(500, 600)], 90)],
        vec![old()],
        vec![old(), region(RegionKind::Anon, "", &[(700, 710)], 7)],
        vec![old(), region(RegionKind::Anon, "", &[(700, 720)], 14)],
    ]));
    assert_eq!(growth.iter().map(|one| one.new).collect::<Vec<_>>(), [false, true]);
    assert_eq!((growth[1].first, mib(growth[1].last)), (ByteCount::ZERO, 14));
    assert_eq!(growth[0].change(), 0, "the bytes of the dropped one are not given to a neighbour");
}

#[test]
fn one_that_moved_as_a_whole_is_followed() {
    let growth = region_growth(&looks(vec![
        vec![region(RegionKind::Anon, "", &[(100, 200)], 100)],
        vec![region(RegionKind::Anon, "", &[(5000, 5110)], 110)],
        vec![region(RegionKind::Anon, "", &[(200, 320)], 120)],
        vec![region(RegionKind::Anon, "", &[(7000, 7130)], 130)],
    ]));
    assert!(growth[0].grows() && !growth[0].new, "{growth:?}");
    assert_eq!(mib(growth[0].first), 100);
}

#[test]
fn another_file_at_the_same_address_is_another_region() {
    let file = |name: &str, held| region(RegionKind::Shared, name, &[(100, 200)], held);
    let growth = region_growth(&looks(vec![vec![file("/dev/shm/a", 90)], vec![file("/dev/shm/b", 95)]]));
    assert!(growth[0].new);
    let growth = region_growth(&looks(vec![vec![file("/dev/shm/a", 90)], vec![file("/dev/shm/a (deleted)", 95)]]));
    assert!(!growth[0].new && growth[0].change() == 5 << 20, "shared memory is measured by what is resident");
    let anon = region(RegionKind::Anon, "", &[(100, 200)], 50);
    assert!(region_growth(&looks(vec![vec![file("/dev/shm/a", 90)], vec![anon]]))[0].new);
}

#[test]
fn a_mapping_known_late_for_an_arena_keeps_its_past() {
    let growth = region_growth(&looks(vec![
        vec![region(RegionKind::Anon, "", &[(64, 65)], 1)],
        vec![region(RegionKind::Arena, "arena", &[(64, 70), (70, 128)], 6)],
    ]));
    assert!(!growth[0].new);
    assert_eq!((mib(growth[0].first), mib(growth[0].last)), (1, 6));
}

#[test]
fn swapped_pages_do_not_cure() {
    let heap = |n: u64| {
        let mut heap = region(RegionKind::Heap, "[heap]", &[(10, 200)], 100);
        heap.footprint.swap = ByteCount::mib(10 * n);
        heap
    };
    let growth = region_growth(&looks((0..6).map(|n| vec![heap(n)]).collect()));
    assert!(growth[0].grows());
}

#[test]
fn few_and_odd_looks_are_borne() {
    let late = region_growth(&looks(vec![vec![], vec![], vec![region(RegionKind::Heap, "[heap]", &[(1, 9)], 5)]]));
    assert_eq!((late[0].timeline.len(), late[0].change(), late[0].new), (3, 5 << 20, true));
    assert_eq!(region_growth(&[]), []);
    let one = region_growth(&looks(vec![vec![region(RegionKind::Heap, "[heap]", &[(1, 2)], 1)]]));
    assert_eq!((one[0].change(), one[0].shape, one[0].new), (0, Shape::Noisy, false));
    let empty = region(RegionKind::Anon, "", &[(1, 1)], 0);
    let crossed = region(RegionKind::Anon, "", &[(1, 9), (2, 4)], 1);
    assert_eq!(region_growth(&looks(vec![vec![empty.clone(), crossed.clone()], vec![crossed, empty]])).len(), 2);
}

fn any_region() -> impl Strategy<Value = Region> {
    let kinds = [RegionKind::Heap, RegionKind::Anon, RegionKind::Arena, RegionKind::Shared, RegionKind::File];
    let spans = prop::collection::vec((0..200u64, 0..30u64), 1..6);
    (prop::sample::select(kinds.to_vec()), prop::sample::select(vec!["", "a", "b"]), spans, 0..500u64).prop_map(
        |(kind, name, mut spans, held)| {
            spans.sort_unstable();
            let spans: Vec<(u64, u64)> = spans.iter().map(|&(start, size)| (start, start + size)).collect();
            region(kind, name, &spans, held)
        },
    )
}

proptest! {
    #[test]
    fn no_bytes_of_the_past_are_invented(
        regions in prop::collection::vec(prop::collection::vec(any_region(), 0..8), 1..6)
    ) {
        let looks = looks(regions);
        let growth = region_growth(&looks);
        let (first, last) = (&looks[0].map.regions, &looks[looks.len() - 1].map.regions);
        prop_assert_eq!(growth.len(), last.len());
        let past: f64 = first.iter().map(held).sum();
        let found: u64 = growth.iter().map(|one| one.first.0).sum();
        prop_assert!(found as f64 <= past + 8.0, "{} of {}", found, past);
        for (one, region) in growth.iter().zip(last) {
            prop_assert_eq!(one.last.0 as f64, held(region));
            prop_assert_eq!(one.timeline.len(), looks.len());
            prop_assert!(!one.new || one.first.0 == 0);
        }
    }
}

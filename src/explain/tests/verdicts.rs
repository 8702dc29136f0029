//! Which verdict a process gets.

use super::*;
use crate::growth::traces::{leaking, sound};

#[test]
fn growth_spread_over_regions_is_told_as_such() {
    let scene = Scene::new(
        |at| anonymous(100.0 + 10.0 * at),
        |at| {
            let anon = region(RegionKind::Anon, &[(0x7000, 0x8000)], 40.0 + 4.0 * at);
            vec![region(RegionKind::Heap, &[(0x5000, 0x6000)], 60.0 + 6.0 * at), anon]
        },
    );
    assert_eq!(judge(&scene.facts()).summary, "nginx worker 4242: memory grows +10.0 MiB/s, 60 % of it in heap");
}

#[test]
fn a_region_that_takes_over_from_another_does_not_grow() {
    let scene = Scene::new(
        |_| anonymous(100.0),
        |at| {
            let from = region(RegionKind::Anon, &[(0x7000, 0x8000)], 90.0 - 8.0 * at);
            vec![from, region(RegionKind::Anon, &[(0x9000, 0xa000)], 10.0 + 8.0 * at)]
        },
    );
    assert_eq!(judge(&scene.facts()).kind, VerdictKind::Stable);
}

#[test]
fn a_leak_beside_a_collector_is_seen_in_its_region() {
    let swing = |at: f64| 80.0 * (at / 2.2).fract();
    let scene = Scene::new(
        |at| anonymous(200.0 + at + swing(at)),
        |at| {
            let collected = region(RegionKind::Anon, &[(0x7000, 0x8000)], 100.0 + swing(at));
            vec![region(RegionKind::Heap, &[(0x5000, 0x6000)], 100.0 + at), collected]
        },
    );
    let verdict = judge(&scene.facts());
    assert_eq!((verdict.kind, verdict.confidence), (VerdictKind::Growing, 0.71));
    assert_eq!(verdict.summary, "nginx worker 4242: heap grows +1.0 MiB/s");
}

fn families(at: f64, each: f64) -> Region {
    let spans: Vec<(u64, u64)> = (0..100 + (12.0 * at) as u64).map(|n| (0x7000 + 2 * n, 0x7001 + 2 * n)).collect();
    let held = each * spans.len() as f64;
    region(RegionKind::Anon, &spans, held)
}

#[test]
fn mappings_that_grow_with_their_memory() {
    let scene = Scene::new(
        |at| Sample { mappings: Some(300 + (12.0 * at) as u64), ..anonymous(50.0 + 0.25 * (12.0 * at).floor()) },
        |at| vec![families(at, 0.25)],
    );
    let verdict = judge(&scene.facts());
    assert_eq!(verdict.kind, VerdictKind::MappingLeak);
    assert_eq!(
        verdict.summary,
        "nginx worker 4242: mappings grow +12/s (300 to 420 in 10 s) and memory with them +3.0 MiB/s"
    );
    let reserved = Scene::new(
        |at| Sample { mappings: Some(300 + (12.0 * at) as u64), ..anonymous(50.0) },
        |at| vec![families(at, 0.0)],
    );
    assert_eq!(
        judge(&reserved.facts()).summary,
        "nginx worker 4242: mappings grow +12/s (300 to 420 in 10 s) and with them reserved address space, hardly \
         touched so far"
    );
}

#[test]
fn an_allocator_that_maps_arenas_is_not_accused_of_mappings() {
    let arenas = |at: f64| {
        let spans: Vec<(u64, u64)> = (0..2 + (0.6 * at) as u64).map(|n| (0x7000 + 64 * n, 0x7040 + 64 * n)).collect();
        region(RegionKind::Arena, &spans, 10.0 + 40.0 * at)
    };
    let sample = |at: f64| Sample { mappings: Some(300 + 2 * (0.6 * at) as u64), ..anonymous(50.0 + 40.0 * at) };
    let scene = Scene::new(sample, |at| vec![arenas(at)]);
    assert_eq!(judge(&scene.facts()).kind, VerdictKind::Growing);
    let elsewhere = Scene::new(
        |at| Sample { mappings: Some(300 + (12.0 * at) as u64), ..anonymous(50.0 + 40.0 * at) },
        |at| vec![families(at, 0.01), region(RegionKind::Heap, &[(0x5000, 0x6000)], 20.0 + 40.0 * at)],
    );
    assert_eq!(judge(&elsewhere.facts()).kind, VerdictKind::Growing, "most of the growth lies in the heap");
}

#[test]
fn threads_that_grow_with_their_stacks() {
    let stacks = |at: f64| {
        let spans: Vec<(u64, u64)> = (0..10 + (2.0 * at) as u64).map(|n| (0x7000 + 9 * n, 0x7008 + 9 * n)).collect();
        region(RegionKind::ThreadStack, &spans, 0.1 * spans.len() as f64)
    };
    let sample = |held: f64, at: f64| Sample { threads: 11 + (2.0 * at) as u64, ..anonymous(held) };
    let scene = Scene::new(|at| sample(20.0 + 0.1 * (2.0 * at).floor(), at), |at| vec![stacks(at)]);
    let verdict = judge(&scene.facts());
    assert_eq!(verdict.kind, VerdictKind::ThreadLeak);
    assert_eq!(
        verdict.summary,
        "nginx worker 4242: threads grow +2/s (11 to 31 in 10 s) and memory with them +204.8 KiB/s"
    );
    let pool = Scene::new(
        |at| sample(20.0 + 30.0 * at, at),
        |at| vec![region(RegionKind::Heap, &[(0x5000, 0x6000)], 10.0 + 30.0 * at), stacks(at)],
    );
    assert_eq!(judge(&pool.facts()).kind, VerdictKind::Growing, "a pool that fills while the heap leaks");
}

#[test]
fn shared_pages_that_grow() {
    let scene = Scene::new(
        |at| Sample { shared: ByteCount(((90.0 + 5.0 * at) * MIB) as u64), ..anonymous(20.0) },
        |at| vec![region(RegionKind::Shared, &[(0x7000, 0x8000)], 90.0 + 5.0 * at)],
    );
    let verdict = judge(&scene.facts());
    assert_eq!(verdict.kind, VerdictKind::SharedMemory);
    assert_eq!(verdict.summary, "nginx worker 4242: shared memory /dev/shm/cache grows +5.0 MiB/s to 140.0 MiB");
    assert_eq!(verdict.next[0], "leakscope dump 4242 --range 0x700000000-0x800000000 -o shared.raw");
}

#[test]
fn two_hundred_courses_are_judged_right() {
    for seed in 0..100 {
        let (leak, sound) = (leaking(seed), sound(seed));
        let judged = |samples: Vec<Sample>| {
            let series = Series::new(samples);
            judge(&Facts { series: &series, window: series.window(), ..Facts::default() })
        };
        let verdict = judged(leak.samples);
        assert_eq!(verdict.kind, VerdictKind::Growing, "{seed} {}: {}", leak.name, verdict.summary);
        assert!(verdict.confidence >= 0.45, "{seed} {}: {}", leak.name, verdict.confidence);
        let verdict = judged(sound.samples);
        let fair = matches!(verdict.kind, VerdictKind::Stable | VerdictKind::Inconclusive);
        assert!(fair, "{seed} {}: {}", sound.name, verdict.summary);
    }
}

#[test]
fn most_sound_courses_are_called_stable() {
    let stable = |seed: &u64| {
        let series = Series::new(sound(*seed).samples);
        judge(&Facts { series: &series, window: series.window(), ..Facts::default() }).kind == VerdictKind::Stable
    };
    let count = (0..400).filter(stable).count();
    assert!(count >= 380, "{count} of 400");
}

#[test]
fn two_looks_at_regions_are_enough_to_say_whose() {
    let scene = Scene::new(
        |at| anonymous(600.0 + 12.0 * at),
        |at| {
            let cache = region(RegionKind::Anon, &[(0x7000, 0x8000)], 500.0);
            vec![cache, region(RegionKind::Heap, &[(0x5000, 0x6000)], 100.0 + 12.0 * at)]
        },
    );
    let growth = region_growth(&[scene.looks[0].clone(), scene.looks[20].clone()]);
    let choice = choose(&scene.looks[20].map.regions, &growth);
    let facts = Facts { growth: &growth, choice: choice.as_ref(), ..scene.facts() };
    assert_eq!(judge(&facts).summary, "nginx worker 4242: heap grows +12.0 MiB/s");
}

//! Sentences and commands, literally.

use super::*;

#[test]
fn a_leaking_worker_in_one_sentence() {
    let scene = Scene::heap(|at| 20.0 + 12.0 * at);
    let content = records(0.98);
    let limit = Some(("cgroup limit".into(), ByteCount::mib(512), ByteCount::mib(20)));
    let verdict = judge(&Facts { content: Some(&content), limit, ..scene.facts() });
    assert_eq!(verdict.kind, VerdictKind::Growing);
    assert_eq!(
        verdict.summary,
        "nginx worker 4242: heap grows +12.0 MiB/s; 98 % of the growth is {trace_id:hex, user_id:int, \
         device:{os, model}, payload:str, sign:hex} records (+54 000/s); cgroup limit 512.0 MiB in 41 s"
    );
    assert_eq!(verdict.confidence, 0.91);
    assert_eq!(verdict.time_to_limit.unwrap().expected, Duration::from_secs(41));
    assert_eq!(
        verdict.next,
        [
            "leakscope dump 4242 --range 0x500000000-0x900000000 -o heap.raw",
            "leakscope hex heap.raw --at 0x500001000",
            "leakscope trace 4242",
        ]
    );
}

#[test]
fn what_is_not_recognised_is_said() {
    let scene = Scene::heap(|at| 20.0 + 12.0 * at);
    let content = records(0.31);
    let verdict = judge(&Facts { content: Some(&content), ..scene.facts() });
    let claim = "31 % of the growth is {trace_id:hex, user_id:int, device:{os, model}, payload:str, sign:hex} records (+54 000/s), \
                 the rest is binary";
    assert_eq!(verdict.summary, format!("nginx worker 4242: heap grows +12.0 MiB/s; {claim}"));
    let content = records(0.01);
    let verdict = judge(&Facts { content: Some(&content), ..scene.facts() });
    let claim = "1 % of the growth is text or records of a known shape, the rest is binary";
    assert_eq!(verdict.summary, format!("nginx worker 4242: heap grows +12.0 MiB/s; {claim}"));
}

#[test]
fn the_allocators_word_makes_it_a_leak_or_not() {
    let scene = Scene::heap(|at| 20.0 + 12.0 * at);
    let mut heap = HeapFacts { in_use: ByteCount::mib(130), free: ByteCount::mib(10), ..HeapFacts::default() };
    heap.unreachable_growth = Some(116 << 20);
    let verdict = judge(&Facts { heap: Some(heap.clone()), ..scene.facts() });
    assert_eq!(verdict.kind, VerdictKind::Leak);
    assert_eq!(
        verdict.summary,
        "nginx worker 4242: heap grows +12.0 MiB/s; 97 % of the growth is in use yet nothing points to it"
    );
    heap.unreachable_growth = Some(0);
    assert_eq!(judge(&Facts { heap: Some(heap.clone()), ..scene.facts() }).kind, VerdictKind::Growing);
}

#[test]
fn freed_memory_that_is_held_is_fragmentation() {
    let still = Scene::heap(|_| 1200.0);
    let heap = HeapFacts { in_use: ByteCount::mib(300), free: ByteCount::mib(900), ..HeapFacts::default() };
    let verdict = judge(&Facts { heap: Some(heap.clone()), ..still.facts() });
    assert_eq!((verdict.kind, verdict.confidence), (VerdictKind::Fragmentation, 0.75));
    assert_eq!(
        verdict.summary,
        "nginx worker 4242: heap holds 1.2 GiB, of which 300.0 MiB (25 %) is in use: freed memory is held, not leaked"
    );
    let growing = Scene::heap(|at| 1100.0 + at);
    assert_eq!(judge(&Facts { heap: Some(heap.clone()), ..growing.facts() }).kind, VerdictKind::Fragmentation);
    let heap = HeapFacts { in_use_growth: Some(9 << 20), ..heap };
    assert_eq!(judge(&Facts { heap: Some(heap.clone()), ..growing.facts() }).kind, VerdictKind::Growing);
}

#[test]
fn stable_ones_say_how() {
    let said = |held: fn(f64) -> f64| {
        let scene = Scene::heap(held);
        let verdict = judge(&Facts { name: "redis-server", pid: 99, role: None, ..scene.facts() });
        assert_eq!(verdict.kind, VerdictKind::Stable, "{}", verdict.summary);
        assert_eq!(verdict.next, ["leakscope 99 --for 1m", "leakscope map 99"]);
        verdict.summary
    };
    assert_eq!(said(|_| 312.0), "redis-server 99 is stable at 312.0 MiB: +0 B/s over 10 s");
    assert_eq!(
        said(|at| 100.0 + 10.0 * at.min(4.0)),
        "redis-server 99 is stable at 140.0 MiB: grew by 40.0 MiB and then no more, over 10 s"
    );
    assert_eq!(
        said(|at| 100.0 + 40.0 * (at / 2.5).fract()),
        "redis-server 99 is stable at 100.0 MiB: swings between 100.0 MiB and 132.0 MiB and comes back, over 10 s"
    );
    assert_eq!(
        said(|at| 100.0 + 40.0 * f64::from(at > 4.0)),
        "redis-server 99 is stable at 140.0 MiB: jumped by 40.0 MiB and stood before and after, over 10 s"
    );
    assert_eq!(said(|at| 100.0 - 4.0 * at), "redis-server 99 is stable at 60.0 MiB: shrinks -4.0 MiB/s over 10 s");
}

#[test]
fn a_stable_one_near_its_limit_says_so() {
    let scene = Scene::heap(|_| 500.0);
    let limit = Some(("cgroup".into(), ByteCount::mib(512), ByteCount::mib(505)));
    let verdict = judge(&Facts { limit, ..scene.facts() });
    assert_eq!(
        verdict.summary,
        "nginx worker 4242 is stable at 500.0 MiB: +0 B/s over 10 s; 99 % of cgroup limit 512.0 MiB is used"
    );
    assert_eq!(verdict.time_to_limit, None);
}

#[test]
fn what_cannot_be_told_says_how_long_to_look() {
    let slowing = Scene::heap(|at| 20.0 + 30.0 * (1.0 - (-at / 5.5).exp()));
    let verdict = judge(&slowing.facts());
    assert_eq!(verdict.kind, VerdictKind::Inconclusive);
    assert_eq!(
        verdict.summary,
        "nginx worker 4242 cannot be judged yet: it grew by 25.1 MiB in 10 s and slows down, a warm-up or a leak; \
         look for 30s: leakscope 4242 --for 30s"
    );
    assert_eq!(verdict.next, ["leakscope 4242 --for 30s", "leakscope map 4242"]);
    let late = Scene::heap(|at| 20.0 + 30.0 * f64::from(at > 9.6));
    assert_eq!(
        judge(&late.facts()).summary,
        "nginx worker 4242 cannot be judged yet: memory moved between 20.0 MiB and 50.0 MiB in 10 s on no clear \
         course; look for 30s: leakscope 4242 --for 30s"
    );
    let series = Series::new(vec![anonymous(5.0)]);
    let verdict = judge(&Facts { series: &series, window: Duration::from_millis(300), ..late.facts() });
    assert_eq!(
        verdict.summary,
        "nginx worker 4242 cannot be judged yet: 1 look in 300 ms is too few; look for 30s: leakscope 4242 --for 30s"
    );
}

#[test]
fn a_master_points_to_its_worker() {
    let scene = Scene::heap(|_| 4.0);
    let worker = Some(Worker { pid: 4243, name: "nginx".into(), rss: Some(ByteCount::mib(900)) });
    let verdict = judge(&Facts { role: Some("master".into()), worker, ..scene.facts() });
    assert_eq!(
        verdict.summary,
        "nginx master 4242 is stable at 4.0 MiB: +0 B/s over 10 s; it only supervises, its largest worker is nginx \
         4243 (900.0 MiB resident)"
    );
    assert_eq!(verdict.next, ["leakscope 4243"]);
    let grows = Scene::heap(|at| 4.0 + at);
    let worker = Some(Worker { pid: 4243, ..Worker::default() });
    let limit = Some(("system".into(), ByteCount::mib(700), ByteCount::mib(100)));
    let verdict = judge(&Facts { role: Some("master".into()), worker, limit, ..grows.facts() });
    assert_eq!(
        verdict.summary, "nginx master 4242: heap grows +1.0 MiB/s; the machine's memory 700.0 MiB in 10 min",
        "a master that grows itself is the one to look at"
    );
}

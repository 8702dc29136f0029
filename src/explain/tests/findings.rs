//! Findings, notices, and what hostile or missing facts make of them.

use proptest::prelude::*;

use super::*;

#[test]
fn findings_are_ranked_by_growth() {
    let scene = Scene::heap(|at| 20.0 + 12.0 * at);
    let mut content = records(0.9);
    content.groups.push(group("{cached:str}", (1000, 300 << 20), (1000, 300 << 20)));
    content.groups.push(group("{small:str}", (10, 1000), (10, 1000)));
    let found = findings(&Facts { content: Some(&content), ..scene.facts() });
    let kinds: Vec<FindingKind> = found.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [FindingKind::RegionGrowth, FindingKind::ContentGrowth, FindingKind::Content]);
    assert_eq!((found[0].subject.as_str(), found[0].bytes, found[0].share), ("heap", ByteCount::mib(120), 1.0));
    assert_eq!((found[1].share * 100.0).round(), 90.0);
    assert_eq!((found[2].share, found[2].subject.as_str()), (0.75, "{cached:str} records"));
    assert!(
        found[0].evidence.iter().any(|fact| matches!(fact, Evidence::Timeline { points, .. } if points.len() == 21))
    );
    let quote = |fact: &Evidence| matches!(fact, Evidence::Quote { address: Addr(0x5_0000_1000), .. });
    assert!(found[1].evidence.iter().any(quote));
    let who = Allocator { function: "enc_record".to_owned(), ..Allocator::default() };
    let named = &findings(&Facts { allocator: Some(who), ..scene.facts() })[0];
    assert!(named.evidence.contains(&Evidence::Stack { frames: vec!["enc_record".to_owned()] }));
    assert_eq!(found[0].next[0], "leakscope dump 4242 --range 0x500000000-0x900000000 -o heap.raw");
    assert!(found[1].next.is_empty());
}

#[test]
fn hostile_words_stay_in_the_sentence() {
    let scene = Scene::heap(|at| 20.0 + 12.0 * at);
    let mut content = records(0.98);
    content.groups[0].label = Label::fixed(format!("a\n\u{1b}]0;x\u{7}{}", "k".repeat(5000)));
    let verdict = judge(&Facts { name: "ng\u{1b}[31minx\n", content: Some(&content), ..scene.facts() });
    assert!(verdict.summary.starts_with("ng\\u{1b}[31minx\\n worker 4242: heap grows"), "{}", verdict.summary);
    assert!(verdict.summary.len() < 600 && !verdict.summary.contains(char::is_control), "{}", verdict.summary);
}

#[test]
fn verdicts_have_the_words_of_the_interface() {
    for (kind, word) in [
        (VerdictKind::MappingLeak, "mapping-leak"),
        (VerdictKind::SharedMemory, "shared-memory"),
        (VerdictKind::Inconclusive, "inconclusive"),
    ] {
        assert_eq!(kind.to_string(), word);
        assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{word}\""));
    }
}

#[test]
fn every_notice_is_a_line_with_a_remedy() {
    let long = Notice::WindowTooShort { watched: Duration::from_secs(1), wanted: Duration::from_secs(30), pid: 9 };
    assert_eq!(long.to_string(), "1 s is short for a verdict; look longer: leakscope 9 --for 30s");
    let swapped = Notice::SwappedSkipped { bytes: ByteCount::mib(3) };
    assert_eq!(
        swapped.to_string(),
        "3.0 MiB swapped out were left alone and not read; add --include-swapped to read them, at the cost of \
         swapping them in"
    );
    let odd = Notice::LimitsUnknown { why: "a\nb".into() };
    assert!(!odd.to_string().contains('\n'));
}

#[test]
fn nothing_known_is_inconclusive() {
    let verdict = judge(&Facts { name: "x", pid: 1, ..Facts::default() });
    assert_eq!(verdict.kind, VerdictKind::Inconclusive);
    assert!(verdict.confidence.is_finite() && findings(&Facts::default()).is_empty());
}

#[test]
fn cautions_follow_from_the_facts() {
    let scene = Scene::heap(|at| 20.0 + 12.0 * at);
    let said = |facts: &Facts| notices(facts).iter().map(Notice::to_string).collect::<Vec<_>>();
    let bare = said(&scene.facts());
    assert_eq!(
        bare,
        [
            "no memory limit is known (none was found); read growth without a deadline, or run where the cgroup is \
             visible",
            "the heap was not walked, lost memory is not told from held; see leakscope heap for why, and read growing as: lost or held",
        ]
    );
    let mut content = records(0.9);
    content.sampled = true;
    content.groups[0].before = None;
    let limit = Some(("cgroup limit".into(), ByteCount::mib(512), ByteCount::mib(20)));
    let heap = Some(HeapFacts::default());
    let facts = Facts { content: Some(&content), limit, heap, window: Duration::from_secs(1), ..scene.facts() };
    let found = notices(&facts);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found.contains(&Notice::OneScan) && found.contains(&Notice::ContentSampled));
    assert!(matches!(found[0], Notice::WindowTooShort { wanted, pid: 4242, .. } if wanted == Duration::from_secs(30)));
}

#[test]
fn a_second_region_that_grows_is_mentioned() {
    let regions = |at: f64| {
        let anon = region(RegionKind::Anon, &[(0x7000, 0x8000)], 40.0 + 4.0 * at);
        vec![region(RegionKind::Heap, &[(0x5000, 0x6000)], 60.0 + 6.0 * at), anon]
    };
    let scene = Scene::new(|at| anonymous(100.0 + 10.0 * at), regions);
    let other = notices(&scene.facts()).into_iter().find(|notice| matches!(notice, Notice::OtherGrowth { .. }));
    assert_eq!(
        other.unwrap().to_string(),
        "anonymous memory at 0x700000000 grows too, +4.0 MiB/s; see all regions with leakscope map"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_samples_are_judged(values in prop::collection::vec((0..20_000u64, any::<u64>(), any::<u64>(), any::<u64>()), 0..70)) {
        let sample = |&(at, held, threads, mappings): &(u64, u64, u64, u64)| Sample {
            at: Duration::from_millis(at),
            rss: ByteCount(held),
            anonymous: ByteCount(held),
            shared: ByteCount(mappings),
            threads,
            mappings: at.is_multiple_of(2).then_some(mappings),
            ..Sample::default()
        };
        let series = Series::new(values.iter().map(sample).collect());
        let limit = Some(("cgroup".to_owned(), ByteCount(values.len() as u64), ByteCount(7)));
        let heap = Some(HeapFacts { in_use: ByteCount(u64::MAX), free: ByteCount(3), ..HeapFacts::default() });
        for heap in [None, heap] {
            let facts = Facts { series: &series, window: series.window(), limit: limit.clone(), heap, ..Facts::default() };
            let verdict = judge(&facts);
            prop_assert!((0.0..=0.99).contains(&verdict.confidence));
            prop_assert!(!verdict.summary.is_empty() && verdict.summary.len() < 1000);
            prop_assert!(!verdict.next.is_empty());
            prop_assert_eq!(verdict, judge(&facts));
            findings(&facts);
            notices(&facts);
        }
    }
}

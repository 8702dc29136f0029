//! What becomes of constants, equal strings, likenesses that are none, and a second scan.

use super::*;

#[test]
fn two_scans_are_counted_apart_and_samples_are_of_the_later_one() {
    let mut chance = Chance::new(7);
    let mut line = |host: &str| format!("coupon={}&shop={host}", chance.base36(12));
    let first: Vec<String> = (0..3000).map(|_| line("old")).collect();
    let second: Vec<String> = (0..5000).map(|_| line("new")).collect();
    let mut tally = TextTally::new(ByteCount::mib(8));
    add_all(&mut tally, &first);
    tally.begin_second();
    add_all(&mut tally, &second);
    let (groups, sampled) = tally.finish();
    let group = find(&groups, "coupon=<str>&shop=<str>");
    let bytes = |count: u64| ByteCount(count * second[0].len() as u64);
    assert!(!sampled);
    assert_eq!(group.now, Tally { count: 5000, bytes: bytes(5000) });
    assert_eq!(group.before, Some(Tally { count: 3000, bytes: bytes(3000) }));
    assert_eq!(group.samples.len(), 3);
    assert!(group.samples.iter().all(|sample| sample.text.ends_with("shop=new")), "{:?}", group.samples);
    let at = |sample: &crate::scan::group::Sample| &second[(sample.address.0 as usize - 0x1000) / 4096];
    assert!(group.samples.iter().all(|sample| *at(sample) == sample.text));
}

#[test]
fn what_is_gone_in_the_second_scan_has_no_members_now() {
    let mut tally = TextTally::new(ByteCount::mib(8));
    let records: Vec<String> = (0..100).map(|number| format!("job {number} waits")).collect();
    add_all(&mut tally, &records);
    tally.begin_second();
    let (groups, _) = tally.finish();
    let group = find(&groups, "job <int> waits");
    assert_eq!((group.now.count, group.before.map(|before| before.count)), (0, Some(100)));
    assert!(group.samples.is_empty());
}

#[test]
fn a_single_scan_has_no_earlier_one() {
    let records: Vec<String> = (0..100).map(|number| format!("job {number} waits")).collect();
    let (groups, _) = tally_of(&records);
    assert!(groups.iter().all(|group| group.before.is_none()));
}

#[test]
fn equal_strings_are_a_repeat_labelled_with_themselves() {
    let records = vec!["upstream prematurely closed connection 17".to_string(); 4000];
    let (groups, _) = tally_of(&records);
    assert_eq!(labels(&groups), [("upstream prematurely closed connection 17".to_string(), 4000)]);
    assert_eq!(groups[0].kind, GroupKind::Repeat);
    assert!(matches!(&groups[0].label.0[..], [LabelPart::Constant(_)]));
}

#[test]
fn a_string_that_stands_out_is_taken_out_of_its_template() {
    let mut chance = Chance::new(3);
    let mut records: Vec<String> = (0..3000).map(|_| format!("lease of 10.0.{} ends", chance.below(1 << 40))).collect();
    records.extend(std::iter::repeat_n("lease of 10.0.77 ends".to_string(), 6000));
    chance.shuffle(&mut records);
    let (groups, sampled) = tally_of(&records);
    assert!(!sampled);
    let repeat = find(&groups, "lease of 10.0.77 ends");
    assert_eq!((repeat.kind, repeat.now.count, repeat.now.bytes), (GroupKind::Repeat, 6000, ByteCount(6000 * 21)));
    assert!(!repeat.samples.is_empty() && repeat.samples.iter().all(|sample| sample.text == "lease of 10.0.77 ends"));
    assert_eq!(groups.iter().map(|group| group.now.count).sum::<u64>(), 9000);
}

#[test]
fn constants_are_marked_as_values_and_words_are_not() {
    let mut chance = Chance::new(4);
    let records: Vec<String> =
        (0..500).map(|_| format!("GET /v1/items/{}?token=hunter2&sig={}", chance.below(900), chance.hex(16))).collect();
    let (groups, _) = tally_of(&records);
    let fixed = |text: &str| LabelPart::Fixed(text.into());
    let constant = |text: &str| LabelPart::Constant(text.into());
    let variable = |text: &str| LabelPart::Variable(text.into());
    let expected = [
        fixed("GET /"),
        constant("v1"),
        fixed("/items/"),
        variable("int"),
        fixed("?token="),
        constant("hunter2"),
        fixed("&sig="),
        variable("hex"),
    ];
    assert_eq!(groups[0].label.0, expected);
}

#[test]
fn different_messages_of_one_form_stay_apart() {
    let mut chance = Chance::new(5);
    let forms = ["worker started", "worker exited", "client closed", "cache missed", "timer fired", "queue drained"];
    let mut records = Vec::new();
    for form in forms {
        records.extend((0..700).map(|_| format!("{form} {}", chance.below(1_000_000))));
    }
    for path in ["users", "orders", "items", "carts", "search", "login"] {
        records.extend((0..700).map(|_| format!("GET /api/{path}/{}", chance.below(1_000_000))));
    }
    chance.shuffle(&mut records);
    let (groups, _) = tally_of(&records);
    assert_eq!(groups.len(), 12, "{:#?}", labels(&groups));
    for form in forms {
        assert_eq!(find(&groups, &format!("{form} <int>")).now.count, 700);
    }
    assert_eq!(find(&groups, "GET /api/orders/<int>").now.count, 700);
}

#[test]
fn a_word_is_not_taken_for_one_of_many_numbers() {
    let mut chance = Chance::new(6);
    let mut records: Vec<String> = (0..3000).map(|_| format!("GET /orders/{}", chance.below(1_000_000))).collect();
    records.extend(std::iter::repeat_n("GET /orders/new".to_string(), 300));
    chance.shuffle(&mut records);
    let (groups, _) = tally_of(&records);
    assert_eq!(find(&groups, "GET /orders/<int>").now.count, 3000);
    assert_eq!(find(&groups, "GET /orders/new").now.count, 300);
}

#[test]
fn lines_of_one_run_are_members_each_at_its_own_address() {
    let mut tally = TextTally::new(ByteCount::mib(8));
    tally.add(Addr(0x1000), b"worker 17 started\nworker 18 started\r\n\nworker 19 started\nabc\n");
    let (groups, _) = tally.finish();
    assert_eq!(labels(&groups), [("worker <int> started".to_string(), 3)]);
    assert_eq!(groups[0].now.bytes, ByteCount(51));
    let addresses: Vec<u64> = groups[0].samples.iter().map(|sample| sample.address.0).collect();
    assert_eq!(addresses, [0x1000, 0x1012, 0x1026]);
}

#[test]
fn converted_text_counts_for_what_it_took_in_memory() {
    let mut tally = TextTally::new(ByteCount::mib(8));
    for number in 100..200u64 {
        tally.add_sized(Addr(number * 64), format!("job {number} waits").as_bytes(), ByteCount(26));
    }
    let (groups, _) = tally.finish();
    assert_eq!((groups[0].now.count, groups[0].now.bytes), (100, ByteCount(2600)));
}

#[test]
fn a_head_and_the_form_behind_it_are_two_records() {
    let mut chance = Chance::new(8);
    let records: Vec<String> = (0..200)
        .map(|_| {
            format!(
                "POST /pay HTTP/1.1\r\nHost: a.example\r\n\r\namount={}&card={}",
                chance.below(1000),
                chance.below(1 << 50)
            )
        })
        .collect();
    let (groups, _) = tally_of(&records);
    assert_eq!(find(&groups, "amount=<int>&card=<int>").now.count, 200);
    assert_eq!(find(&groups, "POST /pay HTTP/1.1 Host: a.example").kind, GroupKind::Repeat);
}

#[test]
fn labels_are_bounded() {
    let mut chance = Chance::new(9);
    let record = |chance: &mut Chance| {
        let pairs: Vec<String> = (0..60).map(|key| format!("key_{key}={}", chance.hex(8))).collect();
        pairs.join("&")
    };
    let records: Vec<String> = (0..100).map(|_| record(&mut chance)).collect();
    let (groups, _) = tally_of(&records);
    let label = groups[0].label.to_string();
    assert_eq!(groups[0].now.count, 100);
    assert!(
        label.chars().count() <= 202 && label.ends_with('…') && label.starts_with("key_0=<hex>&key_1=<hex>"),
        "{label}"
    );
}

//! Whatever the bytes: an end, no panic, nothing counted twice, memory within its bound.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn total(groups: &[Group]) -> (Tally, Tally) {
    let (mut now, mut before) = (Tally::default(), Tally::default());
    for group in groups {
        now += group.now;
        before += group.before.unwrap_or_default();
    }
    (now, before)
}

/// Bytes that are delimiters, quotes and the like more often than chance would have it.
fn awkward() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        prop::sample::select(vec![
            "\"",
            "'",
            "=",
            "&",
            "<",
            "</",
            ">",
            "/>",
            "<!--",
            "-->",
            "<![CDATA[",
            "),(",
            "),",
            "(",
            "[",
            "::",
            ":",
            "/",
            "%E4",
            " ",
            "\n",
            "\r\n",
            ": ",
            " = ",
            "GET / HTTP/1.1\n",
            "Host: a\n",
            "-----BEGIN A",
            "-----END A",
            "2024-01-02T03:04:05",
            "Jan  2 ",
            "Mon, ",
            "10/Oct/2000:",
            "fe80::",
            "abc",
            "a1",
            "12",
            "deadbeef",
            "aB3/dE9+xY7zQ2",
            "...",
            "-",
            "é",
            "你",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_bytes_end_and_are_counted_at_most_once(
        first in prop::collection::vec(awkward(), 0..40),
        second in prop::collection::vec(awkward(), 0..40),
        again in 1..12usize,
    ) {
        let mut tally = TextTally::new(ByteCount::kib(64));
        let mut added = [0u64; 2];
        let mut most = [0u64; 2];
        for (scan, runs) in [&first, &second].into_iter().enumerate() {
            for run in runs {
                for _ in 0..again {
                    tally.add(Addr(u64::MAX - 3), run);
                    added[scan] += run.len() as u64;
                    most[scan] += run.split(|&byte| byte == b'\n').count() as u64;
                }
            }
            if scan == 0 {
                tally.begin_second();
            }
        }
        let (groups, _) = tally.finish();
        let (now, before) = total(&groups);
        prop_assert!(now.bytes.0 <= added[1] && before.bytes.0 <= added[0]);
        prop_assert!(now.count <= most[1] && before.count <= most[0]);
        for group in &groups {
            prop_assert!(group.samples.len() <= 3);
            prop_assert!(group.label.to_string().chars().count() <= 202);
        }
    }
}

#[test]
fn the_mixture_is_counted_whole_and_once() {
    let records = super::kinds::mixture(11, 300);
    let (groups, _) = tally_of(&records);
    let added: u64 = records.iter().map(|record| record.len() as u64).sum();
    let (now, _) = total(&groups);
    assert!(now.bytes.0 <= added && now.bytes.0 * 10 > added * 9, "{now:?} of {added}");
}

#[test]
fn hostile_lines_take_linear_time() {
    let long = 1 << 20;
    let lines = [
        "a", "=", "'", "\"", "'a", "<a>", "</a><a>", "(),", "/", "aB3/", "a:", "::", "%", "a=", "1 ", ".", "\u{4f60}",
        "a,b=", "<!--",
    ];
    for line in lines {
        let text = line.repeat(long / line.len());
        let begun = Instant::now();
        let mut tally = TextTally::new(ByteCount::mib(4));
        for number in 0..8 {
            tally.add(Addr(number), text.as_bytes());
        }
        let (groups, _) = tally.finish();
        assert!(total(&groups).0.count <= 8);
        assert!(begun.elapsed() < Duration::from_secs(5), "{line:?} took {:?}", begun.elapsed());
    }
}

#[test]
fn tables_stay_within_their_bound_and_late_templates_are_found() {
    let mut chance = Chance::new(12);
    let budget = ByteCount::mib(2);
    let mut tally = TextTally::new(budget);
    let noise: Vec<String> = (0..60_000).map(|_| chance.noise()).collect();
    for (index, line) in noise.iter().enumerate() {
        tally.add(Addr(index as u64), line.as_bytes());
        if index % 1000 == 0 {
            let used = tally.catalog.used() + tally.strings.used();
            assert!(used as u64 <= budget.0 * 5 / 4, "{used} after {index}");
        }
    }
    let late: Vec<String> = (0..5000).map(|number| format!("lease {number} of {} renewed", chance.ip())).collect();
    add_all(&mut tally, &late);
    let (groups, sampled) = tally.finish();
    let group = find(&groups, "lease <int> of <ip> renewed");
    assert!(group.now.count == 5000 || (sampled && group.now.count > 4900 && group.now.count < 5000));
}

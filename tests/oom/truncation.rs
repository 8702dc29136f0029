//! Reports cut at every line, from either end: no panic, and no confident verdict that the rest does not support.

use crate::{logs, reports};

/// The causes a log may be given, cut or not.
fn accepted(expected: &serde_json::Value, cause: &str) -> bool {
    let of = |report: &serde_json::Value| {
        report["cause"] == cause
            || report["cause_also_accepted"].as_array().is_some_and(|also| also.iter().any(|c| c == cause))
    };
    expected["reports"].as_array().unwrap().iter().any(of)
}

fn check(name: &str, expected: &serde_json::Value, part: &str, cut: &str, whole: usize) {
    let found = reports(part.as_bytes());
    assert!(found.len() <= whole, "{name} {cut}: {} reports from {whole}", found.len());
    for report in &found {
        let cause = report.cause.kind.word();
        // With the figures gone only these two are honest; that processes hold the memory stays true of a part.
        let honest = ["undetermined", "global-exhausted", "no-killable"].contains(&cause);
        assert!(honest || accepted(expected, cause), "{name} {cut}: {cause}: {}", report.cause.summary);
        let ended = !report.killed_pids.is_empty() || report.no_killable;
        assert!(ended || report.truncated, "{name} {cut}: a report without its end is not called truncated");
    }
}

#[test]
fn cut_at_every_line_no_verdict_is_wrong() {
    for (name, log, expected) in logs() {
        let whole = expected["expected_reports"].as_u64().unwrap() as usize;
        let mut at = 0;
        for line in log.split_inclusive('\n') {
            at += line.len();
            check(&name, &expected, &log[..at], &format!("without what follows byte {at}"), whole);
            check(&name, &expected, &log[at..], &format!("without the first {at} bytes"), whole);
        }
    }
}

#[test]
fn cut_anywhere_nothing_panics() {
    for (_, log, _) in logs() {
        for at in (0..log.len()).step_by(61) {
            reports(&log.as_bytes()[..at]);
            reports(&log.as_bytes()[at..]);
        }
    }
}

#[test]
fn the_corpus_of_the_fuzz_target_is_read() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus/oom");
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 5);
    for file in files {
        let found = reports(&std::fs::read(&file).unwrap());
        assert!(!found.is_empty(), "{}", file.display());
    }
}

//! Any bytes as a kernel log: reading them must end, without panic and without a report that cannot be written.
//! Run: cargo +nightly fuzz run --fuzz-dir tests/fuzz oom

#![no_main]

use leakscope::oom::read_reports;
use leakscope::report::oom_model::OomReportModel;
use leakscope::report::text;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut log = bytes;
    let outcome = read_reports(&mut log, &mut |report| {
        let json = serde_json::to_string(&OomReportModel::from(&report)).unwrap();
        assert!(json.starts_with('{'));
        assert!(!text::oom(&report, None, true, &text::Style::plain()).is_empty());
    });
    outcome.unwrap();
});

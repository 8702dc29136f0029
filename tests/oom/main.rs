//! The OOM reader against real logs: every fact, in every dressing, cut at every line, in bulk, and a kill made here.

mod dressings;
mod facts;
mod forms;
mod live;
mod truncation;
mod volume;

use std::path::PathBuf;

use leakscope::oom::{OomReport, read_reports};
use leakscope::report::oom_model::OomReportModel;
use serde_json::Value;

/// The logs with their expected facts, by name.
pub fn logs() -> Vec<(String, String, Value)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/oom_logs");
    let mut logs = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let expected = std::fs::read_to_string(path.with_extension("json")).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        logs.push((name, std::fs::read_to_string(&path).unwrap(), serde_json::from_str(&expected).unwrap()));
    }
    logs.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(logs.len() >= 12, "the logs are missing");
    logs
}

/// All reports in `log`.
pub fn reports(log: &[u8]) -> Vec<OomReport> {
    let mut found = Vec::new();
    read_reports(&mut &log[..], &mut |report| found.push(report)).unwrap();
    found
}

/// A report as its JSON.
pub fn json(report: &OomReport) -> Value {
    serde_json::from_str(&serde_json::to_string(&OomReportModel::from(report)).unwrap()).unwrap()
}

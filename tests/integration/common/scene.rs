//! What a person wants to see when a test fails: the commands run with their outputs, and the patient's status and maps.

use std::cell::RefCell;
use std::fs;

thread_local! {
    static RUNS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Remembers one run of a command for the scene of this test.
pub fn remember(run: String) {
    RUNS.with_borrow_mut(|runs| runs.push(run));
}

/// Prints the scene around `pid`. Goes through the print macro, so that the test runner files it under the failed test.
#[allow(clippy::print_stderr)]
pub fn show(name: &str, pid: i32) {
    RUNS.with_borrow(|runs| runs.iter().rev().take(3).rev().for_each(|run| eprintln!("{run}")));
    for file in ["status", "maps", "wchan"] {
        let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let text = shorten(&String::from_utf8_lossy(&bytes), 6000);
        eprintln!("--- {name} (pid {pid}): {file}\n{}", text.escape_debug().to_string().replace("\\n", "\n"));
    }
}

/// The first `limit` bytes of `text`, with a mark where it was cut.
pub fn shorten(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let cut = (0..=limit).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{} [… {} bytes more]", &text[..cut], text.len() - cut)
}

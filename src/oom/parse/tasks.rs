//! The task table: its header and its rows. All sizes in pages but pgtables_bytes.

use crate::oom::parse::fact::{Columns, Fact, TableHeader};
use crate::oom::parse::fields::{small, word};

/// A line that begins with `[`: the header `[ pid ] …` or a row `[ 1234] …`.
pub(super) fn table(text: &str) -> Option<Fact<'_>> {
    let inside = text.strip_prefix('[')?;
    let close = inside.find(']').filter(|close| *close <= 16)?;
    let label = inside[..close].trim();
    let rest = inside[close + 1..].trim_start();
    if label == "pid" {
        let is_whole = rest.split_whitespace().any(|word| word == "name");
        return rest.starts_with("uid").then(|| Fact::TableHeader(TableHeader { columns: columns(rest), is_whole }));
    }
    let (pid, after) = small(label)?;
    let starts_with_number = rest.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    (after.is_empty() && starts_with_number).then_some(Fact::TaskRow { pid, rest })
}

const COLUMNS: [&str; 16] = [
    "uid",
    "tgid",
    "total_vm",
    "rss",
    "rss_anon",
    "rss_file",
    "rss_shmem",
    "nr_ptes",
    "nr_pmds",
    "nr_puds",
    "pgtables_bytes",
    "swapents",
    "cpu",
    "oom_adj",
    "oom_score_adj",
    "unknown",
];

fn columns(text: &str) -> Columns {
    let words = text.split_whitespace().take_while(|word| *word != "name").take(24);
    words.map(|word| COLUMNS.into_iter().find(|column| *column == word).unwrap_or("unknown")).collect()
}

/// The columns a row without a header must have, by how many numbers it carries: 2.6.25, 3.6 (also 2.6.36 and 4.15, told
/// apart by the values), 4.0 and 6.8 changed them.
fn columns_by_count(numbers: &[i64]) -> Option<&'static [&'static str]> {
    match numbers.len() {
        6 => Some(&["uid", "tgid", "total_vm", "rss", "cpu", "oom_adj"]),
        7 if numbers[4] >= 4096 && numbers[4] % 4096 == 0 => {
            Some(&["uid", "tgid", "total_vm", "rss", "pgtables_bytes", "swapents", "oom_score_adj"])
        }
        // oom_adj is the seventeenths of oom_score_adj: neither is 0 without the other.
        7 if (-17..=15).contains(&numbers[5]) && numbers[5].signum() * numbers[6].signum() > 0 => {
            Some(&["uid", "tgid", "total_vm", "rss", "cpu", "oom_adj", "oom_score_adj"])
        }
        7 => Some(&["uid", "tgid", "total_vm", "rss", "nr_ptes", "swapents", "oom_score_adj"]),
        8 => Some(&["uid", "tgid", "total_vm", "rss", "nr_ptes", "nr_pmds", "swapents", "oom_score_adj"]),
        10 => Some(&[
            "uid",
            "tgid",
            "total_vm",
            "rss",
            "rss_anon",
            "rss_file",
            "rss_shmem",
            "pgtables_bytes",
            "swapents",
            "oom_score_adj",
        ]),
        _ => None,
    }
}

/// The numbers of a row by column, and its name. None where the row is cut before its resident size.
pub fn task_row<'a>(rest: &'a str, columns: Option<&Columns>) -> Option<(Vec<(&'static str, i64)>, &'a str)> {
    let limit = columns.map_or(10, Vec::len);
    let mut numbers = Vec::with_capacity(limit);
    let mut left = rest;
    while numbers.len() < limit {
        let (text, after) = word(left);
        let Some((value, "")) = small(text) else { break };
        numbers.push(value);
        left = after;
    }
    let name = left.trim();
    let named: Vec<(&'static str, i64)> = match columns {
        Some(columns) => columns.iter().copied().zip(numbers).collect(),
        None => columns_by_count(&numbers)?.iter().copied().zip(numbers).collect(),
    };
    named.iter().any(|(column, _)| *column == "rss").then_some((named, name))
}

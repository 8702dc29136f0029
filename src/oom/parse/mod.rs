//! One message of a kernel log becomes one fact, by its shape alone: vendors backport lines, so no parser is chosen by a
//! version number. Knows the format strings of mm/oom_kill.c, mm/page_alloc.c, lib/show_mem.c and mm/memcontrol.c from
//! 2.6.12 to 6.18. Leaves log prefixes to `reading` and which report a fact belongs to, to `split`.

mod fact;
pub mod fields;
mod header;
mod kill;
mod memcg;
mod meminfo;
mod tasks;

pub use fact::{Columns, Fact, KillLine, OomKillLine, Tail};
pub use meminfo::blocks;
pub use tasks::task_row;

/// What a message says, or None where it has no part in an OOM report.
pub fn recognise(text: &str) -> Option<Fact<'_>> {
    let text = text.trim();
    let first = *text.as_bytes().first()?;
    if first == b'[' {
        return tasks::table(text).or_else(|| header::trace(text));
    }
    header::header(text)
        .or_else(|| kill::line(text))
        .or_else(|| meminfo::line(text))
        .or_else(|| memcg::line(text))
        .or_else(|| header::line(text))
}

#[cfg(test)]
mod tests;

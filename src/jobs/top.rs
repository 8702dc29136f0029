//! `top`: which processes are fat, which grow, and how much room is left to each.

use std::collections::HashMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::copying::check_interrupted;
use super::subject::open_all;
use super::{Context, Top, TopOrder};
use crate::error::Result;
use crate::report::{self, Document};
use crate::target::{ProcessRow, processes};
use crate::units::{ByteCount, Rate};

/// Naps between the two looks, so that a wish to stop is heard soon.
const NAP: Duration = Duration::from_millis(50);

/// Looks twice and lists.
///
/// # Errors
/// The process table may not be read, none fits, or a person interrupted.
pub fn run(request: &Top, context: &Context) -> Result<Vec<Document>> {
    let only: Option<Vec<i32>> = match &request.only {
        Some(selector) => Some(open_all(selector, context)?.iter().map(|target| target.pid()).collect()),
        None => None,
    };
    let asked = |row: &ProcessRow| only.as_ref().is_none_or(|only| only.contains(&row.pid));
    let began = Instant::now();
    let before: HashMap<i32, ByteCount> = processes(0)?.iter().map(|row| (row.pid, held(row))).collect();
    wait(request.window, context)?;
    let after = processes(request.limit)?;
    let seconds = began.elapsed().as_secs_f64();
    let mut rows: Vec<report::ProcessRow> =
        after.iter().filter(|row| asked(row)).map(|row| named(row, &before, seconds)).collect();
    sort(&mut rows, request.order);
    let omitted = rows.len().saturating_sub(request.limit);
    rows.truncate(request.limit);
    Ok(vec![Document::Top(report::Top {
        seconds: Some(seconds),
        processes: rows,
        omitted_processes: omitted as u64,
        warnings: Vec::new(),
    })])
}

fn wait(window: Duration, context: &Context) -> Result<()> {
    context.progress.begin("looking for growth", None);
    let began = Instant::now();
    while began.elapsed() < window {
        check_interrupted(context)?;
        sleep(window.saturating_sub(began.elapsed()).min(NAP));
    }
    context.progress.end();
    Ok(())
}

/// The growth measure: anonymous + swapped; all of what is resident where an old kernel does not tell them apart.
fn held(row: &ProcessRow) -> ByteCount {
    row.anonymous.unwrap_or(row.rss) + row.swap.unwrap_or_default()
}

fn named(row: &ProcessRow, before: &HashMap<i32, ByteCount>, seconds: f64) -> report::ProcessRow {
    let growth = before.get(&row.pid).map(|before| Rate::over(held(row).signed_sub(*before), seconds));
    report::ProcessRow {
        pid: row.pid,
        name: row.name.clone(),
        uid: Some(row.uid),
        rss_bytes: Some(row.rss),
        pss_bytes: row.pss,
        swap_bytes: row.swap,
        growth_bytes_per_second: growth,
        oom_score: row.oom_score,
        limit_bytes: row.limit,
        headroom_bytes: row.headroom,
    }
}

fn sort(rows: &mut [report::ProcessRow], order: TopOrder) {
    rows.sort_by_key(|row| std::cmp::Reverse(row.rss_bytes));
    match order {
        TopOrder::Rss => {}
        TopOrder::Pss => rows.sort_by_key(|row| std::cmp::Reverse(row.pss_bytes)),
        TopOrder::Swap => rows.sort_by_key(|row| std::cmp::Reverse(row.swap_bytes)),
        TopOrder::Oom => rows.sort_by_key(|row| std::cmp::Reverse(row.oom_score)),
        TopOrder::Headroom => rows.sort_by_key(|row| row.headroom_bytes.unwrap_or(ByteCount(u64::MAX))),
        TopOrder::Growth => {
            let rate = |row: &report::ProcessRow| row.growth_bytes_per_second.unwrap_or_default().0;
            rows.sort_by(|a, b| rate(b).total_cmp(&rate(a)));
        }
    }
}

//! The kernel's words in plain ones: what kind of memory a request was for, and with --verbose every flag and term.

use super::line::{Line, Paint};
use super::page::Page;
use crate::oom::OomReport;
use crate::oom::gfp::{Gfp, explain};
use crate::oom::report::PageSizeSource;
use crate::units::ByteCount;

/// A request of 2^`order` pages.
pub fn pages(order: i32, page_size: ByteCount) -> String {
    match u32::try_from(order) {
        Err(_) => "nothing (SysRq)".to_owned(),
        Ok(0) => format!("one page of {page_size}"),
        Ok(order) => {
            let whole = ByteCount(page_size.0.saturating_mul(1u64.checked_shl(order).unwrap_or(0)));
            format!("{whole} in one piece (order {order})")
        }
    }
}

/// What the memory was for, as far as mask and trace tell.
pub fn kind_of_memory(gfp: &Gfp, report: &OomReport) -> &'static str {
    if gfp.mask == 0 {
        return "no allocation, a page fault that had failed";
    }
    if report.trace.fork {
        return "a new process or thread (fork)";
    }
    let user = gfp.has("__GFP_HIGHMEM") && gfp.has("__GFP_HARDWALL");
    if user && gfp.has("__GFP_ZERO") {
        return "new memory of a process";
    }
    if user && (gfp.has("__GFP_COLD") || report.trace.page_cache) {
        return "a page of a file (page cache)";
    }
    if user {
        return "a page of a process: a file page, swap-in or copy on write";
    }
    if report.trace.memcg {
        return "a charge to a memory cgroup";
    }
    if gfp.has("__GFP_DMA") {
        return "kernel memory for an old device (below 16 MiB)";
    }
    if gfp.has("__GFP_DMA32") {
        return "kernel memory below 4 GiB";
    }
    "kernel memory"
}

/// Every flag and the terms of the report.
pub fn write(report: &OomReport, page: &mut Page) {
    page.blank();
    if let Some(flags) = report.gfp.as_ref().and_then(|gfp| gfp.flags.as_ref()) {
        page.line(Line::of(Paint::Strong, "What the request allowed (gfp flags)"));
        for flag in flags {
            page.paragraph(Line::of(Paint::Shape, format!("  {flag:26}")), Line::of(Paint::Plain, explain(flag)));
        }
        if report.gfp.as_ref().is_some_and(|gfp| !gfp.release_known && gfp.printed.is_none()) {
            let text =
                "The kernel's version is not in the text; the flags are those of the release its form belongs to.";
            page.paragraph(Line::of(Paint::Plain, "  "), Line::of(Paint::Dim, text));
        }
        page.blank();
    }
    page.line(Line::of(Paint::Strong, "Terms"));
    for (term, meaning) in terms(report) {
        page.paragraph(Line::of(Paint::Shape, format!("  {term:26}")), Line::of(Paint::Plain, meaning));
    }
}

fn terms(report: &OomReport) -> Vec<(&'static str, &'static str)> {
    let mut terms = vec![
        ("asked", "the process that happened to need memory at that moment; it is not accused of anything"),
        ("anonymous", "memory of programs that is in no file: heaps, stacks"),
    ];
    if report.order.is_some_and(|order| order > 0) {
        terms.push(("order N", "2^N pages in one piece; enough single pages do not help when they lie apart"));
    }
    if !report.memory.zones.is_empty() {
        terms.push((
            "min, low, high",
            "below low the kernel reclaims in the background, below min requests must reclaim themselves",
        ));
        terms.push(("zone", "a part of memory by address: DMA below 16 MiB, DMA32 below 4 GiB, HighMem beyond the kernel's reach on 32 bit"));
    }
    if report.selected.as_ref().is_some_and(|selected| selected.score.is_some()) {
        terms.push(("score", "since 2.6.36 the process's thousandths of the memory in question, oom_score_adj added; the highest is chosen"));
    }
    if report.memcg.is_some() {
        terms.push(("cgroup limit", "the group may use no more, however much the machine has free"));
    }
    terms.push(("oom_score_adj (adj)", "-1000 never kill, 1000 kill first"));
    terms.push((
        "page size",
        match report.page_size_source {
            PageSizeSource::Assumed => "not in the text: 4 KiB is assumed",
            PageSizeSource::BuddyLists => "from the free lists in the report",
            PageSizeSource::VictimSize => "from the victim's size, printed in pages and in kB",
            PageSizeSource::PresentPages => "from the memory present, printed in pages and in kB",
        },
    ));
    terms
}

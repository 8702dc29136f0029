//! `dump`: the bytes of a part of memory in a file, with a manifest beside it.

use std::path::PathBuf;

use super::copying::cautions;
use super::subject::{hint_at_worker, open_one, spans_of};
use super::{Context, Dump, storing};
use crate::error::Result;
use crate::explain::Notice;
use crate::memory::{Coverage, DumpOptions, DumpResult, dump, dump_core};
use crate::report::{self, Document};
use crate::target::Target;
use crate::units::Span;

/// Dumps one stretch of memory.
///
/// # Errors
/// As [`dump`]; or the part asked for is not there.
pub fn run(request: &Dump, context: &Context) -> Result<Vec<Document>> {
    let target = open_one(&request.selector, context)?;
    hint_at_worker(&target, context);
    target.access().require_memory_read(&target)?;
    if request.core {
        return run_core(&target, request, context);
    }
    let map = target.smaps()?;
    let spans = spans_of(request.part, &map, &target.subject())?;
    // A family of scattered mappings has no one stretch: its largest member stands for it.
    let Some(span) = spans.iter().copied().max_by_key(|span| span.size()) else { return Ok(Vec::new()) };
    let path = request.output.clone().unwrap_or_else(|| PathBuf::from(format!("leakscope-{}.raw", target.pid())));
    let options =
        DumpOptions { force: request.force, include_swapped: request.include_swapped, ..storing::options(context) };
    let dumped = dump(&target, span, &path, &options, context.progress)?;
    if spans.len() > 1 {
        let others = spans.len() - 1;
        (context.remark)(&format!("the region has {others} more mappings elsewhere; {span}, its largest, was dumped"));
    }
    Ok(vec![Document::Dump(row(&target, span, dumped))])
}

fn run_core(target: &Target, request: &Dump, context: &Context) -> Result<Vec<Document>> {
    let path = request.output.clone().unwrap_or_else(|| PathBuf::from(format!("leakscope-{}.core", target.pid())));
    let options =
        DumpOptions { force: request.force, include_swapped: request.include_swapped, ..storing::options(context) };
    let dumped = dump_core(target, &path, &options, context.progress)?;
    let asked = dumped.range;
    Ok(vec![Document::Dump(report::Dump { format: "core".to_string(), ..row(target, asked, dumped) })])
}

fn row(target: &Target, asked: Span, dumped: DumpResult) -> report::Dump {
    let coverage = Coverage { swapped: dumped.swapped_bytes, gaps: dumped.gaps.clone(), ..Coverage::default() };
    let mut notices = cautions(&coverage);
    if dumped.stops > 1 {
        notices.push(Notice::SeveralStops { stops: dumped.stops });
    }
    let mut warnings: Vec<String> = notices.iter().map(ToString::to_string).collect();
    if dumped.range != asked {
        warnings.push(format!("nothing is mapped from {} on, the file ends there", dumped.range.end));
    }
    report::Dump {
        target: report::TargetRow::from(target.identity()),
        range: dumped.range,
        path: dumped.path.display().to_string(),
        format: "raw".to_string(),
        bytes: dumped.bytes,
        hole_bytes: dumped.hole_bytes,
        method: dumped.method.to_string(),
        pause_ms: Some(dumped.pause.as_secs_f64() * 1000.0),
        seconds: dumped.took.as_secs_f64(),
        sha256: dumped.sha256,
        complete: true,
        warnings,
    }
}

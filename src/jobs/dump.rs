//! `dump`: the bytes of a part of memory in a file, with a manifest beside it.

use std::path::PathBuf;

use super::copying::{cautions, fell_back, wish};
use super::subject::{hint_at_worker, open_one, spans_of};
use super::{Context, Dump, Part, storing};
use crate::error::Result;
use crate::explain::Notice;
use crate::memory::{
    Compression, Coverage, DumpOptions, DumpResult, Method, Prediction, dump, dump_core, plan_core, plan_dump, ways,
};
use crate::report::{self, Document};
use crate::space::AddressMap;
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
    if request.core && request.dry_run {
        return Ok(vec![Document::Plan(plan(&target, plan_core(&target)?, request)?)]);
    }
    if request.core {
        return run_core(&target, request, context);
    }
    // What each region holds is asked for only where one is to be chosen: the kernel takes 15 ms for a GiB.
    let map = match request.part {
        Part::Span(_) => AddressMap { mappings: target.mappings()?, ..AddressMap::default() },
        _ => target.smaps()?,
    };
    let spans = spans_of(request.part, &map, &target.subject())?;
    // A family of scattered mappings has no one stretch: its largest member stands for it.
    let Some(span) = spans.iter().copied().max_by_key(|span| span.size()) else { return Ok(Vec::new()) };
    if request.dry_run {
        return Ok(vec![Document::Plan(plan(&target, plan_dump(&target, span)?, request)?)]);
    }
    let ending = if request.compression == Compression::None { "raw" } else { "raw.zst" };
    let path = request.output.clone().unwrap_or_else(|| PathBuf::from(format!("leakscope-{}.{ending}", target.pid())));
    let options = DumpOptions {
        force: request.force,
        compression: request.compression,
        include_swapped: request.include_swapped,
        wish: wish(request.method, request.max_pause),
        hash: request.hash,
        ..storing::options(context)
    };
    let dumped = dump(&target, span, &path, &options, context.progress)?;
    if spans.len() > 1 {
        let others = spans.len() - 1;
        (context.remark)(&format!("the region has {others} more mappings elsewhere; {span}, its largest, was dumped"));
    }
    Ok(vec![Document::Dump(row(&target, span, dumped, request.hash))])
}

/// What each way would cost, and which would be taken.
fn plan(target: &Target, planned: (Span, Vec<Prediction>), request: &Dump) -> Result<report::Plan> {
    let (range, predictions) = planned;
    let chosen = ways(target, &predictions, wish(request.method, request.max_pause));
    let first = chosen.as_ref().ok().and_then(|ways| ways.first().copied());
    Ok(report::Plan {
        target: report::TargetRow::from(target.identity()),
        range,
        method: first.map(|method| method.to_string()),
        ways: predictions.iter().map(way).collect(),
        warnings: chosen.err().map(|error| error.to_string()).into_iter().collect(),
    })
}

fn way(prediction: &Prediction) -> report::WayRow {
    report::WayRow {
        method: prediction.method.to_string(),
        pause_ms: prediction.pause.as_secs_f64() * 1000.0,
        page_tables_bytes: prediction.page_tables,
        copy_on_write_bytes: prediction.copy_on_write,
        headroom_bytes: prediction.headroom.filter(|headroom| headroom.0 < u64::MAX),
        objection: prediction.objection.clone(),
    }
}

fn run_core(target: &Target, request: &Dump, context: &Context) -> Result<Vec<Document>> {
    let path = request.output.clone().unwrap_or_else(|| PathBuf::from(format!("leakscope-{}.core", target.pid())));
    let options = DumpOptions {
        force: request.force,
        include_swapped: request.include_swapped,
        wish: wish(request.method, request.max_pause),
        ..storing::options(context)
    };
    let dumped = dump_core(target, &path, &options, context.progress)?;
    let asked = dumped.range;
    // A core has no manifest in which a hash could stand.
    Ok(vec![Document::Dump(report::Dump { format: "core".to_string(), ..row(target, asked, dumped, false) })])
}

fn row(target: &Target, asked: Span, dumped: DumpResult, hash: bool) -> report::Dump {
    let coverage = Coverage { swapped: dumped.swapped_bytes, gaps: dumped.gaps.clone(), ..Coverage::default() };
    let mut notices = cautions(&coverage);
    if dumped.stops > 1 {
        notices.push(Notice::SeveralStops { stops: dumped.stops });
    }
    notices.extend(fell_back(&dumped.declined));
    if dumped.method == Method::Live {
        notices.push(Notice::LiveRead);
    }
    if hash && dumped.sha256.is_none() {
        notices.push(Notice::NotHashed { holes: dumped.hole_bytes });
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
        compressed_bytes: dumped.compressed_bytes,
        hole_bytes: dumped.hole_bytes,
        method: dumped.method.to_string(),
        pause_ms: Some(dumped.pause.as_secs_f64() * 1000.0),
        page_tables_bytes: dumped.page_tables,
        copy_on_write_bytes: dumped.copy_on_write,
        seconds: dumped.took.as_secs_f64(),
        sha256: dumped.sha256,
        complete: true,
        warnings,
    }
}

//! `diff`: what grew between two dumps.

use super::copying::scan_options;
use super::heap::walk_recorded;
use super::scan::{feed, open_file, open_here, warnings};
use super::{Context, Diff};
use crate::elf::Symbols;
use crate::error::Result;
use crate::heap::HeapOptions;
use crate::memory::{MemorySource, RecordedMemory};
use crate::report::{self, Content, Document};
use crate::scan::Scanner;

/// Compares two files.
///
/// # Errors
/// One of them is not there or may not be read, or a person interrupted.
pub fn run(request: &Diff, context: &Context) -> Result<Vec<Document>> {
    let before = open_file(&request.before, None)?;
    let after = open_file(&request.after, None)?;
    let names = Symbols::load(after.address_map(), &open_here);
    let mut scanner = Scanner::new(after.address_map(), Some(&names), scan_options(context));
    let mut notices = feed(&mut scanner, &before, &before.spans(), &request.before, context)?;
    scanner.begin_second();
    notices.extend(feed(&mut scanner, &after, &after.spans(), &request.after, context)?);
    let found = scanner.finish();
    let seconds =
        taken_at(&before).zip(taken_at(&after)).map(|(first, second)| second.duration_since(first).as_secs_f64());
    let heap = heaps(request, &before.in_place(), &after.in_place(), context)?;
    Ok(vec![Document::Diff(report::Diff {
        before: request.before.display().to_string(),
        after: request.after.display().to_string(),
        seconds,
        warnings: warnings(&notices, &found),
        content: Some(Content::from_scan(&found, seconds.filter(|seconds| *seconds > 0.0)).top(request.top)),
        heap,
    })])
}

/// What grew between two cores of one process, by its allocator.
fn heaps(
    request: &Diff,
    before: &RecordedMemory,
    after: &RecordedMemory,
    context: &Context,
) -> Result<Option<Box<report::Heap>>> {
    if !before.is_core() || !after.is_core() {
        return Ok(None);
    }
    let first = HeapOptions { described: 0, ..HeapOptions::default() };
    let earlier = walk_recorded(before, &request.before, None, &first, context)?;
    let options = HeapOptions { described: request.top, ..HeapOptions::default() };
    let later = walk_recorded(after, &request.after, Some(&earlier), &options, context)?;
    let compared = earlier.account.is_some() && later.account.is_some();
    Ok(compared.then(|| Box::new(report::Heap::from_walk(&later, None, &[], request.top))))
}

/// When a dump was made, as its manifest says.
fn taken_at(memory: &RecordedMemory) -> Option<jiff::Timestamp> {
    memory.manifest()?.time.parse().ok()
}

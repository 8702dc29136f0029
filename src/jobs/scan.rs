//! `scan`: what fills a file or a stretch of a live process.

use std::fs::File;
use std::io;
use std::path::Path;

use super::copying::{How, cautions, check_interrupted, scan_options, take};
use super::scope::Scope;
use super::subject::{hint_at_worker, open_one, spans_of};
use super::{Context, MethodChoice, Scan, Selector, Subject};
use crate::elf::Symbols;
use crate::error::{Error, ErrorKind, Result};
use crate::explain::Notice;
use crate::memory::{MemorySource, RecordedMemory};
use crate::report::{self, Content, Document};
use crate::scan::{ScanResult, Scanner, scan_source};
use crate::space::Mapping;
use crate::units::{Addr, Span};

/// Scans a file or a process.
///
/// # Errors
/// The file or process is not there, may not be read, or a person interrupted.
pub fn run(request: &Scan, context: &Context) -> Result<Vec<Document>> {
    let answer = match &request.subject {
        Subject::File { path, base } => scan_file(path, *base, request, context)?,
        Subject::Target(selector) => scan_target(selector, request, context)?,
    };
    Ok(vec![Document::Scan(answer)])
}

fn scan_target(selector: &Selector, request: &Scan, context: &Context) -> Result<report::Scan> {
    let target = open_one(selector, context)?;
    hint_at_worker(&target, context);
    target.access().require_memory_read(&target)?;
    let map = target.smaps()?;
    let spans = match request.part {
        Some(part) => spans_of(part, &map, &target.subject())?,
        None => Scope::Private.spans(&map, None),
    };
    let open = |mapping: &_| target.mapped_file(mapping);
    let names = Symbols::load(&map, &open);
    let mut scanner = Scanner::new(&map, Some(&names), scan_options(context));
    // One look at what fills memory needs no single instant: nobody is stopped for it unless that is asked for.
    let method = if request.method == MethodChoice::Auto { MethodChoice::Live } else { request.method };
    let how = How { method, max_pause: request.max_pause, include_swapped: request.include_swapped };
    let taken = take(&target, &map, &spans, how, &mut scanner, context)?;
    let found = scanner.finish();
    Ok(report::Scan {
        target: Some(report::TargetRow::from(target.identity())),
        range: only(&spans),
        snapshot: Some(taken.snapshot),
        warnings: warnings(&taken.notices, &found),
        content: Some(Content::from_scan(&found, None).top(request.top)),
        ..report::Scan::default()
    })
}

fn scan_file(path: &Path, base: Option<Addr>, request: &Scan, context: &Context) -> Result<report::Scan> {
    let memory = open_file(path, base)?;
    let map = memory.address_map();
    let spans = match request.part {
        None => memory.spans(),
        Some(part) => spans_of(part, map, &path.display().to_string())?,
    };
    let names = Symbols::load(map, &open_here);
    let mut scanner = Scanner::new(map, Some(&names), scan_options(context));
    let notices = feed(&mut scanner, &memory, &spans, path, context)?;
    let found = scanner.finish();
    Ok(report::Scan {
        path: Some(path.display().to_string()),
        range: only(&spans),
        warnings: warnings(&notices, &found),
        content: Some(Content::from_scan(&found, None).top(request.top)),
        ..report::Scan::default()
    })
}

/// A dump, at the addresses its manifest or the user gives.
///
/// # Errors
/// It is not there, is no dump, or may not be read.
pub fn open_file(path: &Path, base: Option<Addr>) -> Result<RecordedMemory> {
    let memory = RecordedMemory::open(path)?;
    Ok(match base {
        Some(base) => memory.rebased(base),
        None => memory,
    })
}

/// Feeds `spans` of a file to `scanner`.
///
/// # Errors
/// The file may not be read, or a person interrupted.
pub fn feed(
    scanner: &mut Scanner<'_>,
    memory: &RecordedMemory,
    spans: &[Span],
    path: &Path,
    context: &Context,
) -> Result<Vec<Notice>> {
    let coverage = scan_source(scanner, memory, spans, context.progress)
        .map_err(|error| Error::new(ErrorKind::Failed, "cannot read", path.display().to_string(), error))?;
    check_interrupted(context)?;
    memory.remarks().iter().for_each(|remark| (context.remark)(remark));
    Ok(cautions(&coverage))
}

/// The file behind a mapping of a dump, where this machine has it under the same path and inode.
pub fn open_here(mapping: &Mapping) -> io::Result<File> {
    use std::os::unix::fs::MetadataExt;
    let file = File::open(&mapping.name)?;
    if file.metadata()?.ino() != mapping.inode {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(file)
}

/// The cautions of an answer about content.
pub fn warnings(notices: &[Notice], found: &ScanResult) -> Vec<String> {
    let sampled = found.sampled.then_some(&Notice::ContentSampled);
    notices.iter().chain(sampled).map(ToString::to_string).collect()
}

/// The range, where there is one: of scattered memory the ends say nothing.
fn only(spans: &[Span]) -> Option<Span> {
    match spans {
        [span] => Some(*span),
        _ => None,
    }
}

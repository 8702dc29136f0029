//! `heap`: what the allocator holds, what of it is lost, and who holds the rest; of a live process or a core.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::copying::{self, COPY_THREADS, OWN_NEEDS, cautions, check_interrupted, fell_back, wish};
use super::scan::open_file;
use super::subject::{hint_at_worker, open_one};
use super::{Context, Heap, Selector, Subject};
use crate::elf::Symbols;
use crate::error::{Error, ErrorKind, Result};
use crate::explain::Notice;
use crate::heap::{HeapOptions, HeapResult, heap_memory, tables_of, walk};
use crate::memory::{CopyOptions, Declined, MemorySource, RecordedMemory, Snapshot, Wanted, Wish, stage_gently};
use crate::report::{self, Document};
use crate::space::{AddressMap, Mapping};
use crate::target::{Target, machine_memory};
use crate::units::{Addr, ByteCount, Span};

/// Walks the heap of a process or a file.
///
/// # Errors
/// It is not there, may not be read or stopped, its heap is too large for the memory there is, what was asked for lies
/// outside of it, or a person interrupted.
pub fn run(request: &Heap, context: &Context) -> Result<Vec<Document>> {
    let answer = match &request.subject {
        Subject::File { path, base } => walk_file(path, *base, request, context)?,
        Subject::Target(selector) => walk_target(selector, request, context)?,
    };
    Ok(vec![Document::Heap(Box::new(answer))])
}

fn walk_target(selector: &Selector, request: &Heap, context: &Context) -> Result<report::Heap> {
    let target = open_one(selector, context)?;
    hint_at_worker(&target, context);
    target.access().require_memory_read(&target)?;
    if target.identity().is_32bit {
        return Err(Error::new(
            ErrorKind::Failed,
            "cannot walk the heap of",
            target.subject(),
            "it is a 32-bit process",
        ));
    }
    let mut options = options(request);
    let before = match request.window {
        None => None,
        Some(window) => {
            let first = HeapOptions { described: 0, ..options };
            let earlier = take(&target, request, context, None, &first)?;
            wait(window.saturating_sub(earlier.at.elapsed()), &target, context)?;
            Some(earlier)
        }
    };
    options.why = request.why;
    let taken = take(&target, request, context, before.as_ref().map(|before| &before.found), &options)?;
    require_answer(request, &taken.found)?;
    let between = before.map(|before| taken.at.duration_since(before.at));
    Ok(report::Heap {
        target: Some(report::TargetRow::from(target.identity())),
        snapshot: Some(taken.snapshot),
        ..report::Heap::from_walk(&taken.found, between, &taken.notices, request.top)
    })
}

fn options(request: &Heap) -> HeapOptions {
    HeapOptions { described: request.top, why: request.why, ..HeapOptions::default() }
}

fn require_answer(request: &Heap, found: &HeapResult) -> Result<()> {
    let Some(addr) = request.why.filter(|_| found.why.is_none()) else { return Ok(()) };
    Err(Error::new(ErrorKind::Failed, "cannot tell who holds", addr.to_string(), "it lies in no chunk of a glibc heap")
        .with_hint("leakscope map shows what lies where"))
}

fn wait(time: Duration, target: &Target, context: &Context) -> Result<()> {
    const STEP: Duration = Duration::from_millis(50);
    context.progress.begin_wait(&format!("waiting for {}", target.subject()), time);
    let end = Instant::now() + time;
    while Instant::now() < end {
        check_interrupted(context)?;
        thread::sleep(STEP.min(end.saturating_duration_since(Instant::now())));
    }
    context.progress.end();
    Ok(())
}

/// One walk of a live process.
pub struct Taken {
    /// What was found.
    pub found: HeapResult,
    /// Of which instant it is.
    pub at: Instant,
    /// How the bytes were had.
    pub snapshot: report::Snapshot,
    /// What to be careful about.
    pub notices: Vec<Notice>,
}

fn take(
    target: &Target,
    request: &Heap,
    context: &Context,
    before: Option<&HeapResult>,
    options: &HeapOptions,
) -> Result<Taken> {
    let began = Instant::now();
    let wish = wish(request.method, request.max_pause);
    let (copied, declined) = copy(target, wish, request.include_swapped, request.spool.as_deref(), context)?;
    let found = walk_copy(target, &copied, before, options, context)?;
    let snapshot = report::Snapshot {
        method: copied.method.to_string(),
        pause_ms: Some(copied.pause.as_secs_f64() * 1000.0),
        bytes: copied.coverage.copied,
        seconds: began.elapsed().as_secs_f64(),
        path: None,
    };
    let notices = fell_back(&declined).chain(cautions(&copied.coverage)).collect();
    Ok(Taken { found, at: copied.at, snapshot, notices })
}

/// All memory a heap can lie in, of one instant, and which ways to have it did not suit. The one place that decides how a
/// heap's bytes are had.
///
/// # Errors
/// `Failed` with the figures where the copy and the tables of a walk are more than may be used or can be spared; as
/// [`stage_gently`].
pub fn copy(
    target: &Target,
    wish: Wish,
    include_swapped: bool,
    spool: Option<&Path>,
    context: &Context,
) -> Result<(Snapshot, Declined)> {
    let bytes = present(target)?;
    let held = if spool.is_some() { ByteCount::ZERO } else { bytes };
    let refused = require_room(target.subject(), held, bytes, context);
    refused.map_err(|error| match spool {
        None => error.with_hint("hold the copy in a file: --spool FOLDER"),
        Some(_) => error,
    })?;
    let options = CopyOptions { budget: ByteCount(u64::MAX), include_swapped, threads: COPY_THREADS, spool };
    let copied = stage_gently(target, Wanted::Chosen(&heap_spans), wish, &options, context.progress)?;
    check_interrupted(context)?;
    Ok(copied)
}

/// What a copy of the heap takes.
///
/// # Errors
/// The target ended or may not be read.
pub fn present(target: &Target) -> Result<ByteCount> {
    let map = AddressMap { mappings: target.mappings()?, regions: Vec::new() };
    copying::present(target, &map, &heap_spans(&map.mappings))
}

/// Refuses a walk of `walked` bytes, `copied` of which are held, that needs more than was allowed or can be spared.
fn require_room(subject: String, copied: ByteCount, walked: ByteCount, context: &Context) -> Result<()> {
    let tables = tables_of(walked);
    let (room, words) = if context.max_memory_is_hard {
        (context.max_memory.saturating_sub(OWN_NEEDS), "are allowed")
    } else {
        (machine_memory()?.spare, "can be spared")
    };
    if copied + tables <= room {
        return Ok(());
    }
    let copy = if copied > ByteCount::ZERO { format!("{copied} for a copy and ") } else { String::new() };
    let reason = format!("{copy}up to {tables} for tables are needed, and {room} {words}");
    Err(Error::new(ErrorKind::Failed, "cannot walk the heap of", subject, reason))
}

fn heap_spans(mappings: &[Mapping]) -> Vec<Span> {
    heap_memory(mappings).into_iter().map(|mapping| mapping.span).collect()
}

/// Walks what was copied of `target`.
pub fn walk_copy(
    target: &Target,
    copied: &Snapshot,
    before: Option<&HeapResult>,
    options: &HeapOptions,
    context: &Context,
) -> Result<HeapResult> {
    let open = |mapping: &Mapping| target.mapped_file(mapping);
    let names = Symbols::load(copied.memory.address_map(), &open);
    context.progress.begin("walking the heap", None);
    let found = walk(&copied.memory, Some(&names), before, options);
    context.progress.end();
    check_interrupted(context)?;
    found.map_err(|error| Error::new(ErrorKind::Failed, "cannot walk the heap of", target.subject(), error))
}

fn walk_file(path: &Path, base: Option<Addr>, request: &Heap, context: &Context) -> Result<report::Heap> {
    let memory = open_file(path, base)?.in_place();
    let found = walk_recorded(&memory, path, None, &options(request), context)?;
    require_answer(request, &found)?;
    Ok(report::Heap {
        path: Some(path.display().to_string()),
        ..report::Heap::from_walk(&found, None, &[], request.top)
    })
}

/// Walks what a file holds.
///
/// # Errors
/// It may not be read, there is no room for what must be held, or a person interrupted.
pub fn walk_recorded(
    memory: &RecordedMemory,
    path: &Path,
    before: Option<&HeapResult>,
    options: &HeapOptions,
    context: &Context,
) -> Result<HeapResult> {
    memory.remarks().iter().for_each(|remark| (context.remark)(remark));
    let subject = || path.display().to_string();
    let fail = |error| Error::new(ErrorKind::Failed, "cannot walk the heap of", subject(), error);
    let mut stored = ByteCount::ZERO;
    for span in heap_spans(&memory.address_map().mappings) {
        stored += memory.residency(span).map_err(fail)?.present_bytes();
    }
    let held = if memory.is_in_place() { ByteCount::ZERO } else { stored };
    require_room(subject(), held, stored, context)?;
    let open = |mapping: &Mapping| open_as_recorded(memory, memory.address_map(), mapping);
    let names = Symbols::load(memory.address_map(), &open);
    context.progress.begin("walking the heap", None);
    let found = walk(memory, Some(&names), before, options);
    context.progress.end();
    check_interrupted(context)?;
    found.map_err(fail)
}

/// The file behind a mapping of a core, where this machine has the same: a core tells no inode, but it has the first page
/// of each module, in which the build id lies.
fn open_as_recorded(memory: &RecordedMemory, map: &AddressMap, mapping: &Mapping) -> io::Result<File> {
    let other = || io::Error::from(io::ErrorKind::NotFound);
    if memory.manifest().is_some() {
        return super::scan::open_here(mapping);
    }
    let file = File::open(&mapping.name)?;
    let same = |one: &&Mapping| one.name == mapping.name && one.offset == ByteCount::ZERO && one.span <= mapping.span;
    let head = map.mappings.iter().rev().find(same).ok_or_else(other)?;
    let (mut said, mut found) = ([0; 4096], [0; 4096]);
    let length = memory.read_at(head.span.start, &mut said).map_err(|_| other())?;
    file.read_exact_at(&mut found[..length], 0)?;
    if said[..length] == found[..length] { Ok(file) } else { Err(other()) }
}

//! `hex`: bytes with the addresses they have in the target, listed or searched for.

use memchr::memmem::Finder;

use super::copying::check_interrupted;
use super::scan::open_file;
use super::subject::{open_one, spans_of};
use super::{Context, Hex, Part, Subject};
use crate::error::{Error, ErrorKind, Result};
use crate::memory::{LiveMemory, MemorySource, ReadError};
use crate::report::{self, Document, Stretch};
use crate::space::RegionKind;
use crate::units::{Addr, ByteCount, Span};

/// What is listed at most: beyond it nobody reads, and `dump` is for files.
const MOST_LISTED: ByteCount = ByteCount::mib(16);
/// Places that a search tells; the listing shows the first of them.
const MOST_PLACES: usize = 1000;
const MOST_SHOWN: usize = 20;
/// Bytes searched at a time.
const WINDOW: usize = 256 * 1024;

/// Lists or searches.
///
/// # Errors
/// Nothing is there, it may not be read, the list is too long, or a person interrupted.
pub fn run(request: &Hex, context: &Context) -> Result<Vec<Document>> {
    let mut answer = report::Hex::default();
    match &request.subject {
        Subject::File { path, base } => {
            let memory = open_file(path, *base)?;
            answer.path = Some(path.display().to_string());
            let spans = memory.spans();
            look(request, &memory, spans, &path.display().to_string(), &mut answer, context)?;
        }
        Subject::Target(selector) => {
            let target = open_one(selector, context)?;
            target.access().require_memory_read(&target)?;
            let memory = LiveMemory::open(&target, target.address_map()?)?;
            answer.target = Some(report::TargetRow::from(target.identity()));
            let private = |kind| !matches!(kind, RegionKind::File | RegionKind::Special);
            let regions = memory.address_map().regions.iter().filter(|region| private(region.kind));
            let spans = regions.flat_map(|region| region.parts.clone()).collect();
            look(request, &memory, spans, &target.subject(), &mut answer, context)?;
        }
    }
    Ok(vec![Document::Hex(answer)])
}

fn look(
    request: &Hex,
    memory: &dyn MemorySource,
    everything: Vec<Span>,
    subject: &str,
    answer: &mut report::Hex,
    context: &Context,
) -> Result<()> {
    let unread = |error: ReadError| Error::new(ErrorKind::Failed, "cannot read", subject, error);
    let map = memory.address_map();
    match &request.find {
        Some(pattern) => {
            let spans = match request.part {
                None => everything,
                Some(Part::At(from)) => after(&everything, from),
                Some(part) => spans_of(part, map, subject)?,
            };
            answer.find = Some(String::from_utf8_lossy(pattern).into_owned());
            answer.matches = find(memory, &spans, pattern, context).map_err(unread)?;
            check_interrupted(context)?;
            for at in answer.matches.iter().take(MOST_SHOWN) {
                let stretch =
                    read(memory, Span::sized(at.align_down(ByteCount(16)), request.length)).map_err(unread)?;
                answer.stretches.push(stretch);
            }
            if answer.matches.len() > MOST_SHOWN {
                answer.warnings.push(format!("the first {MOST_SHOWN} places are shown; narrow it with --range"));
            }
            if answer.matches.len() == MOST_PLACES {
                answer.warnings.push(format!("the search ended after {MOST_PLACES} places; narrow it with --range"));
            }
        }
        None => {
            let span = listed(request, &everything, map, subject)?;
            answer.range = Some(span);
            answer.stretches = pieces(memory, span).map_err(unread)?;
        }
    }
    Ok(())
}

fn after(spans: &[Span], from: Addr) -> Vec<Span> {
    spans.iter().map(|span| Span::new(span.start.max(from), span.end)).filter(|span| !span.is_empty()).collect()
}

/// What is to be listed, cut to what was asked.
fn listed(request: &Hex, everything: &[Span], map: &crate::space::AddressMap, subject: &str) -> Result<Span> {
    let whole = match request.part {
        Some(Part::Span(span)) => span,
        Some(part) => spans_of(part, map, subject)?.first().copied().unwrap_or_default(),
        None => everything.first().copied().unwrap_or_default(),
    };
    let span = Span::sized(whole.start, whole.size().min(request.length));
    if span.size() > MOST_LISTED {
        let reason = format!("{} are more than a listing holds ({MOST_LISTED})", span.size());
        return Err(Error::new(ErrorKind::Usage, "cannot list", subject, reason)
            .with_hint("dump it to a file: leakscope dump TARGET --range …"));
    }
    Ok(span)
}

/// The readable parts of `span`; a fault in it is a gap, nothing readable at all is the fault of the first byte.
fn pieces(memory: &dyn MemorySource, span: Span) -> std::result::Result<Vec<Stretch>, ReadError> {
    const PAGE: ByteCount = ByteCount(4096);
    let mut pieces: Vec<Stretch> = Vec::new();
    let mut at = span.start;
    while at < span.end {
        match read(memory, Span::new(at, span.end)) {
            Ok(piece) => {
                at = at.plus(ByteCount(piece.bytes.len() as u64));
                pieces.push(piece);
            }
            Err(ReadError::Fault(_)) => at = at.plus(ByteCount(1)).align_up(PAGE),
            Err(error) => return Err(error),
        }
    }
    if pieces.is_empty() { Err(ReadError::Fault(span.start)) } else { Ok(pieces) }
}

fn read(memory: &dyn MemorySource, span: Span) -> std::result::Result<Stretch, ReadError> {
    let mut bytes = vec![0; usize::try_from(span.size().0).unwrap_or(0)];
    let length = if bytes.is_empty() { 0 } else { memory.read_at(span.start, &mut bytes)? };
    bytes.truncate(length);
    Ok(Stretch { start: span.start, bytes })
}

/// Where `pattern` begins in what is present of `spans`, also across windows.
fn find(
    memory: &dyn MemorySource,
    spans: &[Span],
    pattern: &[u8],
    context: &Context,
) -> std::result::Result<Vec<Addr>, ReadError> {
    let finder = Finder::new(pattern);
    let mut places = Vec::new();
    let mut window = Vec::with_capacity(WINDOW + pattern.len());
    let total = spans.iter().map(|span| span.size()).sum();
    context.progress.begin("searching", Some(total));
    for span in spans {
        for present in memory.residency(*span)?.present {
            search(memory, present, &finder, &mut window, &mut places, context)?;
        }
        context.progress.advance(span.size());
        if context.progress.interrupted() || places.len() >= MOST_PLACES {
            break;
        }
    }
    context.progress.end();
    places.truncate(MOST_PLACES);
    Ok(places)
}

fn search(
    memory: &dyn MemorySource,
    span: Span,
    finder: &Finder<'_>,
    window: &mut Vec<u8>,
    places: &mut Vec<Addr>,
    context: &Context,
) -> std::result::Result<(), ReadError> {
    let overlap = finder.needle().len().saturating_sub(1);
    let mut at = span.start;
    window.clear();
    while at < span.end && places.len() < MOST_PLACES && !context.progress.interrupted() {
        let kept = window.len();
        let wanted = span.end.since(at).0.min(WINDOW as u64) as usize;
        window.resize(kept + wanted, 0);
        let read = match memory.read_at(at, &mut window[kept..]) {
            Ok(read) => read,
            Err(ReadError::Fault(_)) => {
                // Gone since it was seen: go on behind the page, nothing reaches across it.
                window.clear();
                at = at.plus(ByteCount(1)).align_up(ByteCount(4096));
                continue;
            }
            Err(error) => return Err(error),
        };
        window.truncate(kept + read);
        let first = Addr(at.0 - kept as u64);
        places.extend(finder.find_iter(window).map(|offset| first.plus(ByteCount(offset as u64))));
        at = at.plus(ByteCount(read as u64));
        let rest = window.len().saturating_sub(overlap);
        window.drain(..rest);
    }
    Ok(())
}

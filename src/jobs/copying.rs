//! How the bytes of a live process reach a scan: read while it runs, copied in one stop, or copied in several short
//! ones where one would be long or the copy too large.

use std::time::{Duration, Instant};

use super::{Context, MethodChoice};
use crate::error::{Error, ErrorKind, Result};
use crate::explain::Notice;
use crate::memory::{Consistency, CopyOptions, Coverage, LiveMemory, Method, ReadError, stage, stream};
use crate::report::Snapshot;
use crate::scan::{ScanOptions, Scanner, scan_source};
use crate::space::AddressMap;
use crate::target::Target;
use crate::units::{ByteCount, Span};

/// What is copied in one stop where nothing was typed: 256 MiB are some 40 ms. More than that is taken in shorter
/// stops, because counts by shape need no single instant and the target needs its time.
const ONE_STOP: ByteCount = ByteCount::mib(256);
/// What leakscope needs beside tables and copies: its own code, symbols and buffers.
const OWN_NEEDS: ByteCount = ByteCount::mib(40);
/// Threads that copy during a stop.
const COPY_THREADS: usize = 2;

/// The bytes that were scanned: how they were had and what is missing.
pub struct Taken {
    /// For the document.
    pub snapshot: Snapshot,
    /// What to be careful about.
    pub notices: Vec<Notice>,
}

/// The size of a scan's tables within what leakscope may use.
pub fn scan_options(context: &Context) -> ScanOptions {
    let tables = ByteCount(context.max_memory.saturating_sub(OWN_NEEDS).0 / 2);
    ScanOptions { max_memory: tables.min(ScanOptions::default().max_memory) }
}

/// Feeds the bytes of `spans` to `scanner`.
///
/// # Errors
/// The target ended, may not be read or stopped, or a person interrupted.
pub fn take(
    target: &Target,
    map: &AddressMap,
    spans: &[Span],
    how: How,
    scanner: &mut Scanner<'_>,
    context: &Context,
) -> Result<Taken> {
    match how.method {
        MethodChoice::Live => take_live(target, map, spans, scanner, context),
        MethodChoice::Stop => take_stopped(target, map, spans, how, ByteCount(u64::MAX), scanner, context),
        MethodChoice::Auto => take_stopped(target, map, spans, how, ONE_STOP, scanner, context),
    }
}

/// What was decided on copying.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// Stop it or not.
    pub method: MethodChoice,
    /// Read swapped-out pages too.
    pub include_swapped: bool,
}

/// Feeds the bytes of `spans` to `scanner` without stopping the target.
///
/// # Errors
/// The target ended, may not be read, or a person interrupted.
pub fn take_live(
    target: &Target,
    map: &AddressMap,
    spans: &[Span],
    scanner: &mut Scanner<'_>,
    context: &Context,
) -> Result<Taken> {
    let began = Instant::now();
    let memory = LiveMemory::open(target, map.clone())?;
    let coverage = scan_source(scanner, &memory, spans, context.progress).map_err(|error| unread(target, &error))?;
    check_interrupted(context)?;
    let snapshot = Snapshot {
        method: Method::Live.to_string(),
        pause_ms: Some(0.0),
        bytes: coverage.copied,
        seconds: began.elapsed().as_secs_f64(),
        path: None,
    };
    let mut notices = cautions(&coverage);
    notices.push(Notice::LiveRead);
    Ok(Taken { snapshot, notices })
}

fn take_stopped(
    target: &Target,
    map: &AddressMap,
    spans: &[Span],
    how: How,
    one_stop: ByteCount,
    scanner: &mut Scanner<'_>,
    context: &Context,
) -> Result<Taken> {
    let began = Instant::now();
    let hard = context.max_memory.saturating_sub(OWN_NEEDS + scan_options(context).max_memory);
    let budget = if context.max_memory_is_hard { hard.min(one_stop) } else { one_stop };
    let options = CopyOptions { budget, include_swapped: how.include_swapped, threads: COPY_THREADS };
    if present(target, map, spans)? <= budget {
        let copied = stage(target, map.clone(), spans, &options, context.progress)?;
        scan_source(scanner, &copied.memory, spans, context.progress).map_err(|error| unread(target, &error))?;
        check_interrupted(context)?;
        let bytes = copied.coverage.copied;
        return Ok(Taken {
            snapshot: stopped(copied.pause, bytes, began.elapsed()),
            notices: cautions(&copied.coverage),
        });
    }
    let mut feed = |addr, bytes: &[u8]| scanner.feed(addr, bytes);
    let summary = stream(target, map, spans, &options, context.progress, &mut feed)?;
    scanner.end_span();
    let mut notices = cautions(&summary.coverage);
    if summary.consistency == Consistency::Stretches {
        notices.push(Notice::SeveralStops { stops: summary.stops });
    }
    Ok(Taken { snapshot: stopped(summary.pause, summary.coverage.copied, began.elapsed()), notices })
}

fn present(target: &Target, map: &AddressMap, spans: &[Span]) -> Result<ByteCount> {
    let mut present = ByteCount::ZERO;
    for span in spans {
        present += target.residency(*span, map)?.present_bytes();
    }
    Ok(present)
}

fn stopped(pause: Duration, bytes: ByteCount, took: Duration) -> Snapshot {
    Snapshot {
        method: Method::Stop.to_string(),
        pause_ms: Some(pause.as_secs_f64() * 1000.0),
        bytes,
        seconds: took.as_secs_f64(),
        path: None,
    }
}

/// What of a copy the reader must know is missing.
pub fn cautions(coverage: &Coverage) -> Vec<Notice> {
    let unreadable: ByteCount = coverage.gaps.iter().map(|gap| gap.size()).sum();
    let mut notices = Vec::new();
    if coverage.swapped > ByteCount::ZERO {
        notices.push(Notice::SwappedSkipped { bytes: coverage.swapped });
    }
    if unreadable > ByteCount::ZERO {
        notices.push(Notice::Unreadable { bytes: unreadable });
    }
    notices
}

/// `Interrupted` where a person asked to stop.
///
/// # Errors
/// That.
pub fn check_interrupted(context: &Context) -> Result<()> {
    if !context.progress.interrupted() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Interrupted, "stopped", "", "interrupted; the target runs on"))
}

fn unread(target: &Target, error: &ReadError) -> Error {
    let kind = match error {
        ReadError::Gone => ErrorKind::Gone,
        ReadError::Denied => ErrorKind::NotPermitted,
        ReadError::Fault(_) | ReadError::Io(_) => ErrorKind::Failed,
    };
    Error::new(kind, "cannot read the memory of", target.subject(), error)
}

//! How the bytes of a live process reach a scan: read while it runs, copied in one stop, or copied in several short
//! ones where one would be long or the copy too large.

use std::time::{Duration, Instant};

use super::{Context, MethodChoice};
use crate::error::{Error, ErrorKind, Result};
use crate::explain::Notice;
use crate::memory::{
    Consistency, CopyOptions, Coverage, LiveMemory, Method, ReadError, Wanted, Wish, missing_in_child, predict,
    stage_by, stream, ways,
};
use crate::report::Snapshot;
use crate::scan::{ScanOptions, Scanner, scan_source};
use crate::space::AddressMap;
use crate::target::{ChildSnapshot, Target};
use crate::units::{ByteCount, Span};

/// What is copied in one stop where nothing was typed: 256 MiB are some 40 ms. More than that is taken in shorter
/// stops, because counts by shape need no single instant and the target needs its time.
const ONE_STOP: ByteCount = ByteCount::mib(256);
/// What leakscope needs beside tables and copies: its own code, symbols and buffers.
pub const OWN_NEEDS: ByteCount = ByteCount::mib(40);
/// Threads that copy during a stop.
pub const COPY_THREADS: usize = 2;

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
    if how.method == MethodChoice::Live {
        return take_live(target, map, spans, scanner, context);
    }
    let predictions = predict(target, map, spans)?;
    let present = present(target, map, spans)?;
    let room = budget(ONE_STOP, context);
    target.heal();
    let mut declined = Vec::new();
    for method in ways(target, &predictions, how.wish())? {
        // What is to be of one instant and does not fit into memory is read from a child, else in several stops.
        let is_asked = how.method != MethodChoice::Auto;
        let fits = present <= if is_asked { budget(ByteCount(u64::MAX), context) } else { room };
        let taken = match method {
            Method::Idle | Method::Precopy if fits || is_asked => {
                take_copied(method, target, map, spans, how, scanner, context)
            }
            Method::Fork => take_forked(target, map, spans, scanner, context),
            Method::Stop => {
                let one_stop = if is_asked { ByteCount(u64::MAX) } else { ONE_STOP };
                take_stopped(target, map, spans, how, one_stop, scanner, context)
            }
            Method::Idle | Method::Precopy | Method::Live => continue,
        };
        match taken {
            // Nothing has been fed yet: the next way may do.
            Err(error) if error.kind() == ErrorKind::Failed && !is_asked && method != Method::Stop => {
                declined.push(Notice::FellBack { method: method.to_string(), why: error.to_string() });
            }
            Err(error) => return Err(error),
            Ok(mut taken) => {
                taken.notices.append(&mut declined);
                return Ok(taken);
            }
        }
    }
    let reason = declined.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    Err(Error::new(ErrorKind::Failed, "cannot copy the memory of", target.subject(), reason)
        .with_hint("raise --max-memory or --max-pause, or read it as it runs with --method live"))
}

/// What was decided on copying.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// Which way.
    pub method: MethodChoice,
    /// The longest it may be stopped.
    pub max_pause: Option<Duration>,
    /// Read swapped-out pages too.
    pub include_swapped: bool,
}

impl How {
    fn wish(&self) -> Wish {
        wish(self.method, self.max_pause)
    }
}

/// What was typed, as the memory's ladder takes it.
pub fn wish(method: MethodChoice, max_pause: Option<Duration>) -> Wish {
    let method = match method {
        MethodChoice::Auto => None,
        MethodChoice::Live => Some(Method::Live),
        MethodChoice::Idle => Some(Method::Idle),
        MethodChoice::Precopy => Some(Method::Precopy),
        MethodChoice::Fork => Some(Method::Fork),
        MethodChoice::Stop => Some(Method::Stop),
    };
    Wish { method, max_pause }
}

/// The ways that were not taken, as cautions.
pub fn fell_back(declined: &[(Method, String)]) -> impl Iterator<Item = Notice> + '_ {
    declined.iter().map(|(method, why)| Notice::FellBack { method: method.to_string(), why: why.clone() })
}

/// What a copy may take.
fn budget(one_stop: ByteCount, context: &Context) -> ByteCount {
    let hard = context.max_memory.saturating_sub(OWN_NEEDS + scan_options(context).max_memory);
    if context.max_memory_is_hard { hard.min(one_stop) } else { one_stop }
}

fn take_copied(
    method: Method,
    target: &Target,
    map: &AddressMap,
    spans: &[Span],
    how: How,
    scanner: &mut Scanner<'_>,
    context: &Context,
) -> Result<Taken> {
    let began = Instant::now();
    let budget = budget(ByteCount(u64::MAX), context);
    let include_swapped = how.include_swapped;
    let options = CopyOptions { budget, include_swapped, threads: COPY_THREADS, spool: None };
    let copied = stage_by(method, target, map.clone(), Wanted::Spans(spans), &options, context.progress)?;
    scan_source(scanner, &copied.memory, spans, context.progress).map_err(|error| unread(target, &error))?;
    check_interrupted(context)?;
    let snapshot = snapshot(method, copied.pause, copied.coverage.copied, began.elapsed());
    Ok(Taken { snapshot, notices: cautions(&copied.coverage) })
}

fn take_forked(
    target: &Target,
    map: &AddressMap,
    spans: &[Span],
    scanner: &mut Scanner<'_>,
    context: &Context,
) -> Result<Taken> {
    let began = Instant::now();
    let child = ChildSnapshot::take(target)?;
    if let Some(objection) = missing_in_child(&child, map, spans)? {
        return Err(Error::new(ErrorKind::Failed, "cannot take a snapshot of", target.subject(), objection));
    }
    let memory = LiveMemory::of_child(&child, map.clone())?;
    let coverage = match scan_source(scanner, &memory, spans, context.progress) {
        Ok(coverage) => coverage,
        // A part has been fed to the scan: it cannot begin again.
        Err(error) => {
            let told = match error {
                ReadError::Gone => child.given_up(),
                error => unread(target, &error),
            };
            return Err(Error::new(ErrorKind::Gone, "cannot finish a scan of", target.subject(), told)
                .with_hint("the target is unharmed: use --method stop"));
        }
    };
    check_interrupted(context)?;
    let snapshot = snapshot(Method::Fork, child.pause(), coverage.copied, began.elapsed());
    Ok(Taken { snapshot, notices: cautions(&coverage) })
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
    let budget = budget(one_stop, context);
    let include_swapped = how.include_swapped;
    let options = CopyOptions { budget, include_swapped, threads: COPY_THREADS, spool: None };
    if present(target, map, spans)? <= budget {
        return take_copied(Method::Stop, target, map, spans, how, scanner, context);
    }
    let mut feed = |addr, bytes: &[u8]| scanner.feed(addr, bytes);
    let summary = stream(target, map, spans, &options, context.progress, &mut feed)?;
    scanner.end_span();
    let mut notices = cautions(&summary.coverage);
    if summary.consistency == Consistency::Stretches {
        notices.push(Notice::SeveralStops { stops: summary.stops });
    }
    let snapshot = snapshot(Method::Stop, summary.pause, summary.coverage.copied, began.elapsed());
    Ok(Taken { snapshot, notices })
}

/// What of `spans` is in memory.
///
/// # Errors
/// The target ended or may not be read.
pub fn present(target: &Target, map: &AddressMap, spans: &[Span]) -> Result<ByteCount> {
    let mut present = ByteCount::ZERO;
    for span in spans {
        present += target.residency(*span, map)?.present_bytes();
    }
    Ok(present)
}

fn snapshot(method: Method, pause: Duration, bytes: ByteCount, took: Duration) -> Snapshot {
    Snapshot {
        method: method.to_string(),
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

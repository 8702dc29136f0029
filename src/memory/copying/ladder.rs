//! The ways to take bytes from a live target, what each would cost it, and which are tried, the gentlest first.
//! Predictions alone; nothing is touched for them.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::precopy::LAST_COPY;
use crate::error::{Error, ErrorKind, Result};
use crate::space::spans::joined;
use crate::space::{AddressMap, Mapping};
use crate::target::{ChildSnapshot, ForkCost, Target, WriteTracker};
use crate::units::{ByteCount, Span};

/// How bytes were taken from a live target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// While it ran: bytes of several moments.
    Live,
    /// Without a stop, while nobody in it ran.
    Idle,
    /// While it ran, with a stop for what was written last.
    Precopy,
    /// From a copy-on-write child.
    Fork,
    /// While it stood still.
    Stop,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Method::Live => "live",
            Method::Idle => "idle",
            Method::Precopy => "precopy",
            Method::Fork => "fork",
            Method::Stop => "stop",
        })
    }
}

/// What somebody asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// This way alone; `None` for the gentlest that gives one instant.
    pub method: Option<Method>,
    /// No way that is expected to take longer than this of the target's time.
    pub max_pause: Option<Duration>,
}

/// What one way is expected to cost the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prediction {
    /// The way.
    pub method: Method,
    /// The longest a thread of it stands still.
    pub pause: Duration,
    /// Page tables added while it lasts.
    pub page_tables: ByteCount,
    /// Memory that its own writes take twice while it lasts, at most.
    pub copy_on_write: ByteCount,
    /// What is left below the nearest limit at which the kernel kills, where that matters.
    pub headroom: Option<ByteCount>,
    /// Why it cannot be done so.
    pub objection: Option<String>,
}

/// How long a process is watched to see whether anybody runs.
const WATCH: Duration = Duration::from_millis(10);
/// A stop shorter than this is gentler than having the target make a system call.
const BARELY_FELT: Duration = Duration::from_millis(2);
/// Copying during a stop, two threads: 7 GB/s.
const STOP_PER_GIB: Duration = Duration::from_millis(150);
/// Looking through the page table of a GiB, and copying the last writes.
const LOOK_PER_GIB: Duration = Duration::from_micros(700);
const LAST_WRITES: Duration = Duration::from_millis(1);
const PER_THREAD: Duration = Duration::from_micros(10);
const BARE_STOP: Duration = Duration::from_micros(300);

impl Prediction {
    fn free(method: Method, pause: Duration) -> Prediction {
        Prediction {
            method,
            pause,
            page_tables: ByteCount::ZERO,
            copy_on_write: ByteCount::ZERO,
            headroom: None,
            objection: None,
        }
    }

    fn objecting(self, objection: impl Into<String>) -> Prediction {
        Prediction { objection: Some(objection.into()), ..self }
    }
}

/// What each way to copy `spans` at one instant is expected to cost, the gentlest first.
///
/// # Errors
/// `Gone`, `NotPermitted`, or `Failed` with the kernel's reason.
pub fn predict(target: &Target, map: &AddressMap, spans: &[Span]) -> Result<Vec<Prediction>> {
    let mut present = ByteCount::ZERO;
    for span in joined(spans.to_vec()) {
        present += target.residency(span, map)?.present_bytes();
    }
    let gib = present.0 as f64 / (1u64 << 30) as f64;
    let threads = PER_THREAD * u32::try_from(target.thread_ids()?.len()).unwrap_or(u32::MAX / 1024);
    let stop = Prediction::free(Method::Stop, BARE_STOP + threads + STOP_PER_GIB.mul_f64(gib));
    let pause = BARE_STOP + threads + LAST_WRITES + LOOK_PER_GIB.mul_f64(gib);
    let precopy = precopy_of(target, map, spans, Prediction::free(Method::Precopy, pause))?;
    let fork = fork_of(target, map, spans, present);
    let mut stopping = vec![stop, precopy, fork];
    stopping.sort_by_key(|way| (way.pause > BARELY_FELT || way.method != Method::Stop, way.pause));
    stopping.insert(0, idle_of(target));
    Ok(stopping)
}

/// The ways to be tried for `wish`, in order.
///
/// # Errors
/// `Failed` where none is left, with what speaks against each.
pub fn ways(target: &Target, predictions: &[Prediction], wish: Wish) -> Result<Vec<Method>> {
    if wish.method == Some(Method::Live) {
        return Ok(vec![Method::Live]);
    }
    let too_long = |way: &Prediction| wish.max_pause.is_some_and(|longest| way.pause > longest);
    let asked = |way: &&Prediction| wish.method.is_none_or(|method| method == way.method);
    let considered: Vec<&Prediction> = predictions.iter().filter(asked).collect();
    let fit = considered.iter().filter(|way| way.objection.is_none() && !too_long(way));
    let ways: Vec<Method> = fit.map(|way| way.method).collect();
    if !ways.is_empty() {
        return Ok(ways);
    }
    let told = considered.iter().map(|way| match &way.objection {
        Some(objection) => format!("{}: {objection}", way.method),
        None => format!("{}: some {:.1} ms", way.method, way.pause.as_secs_f64() * 1000.0),
    });
    let told = told.collect::<Vec<_>>().join("; ");
    let hint = match wish.max_pause {
        Some(_) => "raise --max-pause, or read it as it runs with --method live",
        None => "leave the choice to --method auto",
    };
    Err(Error::new(ErrorKind::Failed, "cannot take a snapshot of", target.subject(), told).with_hint(hint))
}

fn idle_of(target: &Target) -> Prediction {
    let idle = Prediction::free(Method::Idle, Duration::ZERO);
    let Some(before) = target.stillness() else { return idle.objecting("a thread of it runs") };
    std::thread::sleep(WATCH);
    if target.stillness() == Some(before) { idle } else { idle.objecting("a thread of it runs now and then") }
}

fn precopy_of(target: &Target, map: &AddressMap, spans: &[Span], way: Prediction) -> Result<Prediction> {
    if let Err(objection) = WriteTracker::predict(target) {
        return Ok(way.objecting(objection));
    }
    let mut untracked = ByteCount::ZERO;
    let tracked = WriteTracker::trackable(&map.mappings, spans);
    for mapping in map.mappings.iter().filter(|mapping| !tracked.iter().any(|span| span.overlaps(mapping.span))) {
        for span in spans.iter().map(|span| mapping.span.intersection(*span)).filter(|part| !part.is_empty()) {
            untracked += target.residency(span, map)?.present_bytes();
        }
    }
    if untracked > LAST_COPY {
        return Ok(way.objecting(format!("{untracked} of it are shared or mapped from files")));
    }
    Ok(way)
}

fn fork_of(target: &Target, map: &AddressMap, spans: &[Span], present: ByteCount) -> Prediction {
    let way = Prediction::free(Method::Fork, Duration::ZERO);
    let cost = match ForkCost::predict(target) {
        Ok(cost) => cost,
        Err(objection) => return way.objecting(objection),
    };
    let way = Prediction {
        pause: cost.pause,
        page_tables: cost.page_tables,
        copy_on_write: present,
        headroom: Some(cost.headroom),
        ..way
    };
    let shares = |mapping: &&Mapping| mapping.permissions.shared && mapping.permissions.write;
    let mut shared = map.mappings.iter().filter(shares).map(|mapping| mapping.span);
    if shared.any(|shared| spans.iter().any(|span| span.overlaps(shared))) {
        return way.objecting("part of it is shared memory, which a child shares too");
    }
    way
}

/// What of `spans` the child has not, or not as it was at that instant; looked at in the child alone.
///
/// # Errors
/// `Gone` where the child is.
pub fn missing_in_child(snapshot: &ChildSnapshot, map: &AddressMap, spans: &[Span]) -> Result<Option<String>> {
    let there = snapshot.child().mappings()?;
    let asked = |span: Span| spans.iter().any(|asked| asked.overlaps(span));
    let wanted = || map.mappings.iter().filter(|mapping| asked(mapping.span));
    let has = |mapping: &Mapping| there.iter().any(|other| other.span.overlaps(mapping.span));
    if !wanted().all(has) || snapshot.child().unforked()?.into_iter().any(asked) {
        let why = "not given to children (MADV_DONTFORK, MADV_WIPEONFORK or hugetlb), or changed meanwhile";
        return Ok(Some(format!("part of it is {why}")));
    }
    let shares = |mapping: &Mapping| mapping.permissions.shared && mapping.permissions.write;
    Ok(wanted().any(shares).then(|| "part of it is shared memory, which a child shares too".into()))
}

/// One line on a way, as `stop ~4 ms, page tables +0`.
impl fmt::Display for Prediction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ~{:.1} ms", self.method, self.pause.as_secs_f64() * 1000.0)?;
        write!(f, ", page tables +{}", self.page_tables)?;
        match self.headroom {
            Some(headroom) => write!(f, ", copy-on-write ≤ {} of {headroom} headroom", self.copy_on_write)?,
            None => write!(f, ", copy-on-write none")?,
        }
        match &self.objection {
            Some(objection) => write!(f, ": no, {objection}"),
            None => write!(f, ": go"),
        }
    }
}

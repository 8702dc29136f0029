//! Which pages a target writes, told by the kernel without stopping it: a userfaultfd of the target's own address
//! space with asynchronous write protection (Linux 6.7), created by the target on our behalf and taken over. It goes
//! with us: when the descriptor is closed, in any way, the kernel lifts all protection.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::huge_pages::HugePages;
use super::site::Site;
use crate::error::{Error, ErrorKind, Result};
use crate::space::spans::{joined, outside, within};
use crate::space::{AddressMap, Mapping};
use crate::sys::aside::{self, Aside, Talk};
use crate::sys::{pagemap_scan, userfaultfd};
use crate::target::Target;
use crate::target::pause::refusal::{Refusal, refuse};
use crate::units::{ByteCount, Span};

/// The kernel holds the target's address space for what is done in one call: 4 MiB are 0.2 ms.
const STEP: ByteCount = ByteCount::mib(4);

/// What was mapped anew is copied with what lies so near to it.
const GRAIN: ByteCount = ByteCount::kib(64);

/// What one page of page table stands for.
const BLOCK: ByteCount = ByteCount::mib(2);

/// Tells writes to some spans of a target's memory.
#[derive(Debug)]
pub struct WriteTracker<'t> {
    target: &'t Target,
    fd: OwnedFd,
    pagemap: File,
    map: AddressMap,
    registered: Vec<Span>,
    /// The part of that in which something is or was: to protect the rest would give it page tables, for good.
    tracked: Vec<Span>,
    pause: Duration,
    /// Last, when nothing is protected any more.
    _huge: Option<HugePages>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Begun {
    Taken { stood: Duration },
    Refused(Refusal),
}

impl<'t> WriteTracker<'t> {
    /// Begins to tell writes to the anonymous private part of `spans`.
    ///
    /// # Errors
    /// `Failed` where the kernel cannot (before 6.7), or it cannot be done safely; as for a pause otherwise.
    pub fn begin(target: &'t Target, mappings: &[Mapping], spans: &[Span]) -> Result<WriteTracker<'t>> {
        let unfit = |reason| refuse(target, Refusal::Unfit(reason));
        target.heal();
        let site = Site::find(target).map_err(unfit)?;
        let pidfd = target.pidfd().ok_or_else(|| unfit("the kernel has no pidfds (Linux 5.3)".into()))?;
        let (fd, pause) = take_over(target, &site, pidfd)?;
        userfaultfd::agree(fd.as_fd()).map_err(|error| unfit(cannot_track(&error)))?;
        let pagemap = target.proc_file("pagemap").map_err(|error| target.failure("cannot track", &error))?;
        let map = AddressMap { mappings: mappings.to_vec(), regions: Vec::new() };
        let trackable = WriteTracker::trackable(mappings, spans);
        let _huge = HugePages::among(target, &trackable);
        let (registered, tracked) = (Vec::new(), Vec::new());
        let mut tracker = WriteTracker { target, fd, pagemap, map, registered, tracked, pause, _huge };
        for span in trackable {
            tracker.register(span).map_err(|error| unfit(cannot_track(&error)))?;
        }
        tracker.track_more()?;
        Ok(tracker)
    }

    /// Whether it can be begun, as far as that shows without touching the target; otherwise why not.
    pub fn predict(target: &Target) -> std::result::Result<(), String> {
        super::site::refuse_unfit(target)?;
        if target.pidfd().is_none() {
            return Err("the kernel has no pidfds (Linux 5.3)".into());
        }
        let pagemap = target.proc_file("pagemap").map_err(|error| error.to_string())?;
        // An empty walk tells whether the kernel knows the call.
        match pagemap_scan::protect(&pagemap, Span::sized(crate::units::Addr(0), ByteCount::kib(4))) {
            Err(error) if error.raw_os_error() == Some(libc::ENOTTY) => {
                Err("the kernel cannot tell its writes (Linux 6.7 can)".into())
            }
            _ => Ok(()),
        }
    }

    /// The part of `spans` whose writes can be told: anonymous private memory.
    pub fn trackable(mappings: &[Mapping], spans: &[Span]) -> Vec<Span> {
        let is_own = |mapping: &&Mapping| {
            let special = mapping.name.starts_with("[v") || mapping.name.starts_with("[uprobes");
            !mapping.permissions.shared && !mapping.has_file() && !special
        };
        let own = mappings.iter().filter(is_own);
        own.flat_map(|mapping| spans.iter().map(|span| mapping.span.intersection(*span)))
            .filter(|part| !part.is_empty())
            .collect()
    }

    fn register(&mut self, span: Span) -> io::Result<()> {
        match userfaultfd::register(self.fd.as_fd(), span) {
            Ok(()) => self.registered.push(span),
            // Unmapped meanwhile: the final look at the mappings tells.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOMEM | libc::EINVAL)) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Tracks the blocks in which something has come to be, and gives those.
    fn track_more(&mut self) -> Result<Vec<Span>> {
        let there = self.target.residency_of(&self.registered, &self.map)?;
        let blocks = there.present.iter().chain(&there.swapped);
        let blocks = blocks.map(|span| Span::new(span.start.align_down(BLOCK), span.end.align_up(BLOCK)));
        let blocks = joined(blocks.collect());
        let held: Vec<Span> = self.registered.iter().flat_map(|span| within(&blocks, *span)).collect();
        let new: Vec<Span> = held.iter().flat_map(|span| outside(&self.tracked, *span)).collect();
        for step in new.iter().flat_map(|span| steps(*span)) {
            let done = pagemap_scan::protect(&self.pagemap, step).or_else(past_unmapped);
            done.map_err(|error| refuse(self.target, Refusal::Unfit(cannot_track(&error))))?;
        }
        self.tracked = joined(self.tracked.iter().chain(&new).copied().collect());
        Ok(new)
    }

    /// What is tracked, in order; the rest of the asked spans is not.
    pub fn tracked(&self) -> &[Span] {
        &self.tracked
    }

    /// How long a thread stood still for it.
    pub fn pause(&self) -> Duration {
        self.pause
    }

    /// Pages written, dropped or new since the last look. They are tracked anew, and so is what came up beside them.
    ///
    /// # Errors
    /// The kernel's; `Gone` where the target ended.
    pub fn written(&mut self) -> Result<Vec<Span>> {
        let mut spans = Vec::new();
        for step in self.tracked.iter().flat_map(|span| steps(*span)) {
            self.written_in(step, true, &mut spans)?;
        }
        spans.append(&mut self.track_more()?);
        Ok(joined(spans))
    }

    /// The same for the last look, at a target that stands still.
    ///
    /// # Errors
    /// As [`WriteTracker::written`].
    pub fn written_last(&self) -> Result<Vec<Span>> {
        let mut spans = Vec::new();
        self.tracked.iter().try_for_each(|span| self.written_in(*span, false, &mut spans))?;
        Ok(joined(spans))
    }

    fn written_in(&self, span: Span, again: bool, spans: &mut Vec<Span>) -> Result<()> {
        match pagemap_scan::written(&self.pagemap, span, again, &mut |span| spans.push(span)) {
            // Part of it was mapped anew and is tracked no more: that part is looked for. Not where pages are protected
            // again: what the failed call has protected it does not tell, so that all of the span counts as written.
            Err(error) if is_unmapped(&error) && !again && span.size() > GRAIN => {
                let middle =
                    span.start.plus(ByteCount(span.size().0 / 2)).align_down(GRAIN).max(span.start.plus(GRAIN));
                self.written_in(Span::new(span.start, middle), again, spans)?;
                self.written_in(Span::new(middle, span.end), again, spans)?;
            }
            Err(error) if is_unmapped(&error) => spans.push(span),
            other => other.map_err(|error| self.target.failure("cannot track", &error))?,
        }
        Ok(())
    }

    /// The page table, for a look at single pages.
    pub fn pagemap(&self) -> &File {
        &self.pagemap
    }
}

impl Drop for WriteTracker<'_> {
    /// In steps: closing the descriptor would lift the protection of all in one go, 10 ms for a GiB during which the
    /// target can map nothing.
    fn drop(&mut self) {
        for step in self.registered.iter().flat_map(|span| steps(*span)) {
            // Unmapped meanwhile; what is left goes with the descriptor.
            let _ = userfaultfd::unregister(self.fd.as_fd(), step);
        }
    }
}

fn steps(span: Span) -> impl Iterator<Item = Span> {
    (0..span.size().0.div_ceil(STEP.0)).map(move |step| {
        let start = span.start.plus(ByteCount(step * STEP.0));
        Span::sized(start, STEP.min(span.end.since(start)))
    })
}

/// PM_SCAN_CHECK_WPASYNC answers EPERM for addresses that are not registered, as those mapped anew.
fn is_unmapped(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EPERM)
}

fn past_unmapped(error: io::Error) -> io::Result<()> {
    if is_unmapped(&error) { Ok(()) } else { Err(error) }
}

fn cannot_track(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EINVAL | libc::ENOTTY) => "the kernel cannot tell its writes (Linux 6.7 can)".into(),
        Some(libc::EBUSY) => "it uses userfaultfd itself".into(),
        _ => format!("its writes cannot be tracked: {error}"),
    }
}

/// Has the target create a userfaultfd, takes it and has the target close its own.
fn take_over(target: &Target, site: &Site, pidfd: &OwnedFd) -> Result<(OwnedFd, Duration)> {
    let failed = |error| target.failure("cannot track the writes of", &error);
    let mem = target.writable_memory().map_err(failed)?;
    let keep = [mem.as_fd(), pidfd.as_fd()];
    let mut maker: Aside = aside::begin(&keep, |talk| make(site, &mem, pidfd, talk)).map_err(failed)?;
    let lost =
        || Error::new(ErrorKind::Failed, "cannot track the writes of", target.subject(), "the helper was killed");
    let talk = maker.talk().ok_or_else(lost)?;
    match talk.hear().unwrap_or(Begun::Refused(Refusal::Gone)) {
        Begun::Taken { stood } => Ok((talk.take().map_err(|_| lost())?, stood)),
        Begun::Refused(Refusal::Gone) => {
            target.check_alive()?;
            Err(lost())
        }
        Begun::Refused(refusal) => Err(refuse(target, refusal)),
    }
}

#[cfg(target_arch = "x86_64")]
fn make(site: &Site, mem: &File, pidfd: &OwnedFd, talk: &mut Talk) {
    use crate::sys::{inject::Seat, pidfd};
    let mut work = |seat: &mut Seat<'_>| -> io::Result<std::result::Result<OwnedFd, i64>> {
        let number = seat.call(libc::SYS_userfaultfd, &[userfaultfd::FLAGS])?;
        if number < 0 {
            return Ok(Err(number));
        }
        let taken = pidfd::take(pidfd.as_fd(), number as i32);
        seat.call(libc::SYS_close, &[number as u64])?;
        Ok(taken.map_err(|error| -i64::from(error.raw_os_error().unwrap_or(libc::EIO))))
    };
    let refused = |code: i64| {
        let reason = io::Error::from_raw_os_error(-code as i32);
        Begun::Refused(Refusal::Unfit(format!("the kernel refuses it a userfaultfd: {reason}")))
    };
    match super::sitting::with_seat(site, mem, &mut work) {
        Ok(done) => match done.answer {
            Ok(fd) => {
                let _ = talk.say(&Begun::Taken { stood: done.stood }).and_then(|()| talk.hand(fd.as_fd()));
            }
            Err(code) => {
                let _ = talk.say(&refused(code));
            }
        },
        Err(refusal) => {
            let _ = talk.say(&Begun::Refused(refusal));
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn make(_: &Site, _: &File, _: &OwnedFd, talk: &mut Talk) {
    let _ = talk.say(&Begun::Refused(Refusal::Unfit("system calls are injected on x86-64 alone".into())));
}

//! What every way of copying needs: where the pages are, memory for them that can be spared, and what is done at one
//! moment.

use std::collections::VecDeque;
use std::path::Path;

use super::copy::{Copied, copy};
use super::reader::Reader;
use super::wanted::Wanted;
use crate::error::{Error, ErrorKind, Result};
use crate::memory::ReadError;
use crate::progress::Progress;
use crate::space::AddressMap;
use crate::space::spans::{joined, total};
use crate::sys::pages::Pages;
use crate::target::{Target, machine_memory};
use crate::units::{Addr, ByteCount, Span};

/// How to copy.
#[derive(Clone, Copy, Debug)]
pub struct CopyOptions<'o> {
    /// Memory the copy may take.
    pub budget: ByteCount,
    /// Copies swapped-out pages too, which brings them back into the target's memory.
    pub include_swapped: bool,
    /// Threads that copy; two are nearly twice as fast as one, more gain little.
    pub threads: usize,
    /// A folder in which a file without a name holds the copy, in place of memory.
    pub spool: Option<&'o Path>,
}

impl Default for CopyOptions<'_> {
    fn default() -> Self {
        CopyOptions { budget: ByteCount::mib(256), include_swapped: false, threads: 2, spool: None }
    }
}

/// Refuses to take memory that the machine, or the cgroup we run in, does not have to spare.
pub(in crate::memory) fn afford(target: &Target, bytes: ByteCount) -> Result<()> {
    if is_affordable(bytes)? {
        return Ok(());
    }
    let reason = format!("the copy needs {} and {} can be spared", with_margin(bytes), spare()?);
    Err(Error::new(ErrorKind::Failed, "cannot copy the memory of", target.subject(), reason)
        .with_hint("narrow the range or lower --max-memory to copy in several short stops"))
}

/// Whether `bytes` and a tenth more can be spared.
pub(in crate::memory) fn is_affordable(bytes: ByteCount) -> Result<bool> {
    Ok(spare()? >= with_margin(bytes))
}

fn spare() -> Result<ByteCount> {
    Ok(machine_memory()?.spare)
}

fn with_margin(bytes: ByteCount) -> ByteCount {
    bytes + ByteCount(bytes.0 / 10)
}

/// Room for what the target grows by between the measuring and the stop.
fn with_slack(need: ByteCount) -> ByteCount {
    need + ByteCount(need.0 / 16) + ByteCount::mib(4)
}

#[derive(Clone, Copy)]
pub(super) struct Copier<'c> {
    pub target: &'c Target,
    pub map: &'c AddressMap,
    pub reader: &'c Reader,
    pub options: &'c CopyOptions<'c>,
    pub progress: &'c dyn Progress,
}

/// What was found and copied at one moment.
pub(super) struct Now {
    pub map: AddressMap,
    pub spans: Vec<Span>,
    pub copied: std::result::Result<Copied, ReadError>,
    pub swapped: Vec<Span>,
}

/// Where the pages of some spans are.
pub(super) struct Runs {
    pub present: Vec<Span>,
    pub swapped: Vec<Span>,
}

impl Copier<'_> {
    pub fn runs(&self, spans: &[Span]) -> Result<Runs> {
        let mut runs = Runs { present: Vec::new(), swapped: Vec::new() };
        for span in spans {
            let residency = self.target.residency(*span, self.map)?;
            runs.present.extend(residency.present);
            runs.swapped.extend(residency.swapped);
        }
        if self.options.include_swapped {
            runs.present.append(&mut runs.swapped);
        }
        Ok(Runs { present: joined(runs.present), swapped: joined(runs.swapped) })
    }

    /// Memory for a copy of what is `present`, and some for what comes meanwhile.
    pub fn reserve_for(&self, present: &[Span]) -> Result<Pages> {
        let (target, budget) = (self.target, self.options.budget);
        let need = total(present);
        if let Some(folder) = self.options.spool {
            return self.reserve_in(folder, with_slack(need));
        }
        if need > budget {
            let reason = format!("{need} are to be copied and {budget} are allowed");
            return Err(Error::new(ErrorKind::Failed, "cannot copy the memory of", target.subject(), reason)
                .with_hint("narrow the range or raise --max-memory"));
        }
        afford(target, need)?;
        self.progress.begin("preparing", None);
        let pages = self.reserve(with_slack(need).min(budget.max(need)));
        self.progress.end();
        pages
    }

    fn reserve_in(&self, folder: &Path, size: ByteCount) -> Result<Pages> {
        let reserved = tempfile::tempfile_in(folder).and_then(|file| Pages::reserve_in(&file, size));
        reserved.map_err(|error| {
            let subject = format!("{size} in {}", folder.display());
            Error::new(ErrorKind::Failed, "cannot reserve for a copy", subject, error)
        })
    }

    pub fn reserve(&self, size: ByteCount) -> Result<Pages> {
        let reserved = Pages::reserve(size);
        let mut pages = reserved.map_err(|error| {
            let subject = self.target.subject();
            Error::new(ErrorKind::Failed, "cannot reserve memory for a copy of", subject, format!("{size}: {error}"))
        })?;
        pages.touch(self.options.threads);
        Ok(pages)
    }

    /// Finds anew what is there of `wanted` and copies it: what is done in a stop, and nothing else is.
    pub fn copy_now(&self, wanted: Wanted<'_>, pages: &mut Pages) -> Result<Now> {
        let map = wanted.map_now(self.map, self.target)?;
        let spans = wanted.among(&map.mappings);
        let runs = Copier { map: &map, ..*self }.runs(&spans)?;
        let copied = copy(self.reader, &runs.present, pages, self.options.threads, self.progress);
        Ok(Now { map, spans, copied, swapped: runs.swapped })
    }

    /// Takes spans off `ahead` until about `room` bytes of them are there to be copied, and says how many are. Looks
    /// in steps, so that a long region is not measured whole for every stop.
    pub fn next_window(&self, ahead: &mut VecDeque<Span>, room: ByteCount) -> Result<(Vec<Span>, ByteCount)> {
        let first_step = ByteCount(room.0.saturating_mul(4));
        let (mut window, mut found, mut step) = (Vec::new(), ByteCount::ZERO, first_step);
        while let Some(span) = ahead.pop_front() {
            let look = Span::sized(span.start, span.size().min(step));
            let present = self.runs(&[look])?.present;
            let (until, bytes) = reach(&present, look.end, room.saturating_sub(found));
            found += bytes;
            step = if bytes == ByteCount::ZERO { ByteCount(step.0.saturating_mul(2)) } else { first_step };
            window.push(Span::new(span.start, until));
            if until < span.end {
                ahead.push_front(Span::new(until, span.end));
            }
            if found >= room {
                break;
            }
        }
        Ok((joined(window), found))
    }
}

/// How far one gets through `present`, which ends before `end`, with `room`, and what that takes.
fn reach(present: &[Span], end: Addr, room: ByteCount) -> (Addr, ByteCount) {
    let mut taken = ByteCount::ZERO;
    for run in present {
        if taken + run.size() > room {
            return (run.start.plus(room.saturating_sub(taken)), room);
        }
        taken += run.size();
    }
    (end, taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_where_the_room_does() {
        let present = [Span::new(Addr(10), Addr(20)), Span::new(Addr(30), Addr(50))];
        assert_eq!(reach(&present, Addr(100), ByteCount(15)), (Addr(35), ByteCount(15)));
        assert_eq!(reach(&present, Addr(100), ByteCount(30)), (Addr(100), ByteCount(30)));
        assert_eq!(reach(&[], Addr(100), ByteCount(5)), (Addr(100), ByteCount::ZERO));
    }
}

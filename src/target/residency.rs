//! Which pages of a target are in memory, in swap or absent, and how much private memory is held, without reading
//! (and so without growing) it: PAGEMAP_SCAN (Linux 6.7), else /proc/PID/pagemap.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use nix::unistd::{SysconfVar, sysconf};

use super::opening::Target;
use crate::error::Result;
use crate::space::{AddressMap, Mapping, Residency};
use crate::sys::pagemap_scan::{Query, Stretch, category, walk};
use crate::units::{Addr, ByteCount, Span};

const READING: &str = "cannot read the page table of";

/// Almost every page that is there answers, and the number of answers bounds a call; the rest are gaps between
/// mappings, tens of terabytes wide, which cost nothing in one call.
const ANONYMOUS_STEP: ByteCount = ByteCount(u64::MAX);
/// Pages of files are there without answering and cost four times as much: 0.25 ms.
const FILE_STEP: ByteCount = ByteCount::mib(32);

/// Bits of a pagemap entry (Documentation/admin-guide/mm/pagemap.rst).
pub(super) const ENTRY_PRESENT: u64 = 1 << 63;
pub(super) const ENTRY_SWAPPED: u64 = 1 << 62;
pub(super) const ENTRY_FILE: u64 = 1 << 61;
const ENTRY_GUARD: u64 = 1 << 58;
/// Entries per read: 64 KiB of the table, 32 MiB of addresses at 4 KiB pages.
const ENTRIES_PER_READ: usize = 8192;
/// Reservations above this are not looked into without PAGEMAP_SCAN: a terabyte would take six seconds.
const RESERVATION_LIMIT: ByteCount = ByteCount::mib(1024);

impl Target {
    /// The pages of `span` by where they are. `map` is what was known of the address space; unmapped addresses count
    /// as absent. Costs 2 ms per resident GiB, absent terabytes nothing; without PAGEMAP_SCAN 6 ms per mapped GiB,
    /// and PROT_NONE reservations of more than a GiB count as absent.
    ///
    /// # Errors
    /// `Gone`, `NotPermitted`, or `Failed` with the kernel's reason.
    pub fn residency(&self, span: Span, map: &AddressMap) -> Result<Residency> {
        self.residency_of(&[span], map)
    }

    /// The pages of each of `spans` (in order), all that is present and all that is swapped: for many short spans.
    ///
    /// # Errors
    /// As `residency`.
    pub fn residency_of(&self, spans: &[Span], map: &AddressMap) -> Result<Residency> {
        let mut all = Residency::default();
        let failed = |error| self.failure(READING, &error);
        let pages = self.page_table().map_err(failed)?;
        let user_space = user_space(&map.mappings);
        for span in spans {
            let mut take = |stretch: Stretch| {
                let is_swapped = stretch.categories & category::PRESENT == 0;
                let list = if is_swapped { &mut all.swapped } else { &mut all.present };
                push_joined(list, stretch.span.intersection(*span));
            };
            let mapped = page_aligned(span.intersection(user_space));
            pages.walk(mapped, Question::Everything, &map.mappings, &mut take).map_err(failed)?;
        }
        let wanted: ByteCount = spans.iter().map(|span| span.size()).sum();
        all.absent = wanted.saturating_sub(all.present_bytes() + all.swapped_bytes());
        Ok(all)
    }

    /// How much private memory `spans` hold: anonymous pages, copies of file pages included, plus swapped ones.
    /// Costs 2 ms per resident GiB of anonymous mappings and four times that for files.
    ///
    /// # Errors
    /// As `residency`.
    pub fn held_in(&self, map: &AddressMap, spans: &[Span]) -> Result<ByteCount> {
        let mut mappings = Vec::new();
        for span in spans {
            let first = map.mappings.partition_point(|mapping| mapping.span.end <= span.start);
            for mapping in map.mappings[first..].iter().take_while(|mapping| mapping.span.start < span.end) {
                mappings.push(Mapping {
                    span: mapping.span.intersection(*span),
                    name: mapping.name.clone(),
                    ..*mapping
                });
            }
        }
        Ok(self.held_by(&mappings)?.into_iter().sum())
    }

    /// How much private memory each of `mappings` (in order) holds, in one sweep over the page table.
    pub(super) fn held_by(&self, mappings: &[Mapping]) -> Result<Vec<ByteCount>> {
        self.page_table().and_then(|pages| pages.held_by(mappings)).map_err(|error| self.failure(READING, &error))
    }

    /// Whether the page at `addr` is part of a huge page now, about 3 µs. False where that is not known: before Linux 6.7.
    pub fn has_huge_page(&self, addr: Addr) -> bool {
        let page = page_aligned(Span::sized(addr, ByteCount(1)));
        let query = Query { any_of: category::HUGE, none_of: 0, report: category::HUGE, step: ANONYMOUS_STEP };
        let mut found = false;
        let walked = self.page_table().and_then(|pages| walk(&pages.file, page, query, &mut |_| found = true));
        walked.is_ok() && found
    }

    fn page_table(&self) -> io::Result<PageTable> {
        Ok(PageTable { file: self.proc_file("pagemap")? })
    }
}

/// What is asked of the pages of a span.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Question {
    /// All that are present or swapped.
    Everything,
    /// The private ones of an anonymous mapping: all but the kernel's page of zeros.
    Anonymous,
    /// The private ones of a mapped file: its own pages are not.
    PrivateFile,
    /// None: a shared mapping has no private pages.
    Nothing,
}

impl Question {
    /// What must be asked to know the private memory of `mapping`.
    fn private_of(mapping: &Mapping) -> Question {
        if mapping.permissions.shared || is_the_kernels(&mapping.name) {
            return Question::Nothing;
        }
        if mapping.has_file() { Question::PrivateFile } else { Question::Anonymous }
    }

    fn query(self) -> Query {
        let there = category::PRESENT | category::SWAPPED;
        let (none_of, step) = match self {
            Question::Everything | Question::Nothing => (0, ANONYMOUS_STEP),
            Question::Anonymous => (category::ZERO_PAGE, ANONYMOUS_STEP),
            Question::PrivateFile => (category::ZERO_PAGE | category::FILE, FILE_STEP),
        };
        Query { any_of: there, none_of, report: there, step }
    }

    /// The same from an entry of the table, which does not tell the page of zeros from others.
    fn categories_of(self, entry: u64) -> u64 {
        if entry & ENTRY_GUARD != 0 || (entry & ENTRY_FILE != 0 && self != Question::Everything) {
            return 0;
        }
        let present = if entry & ENTRY_PRESENT != 0 { category::PRESENT } else { 0 };
        let swapped = if entry & ENTRY_SWAPPED != 0 { category::SWAPPED } else { 0 };
        present | swapped
    }
}

/// An opened /proc/PID/pagemap.
struct PageTable {
    file: File,
}

impl PageTable {
    /// Gives the stretches of `span` that answer, in order. `mappings` are needed by old kernels alone.
    fn walk(
        &self,
        span: Span,
        question: Question,
        mappings: &[Mapping],
        found: &mut dyn FnMut(Stretch),
    ) -> io::Result<()> {
        let query = question.query();
        // Guard markers show as swapped where the kernel has them; older ones refuse the category.
        let guarded = Query { none_of: query.none_of | category::GUARD, ..query };
        let walked = match walk(&self.file, span, guarded, found) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => walk(&self.file, span, query, found),
            other => other,
        };
        match walked {
            Err(error) if error.raw_os_error() == Some(libc::ENOTTY) => {
                self.read_entries(span, question, mappings, found)
            }
            other => other,
        }
    }

    fn held_by(&self, mappings: &[Mapping]) -> io::Result<Vec<ByteCount>> {
        let mut held = vec![ByteCount::ZERO; mappings.len()];
        let mut first = 0;
        // Neighbours that need the same question are walked together: a call per mapping would cost far more.
        for run in mappings.chunk_by(is_asked_together) {
            let amounts = &mut held[first..first + run.len()];
            first += run.len();
            let (Some(low), Some(high)) = (run.first(), run.last()) else { continue };
            let question = Question::private_of(low);
            if question == Question::Nothing {
                continue;
            }
            let span = page_aligned(Span::new(low.span.start, high.span.end));
            let mut at = 0;
            self.walk(span, question, run, &mut |stretch| spread(stretch.span, run, amounts, &mut at))?;
        }
        Ok(held)
    }

    /// The same answer from the table itself, mapping by mapping, in blocks.
    fn read_entries(
        &self,
        span: Span,
        question: Question,
        mappings: &[Mapping],
        found: &mut dyn FnMut(Stretch),
    ) -> io::Result<()> {
        let first = mappings.partition_point(|mapping| mapping.span.end <= span.start);
        let mut buffer = vec![0u8; ENTRIES_PER_READ * 8];
        for mapping in mappings[first..].iter().take_while(|mapping| mapping.span.start < span.end) {
            if mapping.permissions.is_none() && mapping.span.size() > RESERVATION_LIMIT {
                continue;
            }
            self.read_span(page_aligned(mapping.span.intersection(span)), question, &mut buffer, found)?;
        }
        Ok(())
    }

    fn read_span(
        &self,
        span: Span,
        question: Question,
        buffer: &mut [u8],
        found: &mut dyn FnMut(Stretch),
    ) -> io::Result<()> {
        let page = page_size();
        let mut at = span.start;
        while at < span.end {
            let left = usize::try_from(span.end.since(at).0 / page.0 * 8).unwrap_or(usize::MAX);
            let wanted = left.min(buffer.len());
            let length = self.file.read_at(&mut buffer[..wanted], at.0 / page.0 * 8)?;
            if length < 8 {
                // The table ends at the highest user address: what is above (vsyscall) is no memory of the target's.
                return Ok(());
            }
            for entry in buffer[..length].as_chunks::<8>().0 {
                let categories = question.categories_of(u64::from_ne_bytes(*entry));
                let next = at.plus(page);
                if categories != 0 {
                    found(Stretch { span: Span::new(at, next), categories });
                }
                at = next;
            }
        }
        Ok(())
    }
}

/// x86's vsyscall page is listed in maps, but its address is the kernel's: asking for it fails with EFAULT.
fn is_above_user_space(mapping: &Mapping) -> bool {
    mapping.span.end.0 > i64::MAX as u64
}

/// Whether one walk may serve both. A walk over files goes in small steps and must not cross a wide gap.
fn is_asked_together(one: &Mapping, next: &Mapping) -> bool {
    let question = Question::private_of(one);
    let is_near = question != Question::PrivateFile || one.span.end == next.span.start;
    is_near && question == Question::private_of(next)
}

/// The kernel's own pages and those of devices are present without being anybody's memory.
fn is_the_kernels(name: &str) -> bool {
    const OWN: [&str; 4] = ["[heap]", "[stack", "[anon:", "[anon_shmem:"];
    const MEMORY_DEVICES: [&str; 2] = ["/dev/zero", "/dev/shm/"];
    (name.starts_with('[') && !OWN.iter().any(|own| name.starts_with(own)))
        || (name.starts_with("/dev/") && !MEMORY_DEVICES.iter().any(|device| name.starts_with(device)))
}

/// From the first mapping to the last that is the process's own.
fn user_space(mappings: &[Mapping]) -> Span {
    let mut own = mappings.iter().filter(|mapping| !is_above_user_space(mapping));
    let (Some(first), last) = (own.next(), own.next_back()) else { return Span::default() };
    Span::new(first.span.start, last.unwrap_or(first).span.end)
}

/// Adds a stretch to the mappings it lies in. Stretches come in order, so that `at` only moves on.
fn spread(stretch: Span, mappings: &[Mapping], amounts: &mut [ByteCount], at: &mut usize) {
    while mappings.get(*at).is_some_and(|mapping| mapping.span.end <= stretch.start) {
        *at += 1;
    }
    for (mapping, amount) in mappings.iter().zip(amounts).skip(*at) {
        if mapping.span.start >= stretch.end {
            return;
        }
        *amount += mapping.span.intersection(stretch).size();
    }
}

fn push_joined(list: &mut Vec<Span>, span: Span) {
    if span.is_empty() {
        return;
    }
    match list.last_mut() {
        Some(last) if last.end == span.start => last.end = span.end,
        _ => list.push(span),
    }
}

/// The page size of this machine.
pub(super) fn page_size() -> ByteCount {
    let size = sysconf(SysconfVar::PAGE_SIZE).ok().flatten().and_then(|size| u64::try_from(size).ok());
    ByteCount(size.filter(|size| size.is_power_of_two()).unwrap_or(4096))
}

fn page_aligned(span: Span) -> Span {
    let page = page_size();
    Span::new(span.start.align_down(page), span.end.align_up(page))
}

#[cfg(test)]
#[path = "residency_tests.rs"]
mod tests;

//! Huge pages of a target that a snapshot makes the kernel split: a page of them that is written while writes are tracked
//! or a child shares it. They are put together again afterwards; the kernel's own daemon takes 20 minutes for a GiB.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use crate::sys::pagemap_scan::{Query, category, walk};
use crate::sys::pidfd;
use crate::target::Target;
use crate::units::{ByteCount, Span};

/// On x86-64, and on arm64 with pages of 4 KiB.
const HUGE_PAGE: ByteCount = ByteCount::mib(2);
/// Small pages that are passed over in one call.
const STEP: ByteCount = ByteCount::mib(32);

/// The huge pages of a target at one time. Dropped, it has those of them put together that are split by then. What the
/// target has given back in part meanwhile stays as it is, and so does all where we lack CAP_SYS_NICE.
#[derive(Debug)]
pub(super) struct HugePages {
    pidfd: OwnedFd,
    pagemap: File,
    blocks: Vec<Span>,
}

impl HugePages {
    /// Those in `spans`, all of which are mapped; `None` where there are none, or the kernel cannot tell (before Linux 6.7).
    pub fn among(target: &Target, spans: &[Span]) -> Option<HugePages> {
        let pidfd = target.pidfd()?.try_clone().ok()?;
        let mut found = HugePages { pidfd, pagemap: target.proc_file("pagemap").ok()?, blocks: Vec::new() };
        let huge = Query { any_of: category::HUGE, none_of: 0, report: category::HUGE, step: STEP };
        for span in spans {
            let blocks = &mut found.blocks;
            walk(&found.pagemap, *span, huge, &mut |stretch| blocks.extend(whole_blocks(stretch.span))).ok()?;
        }
        (!found.blocks.is_empty()).then_some(found)
    }

    /// Whether the pages of `block` are all there, and small.
    fn is_split(&self, block: Span) -> bool {
        let report = category::PRESENT | category::HUGE;
        let there = Query { any_of: category::PRESENT, none_of: category::HUGE, report, step: STEP };
        let mut small = ByteCount::ZERO;
        walk(&self.pagemap, block, there, &mut |stretch| small += stretch.span.size()).is_ok() && small == block.size()
    }
}

impl Drop for HugePages {
    fn drop(&mut self) {
        for block in self.blocks.iter().filter(|block| self.is_split(**block)) {
            if pidfd::collapse(self.pidfd.as_fd(), *block).is_err_and(|error| error.raw_os_error() == Some(libc::EPERM))
            {
                return;
            }
        }
    }
}

fn whole_blocks(stretch: Span) -> impl Iterator<Item = Span> {
    let first = stretch.start.align_up(HUGE_PAGE);
    let count = stretch.end.since(first).0 / HUGE_PAGE.0;
    (0..count).map(move |index| Span::sized(first.plus(ByteCount(index * HUGE_PAGE.0)), HUGE_PAGE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::patient::Patient;
    use crate::target::{ChildSnapshot, WriteTracker};
    use crate::units::Addr;

    /// 16 huge pages; writes a byte in every small page of the first 8 when asked to, and gives part of the 9th back.
    const HUGE: &str = r#"
        #define _GNU_SOURCE
        #include <stdint.h>
        #include <stdio.h>
        #include <string.h>
        #include <sys/mman.h>
        int main() {
            const long MiB = 1 << 20;
            char line[8], *all = mmap(0, 34 * MiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            char *at = (char *)(((uintptr_t)all + 2 * MiB - 1) / (2 * MiB) * (2 * MiB));
            madvise(at, 32 * MiB, MADV_HUGEPAGE);
            memset(at, 1, 32 * MiB);
            /* MADV_COLLAPSE, also where the machine gives huge pages to nobody. */
            madvise(at, 32 * MiB, 25);
            printf("READY %lx\n", (long)at);
            fflush(stdout);
            while (fgets(line, 8, stdin)) {
                for (long byte = 0; byte < 16 * MiB; byte += 4096) at[byte]++;
                madvise(at + 16 * MiB, MiB, MADV_DONTNEED);
                printf("OK\n");
                fflush(stdout);
            }
        }"#;

    fn huge_bytes(target: &Target) -> ByteCount {
        let text = target.proc_text("smaps_rollup").unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("AnonHugePages:")).unwrap();
        ByteCount::kib(line.trim().trim_end_matches(" kB").parse().unwrap())
    }

    #[test]
    fn what_a_snapshot_splits_is_whole_again_after_it() {
        for by_child in [false, true] {
            let mut patient = Patient::start(HUGE, &[]);
            let target = Target::open(patient.pid()).unwrap();
            let start = Addr(u64::from_str_radix(&patient.truth, 16).unwrap());
            let span = Span::sized(start, ByteCount::mib(32));
            assert_eq!(huge_bytes(&target), ByteCount::mib(32));
            let split = if by_child {
                let snapshot = ChildSnapshot::take(&target).unwrap();
                patient.ask("write");
                let split = huge_bytes(&target);
                drop(snapshot);
                split
            } else {
                let tracker = WriteTracker::begin(&target, &target.mappings().unwrap(), &[span]).unwrap();
                patient.ask("write");
                let split = huge_bytes(&target);
                drop(tracker);
                split
            };
            assert!(split <= ByteCount::mib(14), "nothing was split: {split}");
            // All but the one of which a half was given back.
            assert_eq!(huge_bytes(&target), ByteCount::mib(30), "by a child: {by_child}");
            let anonymous = target.status().unwrap().rss_anon.unwrap();
            assert!(anonymous < ByteCount::mib(32), "what it gave back is there again: {anonymous}");
        }
    }

    #[test]
    fn blocks_lie_within_a_stretch() {
        let span = |from: u64, to: u64| Span::new(Addr(from << 20), Addr(to << 20));
        assert_eq!(whole_blocks(span(1, 7)).collect::<Vec<_>>(), [span(2, 4), span(4, 6)]);
        assert_eq!(whole_blocks(span(3, 5)).count(), 0);
    }
}

//! Which pages belong to a process alone: a worker shares with its master, for as long as neither writes them, those that
//! were there before it was forked. Needs Linux 4.2; before, no page is known as anybody's own.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::Target;
use super::residency::{ENTRY_FILE, ENTRY_PRESENT, ENTRY_SWAPPED, page_size};
use crate::units::{ByteCount, Span};

/// The bit of a pagemap entry that says that nobody else maps the page.
const ENTRY_EXCLUSIVE: u64 = 1 << 56;

/// Pages that are asked for at once.
const MOST: usize = 64;

/// The page table of a process, to be asked whose its pages are.
#[derive(Debug)]
pub struct OwnPages {
    pagemap: File,
    page: ByteCount,
}

impl Target {
    /// Tells whose its pages are; `None` where its page table cannot be read.
    pub fn own_pages(&self) -> Option<OwnPages> {
        Some(OwnPages { pagemap: self.proc_file("pagemap").ok()?, page: page_size() })
    }
}

impl OwnPages {
    /// Whether every page of `span`, 64 of them at most, is there, anonymous, and the process's alone. Takes 1 µs.
    pub fn are_all_of(&self, span: Span) -> bool {
        let first = span.start.0 / self.page.0;
        let count = span.end.0.div_ceil(self.page.0).saturating_sub(first) as usize;
        let mut table = [0; MOST * 8];
        let Some(entries) = table.get_mut(..count.saturating_mul(8)) else { return false };
        self.pagemap.read_exact_at(entries, first * 8).is_ok()
            && entries.as_chunks::<8>().0.iter().all(|entry| is_own(u64::from_ne_bytes(*entry)))
    }
}

fn is_own(entry: u64) -> bool {
    entry & (ENTRY_PRESENT | ENTRY_SWAPPED | ENTRY_FILE | ENTRY_EXCLUSIVE) == ENTRY_PRESENT | ENTRY_EXCLUSIVE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::patient::Patient;
    use crate::units::Addr;

    const SHARES: &str = r#"
        #include <signal.h>
        #include <stdio.h>
        #include <string.h>
        #include <sys/mman.h>
        #include <sys/prctl.h>
        #include <unistd.h>
        int main() {
            int parent = getpid();
            char line[8], *at = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            madvise(at, 65536, MADV_NOHUGEPAGE);
            memset(at, 1, 16384);
            if (!fork()) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                while (getppid() == parent) { sleep(1); }
                _exit(0);
            }
            memset(at + 8192, 2, 16384);
            printf("READY %lx\n", (long)at);
            fflush(stdout);
            fgets(line, 8, stdin);
        }"#;

    #[test]
    fn what_a_child_shares_is_not_its_own() {
        let patient = Patient::start(SHARES, &[]);
        let start = Addr(u64::from_str_radix(&patient.truth, 16).unwrap());
        let pages = Target::open(patient.pid()).unwrap().own_pages().unwrap();
        let part = |from: u64, to: u64| Span::new(start.plus(ByteCount(from << 12)), start.plus(ByteCount(to << 12)));
        assert!(pages.are_all_of(part(2, 6)), "written after the fork");
        assert!(!pages.are_all_of(part(0, 2)), "shared with the child");
        assert!(!pages.are_all_of(part(1, 3)), "shared in part");
        assert!(!pages.are_all_of(part(5, 7)), "never touched in part");
        assert!(!pages.are_all_of(Span::sized(start, ByteCount(65 << 12))), "too many to ask for");
    }
}

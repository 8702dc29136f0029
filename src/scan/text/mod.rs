//! Text templates and repeated strings, mined as the text goes by: what thousands of different lines have in common,
//! with exact counts in bounded memory. Knows printable runs; finding them is the scanner's.
//!
//! A run is cut into records and those into places (`reading`), records with equal signatures are counted in one template,
//! templates that differ only in words that vary become one (`templates`), equal strings are counted beside (`strings`),
//! and at the end all that becomes labelled groups (`finish`, `label`).

mod finish;
mod label;
mod reading;
mod strings;
mod templates;

#[cfg(test)]
mod tests;

use crate::scan::group::Group;
use crate::units::{Addr, ByteCount};

use reading::token::Tokens;
use reading::{class, record};
use strings::Strings;
use templates::catalog::Catalog;
use templates::template::Member;

/// Counts the text of a scan, or of two one after the other.
pub(super) struct TextTally {
    catalog: Catalog,
    strings: Strings,
    tokens: Tokens,
    latest: ByteCount,
    earlier: ByteCount,
}

impl TextTally {
    /// An empty tally whose tables take at most about `max_memory`.
    pub(super) fn new(max_memory: ByteCount) -> TextTally {
        let budget = usize::try_from(max_memory.0).unwrap_or(usize::MAX);
        TextTally {
            catalog: Catalog::new(budget / 2),
            strings: Strings::new(budget / 2),
            tokens: Tokens::new(),
            latest: ByteCount::ZERO,
            earlier: ByteCount::ZERO,
        }
    }

    /// What was added so far becomes the earlier scan, what follows is the later one.
    pub(super) fn begin_second(&mut self) {
        self.strings.begin_second();
        self.catalog.begin_second();
        self.earlier += std::mem::take(&mut self.latest);
    }

    /// Adds one printable run as it is in memory.
    #[cfg(test)]
    fn add(&mut self, addr: Addr, run: &[u8]) {
        self.add_sized(addr, run, ByteCount(run.len() as u64));
    }

    /// Adds one printable run, found at `addr`: UTF-8 without NUL and not JSON. It took `bytes` in memory, which is not
    /// its length where it was converted to UTF-8.
    #[inline]
    pub(super) fn add_sized(&mut self, addr: Addr, run: &[u8], bytes: ByteCount) {
        self.latest += bytes;
        let length = run.len() as u64;
        let in_memory = |part: usize| match bytes.0 {
            size if size == length => ByteCount(part as u64),
            size => ByteCount((u128::from(size) * part as u128 / u128::from(length.max(1))) as u64),
        };
        // Most runs are one line that looks like one seen lately.
        if self.add_as_lately(addr, run, bytes) {
            return;
        }
        let mut at = 0;
        while let Some(cut) = record::next_record(run, at) {
            at = cut.next;
            let record = &run[cut.start..cut.end];
            if record.len() >= record::SHORTEST {
                let (start, bytes) = (in_memory(cut.start), in_memory(record.len()));
                self.add_record(addr.plus(start), record, bytes);
            }
        }
    }

    #[inline]
    fn add_as_lately(&mut self, addr: Addr, record: &[u8], bytes: ByteCount) -> bool {
        let Some(index) = self.catalog.find_lately(record) else {
            return false;
        };
        let member = Member { addr, record, bytes, hash: class::hash(record) };
        self.catalog.add_to(index, member, &mut self.tokens);
        self.strings.add(&member);
        true
    }

    fn add_record(&mut self, addr: Addr, record: &[u8], bytes: ByteCount) {
        if self.add_as_lately(addr, record, bytes) {
            return;
        }
        let member = Member { addr, record, bytes, hash: class::hash(record) };
        self.tokens.read(record);
        self.catalog.add(member, &self.tokens);
        self.strings.add(&member);
    }

    /// The groups found, largest first, at most a few thousand, and whether the count of one of them may be too low
    /// because memory did not suffice. Templates of single members are left out.
    pub(super) fn finish(mut self) -> (Vec<Group>, bool) {
        finish::groups(&mut self.catalog, &mut self.strings, self.latest.max(self.earlier))
    }
}

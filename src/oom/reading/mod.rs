//! From bytes to kernel messages. Knows every dressing a kernel log comes in (syslog, journal, kmsg records, mails, web
//! pages) and how to pass gigabytes of other text by; leaves the meaning of a message to `parse`.

mod clean;
mod dressing;
mod glue;
mod journal;
mod skim;

pub use dressing::{Line, Stamp};
pub use skim::{Heed, Skimmed, skim};

use journal::Journal;

/// Takes the dressing off raw lines, one after the other.
#[derive(Debug, Default)]
pub struct Undresser {
    journal: Journal,
    /// A record of /dev/kmsg whose fragments (flags `c` and `+`) are still coming in.
    fragment: String,
}

impl Undresser {
    /// Hands every message in `raw`, one line of a log without its newline, to `each`.
    pub fn undress(&mut self, raw: &[u8], each: &mut dyn FnMut(&Line<'_>)) {
        let raw = self.journal.without_length(raw);
        let text = String::from_utf8_lossy(raw);
        let trimmed = text.trim_start_matches(['\u{1e}', '\u{feff}']).trim_start_matches("data: ");
        if let Some(entry) = self.journal.entry(trimmed) {
            let cleaned = clean::clean(&entry.message);
            for part in cleaned.split('\n') {
                let mut line = dressing::strip(part);
                entry.stamp_onto(&mut line);
                glue::split(&line, each);
            }
            return;
        }
        let cleaned = clean::clean(trimmed);
        let mut inherited = Stamp::default();
        for (index, part) in cleaned.split('\n').enumerate() {
            let mut line = dressing::strip(part);
            if index > 0 && line.bare {
                line.stamp = inherited;
                line.bare = false;
            }
            inherited = line.stamp;
            if line.fragment != dressing::Fragment::Whole {
                self.gather(&line, each);
                continue;
            }
            self.flush(each);
            glue::split(&line, each);
        }
    }

    /// Hands out what waits for a further fragment.
    pub fn flush(&mut self, each: &mut dyn FnMut(&Line<'_>)) {
        if self.fragment.is_empty() {
            return;
        }
        let whole = std::mem::take(&mut self.fragment);
        for part in whole.split('\n') {
            let mut line = dressing::strip(part);
            line.bare = false;
            glue::split(&line, each);
        }
    }

    fn gather(&mut self, line: &Line<'_>, each: &mut dyn FnMut(&Line<'_>)) {
        const LONGEST: usize = 64 * 1024;
        if line.fragment == dressing::Fragment::First && !self.fragment.is_empty() && !self.fragment.ends_with(' ') {
            self.flush(each);
        }
        if self.fragment.len() + line.text.len() < LONGEST {
            self.fragment.push_str(line.text);
        }
    }
}

#[cfg(test)]
mod tests;

//! Passing by what is no OOM report, fast. Searches raw bytes for the few words every report has; only what stands around
//! them is cut into lines. Memory is bounded: one buffer, and a report's context before its first word is limited.

use std::io::{ErrorKind, Read};
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use memchr::{memchr, memrchr};

/// What the reader comes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skimmed<'a> {
    /// A line, without its newline.
    Line(&'a [u8]),
    /// So much was passed by: what comes next is far from what came before.
    Gap,
}

/// What a line was to the reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heed {
    /// A part of one.
    Part,
    /// None, while one awaits further parts.
    Awaited,
    /// None, and none is awaited.
    Complete,
}

/// Words that no report lacks. A report with its head lost can begin at any of them.
const TRIGGERS: [&str; 11] = [
    "oom-kill",
    "ut of memory",
    "ut of Memory",
    "illed process ",
    "ill process ",
    "o available memory",
    "total_vm",
    "Manual OOM",
    "limit of /",
    "panic_on_oom",
    "memory.oom.group",
];

/// The first of them as a byte array in JSON (`journalctl -o json` of text that is not UTF-8).
const TRIGGERS_IN_BYTES: [&str; 4] = [
    "111,111,109,45,107,105,108,108",
    "117,116,32,111,102,32,109,101,109",
    "108,101,100,32,112,114,111,99",
    "116,111,116,97,108,95,118,109",
];

/// Buffer: a block to search and what may have to be read again before a trigger.
const BLOCK: usize = 1 << 20;
/// How far before a trigger the lost head of a report may begin.
const CONTEXT: usize = 256 << 10;
/// How far before the head itself something worth knowing may stand (SysRq, balloon driver).
const CONTEXT_OF_HEAD: usize = 4 << 10;
/// Lines that long are cut: a whole report on one line is shorter.
const LONGEST_LINE: usize = 512 << 10;
/// After so many bytes without a part the rest is passed by again.
const IDLE: usize = 128 << 10;
/// The same where nothing more is awaited.
const IDLE_COMPLETE: usize = 8 << 10;

static SEARCH: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| AhoCorasick::new(TRIGGERS).ok());
static SEARCH_JSON: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::new(TRIGGERS.iter().chain(&TRIGGERS_IN_BYTES)).ok());

struct Skimmer<'r> {
    input: &'r mut dyn Read,
    buffer: Vec<u8>,
    filled: usize,
    /// The next byte to look at.
    at: usize,
    /// Everything before was handed out as lines.
    handed: usize,
    ended: bool,
    /// How much stands before the trigger that was found.
    context: usize,
    /// The log is lines of JSON, which can hold messages as arrays of bytes.
    is_json: bool,
}

/// Hands the lines around every trigger in `input` to `each`, which answers what they were.
pub fn skim(input: &mut dyn Read, each: &mut dyn FnMut(Skimmed<'_>) -> Heed) -> std::io::Result<()> {
    let buffer = vec![0; BLOCK + CONTEXT];
    let mut skimmer = Skimmer { input, buffer, filled: 0, at: 0, handed: 0, ended: false, context: 0, is_json: false };
    skimmer.refill(0)?;
    skimmer.is_json = skimmer.buffer[..skimmer.filled].trim_ascii_start().starts_with(b"{");
    loop {
        if !skimmer.find_trigger(each)? {
            return Ok(());
        }
        skimmer.hand_out(each)?;
    }
}

impl Skimmer<'_> {
    /// Moves to the first line worth handing out; false at the end of the input.
    fn find_trigger(&mut self, each: &mut dyn FnMut(Skimmed<'_>) -> Heed) -> std::io::Result<bool> {
        const LONGEST_TRIGGER: usize = 40;
        let mut passed = 0usize;
        loop {
            if let Some((at, is_head)) = self.trigger() {
                let context = if is_head { CONTEXT_OF_HEAD } else { CONTEXT };
                let start = self.line_start(at.saturating_sub(context).max(self.handed), at);
                if passed + start.saturating_sub(self.handed) > 2 * IDLE {
                    each(Skimmed::Gap);
                }
                self.context = at - start;
                self.at = start;
                return Ok(true);
            }
            let next = self.filled.saturating_sub(LONGEST_TRIGGER).max(self.at);
            passed += next - self.at;
            self.at = next;
            if self.ended {
                return Ok(false);
            }
            self.refill(self.at.saturating_sub(CONTEXT).max(self.handed.min(self.at)))?;
        }
    }

    fn trigger(&self) -> Option<(usize, bool)> {
        let search = if self.is_json { SEARCH_JSON.as_ref()? } else { SEARCH.as_ref()? };
        let hit = search.find(&self.buffer[self.at..self.filled])?;
        Some((self.at + hit.start(), hit.pattern().as_usize() == 0))
    }

    /// The first beginning of a line at or after `from`, at the latest that of the line `at` is in.
    fn line_start(&self, from: usize, at: usize) -> usize {
        if from == self.handed {
            return from;
        }
        match memchr(b'\n', &self.buffer[from..at]) {
            Some(newline) => from + newline + 1,
            None => {
                memrchr(b'\n', &self.buffer[self.handed..at]).map_or(self.handed, |newline| self.handed + newline + 1)
            }
        }
    }

    /// Hands out lines until none was part of a report for long enough, the trigger's in any case.
    fn hand_out(&mut self, each: &mut dyn FnMut(Skimmed<'_>) -> Heed) -> std::io::Result<()> {
        let mut context = self.context;
        let mut idle = 0;
        loop {
            let Some(end) = self.line_end()? else { return Ok(()) };
            let length = end + 1 - self.at;
            let heed = each(Skimmed::Line(&self.buffer[self.at..end]));
            let is_newline = self.buffer.get(end) == Some(&b'\n');
            self.at = if is_newline { end + 1 } else { end }.min(self.filled);
            self.handed = self.at;
            context = context.saturating_sub(length);
            if heed == Heed::Part || context > 0 {
                idle = 0;
                continue;
            }
            idle += length;
            if idle > if heed == Heed::Awaited { IDLE } else { IDLE_COMPLETE } {
                return Ok(());
            }
        }
    }

    /// The end of the line at `at`; None at the end of the input.
    fn line_end(&mut self) -> std::io::Result<Option<usize>> {
        let mut searched = 0;
        loop {
            let rest = &self.buffer[self.at..self.filled];
            if let Some(newline) = memchr(b'\n', &rest[searched..]) {
                return Ok(Some(self.at + searched + newline));
            }
            if rest.len() >= LONGEST_LINE {
                let blank = memrchr(b' ', &rest[..LONGEST_LINE]).filter(|blank| *blank > 0);
                return Ok(Some(self.at + blank.unwrap_or(LONGEST_LINE)));
            }
            if self.ended {
                return Ok((!rest.is_empty()).then_some(self.filled));
            }
            searched = rest.len();
            self.refill(self.at)?;
        }
    }

    /// Drops what stands before `keep` and reads on.
    fn refill(&mut self, keep: usize) -> std::io::Result<()> {
        self.buffer.copy_within(keep..self.filled, 0);
        self.filled -= keep;
        self.at -= keep;
        self.handed = self.handed.saturating_sub(keep);
        loop {
            if self.filled == self.buffer.len() {
                return Ok(());
            }
            match self.input.read(&mut self.buffer[self.filled..]) {
                Ok(0) => {
                    self.ended = true;
                    return Ok(());
                }
                Ok(read) => {
                    self.filled += read;
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

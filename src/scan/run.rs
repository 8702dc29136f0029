//! What becomes of a printable run: validated, its JSON records counted, the rest handed to the text tally.
//! Knows which bytes of a run went where; leaves finding runs to `view` and meaning to the tallies.

use super::blobs;
use super::gaps::Gaps;
use super::group::Group;
use super::json::{JsonTally, Run, Stretch};
use super::plausible::{DOUBTED, is_noise, is_plausible};
use super::scanner::{MAX_RUN, share};
use super::text::TextTally;
use super::view::{MIN_RUN, View};
use crate::units::{Addr, ByteCount};

/// Where a text was cut because it is too long, the cut is put behind a line feed this near.
const LINE: usize = 64 * 1024;

/// The tallies of runs.
pub(super) struct Runs {
    json: JsonTally,
    text: TextTally,
    json_bytes: ByteCount,
    text_bytes: ByteCount,
    /// Where a run that was cut goes on.
    goes_on: Option<Addr>,
    decoded: String,
    offsets: Vec<u32>,
    covered: Vec<Stretch>,
}

impl Runs {
    pub(super) fn new(max_memory: ByteCount) -> Runs {
        Runs {
            json: JsonTally::new(share(max_memory, 35)),
            text: TextTally::new(share(max_memory, 45)),
            json_bytes: ByteCount::ZERO,
            text_bytes: ByteCount::ZERO,
            goes_on: None,
            decoded: String::new(),
            offsets: Vec::new(),
            covered: Vec::new(),
        }
    }

    pub(super) fn begin_second(&mut self) {
        self.json.begin_second();
        self.text.begin_second();
        (self.json_bytes, self.text_bytes) = (ByteCount::ZERO, ByteCount::ZERO);
    }

    /// What comes next does not follow what came.
    pub(super) fn cut(&mut self) {
        self.goes_on = None;
    }

    /// Bytes in JSON records and in other text.
    pub(super) fn counted(&self) -> (ByteCount, ByteCount) {
        (self.json_bytes, self.text_bytes)
    }

    /// The groups, and whether some counts are lower bounds.
    pub(super) fn finish(self) -> (Vec<Group>, bool) {
        let (mut groups, json_full) = self.json.finish();
        let (text, text_full) = self.text.finish();
        groups.extend(text);
        (groups, json_full || text_full)
    }

    /// Counts the run of single bytes from `start` to `end`. Returns how far it got: not to the end where the run was cut
    /// for its length.
    pub(super) fn bytes(&mut self, view: &View<'_>, start: usize, end: usize, high: bool, gaps: &mut Gaps) -> usize {
        let cut = end - start >= MAX_RUN;
        let run = &view.bytes[start..end];
        if is_noise(run, view.bytes.get(end)) {
            gaps.stretch(view, start, end);
            return end;
        }
        if !high {
            return start + self.count(view.address(start), run, cut, gaps);
        }
        let end = if cut { end - unfinished(run) } else { end };
        let mut at = start;
        while at < end {
            let (valid, invalid) = match std::str::from_utf8(&view.bytes[at..end]) {
                Ok(_) => (end - at, 0),
                Err(error) => (error.valid_up_to(), error.error_len().unwrap_or(end - at - error.valid_up_to())),
            };
            let run = &view.bytes[at..at + valid];
            let last = at + valid == end;
            if valid > 0 {
                let done = self.plausible(view, at, run, cut && last, gaps);
                if done < valid {
                    return at + done;
                }
            }
            let stop = at + valid;
            at = (stop + invalid).min(end);
            gaps.stretch(view, stop, at);
        }
        end
    }

    /// Counts valid UTF-8, or the ASCII in it where what is above ASCII looks like noise.
    fn plausible(&mut self, view: &View<'_>, start: usize, run: &[u8], cut: bool, gaps: &mut Gaps) -> usize {
        if run.len() >= DOUBTED || run.is_ascii() || std::str::from_utf8(run).is_ok_and(is_plausible) {
            return self.count_or_pass(view, start, run, cut, gaps);
        }
        let mut at = 0;
        while at < run.len() {
            let ascii = run[at] < 0x80;
            let length = run[at..].iter().take_while(|byte| (**byte < 0x80) == ascii).count();
            if ascii {
                self.count_or_pass(view, start + at, &run[at..at + length], false, gaps);
            } else {
                gaps.stretch(view, start + at, start + at + length);
            }
            at += length;
        }
        run.len()
    }

    fn count_or_pass(&mut self, view: &View<'_>, start: usize, run: &[u8], cut: bool, gaps: &mut Gaps) -> usize {
        if run.len() >= MIN_RUN {
            return self.count(view.address(start), run, cut, gaps);
        }
        gaps.stretch(view, start, start + run.len());
        run.len()
    }

    fn count(&mut self, addr: Addr, raw: &[u8], cut: bool, gaps: &mut Gaps) -> usize {
        let fresh = self.goes_on != Some(addr);
        self.goes_on = None;
        let pem = pem_length(raw);
        if pem > 0 {
            gaps.pem(addr, &raw[..pem]);
            self.text_bytes += ByteCount(pem as u64);
            self.goes_on = (pem < raw.len()).then(|| addr.plus(ByteCount(pem as u64)));
            return if raw.len() - pem >= MIN_RUN {
                pem + self.count(addr.plus(ByteCount(pem as u64)), &raw[pem..], cut, gaps)
            } else {
                self.text_bytes += ByteCount((raw.len() - pem) as u64);
                raw.len()
            };
        }
        let (covered, mut done) = self.json.scan(&Run { addr, raw, decoded: None, fresh, cut });
        self.covered.clear();
        self.covered.extend_from_slice(covered);
        if cut && done == raw.len() {
            done = line_end(raw, self.covered.last().map_or(0, |record| record.end));
        }
        if cut {
            self.goes_on = Some(addr.plus(ByteCount(done as u64)));
        }
        self.text_between(addr, &raw[..done], |stretch| &raw[stretch.start..stretch.end]);
        done
    }

    /// Counts the run of UTF-16 from `start` to `end` and returns its end.
    pub(super) fn wide(&mut self, view: &View<'_>, start: usize, end: usize) -> usize {
        let raw = &view.bytes[start..end];
        let addr = view.address(start);
        let mut decoded = std::mem::take(&mut self.decoded);
        let mut offsets = std::mem::take(&mut self.offsets);
        decoded.clear();
        offsets.clear();
        for (index, unit) in raw.as_chunks::<2>().0.iter().enumerate() {
            let letter = char::from_u32(u32::from(u16::from_le_bytes(*unit))).unwrap_or('\u{fffd}');
            decoded.push(letter);
            offsets.extend(std::iter::repeat_n(index as u32 * 2, letter.len_utf8()));
        }
        offsets.push(raw.len() as u32);
        let run = Run { addr, raw, decoded: Some((decoded.as_bytes(), &offsets)), fresh: true, cut: false };
        let (covered, _) = self.json.scan(&run);
        self.covered.clear();
        self.covered.extend_from_slice(covered);
        let utf8 = |offset: usize| offsets.partition_point(|&original| (original as usize) < offset);
        self.text_between(addr, raw, |stretch| &decoded.as_bytes()[utf8(stretch.start)..utf8(stretch.end)]);
        (self.decoded, self.offsets) = (decoded, offsets);
        end
    }

    /// Counts bytes as JSON or text, and hands what is between records to the text tally.
    fn text_between<'t>(&mut self, addr: Addr, raw: &[u8], text: impl Fn(Stretch) -> &'t [u8]) {
        if let [Stretch { start: 0, end }] = self.covered[..]
            && end == raw.len()
        {
            self.json_bytes += ByteCount(end as u64);
            return;
        }
        let covered = std::mem::take(&mut self.covered);
        let mut at = 0;
        let mut records = 0;
        for record in covered.iter().copied().chain([Stretch { start: raw.len(), end: raw.len() }]) {
            let between = Stretch { start: at, end: record.start };
            at = record.end;
            records += record.len();
            if between.len() < MIN_RUN {
                continue;
            }
            let words = text(between);
            if words.len() >= MIN_RUN && words.iter().any(|byte| byte.is_ascii_alphanumeric() || *byte >= 0x80) {
                let at = addr.plus(ByteCount(between.start as u64));
                self.text.add_sized(at, words, ByteCount(between.len() as u64));
            }
        }
        self.json_bytes += ByteCount(records as u64);
        self.text_bytes += ByteCount((raw.len() - records.min(raw.len())) as u64);
        self.covered = covered;
    }
}

/// How many bytes at the end are the beginning of a letter.
fn unfinished(run: &[u8]) -> usize {
    let tail = run.iter().rev().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
    match run.len().checked_sub(tail + 1).map(|at| run[at]) {
        Some(lead) if lead >= 0xc0 => {
            let whole = if lead >= 0xf0 {
                4
            } else if lead >= 0xe0 {
                3
            } else {
                2
            };
            if tail + 1 < whole { tail + 1 } else { 0 }
        }
        _ => 0,
    }
}

/// Where a run that is too long is cut: behind a line, or behind all of it where there is none.
fn line_end(raw: &[u8], records_end: usize) -> usize {
    let from = records_end.max(raw.len().saturating_sub(LINE));
    memchr::memrchr(b'\n', &raw[from..]).map_or(raw.len(), |at| from + at + 1)
}

/// The length of the PEM block that the run begins with, 0 where it does not.
fn pem_length(raw: &[u8]) -> usize {
    if !raw.starts_with(b"-----BEGIN ") {
        return 0;
    }
    let Some(end) = memchr::memmem::find(raw, b"-----END ") else { return raw.len() };
    let line = end + b"-----END ".len();
    memchr::memmem::find(&raw[line..], b"-----").map_or(raw.len(), |at| line + at + 5)
}

impl Gaps {
    /// Counts a PEM block, which is a printable run as a whole.
    fn pem(&mut self, addr: Addr, raw: &[u8]) {
        let slot = self.blobs.add("pem", addr, raw);
        self.blobs.extend(slot, raw.len() as u64);
    }

    pub(super) fn begin_second(&mut self) {
        self.counted = super::gaps::Counted::default();
        self.objects.begin_second();
        self.blobs.begin_second();
    }
}

const _: () = assert!(blobs::LOOKED_AT <= MAX_RUN);

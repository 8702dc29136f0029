//! JSON records in printable runs: whole, cut, overwritten at the front, escaped inside strings, in batches. Counts them
//! by shape, each byte in one record only. What is left of a run is text and none of its business.

mod label;
mod merge;
mod notes;
mod parse;
mod replay;
mod rest;
mod shapes;
mod skeleton;
mod token;
mod types;
mod unescape;
mod variable;

#[cfg(test)]
mod tests;

use notes::Notes;
pub(super) use notes::Stretch;
use parse::Record;
use replay::Template;
use shapes::Shapes;
use skeleton::Piece;
use token::Scalar;
use unescape::{Decoded, Text};

use super::group::Group;
use crate::units::{Addr, ByteCount};

/// Records inside strings inside records are followed so far.
const MAX_LEVEL: usize = 4;

/// Shapes predicted by the first bytes of a record.
const RECENT: usize = 64;

/// A printable run as it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run<'r> {
    /// Where it begins.
    pub(super) addr: Addr,
    /// Its bytes in memory.
    pub(super) raw: &'r [u8],
    /// For a run in another encoding: itself in UTF-8, and the offset in `raw` of each byte and of the end.
    pub(super) decoded: Option<(&'r [u8], &'r [u32])>,
    /// It follows something that is not printable; otherwise it goes on where a longer run was cut.
    pub(super) fresh: bool,
    /// It goes on; the last record may be left for later.
    pub(super) cut: bool,
}

/// A shape with so many members has a template.
const REPLAYED_FROM: u64 = 4;

/// What is known where a scan is nested in another.
#[derive(Clone, Copy, Debug)]
struct Place<'r> {
    run: &'r Run<'r>,
    level: usize,
    /// Not inside another record.
    top: bool,
    /// Measure only, count nothing.
    dry: bool,
}

/// All records seen, by shape.
#[derive(Debug)]
pub(super) struct JsonTally {
    shapes: Shapes,
    notes: Notes,
    epoch: usize,
    recent: [u32; RECENT],
    pool: Vec<Decoded>,
    covered: Vec<Stretch>,
    postponed: Option<usize>,
}

impl JsonTally {
    pub(super) fn new(room: ByteCount) -> JsonTally {
        JsonTally {
            shapes: Shapes::new(room),
            notes: Notes::default(),
            epoch: 0,
            recent: [0; RECENT],
            pool: Vec::new(),
            covered: Vec::new(),
            postponed: None,
        }
    }

    pub(super) fn begin_second(&mut self) {
        self.epoch = 1;
    }

    /// The groups, and whether some records could only be counted by their first key.
    pub(super) fn finish(self) -> (Vec<Group>, bool) {
        let full = self.shapes.full;
        (merge::groups(self.shapes.into_entries(), self.epoch), full)
    }

    /// Counts the records of a run. Returns where they are in `raw`, in order, and how much of the run was consumed: all
    /// of it but where a record at the end of a cut run should be read again with what follows.
    pub(super) fn scan(&mut self, run: &Run<'_>) -> (&[Stretch], usize) {
        self.covered.clear();
        self.postponed = None;
        let text = match run.decoded {
            None => Text { bytes: run.raw, offsets: None },
            Some((bytes, offsets)) => Text { bytes, offsets: Some(offsets) },
        };
        let place = Place { run, level: 0, top: true, dry: false };
        let mut all = Stretch { start: 0, end: text.bytes.len() };
        let first = text.bytes.get(token::skip_space(text.bytes, 0));
        if run.fresh
            && first != Some(&b'{')
            && let Some(record) = rest::read(text.bytes, &mut self.notes)
        {
            self.count(place, &text, 0, record, None);
            all.start = record.end;
        }
        self.find(place, &text, all);
        (&self.covered, self.postponed.unwrap_or(run.raw.len()))
    }

    /// Finds records in a stretch of a text and counts them. Returns their bytes in memory.
    fn find(&mut self, place: Place<'_>, text: &Text<'_>, stretch: Stretch) -> usize {
        let bytes = &text.bytes[..stretch.end];
        let mut at = stretch.start;
        let mut taken = 0;
        while let Some(brace) = next_brace(bytes, at) {
            at = brace + 1;
            match bytes.get(token::skip_space(bytes, at)) {
                Some(b'"') => {
                    let Some((end, len)) = self.record(place, text, bytes, brace) else { continue };
                    if self.postponed.is_some() {
                        return taken + len;
                    }
                    (at, taken) = (end, taken + len);
                }
                Some(b'\\') if place.level < MAX_LEVEL => {
                    let (end, len) = self.escaped(place, text, Stretch { start: brace, end: stretch.end });
                    (at, taken) = (end.max(at), taken + len);
                }
                _ => {}
            }
        }
        taken
    }

    /// Counts the record at `brace`, where there is one. Returns its end and its bytes in memory.
    fn record(&mut self, place: Place<'_>, text: &Text<'_>, bytes: &[u8], brace: usize) -> Option<(usize, usize)> {
        let slot = slot(bytes, brace);
        let guess = self.recent[slot];
        let predicted = self.shapes.skeleton(guess);
        let replayed = self
            .shapes
            .template(guess, self.epoch)
            .and_then(|(template, typed)| template.read(bytes, brace, typed, &mut self.notes));
        let record = match replayed {
            Some(end) => Record { end, piece: Piece::Whole },
            None => parse::record(bytes, brace, predicted, &mut self.notes)?,
        };
        if place.dry {
            return Some((record.end, text.original_stretch(brace, record.end).len()));
        }
        if record.piece == Piece::Whole && self.is_first(place) && rest::is_followed(bytes, record.end) {
            if let Some(rest) = rest::read_from(bytes, brace, true, &mut self.notes) {
                self.count(place, text, 0, rest, None);
                return Some((rest.end, text.original_stretch(brace, rest.end).len()));
            }
            parse::record(bytes, brace, predicted, &mut self.notes)?;
        }
        let unread = place.run.cut && record.piece == Piece::Head && record.end == bytes.len();
        let at_end = text.offsets.is_none() && record.end == place.run.raw.len();
        if unread && at_end && brace > 0 {
            self.postponed = Some(brace);
            return Some((brace, 0));
        }
        let known = replayed.is_some() || (record.piece == Piece::Whole && self.notes.is_as_predicted(predicted));
        if !known {
            self.notes.settle(predicted);
        }
        let id = self.count(place, text, brace, record, known.then_some(guess));
        if let (Piece::Whole, Some(id)) = (record.piece, id) {
            self.recent[slot] = id;
        }
        let end = self.postponed.unwrap_or(record.end);
        Some((end, text.original_stretch(brace, end).len()))
    }

    /// Whether nothing was found in this run yet and its front may be missing.
    fn is_first(&self, place: Place<'_>) -> bool {
        place.run.fresh && place.top && place.level == 0 && self.covered.is_empty()
    }

    /// One level of escapes off, and records found in what remains. Returns where the escaped stretch ended.
    fn escaped(&mut self, place: Place<'_>, text: &Text<'_>, stretch: Stretch) -> (usize, usize) {
        let mut decoded = self.pool.pop().unwrap_or_default();
        let mut end = decoded.fill(text, stretch);
        let inner = decoded.text();
        let all = Stretch { start: 0, end: inner.bytes.len() };
        let taken = self.find(Place { level: place.level + 1, ..place }, &inner, all);
        self.pool.push(decoded);
        // A quote that is not escaped may be the first of a record whose brace was just decoded.
        if let Some((brace, b'{')) = token::before(&text.bytes[..stretch.end], end)
            && text.bytes.get(end) == Some(&b'"')
            && brace > stretch.start
        {
            end = brace;
        }
        (end, taken)
    }

    /// Counts one record, and those that make up most of it as members of their own shapes.
    fn count(
        &mut self,
        place: Place<'_>,
        text: &Text<'_>,
        start: usize,
        record: Record,
        known: Option<u32>,
    ) -> Option<u32> {
        let id = match known {
            Some(id) => id,
            None => self.shapes.intern(record.piece, &self.notes.skeleton)?,
        };
        let whole = text.original_stretch(start, record.end);
        let shape = self.shapes.entry(id)?;
        let members = shape.tallies[self.epoch].count;
        shape.filled |= !self.notes.nulls;
        if members == REPLAYED_FROM && record.piece == Piece::Whole && shape.template.is_none() {
            shape.template = Template::of(&shape.skeleton);
        }
        if Shapes::is_typed(members) {
            for value in &self.notes.values {
                if let Some(field) = shape.fields.get_mut(value.field as usize) {
                    note_value(field, value, text);
                }
            }
        }
        let address = place.run.addr.plus(ByteCount(whole.start as u64));
        shape.samples.offer(self.epoch, members, address, &place.run.raw[whole.start..whole.end]);
        let inside = if self.notes.batch.is_some() || !self.notes.escaped.is_empty() {
            self.embedded(place, text, whole.len())
        } else {
            0
        };
        let end = self.postponed.map_or(whole.end, |end| end.min(whole.end));
        let own = end.saturating_sub(whole.start).saturating_sub(inside);
        self.shapes.entry(id)?.tallies[self.epoch].add(ByteCount(own as u64));
        if place.top {
            self.covered.push(Stretch { start: whole.start, end });
        }
        Some(id)
    }

    /// Counts the records inside the record just read, where they are more than half of its bytes. Returns their bytes.
    fn embedded(&mut self, place: Place<'_>, text: &Text<'_>, whole: usize) -> usize {
        if place.level >= MAX_LEVEL {
            return 0;
        }
        let inner = Place { level: place.level + 1, top: false, ..place };
        let original = |stretch: &Stretch| text.original_stretch(stretch.start, stretch.end).len();
        if let Some(batch) = self.notes.batch
            && original(&batch) * 2 > whole
        {
            return self.find(inner, text, Stretch { start: batch.start + 1, end: batch.end });
        }
        let strings = std::mem::take(&mut self.notes.escaped);
        let mut taken = 0;
        if strings.iter().map(original).sum::<usize>() * 2 > whole {
            let dry = Place { dry: true, ..inner };
            let measured: usize = strings.iter().map(|string| self.find(dry, text, *string)).sum();
            if measured * 2 > whole {
                taken = strings.iter().map(|string| self.find(inner, text, *string)).sum();
            }
        }
        self.notes.escaped = strings;
        taken
    }
}

/// The first brace from `at` on. Most records begin where the one before ended, or where their run does.
#[inline(always)]
fn next_brace(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    if rest.first() == Some(&b'{') {
        return Some(at);
    }
    memchr::memchr(b'{', rest).map(|offset| at + offset)
}

/// Where the shape of records that begin like this one is remembered.
fn slot(bytes: &[u8], brace: usize) -> usize {
    let Some(first) = bytes.get(brace + 1..).and_then(|rest| rest.first_chunk::<8>()) else { return 0 };
    (u64::from_le_bytes(*first).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize % RECENT
}

fn note_value(field: &mut types::Field, value: &notes::Value, text: &Text<'_>) {
    let content = &text.bytes[value.start as usize..value.end as usize];
    if value.scalar == Scalar::Escaped
        && let Some(shape) = embedded_shape(content)
    {
        field.note_embedded(|| shape);
        return;
    }
    field.note(value.scalar, content);
}

/// The keys of the record that an escaped string consists of, if it does.
fn embedded_shape(content: &[u8]) -> Option<String> {
    if !matches!(content.first()?, b'{' | b'[') {
        return None;
    }
    let mut decoded = Decoded::default();
    decoded.fill(&Text { bytes: content, offsets: None }, Stretch { start: 0, end: content.len() });
    let bytes = decoded.text().bytes;
    let mut at = token::skip_space(bytes, 0);
    let list = bytes.get(at) == Some(&b'[');
    if list {
        at = token::skip_space(bytes, at + 1);
    }
    if bytes.get(at) != Some(&b'{') {
        return None;
    }
    let mut notes = Notes::default();
    parse::record(bytes, at, b"", &mut notes)?;
    notes.settle(b"");
    let keys = label::keys_only(&notes.skeleton);
    Some(if list { format!("[{keys}]") } else { keys })
}

//! Reads one JSON record, or what is left of it, from printable bytes: iterative, bounded in depth, at any whitespace.
//! Gives its skeleton and the places of its top-level values. Knows nothing of tallies or of where the bytes came from.

use super::notes::{Notes, Stretch, Value};
use super::skeleton::{CLOSE, END_LIST, LIST, OPEN, Piece};
use super::token::{self, End, Scalar};
use super::variable;

/// Deeper nesting is not followed.
const MAX_DEPTH: usize = 64;

/// Longest key.
pub(super) const MAX_KEY: usize = 256;

/// Arrays with fewer objects are part of their record's shape, not batches of records.
const BATCH: u32 = 8;

/// Where a record ends and how much of it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) end: usize,
    pub(super) piece: Piece,
}

/// An object or array that is not closed yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Frame {
    list: bool,
    /// It is not part of the shape.
    muting: bool,
    start: usize,
    /// Of a list: its object elements, whether the shape of one was taken, and its first scalar.
    objects: u32,
    taken: bool,
    scalar: Option<Value>,
    /// Of an object: its keys so far, the first of them, what the skeleton was before it and behind its value.
    keys: u32,
    first_key: Stretch,
    before_first: u32,
    behind_first: u32,
    leaves_behind_first: u32,
    /// All keys so far differ in their digits only.
    one_stem: bool,
    /// An id was among the keys; later ones add nothing to the shape.
    ids: bool,
    /// The pair read at the moment is not part of the shape.
    pair_muting: bool,
}

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    FirstKey,
    Key,
    FirstElement,
    Value,
    Next,
}

/// Why a parse ended.
pub(super) enum Stop {
    Done(usize),
    /// The text ended.
    Cut,
    /// Not JSON from here.
    Broken(usize),
}

/// Reads the record that begins with the brace at `start`. `None` where it is none: no key, or nothing whole in it.
pub(super) fn record(text: &[u8], start: usize, predicted: &[u8], notes: &mut Notes) -> Option<Record> {
    notes.begin();
    let mut parser = Parser { text, pos: start, predicted, notes, muted: 0, open_front: false };
    let Ok(first) = parser.open(b'{') else { return None };
    let stop = parser.run(first);
    let seen = match stop {
        Stop::Done(end) | Stop::Broken(end) => end,
        Stop::Cut => text.len(),
    };
    parser.note_open_batch(seen);
    let Notes { keys, complete, .. } = *notes;
    match stop {
        Stop::Done(end) if keys > 0 => Some(Record { end, piece: Piece::Whole }),
        Stop::Cut if keys > 0 => Some(Record { end: text.len(), piece: Piece::Head }),
        Stop::Broken(end) if keys > 0 && complete > 0 => {
            let overlaid = text[..end].ends_with(b"{\"") && end > start + 2;
            Some(Record { end: if overlaid { end - 2 } else { end }, piece: Piece::Head })
        }
        _ => None,
    }
}

/// A parse under way.
pub(super) struct Parser<'t, 'n> {
    pub(super) text: &'t [u8],
    pub(super) pos: usize,
    pub(super) predicted: &'n [u8],
    pub(super) notes: &'n mut Notes,
    /// How many composites and pairs that are not part of the shape we are in.
    pub(super) muted: u32,
    /// The front is missing: closing more than was opened is no error.
    pub(super) open_front: bool,
}

impl Parser<'_, '_> {
    pub(super) fn run(&mut self, mut expect: Expect) -> Stop {
        loop {
            self.pos = token::skip_space(self.text, self.pos);
            let Some(&byte) = self.text.get(self.pos) else { return Stop::Cut };
            let step = match (expect, byte) {
                (Expect::FirstKey | Expect::Key, b'"') => self.pairs(),
                (Expect::Next, b',') => {
                    self.pos += 1;
                    let list = self.notes.frames.last().is_some_and(|frame| frame.list);
                    Ok(if list { Expect::Value } else { Expect::Key })
                }
                (Expect::Next | Expect::FirstKey, b'}') => self.close(byte),
                (Expect::Next | Expect::FirstElement, b']') => self.close(byte),
                (Expect::Value | Expect::FirstElement, b'{' | b'[') => self.open(byte),
                (Expect::Value | Expect::FirstElement, _) => self.scalar(byte),
                _ => Err(Stop::Broken(self.pos)),
            };
            match step {
                Ok(next) => expect = next,
                Err(stop) => return stop,
            }
        }
    }

    /// Pairs of a key and a scalar for as long as they come without whitespace, which is most of most records.
    #[inline]
    fn pairs(&mut self) -> Result<Expect, Stop> {
        loop {
            let mut next = self.key()?;
            match self.text.get(self.pos) {
                Some(&byte @ (b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n')) => next = self.scalar(byte)?,
                _ => return Ok(next),
            }
            match self.text.get(self.pos..).and_then(|rest| rest.first_chunk::<2>()) {
                Some(b",\"") => self.pos += 1,
                _ => return Ok(next),
            }
        }
    }

    #[inline]
    fn key(&mut self) -> Result<Expect, Stop> {
        let start = self.pos + 1;
        let limit = self.text.len().min(start + MAX_KEY + 1);
        let end = match token::string(&self.text[..limit], start) {
            End::Whole(_, end) => end,
            End::Cut if limit == self.text.len() => return Err(Stop::Cut),
            End::Cut => return Err(Stop::Broken(limit)),
            End::Broken(at) => return Err(Stop::Broken(at)),
        };
        self.pos = end + 1;
        if self.text.get(self.pos) != Some(&b':') {
            self.pos = token::skip_space(self.text, self.pos);
            match self.text.get(self.pos) {
                Some(b':') => {}
                Some(_) => return Err(Stop::Broken(self.pos)),
                None => return Err(Stop::Cut),
            }
        }
        self.pos += 1;
        self.note_key(Stretch { start, end });
        Ok(Expect::Value)
    }

    fn note_key(&mut self, key: Stretch) {
        let text = &self.text[key.start..key.end];
        let plain =
            self.notes.frames.last().is_none_or(|frame| frame.keys > 0 && !frame.one_stem && !frame.pair_muting);
        if plain && self.muted == 0 && self.notes.meet_key(text, self.predicted) {
            // As in the record before: no id, and of no map.
            self.notes.keys += 1;
            if let Some(frame) = self.notes.frames.last_mut() {
                frame.keys += 1;
            }
            self.notes.top_keys += u32::from(self.notes.frames.len() == 1 && !self.open_front);
            return;
        }
        let id = variable::id_type(text);
        let (length, leaves) = (self.notes.skeleton_length(), self.notes.leaves());
        let top = self.notes.frames.len() == 1 && !self.open_front;
        if let Some(frame) = self.notes.frames.last_mut() {
            if frame.pair_muting {
                frame.pair_muting = false;
                self.muted -= 1;
            }
            match frame.keys {
                0 => {
                    let digits = id.is_none() && text.iter().any(u8::is_ascii_digit);
                    (frame.first_key, frame.before_first, frame.one_stem) = (key, length, digits);
                }
                count => {
                    if count == 1 {
                        (frame.behind_first, frame.leaves_behind_first) = (length, leaves);
                    }
                    let first = &self.text[frame.first_key.start..frame.first_key.end];
                    frame.one_stem = frame.one_stem && variable::one_stem(first, text);
                }
            }
            frame.keys += 1;
            if id.is_some() && frame.ids {
                frame.pair_muting = true;
                self.muted += 1;
            }
            frame.ids |= id.is_some();
        }
        self.notes.keys += 1;
        self.notes.outer_keys += u32::from(self.notes.frames.is_empty());
        if self.muted == 0 {
            self.notes.emit_key(id, text, self.predicted);
            self.notes.top_keys += u32::from(top);
        }
    }

    fn open(&mut self, byte: u8) -> Result<Expect, Stop> {
        if self.notes.frames.len() >= MAX_DEPTH {
            return Err(Stop::Broken(self.pos));
        }
        let mut muting = false;
        if let Some(parent) = self.notes.frames.last_mut()
            && parent.list
        {
            parent.objects += u32::from(byte == b'{');
            muting = parent.taken;
            parent.taken = true;
        }
        self.muted += u32::from(muting);
        let list = byte == b'[';
        if self.muted == 0 {
            self.notes.emit(if list { LIST } else { OPEN }, self.predicted);
        }
        self.notes.frames.push(Frame { list, muting, start: self.pos, ..Frame::default() });
        self.pos += 1;
        Ok(if list { Expect::FirstElement } else { Expect::FirstKey })
    }

    #[inline]
    fn scalar(&mut self, byte: u8) -> Result<Expect, Stop> {
        let string = byte == b'"';
        let start = self.pos + usize::from(string);
        let end = match byte {
            b'"' => token::string(self.text, start),
            b'-' | b'0'..=b'9' => token::number(self.text, start),
            _ => token::word(self.text, start),
        };
        let (scalar, end) = match end {
            End::Whole(scalar, end) => (scalar, end),
            End::Cut => {
                if string {
                    self.notes.note_escaped(self.text, Stretch { start, end: self.text.len() });
                }
                return Err(Stop::Cut);
            }
            End::Broken(at) => return Err(Stop::Broken(at)),
        };
        if scalar == Scalar::Escaped {
            self.notes.note_escaped(self.text, Stretch { start, end });
        }
        self.pos = end + usize::from(string);
        self.notes.complete += 1;
        let value = Value { field: self.notes.top_keys.wrapping_sub(1), scalar, start: start as u32, end: end as u32 };
        let depth = self.notes.frames.len();
        match self.notes.frames.last_mut() {
            Some(frame) if frame.list => {
                frame.scalar.get_or_insert(value);
            }
            _ if self.muted == 0 => {
                self.notes.emit_leaf(value, self.predicted);
                if depth == 1 && !self.open_front {
                    self.notes.values.push(value);
                }
            }
            _ => {}
        }
        Ok(Expect::Next)
    }

    fn close(&mut self, byte: u8) -> Result<Expect, Stop> {
        let Some(frame) = self.notes.frames.last().copied() else { return self.close_unopened(byte) };
        if frame.list != (byte == b']') {
            return Err(Stop::Broken(self.pos));
        }
        self.notes.frames.pop();
        self.pos += 1;
        self.muted -= u32::from(frame.pair_muting);
        if frame.list {
            self.close_list(&frame);
        } else if self.muted == 0 {
            self.collapse(&frame);
            self.notes.emit(CLOSE, self.predicted);
        }
        self.muted -= u32::from(frame.muting);
        self.notes.complete += 1;
        if self.notes.frames.is_empty() && !self.open_front {
            return Err(Stop::Done(self.pos));
        }
        Ok(Expect::Next)
    }

    fn close_list(&mut self, frame: &Frame) {
        if frame.objects >= BATCH {
            self.notes.note_batch(Stretch { start: frame.start, end: self.pos });
        }
        if self.muted > 0 {
            return;
        }
        if let (false, Some(value)) = (frame.taken, frame.scalar) {
            self.notes.emit_leaf(value, self.predicted);
            if self.notes.frames.len() == 1 && !self.open_front {
                self.notes.values.push(value);
            }
        }
        self.notes.emit(END_LIST, self.predicted);
    }

    /// An object all of whose keys differ in their digits only is a map: one key stands for all.
    fn collapse(&mut self, frame: &Frame) {
        if !frame.one_stem || frame.keys < variable::MAP_KEYS {
            return;
        }
        let token = variable::stem_token(&self.text[frame.first_key.start..frame.first_key.end]);
        let key_end = frame.before_first as usize + 1 + frame.first_key.len();
        let value = key_end..frame.behind_first as usize;
        self.notes.replace_pairs(frame.before_first as usize, value, &token, self.predicted);
        self.notes.forget_leaves_from(frame.leaves_behind_first);
        if self.notes.frames.is_empty() && !self.open_front {
            self.notes.values.retain(|value| value.field == 0);
            self.notes.top_keys = 1;
        }
    }

    /// A bracket of the part that was overwritten. Goes on where more of that record can be seen behind it.
    fn close_unopened(&mut self, byte: u8) -> Result<Expect, Stop> {
        self.pos += 1;
        self.notes.emit(if byte == b']' { END_LIST } else { CLOSE }, self.predicted);
        self.notes.accepted = Some((self.pos, self.notes.skeleton_length() as usize));
        let mut at = token::skip_space(self.text, self.pos);
        while matches!(self.text.get(at), Some(b']' | b'}')) {
            let behind = token::skip_space(self.text, at + 1);
            if self.text[at] == b'}' {
                return Ok(Expect::Next);
            }
            at = behind;
        }
        let comma = self.text.get(at) == Some(&b',');
        if comma && token::is_key(self.text, token::skip_space(self.text, at + 1)) {
            return Ok(Expect::Next);
        }
        Err(Stop::Done(self.pos))
    }

    /// A batch that was cut is one all the same.
    fn note_open_batch(&mut self, end: usize) {
        let open = self.notes.frames.iter().find(|frame| frame.list && frame.objects >= BATCH);
        if let Some(start) = open.map(|frame| frame.start) {
            self.notes.note_batch(Stretch { start, end });
        }
    }
}

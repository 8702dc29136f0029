//! Walks one record and finds its places. Knows the syntax of what text in memory looks like: words, numbers,
//! `key=value`, quotes, headers, XML, PEM. What becomes of the places is `token`'s.

use super::class::{ALPHANUMERIC, SPACE, WORD, class, class_at, hash, is_at};
use super::compound;
use super::record::{Structure, header_name, line_end};
use super::token::{FREE, Place, Role, Tokens};
use super::word::{Found, find_word, literal_of};

pub(in crate::scan::text) struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    /// Where the part ends that is being read.
    limit: usize,
    gap: u64,
    /// The delimiter before, of which a row counts once.
    last: u8,
    xml: bool,
    /// Which kinds of quote have no closing one any more: 1 single, 2 double.
    unclosed: u8,
    /// Where base64 was looked for and not found, so that it is not looked for again in the same stretch.
    not_base64: usize,
    tokens: &'a mut Tokens,
}

impl<'a> Reader<'a> {
    #[inline]
    pub(in crate::scan::text) fn new(text: &'a [u8], tokens: &'a mut Tokens) -> Reader<'a> {
        Reader { text, at: 0, limit: text.len(), gap: 0, last: 0, xml: false, unclosed: 0, not_base64: 0, tokens }
    }

    /// Finds all places; the hash of the delimiters behind the last one.
    #[inline]
    pub(in crate::scan::text) fn record(mut self) -> u64 {
        match self.tokens.structure {
            Structure::Line => self.part(),
            structure => self.structured(structure),
        }
        if self.tokens.is_empty() {
            // Nothing but punctuation: what of it there is does not matter.
            self.gap = 0;
            self.value(0, self.text.len());
            self.gap = 0;
        }
        self.gap
    }

    fn structured(&mut self, structure: Structure) {
        let whole = self.text.len();
        match structure {
            Structure::Line => self.part(),
            Structure::Xml => {
                self.xml = true;
                self.part();
            }
            Structure::Header => self.headers(),
            Structure::Head => {
                self.limit = line_end(self.text, 0);
                self.part();
                self.limit = whole;
                self.headers();
            }
            Structure::Pem => {
                self.limit = line_end(self.text, 0);
                self.part();
                let end = memchr::memmem::find(&self.text[self.limit..], b"-----END");
                let end = end.map_or(whole, |end| self.limit + end);
                let body = self.text[self.limit..end].trim_ascii_start().len();
                self.delimiter(b'\n');
                self.value(end - body, end - body + self.text[end - body..end].trim_ascii_end().len());
                self.at = end;
                self.limit = whole;
                self.part();
            }
        }
    }

    fn headers(&mut self) {
        while self.at < self.limit && !self.tokens.is_full() {
            let line = &self.text[self.at..];
            let end = self.at + line_end(line, 0);
            if let Some(name) = header_name(line) {
                let colon = self.at + name;
                self.place(self.at, colon, Role::Word, hash(&line[..name]));
                self.delimiter(b':');
                let value = self.text[colon + 1..end].trim_ascii();
                let start = end - self.text[colon + 1..end].trim_ascii_start().len();
                self.value(start.min(end), start.min(end) + value.len());
            }
            self.delimiter(b'\n');
            self.at = end + 1;
        }
    }

    #[inline(always)]
    fn delimiter(&mut self, byte: u8) {
        if byte != self.last {
            self.gap = (self.gap.rotate_left(7) ^ u64::from(byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            self.last = byte;
        }
    }

    #[inline(always)]
    fn place(&mut self, start: usize, end: usize, role: Role, literal: u64) {
        let place = Place { start: start as u16, end: end as u16, role, literal, gap: self.gap };
        self.gap = 0;
        self.last = 0;
        if !self.tokens.push(place) {
            self.at = self.limit;
            self.limit = 0;
        }
    }

    #[inline(always)]
    fn value(&mut self, start: usize, end: usize) {
        self.place(start, end, Role::Value, FREE);
    }

    /// Reads from `at` to `limit`.
    #[inline]
    fn part(&mut self) {
        while self.at < self.limit {
            let byte = self.text[self.at];
            let bits = class(byte);
            if bits & WORD != 0 {
                self.word(bits);
            } else if bits & SPACE != 0 {
                self.delimiter(b' ');
                self.at += 1;
            } else {
                self.punctuation(byte);
            }
        }
    }

    fn punctuation(&mut self, byte: u8) {
        match byte {
            b'=' => self.equals(),
            b'"' | b'\'' => self.quote(byte),
            b')' | b']' | b'}' => self.closing(byte),
            b'>' if self.xml => self.tag_end(),
            b'<' if self.xml && self.text[self.at..].starts_with(b"<!") => self.markup(),
            b':' if is_at(self.text, self.at + 1, b':') => self.double_colon(),
            b'/' => self.slash(),
            _ => {
                self.delimiter(byte);
                self.at += 1;
            }
        }
    }

    /// `=` and the value behind it, where a key is before it.
    fn equals(&mut self) {
        let blank = self.at > 0 && self.text[self.at - 1] == b' ' && is_at(self.text, self.at + 1, b' ');
        let keyed = self.tokens.last_end() == Some(self.at - usize::from(blank).min(self.at));
        self.delimiter(b'=');
        self.at += 1;
        if !keyed || is_at(self.text, self.at, b'=') {
            return;
        }
        if blank {
            self.delimiter(b' ');
            self.at += 1;
        }
        if matches!(self.text.get(self.at), Some(b'"' | b'\'' | b'[' | b'(' | b'{' | b'<')) {
            return;
        }
        let end = compound::bare_value_end(&self.text[..self.limit], self.at.min(self.limit));
        self.value(self.at.min(end), end);
        self.at = self.at.max(end);
    }

    fn quote(&mut self, byte: u8) {
        let kind = if byte == b'"' { 2 } else { 1 };
        let inside_word = byte == b'\'' && self.at > 0 && class(self.text[self.at - 1]) & ALPHANUMERIC != 0;
        let text = &self.text[..self.limit];
        self.delimiter(byte);
        if inside_word || self.unclosed & kind != 0 {
            self.at += 1;
            return;
        }
        match compound::closing_quote(text, self.at) {
            Some(end) => {
                self.value(self.at + 1, end);
                if self.limit > 0 {
                    self.at = end + 1;
                    self.delimiter(byte);
                }
            }
            None => {
                self.unclosed |= kind;
                self.at += 1;
            }
        }
    }

    /// A closing bracket; where a row of bracketed tuples follows, only the first one counts.
    fn closing(&mut self, byte: u8) {
        self.delimiter(byte);
        self.at += 1;
        let open = match byte {
            b')' => b'(',
            b']' => b'[',
            _ => b'{',
        };
        let start = self.at;
        while let Some(end) = compound::next_tuple(&self.text[..self.limit], self.at, open, byte) {
            self.at = end;
        }
        if self.at > start {
            self.tokens.skip(start, self.at);
        }
    }

    /// A slash that may be the beginning of base64.
    fn slash(&mut self) {
        let text = &self.text[..self.limit];
        if let Some(end) = compound::base64(text, self.at, &mut self.not_base64) {
            self.value(self.at, end);
            self.at = self.at.max(end);
            return;
        }
        self.delimiter(b'/');
        self.at += 1;
    }

    fn double_colon(&mut self) {
        match compound::colon_address(&self.text[..self.limit], self.at) {
            Some(end) if end > self.at + 2 && self.tokens.last_end() != Some(self.at) => {
                self.value(self.at, end);
                self.at = self.at.max(end);
            }
            _ => {
                self.delimiter(b':');
                self.at += 1;
            }
        }
    }

    /// The end of a tag and the text up to the next one.
    fn tag_end(&mut self) {
        self.delimiter(b'>');
        let start = self.at + 1;
        let end = memchr::memchr(b'<', &self.text[start..self.limit]).map_or(self.limit, |offset| start + offset);
        let closed = self.text[..self.at].iter().rposition(|&byte| byte == b'<').unwrap_or(0);
        let is_closing = is_at(self.text, closed + 1, b'/');
        self.at = end;
        if is_closing {
            self.at = compound::past_siblings(&self.text[..self.limit], closed + 2, start - 1, end);
            if self.at > end {
                self.tokens.skip(end, self.at);
            }
        }
        let inner = self.text[start..end].trim_ascii();
        if !inner.is_empty() || (!is_closing && self.text[end..].starts_with(b"</") && start == end) {
            let lead = self.text[start..end].trim_ascii_start().len();
            self.value(end - lead, end - lead + inner.len());
        }
    }

    /// A comment, CDATA or declaration, whole.
    fn markup(&mut self) {
        let rest = &self.text[self.at..self.limit];
        let close: &[u8] = if rest.starts_with(b"<!--") {
            b"-->"
        } else if rest.starts_with(b"<![CDATA[") {
            b"]]>"
        } else {
            b">"
        };
        let end = memchr::memmem::find(rest, close).map_or(self.limit, |end| self.at + end + close.len());
        self.delimiter(b'<');
        self.delimiter(b'!');
        self.value((self.at + 2).min(end), end);
        self.at = self.at.max(end);
    }

    #[inline]
    fn word(&mut self, first: u16) {
        let start = self.at;
        match find_word(&self.text[..self.limit], start, first, &mut self.not_base64) {
            Found::Compound(end) => {
                self.value(start, end);
                self.at = self.at.max(end);
            }
            Found::Punctuation(end) => self.weak_only(start, end),
            Found::Word { end, bits } => {
                self.at = end;
                let (role, literal) = self.literal(start, end, bits);
                self.place(start, end, role, literal);
            }
        }
    }

    /// Dashes, dots and the like on their own.
    fn weak_only(&mut self, start: usize, end: usize) {
        if is_at(self.text, end, b'/')
            && let Some(end) = compound::base64(&self.text[..self.limit], start, &mut self.not_base64)
        {
            self.value(start, end);
            self.at = end;
            return;
        }
        self.at = end;
        let alone = end == start + 1 && self.text[start] == b'-';
        let apart = start == 0 || class(self.text[start - 1]) & SPACE != 0;
        if alone && apart && (end == self.limit || class_at(self.text, end) & SPACE != 0) {
            return self.place(start, end, Role::Dash, FREE);
        }
        for index in start..end {
            self.delimiter(self.text[index]);
        }
    }

    /// What of the word is in the signature.
    #[inline]
    fn literal(&self, start: usize, end: usize, bits: u16) -> (Role, u64) {
        let word = &self.text[start..end];
        let next = self.text.get(end).copied().unwrap_or(0);
        let key = next == b'=' || (next == b' ' && self.text[end..].starts_with(b" = "));
        let name = self.xml && start > 0 && matches!(self.text[start - 1], b'<' | b'/');
        if key || name {
            return (Role::Word, hash(word) | 2);
        }
        literal_of(word, bits)
    }
}

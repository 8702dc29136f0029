//! Takes one level of JSON string escapes off a text and remembers where each byte came from.

use super::notes::Stretch;

/// Printable bytes, perhaps decoded from others, and where they came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'t> {
    /// What is read.
    pub(super) bytes: &'t [u8],
    /// Of decoded bytes: the offset of each in the original, and of the end.
    pub(super) offsets: Option<&'t [u32]>,
}

impl Text<'_> {
    /// The offset in the original.
    pub(super) fn original(&self, at: usize) -> usize {
        match self.offsets {
            None => at,
            Some(offsets) => offsets.get(at).or(offsets.last()).map_or(0, |&offset| offset as usize),
        }
    }

    /// The stretch in the original.
    pub(super) fn original_stretch(&self, start: usize, end: usize) -> Stretch {
        Stretch { start: self.original(start), end: self.original(end) }
    }
}

/// A decoded text that owns its buffers.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    bytes: Vec<u8>,
    offsets: Vec<u32>,
}

impl Decoded {
    pub(super) fn text(&self) -> Text<'_> {
        Text { bytes: &self.bytes, offsets: Some(&self.offsets) }
    }

    fn push(&mut self, bytes: &[u8], origin: usize) {
        for byte in bytes {
            self.bytes.push(*byte);
            self.offsets.push(origin as u32);
        }
    }

    /// Decodes `stretch` of `text` up to its end, a line feed or a quote without a backslash. Returns where it stopped.
    pub(super) fn fill(&mut self, text: &Text<'_>, stretch: Stretch) -> usize {
        self.bytes.clear();
        self.offsets.clear();
        let mut at = stretch.start;
        while at < stretch.end {
            match text.bytes[at] {
                b'"' | b'\n' => break,
                b'\\' => at = self.escape(text, at, stretch.end),
                byte => {
                    self.push(&[byte], text.original(at));
                    at += 1;
                }
            }
        }
        self.offsets.push(text.original(at.min(stretch.end)) as u32);
        at.min(stretch.end)
    }

    /// Decodes the escape at `at` and returns what follows it.
    fn escape(&mut self, text: &Text<'_>, at: usize, end: usize) -> usize {
        let origin = text.original(at);
        let Some(&letter) = text.bytes[..end].get(at + 1) else { return end };
        let plain = match letter {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' | b'b' | b'f' => b'\t',
            b'u' => {
                let digits = text.bytes[..end].get(at + 2..at + 6).and_then(|hex| std::str::from_utf8(hex).ok());
                let code = digits.and_then(|hex| u32::from_str_radix(hex, 16).ok());
                let Some(code) = code else { return end.min(at + 2) };
                // Halves of surrogate pairs and control characters stay visible as a replacement.
                let letter = char::from_u32(code).filter(|letter| !letter.is_control()).unwrap_or('\u{fffd}');
                self.push(letter.encode_utf8(&mut [0; 4]).as_bytes(), origin);
                return at + 6;
            }
            other => other,
        };
        self.push(&[plain], origin);
        at + 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_and_remembers_places() {
        let raw = br#"{\"a\":\"\u0416\\n\"} "rest"#;
        let text = Text { bytes: raw, offsets: None };
        let mut decoded = Decoded::default();
        let stop = decoded.fill(&text, Stretch { start: 0, end: raw.len() });
        assert_eq!(decoded.text().bytes, "{\"a\":\"Ж\\n\"} ".as_bytes());
        assert_eq!(raw[stop], b'"');
        assert_eq!(decoded.text().original(1), 1);
        assert_eq!(decoded.text().original(2), 3);
        assert_eq!(decoded.text().original(decoded.text().bytes.len()), stop);
    }

    #[test]
    fn ends_on_cut_escapes() {
        for raw in [&b"{\\"[..], b"{\\u", b"{\\u12", b"{\\uzzzz", b""] {
            let text = Text { bytes: raw, offsets: None };
            let stop = Decoded::default().fill(&text, Stretch { start: 0, end: raw.len() });
            assert!(stop <= raw.len());
        }
    }
}

//! Which stretch of a run is one record: a line, or the lines that only together mean something.
//! Knows the outer forms of HTTP heads, XML and PEM; what is inside a record is `token`'s.

use super::class::{ALPHANUMERIC, LETTER, SPACE, class, class_at, is_at};

/// Shorter records are not counted.
pub(in crate::scan::text) const SHORTEST: usize = 6;
/// How much of a record is looked at; the rest only counts.
pub(in crate::scan::text) const LONGEST: usize = 4096;

/// The outer form of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::scan::text) enum Structure {
    Line,
    /// A request or status line and `Name: value` lines.
    Head,
    /// One `Name: value` line.
    Header,
    Xml,
    Pem,
}

const METHODS: [&[u8]; 9] =
    [b"GET ", b"POST ", b"PUT ", b"HEAD ", b"DELETE ", b"PATCH ", b"OPTIONS ", b"CONNECT ", b"PROPFIND "];

/// Names of single-word headers that are told from the words before a colon in a log line.
const HEADERS: [&[u8]; 20] = [
    b"Host",
    b"Accept",
    b"Cookie",
    b"Referer",
    b"Date",
    b"Server",
    b"Via",
    b"Connection",
    b"Authorization",
    b"Location",
    b"Origin",
    b"Expires",
    b"Age",
    b"Vary",
    b"Pragma",
    b"Etag",
    b"ETag",
    b"From",
    b"Subject",
    b"To",
];

/// Where the name at the start of a header line ends, at its colon.
pub(in crate::scan::text) fn header_name(line: &[u8]) -> Option<usize> {
    let mut end = 0;
    while end < 64
        && (class_at(line, end) & ALPHANUMERIC != 0 && line[end] < 0x80 || matches!(line.get(end), Some(b'-' | b'_')))
    {
        end += 1;
    }
    (end > 0 && is_at(line, end, b':')).then_some(end)
}

pub(in crate::scan::text) fn line_end(text: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |offset| at + offset)
}

fn starts_head(text: &[u8]) -> bool {
    match text.first() {
        Some(b'H') if text.starts_with(b"HTTP/1.") || text.starts_with(b"HTTP/2") => true,
        Some(b'C' | b'D' | b'G' | b'H' | b'O' | b'P') if METHODS.iter().any(|method| text.starts_with(method)) => {
            let line = text[..line_end(text, 0)].trim_ascii_end();
            // A request line alone is a line as any other.
            line.len() > 9 && line.len() + 2 < text.len() && line[line.len() - 9..].starts_with(b" HTTP/")
        }
        _ => false,
    }
}

fn is_header_line(line: &[u8]) -> bool {
    let Some(name) = header_name(line).filter(|&name| is_at(line, name + 1, b' ')) else {
        return false;
    };
    let name = &line[..name];
    line[0].is_ascii_uppercase() && (name.contains(&b'-') && !name.contains(&b'_') || HEADERS.contains(&name))
}

fn starts_xml(text: &[u8]) -> bool {
    text.first() == Some(&b'<')
        && (class_at(text, 1) & LETTER != 0 || is_at(text, 1, b'?') || is_at(text, 1, b'!'))
        && {
            let shown = &text[..text.len().min(LONGEST)];
            memchr::memmem::find(shown, b"</").or_else(|| memchr::memmem::find(shown, b"/>")).is_some()
                || shown.starts_with(b"<?xml")
        }
}

impl Structure {
    /// The form of a whole record, from its first `LONGEST` bytes alone.
    #[inline]
    pub(in crate::scan::text) fn of(record: &[u8]) -> Structure {
        let first = record.first().copied().unwrap_or(0);
        if !matches!(first, b'<' | b'-' | b'A'..=b'Z') {
            return Structure::Line;
        }
        Structure::of_unusual(&record[..record.len().min(LONGEST)])
    }

    fn of_unusual(record: &[u8]) -> Structure {
        if record[0] == b'<' {
            return if starts_xml(record) { Structure::Xml } else { Structure::Line };
        }
        if record.starts_with(b"-----BEGIN ") {
            return Structure::Pem;
        }
        if starts_head(record) {
            return Structure::Head;
        }
        if is_header_line(record) { Structure::Header } else { Structure::Line }
    }
}

/// One record of a run and where to look for the next.
pub(in crate::scan::text) struct Cut {
    pub(in crate::scan::text) start: usize,
    pub(in crate::scan::text) end: usize,
    pub(in crate::scan::text) next: usize,
}

/// The record that begins at or behind `at`, its outer blanks left out.
pub(in crate::scan::text) fn next_record(run: &[u8], at: usize) -> Option<Cut> {
    let mut start = at;
    while class_at(run, start) & SPACE != 0 {
        start += 1;
    }
    if start >= run.len() {
        return None;
    }
    let rest = &run[start..];
    let next = start
        + match Structure::of(rest) {
            Structure::Line | Structure::Header => line_end(rest, 0),
            Structure::Head => head_end(rest),
            Structure::Xml => rest.len(),
            Structure::Pem => pem_end(rest),
        };
    let mut end = next;
    while end > start && class(run[end - 1]) & SPACE != 0 {
        end -= 1;
    }
    Some(Cut { start, end, next })
}

fn head_end(text: &[u8]) -> usize {
    let mut end = line_end(text, 0);
    while end < text.len() {
        let line = &text[end + 1..];
        if header_name(line).is_none() {
            break;
        }
        end += 1 + line_end(line, 0);
    }
    end
}

fn pem_end(text: &[u8]) -> usize {
    memchr::memmem::find(text, b"-----END ").map_or(text.len(), |end| line_end(text, end))
}

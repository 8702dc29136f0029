//! The lines of /proc/PID/maps and smaps as values, read in one pass over a bounded buffer.
//! Parsing alone: lines that make no sense are passed over, what the regions are is `space`'s.

use std::io::{self, Read};

use crate::space::{Footprint, Mapping, Permissions};
use crate::units::{Addr, ByteCount, Span};

/// No line is taken further than this: a path is at most 4096 bytes, and escaping makes four of one.
const LINE_LIMIT: usize = 64 * 1024;
/// vm.max_map_count is 65 530 unless raised; beyond this many the answer would not fit our own memory.
const MAPPINGS_LIMIT: usize = 1 << 21;

/// All mappings of a maps text, in order and not overlapping.
///
/// # Errors
/// Those of reading, and one of kind `OutOfMemory` beyond two million mappings.
pub(crate) fn read_maps(source: impl Read) -> io::Result<Vec<Mapping>> {
    let mut lines = MapLines::default();
    for_each_line(source, &mut |line| lines.take(line))?;
    Ok(lines.mappings)
}

/// All mappings of an smaps text with what each costs.
///
/// # Errors
/// As `read_maps`.
pub(crate) fn read_smaps(source: impl Read) -> io::Result<(Vec<Mapping>, Vec<Footprint>)> {
    let mut lines = MapLines::default();
    for_each_line(source, &mut |line| lines.take(line))?;
    Ok((lines.mappings, lines.footprints))
}

/// The number of lines of a maps text, which is the number of mappings.
///
/// # Errors
/// Those of reading.
pub(crate) fn count_lines(mut source: impl Read) -> io::Result<u64> {
    let mut buffer = vec![0u8; LINE_LIMIT];
    let mut count = 0;
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok(count),
            Ok(length) => count += memchr::memchr_iter(b'\n', &buffer[..length]).count() as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// What the lines read so far say.
#[derive(Default)]
struct MapLines {
    mappings: Vec<Mapping>,
    footprints: Vec<Footprint>,
    /// Whether the costs that follow belong to the last mapping; not so after a line that was passed over.
    current: bool,
}

impl MapLines {
    fn take(&mut self, line: &[u8]) -> io::Result<()> {
        // Keys of smaps begin with a capital; addresses are lower-case hex.
        if line.first().is_some_and(u8::is_ascii_uppercase) {
            if self.current
                && let Some(footprint) = self.footprints.last_mut()
            {
                add_cost(footprint, line);
            }
            return Ok(());
        }
        let Some(mut mapping) = parse_line(line) else {
            self.current = false;
            return Ok(());
        };
        // A text read in pieces while mappings merge can show the end of one again.
        let floor = self.mappings.last().map_or(Addr(0), |last| last.span.end);
        mapping.span = Span::new(mapping.span.start.max(floor), mapping.span.end);
        self.current = !mapping.span.is_empty();
        if !self.current {
            return Ok(());
        }
        if self.mappings.len() >= MAPPINGS_LIMIT {
            return Err(io::Error::new(io::ErrorKind::OutOfMemory, "more than two million mappings"));
        }
        self.footprints.push(Footprint { size: mapping.span.size(), ..Footprint::default() });
        self.mappings.push(mapping);
        Ok(())
    }
}

/// One line of maps, or the first line of a mapping in smaps: `start-end perms offset major:minor inode name`.
fn parse_line(line: &[u8]) -> Option<Mapping> {
    let (range, rest) = word(line);
    let (permissions, rest) = word(rest);
    let (offset, rest) = word(rest);
    let (device, rest) = word(rest);
    let (inode, rest) = word(rest);
    let dash = memchr::memchr(b'-', range)?;
    let span = Span { start: Addr(hex(&range[..dash])?), end: Addr(hex(&range[dash + 1..])?) };
    if span.is_empty() {
        return None;
    }
    let colon = memchr::memchr(b':', device)?;
    Some(Mapping {
        span,
        permissions: Permissions::parse(std::str::from_utf8(permissions).ok()?),
        offset: ByteCount(hex(offset)?),
        device: (u32::try_from(hex(&device[..colon])?).ok()?, u32::try_from(hex(&device[colon + 1..])?).ok()?),
        inode: std::str::from_utf8(inode).ok()?.parse().ok()?,
        name: String::from_utf8_lossy(rest.trim_ascii_start()).into_owned(),
    })
}

/// The first word of `text` and what follows it.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let text = text.trim_ascii_start();
    text.split_at(memchr::memchr(b' ', text).unwrap_or(text.len()))
}

fn hex(digits: &[u8]) -> Option<u64> {
    // from_str_radix takes a sign, the kernel writes none.
    if digits.first() == Some(&b'+') {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Adds one `Key:   123 kB` line.
fn add_cost(footprint: &mut Footprint, line: &[u8]) {
    let Some(colon) = memchr::memchr(b':', line) else { return };
    let field = match &line[..colon] {
        b"Rss" => &mut footprint.rss,
        b"Pss" => &mut footprint.pss,
        b"Private_Dirty" => &mut footprint.private_dirty,
        b"Anonymous" => &mut footprint.anonymous,
        b"Swap" => &mut footprint.swap,
        _ => return,
    };
    let (digits, _) = word(&line[colon + 1..]);
    let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    *field = number.map(ByteCount::kib).unwrap_or_default();
}

/// Gives each line without its end to `take`; a line longer than any the kernel writes is cut.
fn for_each_line(mut source: impl Read, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = vec![0u8; 2 * LINE_LIMIT];
    let mut filled = 0;
    // Whether what is read next is still the rest of a line that was cut.
    let mut skipping = false;
    loop {
        let length = match source.read(&mut buffer[filled..]) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        filled += length;
        let mut at = 0;
        while let Some(end) = memchr::memchr(b'\n', &buffer[at..filled]) {
            if !std::mem::take(&mut skipping) {
                take(&buffer[at..at + end])?;
            }
            at += end + 1;
        }
        if length == 0 {
            return if at < filled && !skipping { take(&buffer[at..filled]) } else { Ok(()) };
        }
        buffer.copy_within(at..filled, 0);
        filled -= at;
        if filled > LINE_LIMIT {
            if !skipping {
                take(&buffer[..LINE_LIMIT])?;
            }
            (filled, skipping) = (0, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_of_maps_in_all_its_parts() {
        let text = "7f00000000-7f00002000 r-xp 00001000 fd:01 131 /usr/lib/a b\\012c.so (deleted)\n";
        let mappings = read_maps(text.as_bytes()).unwrap();
        let expected = Mapping {
            span: Span::new(Addr(0x7f_0000_0000), Addr(0x7f_0000_2000)),
            permissions: Permissions::parse("r-xp"),
            offset: ByteCount(0x1000),
            device: (0xfd, 1),
            inode: 131,
            name: "/usr/lib/a b\\012c.so (deleted)".into(),
        };
        assert_eq!(mappings, [expected]);
    }

    #[test]
    fn odd_lines_are_passed_over_and_their_costs_with_them() {
        let text = b"1000-2000 rw-p 00000000 00:00 0 \nRss:   4 kB\nNewKey:  some words\nAnonymous: 4 kB\n\
            what is this\nRss: 400 kB\n5000-4000 rw-p 00000000 00:00 0\nRss: 800 kB\n\
            6000-7000 rw-p 00000000 00:00 0     /a\xff\xfe\nSwap:  8 kB\nRss: -3 kB\nVmFlags: rd wr mr mw me ac";
        let (mappings, footprints) = read_smaps(&text[..]).unwrap();
        assert_eq!(mappings.len(), 2);
        assert_eq!(mappings[1].name, "/a\u{fffd}\u{fffd}");
        assert_eq!((footprints[0].rss, footprints[0].anonymous), (ByteCount::kib(4), ByteCount::kib(4)));
        assert_eq!((footprints[1].rss, footprints[1].swap), (ByteCount::ZERO, ByteCount::kib(8)));
    }

    #[test]
    fn what_merged_while_it_was_read_does_not_overlap() {
        let text =
            "1000-3000 rw-p 0 00:00 0\n2000-5000 rw-p 0 00:00 0\nRss: 4 kB\n2000-4000 rw-p 0 00:00 0\nRss: 8 kB\n";
        let (mappings, footprints) = read_smaps(text.as_bytes()).unwrap();
        let spans: Vec<(u64, u64)> = mappings.iter().map(|m| (m.span.start.0, m.span.end.0)).collect();
        assert_eq!(spans, [(0x1000, 0x3000), (0x3000, 0x5000)]);
        assert_eq!(footprints[1].rss, ByteCount::kib(4));
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let mut text = b"1000-2000 rw-p 0 00:00 9 /".to_vec();
        text.resize(300_000, b'x');
        text.extend_from_slice(b"\n3000-4000 rw-p 0 00:00 0\n");
        let mappings = read_maps(&text[..]).unwrap();
        assert_eq!(mappings.len(), 2);
        assert!(mappings[0].name.len() <= LINE_LIMIT);
    }

    #[test]
    fn lines_are_counted() {
        assert_eq!(count_lines(&b"a\nb\nc\n"[..]).unwrap(), 3);
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_ordered_mappings(bytes in prop::collection::vec(any::<u8>(), 0..400),
                lines in prop::collection::vec("[0-9a-f]{1,4}-[0-9a-f]{1,4} [rwxps-]{4} [0-9]{1,3} [0-9]:[0-9] [0-9]", 0..20)) {
            let text = [bytes, b"\n".to_vec(), lines.join("\n").into_bytes()].concat();
            let (mappings, footprints) = read_smaps(&text[..]).unwrap();
            prop_assert_eq!(mappings.len(), footprints.len());
            prop_assert!(mappings.windows(2).all(|two| two[0].span.end <= two[1].span.start));
            prop_assert!(mappings.iter().all(|m| !m.span.is_empty()));
        }
    }
}

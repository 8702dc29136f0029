//! Pieces with a file signature: pictures, archives, certificates. Looked for only where something can begin, by first
//! byte, then by at least four bytes of signature. Knows signatures and the lengths that headers declare.

use super::group::{Group, GroupKind, Label, Tally};
use super::samples::Samples;
use crate::units::{Addr, ByteCount};

/// Bytes behind a beginning that signatures may look at.
pub(super) const LOOKED_AT: usize = 512;

/// A file signature that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) label: &'static str,
    /// The whole length, where the header says it. Hostile.
    pub(super) declared: Option<u64>,
}

/// First bytes of the signatures below.
const FIRST: [bool; 256] = {
    let mut first = [false; 256];
    let bytes = b"\x89\xffG%P\x1f\x28\xfd7RO\x66\x1a8w\x04\xd0\xed\x30\x7fSB\xca\0";
    let mut index = 0;
    while index < bytes.len() {
        first[bytes[index] as usize] = true;
        index += 1;
    }
    first
};

/// Whether a signature begins with this byte.
#[inline]
pub(super) fn may_begin(first: u8) -> bool {
    FIRST[first as usize]
}

/// Signatures of four bytes and more that speak for themselves.
const PLAIN: [(&[u8], &str); 18] = [
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"%PDF-", "pdf"),
    (b"PK\x03\x04", "zip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\0", "xz"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"OggS\0", "ogg"),
    (b"fLaC\0\0\0\x22", "flac"),
    (b"\x1a\x45\xdf\xa3", "matroska"),
    (b"8BPS\0\x01", "psd"),
    (b"wOF2", "woff2"),
    (b"wOFF", "woff"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (b"\xed\xab\xee\xdb", "rpm"),
];

/// Their first four bytes, which is all that is compared with most words.
const PREFIXES: [[u8; 4]; PLAIN.len()] = {
    let mut prefixes = [[0; 4]; PLAIN.len()];
    let mut index = 0;
    while index < PLAIN.len() {
        let signature = PLAIN[index].0;
        prefixes[index] = [signature[0], signature[1], signature[2], signature[3]];
        index += 1;
    }
    prefixes
};

/// What begins with `bytes`, if it is known.
pub(super) fn identify(bytes: &[u8]) -> Option<Found> {
    let bytes = &bytes[..bytes.len().min(LOOKED_AT)];
    let found = |label| Some(Found { label, declared: None });
    if PREFIXES.contains(bytes.first_chunk()?)
        && let Some((_, label)) = PLAIN.iter().find(|(signature, _)| bytes.starts_with(signature))
    {
        return found(label);
    }
    match *bytes.first()? {
        0xff => (bytes.starts_with(b"\xff\xd8\xff") && is_jpeg_marker(*bytes.get(3)?))
            .then_some(())
            .and_then(|()| found("jpeg")),
        0x1f => is_gzip(bytes).then_some(()).and_then(|()| found("gzip")),
        0x30 => x509(bytes),
        0x7f => elf(bytes),
        b'R' => riff(bytes),
        b'S' => sqlite(bytes),
        b'B' => bytes
            .get(4..10)
            .is_some_and(|magic| magic == b"1AY&SY" && bytes.starts_with(b"BZh"))
            .then_some(())
            .and_then(|()| found("bzip2")),
        0xca => java_class(bytes),
        0 => by_crate(bytes),
        _ => None,
    }
}

fn is_jpeg_marker(marker: u8) -> bool {
    matches!(marker, 0xe0..=0xef | 0xdb | 0xc0 | 0xc4 | 0xfe)
}

/// RFC 1952: deflate, no reserved flags, a known extra-flags value and system.
fn is_gzip(bytes: &[u8]) -> bool {
    bytes.get(..10).is_some_and(|header| {
        header[1] == 0x8b
            && header[2] == 8
            && header[3] & 0xe0 == 0
            && matches!(header[8], 0 | 2 | 4)
            && (header[9] <= 13 || header[9] == 255)
    })
}

/// A certificate in DER: SEQUENCE of a SEQUENCE (the part that is signed), both with two bytes of length, then a version.
fn x509(bytes: &[u8]) -> Option<Found> {
    let header: &[u8; 9] = bytes.first_chunk()?;
    let length = |at: usize| u64::from(u16::from_be_bytes([header[at], header[at + 1]]));
    let fits = header[..2] == *b"\x30\x82" && header[4..6] == *b"\x30\x82" && length(6) + 4 <= length(2);
    (fits && matches!(header[8], 0xa0 | 0x02)).then(|| Found { label: "x509", declared: Some(length(2) + 4) })
}

fn elf(bytes: &[u8]) -> Option<Found> {
    let header: &[u8; 7] = bytes.first_chunk()?;
    let fits = header.starts_with(b"\x7fELF") && matches!(header[4], 1 | 2) && matches!(header[5], 1 | 2);
    (fits && header[6] == 1).then_some(Found { label: "elf", declared: None })
}

fn riff(bytes: &[u8]) -> Option<Found> {
    let header: &[u8; 12] = bytes.first_chunk()?;
    let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    let label = match &header[8..12] {
        b"WEBP" => "webp",
        b"WAVE" => "wav",
        b"AVI " => "avi",
        _ => return None,
    };
    header.starts_with(b"RIFF").then_some(Found { label, declared: Some(u64::from(length) + 8) })
}

/// The header of a database file: page size at offset 16, pages at 28 (sqlite.org/fileformat.html).
fn sqlite(bytes: &[u8]) -> Option<Found> {
    let header: &[u8; 32] = bytes.first_chunk()?;
    if !header.starts_with(b"SQLite format 3\0") {
        return None;
    }
    let page = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65536,
        size => u64::from(size),
    };
    let pages = u64::from(u32::from_be_bytes([header[28], header[29], header[30], header[31]]));
    Some(Found { label: "sqlite", declared: (page * pages > 0).then_some(page * pages) })
}

/// 0xcafebabe is also Mach-O's; Java's major versions are 45 to well below 100.
fn java_class(bytes: &[u8]) -> Option<Found> {
    let header: &[u8; 8] = bytes.first_chunk()?;
    let major = u16::from_be_bytes([header[6], header[7]]);
    let fits = header.starts_with(b"\xca\xfe\xba\xbe") && (45..100).contains(&major);
    fits.then_some(Found { label: "java-class", declared: None })
}

/// Formats whose signature is not at the front, as the crate knows them; weak ones it knows too are left out.
fn by_crate(bytes: &[u8]) -> Option<Found> {
    let wasm = bytes.starts_with(b"\0asm\x01\0\0\0");
    if !wasm && bytes.get(4..8) != Some(b"ftyp") {
        return None;
    }
    let kind = infer::get(bytes)?;
    matches!(kind.extension(), "wasm" | "mp4" | "m4v" | "mov" | "m4a" | "heif" | "avif")
        .then_some(Found { label: kind.extension(), declared: None })
}

/// All pieces by signature.
#[derive(Debug, Default)]
pub(super) struct Blobs {
    found: Vec<(&'static str, [Tally; 2], Samples)>,
    epoch: usize,
}

impl Blobs {
    pub(super) fn begin_second(&mut self) {
        self.epoch = 1;
    }

    /// Counts one; returns its slot.
    pub(super) fn add(&mut self, label: &'static str, addr: Addr, bytes: &[u8]) -> usize {
        let slot = self.found.iter().position(|(known, ..)| *known == label).unwrap_or_else(|| {
            self.found.push((label, Default::default(), Samples::default()));
            self.found.len() - 1
        });
        let (_, tallies, samples) = &mut self.found[slot];
        samples.offer(self.epoch, tallies[self.epoch].count, addr, &bytes[..bytes.len().min(64)]);
        tallies[self.epoch].count += 1;
        slot
    }

    /// So many more bytes are of the last-counted piece of a slot.
    pub(super) fn extend(&mut self, slot: usize, bytes: u64) {
        if let Some((_, tallies, _)) = self.found.get_mut(slot) {
            tallies[self.epoch].bytes += ByteCount(bytes);
        }
    }

    pub(super) fn finish(self) -> Vec<Group> {
        let epoch = self.epoch;
        let group = |(label, tallies, samples): (&str, [Tally; 2], Samples)| Group {
            kind: GroupKind::Blob,
            label: Label::fixed(label),
            now: tallies[epoch],
            before: (epoch > 0).then_some(tallies[0]),
            samples: samples.into_sorted(),
        };
        self.found.into_iter().map(group).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_told() {
        let label = |bytes: &[u8]| {
            assert!(may_begin(bytes[0]));
            identify(bytes).map(|found| found.label)
        };
        assert_eq!(label(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), Some("png"));
        assert_eq!(label(b"\xff\xd8\xff\xe0\0\x10JFIF"), Some("jpeg"));
        assert_eq!(label(b"\xff\xd8\xff\x12"), None);
        assert_eq!(label(b"\x1f\x8b\x08\x00abcd\x00\x03"), Some("gzip"));
        assert_eq!(label(b"\x1f\x8b\x08\xffabcd\x00\x03"), None);
        assert_eq!(label(b"BZh91AY&SYxx"), Some("bzip2"));
        assert_eq!(label(b"BM12345678901234567890"), None);
        assert_eq!(label(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"), Some("mp4"));
        assert_eq!(label(b"\0\0\x01\0\x01\0"), None);
        let certificate = b"\x30\x82\x03\x10\x30\x82\x01\xf8\xa0\x03\x02\x01\x02";
        assert_eq!(identify(certificate), Some(Found { label: "x509", declared: Some(0x314) }));
        assert_eq!(identify(b"RIFF\x10\0\0\0WEBPVP8 "), Some(Found { label: "webp", declared: Some(24) }));
    }

    #[test]
    fn nothing_short_panics() {
        for first in 0..=255u8 {
            for length in 0..40 {
                let mut bytes = vec![0u8; length];
                bytes.iter_mut().take(1).for_each(|byte| *byte = first);
                identify(&bytes);
            }
        }
        for (signature, _) in PLAIN {
            assert!(may_begin(signature[0]));
        }
    }
}

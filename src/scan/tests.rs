//! The engine as a whole, on invented memory.

use proptest::prelude::*;

use super::*;
use crate::memory::{Consistency, FakeMemory, MemorySource, ReadError};
use crate::progress::Silent;
use crate::space::{AddressMap, Mapping, Permissions, Residency};
use crate::units::{Addr, ByteCount, Span};

const BASE: u64 = 0x5555_0000_0000;

fn map() -> AddressMap {
    let mapping = |start: u64, end: u64, permissions: &str, inode: u64| Mapping {
        span: Span::new(Addr(start), Addr(end)),
        permissions: Permissions::parse(permissions),
        inode,
        ..Mapping::default()
    };
    let mappings = vec![
        mapping(BASE, BASE + (1 << 30), "rw-p", 0),
        mapping(CODE, CODE + 0x10000, "r-xp", 9),
        mapping(CODE + 0x10000, CODE + 0x20000, "r--p", 9),
    ];
    AddressMap { mappings, regions: Vec::new() }
}

const CODE: u64 = 0x7f12_3456_0000;

struct Names;

impl PointerNames for Names {
    fn pointee(&self, addr: Addr) -> Option<Pointee> {
        let name = match addr.0 - CODE {
            0x10 => "handler()",
            0x10010 => "vtable for Widget",
            _ => return None,
        };
        let kind = if addr.0 - CODE < 0x10000 { PointeeKind::Function } else { PointeeKind::Vtable };
        Some(Pointee { kind, name: name.to_owned() })
    }
}

fn scan_windows(addr: u64, windows: &[&[u8]]) -> ScanResult {
    let mut scanner = Scanner::new(&map(), Some(&Names), ScanOptions::default());
    let mut at = Addr(addr);
    for window in windows {
        scanner.feed(at, window);
        at = at.plus(ByteCount(window.len() as u64));
    }
    scanner.finish()
}

fn scan(bytes: &[u8]) -> ScanResult {
    let result = scan_windows(BASE, &[bytes]);
    check_sums(&result, bytes.len());
    result
}

fn check_sums(result: &ScanResult, length: usize) {
    let Composition { json, text, pointer, zero, other } = result.composition;
    assert_eq!(json + text + pointer + zero + other, ByteCount(length as u64), "{:?}", result.composition);
    assert_eq!(result.scanned, ByteCount(length as u64));
    let groups: ByteCount = result.groups.iter().map(|group| group.now.bytes).sum();
    assert!(groups <= result.scanned, "{groups} in {:?}", result.groups);
}

fn labels(result: &ScanResult, kind: GroupKind) -> Vec<(String, u64, u64)> {
    let of_kind = result.groups.iter().filter(|group| group.kind == kind);
    of_kind.map(|group| (group.label.to_string(), group.now.count, group.now.bytes.0)).collect()
}

/// A heap of chunks as glibc malloc lays them out, with the contents given.
fn heap(contents: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![0u8; 8];
    for content in contents {
        let size = (content.len() + 8).next_multiple_of(16).max(32);
        bytes.extend(((size | 1) as u64).to_le_bytes());
        let start = bytes.len();
        bytes.extend(*content);
        bytes.resize(start + size - 8, 0);
    }
    bytes.extend(0x20d51u64.to_le_bytes());
    bytes.resize(bytes.len() + 64, 0);
    bytes
}

fn record(index: usize) -> String {
    format!(
        r#"{{"trace_id":"{:032x}","user_id":{},"device":{{"os":"android","model":"SM-{}"}},"payload":"some words {}","sign":"{:016x}"}}"#,
        index.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 0xa,
        index,
        index % 7,
        "x".repeat(index % 40),
        index.wrapping_mul(0xbf58_476d_1ce4_e5b9),
    )
}

const LABEL: &str = "{trace_id:hex, user_id:int, device:{os, model}, payload:str, sign:hex}";

#[test]
fn composition_counts_each_byte_once() {
    let mut bytes = Vec::new();
    bytes.extend(b"{\"a\":1}\0");
    bytes.extend(b"plain words here");
    bytes.extend([0u8; 24]);
    bytes.extend((BASE + 0x40).to_le_bytes());
    bytes.extend([0xff; 8]);
    let result = scan(&bytes);
    // Seven bytes of a record are no run.
    assert_eq!(result.composition.text, ByteCount(16));
    assert_eq!(result.composition.pointer, ByteCount(8));
    assert_eq!(result.composition.zero, ByteCount(25));
    assert_eq!(result.composition.other, ByteCount(15));
}

#[test]
fn records_in_every_state_are_one_group() {
    let mut contents: Vec<Vec<u8>> = Vec::new();
    let mut bytes = 0;
    for index in 0..1000 {
        let text = record(index);
        let content = match index % 10 {
            0 => text.as_bytes()[..text.len() - 5 - index % 60].to_vec(),
            1 => {
                let mut content = text.into_bytes();
                content[..8].copy_from_slice(&(BASE + 0x100).to_le_bytes());
                content[8..16].copy_from_slice(&[0x81, 0xe3, 0x01, 0xff, 0x92, 0xc0, 0x05, 0xee]);
                bytes += content.len() - 16;
                contents.push(content);
                continue;
            }
            2 => text.replace('"', "\\\"").into_bytes(),
            3 => format!(r#"{{"log":"{}"}}"#, text.replace('"', "\\\"")).into_bytes(),
            _ => text.into_bytes(),
        };
        bytes += content.len() - if index % 10 == 3 { 10 } else { 0 };
        contents.push(content);
    }
    let contents: Vec<&[u8]> = contents.iter().map(Vec::as_slice).collect();
    let result = scan(&heap(&contents));
    assert_eq!(
        labels(&result, GroupKind::Json),
        [(LABEL.to_owned(), 1000, bytes as u64), (format!("{{log:\"{}\"}}", keys_of(LABEL)), 100, 1000)]
    );
    assert_eq!(labels(&result, GroupKind::Text), []);
}

fn keys_of(label: &str) -> String {
    [":hex", ":int", ":str"].iter().fold(label.to_owned(), |label, name| label.replace(name, ""))
}

fn mixture() -> Vec<u8> {
    let wide: Vec<u8> = "wide text, Привет мир".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    png.extend([7u8; 50]);
    let mut widget = (CODE + 0x10010).to_le_bytes().to_vec();
    widget.extend([0x11; 24]);
    let escaped = record(4).replace('"', "\\\"");
    let cut = record(5);
    let contents: Vec<&[u8]> = vec![
        b"hello there, some text with an id 12345",
        "текст и 世界 и 🙂🙂".as_bytes(),
        &widget,
        escaped.as_bytes(),
        &cut.as_bytes()[..100],
        &wide,
        &png,
        &widget,
        b"POST body={\"a\":1,\"b\":\"x\"} and more text",
        &cut.as_bytes()[40..],
        b"\x01\x02\x03abcdefg\x04\x05",
    ];
    heap(&contents)
}

#[test]
fn windows_change_nothing() {
    for bytes in [mixture(), [mixture(), vec![0; 700], mixture()].concat()] {
        let whole = scan(&bytes);
        assert!(whole.groups.iter().any(|group| group.kind == GroupKind::Blob), "{:#?}", whole.groups);
        assert!(whole.groups.iter().any(|group| group.kind == GroupKind::Object));
        for cut in 0..=bytes.len() {
            assert_eq!(scan_windows(BASE, &[&bytes[..cut], &bytes[cut..]]), whole, "cut at {cut}");
        }
        for size in [1, 3, 64, 100] {
            let windows: Vec<&[u8]> = bytes.chunks(size).collect();
            assert_eq!(scan_windows(BASE, &windows), whole, "windows of {size}");
        }
    }
}

#[test]
fn objects_are_first_words_of_chunks() {
    let vtable = (CODE + 0x10010).to_le_bytes();
    let handler = (CODE + 0x10).to_le_bytes();
    let object = [&vtable[..], &[1; 40]].concat();
    let holder = [&[1u8; 16], &handler[..], &[1; 24]].concat();
    let contents: Vec<&[u8]> = (0..300).map(|index| if index % 3 == 0 { &object[..] } else { &holder[..] }).collect();
    let result = scan(&heap(&contents));
    assert_eq!(labels(&result, GroupKind::Object), [("vtable for Widget".to_owned(), 100, 100 * 56)]);
}

#[test]
fn blobs_begin_chunks() {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    png.extend([7u8; 84]);
    let certificate = [&b"\x30\x82\x00\x50\x30\x82\x00\x40\xa0\x03"[..], &[0x99; 200]].concat();
    let contents: Vec<&[u8]> = (0..50).flat_map(|_| [&png[..], &certificate[..]]).collect();
    let result = scan(&heap(&contents));
    // A certificate says how long it is; a picture is as long as its chunk.
    let expected = [("png".to_owned(), 50, 50 * 104), ("x509".to_owned(), 50, 50 * 84)];
    assert_eq!(labels(&result, GroupKind::Blob), expected);
}

#[test]
fn wide_text_counts_what_it_takes_in_memory() {
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let (words, record) = (wide("some wide words"), wide(r#"{"a":1,"b":"wide"}"#));
    let result = scan(&heap(&[&words, &record]));
    assert_eq!(labels(&result, GroupKind::Json), [("{a:int, b:str}".to_owned(), 1, 36)]);
    assert_eq!((result.composition.json, result.composition.text), (ByteCount(36), ByteCount(30)));
    let text: u64 =
        result.groups.iter().filter(|group| group.kind != GroupKind::Json).map(|group| group.now.bytes.0).sum();
    assert_eq!(text, 30);
}

#[test]
fn unreadable_pages_are_gaps() {
    struct Torn(FakeMemory);
    impl MemorySource for Torn {
        fn address_map(&self) -> &AddressMap {
            self.0.address_map()
        }
        fn consistency(&self, span: Span) -> crate::memory::Consistency {
            self.0.consistency(span)
        }
        fn residency(&self, span: Span) -> Result<crate::space::Residency, crate::memory::ReadError> {
            Ok(crate::space::Residency::whole(span))
        }
        fn read_at(&self, addr: Addr, buf: &mut [u8]) -> Result<usize, crate::memory::ReadError> {
            self.0.read_at(addr, buf)
        }
    }
    let memory = Torn(FakeMemory::new().with(BASE, vec![b'x'; 4096]).with(BASE + 0x3000, vec![b'y'; 4096]));
    let mut scanner = Scanner::new(memory.address_map(), None, ScanOptions::default());
    let span = Span::new(Addr(BASE), Addr(BASE + 0x4000));
    let coverage = scan_source(&mut scanner, &memory, &[span], &Silent).unwrap();
    assert_eq!(coverage.gaps, [Span::new(Addr(BASE + 0x1000), Addr(BASE + 0x3000))]);
    assert_eq!((coverage.wanted, coverage.copied), (ByteCount(0x4000), ByteCount(0x2000)));
    assert_eq!(scanner.finish().composition.text, ByteCount(0x2000));
}

#[test]
fn objects_without_chunks_have_a_stride() {
    let mut bytes = Vec::new();
    for _ in 0..100 {
        bytes.extend((CODE + 0x10010).to_le_bytes());
        bytes.extend([0x11; 40]);
    }
    let result = scan(&bytes);
    let found = labels(&result, GroupKind::Object);
    assert_eq!((found[0].0.as_str(), found[0].1), ("vtable for Widget", 100));
    assert!((4500..=4800).contains(&found[0].2), "{found:?}");
}

#[test]
fn growth_ranks_first() {
    let cache: Vec<String> = (0..200).map(record).collect();
    let mut contents: Vec<&[u8]> = cache.iter().map(|text| text.as_bytes()).collect();
    let mut scanner = Scanner::new(&map(), None, ScanOptions::default());
    scanner.feed(Addr(BASE), &heap(&contents));
    scanner.begin_second();
    let leak: Vec<String> = (0..20).map(|index| format!(r#"{{"n":{index},"leaked":"words"}}"#)).collect();
    contents.extend(leak.iter().map(|text| text.as_bytes()));
    let bytes = heap(&contents);
    scanner.feed(Addr(BASE), &bytes);
    let result = scanner.finish();
    check_sums(&result, bytes.len());
    let first = &result.groups[0];
    assert_eq!(first.label.to_string(), "{n:int, leaked:str}");
    assert_eq!((first.growth_count(), first.before), (Some(20), Some(Tally::default())));
    assert_eq!(first.samples.len(), 3);
    assert_eq!(result.groups[1].growth_bytes(), Some(0));
    assert_eq!(result.groups[1].now.count, 200);
}

#[test]
fn long_runs_are_cut_between_records() {
    let lines: String = (0..14_000).map(|index| record(index) + "\n").collect();
    assert!(lines.len() > 2 << 20);
    let result = scan(lines.as_bytes());
    assert_eq!(labels(&result, GroupKind::Json), [(LABEL.to_owned(), 14_000, lines.len() as u64 - 14_000)]);
    let records: Vec<String> = (0..14_000).map(record).collect();
    let envelope = format!(r#"{{"records":[{}]}}"#, records.join(","));
    let result = scan(envelope.as_bytes());
    assert_eq!(labels(&result, GroupKind::Json)[0], (LABEL.to_owned(), 14_000, lines.len() as u64 - 14_000));
}

#[test]
fn sources_are_read_where_they_are_present() {
    let text = mixture();
    let memory = FakeMemory::new().with(BASE, text.clone()).with(BASE + 0x10_0000, text.clone());
    let mut scanner = Scanner::new(memory.address_map(), None, ScanOptions::default());
    let span = Span::new(Addr(BASE), Addr(BASE + 0x20_0000));
    let coverage = scan_source(&mut scanner, &memory, &[span], &Silent).unwrap();
    let length = ByteCount(text.len() as u64 * 2);
    assert_eq!((coverage.wanted, coverage.copied, coverage.gaps), (span.size(), length, Vec::new()));
    assert_eq!(coverage.absent, span.size().saturating_sub(length));
    let result = scanner.finish();
    check_sums(&result, text.len() * 2);
}

proptest! {
    #[test]
    fn any_bytes_have_a_composition(bytes in proptest::collection::vec(any::<u8>(), 0..3000), addr in 0u64..64) {
        let whole = scan_windows(BASE + addr, &[&bytes]);
        check_sums(&whole, bytes.len());
    }

    #[test]
    fn any_text_in_any_windows(text in r#"([{}\[\]",:\\ an1\n"]{0,80}|\x00{1,20}|\{"a":1,"b":\[|ж{1,9}|\PC{0,20}){0,30}"#, cut in 0usize..2000) {
        let bytes = text.as_bytes();
        let whole = scan(bytes);
        let cut = cut.min(bytes.len());
        prop_assert_eq!(scan_windows(BASE, &[&bytes[..cut], &bytes[cut..]]), whole);
    }
}

/// Ten MiB of lines with an unreadable page each MiB; gone from `gone` on.
struct Holey {
    map: AddressMap,
    shared: bool,
    gone: Addr,
}

impl MemorySource for Holey {
    fn address_map(&self) -> &AddressMap {
        &self.map
    }

    fn consistency(&self, _span: Span) -> Consistency {
        Consistency::Torn
    }

    fn residency(&self, span: Span) -> Result<Residency, ReadError> {
        Ok(Residency { present: vec![span], swapped: Vec::new(), absent: ByteCount::ZERO })
    }

    fn read_at(&self, addr: Addr, buf: &mut [u8]) -> Result<usize, ReadError> {
        const MIB: u64 = 1 << 20;
        let inside = addr.0 % MIB;
        match inside < 4096 {
            _ if addr >= self.gone => Err(ReadError::Gone),
            true => Err(ReadError::Fault(addr)),
            false => {
                let length = buf.len().min((MIB - inside) as usize);
                let line = b"GET /v1/orders/1234567 HTTP/1.1\n";
                (0..length).for_each(|at| buf[at] = line[(inside as usize + at) % line.len()]);
                Ok(length)
            }
        }
    }

    fn shared(&self) -> Option<&(dyn MemorySource + Sync)> {
        self.shared.then_some(self)
    }
}

#[test]
fn reading_ahead_changes_nothing() {
    let span = Span::sized(Addr(BASE), ByteCount::mib(10));
    let scanned = |shared: bool, gone: u64| {
        let mut scanner = Scanner::new(&map(), None, ScanOptions::default());
        let source = Holey { map: map(), shared, gone: Addr(gone) };
        let coverage = scan_source(&mut scanner, &source, &[span], &Silent);
        (coverage.map_err(|error| error.to_string()), scanner.finish())
    };
    let (coverage, result) = scanned(true, u64::MAX);
    let coverage = coverage.unwrap();
    assert_eq!((coverage.gaps.len(), coverage.copied), (10, ByteCount(10 * ((1 << 20) - 4096))));
    assert!(result.groups[0].now.count > 300_000);
    assert_eq!((Ok(coverage), result), scanned(false, u64::MAX));
    let end = BASE + (5 << 20) + 8192;
    assert_eq!(scanned(true, end).0, Err(ReadError::Gone.to_string()));
    assert_eq!(scanned(true, end), scanned(false, end));
}

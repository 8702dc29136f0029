//! Recorded memory from sound files, broken ones and hostile ones.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::memory::dumping::manifest::{ManifestTarget, SCHEMA_VERSION};
use crate::memory::dumping::packer::{FRAME, Packer};
use crate::memory::{Compression, FrameRun, Frames, Method};
use crate::progress::Silent;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn dump(&self, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join("dump");
        fs::write(&path, bytes).unwrap();
        path
    }

    fn manifest(&self, text: impl AsRef<[u8]>) {
        fs::write(self.0.path().join("dump.json"), text).unwrap();
    }

    fn refusal(&self, bytes: &[u8]) -> String {
        RecordedMemory::open(&self.dump(bytes)).unwrap_err().to_string()
    }
}

fn span(start: u64, end: u64) -> Span {
    Span::new(Addr(start), Addr(end))
}

/// Of a file of 0x4000 bytes at 0x7000, its second page in swap, its third unreadable.
fn manifest() -> Manifest {
    Manifest {
        schema_version: SCHEMA_VERSION,
        format: "raw".into(),
        compression: Compression::None,
        frames: None,
        complete: true,
        time: "2024-01-01T00:00:00Z".into(),
        leakscope_version: "0".into(),
        kernel: "6".into(),
        target: ManifestTarget::default(),
        range: span(0x7000, 0xb000),
        bytes: ByteCount(0x2000),
        hole_bytes: ByteCount(0x2000),
        page_size_bytes: ByteCount(0x1000),
        method: Method::Stop,
        stops: 1,
        pause_ms: 1.0,
        sha256: None,
        present: Some(vec![span(0x7000, 0x8000), span(0xa000, 0xb000)]),
        swapped: vec![span(0x8000, 0x9000)],
        gaps: vec![span(0x9000, 0xa000)],
        mappings: Vec::new(),
    }
}

fn text(manifest: &Manifest) -> String {
    serde_json::to_string(manifest).unwrap()
}

#[test]
fn a_dump_has_the_addresses_its_manifest_gives() {
    let folder = Folder::new();
    folder.manifest(text(&manifest()));
    let memory = RecordedMemory::open(&folder.dump(&[7; 0x4000])).unwrap();
    assert_eq!(memory.spans(), [span(0x7000, 0xb000)]);
    let residency = memory.residency(span(0x6000, 0xc000)).unwrap();
    assert_eq!(residency.present, [span(0x7000, 0x8000), span(0xa000, 0xb000)]);
    assert_eq!(residency.swapped, [span(0x8000, 0x9000)]);
    assert_eq!(residency.absent, ByteCount(0x3000));
    let mut buf = [0; 0x2000];
    assert_eq!(memory.read_at(Addr(0x7ff0), &mut buf).unwrap(), 16);
    for missing in [0x6fff, 0x8000, 0x9000, 0x9fff, 0xb000, u64::MAX] {
        assert!(matches!(memory.read_at(Addr(missing), &mut buf), Err(ReadError::Fault(at)) if at == Addr(missing)));
    }
    assert_eq!(memory.read_at(Addr(0xa000), &mut buf).unwrap(), 0x1000);
    assert_eq!(memory.read_at(Addr(0xa000), &mut []).unwrap(), 0);
    let memory = memory.in_place();
    assert_eq!(memory.borrow(span(0x7ff0, 0x8000)), Some(&[7; 16][..]));
    assert!(
        [span(0x7ff0, 0x8001), span(0x9000, 0xb000), span(0xa000, 0xb001)].map(|span| memory.borrow(span)) == [None; 3]
    );
}

#[test]
fn holes_of_a_file_without_manifest_are_absent() {
    let folder = Folder::new();
    let path = folder.dump(&[]);
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[1; 0x1000], 0x20_0000).unwrap();
    file.set_len(1 << 40).unwrap();
    let memory = RecordedMemory::open(&path).unwrap();
    assert_eq!(memory.residency(span(0, 1 << 40)).unwrap().present, [span(0x20_0000, 0x20_1000)]);
    let mut buf = [9; 4];
    assert_eq!(memory.read_at(Addr(1 << 39), &mut buf).unwrap(), 4);
    assert_eq!(buf, [0; 4]);
    let memory = memory.rebased(Addr(0x1_0000_0000));
    assert_eq!(memory.read_at(Addr(0x1_0020_0000), &mut buf).unwrap(), 4);
    assert_eq!((buf, memory.spans()[0].start), ([1; 4], Addr(0x1_0000_0000)));
}

#[test]
fn what_is_no_dump_is_refused_in_plain_words() {
    let folder = Folder::new();
    assert!(folder.refusal(b"").ends_with("it is empty"));
    let there = |path: &Path| RecordedMemory::open(path).unwrap_err().to_string();
    assert!(there(folder.0.path()).ends_with("it is a directory"));
    assert!(there(&folder.0.path().join("nothing")).ends_with("there is no such file"));
    let pipe = folder.0.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(there(&pipe).contains("it is a pipe"));
}

#[test]
fn a_broken_manifest_or_dump_is_refused_in_plain_words() {
    let folder = Folder::new();
    let whole = text(&manifest());
    folder.manifest(&whole);
    assert!(folder.refusal(&[0; 0x3fff]).contains("it was cut off"));
    for broken in [&whole[..whole.len() / 2], "", "[]", "{}", "\u{0}"] {
        folder.manifest(broken);
        assert!(folder.refusal(&[0; 0x4000]).contains("dump.json"), "{broken}");
    }
    let changed = |change: fn(&mut Manifest)| {
        let mut manifest = manifest();
        change(&mut manifest);
        folder.manifest(text(&manifest));
        folder.refusal(&[0; 0x4000])
    };
    assert!(changed(|manifest| manifest.schema_version = 2).contains("newer than this program"));
    assert!(changed(|manifest| manifest.bytes = ByteCount(u64::MAX)).contains("range and its length differ"));
    assert!(changed(|manifest| manifest.gaps = vec![span(9, 10), span(3, 4)]).contains("not in order"));
    assert!(changed(|manifest| manifest.range = Span { start: Addr(9), end: Addr(3) }).contains("differ"));
}

#[test]
fn a_dump_that_was_broken_off_is_read_with_a_remark() {
    let folder = Folder::new();
    folder.manifest(text(&Manifest { complete: false, present: Some(Vec::new()), ..manifest() }));
    let memory = RecordedMemory::open(&folder.dump(&[7; 0x1800])).unwrap();
    assert!(memory.remarks()[0].contains("broken off"));
    assert_eq!(memory.residency(span(0, 0x10000)).unwrap().present, [span(0x7000, 0x8000)]);
}

/// A dump of that manifest, compressed.
fn compressed(folder: &Folder, bytes: &[u8], change: impl Fn(&mut Manifest)) -> PathBuf {
    let path = folder.dump(b"");
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let mut packer = Packer::new(&file, 2).unwrap();
    packer.append(bytes, &Silent).unwrap();
    let frames = Some(packer.end().unwrap());
    let range = Span::sized(Addr(0x7000), ByteCount(bytes.len() as u64));
    let (present, swapped, gaps) = (None, Vec::new(), Vec::new());
    let (bytes, hole_bytes, compression) = (range.size(), ByteCount::ZERO, Compression::Zstd);
    let mut made = Manifest { compression, frames, range, bytes, hole_bytes, present, swapped, gaps, ..manifest() };
    change(&mut made);
    folder.manifest(text(&made));
    path
}

/// Some frames that do not compress to one size.
fn varied() -> Vec<u8> {
    (0..FRAME as u32 * 2 + 100_000).map(|n| if n < 5_000_000 { (n.wrapping_mul(n) >> 7) as u8 } else { 0 }).collect()
}

#[test]
fn a_compressed_dump_reads_as_the_bytes_it_holds() {
    let (folder, bytes) = (Folder::new(), varied());
    let memory = RecordedMemory::open(&compressed(&folder, &bytes, |_| {})).unwrap();
    assert_eq!(memory.residency(memory.spans()[0]).unwrap().present, memory.spans());
    let mut buf = vec![0; 300_000];
    for at in [0, FRAME * 2, 5, FRAME - 7, FRAME, bytes.len() - 9, 123_456] {
        let count = memory.read_at(Addr(0x7000 + at as u64), &mut buf).unwrap();
        assert!(count > 0 && buf[..count] == bytes[at..at + count], "{at}");
    }
    assert!(memory.read_at(Addr(0x7000 + bytes.len() as u64), &mut buf).is_err());
}

#[test]
fn a_damaged_compressed_dump_is_refused_or_an_error_where_it_is_read() {
    let (folder, bytes) = (Folder::new(), varied());
    let refused = |path: &Path| RecordedMemory::open(path).unwrap_err().to_string();
    let path = compressed(&folder, &bytes, |_| {});
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert!(refused(&path).contains("it was cut off"));
    // Damage is where it is: other frames can be read.
    let mut broken = whole.clone();
    broken[whole.len() / 3] ^= 1;
    fs::write(&path, &broken).unwrap();
    let memory = RecordedMemory::open(&path).unwrap();
    let mut buf = [0; 100];
    let error = memory.read_at(Addr(0x7000), &mut buf).unwrap_err().to_string();
    assert!(error.contains("frame 0 is damaged"), "{error}");
    assert_eq!(memory.read_at(Addr(0x7000 + 2 * FRAME as u64), &mut buf).unwrap(), 100);
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(10).unwrap();
    let error = memory.read_at(Addr(0x7000 + FRAME as u64), &mut buf).unwrap_err().to_string();
    assert!(error.contains("cut off"), "{error}");
    // Frames that hold more or less than they should, and such as were never written.
    let more = |manifest: &mut Manifest| manifest.frames.as_mut().unwrap().content_bytes = ByteCount(FRAME as u64 - 1);
    assert!(RecordedMemory::open(&compressed(&folder, &bytes, more)).unwrap().read_at(Addr(0x7000), &mut buf).is_err());
    let none = |manifest: &mut Manifest| manifest.frames = None;
    assert!(refused(&compressed(&folder, &bytes, none)).contains("frames"));
    let partial = |manifest: &mut Manifest| (manifest.frames, manifest.complete) = (None, false);
    assert!(refused(&compressed(&folder, &bytes, partial)).contains("broken off"));
    fs::remove_file(folder.0.path().join("dump.json")).unwrap();
    assert!(RecordedMemory::open(&path).unwrap().remarks()[0].contains("begins like a zstd file"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_frames_and_any_bytes_are_borne(
        runs in prop::collection::vec((0u64..5, prop_oneof![0u64..200, any::<u64>()]), 0..4),
        content in prop_oneof![1u64..9000, any::<u64>()],
        bytes in prop::collection::vec(any::<u8>(), 1..300),
        flips in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
    ) {
        let folder = Folder::new();
        let made = runs.iter().map(|(count, bytes)| FrameRun { count: *count, bytes: ByteCount(*bytes) }).collect();
        let of = |frames| move |manifest: &mut Manifest| manifest.frames = frames;
        let invented = Some(Frames { content_bytes: ByteCount(content), runs: made });
        let mut buf = [0; 64];
        for change in [Some(invented), None] {
            let path = match change {
                Some(frames) => compressed(&folder, &bytes, |manifest| of(frames.clone())(manifest)),
                None => compressed(&folder, &bytes, |_| {}),
            };
            let mut file = fs::read(&path).unwrap();
            for flip in &flips {
                let at = flip.index(file.len());
                file[at] ^= 0x41;
            }
            fs::write(&path, &file).unwrap();
            if let Ok(memory) = RecordedMemory::open(&path) {
                for at in [0, 1, bytes.len() as u64 - 1, bytes.len() as u64, u64::MAX - 0x7000] {
                    if let Ok(count) = memory.read_at(Addr(0x7000 + at), &mut buf) {
                        prop_assert!(count > 0);
                    }
                }
            }
        }
    }
}

#[test]
fn a_core_made_by_gdb_reads_like_the_process() {
    use crate::memory::LiveMemory;
    use crate::target::{Target, patient::Patient};
    let patient = Patient::start(include_str!("../memory.c"), &[]);
    let target = Target::open(patient.pid()).unwrap();
    let folder = Folder::new();
    let (path, pid) = (folder.0.path().join("core"), patient.pid().to_string());
    let gcore = format!("gcore {}", path.display());
    std::process::Command::new("gdb").args(["-nx", "-batch", "-p", &pid, "-ex", &gcore]).output().unwrap();
    // No manifest of its own.
    fs::write(folder.0.path().join("core.json"), "{\"command\": \"heap\"}").unwrap();
    let memory = RecordedMemory::open(&path).unwrap();
    let live = LiveMemory::open(&target, target.address_map().unwrap()).unwrap();
    let heap = patient.truth.split(['=', '-', ' ']).nth(1).unwrap();
    let heap = Addr(u64::from_str_radix(heap, 16).unwrap());
    let (mut ours, mut theirs) = (vec![0; 1 << 20], vec![1; 1 << 20]);
    assert_eq!(memory.read_at(heap, &mut ours).unwrap(), 1 << 20);
    assert_eq!(live.read_at(heap, &mut theirs).unwrap(), 1 << 20);
    assert!(ours == theirs);
    assert!(memory.address_map().mapping_at(heap).is_some());
    assert!(memory.address_map().mappings.iter().any(|mapping| mapping.name.contains("libc")));
    assert!(memory.borrow(Span::sized(heap, ByteCount(1 << 20))).is_none());
    let memory = memory.in_place();
    let mut lent = ByteCount::ZERO;
    for span in memory.spans() {
        for present in memory.residency(span).unwrap().present {
            let mut read = vec![0; present.size().0 as usize];
            assert_eq!(memory.read_at(present.start, &mut read).unwrap(), read.len());
            assert!(memory.borrow(present).unwrap() == read, "{present}");
            assert!(memory.borrow(Span::new(present.start, Addr(u64::MAX))).is_none());
            lent += present.size();
        }
    }
    assert!(lent >= ByteCount(1 << 20));
    // Cut off, it still gives what it has.
    let length = fs::metadata(&path).unwrap().len();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length / 2).unwrap();
    let memory = RecordedMemory::open(&path).unwrap();
    assert!(memory.remarks()[0].contains("cut off"), "{:?}", memory.remarks());
}

proptest! {
    #[test]
    fn any_numbers_in_a_manifest_are_borne(numbers in prop::collection::vec(any::<u64>(), 16), complete in any::<bool>(), length in 1usize..9000) {
        let folder = Folder::new();
        let start = numbers[0];
        let mut sorted = numbers[4..].to_vec();
        sorted.sort_unstable();
        let pairs: Vec<Span> = sorted.chunks_exact(2).map(|pair| span(pair[0], pair[1])).collect();
        let size = if complete { length as u64 } else { numbers[1] };
        let range = Span::sized(Addr(start), ByteCount(size));
        folder.manifest(text(&Manifest {
            range,
            bytes: range.size(),
            hole_bytes: ByteCount::ZERO,
            complete,
            present: Some(pairs[..2].to_vec()),
            swapped: pairs[2..4].to_vec(),
            gaps: pairs[4..].to_vec(),
            mappings: vec![(&Mapping { span: pairs[0], ..Mapping::default() }).into(); 3],
            ..manifest()
        }));
        if let Ok(memory) = RecordedMemory::open(&folder.dump(&vec![5; length])) {
            let mut buf = [0; 64];
            for addr in numbers.iter().chain([&start]) {
                match memory.read_at(Addr(*addr), &mut buf) {
                    Ok(count) => prop_assert!(count > 0),
                    Err(ReadError::Fault(at)) => prop_assert_eq!(at, Addr(*addr)),
                    Err(error) => prop_assert!(false, "{}", error),
                }
            }
            let residency = memory.residency(range).unwrap();
            prop_assert_eq!(residency.present_bytes() + residency.swapped_bytes() + residency.absent, range.size());
        }
    }
}

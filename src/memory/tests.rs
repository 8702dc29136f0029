//! All origins over one process that does not change, and dumps against gdb's.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use super::*;
use crate::error::ErrorKind;
use crate::progress::{Progress, Silent};
use crate::space::AddressMap;
use crate::target::patient::Patient;
use crate::target::{ChildSnapshot, Pause, Target};
use crate::units::{Addr, ByteCount, Span};

/// Prints `heap=A-B sparse=A-B guarded=A-B shared=A-B file=A-B`: written memory; a GiB with a few pages in it;
/// pages with an unreadable one and a hole amid them; tmpfs of which half was never touched; a private file.
const MEMORY: &str = include_str!("memory.c");

const ALL: [Method; 5] = [Method::Live, Method::Idle, Method::Precopy, Method::Fork, Method::Stop];

pub(in crate::memory) struct Subject {
    patient: Patient,
    pub target: Target,
}

impl Subject {
    pub fn start() -> Subject {
        let patient = Patient::start(MEMORY, &[]);
        let target = Target::open(patient.pid()).unwrap();
        Subject { patient, target }
    }

    pub fn span(&self, name: &str) -> Span {
        let pair = self.patient.truth.split(' ').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let (start, end) = pair.unwrap().split_once('-').unwrap();
        let addr = |text: &str| Addr(u64::from_str_radix(text, 16).unwrap());
        Span::new(addr(start), addr(end))
    }

    fn map(&self) -> AddressMap {
        AddressMap { mappings: self.target.mappings().unwrap(), regions: Vec::new() }
    }

    fn dump(&self, span: Span, path: &Path, options: DumpOptions) -> crate::error::Result<DumpResult> {
        dump(&self.target, span, path, &options, &Silent)
    }
}

/// What gdb's `dump binary memory` writes.
fn gdb_dump(subject: &Subject, span: Span, path: &Path) -> Vec<u8> {
    let command = format!("dump binary memory {} {} {}", path.display(), span.start, span.end);
    let pid = subject.patient.pid().to_string();
    let done = Command::new("gdb").args(["-nx", "-batch", "-p", &pid, "-ex", &command]).output().unwrap();
    fs::read(path).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr)))
}

fn read_all(source: &dyn MemorySource, spans: &[Span]) -> Vec<(Span, Vec<u8>)> {
    let mut all = Vec::new();
    for run in spans.iter().flat_map(|span| source.residency(*span).unwrap().present) {
        let mut bytes = vec![0; run.size().0 as usize];
        let mut filled = 0;
        while filled < bytes.len() {
            match source.read_at(run.start.plus(ByteCount(filled as u64)), &mut bytes[filled..]) {
                Ok(length) => filled += length,
                Err(error) => panic!("{error} in {run}"),
            }
        }
        all.push((run, bytes));
    }
    all
}

#[test]
fn every_origin_gives_the_same_bytes() {
    let subject = Subject::start();
    let spans = ["heap", "sparse", "shared", "file"].map(|name| subject.span(name));
    let live = LiveMemory::open(&subject.target, subject.map()).unwrap();
    let expected = read_all(&live, &spans);
    assert!(expected.iter().map(|(run, _)| run.size()).sum::<ByteCount>() > ByteCount::mib(8));
    let pause = Pause::begin(&subject.target).unwrap();
    let stopped = live.stopped(pause.stopped());
    assert_eq!(stopped.consistency(spans[0]), Consistency::Instant);
    assert!(read_all(&stopped, &spans) == expected);
    drop(pause);
    let snapshot =
        stage_by(Method::Stop, &subject.target, subject.map(), Wanted::Spans(&spans), &CopyOptions::default(), &Silent)
            .unwrap();
    assert!(read_all(&snapshot.memory, &spans) == expected);
    assert_eq!(snapshot.memory.borrow(expected[0].0), Some(&expected[0].1[..]));
    let coverage = snapshot.coverage;
    assert_eq!(coverage.copied + coverage.absent, coverage.wanted);
    let options = CopyOptions::default();
    for method in [Method::Idle, Method::Precopy] {
        let snapshot =
            stage_by(method, &subject.target, subject.map(), Wanted::Spans(&spans), &options, &Silent).unwrap();
        assert_eq!((snapshot.method, &snapshot.coverage), (method, &coverage));
        assert!(read_all(&snapshot.memory, &spans) == expected, "{method}");
    }
    let child = ChildSnapshot::take(&subject.target).unwrap();
    let forked = LiveMemory::of_child(&child, subject.map()).unwrap();
    assert_eq!(forked.consistency(spans[0]), Consistency::Instant);
    assert!(read_all(&forked, &spans[..2]) == read_all(&live, &spans[..2]));
    drop(forked);
    drop(child);
    for (span, method) in spans.iter().take(2).flat_map(|span| ALL.map(|method| (span, method))) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dump");
        let wish = Wish { method: Some(method), max_pause: None };
        let dumped = subject.dump(*span, &path, DumpOptions { wish, ..DumpOptions::default() }).unwrap();
        assert_eq!(dumped.method, method);
        let recorded = RecordedMemory::open(&path).unwrap();
        assert!(read_all(&recorded, &[*span]) == read_all(&live, &[*span]), "{method}");
    }
    subject.patient.assert_untouched();
}

#[test]
fn a_stream_gives_what_a_stop_gives_in_several() {
    let subject = Subject::start();
    let spans = ["heap", "sparse", "guarded"].map(|name| subject.span(name));
    let budget = ByteCount::mib(1);
    let mut streamed = Vec::new();
    let options = CopyOptions { budget, ..CopyOptions::default() };
    let summary = stream(&subject.target, &subject.map(), &spans, &options, &Silent, &mut |addr, bytes| {
        assert!(bytes.len() as u64 <= budget.0);
        streamed.extend(bytes.iter().enumerate().map(|(index, byte)| (addr.plus(ByteCount(index as u64)), *byte)));
    })
    .unwrap();
    assert!(summary.stops >= 8, "{summary:?}");
    assert_eq!(summary.consistency, Consistency::Stretches);
    let staged =
        stage_by(Method::Stop, &subject.target, subject.map(), Wanted::Spans(&spans), &CopyOptions::default(), &Silent)
            .unwrap();
    assert_eq!(summary.coverage, staged.coverage);
    let mut whole = Vec::new();
    for (addr, bytes) in staged.memory.stretches() {
        whole.extend(bytes.iter().enumerate().map(|(index, byte)| (addr.plus(ByteCount(index as u64)), *byte)));
    }
    streamed.sort_unstable();
    whole.sort_unstable();
    assert!(streamed == whole);
}

#[test]
fn a_copy_beyond_the_budget_is_refused_with_the_figure() {
    let subject = Subject::start();
    let options = CopyOptions { budget: ByteCount::mib(1), ..CopyOptions::default() };
    let error = stage_by(
        Method::Stop,
        &subject.target,
        subject.map(),
        Wanted::Spans(&[subject.span("heap")]),
        &options,
        &Silent,
    )
    .unwrap_err();
    assert!(error.to_string().contains("8.0 MiB are to be copied and 1.0 MiB are allowed"), "{error}");
}

#[test]
fn a_dump_equals_gdbs_whatever_is_behind_it() {
    let subject = Subject::start();
    let folder = tempfile::tempdir().unwrap();
    let crooked = subject.span("heap");
    let crooked = Span::new(crooked.start.plus(ByteCount(4097)), Addr(crooked.end.0 - 333));
    let code = subject.target.mappings().unwrap();
    let libc = code.iter().find(|mapping| mapping.name.contains("libc") && mapping.permissions.execute).unwrap().span;
    let stack = code.iter().find(|mapping| mapping.name == "[stack]").unwrap().span;
    let cases = [subject.span("heap"), crooked, subject.span("shared"), subject.span("file"), libc, stack];
    for (index, span) in cases.into_iter().enumerate() {
        let path = folder.path().join(format!("ours{index}"));
        let ours = subject.dump(span, &path, DumpOptions::default()).unwrap();
        let gdbs = gdb_dump(&subject, span, &folder.path().join(format!("gdbs{index}")));
        assert!(fs::read(&path).unwrap() == gdbs, "case {index}, {span}");
        let sum = Command::new("sha256sum").arg(&path).output().unwrap();
        assert!(String::from_utf8_lossy(&sum.stdout).starts_with(ours.sha256.as_deref().unwrap()));
        assert_eq!(ours.gaps, []);
        let small = DumpOptions { max_memory: Some(ByteCount::kib(512)), ..DumpOptions::default() };
        let streamed = folder.path().join(format!("streamed{index}"));
        subject.dump(span, &streamed, small).unwrap();
        assert!(fs::read(&streamed).unwrap() == gdbs, "case {index} in several stops");
    }
    subject.patient.assert_untouched();
}

#[test]
fn a_dump_of_a_huge_reservation_is_sparse_and_leaves_it_as_it_was() {
    let subject = Subject::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump");
    assert_eq!(subject.patient.settled_state(), 'S');
    let before = ["VmRSS", "VmPTE"].map(|key| subject.patient.status(key));
    let dumped = subject.dump(subject.span("sparse"), &path, DumpOptions::default()).unwrap();
    assert_eq!(["VmRSS", "VmPTE"].map(|key| subject.patient.status(key)), before);
    let meta = fs::metadata(&path).unwrap();
    assert_eq!(ByteCount(meta.size()), ByteCount::mib(1024));
    assert!(meta.blocks() * 512 < 4 << 20);
    assert_eq!(dumped.bytes, ByteCount::kib(12));
    assert_eq!(dumped.bytes + dumped.hole_bytes, ByteCount::mib(1024));
    let recorded = RecordedMemory::open(&path).unwrap();
    assert_eq!(recorded.residency(subject.span("sparse")).unwrap().present_bytes(), ByteCount::kib(12));
}

#[test]
fn unreadable_pages_and_holes_between_mappings_are_gaps() {
    let subject = Subject::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump");
    let span = subject.span("guarded");
    let dumped = subject.dump(span, &path, DumpOptions::default()).unwrap();
    let hole = Span::sized(span.start.plus(ByteCount::kib(16)), ByteCount::kib(4));
    assert_eq!(dumped.gaps, [hole]);
    let recorded = RecordedMemory::open(&path).unwrap();
    let mut buf = [0; 8];
    assert!(matches!(recorded.read_at(hole.start, &mut buf), Err(ReadError::Fault(at)) if at == hole.start));
    assert_eq!(recorded.read_at(Addr(hole.start.0 - 3), &mut buf).unwrap(), 3);
    assert_eq!(recorded.read_at(hole.end, &mut buf).unwrap(), 8);
    let manifest = recorded.manifest().unwrap();
    assert_eq!((manifest.complete, manifest.range, manifest.target.pid), (true, span, subject.patient.pid()));
    assert_eq!(fs::metadata(Manifest::path_for(&path)).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn ranges_with_nothing_in_them_are_refused() {
    let subject = Subject::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump");
    let heap = subject.span("heap");
    let refusal = |span| subject.dump(span, &path, DumpOptions::default()).unwrap_err();
    assert_eq!(refusal(Span::new(heap.start, heap.start)).kind(), ErrorKind::Usage);
    let error = refusal(Span::new(Addr(0x1000), Addr(0x2000)));
    assert!(error.to_string().contains("nothing is mapped there"), "{error}");
    let error = refusal(Span::new(Addr(0xffff_ffff_ff60_0000), Addr(u64::MAX)));
    assert!(error.to_string().contains("nothing is mapped there"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    // The unmapped end of a range is cut off; the start keeps its place.
    let mappings = subject.target.mappings().unwrap();
    let mapped = mappings.iter().find(|mapping| mapping.span.contains(heap.start)).unwrap().span;
    let beyond = Span::new(heap.start, mapped.end.plus(ByteCount::kib(4)));
    assert_eq!(subject.dump(beyond, &path, DumpOptions::default()).unwrap().range, Span::new(heap.start, mapped.end));
}

#[test]
fn the_whole_address_space_is_one_sparse_file_or_too_long_for_one() {
    let subject = Subject::start();
    let everything = Span::new(Addr(0x1000), Addr(u64::MAX));
    let folder = tempfile::tempdir().unwrap();
    // Most disks hold no file of 128 TiB; tmpfs does.
    let path = folder.path().join("dump");
    match subject.dump(everything, &path, DumpOptions::default()) {
        Ok(dumped) => assert!(dumped.hole_bytes > ByteCount(1 << 46)),
        Err(error) => assert!(error.to_string().contains("cannot hold a file of that length"), "{error}"),
    }
    let Some(disk) = SmallDisk::mount("64m") else { return };
    let path = disk.0.path().join("dump");
    let dumped = subject.dump(everything, &path, DumpOptions::default()).unwrap();
    assert!(dumped.hole_bytes > ByteCount(1 << 46) && dumped.sha256.is_none());
    let recorded = RecordedMemory::open(&path).unwrap();
    let heap = subject.span("heap");
    let live = LiveMemory::open(&subject.target, subject.map()).unwrap();
    assert!(read_all(&recorded, &[heap]) == read_all(&live, &[heap]));
    subject.patient.assert_untouched();
}

/// Does something at the first sign of a stage.
struct Meddler<F: FnMut() + Send> {
    stage: &'static str,
    act: Mutex<F>,
    interrupted: bool,
}

impl<F: FnMut() + Send> Progress for Meddler<F> {
    fn begin(&self, stage: &str, _total: Option<ByteCount>) {
        if stage == self.stage {
            (self.act.lock().unwrap())();
        }
    }
    fn advance(&self, _bytes: ByteCount) {}
    fn end(&self) {}
    fn interrupted(&self) -> bool {
        self.interrupted
    }
}

#[test]
fn nothing_is_left_of_a_dump_whose_target_ends_or_that_is_interrupted() {
    let subject = Subject::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump");
    let heap = subject.span("heap");
    let interrupting = Meddler { stage: "", act: Mutex::new(|| ()), interrupted: true };
    let options = DumpOptions::default();
    let error = dump(&subject.target, heap, &path, &options, &interrupting).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    subject.patient.assert_untouched();
    let some = Some(ByteCount::mib(1));
    let cases = [
        ("copying", some, Method::Stop),
        ("preparing", None, Method::Stop),
        ("copying", None, Method::Precopy),
        ("copying", None, Method::Fork),
    ];
    for (stage, max_memory, method) in cases {
        let mut subject = Subject::start();
        let heap = subject.span("heap");
        let Subject { patient, target } = &mut subject;
        let killing = Meddler { stage, act: Mutex::new(|| patient.kill()), interrupted: false };
        let wish = Wish { method: Some(method), max_pause: None };
        let options = DumpOptions { max_memory, wish, ..DumpOptions::default() };
        let outcome = dump(target, heap, &path, &options, &killing);
        // A child outlives its parent, and so does what it holds.
        if method == Method::Fork && outcome.is_ok() {
            continue;
        }
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Gone, "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

/// A small tmpfs, where we may make one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<SmallDisk> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path()).output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(SmallDisk(folder));
        }
        std::io::stderr().write_all(b"skipped: needs the right to mount a tmpfs\n").unwrap();
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_disk_that_is_too_small_or_fills_up_keeps_nothing() {
    let Some(disk) = SmallDisk::mount("4m") else { return };
    let subject = Subject::start();
    let path = disk.0.path().join("dump");
    let heap = subject.span("heap");
    let error = subject.dump(heap, &path, DumpOptions::default()).unwrap_err();
    assert!(error.to_string().contains("are needed and"), "{error}");
    drop(disk);
    let Some(disk) = SmallDisk::mount("16m") else { return };
    let path = disk.0.path().join("dump");
    let some = Some(ByteCount::mib(1));
    let cases = [
        ("writing", None, Method::Stop),
        ("copying", some, Method::Stop),
        ("copying", None, Method::Idle),
        ("copying", None, Method::Fork),
        ("copying", None, Method::Precopy),
    ];
    for (stage, max_memory, method) in cases {
        let other = disk.0.path().join("other");
        let filling =
            Meddler { stage, act: Mutex::new(|| fs::write(&other, vec![1; 12 << 20]).unwrap()), interrupted: false };
        let wish = Wish { method: Some(method), max_pause: None };
        let options = DumpOptions { max_memory, wish, ..DumpOptions::default() };
        let error = dump(&subject.target, heap, &path, &options, &filling).unwrap_err();
        assert!(error.to_string().contains("no space is left there"), "{error}");
        fs::remove_file(&other).unwrap();
        assert_eq!(fs::read_dir(disk.0.path()).unwrap().count(), 0);
    }
    subject.patient.assert_untouched();
}

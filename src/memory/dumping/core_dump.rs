//! The dumper of cores: all private memory of a target, of one instant, as an ELF core that debuggers open. Code and
//! constants are left to the files they came from.

use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use super::output::{Output, failure};
use crate::elf::{CoreProcess, core_head};
use crate::error::{Error, ErrorKind, Result};
use crate::memory::copying::copier::{CopyOptions, is_affordable};
use crate::memory::copying::gently::{predict_staged, stage_gently};
use crate::memory::copying::stage::Snapshot;
use crate::memory::copying::wanted::Wanted;
use crate::memory::{DumpOptions, DumpResult, MemorySource, Prediction};
use crate::progress::Progress;
use crate::space::spans::outside;
use crate::space::{AddressMap, Mapping, Residency};
use crate::target::Target;
use crate::units::{Addr, ByteCount, Span};

const PAGE: ByteCount = ByteCount(4096);
/// Bytes read from a file at a time.
const WINDOW: usize = 256 * 1024;

/// Writes a core of `target` to `path`. It appears whole or not at all. Holes stand for pages never touched. The copy that
/// comes before lies beside the file where it is too large for memory.
///
/// # Errors
/// `Failed` where a file is in the way, the disk is too small, or on other machines than x86-64; `Gone` where the target
/// ended, `Interrupted`; nothing is left behind.
pub fn dump_core(target: &Target, path: &Path, options: &DumpOptions, progress: &dyn Progress) -> Result<DumpResult> {
    let began = Instant::now();
    if !cfg!(target_arch = "x86_64") || target.identity().is_32bit {
        let reason = "cores are written of 64-bit processes on x86-64 only";
        return Err(Error::new(ErrorKind::Failed, "cannot write a core of", target.subject(), reason));
    }
    let output = Output::create(path, options.force)?;
    let copying = CopyOptions {
        budget: ByteCount(u64::MAX),
        include_swapped: options.include_swapped,
        threads: options.threads,
        spool: if fits(target, options)? { None } else { Some(output.folder()) },
    };
    let (snapshot, declined) = stage_gently(target, Wanted::Chosen(&wanted), options.wish, &copying, progress)?;
    let mappings: Vec<Mapping> =
        snapshot.memory.address_map().mappings.iter().filter(|one| is_user(one)).cloned().collect();
    let next = |index: usize| mappings.get(index + 1);
    let stored: Vec<ByteCount> =
        mappings.iter().enumerate().map(|(index, mapping)| stored_of(mapping, next(index)).size()).collect();
    let head = core_head(&process(target), snapshot.memory.threads(), &mappings, &stored);
    output.expect_room(snapshot.coverage.copied + ByteCount::mib(2))?;
    let write = |bytes: &[u8], at: u64| output.file().write_all_at(bytes, at).map_err(|error| failure(path, &error));
    write(&head.bytes, 0)?;
    output.file().set_len(head.length.0).map_err(|error| failure(path, &error))?;
    progress.begin("writing", Some(snapshot.coverage.copied));
    let mut bytes = ByteCount(head.bytes.len() as u64);
    for ((mapping, size), offset) in mappings.iter().zip(&stored).zip(&head.offsets) {
        let span = Span::sized(mapping.span.start, *size);
        let place = |addr: Addr| offset.0 + addr.since(span.start).0;
        for (addr, stretch) in stretches(&snapshot, span) {
            write(stretch, place(addr))?;
            bytes += ByteCount(stretch.len() as u64);
            progress.advance(ByteCount(stretch.len() as u64));
        }
        if mapping.has_file() {
            bytes += fill_from_file(target, &snapshot, mapping, span, &|chunk, addr| write(chunk, place(addr)))?;
        }
        if progress.interrupted() {
            return Err(Error::new(ErrorKind::Interrupted, "stopped", "", "interrupted; nothing is left behind"));
        }
    }
    progress.end();
    output.keep()?;
    Ok(DumpResult {
        range: whole(&mappings),
        path: path.to_path_buf(),
        manifest_path: path.to_path_buf(),
        bytes,
        compressed_bytes: None,
        hole_bytes: head.length.saturating_sub(bytes),
        swapped_bytes: snapshot.coverage.swapped,
        gaps: snapshot.coverage.gaps.clone(),
        method: snapshot.method,
        stops: snapshot.stops,
        pause: snapshot.pause,
        page_tables: ByteCount::ZERO,
        copy_on_write: ByteCount::ZERO,
        declined,
        took: began.elapsed(),
        sha256: None,
    })
}

/// Whether what is to be copied may be held in memory.
fn fits(target: &Target, options: &DumpOptions) -> Result<bool> {
    let map = AddressMap { mappings: target.mappings()?, ..AddressMap::default() };
    let need = target.residency_of(&wanted(&map.mappings), &map)?.present_bytes();
    Ok(options.max_memory.is_none_or(|limit| need <= limit) && is_affordable(need)?)
}

/// What ways there are to write a core, and what each is expected to cost; touches nothing.
///
/// # Errors
/// As [`dump_core`], before any of it is begun.
pub fn plan_core(target: &Target) -> Result<(Span, Vec<Prediction>)> {
    let map = AddressMap { mappings: target.mappings()?, ..AddressMap::default() };
    let user: Vec<Mapping> = map.mappings.iter().filter(|one| is_user(one)).cloned().collect();
    Ok((whole(&user), predict_staged(target, &map, Wanted::Chosen(&wanted))?))
}

fn whole(mappings: &[Mapping]) -> Span {
    let start = mappings.first().map_or(Addr(0), |first| first.span.start);
    Span::new(start, mappings.last().map_or(start, |last| last.span.end))
}

/// The kernel's own page in its half of the address space is in no core.
fn is_user(mapping: &Mapping) -> bool {
    i64::try_from(mapping.span.end.0).is_ok()
}

fn wanted(mappings: &[Mapping]) -> Vec<Span> {
    let user: Vec<&Mapping> = mappings.iter().filter(|mapping| is_user(mapping)).collect();
    let spans = user.iter().enumerate().map(|(index, mapping)| stored_of(mapping, user.get(index + 1).copied()));
    spans.filter(|span| !span.is_empty()).collect()
}

/// The part of `mapping` that is stored: all where it can be written or was (the relocated part before a module's data),
/// the first page of a file, in which its headers and build id are, else nothing.
fn stored_of(mapping: &Mapping, next: Option<&Mapping>) -> Span {
    let permissions = mapping.permissions;
    let nothing = Span::sized(mapping.span.start, ByteCount::ZERO);
    if !permissions.read || permissions.shared || mapping.name == "[vvar]" || mapping.name == "[vvar_vclock]" {
        return nothing;
    }
    let relocated = next.is_some_and(|next| {
        mapping.span.end == next.span.start && next.permissions.write && next.inode == mapping.inode
    });
    if permissions.write || !mapping.has_file() || (relocated && !permissions.execute) {
        return mapping.span;
    }
    if mapping.offset == ByteCount::ZERO { Span::sized(mapping.span.start, PAGE) } else { nothing }
}

fn stretches(snapshot: &Snapshot, span: Span) -> Vec<(Addr, &[u8])> {
    let present = snapshot.memory.residency(span).unwrap_or_default().present.into_iter();
    present.filter_map(|part| Some((part.start, snapshot.memory.borrow(part)?))).collect()
}

/// Pages of a private file mapping that the process never touched are the file's.
fn fill_from_file(
    target: &Target,
    snapshot: &Snapshot,
    mapping: &Mapping,
    span: Span,
    write: &dyn Fn(&[u8], Addr) -> Result<()>,
) -> Result<ByteCount> {
    let Residency { present, swapped, .. } = snapshot.memory.residency(span).unwrap_or_default();
    let known = crate::space::spans::joined(present.into_iter().chain(swapped).collect());
    let Ok(file) = target.mapped_file(mapping) else { return Ok(ByteCount::ZERO) };
    let (mut buffer, mut filled) = (vec![0; WINDOW], ByteCount::ZERO);
    for gap in outside(&known, span) {
        let mut at = gap.start;
        while at < gap.end {
            let length = gap.end.since(at).0.min(WINDOW as u64) as usize;
            let offset = mapping.offset + at.since(mapping.span.start);
            let count = match file.read_at(&mut buffer[..length], offset.0) {
                // Behind the end of the file there is nothing.
                Ok(0) | Err(_) => break,
                Ok(count) => count,
            };
            write(&buffer[..count], at)?;
            filled += ByteCount(count as u64);
            at = at.plus(ByteCount(count as u64));
        }
    }
    Ok(filled)
}

fn process(target: &Target) -> CoreProcess {
    const LONGEST: u64 = 64 * 1024;
    let identity = target.identity();
    let mut auxv = Vec::new();
    // A debugger does without, though not as well.
    let _ = target.proc_file("auxv").and_then(|file| file.take(LONGEST).read_to_end(&mut auxv));
    CoreProcess {
        pid: identity.pid,
        ppid: identity.ppid,
        uid: identity.uid,
        name: identity.name.clone(),
        arguments: identity.cmdline.join(" "),
        auxv,
    }
}

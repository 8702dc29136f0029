//! The dumper: a range of a target's memory as a raw file, byte for byte what a debugger writes, and its manifest.
//! Decides what is tried and keeps the files in order; who copies, writes and names files is next door.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::manifest::{Manifest, ManifestTarget, SCHEMA_VERSION};
use super::output::{Output, failure};
use super::packer::{Compression, Frames, packed_holes};
use super::sink::Sink;
use super::taking::{Attempt, Taken, Work};
use crate::error::{Error, ErrorKind, Result};
use crate::memory::copying::copier::is_affordable;
use crate::memory::copying::ladder::{Method, Prediction, Wish, predict, ways};
use crate::progress::Progress;
use crate::space::spans::{joined, outside, total, within};
use crate::space::{AddressMap, Mapping};
use crate::target::Target;
use crate::units::{ByteCount, Span};

/// Holes beyond this, and beyond what is stored, are not hashed: zeros take as long as bytes, and say nothing.
const HASHED_HOLES: ByteCount = ByteCount::mib(16);
/// A compressed file of more than this would be nothing but frames of zeros, 36 MB for a TiB.
const LONGEST_COMPRESSED: ByteCount = ByteCount::mib(1 << 20);
/// Room for the manifest and what the file system needs of its own.
const DISK_SLACK: ByteCount = ByteCount::mib(2);

/// How to dump.
#[derive(Clone, Copy, Debug)]
pub struct DumpOptions {
    /// Replaces a regular file of that name.
    pub force: bool,
    /// Memory the dump may take; `None` for what the machine has to spare. What does not fit is copied in several
    /// short stops.
    pub max_memory: Option<ByteCount>,
    /// Stores swapped-out pages too, which brings them back into the target's memory.
    pub include_swapped: bool,
    /// Threads that copy.
    pub threads: usize,
    /// How the file holds them.
    pub compression: Compression,
    /// How the bytes are taken.
    pub wish: Wish,
    /// Whether the content is hashed, which takes 0.8 s for a GiB, and so longer than anything else.
    pub hash: bool,
}

impl Default for DumpOptions {
    fn default() -> DumpOptions {
        DumpOptions {
            force: false,
            max_memory: None,
            include_swapped: false,
            threads: 2,
            compression: Compression::None,
            wish: Wish::default(),
            hash: true,
        }
    }
}

/// A dump that is complete.
#[derive(Clone, Debug, PartialEq)]
pub struct DumpResult {
    /// Addresses of the file's first byte and of the one past its last. Ends where the last mapping of the asked
    /// range does.
    pub range: Span,
    /// The raw file.
    pub path: PathBuf,
    /// Its manifest.
    pub manifest_path: PathBuf,
    /// Bytes that are stored. With `hole_bytes` this is the length of the file.
    pub bytes: ByteCount,
    /// What a compressed file takes; `None` where it is not compressed.
    pub compressed_bytes: Option<ByteCount>,
    /// Bytes that are holes.
    pub hole_bytes: ByteCount,
    /// Of the holes, left in swap.
    pub swapped_bytes: ByteCount,
    /// Stretches that could not be read or are not mapped; holes too.
    pub gaps: Vec<Span>,
    /// How the bytes were taken.
    pub method: Method,
    /// In how many stops; more than one means stretches of different instants.
    pub stops: u32,
    /// The longest the target stood still.
    pub pause: Duration,
    /// Page tables of a copy-on-write child, and memory that the target's writes took twice while there was one.
    pub page_tables: ByteCount,
    /// That memory.
    pub copy_on_write: ByteCount,
    /// Ways that would have been gentler, and why they were not taken.
    pub declined: Vec<(Method, String)>,
    /// All of it.
    pub took: Duration,
    /// Of the whole file, holes as zeros; `None` where they are larger than 16 MiB and than what is stored.
    pub sha256: Option<String>,
}

/// Writes the memory of `target` in `span` to `path`, and `FILE.json` beside it. Both appear whole or not at all.
///
/// # Errors
/// `Usage` for an empty range, `Failed` where nothing is mapped there, a file is in the way or the disk is too
/// small, `Gone` where the target ended, `Interrupted`; nothing is left behind.
pub fn dump(
    target: &Target,
    span: Span,
    path: &Path,
    options: &DumpOptions,
    progress: &dyn Progress,
) -> Result<DumpResult> {
    let began = Instant::now();
    let map = AddressMap { mappings: target.mappings()?, ..AddressMap::default() };
    let range = mapped_range(target, span, &map)?;
    refuse_endless(target, range, options)?;
    let plan = Plan::make(target, range, &map, options)?;
    let predictions = predict(target, &map, &[range])?;
    let ways = ways(target, &predictions, options.wish)?;
    target.heal();
    let output = Output::create(path, options.force)?;
    let record = Output::create(&Manifest::path_for(path), options.force)?;
    output.expect_room(plan.least(options))?;
    write_manifest(&record, &manifest(target, range, &map, options, (Method::Stop, &Taken::default())))?;
    let direct = if options.compression == Compression::None { output.direct() } else { None };
    let open = |mapping: &Mapping| target.mapped_file(mapping);
    let work = Work {
        target,
        range,
        map: &map,
        sink: Sink { file: output.file(), direct: direct.as_ref() },
        path,
        open: &open,
        hashed: options.hash && plan.holes <= plan.disk.max(HASHED_HOLES),
        fits: plan.fits_one_stop(options, output.is_in_memory())?,
        options,
        progress,
    };
    let (method, taken, declined) = first_that_suits(&work, &ways, &predictions)?;
    write_manifest(&record, &manifest(target, range, &map, options, (method, &taken)))?;
    let manifest_path = record.path().to_path_buf();
    if direct.is_some() {
        output.forget_cache();
    }
    output.keep()?;
    record.keep()?;
    let took = began.elapsed();
    Ok(DumpResult { method, declined, took, ..result(range, path, manifest_path, taken) })
}

/// What ways there are to dump `span`, and what each is expected to cost; touches nothing.
///
/// # Errors
/// As [`dump`], before any of it is begun.
pub fn plan_dump(target: &Target, span: Span) -> Result<(Span, Vec<Prediction>)> {
    let map = AddressMap { mappings: target.mappings()?, ..AddressMap::default() };
    let range = mapped_range(target, span, &map)?;
    Ok((range, predict(target, &map, &[range])?))
}

type Suited = (Method, Taken, Vec<(Method, String)>);

/// Tries one way after the other.
fn first_that_suits(work: &Work<'_>, ways: &[Method], predictions: &[Prediction]) -> Result<Suited> {
    let mut declined = Vec::new();
    for method in ways {
        match work.attempt(*method)? {
            Attempt::Unsuited(reason) => declined.push((*method, reason)),
            Attempt::Done(taken) => {
                declined.extend(gentler(predictions, *method));
                return Ok((*method, *taken, declined));
            }
        }
    }
    let told = declined.iter().map(|(method, reason)| format!("{method}: {reason}")).collect::<Vec<_>>().join("; ");
    Err(Error::new(ErrorKind::Failed, "cannot take a snapshot of", work.target.subject(), told)
        .with_hint("leave the choice to --method auto"))
}

/// What spoke against ways of which one snapshot would have been gentler than the stop that was made.
fn gentler(predictions: &[Prediction], method: Method) -> Vec<(Method, String)> {
    const WORTH_TELLING: Duration = Duration::from_millis(10);
    let stop = predictions.iter().find(|way| way.method == Method::Stop);
    if method != Method::Stop || stop.is_none_or(|stop| stop.pause < WORTH_TELLING) {
        return Vec::new();
    }
    let objections = predictions.iter().filter(|way| matches!(way.method, Method::Precopy | Method::Fork));
    objections.filter_map(|way| Some((way.method, way.objection.clone()?))).collect()
}

/// The asked range up to the end of the last mapping in it.
fn mapped_range(target: &Target, span: Span, map: &AddressMap) -> Result<Span> {
    let action = format!("cannot dump {span} of");
    if span.is_empty() {
        return Err(Error::new(ErrorKind::Usage, action, target.subject(), "the range is empty"));
    }
    // `[vsyscall]` is the kernel's, in its half of the address space, and no file is long enough to reach it.
    let reachable = |span: &Span| i64::try_from(span.end.0).is_ok();
    let mapped: Vec<Span> = map.mappings.iter().map(|mapping| mapping.span).filter(reachable).collect();
    match within(&mapped, span).last() {
        Some(last) => Ok(Span::new(span.start, last.end)),
        None => Err(Error::new(ErrorKind::Failed, action, target.subject(), "nothing is mapped there")
            .with_hint(format!("run: leakscope map {}", target.pid()))),
    }
}

fn refuse_endless(target: &Target, range: Span, options: &DumpOptions) -> Result<()> {
    if options.compression == Compression::None || range.size() <= LONGEST_COMPRESSED {
        return Ok(());
    }
    let reason = format!("it spans {}, and compressed files hold {LONGEST_COMPRESSED} at most", range.size());
    Err(Error::new(ErrorKind::Failed, format!("cannot compress {range} of"), target.subject(), reason)
        .with_hint("choose a narrower range, or leave out --compress: holes of a plain file cost nothing"))
}

/// What was found out before anything is touched.
struct Plan {
    /// Bytes to be copied.
    need: ByteCount,
    /// Bytes to be stored, at most.
    disk: ByteCount,
    holes: ByteCount,
}

impl Plan {
    fn make(target: &Target, range: Span, map: &AddressMap, options: &DumpOptions) -> Result<Plan> {
        let residency = target.residency(range, map)?;
        let mut there = residency.present;
        if options.include_swapped {
            there.extend(residency.swapped);
        }
        let there = joined(there);
        let need = total(&there);
        let disk = need + from_files(target, range, map, &there);
        let holes = range.size().saturating_sub(need);
        Ok(Plan { need, disk, holes })
    }

    /// Room that the file needs for certain.
    fn least(&self, options: &DumpOptions) -> ByteCount {
        match options.compression {
            Compression::None => self.disk + DISK_SLACK,
            Compression::Zstd => packed_holes(self.holes) + DISK_SLACK,
        }
    }

    /// Whether all can be copied into memory first. A file on tmpfs takes memory too.
    fn fits_one_stop(&self, options: &DumpOptions, file_in_memory: bool) -> Result<bool> {
        let file = if file_in_memory { self.disk } else { ByteCount::ZERO };
        Ok(options.max_memory.is_none_or(|limit| self.need <= limit) && is_affordable(self.need + file)?)
    }
}

/// How much of the range's untouched pages comes from files, at most.
fn from_files(target: &Target, range: Span, map: &AddressMap, there: &[Span]) -> ByteCount {
    use std::os::unix::fs::MetadataExt;
    let mut sum = ByteCount::ZERO;
    for mapping in map.mappings.iter().filter(|mapping| mapping.has_file() && mapping.span.overlaps(range)) {
        let untouched = total(&outside(there, mapping.span.intersection(range)));
        let stored = target.mapped_file(mapping).and_then(|file| file.metadata()).map_or(0, |meta| meta.blocks());
        sum += untouched.min(ByteCount(stored.saturating_mul(512)));
    }
    sum
}

fn manifest(
    target: &Target,
    range: Span,
    map: &AddressMap,
    options: &DumpOptions,
    (method, taken): (Method, &Taken),
) -> Manifest {
    let identity = target.identity();
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten();
    let kernel = nix::sys::utsname::uname().map(|name| name.release().to_string_lossy().into_owned());
    Manifest {
        schema_version: SCHEMA_VERSION,
        format: "raw".into(),
        compression: options.compression,
        frames: taken.written.frames.clone(),
        complete: taken.complete,
        time: jiff::Timestamp::now().to_string(),
        leakscope_version: env!("CARGO_PKG_VERSION").into(),
        kernel: kernel.unwrap_or_default(),
        target: ManifestTarget {
            pid: identity.pid,
            name: identity.name.clone(),
            exe: identity.exe.clone(),
            cmdline: identity.cmdline.clone(),
            start_time: identity.start_time.to_string(),
        },
        range,
        bytes: total(&taken.written.present),
        hole_bytes: range.size().saturating_sub(total(&taken.written.present)),
        page_size_bytes: ByteCount(page.and_then(|size| u64::try_from(size).ok()).unwrap_or(4096)),
        method,
        stops: taken.stops,
        pause_ms: taken.pause.as_secs_f64() * 1000.0,
        sha256: taken.written.sha256.clone(),
        present: Manifest::listed(&taken.written.present),
        swapped: taken.written.swapped.clone(),
        gaps: taken.written.gaps.clone(),
        mappings: map.mappings.iter().map(Into::into).collect(),
    }
}

/// Puts `manifest` into the file, in place of an earlier one.
fn write_manifest(record: &Output, manifest: &Manifest) -> Result<()> {
    use std::os::unix::fs::FileExt;
    let mut text = serde_json::to_vec_pretty(manifest).map_err(|error| failure(record.path(), &error.into()))?;
    text.push(b'\n');
    let file = record.file();
    file.set_len(0).and_then(|()| file.write_all_at(&text, 0)).map_err(|error| failure(record.path(), &error))
}

fn result(range: Span, path: &Path, manifest_path: PathBuf, taken: Taken) -> DumpResult {
    let written = taken.written;
    DumpResult {
        range,
        path: path.to_path_buf(),
        manifest_path,
        bytes: total(&written.present),
        compressed_bytes: written.frames.as_ref().map(Frames::length),
        hole_bytes: range.size().saturating_sub(total(&written.present)),
        swapped_bytes: total(&written.swapped),
        gaps: written.gaps,
        method: Method::Stop,
        stops: taken.stops,
        pause: taken.pause,
        page_tables: taken.page_tables,
        copy_on_write: taken.copy_on_write,
        declined: Vec::new(),
        took: Duration::ZERO,
        sha256: written.sha256,
    }
}

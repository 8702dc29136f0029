//! Taking the bytes of a dump in one of the ways there are: each writes the whole image, or says why it does not suit.

use std::path::Path;
use std::time::Duration;

use nix::fcntl::{FallocateFlags, fallocate};

use super::dump::DumpOptions;
use super::image::{Image, OpenFile, Place, Written};
use super::output::failure;
use super::packer::{Compression, Packer};
use super::sink::Sink;
use crate::error::{Error, ErrorKind, Result};
use crate::memory::MemorySource;
use crate::memory::copying::copier::CopyOptions;
use crate::memory::copying::ladder::{Method, missing_in_child};
use crate::memory::copying::leisure::copy_at_leisure;
use crate::memory::copying::precopy::{Precopied, Store, precopy};
use crate::memory::copying::stage::{not_idle, stage_by};
use crate::memory::copying::stream::{Part, stream_parts};
use crate::memory::copying::wanted::Wanted;
use crate::progress::Progress;
use crate::space::AddressMap;
use crate::sys::cpu;
use crate::target::{ChildSnapshot, Target};
use crate::units::{Addr, ByteCount, Span};

/// What came of the copying.
#[derive(Default)]
pub(in crate::memory) struct Taken {
    pub written: Written,
    pub stops: u32,
    pub pause: Duration,
    /// Page tables added to the target's family meanwhile, and memory that its writes took twice.
    pub page_tables: ByteCount,
    pub copy_on_write: ByteCount,
    pub complete: bool,
}

/// How an attempt ended.
pub(in crate::memory) enum Attempt {
    Done(Box<Taken>),
    /// It cannot be done so: the next way is tried.
    Unsuited(String),
}

/// A dump to be made.
pub(in crate::memory) struct Work<'w> {
    pub target: &'w Target,
    pub range: Span,
    pub map: &'w AddressMap,
    pub sink: Sink<'w>,
    pub path: &'w Path,
    pub open: OpenFile<'w>,
    /// Whether the content is hashed.
    pub hashed: bool,
    /// Whether all fits into memory at once.
    pub fits: bool,
    pub options: &'w DumpOptions,
    pub progress: &'w dyn Progress,
}

impl<'w> Work<'w> {
    /// Makes it by `method`.
    ///
    /// # Errors
    /// What no other way would change: the target ended, may not be read, the disk is full, a person interrupted.
    pub fn attempt(&self, method: Method) -> Result<Attempt> {
        match method {
            Method::Stop if self.fits => self.staged(method).map(done),
            Method::Stop => self.in_several_stops().map(done),
            Method::Live => self.at_leisure(self.target).map(done),
            Method::Idle => self.while_still(),
            Method::Fork => self.through_child(),
            Method::Precopy if self.options.compression == Compression::None => self.by_precopy(),
            Method::Precopy => self.precopied_first(),
        }
    }

    fn image<'i>(&'i self, map: &'i AddressMap) -> Result<Image<'i>> {
        self.clear()?;
        let place = match self.options.compression {
            Compression::None => Place::Plain(self.sink),
            Compression::Zstd => {
                let packer = Packer::new(self.sink.file, self.options.threads);
                Place::Packed(packer.map_err(|error| failure(self.path, &error))?)
            }
        };
        Ok(Image::begin((place, self.path), self.range, map, self.open, self.hashed, self.progress))
    }

    fn copying(&self, budget: ByteCount) -> CopyOptions<'static> {
        let (include_swapped, threads) = (self.options.include_swapped, self.options.threads);
        CopyOptions { budget, include_swapped, threads, spool: None }
    }

    /// Into memory first.
    fn staged(&self, method: Method) -> Result<Taken> {
        let copying = self.copying(self.options.max_memory.unwrap_or(ByteCount(u64::MAX)));
        let range = [self.range];
        let wanted = Wanted::Spans(&range);
        // What is wrong with the file shows before the target is stopped.
        self.clear()?;
        let snapshot = stage_by(method, self.target, self.map.clone(), wanted, &copying, self.progress)?;
        let mut image = self.image(snapshot.memory.address_map())?;
        self.progress.begin("writing", Some(snapshot.coverage.copied));
        for part in snapshot.memory.parts() {
            place(&mut image, part)?;
        }
        let written = image.end(self.range.end)?;
        self.progress.end();
        Ok(Taken { written, stops: 1, pause: snapshot.pause, complete: true, ..Taken::default() })
    }

    /// A precopy comes to places of the file more than once, and compressed ones have no place until they are final.
    fn precopied_first(&self) -> Result<Attempt> {
        if !self.fits {
            let reason = "to be compressed it would have to be copied into memory first, and does not fit";
            return Ok(Attempt::Unsuited(reason.into()));
        }
        match self.staged(Method::Precopy) {
            Err(error) if error.kind() == ErrorKind::Failed => Ok(unsuited(&error)),
            other => other.map(done),
        }
    }

    fn in_several_stops(&self) -> Result<Taken> {
        let mut image = self.image(self.map)?;
        let most = ByteCount::mib(64);
        let copying = self.copying(self.options.max_memory.unwrap_or(most).min(most));
        self.progress.begin("copying", None);
        let mut put = |part: Part<'_>| place(&mut image, part);
        let streamed = stream_parts(self.target, self.map, &[self.range], &copying, self.progress, &mut put)?;
        let written = image.end(self.range.end)?;
        self.progress.end();
        Ok(Taken { written, stops: streamed.stops, pause: streamed.pause, complete: true, ..Taken::default() })
    }

    /// Straight from `source`, the target or a child of it, to the file.
    fn at_leisure(&self, source: &Target) -> Result<Taken> {
        let _aback = cpu::aback();
        let mut image = self.image(self.map)?;
        self.progress.begin("copying", None);
        let mut put = |part: Part<'_>| place(&mut image, part);
        let swapped = self.options.include_swapped;
        copy_at_leisure(source, self.map, &[self.range], swapped, self.progress, &mut put)?;
        let written = image.end(self.range.end)?;
        self.progress.end();
        Ok(Taken { written, complete: true, ..Taken::default() })
    }

    fn while_still(&self) -> Result<Attempt> {
        let Some(before) = self.target.stillness() else { return Ok(unsuited(&not_idle(self.target))) };
        let taken = self.at_leisure(self.target)?;
        if self.target.stillness() != Some(before) {
            return Ok(unsuited(&not_idle(self.target)));
        }
        Ok(done(taken))
    }

    fn through_child(&self) -> Result<Attempt> {
        let snapshot = match ChildSnapshot::take(self.target) {
            Err(error) if error.kind() == ErrorKind::Failed => return Ok(unsuited(&error)),
            other => other?,
        };
        if let Some(objection) = missing_in_child(&snapshot, self.map, &[self.range])? {
            return Ok(Attempt::Unsuited(objection));
        }
        match self.at_leisure(snapshot.child()) {
            Ok(taken) => {
                let (page_tables, copy_on_write) = snapshot.cost();
                let pause = snapshot.pause();
                Ok(match snapshot.check() {
                    Ok(()) => done(Taken { stops: 1, pause, page_tables, copy_on_write, ..taken }),
                    Err(error) => unsuited(&error),
                })
            }
            Err(error) if error.kind() == ErrorKind::Gone => {
                self.target.check_alive()?;
                Ok(unsuited(&snapshot.given_up()))
            }
            Err(error) => Err(error),
        }
    }

    fn by_precopy(&self) -> Result<Attempt> {
        self.clear()?;
        let mut store = InFile { work: self, failed: false };
        let include_swapped = self.options.include_swapped;
        self.progress.begin("copying", None);
        let range = [self.range];
        let wanted = Wanted::Spans(&range);
        let taken = precopy(self.target, self.map, wanted, include_swapped, &mut store, self.progress);
        let failed = store.failed;
        match taken {
            Err(error) if error.kind() == ErrorKind::Failed && !failed => Ok(unsuited(&error)),
            Err(error) => Err(error),
            Ok(taken) => self.finish(taken).map(done),
        }
    }

    /// The file without any content; as long as it is to be, where that is known: a file system that cannot hold it says so
    /// before the target is touched.
    fn clear(&self) -> Result<()> {
        let length = match self.options.compression {
            Compression::None => self.range.size().0,
            Compression::Zstd => 0,
        };
        let file = self.sink.file;
        let cleared = file.set_len(0).and_then(|()| file.set_len(length));
        cleared.map_err(|error| failure(self.path, &error))
    }

    /// Accounts for what is in the file, and hashes it.
    fn finish(&self, taken: Precopied) -> Result<Taken> {
        let _aback = cpu::aback();
        let map = AddressMap { mappings: taken.mappings, ..AddressMap::default() };
        let file = (Place::Plain(self.sink), self.path);
        let mut image = Image::begin(file, self.range, &map, self.open, self.hashed, self.progress);
        let kept = taken.present.iter().map(|span| (*span, 0));
        let swapped = taken.swapped.iter().map(|span| (*span, 1));
        let gaps = taken.coverage.gaps.iter().map(|span| (*span, 2));
        let mut parts: Vec<(Span, u8)> = kept.chain(swapped).chain(gaps).collect();
        parts.sort_unstable_by_key(|(span, _)| span.start);
        for (span, kind) in parts {
            match kind {
                0 => image.kept(span)?,
                1 => image.swapped(span)?,
                _ => image.gap(span)?,
            }
        }
        let written = image.end(self.range.end)?;
        self.progress.end();
        Ok(Taken { written, stops: 1, pause: taken.pause, complete: true, ..Taken::default() })
    }
}

fn done(taken: Taken) -> Attempt {
    Attempt::Done(Box::new(taken))
}

fn unsuited(error: &Error) -> Attempt {
    Attempt::Unsuited(error.to_string())
}

fn place(image: &mut Image<'_>, part: Part<'_>) -> Result<()> {
    match part {
        Part::Bytes(addr, bytes) => image.bytes(addr, bytes),
        Part::Swapped(span) => image.swapped(span),
        Part::Gap(span) => image.gap(span),
    }
}

/// The file of a dump as the place for a precopy.
struct InFile<'s, 'w> {
    work: &'s Work<'w>,
    failed: bool,
}

impl InFile<'_, '_> {
    fn offset(&self, addr: Addr) -> u64 {
        addr.since(self.work.range.start).0
    }
}

impl Store for InFile<'_, '_> {
    fn put(&mut self, addr: Addr, bytes: &[u8]) -> Result<()> {
        let written = self.work.sink.write(bytes, self.offset(addr));
        self.failed |= written.is_err();
        self.work.progress.advance(ByteCount(bytes.len() as u64));
        written.map_err(|error| failure(self.work.path, &error))
    }

    fn drop(&mut self, span: Span) -> Result<()> {
        let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        let (offset, length) = (self.offset(span.start), span.size().0);
        let at = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        if fallocate(self.work.sink.file, flags, at(offset), at(length)).is_ok() {
            return Ok(());
        }
        // A file system without holes.
        for part in 0..length.div_ceil(ZEROS.len() as u64) {
            let at = part * ZEROS.len() as u64;
            let size = (length - at).min(ZEROS.len() as u64) as usize;
            let written = self.work.sink.write(&ZEROS[..size], offset + at);
            self.failed |= written.is_err();
            written.map_err(|error| failure(self.work.path, &error))?;
        }
        Ok(())
    }
}

static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

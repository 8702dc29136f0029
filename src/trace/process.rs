//! One process under trace: its code, its ledger, the stacks seen in it. Samples go in, sums come out.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hashbrown::HashMap;

use super::call::Change;
use super::ledger::{Left, Sum};
use super::result::StackSum;
use super::{Call, Ledger, MemoryCall, StackId};
use crate::space::spans::joined;
use crate::space::{AddressMap, Mapping};
use crate::stacks::{Frame, Modules, PerfMap, Registers, Symboliser, Unwinder};
use crate::target::{Target, path_of};
use crate::units::{Addr, ByteCount};

/// The maps file is read again for code that is not known at most this often.
const REFRESH: Duration = Duration::from_millis(50);
/// Different stacks remembered; what comes beyond is counted under the innermost function alone.
const STACKS_LIMIT: usize = 50_000;
/// Pages in one of 2 MiB.
const HUGE_PAGE: u64 = 512;
const HEAP: &str = "[heap]";

/// A target that is another's, or a child's that was opened on the way.
pub(super) enum Subject<'t> {
    Given(&'t Target),
    Found(Box<Target>),
}

impl Deref for Subject<'_> {
    type Target = Target;

    fn deref(&self) -> &Target {
        match self {
            Subject::Given(target) => target,
            Subject::Found(target) => target,
        }
    }
}

pub(super) struct Process<'t> {
    target: Option<Subject<'t>>,
    modules: Modules,
    unwinder: Unwinder,
    ledger: Ledger,
    stacks: HashMap<Vec<Addr>, StackId>,
    brk: Option<Addr>,
    held: Option<ByteCount>,
    refreshed: Instant,
    symboliser: Option<Symboliser>,
}

impl<'t> Process<'t> {
    /// With `before_exec`, what is mapped now is about to go.
    pub fn begin(target: Option<Subject<'t>>, before_exec: bool) -> Process<'t> {
        let known = target.as_deref().filter(|_| !before_exec);
        let mappings = known.and_then(|target| target.mappings().ok()).unwrap_or_default();
        let reserved = mappings.iter().filter(|mapping| mapping.permissions.is_none() && !mapping.has_file());
        Process {
            modules: Modules::new(&mappings),
            unwinder: Unwinder::default(),
            ledger: Ledger::new(reserved.map(|mapping| mapping.span).collect()),
            stacks: HashMap::new(),
            brk: mappings.iter().rfind(|mapping| mapping.name == HEAP).map(|heap| heap.span.end),
            held: if before_exec { Some(ByteCount::ZERO) } else { known.and_then(held) },
            refreshed: Instant::now(),
            symboliser: None,
            target,
        }
    }

    /// Growth counts from now on: beginning to watch takes a while, in which it may grow.
    pub fn hold(&mut self) {
        self.held = self.target.as_deref().and_then(held);
    }

    /// The number of the stack that these registers and bytes show.
    pub fn stack(&mut self, ip: Addr, registers: Option<&Registers>, stack: &[u8]) -> StackId {
        if !self.modules.contain(ip) && self.refreshed.elapsed() > REFRESH {
            self.refresh();
        }
        let target = self.target.as_deref();
        let open = |mapping: &Mapping| opened(target, mapping);
        let mut frames = match registers {
            Some(registers) => self.unwinder.unwind(registers, stack, &mut self.modules, &open),
            // 32-bit code.
            None => vec![ip],
        };
        if self.stacks.len() >= STACKS_LIMIT && !self.stacks.contains_key(&frames) {
            frames.truncate(1);
        }
        let next = StackId(u32::try_from(self.stacks.len()).unwrap_or(u32::MAX));
        *self.stacks.entry(frames).or_insert(next)
    }

    /// Looks for code that was mapped since.
    pub fn refresh(&mut self) {
        self.refreshed = Instant::now();
        if let Some(mappings) = self.target.as_deref().and_then(|target| target.mappings().ok()) {
            self.modules.update(&mappings);
        }
    }

    /// Takes up code that was mapped, as the kernel recorded it.
    pub fn mapped(&mut self, mappings: &[Mapping]) {
        self.modules.update(mappings);
    }

    /// Books a page fault that stands for `period` of them; what they gave. To be called soon: later the kernel may have
    /// made a huge page of small ones.
    pub fn touch(&mut self, at: Addr, period: u64, thread: i32, stack: StackId) -> ByteCount {
        let is_huge = self.target.as_deref().is_some_and(|target| target.has_huge_page(at));
        let weight = if is_huge { period.saturating_mul(HUGE_PAGE) } else { period };
        self.ledger.touch(at, weight, thread, stack)
    }

    /// Books a call, whose memory belongs to `stack` or to who will touch it; what it mapped and unmapped.
    pub fn call(&mut self, call: &Call, stack: Option<StackId>) -> (ByteCount, ByteCount) {
        let change = call.change(self.brk);
        if call.call == MemoryCall::Brk && !call.failed() {
            self.brk = Some(Addr(call.result));
        }
        if let Some(Change::Mapped(span)) = change
            && span.is_empty()
        {
            return Default::default();
        }
        change.map_or_else(Default::default, |change| self.ledger.change(change, stack))
    }

    /// By how much its private memory grew, `None` once it ended.
    pub fn growth(&self) -> Option<i64> {
        Some(held(self.target.as_deref()?)?.signed_sub(self.held?))
    }

    /// All stacks with what they did and what is left of it: of a process that ended nothing, unless `all_ended`.
    pub fn settle(&mut self, scale: f64, all_ended: bool) -> Vec<StackSum> {
        let left = self.left().or((!all_ended).then(Left::default));
        let sums = self.ledger.settle(left.as_ref(), scale);
        let mut stacks: Vec<(StackId, Vec<Addr>)> =
            self.stacks.iter().map(|(frames, id)| (*id, frames.clone())).collect();
        stacks.sort_unstable();
        let sum_of = |(id, frames): (StackId, Vec<Addr>)| {
            let sum = sums.get(&id).filter(|sum| sum.events > 0)?;
            let frames = self.frames(&frames);
            let Sum { events, mapped, unmapped, outstanding } = *sum;
            Some(StackSum { frames, events, mapped, unmapped, outstanding })
        };
        stacks.into_iter().filter_map(sum_of).collect()
    }

    /// The frames of a stack that `stack` numbered.
    pub fn frames_of(&mut self, id: StackId) -> Vec<Frame> {
        let frames = self.stacks.iter().find(|(_, known)| **known == id).map(|(frames, _)| frames.clone());
        self.frames(&frames.unwrap_or_default())
    }

    fn frames(&mut self, stack: &[Addr]) -> Vec<Frame> {
        let target = self.target.as_deref();
        let symboliser = self.symboliser.get_or_insert_with(|| Symboliser::new(jit_names(target)));
        let open = |mapping: &Mapping| opened(target, mapping);
        symboliser.frames(stack, &mut self.modules, &open)
    }

    /// Private memory that is there now; `None` once the process ended.
    fn left(&self) -> Option<Left> {
        let target = self.target.as_deref()?;
        let map = AddressMap { mappings: target.mappings().ok()?, regions: Vec::new() };
        let (mut mapped, mut present) = (Vec::new(), Vec::new());
        for mapping in map.mappings.iter().filter(|mapping| !mapping.permissions.shared && !mapping.has_file()) {
            let residency = target.residency(mapping.span, &map).ok()?;
            mapped.push(mapping.span);
            present.extend(residency.present);
            present.extend(residency.swapped);
        }
        Some(Left { mapped: joined(mapped), present: joined(present) })
    }
}

/// The file behind code, of a process that ended by its path as we see it.
fn opened(target: Option<&Target>, mapping: &Mapping) -> io::Result<(File, PathBuf)> {
    let alive = target.ok_or(io::ErrorKind::NotFound.into()).and_then(|target| target.mapped_file(mapping));
    let file = match alive {
        Ok(file) => file,
        Err(_) => of_path(mapping)?,
    };
    let path = path_of(&file);
    Ok((file, path))
}

fn of_path(mapping: &Mapping) -> io::Result<File> {
    let is_regular = std::fs::metadata(&mapping.name)?.is_file();
    let file = File::open(is_regular.then_some(&mapping.name).ok_or(io::ErrorKind::InvalidInput)?)?;
    if file.metadata()?.ino() != mapping.inode {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(file)
}

fn held(target: &Target) -> Option<ByteCount> {
    let sample = target.sample(Duration::ZERO, false).ok()?;
    Some(sample.anonymous + sample.swap)
}

fn jit_names(target: Option<&Target>) -> PerfMap {
    target.and_then(|target| target.perf_map().ok()).map(|text| PerfMap::parse(&text)).unwrap_or_default()
}

//! One process under trace: its code, its ledger, the stacks seen in it. Samples go in, sums come out.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hashbrown::HashMap;

use super::call::Change;
use super::result::StackSum;
use super::{Call, Ledger, MemoryCall, StackId};
use crate::space::spans::joined;
use crate::space::{AddressMap, Mapping};
use crate::stacks::{Frame, Modules, PerfMap, Registers, Symboliser, Unwinder};
use crate::target::{Target, path_of};
use crate::units::{Addr, ByteCount, Span};

/// The maps file is read again for code that is not known at most this often.
const REFRESH: Duration = Duration::from_millis(200);
/// Different stacks remembered; what comes beyond is counted under the innermost function alone.
const STACKS_LIMIT: usize = 50_000;
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
    target: Subject<'t>,
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
    pub fn begin(target: Subject<'t>, before_exec: bool) -> Process<'t> {
        let mappings = if before_exec { Vec::new() } else { target.mappings().unwrap_or_default() };
        let reserved = mappings.iter().filter(|mapping| mapping.permissions.is_none() && !mapping.has_file());
        let held = if before_exec { Some(ByteCount::ZERO) } else { held(&target) };
        Process {
            modules: Modules::new(&mappings),
            unwinder: Unwinder::default(),
            ledger: Ledger::new(reserved.map(|mapping| mapping.span).collect()),
            stacks: HashMap::new(),
            brk: mappings.iter().rfind(|mapping| mapping.name == HEAP).map(|heap| heap.span.end),
            held,
            refreshed: Instant::now(),
            symboliser: None,
            target,
        }
    }

    /// The number of the stack that these registers and bytes show.
    pub fn stack(&mut self, ip: Addr, registers: Option<&Registers>, stack: &[u8]) -> StackId {
        if !self.modules.contain(ip) && self.refreshed.elapsed() > REFRESH {
            self.refresh();
        }
        let target = &self.target;
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
        if let Ok(mappings) = self.target.mappings() {
            self.modules.update(&mappings);
        }
    }

    pub fn touch(&mut self, at: Addr, weight: u64, stack: StackId) {
        self.ledger.touch(at, weight, stack);
    }

    /// Books a call; what it mapped and unmapped.
    pub fn call(&mut self, call: &Call, stack: StackId) -> (ByteCount, ByteCount) {
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
        Some(held(&self.target)?.signed_sub(self.held?))
    }

    /// All stacks with what they did and what is left of it.
    pub fn settle(&mut self, scale: f64) -> Vec<StackSum> {
        let there = self.there();
        let sums = self.ledger.settle(there.as_deref(), scale);
        let mut stacks: Vec<(StackId, Vec<Addr>)> =
            self.stacks.iter().map(|(frames, id)| (*id, frames.clone())).collect();
        stacks.sort_unstable();
        let sum_of = |(id, frames): (StackId, Vec<Addr>)| {
            let sum = sums.get(&id).filter(|sum| sum.events > 0)?;
            let frames = self.frames(&frames);
            Some(StackSum { frames, events: sum.events, mapped: sum.mapped, outstanding: sum.outstanding })
        };
        stacks.into_iter().filter_map(sum_of).collect()
    }

    /// The frames of a stack that `stack` numbered.
    pub fn frames_of(&mut self, id: StackId) -> Vec<Frame> {
        let frames = self.stacks.iter().find(|(_, known)| **known == id).map(|(frames, _)| frames.clone());
        self.frames(&frames.unwrap_or_default())
    }

    fn frames(&mut self, stack: &[Addr]) -> Vec<Frame> {
        let target = &self.target;
        let symboliser = self.symboliser.get_or_insert_with(|| Symboliser::new(jit_names(target)));
        let open = |mapping: &Mapping| opened(target, mapping);
        symboliser.frames(stack, &mut self.modules, &open)
    }

    /// Private memory that is there now, in memory or in swap; `None` once the process ended.
    fn there(&self) -> Option<Vec<Span>> {
        let map = AddressMap { mappings: self.target.mappings().ok()?, regions: Vec::new() };
        let mut there = Vec::new();
        for mapping in map.mappings.iter().filter(|mapping| !mapping.permissions.shared && !mapping.has_file()) {
            let residency = self.target.residency(mapping.span, &map).ok()?;
            there.extend(residency.present);
            there.extend(residency.swapped);
        }
        Some(joined(there))
    }
}

fn opened(target: &Target, mapping: &Mapping) -> io::Result<(File, PathBuf)> {
    let file = target.mapped_file(mapping)?;
    let path = path_of(&file);
    Ok((file, path))
}

fn held(target: &Target) -> Option<ByteCount> {
    let sample = target.sample(Duration::ZERO, false).ok()?;
    Some(sample.anonymous + sample.swap)
}

fn jit_names(target: &Target) -> PerfMap {
    target.perf_map().map(|text| PerfMap::parse(&text)).unwrap_or_default()
}

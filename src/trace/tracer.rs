//! Chooses how growth is seen, lets it run, and adds up what came of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hashbrown::HashMap;

use super::desk::Desk;
use super::means::Means;
use super::process::{Process, Subject};
use super::result::{CallSum, Event, StackSum, TraceResult};
use super::{MemoryCall, Method, StackId};
use crate::error::{Error, ErrorKind, Result};
use crate::stacks::Frame;
use crate::target::Target;

pub(super) const TRACING: &str = "cannot trace";
/// Rings are emptied this often.
const NAP: Duration = Duration::from_millis(10);
/// Single events kept.
pub(super) const LOG_LIMIT: usize = 100_000;

/// What is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How to see growth; the lightest that works where `None`.
    pub method: Option<Method>,
    /// Whether the slow method may be taken where no other works.
    pub may_be_slow: bool,
    /// Processes that the target forks are watched too.
    pub children: bool,
    /// Single events are kept.
    pub log: bool,
    /// Files that are opened and read are events too; the slow method alone sees them.
    pub files: bool,
    /// The target is about to become another program: what it does before is not counted.
    pub before_exec: bool,
    /// The calls are wanted too where page faults alone tell who grows it.
    pub calls: bool,
}

/// A trace that runs.
pub struct Tracer<'t> {
    target: &'t Target,
    options: Options,
    means: Means,
    processes: HashMap<i32, Process<'t>>,
    began: Instant,
    books: Books,
}

/// What is counted beside the ledgers.
#[derive(Default)]
pub(super) struct Books {
    pub events: u64,
    /// Events that samples stand for.
    pub stood_for: u64,
    pub lost: u64,
    pub calls: BTreeMap<MemoryCall, CallSum>,
    pub log: Vec<Entry>,
}

/// An event whose stack has no names yet.
pub(super) struct Entry {
    pub event: Event,
    pub stack: Option<StackId>,
}

impl<'t> Tracer<'t> {
    /// Begins to watch `target` by the lightest method that is permitted; `remark` hears why another was not.
    ///
    /// # Errors
    /// `NotPermitted` where the kernel refuses every method that was allowed, `Gone` where the target ended.
    pub fn begin(target: &'t Target, options: Options, remark: &dyn Fn(&str)) -> Result<Tracer<'t>> {
        let methods: Vec<Method> = match options.method {
            Some(method) => vec![method],
            None if options.files => vec![Method::Syscall],
            None if options.before_exec => vec![Method::Perf, Method::Syscall],
            None if options.may_be_slow => vec![Method::Perf, Method::Breakpoint, Method::Syscall],
            None => vec![Method::Perf, Method::Breakpoint],
        };
        let mut refused = None;
        for method in methods {
            if let Some(error) = refused.take() {
                remark(&format!("{error}; trying {method} instead ({})", method.cost()));
            }
            let mut process = Process::begin(Some(Subject::Given(target)), options.before_exec);
            match Means::begin(method, target, options) {
                Ok(means) => {
                    if !options.before_exec {
                        process.hold();
                    }
                    let processes = HashMap::from([(target.pid(), process)]);
                    let (began, books) = (Instant::now(), Books::default());
                    return Ok(Tracer { target, options, means, processes, began, books });
                }
                Err(error) if error.kind() == ErrorKind::Gone => return Err(error),
                Err(error) => refused = Some(error),
            }
        }
        Err(refused.unwrap_or_else(|| Error::new(ErrorKind::Failed, TRACING, target.subject(), "no method is left")))
    }

    /// Watches until `over` says so or the target ended.
    pub fn run(&mut self, over: &dyn Fn() -> bool) {
        while !over() && !self.has_ended() {
            std::thread::sleep(NAP);
            self.take_in();
        }
    }

    fn has_ended(&self) -> bool {
        match &self.means {
            Means::Syscall(syscalls) => syscalls.has_ended(),
            _ => !self.target.is_alive(),
        }
    }

    /// Ends the watch and adds up.
    pub fn end(mut self) -> TraceResult {
        let watched = self.began.elapsed();
        let own = self.processes.get(&self.target.pid()).and_then(Process::growth);
        // What children had that ended is no growth of what is left.
        let growth = own.map(|_| self.processes.values().filter_map(Process::growth).sum());
        let (method, counted, calls_unseen) = match &mut self.means {
            Means::Perf(sampler, calls_unseen) => (Method::Perf, sampler.end(), calls_unseen.take()),
            Means::Breakpoint(sampler) => (Method::Breakpoint, sampler.end(), None),
            Means::Syscall(syscalls) => {
                syscalls.end();
                (Method::Syscall, 0, None)
            }
        };
        self.take_in();
        let scale = match method {
            Method::Perf if self.books.stood_for > 0 => counted as f64 / self.books.stood_for as f64,
            _ => 1.0,
        };
        let (log, ended) = (self.log(), growth.is_none());
        let stacks = merged(self.processes.values_mut().flat_map(|process| process.settle(scale, ended)).collect());
        let Books { events, lost, calls, .. } = self.books;
        TraceResult {
            method,
            watched,
            events,
            lost,
            growth,
            stacks,
            calls: calls.into_values().collect(),
            calls_unseen,
            innermost_only: self.target.identity().is_32bit,
            log_cut: log.len() >= LOG_LIMIT,
            log,
        }
    }

    fn log(&mut self) -> Vec<Event> {
        let mut known: HashMap<(i32, StackId), Vec<Frame>> = HashMap::new();
        let mut log = Vec::new();
        for Entry { mut event, stack } in std::mem::take(&mut self.books.log) {
            if let Some((stack, process)) = stack.zip(self.processes.get_mut(&event.pid)) {
                event.frames = known.entry((event.pid, stack)).or_insert_with(|| process.frames_of(stack)).clone();
            }
            log.push(event);
        }
        log
    }

    /// Books all that was seen since the last time.
    fn take_in(&mut self) {
        let (processes, books, options) = (&mut self.processes, &mut self.books, self.options);
        let by_touch = matches!(self.means, Means::Perf(..));
        let mut desk = Desk { processes, books, options, by_touch, at: self.began.elapsed() };
        match &mut self.means {
            Means::Perf(sampler, _) | Means::Breakpoint(sampler) => sampler.drain(&mut |drained| desk.drained(drained)),
            Means::Syscall(syscalls) => {
                for seen in syscalls.drain() {
                    desk.at = seen.when.saturating_duration_since(self.began);
                    desk.seen(seen);
                }
            }
        }
    }
}

/// Stacks of the same functions as one, whatever the places in these, largest first.
fn merged(stacks: Vec<StackSum>) -> Vec<StackSum> {
    let mut by_names: HashMap<Vec<(String, Option<String>)>, StackSum> = HashMap::new();
    for stack in stacks {
        let names = stack.frames.iter().map(|frame| (frame.name(), frame.module.clone())).collect();
        match by_names.entry(names) {
            hashbrown::hash_map::Entry::Vacant(place) => {
                place.insert(stack);
            }
            hashbrown::hash_map::Entry::Occupied(mut place) => {
                let sum = place.get_mut();
                sum.events += stack.events;
                sum.mapped += stack.mapped;
                sum.unmapped += stack.unmapped;
                sum.outstanding += stack.outstanding;
            }
        }
    }
    let mut stacks: Vec<StackSum> = by_names.into_values().collect();
    stacks.sort_by(|left, right| {
        let size = |stack: &StackSum| (stack.outstanding, stack.mapped, stack.events);
        size(right)
            .cmp(&size(left))
            .then_with(|| left.frames.iter().map(|f| f.address).cmp(right.frames.iter().map(|f| f.address)))
    });
    stacks
}

//! Chooses how growth is seen, lets it run, and adds up what came of it.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use hashbrown::HashMap;

use super::perf::{Sampler, is_refusal};
use super::process::{Process, Subject};
use super::result::{CallSum, Event, Happening, StackSum, TraceResult};
use super::sites::sites;
use super::syscalls::Syscalls;
use super::{Call, MemoryCall, Method, StackId};
use crate::error::{Error, ErrorKind, Result};
use crate::stacks::{Frame, Registers};
use crate::sys::perf::{self, Sampling};
use crate::sys::perf_ring::{self, Record, Sample};
use crate::target::{Target, path_of};
use crate::units::{Addr, ByteCount};

const TRACING: &str = "cannot trace";
/// Bytes of stack per sample.
const SAMPLED_STACK: u32 = 8 * 1024;
const BREAKPOINT_STACK: u32 = 16 * 1024;
/// Of page faults, until their rate is known.
const FIRST_PERIOD: u64 = 13;
/// An arena of glibc grows by one mprotect a page: one of eight stands for those before it.
const MPROTECT_PERIOD: u64 = 8;
/// Rings are emptied this often.
const NAP: Duration = Duration::from_millis(10);
/// Single events kept.
const LOG_LIMIT: usize = 100_000;

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
}

enum Means {
    Perf(Sampler),
    Breakpoint(Sampler, BTreeMap<Addr, MemoryCall>),
    Syscall(Syscalls),
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
struct Books {
    events: u64,
    /// Events that samples stand for.
    stood_for: u64,
    lost: u64,
    calls: BTreeMap<MemoryCall, CallSum>,
    log: Vec<Entry>,
}

/// An event whose stack has no names yet.
struct Entry {
    event: Event,
    stack: Option<StackId>,
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
            let process = Process::begin(Some(Subject::Given(target)), options.before_exec);
            match Means::begin(method, target, options) {
                Ok(means) => {
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
        let (method, counted) = match &mut self.means {
            Means::Perf(sampler) => (Method::Perf, sampler.end()),
            Means::Breakpoint(sampler, _) => (Method::Breakpoint, sampler.end()),
            Means::Syscall(syscalls) => {
                syscalls.end();
                (Method::Syscall, 0)
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
        let mut desk = Desk { processes, books, options, at: self.began.elapsed() };
        match &mut self.means {
            Means::Perf(sampler) => sampler.drain(&mut |record, period| desk.fault(record, period)),
            Means::Breakpoint(sampler, sites) => sampler.drain(&mut |record, _| desk.breakpoint(record, sites)),
            Means::Syscall(syscalls) => {
                let began = self.began;
                for seen in syscalls.drain() {
                    desk.at = seen.when.saturating_duration_since(began);
                    desk.syscall(seen);
                }
            }
        }
    }
}

/// Where events are booked.
struct Desk<'d, 't> {
    processes: &'d mut HashMap<i32, Process<'t>>,
    books: &'d mut Books,
    options: Options,
    at: Duration,
}

impl<'t> Desk<'_, 't> {
    /// The process of an event, `None` for one that is not to be watched.
    fn process(&mut self, pid: i32) -> Option<&mut Process<'t>> {
        if !self.processes.contains_key(&pid) {
            if !self.options.children {
                return None;
            }
            // One that is gone already is known by what was recorded of it.
            let child = Target::open(pid).ok().map(|target| Subject::Found(Box::new(target)));
            let child = Process::begin(child, false);
            self.processes.insert(pid, child);
        }
        self.processes.get_mut(&pid)
    }

    fn fault(&mut self, record: Record, period: u64) {
        let Some(sample) = self.sample(record) else { return };
        self.books.stood_for += period;
        let Some(process) = self.process(sample.pid) else { return };
        let registers = sample.registers.as_deref().map(registers);
        let stack = process.stack(sample.ip, registers.as_ref(), &sample.stack);
        process.touch(sample.addr, period, stack);
        let mapped = ByteCount::kib(4 * period);
        self.keep((sample.pid, sample.tid), Happening::Touch, (mapped, ByteCount::ZERO), Some(stack));
    }

    fn breakpoint(&mut self, record: Record, sites: &BTreeMap<Addr, MemoryCall>) {
        let Some(sample) = self.sample(record) else { return };
        let (Some(call), Some(registers)) = (sites.get(&sample.ip), sample.registers.as_deref().map(registers)) else {
            return;
        };
        self.call(sample.pid, sample.tid, Call::behind(*call, &registers), &registers, &sample.stack, None);
    }

    fn sample(&mut self, record: Record) -> Option<Sample> {
        match record {
            Record::Lost(count) => {
                self.books.lost += count;
                None
            }
            Record::Mapped(pid, mapping) => {
                if let Some(process) = self.process(pid) {
                    process.mapped(&[mapping]);
                }
                None
            }
            Record::Sample(sample) => {
                self.books.events += 1;
                Some(sample)
            }
        }
    }

    fn syscall(&mut self, seen: super::syscalls::Seen) {
        use super::syscalls::What;
        match seen.what {
            What::Call { call, registers, stack, reading } => {
                self.books.events += 1;
                self.call(seen.pid, seen.tid, call, &registers, &stack, reading);
            }
            What::Code(mappings) => {
                if let Some(process) = self.process(seen.pid) {
                    process.mapped(&mappings);
                }
            }
            What::File(happening) => {
                self.keep((seen.pid, seen.tid), happening, Default::default(), None);
            }
        }
    }

    fn call(
        &mut self,
        pid: i32,
        tid: i32,
        call: Call,
        registers: &Registers,
        stack: &[u8],
        reading: Option<(String, ByteCount)>,
    ) {
        let Some(process) = self.process(pid) else { return };
        let stack = process.stack(Addr(registers.ip), Some(registers), stack);
        let (mapped, unmapped) = process.call(&call, stack);
        let none = CallSum { call: call.call, count: 0, mapped: ByteCount::ZERO, unmapped: ByteCount::ZERO };
        let sum = self.books.calls.entry(call.call).or_insert(none);
        sum.count += 1;
        sum.mapped += mapped;
        sum.unmapped += unmapped;
        self.keep((pid, tid), Happening::Call { call, reading }, (mapped, unmapped), Some(stack));
    }

    fn keep(&mut self, threads: (i32, i32), what: Happening, bytes: (ByteCount, ByteCount), stack: Option<StackId>) {
        if !self.options.log || self.books.log.len() >= LOG_LIMIT {
            return;
        }
        let ((pid, tid), (mapped, unmapped)) = (threads, bytes);
        let event = Event { at: self.at, pid, tid, what, mapped, unmapped, frames: Vec::new() };
        self.books.log.push(Entry { event, stack });
    }
}

impl Means {
    fn begin(method: Method, target: &Target, options: Options) -> Result<Means> {
        let threads = target.thread_ids()?;
        let children = options.children;
        let refused = |error: io::Error| refusal(method, target, &error);
        match method {
            Method::Perf => {
                let from_exec = options.before_exec;
                let sampling =
                    Sampling { period: FIRST_PERIOD, stack: SAMPLED_STACK, kernel: true, children, from_exec };
                let events = [(perf::Event::PageFaults, FIRST_PERIOD)];
                Ok(Means::Perf(Sampler::open(&events, sampling, &threads, true).map_err(refused)?))
            }
            Method::Breakpoint if options.before_exec => {
                let reason = "the addresses of a program that is not running yet are not known";
                Err(Error::new(ErrorKind::Usage, TRACING, "a new program with breakpoint", reason))
            }
            Method::Breakpoint => {
                let open = |mapping: &_| {
                    let file = target.mapped_file(mapping)?;
                    let path = path_of(&file);
                    Ok((file, path))
                };
                let sites = sites(&target.mappings()?, target.identity().exe.as_deref(), &open).map_err(refused)?;
                let period = |call: &MemoryCall| if *call == MemoryCall::Mprotect { MPROTECT_PERIOD } else { 1 };
                let event = |(at, call): (&Addr, &MemoryCall)| (perf::Event::Execution { at: *at }, period(call));
                let events: Vec<(perf::Event, u64)> = sites.iter().map(event).collect();
                let sampling =
                    Sampling { period: 1, stack: BREAKPOINT_STACK, kernel: false, children, from_exec: false };
                Ok(Means::Breakpoint(Sampler::open(&events, sampling, &threads, false).map_err(refused)?, sites))
            }
            Method::Syscall => Ok(Means::Syscall(Syscalls::begin(target, children, options.files)?)),
        }
    }
}

fn refusal(method: Method, target: &Target, error: &io::Error) -> Error {
    let subject = format!("{} with {method}", target.subject());
    let with = |kind, reason: String| Error::new(kind, TRACING, subject.clone(), reason);
    match error.raw_os_error() {
        Some(libc::ESRCH) => with(ErrorKind::Gone, "the process ended".into()),
        _ if is_refusal(error) => {
            let level = crate::target::perf_paranoid().map_or("unknown".to_owned(), |level| level.to_string());
            with(ErrorKind::NotPermitted, format!("perf is refused (kernel.perf_event_paranoid is {level}): {error}"))
                .with_hint(
                    "run as root, or: sudo sysctl kernel.perf_event_paranoid=1; in a container: \
                     --cap-add PERFMON --security-opt seccomp=unconfined",
                )
        }
        Some(libc::ENOSPC) => with(ErrorKind::Failed, "a debugger has the debug registers".into()),
        Some(libc::EMFILE | libc::ENFILE) => {
            with(ErrorKind::Failed, "threads times processors are more than we may have open files".into())
                .with_hint("run: ulimit -n 1048576")
        }
        _ => with(ErrorKind::Failed, error.to_string()),
    }
}

/// perf's order of registers in that of DWARF.
fn registers(from: &perf_ring::Registers) -> Registers {
    let [ax, bx, cx, dx, si, di, bp, sp, ip, _flags, _cs, _ss, r8, r9, r10, r11, r12, r13, r14, r15] = from.0;
    Registers { ip, words: [ax, dx, cx, bx, si, di, bp, sp, r8, r9, r10, r11, r12, r13, r14, r15] }
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

//! Where events are booked: each in the ledger of its process, in the sums of calls, and in the log where one is kept.

use std::time::Duration;

use hashbrown::HashMap;

use super::perf::Drained;
use super::process::{Process, Subject};
use super::result::{CallSum, Event, Happening};
use super::syscalls::{Seen, What};
use super::tracer::{Books, Entry, LOG_LIMIT, Options};
use super::{Call, StackId};
use crate::stacks::Registers;
use crate::sys::perf_ring::{self, Sample};
use crate::target::Target;
use crate::units::{Addr, ByteCount};

pub(super) struct Desk<'d, 't> {
    pub processes: &'d mut HashMap<i32, Process<'t>>,
    pub books: &'d mut Books,
    pub options: Options,
    /// Memory belongs to who touches it, and calls only tell what was given back.
    pub by_touch: bool,
    pub at: Duration,
}

/// A call that came back.
struct Returned<'s> {
    threads: (i32, i32),
    call: Call,
    /// So many calls.
    stands_for: u64,
    registers: &'s Registers,
    stack: &'s [u8],
    reading: Option<(String, ByteCount)>,
}

impl<'t> Desk<'_, 't> {
    /// Books what a sampler saw.
    pub fn drained(&mut self, drained: Drained) {
        match drained {
            Drained::Lost(count) => self.books.lost += count,
            Drained::Mapped(pid, mapping) => {
                if let Some(process) = self.process(pid) {
                    process.mapped(&[mapping]);
                }
            }
            Drained::Fault(sample, period) => self.fault(&sample, period),
            Drained::Call(sample, call, stands_for) => {
                let Some(registers) = &sample.registers.as_deref().map(registers) else { return };
                let (threads, call) = ((sample.pid, sample.tid), Call::behind(call, registers));
                self.call(Returned { threads, call, stands_for, registers, stack: &sample.stack, reading: None });
            }
        }
    }

    /// Books what the tracing thread saw.
    pub fn seen(&mut self, seen: Seen) {
        let threads = (seen.pid, seen.tid);
        match seen.what {
            What::Call { call, registers, stack, reading } => {
                let (registers, stack) = (&*registers, &stack[..]);
                self.call(Returned { threads, call, stands_for: 1, registers, stack, reading });
            }
            What::Code(mappings) => {
                if let Some(process) = self.process(seen.pid) {
                    process.mapped(&mappings);
                }
            }
            What::File(happening) => self.keep(threads, happening, Default::default(), None),
        }
    }

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

    fn fault(&mut self, sample: &Sample, period: u64) {
        self.books.events += 1;
        self.books.stood_for += period;
        let Some(process) = self.process(sample.pid) else { return };
        let registers = sample.registers.as_deref().map(registers);
        let stack = process.stack(sample.ip, registers.as_ref(), &sample.stack);
        let mapped = process.touch(sample.addr, period, sample.tid, stack);
        self.keep((sample.pid, sample.tid), Happening::Touch, (mapped, ByteCount::ZERO), Some(stack));
    }

    fn call(&mut self, seen: Returned<'_>) {
        self.books.events += 1;
        let Returned { threads, call, stands_for, registers, stack, reading } = seen;
        let (by_touch, wants_stack) = (self.by_touch, !self.by_touch || self.options.log);
        let Some(process) = self.process(threads.0) else { return };
        let stack = wants_stack.then(|| process.stack(Addr(registers.ip), Some(registers), stack));
        let (mapped, unmapped) = process.call(&call, stack.filter(|_| !by_touch));
        let none = CallSum { call: call.call, count: 0, mapped: ByteCount::ZERO, unmapped: ByteCount::ZERO };
        let sum = self.books.calls.entry(call.call).or_insert(none);
        sum.count += stands_for;
        sum.mapped += mapped;
        sum.unmapped += unmapped;
        self.keep(threads, Happening::Call { call, reading }, (mapped, unmapped), stack);
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

/// perf's order of registers in that of DWARF.
fn registers(from: &perf_ring::Registers) -> Registers {
    let [ax, bx, cx, dx, si, di, bp, sp, ip, _flags, _cs, _ss, r8, r9, r10, r11, r12, r13, r14, r15] = from.0;
    Registers { ip, words: [ax, dx, cx, bx, si, di, bp, sp, r8, r9, r10, r11, r12, r13, r14, r15] }
}

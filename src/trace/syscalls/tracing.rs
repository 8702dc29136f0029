//! The life of the tracing thread: all threads of the target, and those they create, from system call to system call.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use super::files::Files;
use super::{Seen, What};
use crate::error::Error;
use crate::stacks::Registers;
use crate::sys::ptrace;
use crate::sys::syscall_stops::{self as stops, Phase, Stop};
use crate::target::Target;
use crate::trace::{Call, MemoryCall};

/// Bytes of stack copied.
const STACK: usize = 32 * 1024;
/// Looks for the next stop before the processor is left to others, and then how long.
const ROUNDS: u32 = 200;
const NAP: Duration = Duration::from_micros(50);

pub(super) enum Refusal {
    Unopened(Error),
    Failed(io::Error),
}

/// A process being traced.
struct Process {
    target: Target,
    memory: Option<File>,
}

/// What a thread entered.
#[derive(Clone, Copy)]
struct Entered {
    number: u64,
    arguments: [u64; 6],
    is_64bit: bool,
}

pub(super) struct Tracing {
    children: bool,
    processes: HashMap<i32, Process>,
    /// By thread: its process.
    threads: HashMap<i32, i32>,
    entered: HashMap<i32, Entered>,
    files: Option<Files>,
    send: Sender<Seen>,
}

impl Tracing {
    pub fn begin(pid: i32, children: bool, files: bool, send: Sender<Seen>) -> Result<Tracing, Refusal> {
        let files = files.then(Files::default);
        let (processes, threads, entered) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut tracing = Tracing { children, processes, threads, entered, files, send };
        let target = Target::open(pid).map_err(Refusal::Unopened)?;
        let memory = target.proc_file("mem").ok();
        tracing.processes.insert(pid, Process { target, memory });
        // Threads that are created while others are being seized show up in the next round.
        loop {
            let listed = tracing.processes[&pid].target.thread_ids().map_err(Refusal::Unopened)?;
            let new: Vec<i32> = listed.into_iter().filter(|tid| !tracing.threads.contains_key(tid)).collect();
            if new.is_empty() {
                return Ok(tracing);
            }
            for tid in new {
                tracing.threads.insert(tid, pid);
                match stops::seize(tid, children).and_then(|()| ptrace::interrupt(tid)) {
                    Err(error) if error.raw_os_error() != Some(libc::ESRCH) => return Err(Refusal::Failed(error)),
                    _ => {}
                }
            }
        }
    }

    /// Until `over`, or until nobody is left. The end of the calling thread lets go of all.
    pub fn run(&mut self, over: &AtomicBool) {
        let mut idle = 0;
        while !over.load(Ordering::Relaxed) {
            match stops::next() {
                Ok(Some((tid, stop))) => {
                    idle = 0;
                    self.handle(tid, stop);
                }
                Ok(None) if idle < ROUNDS => {
                    idle += 1;
                    std::thread::yield_now();
                }
                Ok(None) => std::thread::sleep(NAP),
                Err(_) => break,
            }
        }
        let Some(files) = &mut self.files else { return };
        for (tid, happening) in files.rest() {
            let pid = self.threads.get(&tid).copied().unwrap_or(tid);
            let _ = self.send.send(Seen { when: Instant::now(), pid, tid, what: What::File(happening) });
        }
    }

    /// Errors of requests on a stopped thread mean that it was killed meanwhile; its end will be told.
    fn handle(&mut self, tid: i32, stop: Stop) {
        let _ = match stop {
            Stop::Ended => {
                self.threads.remove(&tid);
                self.entered.remove(&tid);
                return;
            }
            Stop::Group => stops::listen(tid),
            Stop::Signal(signal) => stops::resume(tid, signal),
            Stop::Created(id) => {
                self.created(tid, id);
                stops::resume(tid, 0)
            }
            Stop::Executed => {
                let pid = self.process_of(tid);
                if let Some(process) = self.processes.get_mut(&pid) {
                    process.memory = process.target.proc_file("mem").ok();
                }
                self.code(pid, tid);
                stops::resume(tid, 0)
            }
            Stop::Trap => {
                let _ = ptrace::spare_interruption(tid);
                stops::resume(tid, 0)
            }
            Stop::Syscall => {
                self.syscall(tid);
                stops::resume(tid, 0)
            }
        };
    }

    /// A new task is a process where it can be opened as one.
    fn created(&mut self, by: i32, id: i32) {
        let creator = self.process_of(by);
        match Target::open(id) {
            Ok(target) if self.children => self.adopt(target),
            _ => {
                self.threads.insert(id, creator);
            }
        }
    }

    fn adopt(&mut self, target: Target) {
        let memory = target.proc_file("mem").ok();
        self.threads.insert(target.pid(), target.pid());
        self.processes.insert(target.pid(), Process { target, memory });
    }

    fn process_of(&mut self, tid: i32) -> i32 {
        if !self.threads.contains_key(&tid) {
            // Its first stop came before its creator's: if it is a process of its own, it can be opened.
            let known: Vec<i32> = self.processes.keys().copied().collect();
            match Target::open(tid) {
                Ok(target) => self.adopt(target),
                Err(_) => {
                    let owner = known.into_iter().find(|pid| {
                        self.processes[pid].target.thread_ids().is_ok_and(|threads| threads.contains(&tid))
                    });
                    self.threads.insert(tid, owner.unwrap_or(tid));
                }
            }
        }
        self.threads.get(&tid).copied().unwrap_or(tid)
    }

    fn syscall(&mut self, tid: i32) {
        match stops::phase(tid) {
            Ok(Phase::Entry { number, arguments, is_64bit }) => {
                let number = if is_64bit { Some(number) } else { number_of_32_bits(number) };
                if let Some(number) = number {
                    self.entered.insert(tid, Entered { number, arguments, is_64bit });
                }
            }
            Ok(Phase::Exit { result }) => {
                if let Some(entered) = self.entered.remove(&tid) {
                    self.returned(tid, entered, result);
                }
            }
            _ => {}
        }
    }

    /// Tells what code there is, as the process may have ended when its stacks are looked at.
    fn code(&mut self, pid: i32, tid: i32) {
        let mappings = self.processes.get(&pid).and_then(|process| process.target.mappings().ok());
        if let Some(mappings) = mappings {
            let _ = self.send.send(Seen { when: Instant::now(), pid, tid, what: What::Code(mappings) });
        }
    }

    fn returned(&mut self, tid: i32, entered: Entered, result: u64) {
        let when = Instant::now();
        let pid = self.process_of(tid);
        let Some(process) = self.processes.get(&pid) else { return };
        let Some(call) = MemoryCall::of_number(entered.number) else {
            let Some(files) = &mut self.files else { return };
            for what in
                files.returned(tid, &process.target, process.memory.as_ref(), entered.number, entered.arguments, result)
            {
                let _ = self.send.send(Seen { when, pid, tid, what: What::File(what) });
            }
            return;
        };
        if maps_code(call, entered.arguments) {
            self.code(pid, tid);
        }
        let Some(process) = self.processes.get(&pid) else { return };
        let Some(registers) = registers(tid) else { return };
        let mut reading = None;
        if let Some(files) = &mut self.files {
            let (before, last) = files.before_call(tid);
            reading = last;
            if let Some(before) = before {
                let _ = self.send.send(Seen { when, pid, tid, what: What::File(before) });
            }
        }
        // There is no unwinding of 32-bit code.
        let memory = process.memory.as_ref().filter(|_| entered.is_64bit);
        let stack = memory.map(|memory| stack(memory, &registers)).unwrap_or_default();
        let call = Call { call, arguments: entered.arguments, result };
        let what = What::Call { call, registers: Box::new(registers), stack, reading };
        let _ = self.send.send(Seen { when, pid, tid, what });
    }
}

/// The number on x86-64 of a call that is looked at, by its number of arch/x86/entry/syscalls/syscall_32.tbl. Their
/// arguments mean the same, but for the offset of mmap2, which nobody asks for.
fn number_of_32_bits(number: u64) -> Option<u64> {
    Some(match number {
        3 => 0,
        5 => 2,
        6 => 3,
        45 => 12,
        91 => 11,
        125 => 10,
        145 => 19,
        163 => 25,
        180 => 17,
        192 => 9,
        295 => 257,
        _ => return None,
    })
}

/// The dynamic linker at work.
fn maps_code(call: MemoryCall, arguments: [u64; 6]) -> bool {
    const PROT_EXEC: u64 = 4;
    const MAP_ANONYMOUS: u64 = 0x20;
    call == MemoryCall::Mmap && arguments[2] & PROT_EXEC != 0 && arguments[3] & MAP_ANONYMOUS == 0
}

fn registers(tid: i32) -> Option<Registers> {
    let user = nix::sys::ptrace::getregs(nix::unistd::Pid::from_raw(tid)).ok()?;
    let words = [
        user.rax, user.rdx, user.rcx, user.rbx, user.rsi, user.rdi, user.rbp, user.rsp, user.r8, user.r9, user.r10,
        user.r11, user.r12, user.r13, user.r14, user.r15,
    ];
    Some(Registers { ip: user.rip, words })
}

fn stack(memory: &File, registers: &Registers) -> Vec<u8> {
    let mut bytes = vec![0; STACK];
    let filled = memory.read_at(&mut bytes, registers.stack_pointer().0);
    bytes.truncate(filled.unwrap_or(0));
    bytes
}

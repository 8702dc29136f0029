//! The system calls that change how much memory a process has, and what each did. Numbers and argument registers are
//! those of x86-64 (arch/x86/entry/syscalls/syscall_64.tbl).

use std::fmt;

use crate::stacks::Registers;
use crate::units::{Addr, ByteCount, Span};

/// Which call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemoryCall {
    /// Moves the break.
    Brk,
    /// A new mapping.
    Mmap,
    /// Ends mappings.
    Munmap,
    /// Resizes or moves one.
    Mremap,
    /// Changes what may be done with one: how arenas of threads grow.
    Mprotect,
}

impl MemoryCall {
    /// All, those that grow first.
    pub const ALL: [MemoryCall; 5] =
        [MemoryCall::Brk, MemoryCall::Mmap, MemoryCall::Mremap, MemoryCall::Mprotect, MemoryCall::Munmap];

    /// Its number on x86-64.
    pub fn number(self) -> u32 {
        match self {
            MemoryCall::Mmap => 9,
            MemoryCall::Mprotect => 10,
            MemoryCall::Munmap => 11,
            MemoryCall::Brk => 12,
            MemoryCall::Mremap => 25,
        }
    }

    /// The call of that number.
    pub fn of_number(number: u64) -> Option<MemoryCall> {
        MemoryCall::ALL.into_iter().find(|call| u64::from(call.number()) == number)
    }
}

impl fmt::Display for MemoryCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MemoryCall::Brk => "brk",
            MemoryCall::Mmap => "mmap",
            MemoryCall::Munmap => "munmap",
            MemoryCall::Mremap => "mremap",
            MemoryCall::Mprotect => "mprotect",
        })
    }
}

/// One call that came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which.
    pub call: MemoryCall,
    /// The first six arguments.
    pub arguments: [u64; 6],
    /// What the kernel answered.
    pub result: u64,
}

/// What a call did to the address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Writable memory of the process's own.
    Mapped(Span),
    /// Address space that may not be touched yet.
    Reserved(Span),
    Unmapped(Span),
    /// From, to.
    Moved(Span, Span),
    /// Became writable; growth only where it was reserved.
    Opened(Span),
}

const PAGE: ByteCount = ByteCount(4096);
const PROT_WRITE: u64 = 2;
const PROT_ANY: u64 = 7;
const MAP_SHARED: u64 = 1;
const MAP_ANONYMOUS: u64 = 0x20;

impl Call {
    /// The call as it stands in the registers right behind its instruction.
    pub fn behind(call: MemoryCall, registers: &Registers) -> Call {
        let [rax, rdx, _, _, rsi, rdi, _, _, r8, r9, r10, ..] = registers.words;
        Call { call, arguments: [rdi, rsi, rdx, r10, r8, r9], result: rax }
    }

    /// Whether the kernel refused: it answers with a negated error number.
    pub fn failed(&self) -> bool {
        self.result > u64::MAX - 4095
    }

    /// What it did; `previous` is the break before.
    pub(super) fn change(&self, previous: Option<Addr>) -> Option<Change> {
        if self.failed() {
            return None;
        }
        let [first, second, third, fourth, ..] = self.arguments;
        let pages = |start: u64, size: u64| Span::new(Addr(start), Addr(start).plus(ByteCount(size)).align_up(PAGE));
        let change = match self.call {
            // Only asked for, as programs do when they begin: it may be another program's than `previous`.
            MemoryCall::Brk if first == 0 => return None,
            MemoryCall::Brk => {
                let (old, new) = (previous?.align_up(PAGE), Addr(self.result).align_up(PAGE));
                if new >= old { Change::Mapped(Span::new(old, new)) } else { Change::Unmapped(Span::new(new, old)) }
            }
            MemoryCall::Mmap if fourth & MAP_SHARED != 0 || fourth & MAP_ANONYMOUS == 0 => return None,
            MemoryCall::Mmap if third & PROT_ANY == 0 => Change::Reserved(pages(self.result, second)),
            MemoryCall::Mmap => Change::Mapped(pages(self.result, second)),
            MemoryCall::Munmap => Change::Unmapped(pages(first, second)),
            MemoryCall::Mremap => Change::Moved(pages(first, second), pages(self.result, third)),
            MemoryCall::Mprotect if third & PROT_WRITE != 0 => Change::Opened(pages(first, second)),
            MemoryCall::Mprotect => return None,
        };
        Some(change)
    }
}

/// As strace shows it, numbers only where they carry meaning.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, third, fourth, fifth, _] = self.arguments;
        match self.call {
            MemoryCall::Brk if first == 0 => write!(f, "brk(NULL)"),
            MemoryCall::Brk => write!(f, "brk({first:#x})"),
            MemoryCall::Mmap => {
                let (at, fd) = (pointer(first), fifth as u32 as i32);
                write!(f, "mmap({at}, {second}, {}, {fourth:#x}, {fd})", protection(third))
            }
            MemoryCall::Munmap => write!(f, "munmap({first:#x}, {second})"),
            MemoryCall::Mremap => write!(f, "mremap({first:#x}, {second}, {third})"),
            MemoryCall::Mprotect => write!(f, "mprotect({first:#x}, {second}, {})", protection(third)),
        }?;
        match self.failed() {
            true => write!(f, " = -{}", self.result.wrapping_neg()),
            false => write!(f, " = {:#x}", self.result),
        }
    }
}

fn pointer(value: u64) -> String {
    if value == 0 { "NULL".into() } else { format!("{value:#x}") }
}

fn protection(bits: u64) -> &'static str {
    match bits & PROT_ANY {
        0 => "PROT_NONE",
        1 => "PROT_READ",
        2 => "PROT_WRITE",
        3 => "PROT_READ|PROT_WRITE",
        4 => "PROT_EXEC",
        5 => "PROT_READ|PROT_EXEC",
        6 => "PROT_WRITE|PROT_EXEC",
        _ => "PROT_READ|PROT_WRITE|PROT_EXEC",
    }
}

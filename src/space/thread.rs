//! A thread as it stood when memory was copied: what its registers held.

use serde::{Deserialize, Serialize};

use crate::units::Addr;

/// Registers of one thread of the instant that a copy or a core is of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// Its id.
    pub id: i32,
    /// The end of its stack that moves; what lies below is dead.
    pub stack_pointer: Addr,
    /// Where its thread-local storage is (fs_base on x86-64); zero where not known.
    pub thread_pointer: Addr,
    /// All general registers, in the order of `struct user_regs_struct` on x86-64.
    pub registers: Vec<u64>,
}

impl Thread {
    /// From the words of `struct user_regs_struct` (x86-64, <sys/user.h>), as PTRACE_GETREGS and NT_PRSTATUS give them;
    /// `None` where there are too few.
    pub fn from_words(id: i32, words: &[u64]) -> Option<Thread> {
        const STACK_POINTER: usize = 19;
        const THREAD_POINTER: usize = 21;
        let (stack_pointer, thread_pointer) = (Addr(*words.get(STACK_POINTER)?), Addr(*words.get(THREAD_POINTER)?));
        Some(Thread { id, stack_pointer, thread_pointer, registers: words.to_vec() })
    }
}

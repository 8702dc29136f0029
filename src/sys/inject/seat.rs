//! A stopped thread of a target that makes system calls for us, and is put back. Each step leaves it so that it puts
//! itself back if it is the last one.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::frame::{ALL_SIGNALS, STRIDE, below, frame, restarts, resumed, xstate_image};
use super::request::{self, Registers, Report, option};
use crate::sys::{gate, ptrace};
use crate::units::Addr;

/// Code that every program with a C library has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gadgets {
    /// `syscall; ret`.
    pub syscall: u64,
    /// rt_sigreturn(2), where signal handlers return to.
    pub restorer: u64,
}

/// A frame to be written: what a thread that comes to it does.
pub(super) enum Becomes {
    /// Itself again.
    Itself,
    /// A caller of this system call that goes on to the frame of that index.
    Caller { call: i64, arguments: [u64; 4], next: usize },
}

/// A thread that can be made to call. Only the thread of ours that traces it may use this.
#[derive(Debug)]
pub struct Seat<'m> {
    tid: i32,
    mem: &'m File,
    gadgets: Gadgets,
    original: Registers,
    /// The number of the system call that it is taken out of and must begin anew.
    interrupted: Option<u64>,
    mask: u64,
    /// Where the frames are; 0 before there are any.
    base: u64,
    image: Vec<u8>,
    masked: bool,
}

/// Frames there is room for, and one more place for what calls write.
const PLACES: usize = 6;

const CODE_SEGMENT_64_BIT: u64 = 0x33;

/// The system call that a thread has begun. One that was interrupted before shows as restart_syscall(2), which works
/// once; its true number stands in the instruction before the call, `mov $number, %eax`, else is not known.
fn begun(registers: &Registers, mem: &File) -> Option<u64> {
    const RESTARTED: [i64; 4] = [libc::SYS_nanosleep, libc::SYS_clock_nanosleep, libc::SYS_poll, libc::SYS_futex];
    if registers.orig_rax as i64 != libc::SYS_restart_syscall {
        return Some(registers.orig_rax);
    }
    let mut code = [0u8; 7];
    mem.read_exact_at(&mut code, registers.rip.wrapping_sub(7)).ok()?;
    let [0xb8, a, b, c, d, 0x0f, 0x05] = code else { return None };
    let number = i64::from(u32::from_le_bytes([a, b, c, d]));
    RESTARTED.contains(&number).then_some(number as u64)
}

impl<'m> Seat<'m> {
    /// What the thread `tid`, which stands in a stop by PTRACE_INTERRUPT, was doing. Changes nothing. `mem` is its
    /// process's memory, open for reading and writing.
    pub fn at(tid: i32, mem: &'m File, gadgets: Gadgets) -> io::Result<Seat<'m>> {
        let (original, mask) = (request::registers(tid)?, request::mask(tid)?);
        let interrupted = restarts(&original).then(|| begun(&original, mem)).flatten();
        Ok(Seat { tid, mem, gadgets, original, interrupted, mask, base: 0, image: Vec::new(), masked: false })
    }

    /// Its stack pointer.
    pub fn stack(&self) -> Addr {
        Addr(self.original.rsp)
    }

    /// Whether it runs 64-bit code.
    pub fn is_64_bit(&self) -> bool {
        self.original.cs == CODE_SEGMENT_64_BIT
    }

    /// Whether moving it elsewhere and back goes unnoticed: it is in a system call, or in no restartable sequence.
    pub fn is_movable(&self) -> bool {
        if self.is_on_its_way_back() {
            return false;
        }
        if self.original.orig_rax as i64 >= 0 {
            return !restarts(&self.original) || self.interrupted.is_some();
        }
        // `rseq_cs`, at offset 8 of `struct rseq`, is not null within one.
        let is_free = |pointer: u64| {
            let mut within = [0u8; 8];
            pointer == 0 || (self.mem.read_exact_at(&mut within, pointer + 8).is_ok() && within == [0; 8])
        };
        request::rseq(self.tid).is_ok_and(is_free)
    }

    /// Finds out where its frames go. Memory there is nobody's.
    pub(super) fn measure(&mut self) -> io::Result<()> {
        let invalid = || io::Error::other("its vector registers make no sense");
        self.image = xstate_image(request::xstate(self.tid)?).ok_or_else(invalid)?;
        self.base = below(self.original.rsp, self.place(PLACES) - self.base + self.image.len() as u64);
        Ok(())
    }

    /// Whether it is finding its way back from an injection whose tracer was killed: it will soon be elsewhere.
    fn is_on_its_way_back(&self) -> bool {
        const RESTORER_LENGTH: u64 = 9;
        let rip = self.original.rip;
        let mut next = [0u8; 8];
        let returns_to_restorer = self.mem.read_exact_at(&mut next, self.original.rsp).is_ok()
            && u64::from_ne_bytes(next) == self.gadgets.restorer;
        let in_restorer = (self.gadgets.restorer..=self.gadgets.restorer + RESTORER_LENGTH).contains(&rip);
        let in_call = (self.gadgets.syscall..=self.gadgets.syscall + 2).contains(&rip);
        in_restorer || in_call && returns_to_restorer
    }

    /// Writes the frames of `plan`; a thread may go on from each to higher ones alone.
    pub(super) fn prepare(&mut self, plan: &[Becomes]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for (index, becomes) in plan.iter().enumerate() {
            bytes.resize(index * STRIDE as usize, 0);
            bytes.extend(match becomes {
                Becomes::Itself => frame(
                    self.gadgets,
                    &resumed(&self.original, self.interrupted.unwrap_or_default()),
                    self.mask,
                    self.place(PLACES),
                ),
                Becomes::Caller { call, arguments, next } => {
                    let registers = self.calling(*call, arguments, self.place(*next));
                    frame(self.gadgets, &registers, ALL_SIGNALS, 0)
                }
            });
        }
        bytes.resize(PLACES * STRIDE as usize, 0);
        bytes.extend(&self.image);
        gate::step();
        self.mem.write_all_at(&bytes, self.base)?;
        gate::step();
        request::set_options(self.tid, option::SYSCALL_GOOD | option::CLONE)
    }

    /// The address of the frame `index`.
    pub(super) fn place(&self, index: usize) -> u64 {
        self.base + index as u64 * STRIDE
    }

    /// The address of a place for what calls write.
    pub(super) fn scratch(&self) -> u64 {
        self.place(PLACES - 1)
    }

    pub(super) fn mem(&self) -> &File {
        self.mem
    }

    fn calling(&self, call: i64, arguments: &[u64], stack: u64) -> Registers {
        let mut registers = self.original;
        let argument = |index: usize| arguments.get(index).copied().unwrap_or(0);
        (registers.rdi, registers.rsi, registers.rdx) = (argument(0), argument(1), argument(2));
        (registers.r10, registers.r8, registers.r9) = (argument(3), argument(4), argument(5));
        (registers.rax, registers.orig_rax) = (call as u64, u64::MAX);
        (registers.rip, registers.rsp) = (self.gadgets.syscall, stack);
        registers
    }

    /// Makes the system call `call` with up to six `arguments`. Its result is as the kernel gives it, errors as
    /// negative numbers; `Err` where the thread is no more. Were we to die, it goes on to the frame `next`.
    pub(super) fn call_to(
        &mut self,
        call: i64,
        arguments: &[u64],
        next: usize,
        born: &mut dyn FnMut(i32) -> io::Result<()>,
    ) -> io::Result<i64> {
        gate::step();
        request::set_registers(self.tid, self.calling(call, arguments, self.place(next)))?;
        if !self.masked {
            gate::step();
            request::set_mask(self.tid, ALL_SIGNALS)?;
            self.masked = true;
        }
        let mut entered = false;
        let mut signal = 0;
        loop {
            gate::step();
            request::run_to_syscall(self.tid, signal)?;
            signal = 0;
            match request::wait(self.tid)? {
                Report::Syscall if entered => break,
                Report::Syscall => entered = true,
                Report::Cloned => born(request::message(self.tid)?)?,
                // A signal for the whole process stops it; it is back in that stop when it is let go.
                Report::Stop => {}
                Report::Signal(due) => signal = due,
                Report::Ended => return Err(io::Error::from_raw_os_error(libc::ESRCH)),
            }
        }
        gate::step();
        Ok(request::registers(self.tid)?.rax as i64)
    }

    /// The same where no process is born, going on to itself.
    ///
    /// # Errors
    /// ESRCH where the thread was killed.
    pub fn call(&mut self, call: i64, arguments: &[u64]) -> io::Result<i64> {
        if self.base == 0 {
            self.measure()?;
            self.prepare(&[Becomes::Itself])?;
        }
        self.call_to(call, arguments, 0, &mut |_| Ok(()))
    }

    /// Puts the thread back to what it was doing and lets it go. The kernel itself restarts the system call it was in,
    /// or returns EINTR where a handler is due.
    ///
    /// # Errors
    /// ESRCH where the thread was killed.
    pub fn restore(self) -> io::Result<()> {
        if self.masked {
            self.stand()?;
            gate::step();
            request::set_mask(self.tid, self.mask)?;
            gate::step();
            request::set_registers(self.tid, self.original)?;
        }
        gate::step();
        ptrace::detach(self.tid)
    }

    /// From the end of a system call to where PTRACE_INTERRUPT stops it, which is before the next instruction.
    fn stand(&self) -> io::Result<()> {
        let mut signal = 0;
        loop {
            gate::step();
            ptrace::interrupt(self.tid)?;
            gate::step();
            ptrace::deliver(self.tid, signal)?;
            match request::wait(self.tid)? {
                Report::Stop => return Ok(()),
                Report::Signal(due) => signal = due,
                Report::Syscall | Report::Cloned => signal = 0,
                Report::Ended => return Err(io::Error::from_raw_os_error(libc::ESRCH)),
            }
        }
    }
}

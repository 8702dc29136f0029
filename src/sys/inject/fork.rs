//! A copy-on-write child of a target, made by one of its threads. The thread makes a process that shares its memory,
//! that one makes the child and ends, and the thread reaps it: so the child belongs to init, and the target never has
//! to wait for it. The child is traced from birth and never runs an instruction. Whoever loses us ends by itself.

use std::io;
use std::os::unix::fs::FileExt;

use super::end;
use super::request::{self, Report, option};
use super::seat::{Becomes, Seat};
use crate::sys::gate;

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forked {
    /// The pid of the child, as we see it.
    Child(i32),
    /// The kernel's refusal, as errno.
    Refused(i32),
    /// The target gathers the orphans of its family, so that the child would become its own.
    Subreaper,
}

/// The frames, by index and so by address. A thread goes upwards through them: below its stack pointer there is nothing
/// it still needs, so that a signal handler or another injection may begin there at any time.
const REAPER: usize = 0;
const ITSELF: usize = 1;
const MIDDLE: usize = 2;
const MIDDLE_END: usize = 3;
const CHILD_END: usize = 4;

/// Of a ucontext's frame, where rdi is: the restorer's address, 40 bytes up to the sigcontext, 64 bytes in that.
const RDI: u64 = 8 + 40 + 64;
/// A pid for which wait4 fails, so that a clone that failed leaves nothing to wait for.
const NOBODY: u64 = i32::MIN as u32 as u64;

const WAIT_ALL: u64 = libc::__WALL as u64;
/// Descriptors are shared, not copied: a socket that the target closes is closed.
const SHARED_FILES: u64 = libc::CLONE_FILES as u64;
const SHARED_MEMORY: u64 = (libc::CLONE_VM | libc::CLONE_FILES | libc::CLONE_PARENT_SETTID) as u64;

/// Makes the child. The thread of `seat` stands still afterwards and must be restored.
///
/// # Errors
/// ESRCH where the thread was killed; the calling process must end then, and a child ends with it. A process that has
/// ended and that nobody will reap, where the target lives on by other threads, is `left`.
pub fn fork(seat: &mut Seat<'_>, left: &mut Option<i32>) -> io::Result<Forked> {
    seat.measure()?;
    let (middle, child_end) = (seat.place(MIDDLE), seat.place(CHILD_END));
    let caller = |call, arguments, next| Becomes::Caller { call, arguments, next };
    seat.prepare(&[
        caller(libc::SYS_wait4, [NOBODY, 0, WAIT_ALL, 0], ITSELF),
        Becomes::Itself,
        caller(libc::SYS_clone, [SHARED_FILES, child_end, 0, 0], MIDDLE_END),
        caller(libc::SYS_exit, [0; 4], MIDDLE_END),
        caller(libc::SYS_exit_group, [0; 4], CHILD_END),
    ])?;
    if is_subreaper(seat)? {
        return Ok(Forked::Subreaper);
    }
    let mut between = None;
    // The kernel writes the new pid into the frame that reaps it, before the process runs.
    let reaped = seat.place(REAPER) + RDI;
    let made = seat.call_to(libc::SYS_clone, &[SHARED_MEMORY, middle, reaped], REAPER, &mut |pid| {
        between = Some(pid);
        Ok(())
    });
    // A thread that was killed right then cannot tell whom it bore.
    let between = between.or_else(|| made.as_ref().err().and_then(|_| request::any()));
    let Some(between) = between else { return Ok(Forked::Refused(made?.wrapping_neg() as i32)) };
    let child = made.and_then(|pid| {
        let child = make_child(between)?;
        seat.call_to(libc::SYS_wait4, &[pid as u64, 0, WAIT_ALL, 0], ITSELF, &mut |_| Ok(())).map(|_| child)
    });
    // Killed in between. The child, if there is one, ends with us.
    child.inspect_err(|_| {
        end(between);
        *left = Some(between);
    })
}

fn is_subreaper(seat: &mut Seat<'_>) -> io::Result<bool> {
    let place = seat.scratch();
    let answer =
        seat.call_to(libc::SYS_prctl, &[libc::PR_GET_CHILD_SUBREAPER as u64, place], ITSELF, &mut |_| Ok(()))?;
    let mut value = [0u8; 4];
    seat.mem().read_exact_at(&mut value, place)?;
    Ok(answer == 0 && value != [0; 4])
}

/// Leads the process in between, newly born, through making the child, to its end.
fn make_child(between: i32) -> io::Result<Forked> {
    let mut made = Forked::Refused(libc::EAGAIN);
    let mut signal = 0;
    let mut is_held = false;
    loop {
        match request::wait(between)? {
            Report::Ended => return Ok(made),
            Report::Stop if !is_held => {
                gate::step();
                request::set_options(between, option::SYSCALL_GOOD | option::CLONE | option::EXIT_KILL)?;
                is_held = true;
            }
            Report::Cloned => {
                let pid = request::message(between)?;
                // Born stopped, with the options of who made it.
                if request::wait(pid)? == Report::Stop {
                    made = Forked::Child(pid);
                }
            }
            Report::Signal(due) => signal = due,
            Report::Syscall if made == Forked::Refused(libc::EAGAIN) => {
                let registers = request::registers(between)?;
                let failure = i32::try_from((registers.rax as i64).wrapping_neg()).unwrap_or(0);
                // ENOSYS is what the result says before the call.
                if registers.orig_rax as i64 == libc::SYS_clone
                    && (1..4096).contains(&failure)
                    && failure != libc::ENOSYS
                {
                    made = Forked::Refused(failure);
                }
            }
            Report::Stop | Report::Syscall => {}
        }
        gate::step();
        match request::run_to_syscall(between, signal) {
            // Killed: the next wait tells.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
            other => other?,
        }
        signal = 0;
    }
}

//! The ptrace requests that an injection needs beyond those of a pause. x86-64.

use std::io;

use nix::errno::Errno;
use nix::sys::ptrace::{getregs, setregs};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::time::TimeSpec;
use nix::unistd::Pid;

pub use libc::user_regs_struct as Registers;

/// What a traced thread reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// Before or after a system call.
    Syscall,
    /// It has made a process or thread, whose id is `message`.
    Cloned,
    /// Asked to stop, stopped by a signal for all, or newly born.
    Stop,
    /// Before this signal is delivered.
    Signal(i32),
    /// It is no more.
    Ended,
}

/// Options of ptrace(2) that are set here.
pub mod option {
    /// System call stops can be told from signals.
    pub const SYSCALL_GOOD: i64 = libc::PTRACE_O_TRACESYSGOOD as i64;
    /// What it makes by clone is traced from its first instruction on, with the same options.
    pub const CLONE: i64 = libc::PTRACE_O_TRACECLONE as i64;
    /// The kernel kills it when we end.
    pub const EXIT_KILL: i64 = libc::PTRACE_O_EXITKILL as i64;
}

const GET_MASK: libc::c_uint = 0x420a;
const SET_MASK: libc::c_uint = 0x420b;
/// Linux 5.13.
const GET_RSEQ: libc::c_uint = 0x420f;
const XSTATE: usize = 0x202;
/// More than any processor has; AMX takes 11 KiB.
const XSTATE_LIMIT: usize = 64 * 1024;

fn ptrace(request: libc::c_uint, tid: i32, addr: usize, data: usize) -> io::Result<()> {
    let answer = {
        // SAFETY: the callers below pass either numbers or pointers at what outlives the call.
        unsafe { libc::ptrace(request as _, tid, addr as *mut libc::c_void, data as *mut libc::c_void) }
    };
    if answer == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Waits until `tid` reports something.
pub fn wait(tid: i32) -> io::Result<Report> {
    Ok(next(tid)?.map_or(Report::Ended, |(_, report)| report))
}

/// Any process or thread that we trace, once it has something to report; `None` where there is none.
pub fn any() -> Option<i32> {
    next(-1).ok().flatten().map(|(tid, _)| tid)
}

/// Waits until `tid`, or anybody for -1, reports something. A wait for it alone would not end where another thread of its
/// process execs and so takes over its id: the kernel (seen in 6.18) then wakes who waits for the other id. So this looks
/// for itself when a SIGCHLD tells of news, and now and then.
fn next(tid: i32) -> io::Result<Option<(i32, Report)>> {
    let mut status = 0;
    loop {
        // SAFETY: `status` is ours and outlives the call.
        match unsafe { libc::waitpid(tid, &mut status, libc::__WALL | libc::WNOHANG) } {
            0 => await_news(),
            -1 if Errno::last() == Errno::EINTR => {}
            -1 if Errno::last() == Errno::ECHILD => return Ok(None),
            -1 => return Err(io::Error::last_os_error()),
            who => return Ok(Some((who, decode(status)))),
        }
    }
}

/// Until a process or thread that we trace has changed, where SIGCHLD is blocked, or some time has passed.
fn await_news() {
    const LONGEST: TimeSpec = TimeSpec::new(0, 10_000_000);
    let news = SigSet::from(Signal::SIGCHLD);
    // SAFETY: both outlive the call, which writes nothing.
    unsafe { libc::sigtimedwait(news.as_ref(), std::ptr::null_mut(), LONGEST.as_ref()) };
}

fn decode(status: i32) -> Report {
    if !libc::WIFSTOPPED(status) {
        return Report::Ended;
    }
    match (status >> 16, libc::WSTOPSIG(status)) {
        (libc::PTRACE_EVENT_CLONE, _) => Report::Cloned,
        (0, signal) if signal == libc::SIGTRAP | 0x80 => Report::Syscall,
        (0, signal) => Report::Signal(signal),
        _ => Report::Stop,
    }
}

pub fn set_options(tid: i32, options: i64) -> io::Result<()> {
    ptrace(libc::PTRACE_SETOPTIONS, tid, 0, options as usize)
}

/// Lets it run until its next system call begins or ends.
pub fn run_to_syscall(tid: i32, signal: i32) -> io::Result<()> {
    ptrace(libc::PTRACE_SYSCALL, tid, 0, signal as usize)
}

pub fn message(tid: i32) -> io::Result<i32> {
    let mut message: libc::c_ulong = 0;
    ptrace(libc::PTRACE_GETEVENTMSG, tid, 0, &raw mut message as usize)?;
    i32::try_from(message).map_err(io::Error::other)
}

pub fn registers(tid: i32) -> io::Result<Registers> {
    Ok(getregs(Pid::from_raw(tid))?)
}

pub fn set_registers(tid: i32, registers: Registers) -> io::Result<()> {
    Ok(setregs(Pid::from_raw(tid), registers)?)
}

/// The signals it blocks.
pub fn mask(tid: i32) -> io::Result<u64> {
    let mut mask = 0u64;
    ptrace(GET_MASK, tid, size_of::<u64>(), &raw mut mask as usize)?;
    Ok(mask)
}

pub fn set_mask(tid: i32, mask: u64) -> io::Result<()> {
    ptrace(SET_MASK, tid, size_of::<u64>(), &raw const mask as usize)
}

/// Its floating-point and vector registers, as XSAVE lays them out.
pub fn xstate(tid: i32) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0u8; XSTATE_LIMIT];
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    ptrace(libc::PTRACE_GETREGSET, tid, XSTATE, &raw mut part as usize)?;
    bytes.truncate(part.iov_len);
    Ok(bytes)
}

/// Where its restartable sequences are registered; 0 for nowhere.
pub fn rseq(tid: i32) -> io::Result<u64> {
    #[repr(C)]
    #[derive(Default)]
    struct Configuration {
        pointer: u64,
        size: u32,
        signature: u32,
        flags: u32,
        padding: u32,
    }
    let mut configuration = Configuration::default();
    ptrace(GET_RSEQ, tid, size_of::<Configuration>(), &raw mut configuration as usize)?;
    Ok(configuration.pointer)
}

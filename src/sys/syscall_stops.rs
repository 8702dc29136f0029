//! ptrace at every system call: stops of traced threads as values, and how they are let run to the next one. All of it
//! ends with the thread that traces: the kernel then lets every tracee run. What is looked at in a stop is the caller's.

use std::io;

/// Why a traced thread stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It enters a system call or comes back from one; [`phase`] tells.
    Syscall,
    /// A signal is about to be delivered; who lets the thread run must hand it back.
    Signal(i32),
    /// Its process is stopped by a signal; [`listen`] leaves it so.
    Group,
    /// It was interrupted, or is new.
    Trap,
    /// It created this thread or process, which is traced too.
    Created(i32),
    /// It runs another program now.
    Executed,
    /// It is no more.
    Ended,
}

/// Where in a system call a thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// About to enter it.
    Entry {
        /// Its number.
        number: u64,
        /// Its arguments.
        arguments: [u64; 6],
        /// Whether it is made by the 64-bit instruction.
        is_64bit: bool,
    },
    /// Back, with the kernel's answer.
    Exit {
        /// A negated error number, or the result.
        result: u64,
    },
    /// Neither.
    Other,
}

/// Begins to trace `tid` without stopping it; threads it creates are traced too, processes with `children`.
/// PTRACE_O_EXITKILL is not among the options: our end must not be the target's.
pub fn seize(tid: i32, children: bool) -> io::Result<()> {
    let mut options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_TRACEEXEC;
    if children {
        options |= libc::PTRACE_O_TRACEFORK | libc::PTRACE_O_TRACEVFORK;
    }
    request(libc::PTRACE_SEIZE, tid, options as libc::c_long)
}

/// Lets a thread run to its next system call, entry or exit, and hands it `signal` unless that is 0.
pub fn resume(tid: i32, signal: i32) -> io::Result<()> {
    request(libc::PTRACE_SYSCALL, tid, libc::c_long::from(signal))
}

/// Leaves a thread in its group-stop until that ends.
pub fn listen(tid: i32) -> io::Result<()> {
    request(libc::PTRACE_LISTEN, tid, 0)
}

fn request(request: libc::c_uint, tid: i32, data: libc::c_long) -> io::Result<()> {
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: none of the requests above reads or writes memory of ours; `data` travels as a number.
    let answer = unsafe { libc::ptrace(request as _, tid as libc::pid_t, none, data) };
    if answer == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The next stop of any thread that the calling thread traces; `None` where all run. Never waits.
///
/// # Errors
/// ECHILD where none is traced any more.
pub fn next() -> io::Result<Option<(i32, Stop)>> {
    let mut status = 0;
    let options = libc::__WALL | libc::__WNOTHREAD | libc::WNOHANG;
    // SAFETY: `status` is ours and outlives the call.
    let tid = unsafe { libc::waitpid(-1, &mut status, options) };
    match tid {
        0 => Ok(None),
        -1 => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            error => Err(error),
        },
        tid => Ok(Some((tid, decode(tid, status)))),
    }
}

/// By the layout of ptrace(2).
fn decode(tid: i32, status: i32) -> Stop {
    if !libc::WIFSTOPPED(status) {
        return Stop::Ended;
    }
    let (signal, event) = (libc::WSTOPSIG(status), status >> 16);
    match event {
        0 if signal == libc::SIGTRAP | 0x80 => Stop::Syscall,
        0 => Stop::Signal(signal),
        libc::PTRACE_EVENT_CLONE | libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK => {
            let message = nix::sys::ptrace::getevent(nix::unistd::Pid::from_raw(tid));
            message.ok().and_then(|id| i32::try_from(id).ok()).map_or(Stop::Trap, Stop::Created)
        }
        libc::PTRACE_EVENT_EXEC => Stop::Executed,
        libc::PTRACE_EVENT_STOP if signal != libc::SIGTRAP => Stop::Group,
        _ => Stop::Trap,
    }
}

/// `struct ptrace_syscall_info` of include/uapi/linux/ptrace.h (Linux 5.3).
#[repr(C)]
#[derive(Default)]
struct Info {
    op: u8,
    padding: [u8; 3],
    arch: u32,
    ip: u64,
    sp: u64,
    values: [u64; 8],
}

/// Where a thread in a system call stop is.
///
/// # Errors
/// The kernel's: EIO before Linux 5.3, ESRCH where it was killed.
pub fn phase(tid: i32) -> io::Result<Phase> {
    const GET_SYSCALL_INFO: libc::c_uint = 0x420e;
    const ENTRY: u8 = 1;
    const EXIT: u8 = 2;
    const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
    let mut info = Info::default();
    // SAFETY: the kernel writes at most the length given into `info`, which is as long and outlives the call.
    let answer = unsafe { libc::ptrace(GET_SYSCALL_INFO as _, tid as libc::pid_t, size_of::<Info>(), &mut info) };
    if answer == -1 {
        return Err(io::Error::last_os_error());
    }
    let [number, arguments @ .., _] = info.values;
    Ok(match info.op {
        ENTRY => Phase::Entry { number, arguments, is_64bit: info.arch == AUDIT_ARCH_X86_64 },
        EXIT => Phase::Exit { result: number },
        _ => Phase::Other,
    })
}

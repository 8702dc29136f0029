//! The few ptrace requests a pause is made of, on one thread of a target each, and the wait that goes with them.
//! PTRACE_SEIZE throughout (Linux 3.4): it neither sends SIGSTOP nor outlives the tracer. Which threads, for how
//! long and what a failure means is `target::pause`'s business.

use std::io;

/// What a traced thread reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It stands still because of PTRACE_INTERRUPT, or because its process is stopped by a signal.
    Stopped,
    /// It stands still before this signal is delivered; who lets it run must hand the signal back.
    SignalDue(i32),
    /// It is no more, or is not ours to wait for.
    Ended,
}

/// Begins to trace `tid` without stopping it. The calling thread becomes its tracer; when that thread ends, in
/// whatever way, the kernel lets the target run.
pub fn seize(tid: i32) -> io::Result<()> {
    request(libc::PTRACE_SEIZE, tid, 0)
}

/// Asks a seized thread to stop; [`wait`] tells when it did.
pub fn interrupt(tid: i32) -> io::Result<()> {
    request(libc::PTRACE_INTERRUPT, tid, 0)
}

/// Delivers `signal` to a stopped thread and lets it run on, still traced.
pub fn deliver(tid: i32, signal: i32) -> io::Result<()> {
    request(libc::PTRACE_CONT, tid, signal)
}

/// Lets a stopped thread go. One whose process is stopped by a signal goes back to that stop.
pub fn detach(tid: i32) -> io::Result<()> {
    request(libc::PTRACE_DETACH, tid, 0)
}

fn request(request: libc::c_uint, tid: i32, data: i32) -> io::Result<()> {
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: none of the requests above reads or writes memory of ours; `data` travels as a number.
    let answer = unsafe { libc::ptrace(request as _, tid as libc::pid_t, none, data as libc::c_long) };
    if answer == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Whether `tid`, traced by the calling thread, has something to report. Never waits.
///
/// `__WNOTHREAD` keeps children of other threads of ours out of it, `WUNTRACED` is not needed for tracees.
pub fn wait(tid: i32) -> io::Result<Option<Event>> {
    let mut status = 0;
    let options = libc::__WALL | libc::__WNOTHREAD | libc::WNOHANG;
    // SAFETY: `status` is ours and outlives the call.
    match unsafe { libc::waitpid(tid, &mut status, options) } {
        0 => Ok(None),
        -1 => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ECHILD) => Ok(Some(Event::Ended)),
            error if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            error => Err(error),
        },
        _ => Ok(Some(decode(status))),
    }
}

/// By the layout of ptrace(2): an event sits above the signal, and a stop with no event is a signal about to be
/// delivered.
fn decode(status: i32) -> Event {
    if !libc::WIFSTOPPED(status) {
        Event::Ended
    } else if status >> 16 == 0 {
        Event::SignalDue(libc::WSTOPSIG(status))
    } else {
        Event::Stopped
    }
}

/// Lets any process of our user trace this one, where Yama would let its ancestors alone (kernel.yama.ptrace_scope 1).
pub fn allow_tracers() {
    // SAFETY: the call takes integers. It fails where there is no Yama, and nothing is lost then.
    unsafe { libc::prctl(libc::PR_SET_PTRACER, libc::PR_SET_PTRACER_ANY, 0, 0, 0) };
}

/// Makes the kernel restart the system call `tid` was taken out of, where it otherwise would return EINTR.
///
/// Linux lets a few calls return EINTR after any stop, even without a signal handler (signal(7), "Interruption of
/// system calls and library functions by stop signals"). Such a thread stands here with EINTR as its result;
/// ERESTARTNOHAND in its place says: start anew, unless a handler runs, then EINTR as always. A finite timeout
/// starts anew too. Only x86-64 keeps the number of the call beside its result at this point.
#[cfg(target_arch = "x86_64")]
pub fn spare_interruption(tid: i32) -> io::Result<()> {
    const ERESTARTNOHAND: i64 = 514;
    const CODE_SEGMENT_64_BIT: u64 = 0x33;
    let pid = nix::unistd::Pid::from_raw(tid);
    let mut registers = nix::sys::ptrace::getregs(pid)?;
    let interrupted = registers.rax as i64 == -i64::from(libc::EINTR);
    if !interrupted || registers.cs != CODE_SEGMENT_64_BIT || !never_restarted(registers.orig_rax) {
        return Ok(());
    }
    registers.rax = -ERESTARTNOHAND as u64;
    nix::sys::ptrace::setregs(pid, registers)?;
    Ok(())
}

/// Other machines: nothing is done, a stopped epoll_wait may return EINTR as it does under any debugger.
#[cfg(not(target_arch = "x86_64"))]
pub fn spare_interruption(_tid: i32) -> io::Result<()> {
    Ok(())
}

/// The general registers of `tid`, which stands still, in the order of `struct user_regs_struct` (<sys/user.h>).
#[cfg(target_arch = "x86_64")]
pub fn registers(tid: i32) -> io::Result<Vec<u64>> {
    let r = nix::sys::ptrace::getregs(nix::unistd::Pid::from_raw(tid))?;
    Ok(vec![
        r.r15, r.r14, r.r13, r.r12, r.rbp, r.rbx, r.r11, r.r10, r.r9, r.r8, r.rax, r.rcx, r.rdx, r.rsi, r.rdi,
        r.orig_rax, r.rip, r.cs, r.eflags, r.rsp, r.ss, r.fs_base, r.gs_base, r.ds, r.es, r.fs, r.gs,
    ])
}

/// Other machines: their registers are not read.
#[cfg(not(target_arch = "x86_64"))]
pub fn registers(_tid: i32) -> io::Result<Vec<u64>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The calls of signal(7) that return EINTR after a stop, with io_uring_enter, and those that do so on a socket
/// with a timeout. All have done nothing yet when they return EINTR, so starting anew loses nothing.
#[cfg(target_arch = "x86_64")]
fn never_restarted(call: u64) -> bool {
    /// Linux 4.18; the number of x86-64, which libc does not name.
    const IO_PGETEVENTS: libc::c_long = 333;
    let Ok(call) = libc::c_long::try_from(call) else { return false };
    matches!(
        call,
        libc::SYS_epoll_wait
            | libc::SYS_epoll_pwait
            | libc::SYS_epoll_pwait2
            | libc::SYS_rt_sigtimedwait
            | libc::SYS_semop
            | libc::SYS_semtimedop
            | libc::SYS_msgrcv
            | libc::SYS_msgsnd
            | libc::SYS_io_getevents
            | IO_PGETEVENTS
            | libc::SYS_io_uring_enter
            | libc::SYS_accept
            | libc::SYS_accept4
            | libc::SYS_connect
            | libc::SYS_read
            | libc::SYS_recvfrom
            | libc::SYS_recvmsg
            | libc::SYS_recvmmsg
            | libc::SYS_sendto
            | libc::SYS_sendmsg
            | libc::SYS_sendmmsg
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_told_from_a_signal_and_from_an_end() {
        assert_eq!(decode(128 << 16 | libc::SIGTRAP << 8 | 0x7f), Event::Stopped);
        assert_eq!(decode(128 << 16 | libc::SIGSTOP << 8 | 0x7f), Event::Stopped);
        assert_eq!(decode(libc::SIGCHLD << 8 | 0x7f), Event::SignalDue(libc::SIGCHLD));
        assert_eq!(decode(40 << 8 | 0x7f), Event::SignalDue(40));
        assert_eq!(decode(libc::SIGKILL), Event::Ended);
        assert_eq!(decode(3 << 8), Event::Ended);
    }
}

//! A descriptor that means one process for ever, whatever becomes of its number.
//! Knows pidfd_open(2) (Linux 5.3) and how an exited process shows; what to do without one is the caller's.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::units::Span;

/// A pidfd of the process `pid`, as pidfd_open(2) gives it.
///
/// # Errors
/// The kernel's: ESRCH for no such process, EINVAL or ENOENT for a thread that leads no process, ENOSYS before Linux 5.3.
pub fn open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two integers and touches no memory of ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a non-negative answer is a descriptor that nobody else owns yet.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Whether the process behind `pidfd` ended, all its threads included. A zombie counts as ended.
///
/// # Errors
/// Those of poll(2), which on a good pidfd is only EINTR.
pub fn has_ended(pidfd: BorrowedFd<'_>) -> io::Result<bool> {
    let mut poll = libc::pollfd { fd: pidfd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid pollfd lives for the whole call, which returns at once.
    let ready = unsafe { libc::poll(&mut poll, 1, 0) };
    if ready < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(ready > 0 && poll.revents != 0)
}

/// Takes a copy of the descriptor `number` of the process behind `pidfd` (pidfd_getfd(2), Linux 5.6).
///
/// # Errors
/// The kernel's: EPERM without the right to trace it, EBADF for no such descriptor.
pub fn take(pidfd: BorrowedFd<'_>, number: i32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes three integers and touches no memory of ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), number, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a non-negative answer is a descriptor that nobody else owns yet.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Has the kernel put the small pages of `span` together into huge ones, where that can be (process_madvise(2) with
/// MADV_COLLAPSE, Linux 6.1).
///
/// # Errors
/// The kernel's: EPERM without CAP_SYS_NICE, ENOMEM or EBUSY where no huge page is to be had.
pub fn collapse(pidfd: BorrowedFd<'_>, span: Span) -> io::Result<()> {
    const MADV_COLLAPSE: libc::c_int = 25;
    let range = libc::iovec { iov_base: span.start.0 as *mut libc::c_void, iov_len: span.size().0 as usize };
    // SAFETY: one iovec lives for the whole call; it speaks of memory of the other process, which keeps its content.
    let done = unsafe { libc::syscall(libc::SYS_process_madvise, pidfd.as_raw_fd(), &range, 1, MADV_COLLAPSE, 0) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// `struct pidfd_info` of `include/uapi/linux/pidfd.h`, as Linux 6.15 has it.
#[repr(C)]
#[derive(Default)]
struct Info {
    mask: u64,
    cgroup: u64,
    pid: u32,
    tgid: u32,
    ppid: u32,
    ids: [u32; 8],
    exit_code: i32,
}

/// PIDFD_INFO_EXIT: the exit code is asked for, or there.
const INFO_EXIT: u64 = 1 << 3;

nix::ioctl_readwrite!(
    /// `PIDFD_GET_INFO` of `include/uapi/linux/pidfd.h` (Linux 6.13; exit codes since 6.15).
    pidfd_get_info,
    0xff,
    11,
    Info
);

/// The wait status of a process that ended and was reaped; `None` before that.
///
/// # Errors
/// The kernel's: ENOTTY or EINVAL before Linux 6.15.
pub fn exit_status(pidfd: BorrowedFd<'_>) -> io::Result<Option<i32>> {
    let mut info = Info { mask: INFO_EXIT, ..Info::default() };
    // SAFETY: the struct has the size that the request number carries and lives during the call.
    match unsafe { pidfd_get_info(pidfd.as_raw_fd(), &mut info) } {
        Ok(_) => Ok((info.mask & INFO_EXIT != 0).then_some(info.exit_code)),
        Err(nix::errno::Errno::ESRCH) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn tells_a_living_process_from_an_ended_one() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let pidfd = open(child.id() as i32).unwrap();
        assert!(!has_ended(pidfd.as_fd()).unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(has_ended(pidfd.as_fd()).unwrap());
    }

    #[test]
    fn refuses_a_number_that_no_process_has() {
        assert_eq!(open(i32::MAX).unwrap_err().raw_os_error(), Some(libc::ESRCH));
    }
}

//! The ioctls of a userfaultfd in its asynchronous write-protecting form (Linux 6.7): the kernel notes writes and goes
//! on, nobody waits for anybody. Which spans, and whose descriptor it is, is the callers'.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::units::Span;

/// For userfaultfd(2): closed by exec, never waiting, faults of user space alone (needs no privilege, Linux 5.11).
pub const FLAGS: u64 = (libc::O_CLOEXEC | libc::O_NONBLOCK | 1) as u64;

const API: u64 = 0xaa;
/// UFFD_FEATURE_WP_UNPOPULATED, which the next includes, and UFFD_FEATURE_WP_ASYNC.
const FEATURES: u64 = 1 << 13 | 1 << 15;
const MODE_WRITE_PROTECT: u64 = 1 << 1;

#[repr(C)]
struct Agreement {
    api: u64,
    features: u64,
    ioctls: u64,
}

#[repr(C)]
struct Range {
    start: u64,
    length: u64,
}

#[repr(C)]
struct Registration {
    range: Range,
    mode: u64,
    ioctls: u64,
}

nix::ioctl_readwrite!(
    /// `UFFDIO_API` of `include/uapi/linux/userfaultfd.h`.
    uffdio_api,
    0xaa,
    0x3f,
    Agreement
);
nix::ioctl_readwrite!(
    /// `UFFDIO_REGISTER` of the same.
    uffdio_register,
    0xaa,
    0x00,
    Registration
);
nix::ioctl_read!(
    /// `UFFDIO_UNREGISTER` of the same.
    uffdio_unregister,
    0xaa,
    0x01,
    Range
);

fn range(span: Span) -> Range {
    Range { start: span.start.0, length: span.size().0 }
}

/// Agrees with the kernel on what is wanted.
///
/// # Errors
/// EINVAL where it cannot do that.
pub fn agree(fd: BorrowedFd<'_>) -> io::Result<()> {
    let mut agreement = Agreement { api: API, features: FEATURES, ioctls: 0 };
    // SAFETY: the struct is the kernel's and outlives the call.
    unsafe { uffdio_api(fd.as_raw_fd(), &mut agreement) }?;
    Ok(())
}

/// Has writes to `span` noted.
///
/// # Errors
/// EBUSY where another userfaultfd does, EINVAL and ENOMEM where such memory is not there.
pub fn register(fd: BorrowedFd<'_>, span: Span) -> io::Result<()> {
    let mut registration = Registration { range: range(span), mode: MODE_WRITE_PROTECT, ioctls: 0 };
    // SAFETY: as above.
    unsafe { uffdio_register(fd.as_raw_fd(), &mut registration) }?;
    Ok(())
}

/// Makes `span` as it was.
///
/// # Errors
/// The kernel's, where it is not mapped any more.
pub fn unregister(fd: BorrowedFd<'_>, span: Span) -> io::Result<()> {
    // SAFETY: as above; the kernel only reads the range.
    unsafe { uffdio_unregister(fd.as_raw_fd(), &mut range(span)) }?;
    Ok(())
}

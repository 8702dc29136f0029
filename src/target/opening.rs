//! Holding a process so that another one which is given the same number can never be taken for it.
//! Knows the held /proc/PID directory, the pidfd and the refusals; what is read through them is the other files'.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path};
use std::sync::OnceLock;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::signal::kill;
use nix::sys::stat::Mode;
use nix::unistd::Pid;

use super::identity::Identity;
use super::looking::tmpfs_devices;
use super::roots::{Roots, whole_text};
use super::stat::{Stat, Status};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::pidfd;

/// A live process. The only holder of a pid: everything about it is read through the directory held here.
#[derive(Debug)]
pub struct Target {
    roots: Roots,
    directory: OwnedFd,
    /// `None` before Linux 5.3 and in a false tree: then the start time alone tells reuse.
    pidfd: Option<OwnedFd>,
    start_ticks: u64,
    identity: Identity,
    /// Mounts are many on a machine with containers and change rarely: read once.
    tmpfs_devices: OnceLock<Vec<(u32, u32)>>,
}

const OPENING: &str = "cannot look into";

impl Target {
    /// Takes hold of the process `pid` of our pid namespace.
    ///
    /// # Errors
    /// `Gone` where there is none, it ended, or the number is that of a thread; `Usage` for a number that is no pid and
    /// for leakscope itself; `Failed` for a kernel thread.
    pub fn open(pid: i32) -> Result<Target> {
        Target::open_below(&Roots::real(), pid)
    }

    /// The same in a tree given by a test. A false tree has no pidfds.
    pub(crate) fn open_below(roots: &Roots, pid: i32) -> Result<Target> {
        if pid <= 0 {
            return Err(Error::new(ErrorKind::Usage, OPENING, format!("pid {pid}"), "pids are positive numbers"));
        }
        if *roots == Roots::real() && !roots.proc.join("self").exists() {
            return Err(Error::new(ErrorKind::Failed, OPENING, format!("pid {pid}"), "/proc shows no processes")
                .with_hint("run: mount -t proc proc /proc"));
        }
        let directory = open_directory(&roots.proc.join(pid.to_string())).map_err(|error| {
            let is_hidden = is_gone(&error) && *roots == Roots::real() && exists(pid);
            refusal(pid, &if is_hidden { io::Error::from_raw_os_error(libc::EACCES) } else { error })
        })?;
        let stat = read_stat(&directory).map_err(|error| refusal(pid, &error))?;
        refuse_what_is_no_target(roots, &directory, pid, &stat)?;
        let pidfd = if *roots == Roots::real() { open_pidfd(pid)? } else { None };
        // The held directory answered again after the pidfd was taken, so the two mean the same process.
        let again = read_stat(&directory).map_err(|error| refusal(pid, &error))?;
        if again.start_ticks != stat.start_ticks || again.is_zombie() {
            return Err(refusal(pid, &io::Error::from_raw_os_error(libc::ESRCH)));
        }
        let identity = Identity::read(roots, &directory, pid, &stat);
        Ok(Target {
            roots: roots.clone(),
            directory,
            pidfd,
            start_ticks: stat.start_ticks,
            identity,
            tmpfs_devices: OnceLock::new(),
        })
    }

    /// Its number in our pid namespace.
    pub fn pid(&self) -> i32 {
        self.identity.pid
    }

    /// Who it is, as read when it was opened.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What an error calls it: `pid 12 (nginx)`, the name escaped.
    pub fn subject(&self) -> String {
        format!("pid {} ({})", self.pid(), self.identity.name.escape_debug())
    }

    /// Whether it still runs (or sleeps, or is stopped). A zombie does not. At an exec by another thread the first one is a
    /// zombie for a moment, and at an end too: then it is waited for what becomes of it.
    pub fn is_alive(&self) -> bool {
        const LOOKS: u32 = 50;
        for _ in 0..LOOKS {
            if let Some(pidfd) = &self.pidfd
                && pidfd::has_ended(pidfd.as_fd()).unwrap_or(false)
            {
                return false;
            }
            let Some(stat) = self.stat().ok().filter(|stat| stat.start_ticks == self.start_ticks) else { return false };
            if !stat.is_zombie() {
                return true;
            }
            if self.status().map_or(0, |status| status.threads) < 2 {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        false
    }

    /// `Ok` while it lives.
    ///
    /// # Errors
    /// `Gone` once it ended, also where its number was given to another process.
    pub fn check_alive(&self) -> Result<()> {
        if self.is_alive() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Gone, "lost", self.subject(), "the process ended"))
    }

    /// Opens a file below the held /proc/PID directory for reading, such as `maps` or `task/5/status`.
    ///
    /// # Errors
    /// The kernel's; ESRCH or ENOENT where the process ended. `name` must be relative and stay below the directory.
    pub fn proc_file(&self, name: &str) -> io::Result<File> {
        open_in(&self.directory, name)
    }

    /// Opens its memory for reading and writing.
    pub(crate) fn writable_memory(&self) -> io::Result<File> {
        let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC;
        Ok(File::from(openat(&self.directory, "mem", flags, Mode::empty())?))
    }

    /// The pidfd, which tells its end, where there is one.
    pub(crate) fn pidfd(&self) -> Option<&OwnedFd> {
        self.pidfd.as_ref()
    }

    /// The text of a file below the held directory, lossily decoded and cut at 16 MiB.
    pub(crate) fn proc_text(&self, name: &str) -> io::Result<String> {
        whole_text(self.proc_file(name)?)
    }

    /// What it was opened below.
    pub(crate) fn roots(&self) -> &Roots {
        &self.roots
    }

    /// The held /proc/PID directory.
    pub(crate) fn directory(&self) -> &OwnedFd {
        &self.directory
    }

    /// Its /proc/PID/stat now.
    pub(crate) fn stat(&self) -> io::Result<Stat> {
        read_stat(&self.directory)
    }

    /// Its /proc/PID/status now.
    pub(crate) fn status(&self) -> io::Result<Status> {
        Ok(Status::parse(&self.proc_text("status")?))
    }

    /// The devices of the tmpfs mounts it sees.
    pub(super) fn tmpfs_devices(&self) -> &[(u32, u32)] {
        self.tmpfs_devices.get_or_init(|| tmpfs_devices(&self.proc_text("mountinfo").unwrap_or_default()))
    }

    /// What a failure of the kernel on a file of this target means to a user.
    pub(crate) fn failure(&self, action: &str, error: &io::Error) -> Error {
        let gone = |reason| Error::new(ErrorKind::Gone, action, self.subject(), reason);
        if !self.is_alive() {
            return gone("the process ended");
        }
        if error.raw_os_error() == Some(libc::ESRCH) {
            return gone(PART_ENDED);
        }
        if !is_denied(error) {
            return Error::new(ErrorKind::Failed, action, self.subject(), error);
        }
        // What is missing for the memory is missing for all files that are guarded like it.
        let explained = self.access().require_memory_read(self).err();
        let hint = explained.as_ref().and_then(Error::hint).map(str::to_owned);
        Error::new(ErrorKind::NotPermitted, action, self.subject(), error)
            .with_hint(hint.unwrap_or_else(|| format!("run: leakscope doctor {}", self.pid())))
    }
}

/// Why something of a process that lives is not there any more.
pub(super) const PART_ENDED: &str = "a thread of it ended, or it became another program (exec), meanwhile";

/// Whether the kernel says that the process is not there any more.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ESRCH | libc::ENOENT))
}

/// Whether the kernel says that we may not.
pub(crate) fn is_denied(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EACCES | libc::EPERM))
}

/// Holds the directory at `path`.
pub(super) fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    Ok(nix::fcntl::open(path, flags, Mode::empty())?)
}

/// Whether there is such a process though procfs does not show it (its mount option hidepid=2). Signal 0 is no signal.
fn exists(pid: i32) -> bool {
    !matches!(kill(Pid::from_raw(pid), None), Err(Errno::ESRCH))
}

/// Opens `name` below `directory` for reading.
pub(crate) fn open_in(directory: &OwnedFd, name: &str) -> io::Result<File> {
    if !Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let fd = openat(directory, name, OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK, Mode::empty())?;
    Ok(File::from(fd))
}

fn read_stat(directory: &OwnedFd) -> io::Result<Stat> {
    let text = whole_text(open_in(directory, "stat")?)?;
    Stat::parse(&text).ok_or_else(|| io::Error::other("its stat file makes no sense"))
}

fn open_pidfd(pid: i32) -> Result<Option<OwnedFd>> {
    match pidfd::open(pid) {
        Ok(fd) => Ok(Some(fd)),
        // Old kernels have no pidfds, and some container profiles refuse them.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => Ok(None),
        Err(error) => Err(refusal(pid, &error)),
    }
}

fn refusal(pid: i32, error: &io::Error) -> Error {
    let subject = format!("pid {pid}");
    if is_gone(error) {
        return Error::new(ErrorKind::Gone, OPENING, subject, "no such process");
    }
    if is_denied(error) {
        return Error::new(ErrorKind::NotPermitted, OPENING, subject, "/proc hides it from this user")
            .with_hint(format!("run: sudo leakscope {pid}"));
    }
    Error::new(ErrorKind::Failed, OPENING, subject, error)
}

fn refuse_what_is_no_target(roots: &Roots, directory: &OwnedFd, pid: i32, stat: &Stat) -> Result<()> {
    let subject = format!("pid {pid} ({})", stat.name.escape_debug());
    let refuse = |kind, reason: &str| Err(Error::new(kind, OPENING, subject.clone(), reason));
    let status = open_in(directory, "status").and_then(whole_text).map(|text| Status::parse(&text));
    let status = status.map_err(|error| refusal(pid, &error))?;
    let ourselves = std::fs::read_link(roots.proc.join("self")).ok();
    if ourselves.is_some_and(|link| link == Path::new(&status.tgid.to_string())) {
        return refuse(ErrorKind::Usage, "that is leakscope itself");
    }
    if status.tgid != pid {
        let owner = roots.proc_text(&format!("{}/comm", status.tgid)).unwrap_or_default();
        let reason = format!(
            "not a process but a thread of pid {} ({})",
            status.tgid,
            owner.trim_end_matches('\n').escape_debug()
        );
        let refused = Error::new(ErrorKind::Gone, OPENING, subject, reason);
        return Err(refused.with_hint(format!("run: leakscope {}", status.tgid)));
    }
    if stat.is_kernel_thread() {
        return refuse(ErrorKind::Failed, "a kernel thread, which has no memory of its own");
    }
    if stat.is_zombie() && status.threads > 1 {
        return refuse(ErrorKind::Gone, "its main thread ended, and its memory cannot be reached through it");
    }
    if stat.is_zombie() {
        let reason = format!("a zombie: it ended and waits to be reaped by its parent, pid {}", stat.ppid);
        return refuse(ErrorKind::Gone, &reason);
    }
    Ok(())
}

#[cfg(test)]
#[path = "opening_tests.rs"]
mod tests;

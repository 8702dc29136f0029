//! A small process of our own beside us, in a session of its own: what it has begun it brings to an end, also where
//! we are interrupted, killed or stopped meanwhile. Knows fork and the socket between the two; what is done there and
//! said over the socket is the callers'.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recv, recvmsg, sendmsg};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, alarm, fork, getppid, setsid};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::cpu;

/// What is done at a stretch ends within this time or the kernel ends the process, and with it all tracing.
const LONGEST_WORK: Duration = Duration::from_secs(60);
/// How often somebody who waits looks whether it is long enough.
const LOOK: Duration = Duration::from_millis(20);
const LONGEST_LINE: usize = 16 << 20;

/// The process beside us, seen from here. Dropped it is told to come to an end, and waited for.
#[derive(Debug)]
pub struct Aside {
    pid: Pid,
    talk: Option<Talk>,
}

/// One end of the socket: a line of JSON for each thing said.
#[derive(Debug)]
pub struct Talk {
    stream: UnixStream,
}

/// Why a wait for the other side was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It said so, or is no more.
    Word,
    /// It took too long.
    Over,
}

/// Forks a process that does `work` and ends. Of the open files it keeps `keep` alone.
///
/// # Errors
/// Those of fork(2) and socketpair(2).
pub fn begin(keep: &[BorrowedFd<'_>], work: impl FnOnce(&mut Talk)) -> io::Result<Aside> {
    let (ours, theirs) = UnixStream::pair()?;
    // SAFETY: the child runs on the only thread it has; glibc and musl make their allocator usable after fork, no lock
    // of ours is taken there, and should it hang all the same, the alarm ends it.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(Aside { pid: child, talk: Some(Talk::new(ours)) }),
        ForkResult::Child => {
            let mut kept: Vec<RawFd> = keep.iter().map(AsRawFd::as_raw_fd).collect();
            kept.push(theirs.as_raw_fd());
            settle(kept);
            let _ = catch_unwind(AssertUnwindSafe(|| work(&mut Talk::new(theirs))));
            // SAFETY: ends the process at once; nothing of what was copied from the parent is flushed or dropped.
            unsafe { libc::_exit(0) }
        }
    }
}

/// Makes the forked process one of its own: no terminal, no files of ours, no end that was meant for us.
fn settle(mut kept: Vec<RawFd>) {
    let _ = setsid();
    // A target waits for what is done here.
    cpu::step_ahead();
    // SAFETY: the default action of SIGALRM is to end the process, which lets go of everything, and that of SIGCHLD none.
    unsafe {
        libc::signal(libc::SIGALRM, libc::SIG_DFL);
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
    }
    // It can be waited for then.
    let _ = SigSet::from(Signal::SIGCHLD).thread_block();
    working();
    kept.sort_unstable();
    let mut from: RawFd = 0;
    for fd in kept {
        close_between(from, fd - 1);
        from = fd + 1;
    }
    close_between(from, RawFd::MAX);
}

/// Closes the descriptors `first` to `last`: files of the parent, pipes whose readers wait for their end.
fn close_between(first: RawFd, last: RawFd) {
    if first > last {
        return;
    }
    // SAFETY: the copies of the parent's descriptors are nobody's here; their owners are never dropped.
    let answer = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if answer == 0 {
        return;
    }
    // Before Linux 5.9.
    for fd in first..=last.min(4096) {
        // SAFETY: as above.
        unsafe { libc::close(fd) };
    }
}

fn working() {
    alarm::set(LONGEST_WORK.as_secs() as u32);
}

impl Aside {
    /// The conversation with it.
    pub fn talk(&mut self) -> Option<&mut Talk> {
        self.talk.as_mut()
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        self.talk = None;
        while waitpid(self.pid, None) == Err(nix::errno::Errno::EINTR) {}
    }
}

impl Talk {
    fn new(stream: UnixStream) -> Talk {
        Talk { stream }
    }

    /// Says something.
    ///
    /// # Errors
    /// The other side is no more.
    pub fn say(&mut self, what: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(what)?;
        line.push(b'\n');
        self.stream.write_all(&line)
    }

    /// Waits for what the other side says.
    ///
    /// # Errors
    /// `UnexpectedEof` where it is no more.
    pub fn hear<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        let (mut line, mut ahead) = (Vec::new(), vec![0u8; 64 * 1024]);
        while !line.ends_with(b"\n") && line.len() < LONGEST_LINE {
            // Looked at first: what is read beyond the line would lose a descriptor that comes with it.
            let seen = match recv(self.stream.as_raw_fd(), &mut ahead, MsgFlags::MSG_PEEK) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(nix::errno::Errno::EINTR) => continue,
                seen => seen?,
            };
            let end = memchr::memchr(b'\n', &ahead[..seen]).map_or(seen, |end| end + 1);
            self.stream.read_exact(&mut ahead[..end])?;
            line.extend(&ahead[..end]);
        }
        Ok(serde_json::from_slice(&line)?)
    }

    /// Waits, beside, until the parent says something or ends, or `is_over` says of its pid that this is long enough.
    pub fn wait_for_parent(&mut self, is_over: &dyn Fn(i32) -> bool) -> Heard {
        alarm::cancel();
        let heard = self.until_word(is_over);
        working();
        heard
    }

    fn until_word(&mut self, is_over: &dyn Fn(i32) -> bool) -> Heard {
        let look = PollTimeout::try_from(LOOK).unwrap_or(PollTimeout::ZERO);
        loop {
            let mut wanted = [PollFd::new(self.stream.as_fd(), PollFlags::POLLIN)];
            match poll(&mut wanted, look) {
                Ok(0) if is_over(getppid().as_raw()) => return Heard::Over,
                Ok(0) | Err(nix::errno::Errno::EINTR) => {}
                Ok(_) | Err(_) => return Heard::Word,
            }
        }
    }

    /// Hands a descriptor over.
    ///
    /// # Errors
    /// Those of sendmsg(2).
    pub fn hand(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let fds = [fd.as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&fds)];
        let byte = [IoSlice::new(b"\n")];
        sendmsg::<()>(self.stream.as_raw_fd(), &byte, &rights, MsgFlags::MSG_NOSIGNAL, None)?;
        Ok(())
    }

    /// Takes a descriptor that the other side hands over.
    ///
    /// # Errors
    /// Those of recvmsg(2), `UnexpectedEof` where none came.
    pub fn take(&mut self) -> io::Result<OwnedFd> {
        let mut byte = [0u8; 1];
        let mut space = nix::cmsg_space!(RawFd);
        let mut buffers = [IoSliceMut::new(&mut byte)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let stream = self.stream.as_raw_fd();
        let message = recvmsg::<()>(stream, &mut buffers, Some(&mut space), flags)?;
        let rights = message.cmsgs()?.find_map(|message| match message {
            ControlMessageOwned::ScmRights(fds) => fds.first().copied(),
            _ => None,
        });
        let fd = rights.ok_or(io::ErrorKind::UnexpectedEof)?;
        // SAFETY: the kernel made this descriptor for us with this message.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_and_handed_over_arrives() {
        let file = std::fs::File::open("/proc/self/stat").unwrap();
        let mut aside = begin(&[file.as_fd()], |talk| {
            let asked: u32 = talk.hear().unwrap();
            talk.say(&(asked + 1)).unwrap();
            talk.hand(file.as_fd()).unwrap();
            let session = nix::unistd::getsid(None).unwrap() == nix::unistd::getpid();
            let files = std::fs::read_dir("/proc/self/fd").unwrap().count();
            talk.say(&(session, files)).unwrap();
        })
        .unwrap();
        let talk = aside.talk().unwrap();
        talk.say(&41u32).unwrap();
        assert_eq!(talk.hear::<u32>().unwrap(), 42);
        talk.take().unwrap();
        // The socket, the file, and the folder that is being listed.
        assert_eq!(talk.hear::<(bool, usize)>().unwrap(), (true, 3));
    }

    #[test]
    fn it_ends_with_us_and_when_it_is_killed_we_hear_it() {
        let mut aside = begin(&[], |talk| {
            talk.say(&0).unwrap();
            assert_eq!(talk.wait_for_parent(&|_| false), Heard::Word);
        })
        .unwrap();
        assert_eq!(aside.talk().unwrap().hear::<u32>().unwrap(), 0);
        drop(aside);
        let mut killed = begin(&[], |talk| {
            talk.wait_for_parent(&|_| false);
        })
        .unwrap();
        nix::sys::signal::kill(killed.pid, nix::sys::signal::Signal::SIGKILL).unwrap();
        assert!(killed.talk().unwrap().hear::<u32>().is_err());
    }
}

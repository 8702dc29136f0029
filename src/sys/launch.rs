//! A child that waits between fork and exec, so that it can be watched from its program's first instruction.

use std::io::{self, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::thread::JoinHandle;

/// A child that has not executed its program yet.
#[derive(Debug)]
pub struct Waiting {
    pid: i32,
    go: Option<PipeWriter>,
    spawning: JoinHandle<io::Result<Child>>,
}

/// Forks; the child waits until [`Waiting::go`], and ends where that never comes.
///
/// # Errors
/// The kernel's.
pub fn launch(mut command: Command) -> io::Result<Waiting> {
    let (mut told, tell) = io::pipe()?;
    let (wait, go) = io::pipe()?;
    let go_fd = go.as_raw_fd();
    let work = move || {
        let (tell_fd, wait_fd) = (tell.as_raw_fd(), wait.as_raw_fd());
        // SAFETY: between fork and exec only getpid, write, read and close are called, all async-signal-safe, on descriptors that this closure's owner keeps open until the child is spawned.
        unsafe {
            command.pre_exec(move || {
                let pid = libc::getpid().to_ne_bytes();
                if libc::write(tell_fd, pid.as_ptr().cast(), pid.len()) != pid.len() as isize {
                    return Err(io::Error::last_os_error());
                }
                // The child's copy would keep the pipe open when we are gone.
                libc::close(go_fd);
                let mut byte = 0u8;
                match libc::read(wait_fd, (&raw mut byte).cast(), 1) {
                    1 => Ok(()),
                    _ => Err(io::ErrorKind::Interrupted.into()),
                }
            });
        }
        let child = command.spawn();
        drop((tell, wait));
        child
    };
    let spawning = std::thread::Builder::new().name("launcher".into()).spawn(work)?;
    let mut pid = [0u8; 4];
    match told.read_exact(&mut pid) {
        Ok(()) => Ok(Waiting { pid: i32::from_ne_bytes(pid), go: Some(go), spawning }),
        // It failed before it could wait: spawn tells why.
        Err(error) => {
            drop(go);
            Err(spawning.join().ok().and_then(Result::err).unwrap_or(error))
        }
    }
}

impl Waiting {
    /// Its pid.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Lets it execute its program.
    ///
    /// # Errors
    /// Those of exec: there is no such program, it may not be executed.
    pub fn go(mut self) -> io::Result<Child> {
        if let Some(mut go) = self.go.take() {
            go.write_all(b"g")?;
        }
        self.spawning.join().unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))
    }
}

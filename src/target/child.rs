//! A real process for tests: a child that waits for the end of its input and is ended when dropped.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

/// A child that waits.
pub(crate) struct WaitingChild(pub Child);

impl WaitingChild {
    /// Starts `cat` and waits until it echoes: then it has loaded all it needs and does nothing more.
    pub fn start() -> WaitingChild {
        let mut child = WaitingChild::of(Command::new("cat").arg("-u"));
        child.0.stdin.as_mut().unwrap().write_all(b"x").unwrap();
        child.0.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        child
    }

    /// Starts `command` and waits until it shows its own arguments: between fork and exec a child is still its parent.
    pub fn of(command: &mut Command) -> WaitingChild {
        let waiting = WaitingChild(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
        let own = std::fs::read("/proc/self/cmdline").unwrap();
        let cmdline = || std::fs::read(format!("/proc/{}/cmdline", waiting.0.id())).unwrap();
        while cmdline().is_empty() || cmdline() == own {}
        waiting
    }

    /// Its pid.
    pub fn pid(&self) -> i32 {
        self.0.id() as i32
    }

    /// Kills it without reaping it, and waits until it is a zombie.
    pub fn kill_without_reaping(&mut self) {
        self.0.kill().unwrap();
        let stat = format!("/proc/{}/stat", self.0.id());
        while !std::fs::read_to_string(&stat).unwrap().contains(") Z ") {}
    }
}

impl Drop for WaitingChild {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

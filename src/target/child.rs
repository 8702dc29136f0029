//! A real process for tests: a child that waits for the end of its input and is ended when dropped.

use std::process::{Child, Command, Stdio};

/// A child that waits.
pub(crate) struct WaitingChild(pub Child);

impl WaitingChild {
    /// Starts `cat` and waits until it is `cat`: between fork and exec a child is still its parent.
    pub fn start() -> WaitingChild {
        WaitingChild::of(Command::new("cat").arg("-u"))
    }

    /// Starts `command`, whose arguments must show in its cmdline.
    pub fn of(command: &mut Command) -> WaitingChild {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let own = std::fs::read("/proc/self/cmdline").unwrap();
        loop {
            let cmdline = std::fs::read(format!("/proc/{}/cmdline", child.id())).unwrap();
            if !cmdline.is_empty() && cmdline != own {
                return WaitingChild(child);
            }
        }
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

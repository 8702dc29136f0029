//! A memory cgroup of one test's own, of either interface, and programs started in it.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::wait_until;

/// A cgroup with a memory limit; its processes are killed and it is removed when dropped.
pub struct Cgroup {
    folder: PathBuf,
    /// From the root of the hierarchy.
    pub path: String,
}

impl Cgroup {
    /// A new one, or why there can be none.
    pub fn new(limit: u64) -> Result<Cgroup, String> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = format!("/leakscope-watch-{}-{number}", std::process::id());
        let v1 = PathBuf::from("/sys/fs/cgroup/memory");
        let (root, file) = if v1.join("memory.limit_in_bytes").exists() {
            (v1, "memory.limit_in_bytes")
        } else {
            (PathBuf::from("/sys/fs/cgroup"), "memory.max")
        };
        let folder = root.join(path.trim_start_matches('/'));
        fs::create_dir(&folder).map_err(|error| format!("no cgroup can be made (needs root): {error}"))?;
        let group = Cgroup { folder, path };
        fs::write(group.folder.join(file), limit.to_string()).map_err(|error| format!("no memory limit: {error}"))?;
        Ok(group)
    }

    /// Starts `command` inside.
    #[allow(unsafe_code)]
    pub fn spawn(&self, command: &mut Command) -> Child {
        let procs = fs::OpenOptions::new().write(true).open(self.folder.join("cgroup.procs")).unwrap();
        // The child joins before it runs: 0 stands for the writer itself.
        let join = move || std::io::Write::write_all(&mut &procs, b"0");
        // SAFETY: between fork and exec the closure makes one write system call and allocates nothing.
        unsafe { command.pre_exec(join) }.spawn().unwrap()
    }

    /// Takes a running process in.
    pub fn join(&self, pid: i32) {
        fs::write(self.folder.join("cgroup.procs"), pid.to_string()).unwrap();
    }

    /// The processes inside.
    pub fn pids(&self) -> Vec<i32> {
        let text = fs::read_to_string(self.folder.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Kills everybody inside and removes it.
    pub fn remove(&self) {
        let gone = || {
            for pid in self.pids() {
                let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
            }
            fs::remove_dir(&self.folder).is_ok() || !self.folder.exists()
        };
        wait_until(std::time::Duration::from_secs(5), gone);
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        self.remove();
    }
}

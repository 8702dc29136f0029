//! A false procfs and sysfs in a temporary folder, for tests.

use std::path::PathBuf;

use super::opening::Target;
use super::roots::Roots;

/// Files below a temporary folder that stand for `/proc` and `/sys`; removed when dropped.
pub(crate) struct FalseTree {
    folder: tempfile::TempDir,
    pub roots: Roots,
}

impl FalseTree {
    /// A tree without a process.
    pub fn new() -> FalseTree {
        let folder = tempfile::tempdir().unwrap();
        let roots = Roots { proc: folder.path().join("proc"), sys: folder.path().join("sys") };
        std::fs::create_dir_all(&roots.proc).unwrap();
        std::fs::create_dir_all(&roots.sys).unwrap();
        FalseTree { folder, roots }
    }

    /// The same with `text` in the file `path`, such as `proc/7/status`.
    pub fn with(self, path: &str, text: &str) -> FalseTree {
        self.write(path, text);
        self
    }

    /// The same with a sleeping process.
    pub fn with_process(self, pid: i32, name: &str, ppid: i32, rss_kib: u64) -> FalseTree {
        self.with(&format!("proc/{pid}/stat"), &stat(pid, name, ppid))
            .with(&format!("proc/{pid}/statm"), &format!("{} {} 1 1 0 1 0\n", rss_kib, rss_kib / 4))
            .with(
                &format!("proc/{pid}/status"),
                &format!("Tgid:\t{pid}\nUid:\t5\t5\t5\t5\nVmRSS:\t{rss_kib} kB\nThreads:\t1\n"),
            )
            .with(&format!("proc/{pid}/cmdline"), &format!("/usr/bin/{name}\0"))
    }

    /// Writes `text` to the file `path`.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Where `path` of the tree is.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// The process `pid` of this tree.
    pub fn open(&self, pid: i32) -> Target {
        Target::open_below(&self.roots, pid).unwrap()
    }
}

/// The text of a stat file.
pub(crate) fn stat(pid: i32, name: &str, ppid: i32) -> String {
    format!("{pid} ({name}) S {ppid} {pid} {pid} 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 9981 100 200")
}

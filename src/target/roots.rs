//! Where the kernel's two trees are, and bounded reading below them.
//! Everything else in this room asks here for paths, so that a test can put false trees in their place.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The mount points of procfs and sysfs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Roots {
    /// procfs, normally `/proc`.
    pub proc: PathBuf,
    /// sysfs, normally `/sys`.
    pub sys: PathBuf,
}

/// No file that is read whole is taken further than this; the largest real ones are mountinfo and cgroup.procs.
const WHOLE_FILE_LIMIT: u64 = 16 << 20;

impl Roots {
    /// The real trees.
    pub fn real() -> Roots {
        Roots { proc: PathBuf::from("/proc"), sys: PathBuf::from("/sys") }
    }

    /// The text of a file below procfs, such as `meminfo`.
    pub fn proc_text(&self, name: &str) -> io::Result<String> {
        path_text(&self.proc.join(name))
    }
}

/// The text of the file at `path`, lossily decoded and cut at 16 MiB.
pub(crate) fn path_text(path: &Path) -> io::Result<String> {
    whole_text(File::open(path)?)
}

/// The rest of `file` as text, lossily decoded and cut at 16 MiB.
pub(crate) fn whole_text(file: File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(WHOLE_FILE_LIMIT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

//! What a target's files say now: its mappings, threads and the files behind mappings.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::Mode;

use super::maps;
use super::opening::Target;
use super::roots::{Roots, path_text, whole_text};
use crate::error::{Error, ErrorKind, Result};
use crate::space::Mapping;

const READING_MAPS: &str = "cannot read the memory map of";

impl Target {
    /// All its mappings, in order: 0.2 µs each and no harm to the target.
    ///
    /// # Errors
    /// `Gone`, `NotPermitted`, or `Failed` with the kernel's reason.
    pub fn mappings(&self) -> Result<Vec<Mapping>> {
        let read = self.proc_file("maps").and_then(maps::read_maps);
        let mappings = read.map_err(|error| self.failure(READING_MAPS, &error))?;
        self.refuse_empty(mappings.is_empty())?;
        Ok(mappings)
    }

    /// A process that is exiting has no mappings left though its files still open.
    pub(super) fn refuse_empty(&self, is_empty: bool) -> Result<()> {
        if !is_empty {
            return Ok(());
        }
        self.check_alive()?;
        Err(Error::new(ErrorKind::Gone, READING_MAPS, self.subject(), "it has none left: it is exiting"))
    }

    /// The ids of its threads, in order.
    ///
    /// # Errors
    /// `Gone`, or `Failed` with the kernel's reason.
    pub fn thread_ids(&self) -> Result<Vec<i32>> {
        let listed = self.list("task").map_err(|error| self.failure("cannot list the threads of", &error))?;
        let mut ids: Vec<i32> = listed.iter().filter_map(|name| name.parse().ok()).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// The names in a folder below the held directory.
    pub(super) fn list(&self, name: &str) -> io::Result<Vec<String>> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut directory = nix::dir::Dir::openat(self.directory(), name, flags, Mode::empty())?;
        let mut names = Vec::new();
        for entry in directory.iter() {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        Ok(names)
    }

    /// The file behind `mapping`, for reading: through map_files (which also has deleted files, and needs
    /// CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN), else by its path below the target's own root, the inode compared.
    ///
    /// # Errors
    /// `InvalidInput` where no regular file is behind it; `NotFound` where another file has that path now.
    pub fn mapped_file(&self, mapping: &Mapping) -> io::Result<File> {
        if !mapping.has_file() || !mapping.name.starts_with('/') {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let (start, end) = (mapping.span.start.0, mapping.span.end.0);
        let handle = OFlag::O_PATH | OFlag::O_CLOEXEC;
        let name = format!("map_files/{start:x}-{end:x}");
        if let Ok(file) = openat(self.directory(), name.as_str(), handle, Mode::empty()) {
            return reopen_regular(File::from(file), None);
        }
        let root = openat(self.directory(), "root", handle | OFlag::O_DIRECTORY, Mode::empty())?;
        let path = mapping.name.trim_start_matches('/');
        // Links inside the target's root must not lead out of it, and ours must not be followed.
        let how =
            OpenHow::new().flags(handle).resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        reopen_regular(File::from(openat2(&root, path, how)?), Some(mapping.inode))
    }

    /// What its descriptor `number` leads to: a path below its own root, `socket:[…]` and the like. Hostile text.
    ///
    /// # Errors
    /// The kernel's.
    pub fn descriptor(&self, number: i32) -> io::Result<String> {
        let name = format!("fd/{number}");
        Ok(nix::fcntl::readlinkat(self.directory(), name.as_str())?.to_string_lossy().into_owned())
    }

    /// What a just-in-time compiler in it told of its code: /tmp/perf-PID.map below its own root, by its pid in its own
    /// namespace; cut at 16 MiB.
    ///
    /// # Errors
    /// The kernel's; `NotFound` where it told nothing, `PermissionDenied` where another user did: everybody may write there.
    pub fn perf_map(&self) -> io::Result<String> {
        let pid = self.status()?.namespace_pids.last().copied().unwrap_or(self.pid());
        let handle = OFlag::O_PATH | OFlag::O_CLOEXEC;
        let root = openat(self.directory(), "root", handle | OFlag::O_DIRECTORY, Mode::empty())?;
        let how =
            OpenHow::new().flags(handle).resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        let path = format!("tmp/perf-{pid}.map");
        let file = reopen_regular(File::from(openat2(&root, path.as_str(), how)?), None)?;
        let owner = file.metadata()?.uid();
        if owner != 0 && owner != self.identity().uid {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        whole_text(file)
    }
}

/// kernel.perf_event_paranoid: what processes without CAP_PERFMON may watch with perf. `None` where it is not there.
pub fn perf_paranoid() -> Option<i64> {
    Roots::real().proc_text("sys/kernel/perf_event_paranoid").ok()?.trim().parse().ok()
}

/// The number of a tracepoint, such as `syscalls/sys_exit_brk`, by which perf knows it. Nothing is mounted for that.
///
/// # Errors
/// The kernel's: `NotFound` where tracefs is not mounted in its usual place or has no such tracepoint.
pub fn tracepoint(name: &str) -> io::Result<u64> {
    let text = path_text(&Roots::real().sys.join("kernel/tracing/events").join(name).join("id"))?;
    text.trim().parse().map_err(|_| io::ErrorKind::InvalidData.into())
}

/// A path that leads to `file` as long as it is open, for libraries that want to open files themselves.
pub fn path_of(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// Turns a mere handle on a file into a readable one. Opening a device or a pipe could change something, so that only
/// regular files are; device numbers are not compared because btrfs and overlayfs show others in maps than in stat.
fn reopen_regular(handle: File, inode: Option<u64>) -> io::Result<File> {
    let metadata = handle.metadata()?;
    if !metadata.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    if inode.is_some_and(|inode| inode != metadata.ino()) {
        return Err(io::ErrorKind::NotFound.into());
    }
    File::open(path_of(&handle))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::child::WaitingChild;

    #[test]
    fn a_childs_mappings_threads_and_program() {
        let child = WaitingChild::start();
        let target = Target::open(child.pid()).unwrap();
        let exe = target.identity().exe.clone().unwrap();
        let mappings = target.mappings().unwrap();
        assert!(mappings.iter().any(|mapping| mapping.name == "[stack]"));
        assert_eq!(target.thread_ids().unwrap(), [child.pid()]);
        let program = mappings.iter().find(|mapping| mapping.name == exe).unwrap();
        let file = target.mapped_file(program).unwrap();
        assert_eq!(file.metadata().unwrap().ino(), program.inode);
        let wrong = Mapping { inode: program.inode + 1, span: Default::default(), ..program.clone() };
        assert!(target.mapped_file(&wrong).is_err());
    }
}

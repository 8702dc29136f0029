//! Files we create for somebody's memory: readable by their owner alone, never through a symbolic link, never over what
//! is there unless told to, and gone again when the work on them fails.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::units::ByteCount;

/// A file in the making. Dropped before [`Output::keep`] it is removed.
#[derive(Debug)]
pub struct Output {
    file: File,
    /// Where it is to be in the end.
    path: PathBuf,
    /// Where it is now: elsewhere in the same directory while it is to replace another.
    current: PathBuf,
    kept: bool,
}

impl Output {
    /// Creates `path` for writing. With `force` a regular file of that name is replaced when all is done, in one step.
    ///
    /// # Errors
    /// `Failed` where it exists already or the place does not take files, `NotPermitted`.
    pub fn create(path: &Path, force: bool) -> Result<Output> {
        let current = if force { replacement(path)? } else { path.to_path_buf() };
        let created = create_new(&current);
        let file = created.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => refuse(path, "it exists already").with_hint("--force replaces it"),
            _ => failure(path, &error),
        })?;
        Ok(Output { file, path: path.to_path_buf(), current, kept: false })
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The folder it is in.
    pub fn folder(&self) -> &Path {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
    }

    /// The same file for writing past the page cache, where it is on a disk that takes that: three times as fast, and
    /// the target's cached files stay where they are.
    pub fn direct(&self) -> Option<File> {
        if self.is_in_memory() {
            return None;
        }
        let flags = libc::O_DIRECT | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        let direct = OpenOptions::new().write(true).custom_flags(flags).open(&self.current).ok()?;
        let (ours, there) = (self.file.metadata().ok()?, direct.metadata().ok()?);
        ((ours.dev(), ours.ino()) == (there.dev(), there.ino())).then_some(direct)
    }

    /// Gives back the page cache that reading it took.
    pub fn forget_cache(&self) {
        let advice = nix::fcntl::PosixFadviseAdvice::POSIX_FADV_DONTNEED;
        // What is not written yet stays cached.
        let _ = nix::fcntl::posix_fadvise(&self.file, 0, 0, advice);
    }

    /// Where it is to be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is on tmpfs, where a file takes the machine's memory.
    pub fn is_in_memory(&self) -> bool {
        nix::sys::statfs::fstatfs(&self.file)
            .is_ok_and(|there| there.filesystem_type() == nix::sys::statfs::TMPFS_MAGIC)
    }

    /// # Errors
    /// `Failed` where the disk has not `needed` bytes left.
    pub fn expect_room(&self, needed: ByteCount) -> Result<()> {
        // Some network file systems do not know; the writing will tell.
        let Ok(disk) = nix::sys::statvfs::fstatvfs(&self.file) else { return Ok(()) };
        let free = ByteCount(disk.blocks_available().saturating_mul(disk.fragment_size()));
        if free >= needed {
            return Ok(());
        }
        Err(refuse(&self.path, format!("not enough space: {needed} are needed and {free} are free there"))
            .with_hint("choose another directory or a narrower range"))
    }

    /// Leaves the file in its place for good.
    ///
    /// # Errors
    /// The kernel's.
    pub fn keep(mut self) -> Result<()> {
        if self.current != self.path {
            fs::rename(&self.current, &self.path).map_err(|error| failure(&self.path, &error))?;
        }
        self.kept = true;
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // Somebody may have put another file there: only ours is removed.
        let ours = self.file.metadata().ok();
        let there = fs::symlink_metadata(&self.current).ok();
        let same = ours.zip(there).is_some_and(|(ours, there)| (ours.dev(), ours.ino()) == (there.dev(), there.ino()));
        if !self.kept && same {
            let _ = fs::remove_file(&self.current);
        }
    }
}

/// A free name beside `path`, which must be a regular file or nothing.
fn replacement(path: &Path) -> Result<PathBuf> {
    match fs::symlink_metadata(path) {
        Ok(there) if !there.is_file() => {
            return Err(refuse(path, "it is not a regular file, and only such are replaced"));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failure(path, &error)),
    }
    let name = path.file_name().ok_or_else(|| refuse(path, "it names no file"))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.partial", std::process::id()));
    let beside = path.with_file_name(hidden);
    // What an earlier process of the same number left behind when it was killed.
    if fs::symlink_metadata(&beside).is_ok_and(|there| there.is_file()) {
        let _ = fs::remove_file(&beside);
    }
    Ok(beside)
}

fn create_new(path: &Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC;
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).custom_flags(flags).open(path)
}

/// An error on the file at `path`, in words where the kernel's are not enough.
pub(in crate::memory) fn failure(path: &Path, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            refuse(path, format!("no space is left there ({error}); what was written is removed"))
        }
        io::ErrorKind::FileTooLarge => {
            refuse(path, "the file system cannot hold a file of that length").with_hint("choose a narrower range")
        }
        io::ErrorKind::NotFound => refuse(path, "there is no such directory"),
        io::ErrorKind::PermissionDenied => {
            Error::new(ErrorKind::NotPermitted, "cannot write", path.display().to_string(), error)
        }
        _ => refuse(path, error),
    }
}

fn refuse(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Failed, "cannot write", path.display().to_string(), reason)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_new_file_is_private_and_goes_unless_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dump");
        let output = Output::create(&path, false).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(output);
        assert!(!path.exists());
        Output::create(&path, false).unwrap().keep().unwrap();
        assert!(path.exists());
    }

    #[test]
    fn what_is_there_is_left_alone_without_force() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("dump"), folder.path().join("link"));
        fs::write(&path, "precious").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for there in [&path, &link] {
            let error = Output::create(there, false).unwrap_err();
            assert!(error.to_string().contains("exists already"), "{error}");
        }
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn force_replaces_regular_files_alone_and_only_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link, directory) = (folder.path().join("dump"), folder.path().join("link"), folder.path().join("d"));
        fs::write(&path, "precious").unwrap();
        fs::create_dir(&directory).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for there in [&link, &directory] {
            let error = Output::create(there, true).unwrap_err();
            assert!(error.to_string().contains("not a regular file"), "{error}");
        }
        drop(Output::create(&path, true).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        Output::create(&path, true).unwrap().keep().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_file_that_somebody_put_in_its_place_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dump");
        let output = Output::create(&path, false).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another's").unwrap();
        drop(output);
        assert_eq!(fs::read(&path).unwrap(), b"another's");
    }
}

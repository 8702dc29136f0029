//! Files that hold answers: whole under their name or not at all, readable by their owner alone, never through a link and
//! never over what is there unless told to.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// Writes `bytes` into a new file at `path`; with `force` in place of a regular file that is there.
///
/// # Errors
/// `Failed` where a file is there already or the disk refuses, `NotPermitted` where we may not write there.
pub fn write_whole(path: &Path, bytes: &[u8], force: bool) -> Result<()> {
    let there = fs::symlink_metadata(path).ok();
    if let Some(there) = there {
        if !force {
            return Err(refusal(path, "it exists already").with_hint("--force replaces it"));
        }
        if !there.is_file() {
            return Err(refusal(path, "it is not a regular file, and only such are replaced"));
        }
    }
    let name = path.file_name().ok_or_else(|| refusal(path, "it names no file"))?;
    let hidden = path.with_file_name(format!(".{}.{}.partial", name.to_string_lossy(), std::process::id()));
    let written = write_new(&hidden, bytes).and_then(|()| place(&hidden, path, force));
    if written.is_err() {
        let _ = fs::remove_file(&hidden);
    }
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => refusal(path, "it exists already").with_hint("--force replaces it"),
        io::ErrorKind::NotFound => refusal(path, "there is no such folder"),
        io::ErrorKind::PermissionDenied => {
            Error::new(ErrorKind::NotPermitted, "cannot write", path.display().to_string(), error)
        }
        _ => refusal(path, error),
    })
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC;
    // What an earlier process of the same number left behind when it was killed.
    if fs::symlink_metadata(path).is_ok_and(|there| there.is_file()) {
        fs::remove_file(path)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).custom_flags(flags).open(path)?;
    file.write_all(bytes)?;
    file.sync_data()
}

/// A link fails where the name is taken, a rename would not.
fn place(hidden: &Path, path: &Path, force: bool) -> io::Result<()> {
    if force {
        return fs::rename(hidden, path);
    }
    match fs::hard_link(hidden, path) {
        Ok(()) => fs::remove_file(hidden),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // Some file systems have no links.
        Err(_) if fs::symlink_metadata(path).is_err() => fs::rename(hidden, path),
        Err(error) => Err(error),
    }
}

fn refusal(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Failed, "cannot write", path.display().to_string(), reason)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn whole_private_and_never_over_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.html");
        write_whole(&path, b"one", false).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(write_whole(&path, b"two", false).unwrap_err().to_string().contains("exists already"));
        assert_eq!(fs::read(&path).unwrap(), b"one");
        write_whole(&path, b"two", true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(write_whole(&link, b"x", true).is_err() && write_whole(&link, b"x", false).is_err());
        assert!(write_whole(&folder.path().join("no/such"), b"x", false).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}

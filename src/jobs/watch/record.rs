//! The record of a watch: lines that are appended whole, so that a crash at any byte costs the last line at most. Reads
//! them back, passing over what is no line.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::report::watch::Line;

/// No line of ours is longer; what is, is none.
const LONGEST: u64 = 4 << 20;
/// What a record begins with.
const BEGINNING: &[u8] = b"{\"type\":\"watch\"";

/// A record being written.
#[derive(Debug)]
pub struct Record {
    file: File,
    path: PathBuf,
    /// Where the last whole line ends.
    end: u64,
}

impl Record {
    /// Opens `path` for appending: a new file, readable by its owner alone, or a record that is there. A line that a crash
    /// left unfinished is closed, so that the next one stands by itself.
    ///
    /// # Errors
    /// The file is no record, or cannot be written.
    pub fn append(path: &Path) -> Result<Record> {
        let failed = |error: std::io::Error| failure(path, &error);
        let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC;
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600).custom_flags(flags);
        let mut file = options.open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(refusal(path, "it is not a regular file"));
        }
        // Two watches would take back one another's lines; where the file system knows no locks, nobody can tell.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(refusal(path, "another watch records into it"));
        }
        if metadata.len() > 0 {
            let mut beginning = vec![0; BEGINNING.len()];
            let is_record = file.read_exact(&mut beginning).is_ok() && beginning == BEGINNING;
            if !is_record {
                return Err(refusal(path, "it exists and is no record of a watch").with_hint("name another file"));
            }
            let mut last = [0];
            file.seek(SeekFrom::End(-1)).and_then(|_| file.read_exact(&mut last)).map_err(failed)?;
            if last != *b"\n" {
                file.write_all(b"\n").map_err(failed)?;
            }
        }
        let end = file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok(Record { file, path: path.to_owned(), end })
    }

    /// Appends `line` in one piece; what a full disk cut off is taken back.
    ///
    /// # Errors
    /// The disk is full or gone.
    pub fn write(&mut self, line: &Line) -> Result<()> {
        let mut text = serde_json::to_vec(line).map_err(|error| failure(&self.path, &error.into()))?;
        text.push(b'\n');
        if let Err(error) = self.file.write_all(&text) {
            // Of a file that somebody emptied meanwhile nothing is to be taken back.
            let is_longer = self.file.metadata().is_ok_and(|metadata| metadata.len() > self.end);
            let _ = is_longer.then(|| self.file.set_len(self.end));
            return Err(failure(&self.path, &error));
        }
        self.end += text.len() as u64;
        Ok(())
    }
}

fn refusal(path: &Path, reason: &str) -> Error {
    Error::new(ErrorKind::Failed, "cannot record into", path.display().to_string(), reason)
}

fn failure(path: &Path, error: &std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::PermissionDenied => ErrorKind::NotPermitted,
        _ => ErrorKind::Failed,
    };
    Error::new(kind, "cannot record into", path.display().to_string(), error)
}

/// Hands every line of the record at `path` to `each` until that has enough; how many lines were none.
///
/// # Errors
/// It cannot be read, or no line of it is one.
pub fn read(path: &Path, each: &mut dyn FnMut(Line) -> bool) -> Result<u64> {
    let failed = |error: &dyn std::fmt::Display| {
        Error::new(ErrorKind::Failed, "cannot read the record", path.display().to_string(), error)
    };
    let file = File::open(path).map_err(|error| failed(&error))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(failed(&"it is a folder"));
    }
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let (mut good, mut bad) = (0u64, 0u64);
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = reader.by_ref().take(LONGEST).read_until(b'\n', &mut line).map_err(|error| failed(&error))?;
        if length == 0 {
            break;
        }
        match serde_json::from_slice::<Line>(&line) {
            Ok(line) => {
                good += 1;
                if !each(line) {
                    break;
                }
            }
            Err(_) => bad += u64::from(!line.trim_ascii().is_empty()),
        }
    }
    if good == 0 {
        return Err(
            failed(&"it holds no line of a watch").with_hint("records are made by leakscope watch --record FILE")
        );
    }
    Ok(bad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::watch::{Header, Sample};

    fn lines(count: i32) -> Vec<Line> {
        let header = Header { schema_version: 1, command: "watch".into(), ..Header::default() };
        let sample = |pid| Line::Sample(Sample { pid, target: "a\u{1b}\n".into(), ..Sample::default() });
        std::iter::once(Line::Watch(header)).chain((1..count).map(sample)).collect()
    }

    fn all(path: &Path) -> (Vec<Line>, u64) {
        let mut found = Vec::new();
        let bad = read(path, &mut |line| {
            found.push(line);
            true
        })
        .unwrap();
        (found, bad)
    }

    #[test]
    fn a_record_cut_at_any_byte_keeps_its_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r");
        let mut record = Record::append(&path).unwrap();
        let written = lines(4);
        written.iter().for_each(|line| record.write(line).unwrap());
        assert!(Record::append(&path).unwrap_err().to_string().contains("another watch"));
        drop(record);
        let bytes = std::fs::read(&path).unwrap();
        let first = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        for cut in first + 1..=bytes.len() {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            let whole = bytes[..cut].iter().filter(|byte| **byte == b'\n').count();
            let (found, _) = all(&path);
            assert!(found.len() == whole || found.len() == whole + 1, "cut at {cut}");
            assert_eq!(found, written[..found.len()]);
            let mut again = Record::append(&path).unwrap();
            again.write(&written[0]).unwrap();
            let (after, bad) = all(&path);
            assert_eq!((after.len(), after.last()), (found.len() + 1, written.first()), "cut at {cut}");
            assert!(bad <= 1);
        }
    }

    #[test]
    fn what_is_no_record_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("precious");
        std::fs::write(&path, "precious").unwrap();
        assert!(Record::append(&path).unwrap_err().to_string().contains("no record"));
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("new"), &link).unwrap();
        assert!(Record::append(&link).is_err());
        assert!(read(&path, &mut |_| true).unwrap_err().to_string().contains("no line of a watch"));
        assert!(Record::append(Path::new("/dev/null")).is_err());
    }
}

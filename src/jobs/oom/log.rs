//! Opening logs that are not the kernel's ring: files, standard input, the journal. Knows what compression looks like.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use super::Log;
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Progress;

/// Enough for the signature and for reads that cost little.
const BUFFER: usize = 1 << 18;

/// Compressions that are told apart, and what unpacks them.
const OTHERS: [(&[u8], &str); 4] = [
    (&[0xfd, b'7', b'z', b'X', b'Z'], "xzcat"),
    (b"BZh", "bzcat"),
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstdcat"),
    (b"LPKSHHRH", "journalctl --file"),
];

/// The text of `log`, with gzip taken off.
pub(super) fn open(log: &Log) -> Result<Box<dyn Read>> {
    match log {
        Log::File(path) => {
            let failed = |error| Error::new(ErrorKind::Failed, "cannot open", log.name(), error);
            let file = File::open(path).map_err(failed)?;
            if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
                return Err(Error::new(ErrorKind::Failed, "cannot read", log.name(), "it is a folder"));
            }
            unpacked(file, log)
        }
        _ => unpacked(std::io::stdin(), log),
    }
}

fn unpacked(log: impl Read + 'static, named: &Log) -> Result<Box<dyn Read>> {
    let mut log = BufReader::with_capacity(BUFFER, log);
    let head = log.fill_buf().map_err(|error| Error::new(ErrorKind::Failed, "cannot read", named.name(), error))?;
    if head.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(flate2::bufread::MultiGzDecoder::new(log)));
    }
    if let Some((_, tool)) = OTHERS.iter().find(|(signature, _)| head.starts_with(signature)) {
        let name = named.name();
        let hint = format!("run: {tool} {name} | leakscope oom -");
        return Err(Error::new(ErrorKind::Failed, "cannot read", name, "it is not text").with_hint(hint));
    }
    Ok(Box::new(log))
}

/// A log that ends when a person asks to stop, so that what was found is still answered.
pub(super) struct Heeding<'l> {
    pub log: &'l mut dyn Read,
    pub progress: &'l dyn Progress,
}

impl Read for Heeding<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.progress.interrupted() { Ok(0) } else { self.log.read(buffer) }
    }
}

/// The journal being read.
pub(super) struct Journal {
    child: Child,
    text: ChildStdout,
}

impl Read for Journal {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.text.read(buffer)
    }
}

/// The kernel's messages of all boots in the journal, where there is one.
pub(super) fn journal() -> Option<Journal> {
    let mut command = Command::new("journalctl");
    command.args(["--no-pager", "--quiet", "--output=json", "_TRANSPORT=kernel"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let text = child.stdout.take()?;
    Some(Journal { child, text })
}

/// Lets the journal's reader go. What it ended with tells nothing that its text does not.
pub(super) fn end(mut journal: Journal) {
    drop(journal.text);
    let _ = journal.child.kill();
    let _ = journal.child.wait();
}

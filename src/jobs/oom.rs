//! `leakscope oom`: opens a kernel log, reads its OOM reports, writes them as they are found. Knows where logs are;
//! leaves reading them to `oom` and wording to `report`.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};

use crate::error::{Error, ErrorKind, Result};
use crate::oom::{OomReport, read_reports};
use crate::report::oom_model::OomDocument;

/// Where the log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OomInput {
    /// The kernel's ring, else the journal.
    Kernel,
    /// Standard input.
    Stdin,
    /// A file, perhaps compressed with gzip.
    File(std::path::PathBuf),
}

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OomOptions {
    /// JSON instead of text.
    pub json: bool,
    /// Explain flags and terms.
    pub verbose: bool,
}

/// Reads the log and writes every report to `out`.
pub fn run(input: &OomInput, options: &OomOptions, out: &mut dyn Write) -> Result<()> {
    let mut log = open(input)?;
    let mut document = OomDocument::default();
    let mut failed = None;
    read_reports(&mut log, &mut |report| {
        if failed.is_none() {
            failed = write_one(&report, options, &mut document, out).err();
        }
    })
    .map_err(|error| Error::new(ErrorKind::Failed, "cannot read", subject(input), error))?;
    if options.json {
        let end = document.end(&[]).map_err(std::io::Error::from);
        failed = failed.or(end.and_then(|end| out.write_all(end.as_bytes())).err());
    }
    match failed {
        Some(error) => Err(Error::new(ErrorKind::Failed, "cannot write", "the answer", error)),
        None => Ok(()),
    }
}

fn write_one(
    report: &OomReport,
    options: &OomOptions,
    document: &mut OomDocument,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let text = if options.json { document.report(report)? } else { format!("{report:#?}\n") };
    out.write_all(text.as_bytes())
}

fn subject(input: &OomInput) -> String {
    match input {
        OomInput::Kernel => "/dev/kmsg".to_owned(),
        OomInput::Stdin => "standard input".to_owned(),
        OomInput::File(path) => path.display().to_string(),
    }
}

fn open(input: &OomInput) -> Result<Box<dyn Read>> {
    let opened = match input {
        OomInput::Kernel => File::open("/dev/kmsg").map(|file| Box::new(file) as Box<dyn Read>),
        OomInput::Stdin => unpacked(std::io::stdin()),
        OomInput::File(path) => File::open(path).and_then(unpacked),
    };
    opened.map_err(|error| Error::new(ErrorKind::Failed, "cannot open", subject(input), error))
}

/// Takes gzip off where it is.
fn unpacked(log: impl Read + 'static) -> std::io::Result<Box<dyn Read>> {
    let mut log = BufReader::with_capacity(1 << 18, log);
    let is_gzip = log.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    Ok(if is_gzip { Box::new(flate2::read::MultiGzDecoder::new(log)) } else { Box::new(log) })
}

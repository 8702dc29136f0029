//! `oom`: what the kernel said when memory ran out. Opens the log, reads its reports, joins them with what is alive now,
//! and hands them out one by one: a log may hold more of them than fit into memory.

mod alive;
mod kernel_log;
mod log;

use std::collections::VecDeque;
use std::path::PathBuf;

use super::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::oom::{OomReport, read_reports};
use crate::report::oom_model::Now;
use kernel_log::KernelLog;

/// Where the log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Log {
    /// The kernel's ring, and the journal where that holds no report.
    Kernel,
    /// Standard input.
    Stdin,
    /// A file, perhaps compressed with gzip.
    File(PathBuf),
}

impl Log {
    /// What a person calls it.
    pub fn name(&self) -> String {
        match self {
            Log::Kernel => "the kernel's log".to_owned(),
            Log::Stdin => "standard input".to_owned(),
            Log::File(path) => path.display().to_string(),
        }
    }
}

/// `oom`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oom {
    /// Where to read.
    pub log: Log,
    /// Wait for kills to come instead of reading what is there.
    pub follow: bool,
    /// Only so many reports, the last ones.
    pub last: Option<usize>,
}

/// Takes a report and what is known of its victim now; answers whether to go on.
pub type Each<'e> = dyn FnMut(&OomReport, Option<&Now>) -> bool + 'e;

/// Hands every report to `each`, and answers how many there were.
///
/// # Errors
/// The log cannot be opened or read.
pub fn run(request: &Oom, context: &Context, each: &mut Each) -> Result<u64> {
    match &request.log {
        Log::Kernel if request.follow => follow(context, each),
        Log::Kernel => from_kernel(request, context, each),
        log => {
            let mut reader = log::open(log)?;
            let mut reader = log::Heeding { log: &mut reader, progress: context.progress };
            read(&mut reader, &log.name(), request.last, &mut |report| each(&report, None))
        }
    }
}

/// Reads `log` to its end.
fn read(
    log: &mut dyn std::io::Read,
    name: &str,
    last: Option<usize>,
    each: &mut dyn FnMut(OomReport) -> bool,
) -> Result<u64> {
    let mut count = 0;
    let mut kept: VecDeque<OomReport> = VecDeque::new();
    let mut wanted = true;
    read_reports(log, &mut |report| {
        count += 1;
        match last {
            None => wanted = wanted && each(report),
            Some(last) => {
                kept.push_back(report);
                while kept.len() > last {
                    kept.pop_front();
                }
            }
        }
    })
    .map_err(|error| Error::new(ErrorKind::Failed, "cannot read", name, error))?;
    for report in kept {
        wanted = wanted && each(report);
    }
    Ok(count)
}

/// The kernel's ring first; it is short, and forgets.
fn from_kernel(request: &Oom, context: &Context, each: &mut Each) -> Result<u64> {
    let ring = KernelLog::open();
    let refused = match ring {
        Ok(mut ring) => {
            let booted = ring.booted();
            let count = read(&mut ring, "/dev/kmsg", request.last, &mut |report| {
                let report = kernel_log::dated(report, booted);
                each(&report, Some(&alive::now(&report)))
            })?;
            if count > 0 {
                return Ok(count);
            }
            None
        }
        Err(error) => Some(error),
    };
    match log::journal() {
        Some(mut journal) => {
            let mut text = log::Heeding { log: &mut journal, progress: context.progress };
            (context.remark)("no report in /dev/kmsg, reading the journal");
            let found = read(&mut text, "the journal", request.last, &mut |report| {
                let now = alive::now(&report);
                each(&report, Some(&now))
            });
            log::end(journal);
            found
        }
        None => refused.map_or(Ok(0), Err),
    }
}

/// The kernel's log from now on, for whoever watches processes.
pub(super) fn followed() -> Result<KernelLog> {
    KernelLog::open_at_end()
}

/// Waits for kills until interrupted.
fn follow(context: &Context, each: &mut Each) -> Result<u64> {
    let mut ring = KernelLog::open_at_end()?;
    let booted = ring.booted();
    context.progress.begin("waiting for an OOM kill", None);
    let mut count = 0;
    let outcome = ring.follow(&mut || context.progress.interrupted(), &mut |report| {
        count += 1;
        let report = kernel_log::dated(report, booted);
        each(&report, Some(&alive::now(&report)))
    });
    context.progress.end();
    outcome.map(|()| count)
}

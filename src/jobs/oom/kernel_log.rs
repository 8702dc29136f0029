//! The kernel's ring, /dev/kmsg: one record a read. Knows how it says that nothing is there (EAGAIN) and that records were
//! overwritten (EPIPE), and that its clock counts from the boot.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind as Io, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use nix::time::{ClockId, clock_gettime};

use crate::error::{Error, ErrorKind, Result};
use crate::oom::{OomReport, Splitter, Undresser};

const PATH: &str = "/dev/kmsg";
/// A record is at most 8 KiB (CONSOLE_EXT_LOG_MAX); a shorter buffer would be refused.
const LONGEST_RECORD: usize = 16 << 10;
/// How often the ring is asked for news.
const NAP: Duration = Duration::from_millis(100);
/// A report that no further line came for in this time is complete.
const COMPLETE: Duration = Duration::from_millis(1000);

/// The ring, from where it was opened to its end.
pub(in crate::jobs) struct KernelLog {
    file: File,
    record: Vec<u8>,
    /// What of the record was handed out.
    taken: usize,
    filled: usize,
}

impl KernelLog {
    /// From the oldest record.
    pub(super) fn open() -> Result<KernelLog> {
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(PATH).map_err(refused)?;
        Ok(KernelLog { file, record: vec![0; LONGEST_RECORD], taken: 0, filled: 0 })
    }

    /// Only what comes from now on.
    pub(super) fn open_at_end() -> Result<KernelLog> {
        let mut log = KernelLog::open()?;
        log.file.seek(SeekFrom::End(0)).map_err(refused)?;
        Ok(log)
    }

    /// When the clock of the records began.
    pub(super) fn booted(&self) -> Option<Timestamp> {
        let since = clock_gettime(ClockId::CLOCK_MONOTONIC).ok()?;
        Timestamp::now().checked_sub(SignedDuration::new(since.tv_sec(), i32::try_from(since.tv_nsec()).ok()?)).ok()
    }

    /// The next record; false where there is none.
    fn next(&mut self) -> std::io::Result<bool> {
        loop {
            match self.file.read(&mut self.record) {
                Ok(0) => return Ok(false),
                Ok(length) => {
                    (self.taken, self.filled) = (0, length);
                    return Ok(true);
                }
                Err(error) if error.kind() == Io::WouldBlock => return Ok(false),
                // Records were overwritten before they were read: what is left comes next.
                Err(error) if matches!(error.kind(), Io::BrokenPipe | Io::Interrupted) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Hands out reports as they come until `stop` says so or `each` has enough.
    pub(in crate::jobs) fn follow(
        &mut self,
        stop: &mut dyn FnMut() -> bool,
        each: &mut dyn FnMut(OomReport) -> bool,
    ) -> Result<()> {
        let mut undresser = Undresser::default();
        let mut splitter = Splitter::default();
        let mut heard = Instant::now();
        let mut wanted = true;
        while wanted && !stop() {
            let failed = |error| Error::new(ErrorKind::Failed, "cannot read", PATH, error);
            if self.next().map_err(failed)? {
                for raw in self.record[..self.filled].split(|byte| *byte == b'\n') {
                    undresser.undress(raw, &mut |line| {
                        splitter.line(line);
                    });
                }
                heard = Instant::now();
            } else {
                if splitter.is_open() && heard.elapsed() > COMPLETE {
                    splitter.finish();
                }
                std::thread::sleep(NAP);
            }
            splitter.drain(&mut |report| wanted = wanted && each(report));
        }
        Ok(())
    }
}

impl Read for KernelLog {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.taken == self.filled && !self.next()? {
            return Ok(0);
        }
        let length = buffer.len().min(self.filled - self.taken);
        buffer[..length].copy_from_slice(&self.record[self.taken..self.taken + length]);
        self.taken += length;
        Ok(length)
    }
}

/// The report with its instant, where only the time since boot was known.
pub(super) fn dated(mut report: OomReport, booted: Option<Timestamp>) -> OomReport {
    let since = report.when.uptime.and_then(|uptime| SignedDuration::try_from_secs_f64(uptime).ok());
    if let (None, Some(booted), Some(since)) = (report.when.utc, booted, since) {
        report.when.utc = booted.checked_add(since).ok();
    }
    report
}

fn refused(error: std::io::Error) -> Error {
    if error.kind() == Io::PermissionDenied {
        let reason = "only root may read it here (sysctl kernel.dmesg_restrict)";
        return Error::new(ErrorKind::NotPermitted, "cannot read", PATH, reason)
            .with_hint("run: sudo leakscope oom, or give it a log file");
    }
    Error::new(ErrorKind::Failed, "cannot open", PATH, error).with_hint("give it a log file: leakscope oom FILE")
}

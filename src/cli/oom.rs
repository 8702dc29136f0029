//! `oom` on the command line: writes reports as they are found, since a log may hold more than fits into memory.

use std::cell::Cell;
use std::io::{self, Write};

use super::console::Console;
use super::plan::OomPlan;
use super::{exit, is_closed, unwritten};
use crate::error::{Error, ErrorKind};
use crate::jobs::Context;
use crate::jobs::oom;
use crate::oom::OomReport;
use crate::progress::Progress;
use crate::report::oom_model::{Now, OomDocument, json_line};
use crate::report::text;

/// Does it, and answers how that ended.
pub fn carry_out(plan: &OomPlan, context: &Context, console: &Console) -> u8 {
    let mut writer = Writer { plan, out: io::BufWriter::new(io::stdout().lock()), document: OomDocument::default() };
    let failed: Cell<Option<io::Error>> = Cell::new(None);
    let answer = oom::run(&plan.request, context, &mut |report, now| match writer.write(report, now) {
        Ok(()) => true,
        Err(error) => {
            failed.set(Some(error));
            false
        }
    });
    console.end();
    let (count, error) = match answer {
        Ok(count) => (count, None),
        Err(error) => (0, Some(error)),
    };
    let ended = failed.into_inner().map_or_else(|| writer.end(error.is_some()), Err);
    if let Some(error) = error {
        return refuse(&error, console);
    }
    match ended {
        Err(error) if !is_closed(&error) => refuse(&unwritten(error), console),
        _ if console.interrupted() && !plan.request.follow => exit::INTERRUPTED,
        _ => {
            if count == 0 && !plan.request.follow {
                console.note(&format!("no OOM report in {}", plan.request.log.name()));
            }
            exit::ANSWERED
        }
    }
}

fn refuse(error: &Error, console: &Console) -> u8 {
    if error.kind() != ErrorKind::Interrupted {
        console.error(&error.to_string());
    }
    exit::code(error.kind())
}

struct Writer<'p, W: Write> {
    plan: &'p OomPlan,
    out: W,
    document: OomDocument,
}

impl<W: Write> Writer<'_, W> {
    fn write(&mut self, report: &OomReport, now: Option<&Now>) -> io::Result<()> {
        let text = match (self.plan.json, self.plan.request.follow) {
            (true, true) => json_line(report, now)? + "\n",
            (true, false) => self.document.report(report, now)?,
            (false, _) => text::oom(report, now, self.plan.verbose, &self.plan.style) + "\n",
        };
        self.out.write_all(text.as_bytes())?;
        if self.plan.request.follow { self.out.flush() } else { Ok(()) }
    }

    /// Closes the document; one that nothing was read for is not begun.
    fn end(&mut self, failed: bool) -> io::Result<()> {
        let answers = !failed || self.document.is_begun();
        if self.plan.json && !self.plan.request.follow && answers {
            let end = std::mem::take(&mut self.document).end(&[])?;
            self.out.write_all(end.as_bytes())?;
        }
        self.out.flush()
    }
}

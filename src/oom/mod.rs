//! The kernel's OOM reports: read from any kernel log, taken apart, explained. Knows the texts of Linux 2.6.12 to 6.18 and
//! what they add up to. Leaves opening of logs and joining with live processes to `jobs`, wording for people to `report`.

pub mod amount;
pub mod cause;
pub mod gfp;
mod gfp_bits;
pub mod memory;
mod parse;
mod reading;
pub mod report;
mod split;

pub use reading::Undresser;
pub use report::OomReport;
pub use split::Splitter;

use std::io::Read;

use reading::{Heed, Skimmed, skim};

/// Hands every OOM report in `log` to `each`, in the log's order. Uses a few MiB whatever the length of the log.
pub fn read_reports(log: &mut dyn Read, each: &mut dyn FnMut(OomReport)) -> std::io::Result<()> {
    let mut undresser = Undresser::default();
    let mut splitter = Splitter::default();
    skim(log, &mut |skimmed| {
        let mut known = false;
        match skimmed {
            Skimmed::Line(raw) => undresser.undress(raw, &mut |line| known |= splitter.line(line)),
            Skimmed::Gap => splitter.gap(),
        }
        splitter.drain(each);
        match (known, splitter.awaits_parts()) {
            (true, _) => Heed::Part,
            (false, true) => Heed::Awaited,
            (false, false) => Heed::Complete,
        }
    })?;
    undresser.flush(&mut |line| {
        splitter.line(line);
    });
    splitter.finish();
    splitter.drain(each);
    Ok(())
}

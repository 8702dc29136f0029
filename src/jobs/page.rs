//! `report`: the record of a watch as one HTML page.

use std::path::Path;

use jiff::tz::TimeZone;

use super::writing::write_whole;
use super::{Context, watch};
use crate::error::Result;
use crate::report::html;
use crate::report::watch::Board;

/// Judges the record at `record` anew and writes the page `output`; with `force` over a file that is there.
///
/// # Errors
/// The record cannot be read, or the page not be written.
pub fn report_page(record: &Path, output: &Path, force: bool, zone: &TimeZone, context: &Context) -> Result<()> {
    let mut board = Board::default();
    watch::replay(record, context, &mut |line| {
        board.take(line);
        true
    })?;
    super::copying::check_interrupted(context)?;
    write_whole(output, html::page(&board, zone).as_bytes(), force)?;
    (context.remark)(&format!("wrote {}", output.display()));
    Ok(())
}

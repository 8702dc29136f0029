//! What can be typed after `heap`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::method::SnapshotArgs;
use super::values;
use crate::units::Addr;

#[derive(Args, Debug)]
#[command(
    after_help = "The copy is made in the gentlest way that suits: without a stop while nobody in it runs, while it runs with a stop
of milliseconds, or in one stop (about 0.25 ms per MiB), which is not made where it would take more than 200 ms unless
--max-pause or --method stop say so. All else is done on the copy. Lost is what no register, stack or static variable
leads to any more.

Examples:
  leakscope heap 4711
  leakscope heap 4711 --for 5s          with growth between two walks
  leakscope heap core.4711
  leakscope heap 4711 --why 0x55d0c0a1f2a0"
)]
pub struct HeapArgs {
    /// A core, or a process
    #[arg(value_name = "FILE|TARGET")]
    pub subject: OsString,
    /// Groups at most
    #[arg(long, short = 'n', value_name = "COUNT", default_value = "20", value_parser = clap::value_parser!(u32).range(1..))]
    pub top: u32,
    /// Walk it twice, so far apart, and tell what grew
    #[arg(long = "for", value_name = "DURATION", value_parser = values::duration)]
    pub window: Option<Duration>,
    /// Tell who holds the chunk at this address
    #[arg(long, value_name = "ADDR", value_parser = values::address)]
    pub why: Option<Addr>,
    #[command(flatten)]
    pub snapshot: SnapshotArgs,
    /// Hold the copy in a file in this folder, which has no name and ends with leakscope, in place of memory
    #[arg(long, value_name = "FOLDER")]
    pub spool: Option<PathBuf>,
    /// Read swapped-out pages too, which brings them back into the target's memory
    #[arg(long)]
    pub include_swapped: bool,
    /// Exit with 10 where memory is lost
    #[arg(long)]
    pub exit_code: bool,
}

//! What can be typed after `dump`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::args::PartArgs;
use super::method::SnapshotArgs;
use crate::jobs::Compression;

/// The format of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DumpFormat {
    /// The bytes as they stand, absent pages as holes
    Raw,
    /// An ELF core of all private memory, for debuggers and for `heap`
    Core,
}

/// The compression of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DumpCompression {
    None,
    /// zstd frames of 4 MiB each; `zstd -d` gives the plain file
    Zstd,
}

impl From<DumpCompression> for Compression {
    fn from(compression: DumpCompression) -> Compression {
        match compression {
            DumpCompression::None => Compression::None,
            DumpCompression::Zstd => Compression::Zstd,
        }
    }
}

#[derive(Args, Debug)]
#[command(
    after_help = "The file is byte for byte what gdb's `dump binary memory` writes; beside it FILE.json tells the addresses.
It holds whatever the process held, secrets included, and is readable by its owner only.

Examples:
  leakscope dump 4711 -o heap.raw --region heap
  leakscope dump 4711 -o core.4711 --format core
  leakscope dump 4711 -o part.raw --range 0x55d0c0a1f000+64MiB"
)]
pub struct DumpArgs {
    /// A pid, a process name, children:PID or cgroup:PATH
    pub target: String,
    #[command(flatten)]
    pub part: PartArgs,
    /// File to write [default: leakscope-PID.raw, .raw.zst or .core]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write over an existing file
    #[arg(long, short)]
    pub force: bool,
    /// How to write it
    #[arg(long, value_enum, default_value = "raw")]
    pub format: DumpFormat,
    /// Compress it; other commands read it as it is
    #[arg(long, value_enum, value_name = "HOW", default_value = "none")]
    pub compress: DumpCompression,
    #[command(flatten)]
    pub snapshot: SnapshotArgs,
    /// Make no sha256, which takes longer than the rest
    #[arg(long)]
    pub no_hash: bool,
    /// Tell what it would cost the process, and touch nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Read swapped-out pages too, which brings them back into the target's memory
    #[arg(long)]
    pub include_swapped: bool,
}

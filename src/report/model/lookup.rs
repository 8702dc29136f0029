//! The answers of the commands that do one step of the work each.

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::{Content, Heap, RegionRow, Snapshot, TargetRow, Totals};
use crate::units::{Addr, ByteCount, Rate, Span};

/// The answer of `map`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Map {
    /// The process.
    pub target: TargetRow,
    /// Its regions, in the order asked for.
    pub regions: Vec<RegionRow>,
    /// Their sum.
    pub totals: Totals,
    /// Cautions.
    pub warnings: Vec<String>,
}

/// The answer of `top`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Top {
    /// How long growth was watched; null where it was not.
    pub seconds: Option<f64>,
    /// In the order asked for.
    pub processes: Vec<ProcessRow>,
    /// Processes beyond those listed.
    pub omitted_processes: u64,
    /// Cautions.
    pub warnings: Vec<String>,
}

/// One process in `top`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ProcessRow {
    /// Process id.
    pub pid: i32,
    /// The kernel's short name.
    pub name: String,
    /// Real user id.
    pub uid: Option<u32>,
    /// Resident.
    pub rss_bytes: Option<ByteCount>,
    /// Resident, shared pages divided; null without the permission to see it.
    pub pss_bytes: Option<ByteCount>,
    /// Swapped out.
    pub swap_bytes: Option<ByteCount>,
    /// Growth between two looks.
    pub growth_bytes_per_second: Option<Rate>,
    /// The kernel's badness, 0 to 1000 and above.
    pub oom_score: Option<i64>,
    /// The nearest limit.
    pub limit_bytes: Option<ByteCount>,
    /// What is left below it.
    pub headroom_bytes: Option<ByteCount>,
}

/// The answer of `dump`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Dump {
    /// The process.
    pub target: TargetRow,
    /// What was copied.
    pub range: Span,
    /// The file.
    pub path: String,
    /// `raw`.
    pub format: String,
    /// Bytes written, holes not counted.
    pub bytes: ByteCount,
    /// What they and the holes take in a file that is compressed by zstd; null in others.
    pub compressed_bytes: Option<ByteCount>,
    /// Left out as holes of the file.
    pub hole_bytes: ByteCount,
    /// `idle`, `precopy`, `fork`, `stop` or `live`.
    pub method: String,
    /// Longest time the target stood still.
    pub pause_ms: Option<f64>,
    /// Page tables that a copy-on-write child took meanwhile.
    pub page_tables_bytes: ByteCount,
    /// Memory that the target's own writes took twice while there was a child.
    pub copy_on_write_bytes: ByteCount,
    /// Time it took in all.
    pub seconds: f64,
    /// Of the whole content, holes read as zeros.
    pub sha256: Option<String>,
    /// Whether all that was wanted is there.
    pub complete: bool,
    /// Cautions.
    pub warnings: Vec<String>,
}

/// The answer of `dump --dry-run`: what each way would cost the target.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Plan {
    /// The process.
    pub target: TargetRow,
    /// What would be copied.
    pub range: Span,
    /// The way that would be tried first; null where none would do.
    pub method: Option<String>,
    /// All ways, the gentlest first.
    pub ways: Vec<WayRow>,
    /// Cautions.
    pub warnings: Vec<String>,
}

/// One way to copy.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct WayRow {
    /// Its name.
    pub method: String,
    /// Expected longest time that a thread stands still.
    pub pause_ms: f64,
    /// Page tables added meanwhile.
    pub page_tables_bytes: ByteCount,
    /// Memory that the target's own writes can take twice meanwhile, at most.
    pub copy_on_write_bytes: ByteCount,
    /// What is left below the nearest limit at which the kernel kills, where that matters.
    pub headroom_bytes: Option<ByteCount>,
    /// Why it cannot be used.
    pub objection: Option<String>,
}

/// The answer of `scan`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Scan {
    /// The process, where one was scanned.
    pub target: Option<TargetRow>,
    /// The file, where one was scanned.
    pub path: Option<String>,
    /// What was scanned.
    pub range: Option<Span>,
    /// How the bytes of a process were had.
    pub snapshot: Option<Snapshot>,
    /// What fills it.
    pub content: Option<Content>,
    /// Cautions.
    pub warnings: Vec<String>,
}

/// The answer of `diff`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Diff {
    /// The earlier file.
    pub before: String,
    /// The later file.
    pub after: String,
    /// Time between the two; null where no manifest tells.
    pub seconds: Option<f64>,
    /// What fills the later one, with growth since the earlier.
    pub content: Option<Content>,
    /// The later heap with growth since the earlier; null where they are no cores, or have no heap that is known.
    pub heap: Option<Box<Heap>>,
    /// Cautions.
    pub warnings: Vec<String>,
}

/// The answer of `hex`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Hex {
    /// The process, where one was read.
    pub target: Option<TargetRow>,
    /// The file, where one was read.
    pub path: Option<String>,
    /// What was looked at.
    pub range: Option<Span>,
    /// What was searched for, in hexadecimal.
    pub find: Option<String>,
    /// Where it was found.
    pub matches: Vec<Addr>,
    /// Readable bytes, in order; what lies between two stretches cannot be read or was not asked for.
    pub stretches: Vec<Stretch>,
    /// Cautions.
    pub warnings: Vec<String>,
}

/// Bytes at an address.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stretch {
    /// Where they begin.
    pub start: Addr,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Serialize for Stretch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Stretch", 3)?;
        fields.serialize_field("start", &self.start)?;
        fields.serialize_field("end", &self.start.plus(ByteCount(self.bytes.len() as u64)))?;
        fields.serialize_field("hex", &hexadecimal(&self.bytes))?;
        fields.end()
    }
}

/// Two digits a byte.
fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
        .map(char::from)
        .collect()
}

/// The answer of `doctor`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Doctor {
    /// The process, where one was named.
    pub target: Option<TargetRow>,
    /// What was tried.
    pub checks: Vec<CheckRow>,
    /// Cautions.
    pub warnings: Vec<String>,
}

/// One thing tried.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CheckRow {
    /// What for.
    pub name: String,
    /// Whether it works.
    pub ok: bool,
    /// How that shows.
    pub detail: String,
    /// The command that helps.
    pub remedy: Option<String>,
}

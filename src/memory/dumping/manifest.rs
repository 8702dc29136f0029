//! The manifest beside a raw dump: which addresses its bytes had, what is missing, of whom and when it was made.
//! Knows its JSON and how to read a hostile one; who writes it where is `dump`'s business.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::packer::{Compression, Frames};
use crate::memory::Method;
use crate::space::{Mapping, Permissions};
use crate::units::{Addr, ByteCount, Span};

/// The first version of the format; readers refuse higher ones.
pub const SCHEMA_VERSION: u32 = 1;
/// More than the largest possible one: 65 530 mappings and 100 000 stretches are about 20 MB.
const SIZE_LIMIT: u64 = 64 << 20;
/// Above this many stretches `present` is left out, and the holes of the file have to tell.
const STRETCH_LIMIT: usize = 100_000;

/// What `FILE.json` says about `FILE`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// 1.
    pub schema_version: u32,
    /// `raw`: byte N of the content is the byte at `range.start` + N. Sizes and `sha256` are of the content, which is the
    /// file as it is or, where that is compressed, what `zstd -dc` makes of it.
    pub format: String,
    /// How the file holds the content.
    #[serde(default)]
    pub compression: Compression,
    /// Where what is of the content in a compressed file; null in others, and until all was written.
    #[serde(default)]
    pub frames: Option<Frames>,
    /// False until all was written; a dump that was cut off keeps it false.
    pub complete: bool,
    /// When it was made, RFC 3339 UTC.
    pub time: String,
    /// Version of the tool that made it.
    pub leakscope_version: String,
    /// Kernel release it was made on.
    pub kernel: String,
    /// Whose memory it is.
    pub target: ManifestTarget,
    /// Addresses of the content's first byte and of the one past its last.
    pub range: Span,
    /// Bytes that are stored. With `hole_bytes` this is the size of `range`, and the length of the content.
    pub bytes: ByteCount,
    /// Bytes that are holes.
    pub hole_bytes: ByteCount,
    /// Page size of the machine.
    pub page_size_bytes: ByteCount,
    /// How the bytes were taken.
    pub method: Method,
    /// In how many stops; more than one means stretches of different instants.
    pub stops: u32,
    /// The longest the target stood still, in milliseconds.
    pub pause_ms: f64,
    /// Of the whole content, holes as zeros; null where the holes are too large to be worth it, or none was wanted.
    pub sha256: Option<String>,
    /// Stretches that are stored; null where there are too many to list.
    pub present: Option<Vec<Span>>,
    /// Stretches left in swap: holes, but not zeros.
    pub swapped: Vec<Span>,
    /// Stretches that could not be read, or where nothing was mapped: holes, but not zeros.
    pub gaps: Vec<Span>,
    /// The whole address space at that time.
    pub mappings: Vec<ManifestMapping>,
}

/// Who was dumped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestTarget {
    /// Its pid.
    pub pid: i32,
    /// Its name, at most 15 bytes.
    pub name: String,
    /// Its program, where known.
    pub exe: Option<String>,
    /// Its arguments.
    pub cmdline: Vec<String>,
    /// When it started, RFC 3339 UTC.
    pub start_time: String,
}

/// One line of maps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestMapping {
    /// First address.
    pub start: Addr,
    /// First address past it.
    pub end: Addr,
    /// As in maps, `rw-p`.
    pub permissions: String,
    /// Offset in the file behind it.
    pub offset: ByteCount,
    /// Major and minor number of that file's device.
    pub device: (u32, u32),
    /// Inode of that file, 0 for none.
    pub inode: u64,
    /// Last column of maps.
    pub name: String,
}

impl From<&Mapping> for ManifestMapping {
    fn from(mapping: &Mapping) -> ManifestMapping {
        ManifestMapping {
            start: mapping.span.start,
            end: mapping.span.end,
            permissions: mapping.permissions.to_string(),
            offset: mapping.offset,
            device: mapping.device,
            inode: mapping.inode,
            name: mapping.name.clone(),
        }
    }
}

impl From<&ManifestMapping> for Mapping {
    fn from(mapping: &ManifestMapping) -> Mapping {
        Mapping {
            span: Span::new(mapping.start, mapping.end),
            permissions: Permissions::parse(&mapping.permissions),
            offset: mapping.offset,
            device: mapping.device,
            inode: mapping.inode,
            name: mapping.name.clone(),
        }
    }
}

impl Manifest {
    /// Where the manifest of the dump at `path` is: `FILE.json`.
    pub fn path_for(path: &Path) -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(".json");
        PathBuf::from(name)
    }

    /// The stretches to list, `None` where there are too many.
    pub(in crate::memory) fn listed(present: &[Span]) -> Option<Vec<Span>> {
        (present.len() <= STRETCH_LIMIT).then(|| present.to_vec())
    }

    /// Reads a manifest from an open file. What it says is checked for sense, not for truth.
    ///
    /// # Errors
    /// `InvalidData` where it is too large, not JSON, not a manifest, of a later version, or contradicts itself.
    pub fn read(file: File) -> io::Result<Manifest> {
        let mut bytes = Vec::new();
        file.take(SIZE_LIMIT + 1).read_to_end(&mut bytes)?;
        let invalid = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
        if bytes.len() as u64 > SIZE_LIMIT {
            return Err(invalid("it is larger than any manifest".into()));
        }
        let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))?;
        manifest.check().map_err(invalid)?;
        Ok(manifest)
    }

    fn check(&self) -> std::result::Result<(), String> {
        if self.schema_version > SCHEMA_VERSION {
            return Err(format!("its schema_version {} is newer than this program", self.schema_version));
        }
        if self.format != "raw" {
            return Err("its format is not raw".into());
        }
        if self.range.start > self.range.end || self.range.size() != self.bytes + self.hole_bytes {
            return Err("its range and its length differ".into());
        }
        let is_compressed = self.compression != Compression::None;
        if is_compressed && !self.frames.as_ref().map_or(!self.complete, |frames| frames.hold(self.range.size())) {
            return Err("its frames are not those of a file of that length".into());
        }
        let stored = self.present.as_deref().unwrap_or_default();
        if [stored, &self.swapped, &self.gaps].into_iter().all(in_order) {
            return Ok(());
        }
        Err("its spans are not in order".into())
    }
}

fn in_order(spans: &[Span]) -> bool {
    spans.iter().all(|span| span.start <= span.end) && spans.is_sorted_by(|left, right| left.end <= right.start)
}

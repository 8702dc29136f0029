//! What fills memory, as rows: composition and groups.

use serde::{Serialize, Serializer};

use crate::scan::{Composition, Group, GroupKind, Label, ScanResult};
use crate::units::{Addr, ByteCount, Rate};

/// Letters of a sample that are kept, at most.
const SAMPLE_LETTERS: usize = 512;
/// Letters of a label, at most: a hostile record can have ten thousand keys.
const LABEL_LETTERS: usize = 4096;

/// What fills the memory that was scanned.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Content {
    /// Bytes looked at.
    pub scanned_bytes: ByteCount,
    /// What kinds of bytes they are.
    pub composition: CompositionRow,
    /// Ranked by growth, then by size.
    pub groups: Vec<GroupRow>,
    /// Groups found beyond those listed.
    pub omitted_groups: u64,
    /// Whether counts are lower bounds because a table was full.
    pub sampled: bool,
}

/// Bytes by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct CompositionRow {
    /// In JSON records.
    pub json_bytes: ByteCount,
    /// In other printable runs.
    pub text_bytes: ByteCount,
    /// In words that point into the address map.
    pub pointer_bytes: ByteCount,
    /// Zero.
    pub zero_bytes: ByteCount,
    /// Neither.
    pub other_bytes: ByteCount,
}

/// All members of one likeness.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupRow {
    /// How they are alike.
    pub kind: GroupKind,
    /// What they are called.
    #[serde(serialize_with = "as_text")]
    pub label: Label,
    /// Members.
    pub count: u64,
    /// Their bytes.
    pub bytes: ByteCount,
    /// Part of the bytes scanned, 0 to 1.
    pub share: f64,
    /// Members more than at the start; null for a single scan, as the next two.
    pub growth_count: Option<i64>,
    /// Bytes more than at the start.
    pub growth_bytes: Option<i64>,
    /// The same by time.
    pub bytes_per_second: Option<Rate>,
    /// A few of the latest.
    pub samples: Vec<SampleRow>,
}

/// One member to look at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SampleRow {
    /// Where it begins.
    pub address: Addr,
    /// How it begins.
    pub text: String,
}

impl Content {
    /// The content that `scan` found; `seconds` lie between its two looks, where there were two and it is known.
    pub fn from_scan(scan: &ScanResult, seconds: Option<f64>) -> Content {
        Content {
            scanned_bytes: scan.scanned,
            composition: CompositionRow::from(&scan.composition),
            groups: scan.groups.iter().map(|group| GroupRow::from_group(group, scan.scanned, seconds)).collect(),
            omitted_groups: 0,
            sampled: scan.sampled,
        }
    }

    /// The same with the first `limit` groups only.
    pub fn top(mut self, limit: usize) -> Content {
        let omitted = self.groups.len().saturating_sub(limit);
        self.groups.truncate(limit);
        self.omitted_groups += omitted as u64;
        self
    }
}

impl From<&Composition> for CompositionRow {
    fn from(composition: &Composition) -> CompositionRow {
        CompositionRow {
            json_bytes: composition.json,
            text_bytes: composition.text,
            pointer_bytes: composition.pointer,
            zero_bytes: composition.zero,
            other_bytes: composition.other,
        }
    }
}

impl GroupRow {
    fn from_group(group: &Group, scanned: ByteCount, seconds: Option<f64>) -> GroupRow {
        let rate = |bytes: i64| seconds.filter(|seconds| *seconds > 0.0).map(|seconds| Rate::over(bytes, seconds));
        GroupRow {
            kind: group.kind,
            label: group.label.clone(),
            count: group.now.count,
            bytes: group.now.bytes,
            share: group.now.bytes.share_of(scanned),
            growth_count: group.growth_count(),
            growth_bytes: group.growth_bytes(),
            bytes_per_second: group.growth_bytes().and_then(rate),
            samples: group
                .samples
                .iter()
                .map(|sample| SampleRow {
                    address: sample.address,
                    text: sample.text.chars().take(SAMPLE_LETTERS).collect(),
                })
                .collect(),
        }
    }

    /// The label as text, bounded in length, not escaped.
    pub fn title(&self) -> String {
        bounded(&self.label)
    }
}

fn bounded(label: &Label) -> String {
    let text = label.to_string();
    match text.char_indices().nth(LABEL_LETTERS) {
        Some((index, _)) => format!("{}…", &text[..index]),
        None => text,
    }
}

pub(super) fn as_text<S: Serializer>(label: &Label, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&bounded(label))
}

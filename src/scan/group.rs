//! What a scan found, as plain comparable values.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::units::{Addr, ByteCount};

/// How the members of a group are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupKind {
    /// JSON records of one shape.
    Json,
    /// Strings of one template.
    Text,
    /// Records that begin with one vtable or function pointer.
    Object,
    /// Pieces with one file signature.
    Blob,
    /// Equal strings.
    Repeat,
}

impl fmt::Display for GroupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            GroupKind::Json => "json",
            GroupKind::Text => "text",
            GroupKind::Object => "object",
            GroupKind::Blob => "blob",
            GroupKind::Repeat => "repeat",
        })
    }
}

/// A stretch of a label.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LabelPart {
    /// The same in every member and part of the shape: keys, punctuation, words between variables, type names.
    Fixed(String),
    /// A value that happened to be the same in every member seen; a secret as much as any other value.
    Constant(String),
    /// A value that varies; the name of its type without brackets, such as `int`.
    Variable(String),
}

/// What a group is called, in parts so that values in it can be masked. Parts are hostile text, not escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Label(pub Vec<LabelPart>);

impl Label {
    /// A label without values in it.
    pub fn fixed(text: impl Into<String>) -> Label {
        Label(vec![LabelPart::Fixed(text.into())])
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.0 {
            match part {
                LabelPart::Fixed(text) | LabelPart::Constant(text) => f.write_str(text)?,
                LabelPart::Variable(name) => write!(f, "<{name}>")?,
            }
        }
        Ok(())
    }
}

/// How often and how much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Members.
    pub count: u64,
    /// Their bytes.
    pub bytes: ByteCount,
}

impl Tally {
    /// One more member of `bytes`.
    pub fn add(&mut self, bytes: ByteCount) {
        self.count += 1;
        self.bytes += bytes;
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.count += other.count;
        self.bytes += other.bytes;
    }
}

/// One member to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Where it begins.
    pub address: Addr,
    /// Its beginning, bounded in length; hostile bytes, decoded lossily, not escaped.
    pub text: String,
}

/// All members of one likeness.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// How they are alike.
    pub kind: GroupKind,
    /// What they are called.
    pub label: Label,
    /// Members in the scan, the later one where there were two.
    pub now: Tally,
    /// Members in the earlier of two scans.
    pub before: Option<Tally>,
    /// A few of the latest members, at most three.
    pub samples: Vec<Sample>,
}

impl Group {
    /// Members more than in the earlier scan.
    pub fn growth_count(&self) -> Option<i64> {
        self.before.map(|before| self.now.count as i64 - before.count as i64)
    }

    /// Bytes more than in the earlier scan.
    pub fn growth_bytes(&self) -> Option<i64> {
        self.before.map(|before| self.now.bytes.signed_sub(before.bytes))
    }
}

/// What kinds of bytes there are; each byte scanned is in exactly one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Composition {
    /// In JSON records.
    pub json: ByteCount,
    /// In other printable runs.
    pub text: ByteCount,
    /// In aligned words that point into the address map.
    pub pointer: ByteCount,
    /// Zero.
    pub zero: ByteCount,
    /// Neither.
    pub other: ByteCount,
}

impl Composition {
    /// All that is not zero.
    pub fn written(&self) -> ByteCount {
        self.json + self.text + self.pointer + self.other
    }
}

/// What one scan found, or two compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScanResult {
    /// Bytes looked at, in the later scan where there were two.
    pub scanned: ByteCount,
    /// What kinds of bytes they are.
    pub composition: Composition,
    /// The same of the earlier scan where there were two.
    pub before: Option<Composition>,
    /// Ranked by growth, then by size.
    pub groups: Vec<Group>,
    /// Whether a table was full and counts of small groups are lower bounds.
    pub sampled: bool,
}

impl ScanResult {
    /// Bytes other than zeros more than in the earlier scan: what records can explain of a growth. Padding, unused ends
    /// of allocations and untouched pages are zero and nobody's record.
    pub fn gained(&self) -> Option<i64> {
        self.before.map(|before| self.composition.written().signed_sub(before.written()))
    }
}

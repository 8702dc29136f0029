//! What was found, with its weight and the facts it rests on, as dashboards read it.

use serde::Serialize;

use crate::explain::{Evidence, Finding};
use crate::units::{Addr, ByteCount, Rate};

/// One finding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FindingRow {
    /// What it is about, as `region-growth`.
    pub kind: String,
    /// Of what it speaks.
    pub subject: String,
    /// How much it is about.
    pub bytes: ByteCount,
    /// The part of its whole, 0 to 1.
    pub share: f64,
    /// How sure, 0 to 1.
    pub confidence: f64,
    /// What it rests on.
    pub evidence: Vec<EvidenceRow>,
    /// Commands to run next.
    pub next: Vec<String>,
}

/// One measured fact.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EvidenceRow {
    /// So many bytes.
    Amount {
        /// Of what.
        what: String,
        /// How much.
        bytes: ByteCount,
    },
    /// So many things.
    Count {
        /// Of what.
        what: String,
        /// How many.
        count: u64,
    },
    /// So much more per second.
    Rate {
        /// Of what.
        what: String,
        /// How much.
        bytes_per_second: Rate,
        /// At least so much, where known.
        low_bytes_per_second: Option<Rate>,
        /// At most so much, where known.
        high_bytes_per_second: Option<Rate>,
    },
    /// What stands in memory.
    Quote {
        /// Where.
        address: Addr,
        /// How it begins.
        text: String,
    },
    /// Parts of a whole.
    Distribution {
        /// Of what.
        what: String,
        /// Each part.
        parts: Vec<Part>,
    },
    /// An amount over time.
    Timeline {
        /// Of what.
        what: String,
        /// In order.
        points: Vec<Point>,
    },
    /// Who called, innermost first.
    Stack {
        /// Functions.
        frames: Vec<String>,
    },
}

/// A part of a whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// Which.
    pub name: String,
    /// How much.
    pub bytes: ByteCount,
}

/// An amount at a time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Since the watch began.
    pub seconds: f64,
    /// How much.
    pub bytes: ByteCount,
}

impl From<Finding> for FindingRow {
    fn from(finding: Finding) -> FindingRow {
        FindingRow {
            kind: finding.kind.to_string(),
            subject: finding.subject,
            bytes: finding.bytes,
            share: finding.share,
            confidence: finding.confidence,
            evidence: finding.evidence.into_iter().map(EvidenceRow::from).collect(),
            next: finding.next,
        }
    }
}

impl From<Evidence> for EvidenceRow {
    fn from(evidence: Evidence) -> EvidenceRow {
        match evidence {
            Evidence::Amount { what, bytes } => EvidenceRow::Amount { what, bytes },
            Evidence::Count { what, count } => EvidenceRow::Count { what, count },
            Evidence::Rate { what, rate, low, high } => EvidenceRow::Rate {
                what,
                bytes_per_second: rate,
                low_bytes_per_second: low,
                high_bytes_per_second: high,
            },
            Evidence::Quote { address, text } => EvidenceRow::Quote { address, text },
            Evidence::Distribution { what, parts } => {
                let parts = parts.into_iter().map(|(name, bytes)| Part { name, bytes }).collect();
                EvidenceRow::Distribution { what, parts }
            }
            Evidence::Timeline { what, points } => {
                let point = |(at, bytes): (std::time::Duration, ByteCount)| Point { seconds: at.as_secs_f64(), bytes };
                EvidenceRow::Timeline { what, points: points.into_iter().map(point).collect() }
            }
            Evidence::Stack { frames } => EvidenceRow::Stack { frames },
        }
    }
}

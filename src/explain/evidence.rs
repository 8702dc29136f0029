//! The closed set of facts a finding can rest on. Writers know each of them, analyses need no others.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::units::{Addr, ByteCount, Rate};

/// One measured fact.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Evidence {
    /// So many bytes.
    Amount {
        /// Of what.
        what: String,
        /// How many.
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
        #[serde(rename = "bytes_per_second")]
        rate: Rate,
        /// At least so much, where known.
        #[serde(rename = "low_bytes_per_second")]
        low: Option<Rate>,
        /// At most so much, where known.
        #[serde(rename = "high_bytes_per_second")]
        high: Option<Rate>,
    },
    /// What stands in memory.
    Quote {
        /// Where.
        address: Addr,
        /// How it begins; hostile text, not escaped.
        text: String,
    },
    /// Parts of a whole.
    Distribution {
        /// Of what.
        what: String,
        /// Each part with its bytes.
        #[serde(serialize_with = "parts_by_name")]
        parts: Vec<(String, ByteCount)>,
    },
    /// An amount over time.
    Timeline {
        /// Of what.
        what: String,
        /// Since the watch began, in order.
        #[serde(serialize_with = "points_by_name")]
        points: Vec<(Duration, ByteCount)>,
    },
    /// Who called, innermost first.
    Stack {
        /// Functions.
        frames: Vec<String>,
    },
}

fn parts_by_name<S: Serializer>(parts: &[(String, ByteCount)], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Part<'p> {
        name: &'p str,
        bytes: ByteCount,
    }
    serializer.collect_seq(parts.iter().map(|(name, bytes)| Part { name, bytes: *bytes }))
}

fn points_by_name<S: Serializer>(points: &[(Duration, ByteCount)], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Point {
        seconds: f64,
        bytes: ByteCount,
    }
    serializer.collect_seq(points.iter().map(|(at, bytes)| Point { seconds: at.as_secs_f64(), bytes: *bytes }))
}

//! The closed set of facts a finding can rest on. Writers know each of them, analyses need no others.

use std::time::Duration;

use crate::units::{Addr, ByteCount, Rate};

/// One measured fact.
#[derive(Clone, Debug, PartialEq)]
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
        rate: Rate,
        /// At least so much, where known.
        low: Option<Rate>,
        /// At most so much, where known.
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
        parts: Vec<(String, ByteCount)>,
    },
    /// An amount over time.
    Timeline {
        /// Of what.
        what: String,
        /// Since the watch began, in order.
        points: Vec<(Duration, ByteCount)>,
    },
    /// Who called, innermost first.
    Stack {
        /// Functions.
        frames: Vec<String>,
    },
}

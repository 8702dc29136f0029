//! Sizes as a kernel log prints them. Knows that a counter can be negative (swap while it is being removed) or past
//! 2^64 bytes (a wrapped counter); leaves the judgement of such values to the cause.

use serde::{Serialize, Serializer};

use crate::units::ByteCount;

/// A size printed by a kernel, in bytes. Serialises as an integer, exactly as printed, however absurd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(pub i128);

/// Above this many bytes (4 PiB) a printed size is a wrapped counter or “no limit”, not memory.
const ABSURD: i128 = 1 << 52;

impl Amount {
    /// So many times 1024 bytes, the kernel's kB.
    pub fn kib(count: i128) -> Amount {
        Amount(count.saturating_mul(1024))
    }

    /// So many pages of `page_size`.
    pub fn pages(count: i128, page_size: ByteCount) -> Amount {
        Amount(count.saturating_mul(i128::from(page_size.0)))
    }

    /// The size where it can be memory at all; None for a negative or absurdly large one.
    pub fn plausible(self) -> Option<ByteCount> {
        if self.0 < 0 || self.0 >= ABSURD {
            return None;
        }
        u64::try_from(self.0).ok().map(ByteCount)
    }

    /// The same with 0 for what cannot be memory.
    pub fn or_zero(self) -> ByteCount {
        self.plausible().unwrap_or(ByteCount::ZERO)
    }

    /// Whether the counter behind it went below zero and wrapped round (printed as nearly 2^64 of its unit).
    pub fn is_wrapped(self) -> bool {
        self.0 < 0 || self.0 >= i128::from(u64::MAX)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match i64::try_from(self.0) {
            Ok(small) => serializer.serialize_i64(small),
            Err(_) => serializer.serialize_i128(self.0),
        }
    }
}

//! Which pages of a span are there to be read without the target growing.

use crate::units::{ByteCount, Span};

/// The pages of a span by where they are. `present + absent + swapped` is the span's size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Residency {
    /// Stretches in memory, ordered, page-aligned but for the ends of the asked span.
    pub present: Vec<Span>,
    /// Stretches swapped out, ordered. Reading them would swap them in.
    pub swapped: Vec<Span>,
    /// Never given to the process, or dropped: read as zeros, not read at all.
    pub absent: ByteCount,
}

impl Residency {
    /// All of `span` is there.
    pub fn whole(span: Span) -> Residency {
        Residency { present: vec![span], ..Residency::default() }
    }

    /// Bytes present.
    pub fn present_bytes(&self) -> ByteCount {
        self.present.iter().map(|span| span.size()).sum()
    }

    /// Bytes swapped out.
    pub fn swapped_bytes(&self) -> ByteCount {
        self.swapped.iter().map(|span| span.size()).sum()
    }
}

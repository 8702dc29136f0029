//! What is to be copied: spans that are known, or what somebody picks out of the mappings of the moment.

use std::fmt;

use crate::error::Result;
use crate::space::spans::joined;
use crate::space::{AddressMap, Mapping};
use crate::target::Target;
use crate::units::Span;

/// What is to be copied of a target.
#[derive(Clone, Copy)]
pub enum Wanted<'w> {
    /// These spans.
    Spans(&'w [Span]),
    /// What this picks out of the mappings as they are at that instant, with the threads' registers: what was mapped a
    /// moment before is not missed, nor anything mixed up that moved.
    Chosen(&'w dyn Fn(&[Mapping]) -> Vec<Span>),
}

impl Wanted<'_> {
    /// What that is among `mappings`, in order.
    pub fn among(&self, mappings: &[Mapping]) -> Vec<Span> {
        joined(match self {
            Wanted::Spans(spans) => spans.to_vec(),
            Wanted::Chosen(choose) => choose(mappings),
        })
    }

    /// The address space now, where the choice depends on it, else `early`.
    pub(super) fn map_now(&self, early: &AddressMap, target: &Target) -> Result<AddressMap> {
        match self {
            Wanted::Spans(_) => Ok(early.clone()),
            Wanted::Chosen(_) => Ok(AddressMap { mappings: target.mappings()?, regions: Vec::new() }),
        }
    }
}

impl fmt::Debug for Wanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wanted::Spans(spans) => f.debug_tuple("Spans").field(spans).finish(),
            Wanted::Chosen(_) => f.write_str("Chosen"),
        }
    }
}

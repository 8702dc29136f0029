//! How memory changes: samples, the lineage of regions through them, rates, shapes, the choice of suspect.
//! Knows how to fold and compare looks at a process; reading them is `target`'s, wording is `explain`'s.

mod sample;

pub use sample::{Look, Sample};

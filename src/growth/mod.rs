//! How memory changes: samples, the lineage of regions through them, rates, shapes, the choice of suspect.
//! Knows how to fold and compare looks at a process; reading them is `target`'s, wording is `explain`'s.

mod choice;
mod history;
mod lineage;
mod sample;
mod series;
mod shape;
mod slope;
mod swings;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod traces;

pub use choice::{Choice, Reason, choose};
pub use history::{History, Outlook};
pub use lineage::{RegionGrowth, region_growth};
pub use sample::{Look, Sample};
pub use series::{CountTrend, Series, Trend};
pub use shape::Shape;
pub use slope::Slope;

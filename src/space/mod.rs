//! What an address space is made of: mappings, the regions we see in them, and what they cost.
//! Plain values; how any of it was read is `target`'s and `memory`'s business.

mod address_map;
mod mapping;
mod region;
mod regions;
mod residency;
pub mod spans;
mod thread;

pub use address_map::AddressMap;
pub use mapping::{Mapping, Permissions};
pub use region::{Footprint, Region, RegionKind};
pub use regions::{Hints, regions};
pub use residency::Residency;
pub use thread::Thread;

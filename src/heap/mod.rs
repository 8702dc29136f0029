//! Whether memory is lost, held or only fragmentation, from the allocator's own structures: glibc malloc read from outside
//! without symbols, every byte of it accounted for, and whether the books balance. Knows no processes and makes no claims.

mod account;
mod allocator;
mod census;
mod certificate;
mod chunks;
mod glibc;
mod groups;
mod holders;
mod image;
mod inside;
mod names;
mod reach;
mod roots;
mod signature;
mod stale;
mod terrain;
#[cfg(test)]
mod tests;
mod walk;

pub use account::{Account, ArenaTotals, SizeTotals, Totals};
pub use allocator::Allocator;
pub use census::CensusRow;
pub use certificate::{Certificate, Kind as CertificateKind};
pub use chunks::{Use, tables_of};
pub use groups::HeapGroup;
pub use holders::Link;
pub use image::heap_memory;
pub use inside::InsideRow;
pub use names::PlaceNames;
pub use signature::HeapKind;
pub use walk::{HeapOptions, HeapResult, Reach, Why, walk};

//! The question an analysis asks about a pointer: what is its pointee called? Whoever reads symbols answers it.
//! Knows nothing of files or formats.

use crate::units::Addr;

/// What sort of thing a pointer in the first word of an object leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PointeeKind {
    /// A C++ vtable (an address point inside it).
    Vtable,
    /// The first instruction of a function, or a place inside a type object or table of functions.
    Function,
}

/// A named address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointee {
    /// What sort of thing it is.
    pub kind: PointeeKind,
    /// Demangled, with the module where the symbol is unknown; hostile text, not escaped.
    pub name: String,
}

/// Names for vtables and functions in the address space that is scanned.
pub trait PointerNames {
    /// What `addr` points to, `None` where it is neither a vtable nor a function.
    fn pointee(&self, addr: Addr) -> Option<Pointee>;
}

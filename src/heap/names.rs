//! What the heap asks about addresses outside of it. Whoever reads symbols answers.

use crate::scan::PointerNames;
use crate::units::Addr;

/// Names for places in programs and libraries.
pub trait PlaceNames: PointerNames {
    /// What lies at `addr` in code or data, such as `nginx!ngx_cycle` or `libc.so.6+0x1d2a80`; `None` outside of modules.
    /// Hostile text, not escaped.
    fn place(&self, addr: Addr) -> Option<String>;

    /// The end of all memory of the module that `addr` lies in, .bss included; `None` where it is in none or unknown.
    fn module_end(&self, addr: Addr) -> Option<Addr>;
}

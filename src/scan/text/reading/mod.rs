//! From a printable run to the places of its records: lines cut (`record`), classes of bytes (`class`), words, numbers and
//! compounds told apart (`reader`, `word`, `compound`), each with its role (`token`). Counts nothing.

pub(in crate::scan::text) mod class;
pub(in crate::scan::text) mod compound;
pub(in crate::scan::text) mod reader;
pub(in crate::scan::text) mod record;
pub(in crate::scan::text) mod token;
pub(in crate::scan::text) mod word;

//! Records with equal signatures counted in one template: the table of them (`catalog`), one of them (`template`) with its
//! variable parts (`slot`, `value`), patterns of words (`pattern`), and templates that differ only in words that vary made
//! one (`generalise` within a skeleton, `across` skeletons). Reading records is `reading`'s, labels are `label`'s.

pub(in crate::scan::text) mod across;
pub(in crate::scan::text) mod catalog;
pub(in crate::scan::text) mod generalise;
pub(in crate::scan::text) mod pattern;
pub(in crate::scan::text) mod slot;
pub(in crate::scan::text) mod template;
pub(in crate::scan::text) mod value;

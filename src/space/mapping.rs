//! One line of /proc/PID/maps as a value.

use std::fmt;

use crate::units::{ByteCount, Span};

/// What may be done with a mapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Permissions {
    /// May be read.
    pub read: bool,
    /// May be written.
    pub write: bool,
    /// May be executed.
    pub execute: bool,
    /// MAP_SHARED; otherwise copy-on-write.
    pub shared: bool,
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flag = |set, letter| if set { letter } else { '-' };
        write!(
            f,
            "{}{}{}{}",
            flag(self.read, 'r'),
            flag(self.write, 'w'),
            flag(self.execute, 'x'),
            if self.shared { 's' } else { 'p' }
        )
    }
}

impl Permissions {
    /// From the second column of maps, such as `rw-p`; letters not known count as unset.
    pub fn parse(text: &str) -> Permissions {
        let has = |letter| text.contains(letter);
        Permissions { read: has('r'), write: has('w'), execute: has('x'), shared: has('s') }
    }

    /// Whether nothing may be done with it (PROT_NONE): reserved, not used.
    pub fn is_none(self) -> bool {
        !(self.read || self.write || self.execute)
    }
}

/// One line of maps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Where it is.
    pub span: Span,
    /// What may be done with it.
    pub permissions: Permissions,
    /// Offset in the file behind it.
    pub offset: ByteCount,
    /// Device numbers of that file, major and minor; zero for anonymous memory.
    pub device: (u32, u32),
    /// Inode of that file; zero for anonymous memory.
    pub inode: u64,
    /// Last column as the kernel wrote it: a path, `[heap]`, `[anon:name]` or empty. Hostile text, not escaped.
    pub name: String,
}

impl Mapping {
    /// Whether a file, memfd or tmpfs object is behind it.
    pub fn has_file(&self) -> bool {
        self.inode != 0
    }
}

//! One line of a stack, for people and programs.

use std::fmt;

use crate::units::Addr;

/// A function on a stack. Names come from the target's files: hostile text, bounded, not escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Where it was, or returns to.
    pub address: Addr,
    /// What its author calls it.
    pub function: Option<String>,
    /// The file its code is from, without directories.
    pub module: Option<String>,
    /// Bytes from the start of the function, or of the module where the function has no name.
    pub offset: Option<u64>,
    /// Source file, where debug information is there.
    pub file: Option<String>,
    /// Line in it.
    pub line: Option<u32>,
    /// The build id of the module.
    pub build_id: Option<String>,
    /// Whether the compiler put the function into its caller.
    pub inlined: bool,
}

impl Frame {
    /// Its name without a place: the function, else the module with an offset.
    pub fn name(&self) -> String {
        match (&self.function, &self.module, self.offset) {
            (Some(function), ..) => function.clone(),
            (None, Some(module), Some(offset)) => format!("{module}+{offset:#x}"),
            (None, Some(module), None) => module.clone(),
            // Compiled at run time by somebody who tells no names.
            _ => "[code without a file]".into(),
        }
    }
}

/// `enc_record+0x1e (libcrypt_old.so)`.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())?;
        if self.module.is_none() && self.function.is_none() {
            return write!(f, " {}", self.address);
        }
        if self.function.is_none() {
            return Ok(());
        }
        if let Some(offset) = self.offset.filter(|_| !self.inlined) {
            write!(f, "+{offset:#x}")?;
        }
        match &self.module {
            Some(module) => write!(f, " ({module})"),
            None => Ok(()),
        }
    }
}

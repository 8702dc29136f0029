//! The numbers that scripts see.

use crate::error::ErrorKind;

/// Answered.
pub const ANSWERED: u8 = 0;
/// A leak was found, and the user asked for a number that says so.
pub const LEAK_FOUND: u8 = 10;
/// A person interrupted it.
pub const INTERRUPTED: u8 = 130;

/// The number of a failure.
pub fn code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Failed => 1,
        ErrorKind::Usage => 2,
        ErrorKind::Gone => 3,
        ErrorKind::NotPermitted => 4,
        ErrorKind::Interrupted => INTERRUPTED,
    }
}

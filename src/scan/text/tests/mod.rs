//! Templates, repeats and bounds on made-up text.

mod kinds;
mod random;

use super::TextTally;
use crate::scan::group::{Group, GroupKind};
use crate::units::{Addr, ByteCount};

use random::Chance;

fn tally_of(records: &[String]) -> (Vec<Group>, bool) {
    let mut tally = TextTally::new(ByteCount::mib(96));
    for (index, record) in records.iter().enumerate() {
        tally.add(Addr(0x1000 + index as u64 * 4096), record.as_bytes());
    }
    tally.finish()
}

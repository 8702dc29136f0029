//! A few members of a group to show: the latest of the current scan, bounded in number and length.

use super::group::Sample;
use crate::units::Addr;

/// Members kept.
const KEPT: usize = 3;

/// Longest excerpt of a member, in bytes.
const EXCERPT: usize = 240;

/// The members kept of one group.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples {
    kept: Vec<Sample>,
    /// The scan they are of.
    epoch: usize,
}

impl Samples {
    /// What they cost at most, in bytes.
    pub(super) const COST: usize = KEPT * (EXCERPT + std::mem::size_of::<Sample>());

    /// Shows a member of the scan `epoch` that has `members` before it in that scan. The first three are kept, then one in
    /// ever more, so that late ones are among them and little is copied.
    #[inline]
    pub(super) fn offer(&mut self, epoch: usize, members: u64, address: Addr, raw: &[u8]) {
        if members >= KEPT as u64 && !members.is_power_of_two() && !members.is_multiple_of(16384) {
            return;
        }
        self.keep(epoch, members, Sample { address, text: excerpt(raw) });
    }

    fn keep(&mut self, epoch: usize, members: u64, sample: Sample) {
        if self.epoch != epoch {
            self.kept.clear();
            self.epoch = epoch;
        }
        if self.kept.len() < KEPT {
            self.kept.push(sample);
            return;
        }
        let slot = (members.max(1).ilog2() as u64 + members / 16384) % KEPT as u64;
        self.kept[slot as usize] = sample;
    }

    /// Takes from another group what there is room for, members of later scans first.
    pub(super) fn absorb(&mut self, other: Samples) {
        if other.kept.is_empty() || (!self.kept.is_empty() && other.epoch < self.epoch) {
            return;
        }
        if other.epoch > self.epoch || self.kept.is_empty() {
            *self = other;
            return;
        }
        self.kept.extend(other.kept);
        self.kept.truncate(KEPT);
    }

    /// In order of address.
    pub(super) fn into_sorted(mut self) -> Vec<Sample> {
        self.kept.sort_by_key(|sample| sample.address);
        self.kept
    }
}

/// The beginning of `raw`, decoded lossily, cut between characters.
pub(super) fn excerpt(raw: &[u8]) -> String {
    let mut end = raw.len().min(EXCERPT);
    // A character that the bound would cut is left out whole.
    while end < raw.len() && end + 4 > EXCERPT && raw[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    String::from_utf8_lossy(&raw[..end]).into_owned()
}

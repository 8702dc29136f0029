//! A stand-in that counts equal runs only, until templates are here.

use std::collections::HashMap;

use super::group::{Group, GroupKind, Label, LabelPart, Sample, Tally};
use crate::units::{Addr, ByteCount};

#[derive(Default)]
pub(super) struct TextTally {
    epoch: usize,
    second: bool,
    seen: HashMap<Vec<u8>, ([Tally; 2], Addr)>,
    sampled: bool,
    room: usize,
}

impl TextTally {
    pub(super) fn new(max_memory: ByteCount) -> TextTally {
        TextTally { room: (max_memory.0 / 256) as usize, ..TextTally::default() }
    }

    pub(super) fn begin_second(&mut self) {
        self.epoch = 1;
        self.second = true;
    }

    pub(super) fn add_sized(&mut self, addr: Addr, run: &[u8], bytes: ByteCount) {
        let key = &run[..run.len().min(64)];
        if !self.seen.contains_key(key) && self.seen.len() >= self.room {
            self.sampled = true;
            return;
        }
        let entry = self.seen.entry(key.to_vec()).or_default();
        entry.0[self.epoch].add(bytes);
        entry.1 = addr;
    }

    pub(super) fn finish(self) -> (Vec<Group>, bool) {
        let (epoch, second) = (self.epoch, self.second);
        let group = |(key, (tallies, addr)): (Vec<u8>, ([Tally; 2], Addr))| {
            let text = String::from_utf8_lossy(&key).into_owned();
            Group {
                kind: GroupKind::Text,
                label: Label(vec![LabelPart::Constant(text.clone())]),
                now: tallies[epoch],
                before: second.then_some(tallies[0]),
                samples: vec![Sample { address: addr, text }],
            }
        };
        (self.seen.into_iter().map(group).collect(), self.sampled)
    }
}

//! What each mapping of a target holds, kept from look to look: only mappings that are new or grew are weighed again, so
//! that a watch of days costs the target next to nothing. Which of them matter is `growth`'s to say.

use std::collections::HashMap;
use std::time::Duration;

use super::opening::Target;
use crate::error::Result;
use crate::growth::Look;
use crate::space::{AddressMap, Footprint, Mapping, regions};
use crate::units::{Addr, ByteCount, Span};

/// Mappings with the private memory of each.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    mappings: Vec<Mapping>,
    held: Vec<ByteCount>,
}

impl Ledger {
    /// Mappings there are.
    pub fn len(&self) -> usize {
        self.mappings.len()
    }

    /// Whether nothing was looked at yet.
    pub fn is_empty(&self) -> bool {
        self.mappings.is_empty()
    }
}

impl Target {
    /// Its mappings (0.2 µs each), weighed by the page table: all of them where `before` is empty (2 ms per resident
    /// GiB, mmap_lock held for a quarter of a millisecond at a time), else those that are new and what others gained at
    /// their ends. Pages touched since within a mapping that did not move are not seen before the next whole look.
    ///
    /// # Errors
    /// As `look`.
    pub fn ledger(&self, before: &Ledger) -> Result<Ledger> {
        let mappings = self.mappings()?;
        if before.is_empty() {
            let held = self.held_by(&mappings)?;
            return Ok(Ledger { mappings, held });
        }
        let known: HashMap<Addr, usize> =
            before.mappings.iter().enumerate().map(|(index, mapping)| (mapping.span.start, index)).collect();
        let mut held = vec![ByteCount::ZERO; mappings.len()];
        let (mut moved, mut owners) = (Vec::new(), Vec::new());
        for (index, mapping) in mappings.iter().enumerate() {
            let old =
                known.get(&mapping.span.start).and_then(|old| before.mappings.get(*old).zip(before.held.get(*old)));
            let rest = match old.filter(|(old, _)| is_same(old, mapping) && old.span.end <= mapping.span.end) {
                Some((old, weight)) => {
                    held[index] = *weight;
                    Span::new(old.span.end, mapping.span.end)
                }
                None => mapping.span,
            };
            if !rest.is_empty() {
                moved.push(Mapping { span: rest, name: mapping.name.clone(), ..*mapping });
                owners.push(index);
            }
        }
        for (index, gained) in owners.into_iter().zip(self.held_by(&moved)?) {
            held[index] += gained;
        }
        Ok(Ledger { mappings, held })
    }

    /// The regions that `ledger` makes, each with its private memory as `footprint.anonymous`.
    pub fn look_of(&self, ledger: &Ledger, at: Duration) -> Look {
        let footprint = |(mapping, held): (&Mapping, &ByteCount)| Footprint {
            size: mapping.span.size(),
            anonymous: *held,
            ..Footprint::default()
        };
        let footprints: Vec<Footprint> = ledger.mappings.iter().zip(&ledger.held).map(footprint).collect();
        let regions = regions(&ledger.mappings, &footprints, &self.hints());
        Look { at, map: AddressMap { mappings: ledger.mappings.clone(), regions } }
    }
}

fn is_same(old: &Mapping, new: &Mapping) -> bool {
    old.permissions == new.permissions && old.inode == new.inode && old.offset == new.offset && old.name == new.name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::child::WaitingChild;

    #[test]
    fn a_second_look_costs_less_and_says_the_same() {
        let child = WaitingChild::start();
        let target = Target::open(child.pid()).unwrap();
        let whole = target.ledger(&Ledger::default()).unwrap();
        let again = target.ledger(&whole).unwrap();
        assert!(!whole.is_empty() && whole.len() == again.len());
        assert_eq!(whole.held, again.held);
        let look = target.look_of(&again, Duration::ZERO);
        assert_eq!(look.map.total().held(), target.look(Duration::ZERO).unwrap().map.total().held());
        // What is missing from the earlier look is weighed.
        let half = Ledger { mappings: whole.mappings[1..].to_vec(), held: whole.held[1..].to_vec() };
        assert_eq!(target.ledger(&half).unwrap().held, whole.held);
    }
}

//! Thread heaps of glibc malloc: an aligned reservation of HEAP_MAX_SIZE, written from the bottom, the rest PROT_NONE.

use super::{Hints, Use, continues, is_nameless};
use crate::space::{Mapping, Permissions};
use crate::units::{Addr, ByteCount};

/// HEAP_MAX_SIZE of malloc/arena.c (glibc 2.0 to 2.42 with its default tunables).
const UNIT_64BIT: ByteCount = ByteCount::mib(64);
const UNIT_32BIT: ByteCount = ByteCount::mib(1);
/// A guard of the thread stack above may have merged with the rest.
const GUARD_LIMIT: ByteCount = ByteCount::kib(64);

/// Marks the mappings of thread heaps. One that is full has no rest to be known by: it is taken for a thread heap
/// where it has the size and there is another that is certain.
pub(super) fn mark(mappings: &[Mapping], uses: &mut [Use], hints: &Hints) {
    let unit = if hints.is_32bit { UNIT_32BIT } else { UNIT_64BIT };
    let mut found = uses.contains(&Use::Arena);
    for first in 0..mappings.len() {
        if uses[first] == Use::Anon
            && begins(&mappings[first], unit)
            && let Some(last) = last_of(mappings, uses, first, unit)
        {
            uses[first..=last].fill(Use::Arena);
            found = true;
        }
    }
    if !found {
        return;
    }
    for (mapping, purpose) in mappings.iter().zip(uses) {
        let is_full = mapping.span.size().0.is_multiple_of(unit.0);
        if *purpose == Use::Anon && begins(mapping, unit) && is_full {
            *purpose = Use::Arena;
        }
    }
}

fn begins(mapping: &Mapping, unit: ByteCount) -> bool {
    is_nameless(mapping)
        && mapping.span.start.align_down(unit) == mapping.span.start
        && is_plain(mapping.permissions)
        && !is_in_go_heap(mapping.span.start)
}

fn is_plain(permissions: Permissions) -> bool {
    permissions.read && permissions.write && !permissions.execute && !permissions.shared
}

/// The index of the PROT_NONE rest that ends at the unit's boundary.
fn last_of(mappings: &[Mapping], uses: &[Use], first: usize, unit: ByteCount) -> Option<usize> {
    for index in first + 1..mappings.len() {
        let (before, mapping) = (&mappings[index - 1], &mappings[index]);
        let is_private = is_nameless(mapping) && matches!(uses[index], Use::Anon | Use::Reserved);
        if !is_private || !continues(before, mapping) {
            return None;
        }
        if mapping.permissions.is_none() {
            let boundary = mapping.span.start.align_up(unit);
            let beyond = mapping.span.end.since(boundary);
            return (mapping.span.end >= boundary && beyond <= GUARD_LIMIT).then_some(index);
        }
        if !is_plain(mapping.permissions) {
            return None;
        }
    }
    None
}

/// Go reserves 64 MiB arenas too, but asks for addresses from here (runtime/malloc.go, 64-bit Linux).
pub(super) fn is_in_go_heap(addr: Addr) -> bool {
    (0xc0_0000_0000..0x100_0000_0000).contains(&addr.0)
}

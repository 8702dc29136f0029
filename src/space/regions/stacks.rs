//! Stacks of threads: anonymous memory above a PROT_NONE guard, told from other such memory by the threads' stack
//! pointers where those are known, else by its size.

use std::collections::{HashMap, HashSet};

use super::{Hints, Use, arenas, continues, is_nameless};
use crate::space::Mapping;
use crate::units::{Addr, ByteCount};

const USUAL_STACK_LIMIT: ByteCount = ByteCount::mib(8);
/// Larger PROT_NONE memory below a stack is a reservation that happens to be its neighbour.
const GUARD_LIMIT: ByteCount = ByteCount::mib(1);
/// What guards, the JVM's zones among them, may take off a stack.
const SLACK: ByteCount = ByteCount::kib(64);

/// Marks the stacks and their guards.
pub(super) fn mark(mappings: &[Mapping], uses: &mut [Use], hints: &Hints) {
    let mut pointers = hints.stack_pointers.clone();
    pointers.sort_unstable();
    let limit = hints.stack_limit.unwrap_or(USUAL_STACK_LIMIT);
    let guarded: Vec<usize> = (0..mappings.len()).filter(|index| is_guarded(mappings, uses, *index)).collect();
    let mut sizes: HashMap<ByteCount, usize> = HashMap::new();
    for index in &guarded {
        *sizes.entry(mappings[*index].span.size()).or_default() += 1;
    }
    let pointed: HashSet<ByteCount> = guarded
        .iter()
        .map(|index| &mappings[*index])
        .filter(|mapping| holds_pointer(mapping, &pointers))
        .map(|mapping| mapping.span.size())
        .collect();
    for index in guarded {
        let size = mappings[index].span.size();
        let guessed = pointers.is_empty()
            && hints.threads != Some(1)
            && sizes.get(&size).is_some_and(|count| *count > 1)
            && is_usual_size(size);
        if pointed.contains(&size) || is_near(size, limit) || guessed {
            uses[index] = Use::ThreadStack;
            if uses[index - 1] == Use::Anon && mappings[index - 1].span.size() <= GUARD_LIMIT {
                uses[index - 1] = Use::ThreadStack;
            }
        }
    }
    mark_unguarded(mappings, uses, &pointers, limit);
}

/// glibc 2.42 guards with MADV_GUARD_INSTALL, which maps does not show: then neighbouring stacks look like one.
fn mark_unguarded(mappings: &[Mapping], uses: &mut [Use], pointers: &[Addr], limit: ByteCount) {
    for (mapping, purpose) in mappings.iter().zip(uses) {
        let size = mapping.span.size();
        let is_stack_sized = size <= limit + SLACK || size.0.is_multiple_of((limit + ByteCount(4096)).0);
        if *purpose == Use::Anon && is_stack(mapping) && is_stack_sized && holds_pointer(mapping, pointers) {
            *purpose = Use::ThreadStack;
        }
    }
}

fn is_guarded(mappings: &[Mapping], uses: &[Use], index: usize) -> bool {
    let Some(before) = index.checked_sub(1) else { return false };
    let guard = &mappings[before];
    uses[index] == Use::Anon
        && is_stack(&mappings[index])
        && is_nameless(guard)
        && guard.permissions.is_none()
        && continues(guard, &mappings[index])
}

fn is_stack(mapping: &Mapping) -> bool {
    let permissions = mapping.permissions;
    // Go runs system calls on goroutine stacks, which are in its heap.
    is_nameless(mapping) && permissions.read && permissions.write && !arenas::is_in_go_heap(mapping.span.start)
}

fn holds_pointer(mapping: &Mapping, sorted: &[Addr]) -> bool {
    let next = sorted.partition_point(|pointer| *pointer < mapping.span.start);
    sorted.get(next).is_some_and(|pointer| mapping.span.contains(*pointer))
}

fn is_near(size: ByteCount, usual: ByteCount) -> bool {
    size <= usual + SLACK && size + SLACK >= usual
}

/// Powers of two from 64 KiB to 64 MiB, less a guard.
fn is_usual_size(size: ByteCount) -> bool {
    let rounded = ByteCount(size.0.checked_next_power_of_two().unwrap_or(u64::MAX));
    (ByteCount::kib(64)..=ByteCount::mib(64)).contains(&rounded)
        && rounded.saturating_sub(size) <= SLACK.min(ByteCount(rounded.0 / 8))
}

//! What each mapping is for: by its name, then by its neighbours.

use std::collections::HashSet;

use super::{Hints, Use, arenas, continues, is_nameless, stacks};
use crate::space::Mapping;
use crate::units::ByteCount;

/// PROT_NONE memory below this is a guard or a gap and belongs to what is around it.
const RESERVATION_FLOOR: ByteCount = ByteCount::mib(1);

/// The use of every mapping.
pub(super) fn of_all(mappings: &[Mapping], hints: &Hints) -> Vec<Use> {
    let mut uses: Vec<Use> = mappings.iter().map(|mapping| by_name(mapping, hints)).collect();
    continue_heap(mappings, &mut uses, hints);
    arenas::mark(mappings, &mut uses, hints);
    stacks::mark(mappings, &mut uses, hints);
    mark_statics(mappings, &mut uses);
    uses
}

fn by_name(mapping: &Mapping, hints: &Hints) -> Use {
    let name = mapping.name.as_str();
    if name.starts_with("[anon:") {
        return by_given_name(mapping);
    }
    if name.starts_with("[anon_shmem:") {
        return Use::Shared;
    }
    match name {
        "" if mapping.permissions.shared => return Use::Shared,
        "" => return anonymous(mapping),
        "[heap]" => return Use::Heap,
        "[stack]" => return Use::Stack,
        _ => {}
    }
    if name.starts_with("[stack:") {
        return Use::ThreadStack;
    }
    if !name.starts_with('/') || name.starts_with("/[") {
        // vdso, vvar, vsyscall, uprobes; anon_inode:…, socket:[…]; /[aio].
        return Use::Special;
    }
    by_path(mapping, hints)
}

/// Names that a program gave with prctl(PR_SET_VMA_ANON_NAME) (Linux 5.17); glibc 2.42 does on request.
fn by_given_name(mapping: &Mapping) -> Use {
    let name = mapping.name.trim_start_matches("[anon:").trim_start();
    if name.starts_with("glibc: pthread stack") {
        return Use::ThreadStack;
    }
    if name.starts_with("glibc: malloc arena") {
        return Use::Arena;
    }
    anonymous(mapping)
}

fn anonymous(mapping: &Mapping) -> Use {
    let is_reserved = mapping.permissions.is_none() && mapping.span.size() >= RESERVATION_FLOOR;
    if is_reserved { Use::Reserved } else { Use::Anon }
}

fn by_path(mapping: &Mapping, hints: &Hints) -> Use {
    /// Paths of memory without a file system.
    const SHARED: [&str; 7] =
        ["/memfd:", "/dev/shm/", "/run/shm/", "/SYSV", "/dev/zero", "/anon_hugepage", "/dev/hugepages/"];
    /// Buffers that the kernel keeps for graphics.
    const BUFFERS: [&str; 3] = ["/dmabuf:", "/drm mm object", "/i915"];
    let name = mapping.name.as_str();
    let is_anonymous = name.starts_with("/dev/zero") || name.starts_with("/anon_hugepage");
    if is_anonymous && !mapping.permissions.shared {
        return anonymous(mapping);
    }
    if SHARED.iter().any(|prefix| name.starts_with(prefix)) {
        return Use::Shared;
    }
    if name.starts_with("/dev/") || BUFFERS.iter().any(|prefix| name.starts_with(prefix)) {
        return Use::Special;
    }
    if mapping.permissions.shared && hints.tmpfs_devices.contains(&mapping.device) {
        return Use::Shared;
    }
    Use::File
}

/// The brk heap may be several mappings of which the kernel names only some.
fn continue_heap(mappings: &[Mapping], uses: &mut [Use], hints: &Hints) {
    if !uses.contains(&Use::Heap)
        && let Some(start) = hints.start_brk
    {
        let begins_it = |mapping: &Mapping| {
            is_nameless(mapping) && mapping.permissions.write && mapping.span.start == start.align_up(ByteCount(4096))
        };
        if let Some(first) = mappings.iter().position(begins_it) {
            uses[first] = Use::Heap;
        }
    }
    for index in 1..mappings.len() {
        let (last, mapping) = (&mappings[index - 1], &mappings[index]);
        let is_heap_like = is_nameless(mapping) && mapping.permissions.write && !mapping.permissions.execute;
        if uses[index - 1] == Use::Heap && uses[index] == Use::Anon && continues(last, mapping) && is_heap_like {
            uses[index] = Use::Heap;
        }
    }
}

/// Zeroed statics are anonymous and follow a program's or library's writable part directly. Files without code have
/// none: what follows the JVM's mapped archives, for one, is its heap.
fn mark_statics(mappings: &[Mapping], uses: &mut [Use]) {
    let with_code: HashSet<&str> = mappings
        .iter()
        .filter(|mapping| mapping.permissions.execute && mapping.has_file())
        .map(|mapping| mapping.name.as_str())
        .collect();
    for index in 1..mappings.len() {
        let (file, mapping) = (&mappings[index - 1], &mappings[index]);
        let follows = uses[index - 1] == Use::File && file.permissions.write && !file.permissions.shared;
        let is_statics = uses[index] == Use::Anon && is_nameless(mapping) && mapping.permissions.write;
        if follows && is_statics && continues(file, mapping) && with_code.contains(file.name.as_str()) {
            uses[index] = Use::Statics;
        }
    }
}

//! From mappings to regions: what each mapping is for, which neighbours are one, which scattered ones are a family.
//! A pure function of the kernel's lines; where lines do not tell, hints do. Every mapping ends up in one region.

mod arenas;
mod families;
mod stacks;
mod uses;

use super::{Footprint, Mapping, Region, RegionKind};
use crate::units::{Addr, ByteCount, Span};

/// What is known of a process beside its mappings. All of it may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// Where the main heap begins (field 47 of /proc/PID/stat).
    pub start_brk: Option<Addr>,
    /// Where threads other than the main one have their stacks just now.
    pub stack_pointers: Vec<Addr>,
    /// Threads, the main one included.
    pub threads: Option<u64>,
    /// RLIMIT_STACK, which glibc takes as the size of a thread's stack; 8 MiB where not known.
    pub stack_limit: Option<ByteCount>,
    /// Devices of tmpfs mounts: shared mappings of their files are memory and no files.
    pub tmpfs_devices: Vec<(u32, u32)>,
    /// Whether it is a 32-bit program.
    pub is_32bit: bool,
}

/// What a mapping is for; what of it neighbours and families must have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Use {
    Heap,
    Arena,
    Stack,
    ThreadStack,
    /// Private anonymous memory in use.
    Anon,
    /// PROT_NONE address space of a MiB and more, kept for later.
    Reserved,
    /// Zeroed statics of the file mapped just before.
    Statics,
    File,
    Shared,
    Special,
}

impl Use {
    fn kind(self) -> RegionKind {
        match self {
            Use::Heap => RegionKind::Heap,
            Use::Arena => RegionKind::Arena,
            Use::Stack => RegionKind::Stack,
            Use::ThreadStack => RegionKind::ThreadStack,
            Use::Anon | Use::Reserved | Use::Statics => RegionKind::Anon,
            Use::File => RegionKind::File,
            Use::Shared => RegionKind::Shared,
            Use::Special => RegionKind::Special,
        }
    }

    /// Whether all mappings of this use are one region wherever they are.
    fn is_gathered(self) -> bool {
        matches!(self, Use::Heap | Use::Arena | Use::ThreadStack)
    }
}

/// Mappings (by index, in order) that are one region.
#[derive(Clone, Debug)]
struct Group {
    purpose: Use,
    members: Vec<usize>,
}

/// The regions of an address space, ordered by first address. `mappings` are in order; `footprints` belong to them one
/// by one, or are missing, and then only sizes are filled in.
pub fn regions(mappings: &[Mapping], footprints: &[Footprint], hints: &Hints) -> Vec<Region> {
    let uses = uses::of_all(mappings, hints);
    let groups = families::gather(join_neighbours(mappings, &uses), mappings);
    let mut regions: Vec<Region> = groups.iter().map(|group| region_of(group, mappings, footprints)).collect();
    regions.sort_by_key(|region| region.span);
    regions
}

/// Whether `next` begins where `mapping` ends.
fn continues(mapping: &Mapping, next: &Mapping) -> bool {
    mapping.span.end == next.span.start
}

/// Whether no file and no name is behind it.
fn is_nameless(mapping: &Mapping) -> bool {
    !mapping.has_file() && mapping.name.is_empty() && !mapping.permissions.shared
}

fn is_same_file(one: &Mapping, other: &Mapping) -> bool {
    one.name == other.name && one.inode == other.inode && one.device == other.device
}

/// Puts neighbours of one use together, and all of a gathered use.
fn join_neighbours(mappings: &[Mapping], uses: &[Use]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    // The group of the mapping before, and for each gathered use the one group of it.
    let mut gathered: Vec<(Use, usize)> = Vec::new();
    let mut last_file: Option<usize> = None;
    let mut before: Option<usize> = None;
    for (index, (mapping, purpose)) in mappings.iter().zip(uses).enumerate() {
        let candidate = match purpose {
            Use::File => last_file.filter(|_| is_file_nearby(uses, index)),
            purpose if purpose.is_gathered() => gathered.iter().find(|(known, _)| known == purpose).map(|(_, at)| *at),
            _ => before,
        };
        let joined = candidate.filter(|at| {
            let group = &groups[*at];
            group.purpose == *purpose
                && group.members.last().is_some_and(|last| joins(*purpose, &mappings[*last], mapping))
        });
        let at = joined.unwrap_or(groups.len());
        match joined {
            Some(at) => groups[at].members.push(index),
            None => groups.push(Group { purpose: *purpose, members: vec![index] }),
        }
        if joined.is_none() && purpose.is_gathered() {
            gathered.push((*purpose, at));
        }
        if *purpose == Use::File {
            last_file = Some(at);
        }
        before = Some(at);
    }
    groups
}

/// Whether the mapping before is of a file, or the statics of one.
fn is_file_nearby(uses: &[Use], index: usize) -> bool {
    index.checked_sub(1).is_some_and(|before| matches!(uses[before], Use::File | Use::Statics))
}

/// A garbage collector that gives pieces back leaves holes: LuaJIT's memory is cut by some of 4 and 8 KiB. Neighbours
/// with no more than this between them, and nothing mapped there, are one region still.
const HOLE_LIMIT: ByteCount = ByteCount::mib(1);

fn joins(purpose: Use, last: &Mapping, next: &Mapping) -> bool {
    match purpose {
        Use::Heap | Use::Arena | Use::ThreadStack | Use::Stack => true,
        Use::Anon => next.span.start.since(last.span.end) <= HOLE_LIMIT,
        Use::Reserved => continues(last, next),
        Use::File | Use::Shared | Use::Special => is_same_file(last, next),
        Use::Statics => false,
    }
}

fn region_of(group: &Group, mappings: &[Mapping], footprints: &[Footprint]) -> Region {
    let parts: Vec<Span> = group.members.iter().map(|index| mappings[*index].span).collect();
    let mut footprint = Footprint::default();
    for index in &group.members {
        match footprints.get(*index) {
            Some(known) => footprint += *known,
            None => footprint.size += mappings[*index].span.size(),
        }
    }
    let largest = largest_member(group, mappings);
    let start = parts.first().map_or(Addr(0), |part| part.start);
    let end = parts.last().map_or(start, |part| part.end);
    Region {
        span: Span::new(start, end),
        kind: group.purpose.kind(),
        name: name_of(group, mappings, largest),
        permissions: largest.map(|index| mappings[index].permissions).unwrap_or_default(),
        parts,
        footprint,
    }
}

/// The largest mapping in use; a reservation only where nothing is.
fn largest_member(group: &Group, mappings: &[Mapping]) -> Option<usize> {
    // Of equals the first: max_by_key takes the last.
    let key = |index: &usize| (!mappings[*index].permissions.is_none(), mappings[*index].span.size());
    group.members.iter().rev().copied().max_by_key(key)
}

fn name_of(group: &Group, mappings: &[Mapping], largest: Option<usize>) -> String {
    match group.purpose {
        Use::Heap => "[heap]".into(),
        Use::Arena => "[malloc arenas]".into(),
        Use::ThreadStack => "[thread stacks]".into(),
        Use::Reserved => "[reserved]".into(),
        Use::Statics => {
            let file = group.members.first().and_then(|index| mappings.get(index.checked_sub(1)?));
            file.map(|file| format!("{} (bss)", file.name)).unwrap_or_default()
        }
        _ => largest.map(|index| mappings[index].name.clone()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;

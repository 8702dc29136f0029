//! Scattered regions that are alike, made into one row: equal sizes first, then all of one file, then all of about one
//! size. A process with sixty thousand mappings still has a table that can be read, and a leak of mappings one line.

use std::collections::HashMap;

use super::{Group, Use, largest_member};
use crate::space::{Mapping, Permissions};
use crate::units::ByteCount;

/// So many of exactly one size, permission and name are a family.
const EQUAL_FLOOR: usize = 16;
/// So many of about one size are.
const SIMILAR_FLOOR: usize = 64;

/// What members of a family have in common.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Likeness<'a> {
    purpose: Use,
    name: &'a str,
    permissions: Option<Permissions>,
    size: Option<ByteCount>,
    mappings: Option<usize>,
}

/// Puts families together; what is alone stays.
pub(super) fn gather(groups: Vec<Group>, mappings: &[Mapping]) -> Vec<Group> {
    let groups = merge(groups, EQUAL_FLOOR, |group| equal_likeness(group, mappings));
    let groups = merge(groups, EQUAL_FLOOR, |group| file_likeness(group, mappings));
    merge(groups, SIMILAR_FLOOR, |group| similar_likeness(group, mappings))
}

fn merge<'a>(groups: Vec<Group>, floor: usize, likeness: impl Fn(&Group) -> Option<Likeness<'a>>) -> Vec<Group> {
    let mut counts: HashMap<Likeness, usize> = HashMap::new();
    for alike in groups.iter().filter_map(&likeness) {
        *counts.entry(alike).or_default() += 1;
    }
    counts.retain(|_, count| *count >= floor);
    if counts.is_empty() {
        return groups;
    }
    let mut merged: Vec<Group> = Vec::new();
    let mut families: HashMap<Likeness, usize> = HashMap::new();
    for group in groups {
        let Some(alike) = likeness(&group).filter(|alike| counts.contains_key(alike)) else {
            merged.push(group);
            continue;
        };
        match families.get(&alike) {
            Some(at) => merged[*at].members.extend(group.members),
            None => {
                families.insert(alike, merged.len());
                merged.push(group);
            }
        }
    }
    for group in &mut merged {
        group.members.sort_unstable();
    }
    merged
}

fn size_of_group(group: &Group, mappings: &[Mapping]) -> ByteCount {
    group.members.iter().map(|index| mappings[*index].span.size()).sum()
}

fn equal_likeness<'a>(group: &Group, mappings: &'a [Mapping]) -> Option<Likeness<'a>> {
    let largest = &mappings[largest_member(group, mappings)?];
    let can_scatter = !group.purpose.is_gathered() && !matches!(group.purpose, Use::Stack | Use::Statics);
    can_scatter.then(|| Likeness {
        purpose: group.purpose,
        name: &largest.name,
        permissions: Some(largest.permissions),
        size: Some(size_of_group(group, mappings)),
        mappings: Some(group.members.len()),
    })
}

fn file_likeness<'a>(group: &Group, mappings: &'a [Mapping]) -> Option<Likeness<'a>> {
    let name = &mappings[*group.members.first()?].name;
    let has_name = matches!(group.purpose, Use::File | Use::Shared | Use::Special) && !name.is_empty();
    has_name.then_some(Likeness { purpose: group.purpose, name, permissions: None, size: None, mappings: None })
}

fn similar_likeness<'a>(group: &Group, mappings: &'a [Mapping]) -> Option<Likeness<'a>> {
    let largest = &mappings[largest_member(group, mappings)?];
    let size = ByteCount(size_of_group(group, mappings).0.checked_next_power_of_two()?);
    matches!(group.purpose, Use::Anon | Use::Reserved).then_some(Likeness {
        purpose: group.purpose,
        name: &largest.name,
        permissions: Some(largest.permissions),
        size: Some(size),
        mappings: None,
    })
}

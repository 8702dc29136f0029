//! From tables to groups: templates merged for the last time, strings that stand out taken out of them, labels made.
//! Knows each record is counted once. Ranking beyond dropping the smallest is left to the caller.

use std::cmp::Reverse;

use crate::scan::group::{Group, GroupKind, Label, LabelPart, Sample, Tally};
use crate::units::{Addr, ByteCount};

use super::label;
use super::reading::token::{Role, Tokens};
use super::strings::{Frequent, Occurrences, Strings};
use super::templates::across::Family;
use super::templates::catalog::Catalog;
use super::templates::template::{NONE, SAMPLE_LENGTH, SAMPLES, Template};

/// Groups that are reported at most.
const MOST_GROUPS: usize = 2000;
/// Members from which a template that was found late is reported on its own.
const LATE_ENOUGH: u64 = 16;
/// Members up to which a template goes to the rest of its skeleton, where there is one.
const RARE: u64 = 3;

/// The groups found, largest first, and whether the count of one of them may be too low. `whole` is all that was
/// added.
pub(super) fn groups(catalog: &mut Catalog, strings: &mut Strings, whole: ByteCount) -> (Vec<Group>, bool) {
    strings.flush();
    settle(catalog);
    let mut sampled = false;
    let mut groups = repeats(catalog, strings, whole, &mut sampled);
    let families = catalog.families();
    for family in &families {
        let members = || family.members.iter().map(|&index| &catalog.templates[index as usize]);
        let count: u64 = members().map(Template::count).sum();
        let weight: u64 = members().map(Template::weight).sum();
        if count < 2 && weight.saturating_mul(100) < whole.0 {
            continue;
        }
        sampled |= members().any(|template| template.late && !template.is_rest() && count >= LATE_ENOUGH);
        groups.push(group(catalog, family));
    }
    groups.sort_by_cached_key(|group| (Reverse(size(group)), group.label.to_string()));
    groups.truncate(MOST_GROUPS);
    (groups, sampled)
}

fn size(group: &Group) -> u64 {
    group.now.bytes.0.max(group.before.map_or(0, |before| before.bytes.0))
}

/// Generalises for the last time.
fn settle(catalog: &mut Catalog) {
    for skeleton in 0..catalog.skeletons.len() as u32 {
        if catalog.skeletons[skeleton as usize].live.len() > 1 {
            catalog.generalise(skeleton, true);
            catalog.absorb_fragments(skeleton);
        }
        if catalog.skeletons[skeleton as usize].rest != NONE {
            catalog.fold_up_to(skeleton, RARE);
        }
    }
}

/// Takes the strings that stand out in their templates out of them, as groups of their own.
fn repeats(catalog: &mut Catalog, strings: &Strings, whole: ByteCount, sampled: &mut bool) -> Vec<Group> {
    let mut tokens = Tokens::new();
    let mut groups = Vec::new();
    let mut standing: Vec<(u32, &Frequent, Occurrences)> = Vec::new();
    for (frequent, occurrences) in strings.frequent() {
        tokens.read(&frequent.text);
        let Some(index) = catalog.home(&tokens) else {
            continue;
        };
        let template = &catalog.templates[index as usize];
        let count = occurrences.now + occurrences.before;
        let bytes = frequent.bytes.0.saturating_mul(occurrences.now.max(occurrences.before));
        let share = if is_bare(template, &tokens) { 100 } else { 20 };
        if !template.all_equal && (count * 2 >= template.count() || bytes.saturating_mul(share) >= whole.0) {
            standing.push((index, frequent, occurrences));
        }
    }
    standing.sort_unstable_by(|a, b| a.1.text.cmp(&b.1.text));
    for (index, frequent, occurrences) in standing {
        let template = &mut catalog.templates[index as usize];
        let now = take(&mut template.now, occurrences.now, frequent.bytes);
        let before = take(&mut template.before, occurrences.before, frequent.bytes);
        *sampled |= occurrences.late;
        let text: String = String::from_utf8_lossy(&frequent.text[..frequent.text.len().min(SAMPLE_LENGTH)]).into();
        let samples = frequent.addresses.iter().map(|&address| Sample { address, text: text.clone() }).collect();
        let label = label::of_string(&frequent.text);
        groups.push(Group { kind: GroupKind::Repeat, label, now, before: Some(before), samples });
    }
    let second = catalog.second;
    groups.iter_mut().for_each(|group| group.before = group.before.filter(|_| second));
    groups
}

/// Whether a template has no word in it.
fn is_bare(template: &Template, tokens: &Tokens) -> bool {
    let word = |(index, place): (usize, &super::reading::token::Place)| {
        place.role == Role::Word && template.mask >> index & 1 == 0
    };
    !tokens.places().iter().enumerate().any(word)
}

/// Takes `count` members of `bytes` each out of `tally`, as far as they are there.
fn take(tally: &mut Tally, count: u64, bytes: ByteCount) -> Tally {
    let fit = tally.bytes.0.checked_div(bytes.0).unwrap_or(0);
    let count = count.min(tally.count).min(fit);
    let taken = Tally { count, bytes: ByteCount(bytes.0.saturating_mul(count)) };
    tally.count -= taken.count;
    tally.bytes = tally.bytes.saturating_sub(taken.bytes);
    taken
}

fn group(catalog: &Catalog, family: &Family) -> Group {
    let mut tokens = Tokens::new();
    let members = || family.members.iter().map(|&index| &catalog.templates[index as usize]);
    let (mut now, mut before) = (Tally::default(), Tally::default());
    for template in members() {
        now += template.now;
        before += template.before;
    }
    let lead = &catalog.templates[family.members[0] as usize];
    let equal = family.members.len() == 1 && lead.all_equal && lead.count() > 1;
    let label =
        if equal { label::of_string(&lead.first) } else { label::of_template(lead, &mut tokens, &family.joined) };
    let samples = members().flat_map(Template::samples).take(SAMPLES).map(sample).collect();
    let kind = if equal { GroupKind::Repeat } else { GroupKind::Text };
    Group { kind, label: or_any(label), now, before: catalog.second.then_some(before), samples }
}

fn or_any(label: Label) -> Label {
    if label.0.is_empty() { Label(vec![LabelPart::Variable("str".into())]) } else { label }
}

fn sample((address, text): (Addr, &[u8])) -> Sample {
    Sample { address, text: String::from_utf8_lossy(text).into_owned() }
}

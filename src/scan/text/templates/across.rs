//! Templates of different skeletons that are one: a value with blanks, dots or slashes in it makes as many skeletons as
//! it has lengths. Knows where two templates are equal but for the length of such values.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::catalog::Catalog;
use super::slot::Shown;
use super::template::Template;
use crate::scan::text::label::Joined;
use crate::scan::text::reading::class::{ALPHANUMERIC, class, fold, hash};
use crate::scan::text::reading::token::{MASKED, Place, Role, Tokens};

/// Words that must surround the values for two templates to be taken for one.
const ENOUGH_WORDS: usize = 2;

/// Neighbouring places that hold values.
#[derive(Clone, Copy)]
struct Stretch {
    first: usize,
    last: usize,
    /// The hash of the delimiters between them.
    between: u64,
    /// Whether one of them holds text of any kind.
    loose: bool,
    slashes: bool,
}

/// A template as words with stretches of values between them.
struct Frame {
    index: u32,
    key: u64,
    stretches: Vec<Stretch>,
}

/// Templates that are one, the largest first, and what of the largest is shown as one variable.
pub(in crate::scan::text) struct Family {
    pub(in crate::scan::text) members: Vec<u32>,
    pub(in crate::scan::text) joined: Vec<Joined>,
}

impl Catalog {
    /// All live templates, those that are one put together.
    pub(in crate::scan::text) fn families(&mut self) -> Vec<Family> {
        let mut alike: HashMap<u64, Vec<Frame>, FixedState> = HashMap::default();
        let mut families = Vec::new();
        for index in 0..self.templates.len() as u32 {
            let template = &self.templates[index as usize];
            if !template.is_live() || template.count() == 0 {
                continue;
            }
            self.scratch.read(&template.first);
            match frame(index, template, &self.scratch) {
                Some(frame) => alike.entry(frame.key).or_default().push(frame),
                None => families.push(Family { members: vec![index], joined: Vec::new() }),
            }
        }
        for mut frames in alike.into_values() {
            frames.sort_by_key(|frame| {
                let template = &self.templates[frame.index as usize];
                (std::cmp::Reverse(template.weight()), frame.index)
            });
            while !frames.is_empty() {
                families.push(first_family(&mut frames));
            }
        }
        families
    }
}

/// The first of `frames` and what is one with it, taken out.
fn first_family(frames: &mut Vec<Frame>) -> Family {
    let lead = frames.remove(0);
    let mut members = vec![lead.index];
    let mut differs = vec![false; lead.stretches.len()];
    let mut slashes = vec![false; lead.stretches.len()];
    frames.retain(|frame| {
        let pairs = || lead.stretches.iter().zip(&frame.stretches);
        if !pairs().all(|(one, two)| one.between == two.between || (one.loose && two.loose)) {
            return true;
        }
        members.push(frame.index);
        for (index, (one, two)) in pairs().enumerate() {
            differs[index] |= one.between != two.between;
            slashes[index] |= one.slashes || two.slashes;
        }
        false
    });
    let joined = lead.stretches.iter().enumerate().filter(|(index, _)| differs[*index]).map(|(index, stretch)| {
        Joined { first: stretch.first, last: stretch.last, kind: if slashes[index] { "path" } else { "str" } }
    });
    Family { joined: joined.collect(), members }
}

/// The frame of a template with a stretch that holds text of any kind and with words enough.
fn frame(index: u32, template: &Template, tokens: &Tokens) -> Option<Frame> {
    let places = tokens.places();
    let mut stretches: Vec<Stretch> = Vec::new();
    let mut inside = false;
    let (mut key, mut words) = (0, 0);
    for (number, place) in places.iter().enumerate() {
        // A list differs from a single value in the gap before it.
        let gap = if place.role == Role::List { !place.gap } else { place.gap };
        match literal(template, place, number) {
            Some(literal) => {
                inside = false;
                key = fold(key ^ literal, gap);
                words += usize::from(place.of(&template.first).iter().any(|&byte| class(byte) & ALPHANUMERIC != 0));
            }
            None if inside => {
                let last = stretches.last_mut()?;
                last.last = number;
                last.between = fold(last.between, gap);
            }
            None => {
                inside = true;
                key = fold(key ^ 1, gap);
                stretches.push(Stretch { first: number, last: number, between: 0, loose: false, slashes: false });
            }
        }
        if let Some(stretch) = stretches.last_mut().filter(|_| inside) {
            stretch.between = fold(stretch.between, u64::from(place.role == Role::List));
            stretch.loose |= template.literal(number, place) == MASKED
                || template.slots.get(number).is_some_and(|slot| slot.is_mixed());
        }
    }
    for stretch in &mut stretches {
        let text = usize::from(places[stretch.first].start)..usize::from(places[stretch.last].end);
        stretch.slashes = template.first[text].contains(&b'/');
    }
    let loose = stretches.iter().any(|stretch| stretch.loose);
    (loose && !tokens.cut && words >= ENOUGH_WORDS).then_some(Frame { index, key: fold(key, tokens.tail), stretches })
}

/// What a place always holds, where it does.
fn literal(template: &Template, place: &Place, number: usize) -> Option<u64> {
    let generalised = template.mask >> number & 1 == 1;
    if place.role == Role::Word && !generalised {
        return Some(place.literal);
    }
    match template.slots.get(number).map(|slot| slot.shown()) {
        Some(Shown::Constant(value)) => Some(hash(value)),
        Some(Shown::Varying { .. }) => None,
        None => Some(hash(place.of(&template.first))),
    }
}

//! Templates of different skeletons that are one: a value with blanks, dots or slashes in it makes as many skeletons as
//! it has lengths. Knows where two templates have the same beginning and end around nothing but values.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::catalog::Catalog;
use super::class::{ALPHANUMERIC, class, fold, hash};
use super::label::Joined;
use super::slot::Shown;
use super::template::Template;
use super::token::{MASKED, Role, Tokens};

/// Words that must surround the values for two templates to be taken for one.
const ENOUGH_WORDS: usize = 2;

/// A template seen as what is before its values, and what is behind them.
struct Frame {
    index: u32,
    key: u64,
    first: usize,
    last: usize,
    /// Whether there are slashes between the values.
    slashes: bool,
}

/// Templates that are one, the largest first, and what of the largest is shown as one variable.
pub(super) struct Family {
    pub(super) members: Vec<u32>,
    pub(super) joined: Option<Joined>,
}

impl Catalog {
    /// All live templates, those that are one put together.
    pub(super) fn families(&mut self) -> Vec<Family> {
        let mut frames: HashMap<u64, Vec<Frame>, FixedState> = HashMap::default();
        let mut families = Vec::new();
        for index in 0..self.templates.len() as u32 {
            let template = &self.templates[index as usize];
            if !template.is_live() || template.count() == 0 {
                continue;
            }
            self.scratch.read(&template.first);
            match frame(index, template, &self.scratch) {
                Some(frame) => frames.entry(frame.key).or_default().push(frame),
                None => families.push(Family { members: vec![index], joined: None }),
            }
        }
        for (_, mut frames) in frames {
            frames.sort_by_key(|frame| {
                let template = &self.templates[frame.index as usize];
                (std::cmp::Reverse(template.weight()), frame.index)
            });
            families.push(family(&frames));
        }
        families
    }
}

fn family(frames: &[Frame]) -> Family {
    let largest = &frames[0];
    let kind = if frames.iter().any(|frame| frame.slashes) { "path" } else { "str" };
    let joined = Joined { first: largest.first, last: largest.last, kind };
    Family {
        members: frames.iter().map(|frame| frame.index).collect(),
        joined: (frames.len() > 1).then_some(joined),
    }
}

/// The frame of a template between whose first and last value there is no word, one of them text of any kind, and
/// around them words enough.
fn frame(index: u32, template: &Template, tokens: &Tokens) -> Option<Frame> {
    let places = tokens.places();
    let literals: Vec<Option<u64>> = (0..places.len()).map(|place| literal(template, tokens, place)).collect();
    let first = literals.iter().position(Option::is_none)?;
    let last = literals.iter().rposition(Option::is_none)?;
    let middle = first..=last;
    let loose = middle.clone().any(|place| {
        template.literal(place, &places[place]) == MASKED || template.slots.get(place).is_some_and(|slot| slot.is_mixed())
    });
    let words = places.iter().enumerate().filter(|(place, p)| {
        literals[*place].is_some() && p.of(&template.first).iter().any(|&byte| class(byte) & ALPHANUMERIC != 0)
    });
    if tokens.cut || !loose || words.count() < ENOUGH_WORDS || middle.clone().any(|place| literals[place].is_some()) {
        return None;
    }
    // A list differs from a single value in the gap before it.
    let lead = places[first].gap;
    let mut key = if places[first].role == Role::List { !lead } else { lead };
    for (place, literal) in literals.iter().enumerate() {
        match literal {
            Some(literal) => key = fold(key ^ literal, places[place].gap),
            None if place == first => key = fold(key, 1),
            None => {}
        }
    }
    let inside = &template.first[usize::from(places[first].start)..usize::from(places[last].end)];
    let slashes = inside.contains(&b'/');
    Some(Frame { index, key: fold(key, tokens.tail), first, last, slashes })
}

/// What a place always holds, where it does.
fn literal(template: &Template, tokens: &Tokens, place: usize) -> Option<u64> {
    let found = &tokens.places()[place];
    let generalised = template.mask >> place & 1 == 1;
    if found.role == Role::Word && !generalised {
        return Some(found.literal);
    }
    match template.slots.get(place).map(|slot| slot.shown()) {
        Some(Shown::Constant(value)) => Some(hash(value)),
        Some(Shown::Varying { .. }) => None,
        None => Some(hash(found.of(&template.first))),
    }
}

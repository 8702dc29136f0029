//! What a template is called: its words as they are, its constants, its variables by type, bounded in length.
//! Knows one template at a time.

use crate::scan::group::{Label, LabelPart};

use super::reading::class::{SPACE, WORD, class};
use super::reading::token::{Place, Role, Tokens};
use super::templates::slot::{Shown, Slot};
use super::templates::template::{SAMPLE_LENGTH, Template};
use super::templates::value::{Kind, Votes};

/// Characters of a label.
const LONGEST: usize = 200;
/// Characters of the label of a repeated string.
const LONGEST_STRING: usize = 120;
/// Elements up to which a list of fixed length is shown one by one.
const SHOWN_ELEMENTS: usize = 6;
const MORE: &str = "…";

/// Places that are shown as one variable.
#[derive(Clone, Copy)]
pub(super) struct Joined {
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) kind: &'static str,
}

/// The label of a string that is the same everywhere.
pub(super) fn of_string(text: &[u8]) -> Label {
    let text = readable(text);
    let mut short: String = text.chars().take(LONGEST_STRING).collect();
    if short.len() < text.len() {
        short.push_str(MORE);
    }
    Label(vec![LabelPart::Constant(short)])
}

/// The label of `template`, the first record of which is in `tokens`.
pub(super) fn of_template(template: &Template, tokens: &mut Tokens, joined: &[Joined]) -> Label {
    let lists = element_kinds(template, tokens);
    tokens.read(&template.first);
    let mut parts = Parts::default();
    let mut at = 0;
    for (index, place) in tokens.places().iter().enumerate() {
        if let Some(joined) = joined.iter().find(|joined| (joined.first..=joined.last).contains(&index)) {
            if index == joined.first {
                parts.between(template, tokens, at, place.start.into());
                parts.push(LabelPart::Variable(joined.kind.into()));
            }
        } else {
            parts.between(template, tokens, at, place.start.into());
            let list = lists.iter().find(|(list, _)| *list == index).map(|(_, kinds)| &kinds[..]);
            parts.place(template, index, place, list.unwrap_or_default());
        }
        at = usize::from(place.end);
    }
    if tokens.cut {
        parts.fixed(MORE);
    } else {
        parts.between(template, tokens, at, template.first.len());
    }
    parts.finish()
}

/// Text with blanks joined and control characters left out.
fn readable(text: &[u8]) -> String {
    let mut readable = String::with_capacity(text.len());
    for character in String::from_utf8_lossy(text).chars() {
        let blank = character.is_whitespace() || character.is_control();
        if !blank {
            readable.push(character);
        } else if !readable.ends_with(' ') {
            readable.push(' ');
        }
    }
    readable
}

/// The kinds of the elements of each list place, where all samples have the same few; one kind where they have not.
fn element_kinds(template: &Template, tokens: &mut Tokens) -> Vec<(usize, Vec<Kind>)> {
    tokens.read(&template.first);
    let skeleton = tokens.skeleton;
    let lists: Vec<usize> =
        (0..tokens.places().len()).filter(|&index| tokens.places()[index].role == Role::List).collect();
    if lists.is_empty() {
        return Vec::new();
    }
    let records: Vec<&[u8]> =
        std::iter::once(&template.first[..]).chain(template.samples().map(|(_, text)| text)).collect();
    let mut votes: Vec<(usize, Vec<Votes>, bool)> = lists.iter().map(|&list| (list, Vec::new(), true)).collect();
    for (number, record) in records.into_iter().enumerate() {
        tokens.read(record);
        if tokens.skeleton != skeleton {
            continue;
        }
        for (list, votes, same) in &mut votes {
            let text = tokens.places()[*list].of(record);
            let cut = number > 0 && record.len() >= SAMPLE_LENGTH;
            let whole =
                if cut { text.iter().rposition(|&byte| class(byte) & WORD == 0).unwrap_or(0) } else { text.len() };
            let elements = text[..whole].split(|&byte| class(byte) & WORD == 0).filter(|element| !element.is_empty());
            let before = votes.len();
            let mut count = 0;
            for element in elements.take(64) {
                count += 1;
                if votes.len() < count {
                    votes.push(Votes::default());
                }
                votes[count - 1].add(Kind::of(element), 1);
            }
            *same &= !cut && (number == 0 || count == before);
        }
    }
    votes.into_iter().map(|(list, votes, same)| (list, shown_kinds(&votes, same))).collect()
}

fn shown_kinds(votes: &[Votes], same: bool) -> Vec<Kind> {
    if same && votes.len() <= SHOWN_ELEMENTS {
        return votes.iter().map(Votes::winner).collect();
    }
    let mut all = Votes::default();
    votes.iter().for_each(|votes| all.absorb(votes));
    vec![all.winner()]
}

/// A label in the making.
#[derive(Default)]
struct Parts(Vec<LabelPart>);

impl Parts {
    fn push(&mut self, part: LabelPart) {
        self.0.push(part);
    }

    fn fixed(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if let Some(LabelPart::Fixed(last)) = self.0.last_mut() {
            if last.ends_with(' ') && text.starts_with(' ') {
                last.pop();
            }
            return last.push_str(text);
        }
        self.0.push(LabelPart::Fixed(text.into()));
    }

    /// What is between two places: delimiters, and a mark for what was passed over.
    fn between(&mut self, template: &Template, tokens: &Tokens, start: usize, end: usize) {
        let mut at = start;
        for &(from, to) in tokens.skipped() {
            let (from, to) = (usize::from(from), usize::from(to));
            if from >= at && to <= end {
                self.fixed(&readable(&template.first[at..from]));
                self.fixed(MORE);
                at = to;
            }
        }
        self.fixed(&readable(template.first.get(at..end).unwrap_or_default()));
    }

    fn place(&mut self, template: &Template, index: usize, place: &Place, elements: &[Kind]) {
        let text = place.of(&template.first);
        let generalised = template.mask >> index & 1 == 1;
        if place.role == Role::Word && !generalised {
            return self.fixed(&readable(text));
        }
        let kept = match place.role {
            Role::Prefixed(length) if !generalised => usize::from(length),
            _ => 0,
        };
        let Some(slot) = template.slots.get(index) else {
            self.fixed(&readable(&text[..kept.min(text.len())]));
            return self.constant(&text[kept.min(text.len())..], text.len());
        };
        if place.role == Role::List && !slot.is_constant() {
            return self.list(text, elements);
        }
        self.slot(slot, kept, place);
    }

    fn slot(&mut self, slot: &Slot, kept: usize, place: &Place) {
        match slot.shown() {
            Shown::Constant(value) => {
                let kept = kept.min(value.len());
                self.fixed(&readable(&value[..kept]));
                self.constant(&value[kept..], usize::from(place.end - place.start) - kept);
            }
            Shown::Varying { prefix, kind, suffix } => {
                self.fixed(&readable(prefix));
                self.push(LabelPart::Variable(kind.name().into()));
                self.fixed(&readable(suffix));
            }
        }
    }

    fn constant(&mut self, value: &[u8], length: usize) {
        if value.is_empty() {
            return;
        }
        let mut text = readable(value);
        if value.len() < length {
            text.push_str(MORE);
        }
        self.push(LabelPart::Constant(text));
    }

    fn list(&mut self, text: &[u8], elements: &[Kind]) {
        if elements.len() < 2 {
            let kind = elements.first().copied().unwrap_or(Kind::Str);
            self.push(LabelPart::Variable(kind.name().into()));
            return self.fixed(MORE);
        }
        let from = text.iter().position(|&byte| class(byte) & WORD == 0).unwrap_or(0);
        let gap = text[from..].iter().take_while(|&&byte| class(byte) & WORD == 0);
        let gap: Vec<u8> = gap.map(|&byte| if class(byte) & SPACE != 0 { b' ' } else { byte }).collect();
        for (index, kind) in elements.iter().enumerate() {
            if index > 0 {
                self.fixed(&readable(&gap));
            }
            self.push(LabelPart::Variable(kind.name().into()));
        }
    }

    /// Three or more equal variables with one delimiter between them are shown as one.
    fn collapse(&mut self) {
        let mut at = 0;
        while at + 4 < self.0.len() {
            let pair = (&self.0[at], &self.0[at + 1]);
            let (LabelPart::Variable(_), LabelPart::Fixed(_)) = pair else {
                at += 1;
                continue;
            };
            let mut end = at + 2;
            while self.0.get(end) == Some(pair.0) && self.0.get(end + 1) == Some(pair.1) {
                end += 2;
            }
            let last = if self.0.get(end) == Some(pair.0) { end } else { end - 2 };
            if last >= at + 4 {
                self.0.splice(at + 1..=last, [LabelPart::Fixed(MORE.into())]);
            }
            at += 1;
        }
    }

    fn finish(mut self) -> Label {
        self.collapse();
        let mut left = LONGEST;
        let mut parts = Vec::new();
        for part in self.0 {
            let (LabelPart::Fixed(text) | LabelPart::Constant(text) | LabelPart::Variable(text)) = &part;
            let length = text.chars().count() + if matches!(part, LabelPart::Variable(_)) { 2 } else { 0 };
            if length < left {
                left -= length;
                parts.push(part);
                continue;
            }
            let short: String = text.chars().take(left.saturating_sub(1)).collect();
            match part {
                LabelPart::Fixed(_) => parts.push(LabelPart::Fixed(short)),
                LabelPart::Constant(_) => parts.push(LabelPart::Constant(short)),
                LabelPart::Variable(_) => {}
            }
            parts.push(LabelPart::Fixed(MORE.into()));
            break;
        }
        Label(parts)
    }
}

//! A template as steps that a record either takes or does not: a short way to the template of a record that looks like
//! one seen lately, without taking the record apart. Knows lines only; what it is not sure of it declines.

use crate::scan::text::reading::class::{DIGIT, LETTER, SPACE, WORD, class, class_at, is_at};
use crate::scan::text::reading::compound;

use super::template::Template;
use crate::scan::text::reading::record::Structure;
use crate::scan::text::reading::token::{FREE, Role, Tokens};
use crate::scan::text::reading::word::{Found, find_word, literal_of};

/// Patterns tried for one record.
const WAYS: usize = 4;
const BUCKETS: usize = 64;
/// Longer patterns are not worth the memory.
const LONGEST: usize = 1024;
/// Members a template has before it gets a pattern.
const ENOUGH: u64 = 4;

#[derive(Clone, Copy)]
enum Step {
    /// Just these bytes of the pattern's text.
    Text { start: u16, end: u16 },
    /// A word that is a value by itself.
    Value,
    /// Any word.
    Word,
    /// A value that ends as one behind `=` does.
    Bare,
    /// A value up to the quote that closes the one before it.
    Quoted,
    /// All that is left.
    Rest,
}

struct Pattern {
    template: u32,
    mask: u64,
    text: Box<[u8]>,
    steps: Box<[Step]>,
}

impl Pattern {
    /// The pattern of a template, the first record of which is in `tokens`; `None` for all but plain lines.
    fn new(index: u32, template: &Template, tokens: &Tokens) -> Option<Pattern> {
        let text = &template.first;
        let plain = !tokens.cut && text.len() <= LONGEST && tokens.skipped().is_empty();
        if !plain || !matches!(tokens.structure, Structure::Line | Structure::Header) {
            return None;
        }
        let mut steps = Vec::new();
        let mut from = 0;
        for (number, place) in tokens.places().iter().enumerate() {
            let generalised = template.mask >> number & 1 == 1;
            let (start, end) = (usize::from(place.start), usize::from(place.end));
            let step = match place.role {
                Role::List | Role::Prefixed(_) if !generalised => return None,
                Role::List => return None,
                Role::Word if !generalised => continue,
                Role::Dash => continue,
                _ if tokens.structure == Structure::Header => Step::Rest,
                // A line that begins with any word may be of another form.
                _ if generalised && start == 0 => return None,
                _ => step_at(text, start, generalised)?,
            };
            steps.push(Step::Text { start: from, end: start as u16 });
            steps.push(step);
            from = end as u16;
        }
        steps.push(Step::Text { start: from, end: text.len() as u16 });
        Some(Pattern { template: index, mask: template.mask, text: text.clone(), steps: steps.into() })
    }

    #[inline]
    fn matches(&self, record: &[u8]) -> bool {
        let mut at = 0;
        // What follows a slash is known from the pattern: it need not be looked at for base64.
        let mut not_base64 = usize::MAX;
        for step in &self.steps {
            let end = match *step {
                Step::Text { start, end } => {
                    let text = &self.text[usize::from(start)..usize::from(end)];
                    if !begins_with(&record[at..], text) {
                        return false;
                    }
                    Some(at + text.len())
                }
                Step::Value => value_end(record, at, false, &mut not_base64),
                Step::Word => value_end(record, at, true, &mut not_base64),
                Step::Bare => Some(compound::bare_value_end(record, at)),
                Step::Rest => one_line(record, at, Some(record.len())),
                Step::Quoted => one_line(record, at, compound::closing_quote(record, at - 1)),
            };
            match end {
                Some(end) => at = end,
                None => return false,
            }
        }
        at == record.len()
    }
}

/// `end`, where the value from `at` on does not go on in another line.
fn one_line(record: &[u8], at: usize, end: Option<usize>) -> Option<usize> {
    end.filter(|&end| memchr::memchr(b'\n', &record[at..end]).is_none())
}

/// As `starts_with`, for texts too short to be worth a call.
#[inline(always)]
fn begins_with(record: &[u8], text: &[u8]) -> bool {
    let Some(record) = record.get(..text.len()) else {
        return false;
    };
    let (record, record_rest) = record.as_chunks::<8>();
    let (text, text_rest) = text.as_chunks::<8>();
    record.iter().zip(text).all(|(one, two)| one == two)
        && record_rest.iter().zip(text_rest).all(|(one, two)| one == two)
}

/// How the value at `start` ends, told by what is before it.
fn step_at(text: &[u8], start: usize, generalised: bool) -> Option<Step> {
    let before = start.checked_sub(1).map_or(b' ', |at| text[at]);
    let blank = start >= 2 && before == b' ' && text[start - 2] == b'=';
    if before == b'=' || blank {
        return Some(Step::Bare);
    }
    if matches!(before, b'"' | b'\'') {
        return (compound::closing_quote(text, start - 1).is_some()).then_some(Step::Quoted);
    }
    if class_at(text, start) & WORD == 0 {
        return None;
    }
    Some(if generalised { Step::Word } else { Step::Value })
}

/// The end of the word or compound value at `at`, where it is one that the reader would take for a value, or any one.
#[inline]
fn value_end(record: &[u8], at: usize, any: bool, not_base64: &mut usize) -> Option<usize> {
    let first = class_at(record, at);
    if first & WORD == 0 {
        return None;
    }
    match find_word(record, at, first, not_base64) {
        Found::Compound(end) => Some(end),
        Found::Punctuation(_) => None,
        Found::Word { end, bits } => {
            let next = class_at(record, end);
            let key = is_at(record, end, b'=') || (next & SPACE != 0 && is_at(record, end + 1, b'='));
            if key {
                return None;
            }
            let digits_first = class(record[at]) & LETTER == 0;
            if any || (digits_first && bits & DIGIT != 0) {
                return Some(end);
            }
            let (role, literal) = literal_of(&record[at..end], bits);
            (role == Role::Value && literal == FREE).then_some(end)
        }
    }
}

/// The patterns used lately, by how a record begins.
pub(in crate::scan::text) struct Patterns {
    buckets: Vec<[Option<Pattern>; WAYS]>,
    turn: usize,
}

impl Patterns {
    pub(in crate::scan::text) fn new() -> Patterns {
        Patterns { buckets: (0..BUCKETS).map(|_| [const { None }; WAYS]).collect(), turn: 0 }
    }

    pub(in crate::scan::text) fn clear(&mut self) {
        self.buckets.iter_mut().flatten().for_each(|pattern| *pattern = None);
    }

    #[inline]
    fn bucket(record: &[u8]) -> usize {
        let Some(head) = record.first_chunk::<8>() else {
            return 0;
        };
        // Digits at the beginning are seldom the same twice.
        let word =
            if head[0].is_ascii_digit() { u64::from(head[4]) } else { u64::from_le_bytes(*head) >> 8 & 0xff_ffff };
        let word = word ^ u64::from(head[0].min(b'9'));
        (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize % BUCKETS
    }

    /// The template of `record`, where it takes the steps of one used lately.
    #[inline]
    pub(in crate::scan::text) fn find(&mut self, record: &[u8], templates: &[Template]) -> Option<u32> {
        let bucket = &mut self.buckets[Patterns::bucket(record)];
        for way in 0..WAYS {
            let Some(pattern) = &bucket[way] else {
                break;
            };
            if pattern.matches(record) {
                let template = &templates[pattern.template as usize];
                if !template.is_live() || template.mask != pattern.mask {
                    bucket[way..].rotate_left(1);
                    bucket[WAYS - 1] = None;
                    return None;
                }
                let index = pattern.template;
                if way > 0 {
                    bucket.swap(way, way - 1);
                }
                return Some(index);
            }
        }
        None
    }

    /// Remembers the pattern of a template that a record was just found to belong to.
    pub(in crate::scan::text) fn remember(
        &mut self,
        record: &[u8],
        index: u32,
        template: &Template,
        scratch: &mut Tokens,
    ) {
        self.turn = self.turn.wrapping_add(1);
        let bucket = &mut self.buckets[Patterns::bucket(record)];
        let full = bucket[WAYS - 1].is_some();
        if template.count() < ENOUGH || template.is_rest() || (full && !self.turn.is_multiple_of(16)) {
            return;
        }
        if bucket.iter().flatten().any(|pattern| pattern.template == index && pattern.mask == template.mask) {
            return;
        }
        scratch.read(&template.first);
        if let Some(pattern) = Pattern::new(index, template, scratch) {
            let way = bucket.iter().position(Option::is_none).unwrap_or(WAYS - 1);
            bucket[way] = Some(pattern);
        }
    }
}

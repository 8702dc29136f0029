//! Which stack owns which addresses: mapped and touched, given back, moved. What is still there at the end is each
//! stack's share. Pure arithmetic on spans and stack numbers.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::call::Change;
use crate::space::spans::within;
use crate::units::{Addr, ByteCount, Span};

const PAGE: ByteCount = ByteCount(4096);
/// How far an arena may have grown between two calls that were sampled.
const UNSAMPLED: ByteCount = ByteCount::mib(1);
/// Pages remembered; a watch of half an hour at a thousand samples a second fills it.
const PAGES_LIMIT: usize = 2_000_000;

/// The number of a stack among those seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StackId(pub u32);

/// What one stack did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Events seen.
    pub events: u64,
    /// Bytes it mapped or touched, whatever became of them.
    pub mapped: ByteCount,
    /// Of these, what is still there.
    pub outstanding: ByteCount,
}

/// Addresses and their owners.
#[derive(Debug, Default)]
pub struct Ledger {
    /// By first address: the end, and who mapped it.
    spans: BTreeMap<Addr, (Addr, StackId)>,
    /// Sampled pages: who touched them, and for how many pages each stands.
    pages: HashMap<Addr, (StackId, u64)>,
    /// Mapped without permissions: growth once it becomes writable.
    reserved: Vec<Span>,
    sums: HashMap<StackId, Sum>,
}

impl Ledger {
    /// A ledger of a process in which `reserved` spans were mapped without permissions.
    pub fn new(reserved: Vec<Span>) -> Ledger {
        Ledger { reserved, ..Ledger::default() }
    }

    /// A page was touched for the first time; it stands for `weight` pages.
    pub fn touch(&mut self, at: Addr, weight: u64, stack: StackId) {
        let sum = self.sums.entry(stack).or_default();
        sum.events += 1;
        sum.mapped += ByteCount(PAGE.0.saturating_mul(weight));
        let page = at.align_down(PAGE);
        // A page that comes a second time was given back in between.
        if self.pages.len() < PAGES_LIMIT || self.pages.contains_key(&page) {
            self.pages.insert(page, (stack, weight));
        }
    }

    /// A system call changed the address space. Gives bytes mapped and unmapped.
    pub(super) fn change(&mut self, change: Change, stack: StackId) -> (ByteCount, ByteCount) {
        let nothing = ByteCount::ZERO;
        match change {
            Change::Mapped(span) => {
                self.take(span);
                (self.give(span, stack), nothing)
            }
            Change::Reserved(span) => {
                self.take(span);
                self.reserved.push(span);
                (nothing, nothing)
            }
            Change::Unmapped(span) => {
                self.take(span);
                (nothing, span.size())
            }
            Change::Moved(from, to) => self.follow(from, to, stack),
            Change::Opened(span) => {
                let reserved = self.reserved.iter_mut().find(|reserved| reserved.overlaps(span));
                let Some(reserved) = reserved else { return (nothing, nothing) };
                // Arenas grow from below: what lies between was opened too, by calls that were not sampled.
                let below = span.start.since(reserved.start) <= UNSAMPLED;
                let start = if below { reserved.start } else { span.start };
                let opened = Span::new(start, span.end.min(reserved.end));
                *reserved = Span::new(opened.end, reserved.end);
                self.take(opened);
                (self.give(opened, stack), nothing)
            }
        }
    }

    /// What lay in `from` keeps its owners at `to`; what is new there is `stack`'s.
    fn follow(&mut self, from: Span, to: Span, stack: StackId) -> (ByteCount, ByteCount) {
        let kept = self.take(from);
        self.take(to);
        for (part, owner) in kept {
            let start = to.start.plus(part.start.since(from.start));
            let moved = Span::sized(start, part.size()).intersection(to);
            self.insert(moved, owner);
        }
        let new = Span::new(to.start.plus(from.size()), to.end);
        (self.give(new, stack), from.size().saturating_sub(to.size()))
    }

    fn give(&mut self, span: Span, stack: StackId) -> ByteCount {
        if span.is_empty() {
            return ByteCount::ZERO;
        }
        let sum = self.sums.entry(stack).or_default();
        sum.events += 1;
        sum.mapped += span.size();
        self.insert(span, stack);
        span.size()
    }

    fn insert(&mut self, span: Span, stack: StackId) {
        if !span.is_empty() {
            self.spans.insert(span.start, (span.end, stack));
        }
    }

    /// Removes all owners within `span` and tells whose what was.
    fn take(&mut self, span: Span) -> Vec<(Span, StackId)> {
        let before = self.spans.range(..span.start).next_back().map(|(start, _)| *start);
        let inside = self.spans.range(span.start..span.end).map(|(start, _)| *start);
        let starts: Vec<Addr> = before.into_iter().chain(inside).collect();
        let mut taken = Vec::new();
        for start in starts {
            let Some(&(end, owner)) = self.spans.get(&start) else { continue };
            let whole = Span::new(start, end);
            let part = whole.intersection(span);
            if part.is_empty() {
                continue;
            }
            self.spans.remove(&start);
            self.insert(Span::new(whole.start, part.start), owner);
            self.insert(Span::new(part.end, whole.end), owner);
            taken.push((part, owner));
        }
        taken
    }

    /// What each stack did, with what is still among the pages in `there`, ordered spans that do not overlap; `None`
    /// where that cannot be told any more: then all counts as outstanding. `scale` is by how much more pages were
    /// touched than samples stand for.
    pub fn settle(&self, there: Option<&[Span]>, scale: f64) -> HashMap<StackId, Sum> {
        let mut sums = self.sums.clone();
        let Some(there) = there else {
            sums.values_mut().for_each(|sum| sum.outstanding = sum.mapped);
            return sums;
        };
        for (start, (end, stack)) in &self.spans {
            let left: ByteCount = within(there, Span::new(*start, *end)).map(Span::size).sum();
            sums.entry(*stack).or_default().outstanding += left;
        }
        for (page, (stack, weight)) in &self.pages {
            if within(there, Span::sized(*page, PAGE)).next().is_some() {
                let stands_for = (*weight as f64 * scale).round() as u64;
                sums.entry(*stack).or_default().outstanding += ByteCount(PAGE.0.saturating_mul(stands_for));
            }
        }
        sums
    }
}

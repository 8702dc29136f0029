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
/// Farther apart, equal distances are of a program's own making.
const ROW: ByteCount = ByteCount::mib(4);
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
    /// Of these, what was given back, as far as that was seen.
    pub unmapped: ByteCount,
    /// Of these, what is still there.
    pub outstanding: ByteCount,
}

/// What a process has at the end: ordered spans that do not overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Its private mappings.
    pub mapped: Vec<Span>,
    /// Of these, what is in memory or in swap.
    pub present: Vec<Span>,
}

/// Addresses and their owners.
#[derive(Debug, Default)]
pub struct Ledger {
    /// By first address: the end, and who mapped it.
    spans: BTreeMap<Addr, (Addr, StackId)>,
    /// Sampled pages: who touched them, and for how many pages each stands.
    pages: BTreeMap<Addr, (StackId, u64)>,
    /// By thread: the page that was sampled last, and how far behind the one before it was.
    last: HashMap<i32, (Addr, u64)>,
    /// Mapped without permissions: growth once it becomes writable.
    reserved: Vec<Span>,
    sums: HashMap<StackId, Sum>,
}

impl Ledger {
    /// A ledger of a process in which `reserved` spans were mapped without permissions.
    pub fn new(reserved: Vec<Span>) -> Ledger {
        Ledger { reserved, ..Ledger::default() }
    }

    /// A page was touched for the first time by `thread`; it stands for `weight` pages. Gives their bytes.
    pub fn touch(&mut self, at: Addr, weight: u64, thread: i32, stack: StackId) -> ByteCount {
        let sum = self.sums.entry(stack).or_default();
        sum.events += 1;
        sum.mapped += pages(weight);
        let page = at.align_down(PAGE);
        // A page that comes a second time was given back in between. Samples at equal distances are of a row of pages, of
        // which those between come a second time too.
        let (last, step) = self.last.get(&thread).copied().unwrap_or_default();
        let distance = page.since(last).0;
        let in_row = distance == step && distance <= ROW.0;
        self.last.insert(thread, (page, distance));
        self.release_pages(Span::new(if in_row { last.plus(PAGE) } else { page }, page.plus(PAGE)));
        if self.pages.len() < PAGES_LIMIT {
            self.pages.insert(page, (stack, weight));
        }
        pages(weight)
    }

    /// A system call changed the address space. What it mapped belongs to `stack`; with `None` to who will touch it. Gives
    /// bytes mapped and unmapped.
    pub(super) fn change(&mut self, change: Change, stack: Option<StackId>) -> (ByteCount, ByteCount) {
        let nothing = ByteCount::ZERO;
        match change {
            Change::Mapped(span) => {
                self.release(span);
                (self.give(span, stack), nothing)
            }
            Change::Reserved(span) => {
                self.release(span);
                self.reserved.push(span);
                (nothing, nothing)
            }
            Change::Unmapped(span) => {
                self.release(span);
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
    fn follow(&mut self, from: Span, to: Span, stack: Option<StackId>) -> (ByteCount, ByteCount) {
        let (kept, touched) = (self.take(from), self.take_pages(from));
        self.release(to);
        let place = |at: Addr| to.start.plus(at.since(from.start));
        for (part, owner) in kept {
            let moved = Span::sized(place(part.start), part.size()).intersection(to);
            self.give_back(owner, part.size().saturating_sub(moved.size()));
            self.insert(moved, owner);
        }
        for (page, (owner, weight)) in touched {
            if to.contains(place(page)) {
                self.pages.insert(place(page), (owner, weight));
            } else {
                self.give_back(owner, pages(weight));
            }
        }
        let new = Span::new(to.start.plus(from.size()), to.end);
        (self.give(new, stack), from.size().saturating_sub(to.size()))
    }

    fn give(&mut self, span: Span, stack: Option<StackId>) -> ByteCount {
        let Some(stack) = stack.filter(|_| !span.is_empty()) else { return span.size() };
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

    /// What is in `span` is nobody's any more.
    fn release(&mut self, span: Span) {
        for (part, owner) in self.take(span) {
            self.give_back(owner, part.size());
        }
        self.release_pages(span);
    }

    fn release_pages(&mut self, span: Span) {
        for (_, (owner, weight)) in self.take_pages(span) {
            self.give_back(owner, pages(weight));
        }
    }

    fn give_back(&mut self, owner: StackId, bytes: ByteCount) {
        self.sums.entry(owner).or_default().unmapped += bytes;
    }

    fn take_pages(&mut self, span: Span) -> Vec<(Addr, (StackId, u64))> {
        if span.is_empty() {
            return Vec::new();
        }
        let inside: Vec<Addr> = self.pages.range(span.start..span.end).map(|(page, _)| *page).collect();
        inside.into_iter().filter_map(|page| self.pages.remove(&page).map(|owner| (page, owner))).collect()
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

    /// What each stack did and what is still in `left`; `None` where that cannot be told any more: then all counts as
    /// outstanding. `scale` is by how much more pages were touched than samples stand for.
    pub fn settle(&self, left: Option<&Left>, scale: f64) -> HashMap<StackId, Sum> {
        let mut sums = self.sums.clone();
        if let Some(left) = left {
            for (start, (end, stack)) in &self.spans {
                let whole = Span::new(*start, *end);
                let sum = sums.entry(*stack).or_default();
                sum.outstanding += within(&left.present, whole).map(Span::size).sum();
                sum.unmapped += whole.size().saturating_sub(within(&left.mapped, whole).map(Span::size).sum());
            }
            for (page, (stack, weight)) in &self.pages {
                let sum = sums.entry(*stack).or_default();
                let is_there = within(&left.present, Span::sized(*page, PAGE)).next().is_some();
                *(if is_there { &mut sum.outstanding } else { &mut sum.unmapped }) += pages(*weight);
            }
        } else {
            sums.values_mut().for_each(|sum| sum.outstanding = sum.mapped);
        }
        let scaled = |bytes: &mut ByteCount| bytes.0 = (bytes.0 as f64 * scale).round() as u64;
        if scale != 1.0 {
            sums.values_mut().for_each(|sum| {
                [&mut sum.mapped, &mut sum.unmapped, &mut sum.outstanding].into_iter().for_each(scaled)
            });
        }
        sums
    }
}

fn pages(count: u64) -> ByteCount {
    ByteCount(PAGE.0.saturating_mul(count))
}

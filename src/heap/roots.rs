//! From where memory is alive: data of modules, thread-local storage, stacks from the stack pointer up, registers. And what
//! else there is: anonymous memory of no known allocator, each stretch one node that is live when something points into
//! it, and stacks of threads that have ended, which are nothing.

use super::glibc::Heaps;
use super::image::{Image, PAGE, WORD};
use super::terrain::Terrain;
use crate::space::Thread;
use crate::space::spans::{joined, outside, within};
use crate::units::{Addr, ByteCount, Span};

/// Leaf functions may use so much below the stack pointer (System V ABI, the red zone).
const RED_ZONE: u64 = 128;
/// struct pthread has some 2300 bytes (glibc 2.17 to 2.43) and ends its stack's last page.
const DESCRIPTOR: u64 = 0x900;
/// Thread-local storage below the thread pointer of a main thread; more is rare.
const LOCAL_STORAGE: u64 = 64 * 1024;
/// The thread's id in struct pthread (2.17 to 2.43 on x86-64).
const TID: u64 = 0x2d0;

/// What a root is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootKind {
    /// Data of a program or library.
    Data,
    /// A thread's own variables.
    Local,
    /// A thread's stack.
    Stack,
    /// A thread's registers.
    Registers,
    /// A whole mapping of which nothing better is known.
    Unknown,
}

/// Memory, or registers, from which things are alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Root {
    pub kind: RootKind,
    /// The memory; empty for registers.
    pub span: Span,
    /// The registers.
    pub words: Vec<u64>,
    /// The thread, where it is one's.
    pub thread: Option<i32>,
}

/// All roots, in the order to start from, and opaque memory.
#[derive(Debug, Default)]
pub(super) struct Ground {
    pub roots: Vec<Root>,
    /// Addresses that keep their chunk alive whatever they point at in it: the vectors of thread-local storage, whose
    /// pointers lead 16 bytes into a chunk.
    pub exact: Vec<u64>,
    /// Anonymous memory of no known use.
    pub opaque: Vec<Span>,
}

struct Descriptor {
    at: u64,
    /// Its stack, guard included, where the descriptor tells.
    stack: Option<Span>,
}

pub(super) fn ground(image: &Image<'_>, terrain: &Terrain, heaps: &Heaps, threads: &[Thread]) -> Ground {
    let mut ground = Ground::default();
    let states = heaps.states();
    let free_of = |span: &Span| -> Vec<Span> {
        let rest = outside(&states, *span).into_iter();
        rest.flat_map(|part| outside(&heaps.claimed, part)).collect()
    };
    let data = terrain.data.iter().chain(&heaps.leads).flat_map(free_of);
    ground.roots.extend(data.map(|span| root(RootKind::Data, span, None)));
    let used = joined(heaps.claimed.iter().chain(&terrain.data).chain(&heaps.leads).copied().collect());
    let anonymous = terrain.unclaimed(&used);
    let descriptors = descriptors(image, &anonymous);
    let mut spent: Vec<Span> = descriptors.iter().filter_map(|descriptor| descriptor.stack).collect();
    ground.exact.extend(descriptors.iter().filter_map(|descriptor| image.word(descriptor.at + WORD)));
    let (mut locals, mut stacks) = (Vec::new(), Vec::new());
    for thread in threads {
        if let Some(local) = local_storage(terrain, thread) {
            locals.extend(
                outside(&heaps.claimed, local).into_iter().map(|span| root(RootKind::Local, span, Some(thread.id))),
            );
            ground.exact.extend(image.word(thread.thread_pointer.0 + WORD));
            spent.push(local);
        }
        if let Some(stack) = stack_of(terrain, &descriptors, thread) {
            let live = Span::new(Addr(thread.stack_pointer.0.saturating_sub(RED_ZONE) & !(WORD - 1)), stack.end);
            stacks.push(root(RootKind::Stack, live, Some(thread.id)));
            spent.push(stack);
        }
        let words = thread.registers.clone();
        stacks.push(Root { kind: RootKind::Registers, span: Span::default(), words, thread: Some(thread.id) });
    }
    ground.roots.extend(locals);
    ground.roots.extend(stacks);
    let spent = joined(spent);
    let rest: Vec<Span> = anonymous.iter().flat_map(|span| outside(&spent, *span)).collect();
    if threads.iter().all(|thread| thread.stack_pointer == Addr(0)) {
        ground.roots.extend(rest.into_iter().map(|span| root(RootKind::Unknown, span, None)));
    } else {
        ground.opaque = joined(rest);
    }
    ground
}

fn root(kind: RootKind, span: Span, thread: Option<i32>) -> Root {
    Root { kind, span, words: Vec::new(), thread }
}

/// Thread descriptors in anonymous memory, of live threads and of cached stacks: a struct pthread begins with its own
/// address and has it again at its third word.
fn descriptors(image: &Image<'_>, anonymous: &[Span]) -> Vec<Descriptor> {
    let is_one = |(addr, word): &(u64, u64)| {
        word == addr && addr.is_multiple_of(16) && image.word(addr + 2 * WORD) == Some(*addr)
    };
    let all = anonymous.iter().flat_map(|span| image.words(*span)).filter(is_one);
    let found = all.filter(|(addr, _)| image.half(addr + TID).is_some());
    found.map(|(at, _)| Descriptor { at, stack: stack_in(image, at) }).collect()
}

/// The stack that a descriptor at `at` ends: start and size stand one after the other in it, and end in its last page.
fn stack_in(image: &Image<'_>, at: u64) -> Option<Span> {
    const SMALLEST: u64 = 16 * 1024;
    let places = (at..at + DESCRIPTOR).step_by(WORD as usize);
    places.into_iter().find_map(|place| {
        let (start, size) = (image.word(place)?, image.word(place + WORD)?);
        let end = start.checked_add(size)?;
        let fits = start < at && end > at && end - at <= 2 * PAGE && size >= SMALLEST;
        (fits && start.is_multiple_of(PAGE) && end.is_multiple_of(PAGE)).then(|| Span::new(Addr(start), Addr(end)))
    })
}

/// The thread's own variables and descriptor: around the thread pointer.
fn local_storage(terrain: &Terrain, thread: &Thread) -> Option<Span> {
    let at = thread.thread_pointer;
    let area = terrain.anonymous_at(at.0)?;
    let end = at.plus(ByteCount(DESCRIPTOR)).align_up(ByteCount(PAGE));
    let stack = thread.stack_pointer;
    // Between the stack pointer and what lies above it nothing is dead; below it all is.
    let lowest = if area.contains(stack) && stack < at { stack } else { area.start };
    Some(Span::new(Addr(at.0.saturating_sub(LOCAL_STORAGE)).max(lowest), end).intersection(area))
}

/// The stack that a thread's stack pointer is on: as its descriptor tells, else up to the end of the mapping or, where the
/// thread pointer lies above in the same, up to there.
fn stack_of(terrain: &Terrain, descriptors: &[Descriptor], thread: &Thread) -> Option<Span> {
    let at = thread.stack_pointer;
    let area = terrain.anonymous_at(at.0)?;
    let known = descriptors.iter().filter_map(|descriptor| descriptor.stack).find(|stack| stack.contains(at));
    let above = |addr: Addr| addr > at && area.contains(addr);
    let guessed = || {
        let end = if above(thread.thread_pointer) {
            thread.thread_pointer.plus(ByteCount(DESCRIPTOR)).align_up(ByteCount(PAGE)).min(area.end)
        } else {
            area.end
        };
        Span::new(area.start, end)
    };
    known.map(|stack| within(&[area], stack).next().unwrap_or(stack)).or_else(|| Some(guessed()))
}

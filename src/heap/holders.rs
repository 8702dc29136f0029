//! Who holds a chunk: the way from a root to it, in words that are the same for chunks held alike.

use std::cell::Cell;

use super::groups::step;
use super::image::Image;
use super::names::PlaceNames;
use super::reach::{Flood, Node, place_of_pointer};
use super::roots::{Ground, Root, RootKind};
use super::signature::Reader;
use crate::units::{Addr, ByteCount, Span};

/// Steps of a way that are shown; lists are folded before.
const LONGEST: usize = 12;
/// Steps that are followed in all: a list of a million leads to its head all the same.
const FOLLOWED: usize = 3 << 20;
/// Members of a list that are told; the rest are taken for alike by their size.
const TOLD_OF_LIST: u32 = 32;
/// Members of a list may be of so many kinds in turn.
const CYCLE: usize = 4;

/// Where ways are looked up.
pub(super) struct Holders<'h, 'm> {
    pub image: &'h Image<'m>,
    pub reader: &'h Reader<'h, 'm>,
    pub flood: &'h Flood,
    pub ground: &'h Ground,
    pub names: Option<&'h dyn PlaceNames>,
    /// Steps followed so far.
    pub steps: Cell<usize>,
}

/// A step of a way that may stand for many.
struct Step {
    text: String,
    repeats: bool,
}

impl Step {
    fn told(self) -> String {
        if self.repeats { format!("list of {}", self.text) } else { self.text }
    }
}

/// One step from a root to a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Where the pointer to the next one stands; `None` for registers and the end.
    pub address: Option<Addr>,
    /// What it stands in.
    pub text: String,
}

impl Holders<'_, '_> {
    /// The way to `chunk` in one line, the root first, the chunk itself left out, repeats folded.
    pub fn way(&self, chunk: u32) -> Option<String> {
        let mut steps: Vec<Step> = Vec::new();
        self.follow(chunk, &mut |holder, held| {
            let text = self.text(holder, held, false);
            let is_root = matches!(holder, Node::Root(_));
            let room = steps.len() < 4 * LONGEST;
            let known = steps.iter_mut().rev().take(CYCLE).find(|step| step.text == text);
            match known {
                Some(step) if !is_root => step.repeats = true,
                _ if is_root || room => steps.push(Step { text, repeats: false }),
                _ => {}
            }
        })?;
        let mut steps: Vec<String> = steps.into_iter().map(Step::told).collect();
        steps.reverse();
        if steps.len() > LONGEST {
            let tail = steps.split_off(steps.len() - LONGEST / 2);
            steps.truncate(LONGEST / 2);
            steps.push("…".into());
            steps.extend(tail);
        }
        Some(steps.join(" → "))
    }

    /// The way to `chunk` with addresses, the root first, the chunk itself last.
    pub fn links(&self, chunk: u32) -> Vec<Link> {
        let mut links = vec![Link { address: None, text: step(self.reader, self.names, chunk) }];
        let followed = self.follow(chunk, &mut |holder, held| {
            if links.len() < 64 {
                let address = place_of_pointer(self.image, self.memory(holder), self.memory(held)).map(Addr);
                links.push(Link { address, text: self.text(holder, held, true) });
            }
        });
        if followed.is_none() {
            return Vec::new();
        }
        links.reverse();
        links
    }

    /// Tells each holder with what it holds, from `chunk` up to a root; `None` where there is no root, or it is too far.
    /// Of a list only the beginning and the end are told.
    fn follow(&self, chunk: u32, tell: &mut dyn FnMut(Node, Node)) -> Option<()> {
        let (mut at, mut alike) = (chunk, 0u32);
        let mut sizes = [None; CYCLE];
        while self.steps.get() < FOLLOWED {
            self.steps.set(self.steps.get() + 1);
            let holder = self.flood.parent(at)?;
            let size = self.size(holder);
            alike = if size.is_some() && sizes.contains(&size) { alike + 1 } else { 0 };
            if !sizes.contains(&size) {
                sizes.rotate_right(1);
                sizes[0] = size;
            }
            if alike < TOLD_OF_LIST {
                tell(self.flood.node(holder), self.flood.node(at));
            }
            if let Node::Root(_) = self.flood.node(holder) {
                return Some(());
            }
            at = holder;
        }
        None
    }

    fn size(&self, node: u32) -> Option<ByteCount> {
        matches!(self.flood.node(node), Node::Chunk(_)).then(|| self.reader.chunks.size(node))
    }

    fn memory(&self, node: Node) -> Span {
        match node {
            Node::Chunk(chunk) => self.reader.chunks.payload(chunk),
            Node::Opaque(index) => self.ground.opaque.get(index).copied().unwrap_or_default(),
            Node::Root(index) => self.ground.roots.get(index).map_or(Span::default(), |root| root.span),
        }
    }

    fn text(&self, holder: Node, held: Node, exact: bool) -> String {
        match holder {
            Node::Chunk(chunk) => step(self.reader, self.names, chunk),
            Node::Opaque(index) => {
                let span = self.ground.opaque.get(index).copied().unwrap_or_default();
                let at = if exact { format!(" at {}", span.start) } else { String::new() };
                format!("anonymous memory ({}){at}", span.size())
            }
            Node::Root(index) => {
                self.ground.roots.get(index).map_or(String::new(), |root| self.root(root, held, exact))
            }
        }
    }

    fn root(&self, root: &Root, held: Node, exact: bool) -> String {
        let thread = root.thread.map(|id| format!(" of thread {id}")).unwrap_or_default();
        match root.kind {
            RootKind::Data => {
                let at = place_of_pointer(self.image, root.span, self.memory(held));
                let named = at.and_then(|at| self.names.and_then(|names| names.place(Addr(at))));
                let named = named.map(|name| if exact { name } else { without_index(name) });
                named.unwrap_or_else(|| format!("data at {}", at.map_or(root.span.start, Addr)))
            }
            RootKind::Local => format!("thread-local storage{thread}"),
            RootKind::Stack => format!("stack{thread}"),
            RootKind::Registers => format!("a register{thread}"),
            RootKind::Unknown => format!("a mapping at {}", root.span.start),
        }
    }
}

/// A field of a variable says something; a place far inside is an element of a table, and each has another.
fn without_index(name: String) -> String {
    const FIELDS: u64 = 4096;
    match name.rsplit_once("+0x") {
        Some((variable, offset))
            if variable.contains('!') && u64::from_str_radix(offset, 16).is_ok_and(|by| by >= FIELDS) =>
        {
            format!("{variable}[…]")
        }
        _ => name,
    }
}

//! What kinds of writable memory there are: data of modules, and anonymous memory, in which heaps, stacks and everything
//! else lie side by side, because the kernel merges neighbours and cores name nothing.

use super::image::{PAGE, heap_memory};
use super::names::PlaceNames;
use crate::space::spans::{joined, outside};
use crate::space::{AddressMap, Mapping};
use crate::units::{ByteCount, Span};

/// Writable memory by kind; both lists ordered and joined.
#[derive(Debug, Default)]
pub(super) struct Terrain {
    /// Data of programs and libraries that is or was writable, with what follows it without a name (.bss).
    pub data: Vec<Span>,
    /// Anonymous memory, .bss included.
    pub anonymous: Vec<Span>,
    /// Code and read-only data of programs and libraries.
    pub code: Vec<Span>,
}

impl Terrain {
    /// `names` knows where .bss ends; without, a whole mapping behind a module's data is taken for it.
    pub fn of(map: &AddressMap, names: Option<&dyn PlaceNames>) -> Terrain {
        let memory = heap_memory(&map.mappings);
        let mut data: Vec<Span> = Vec::new();
        let mut last: Option<&Mapping> = None;
        for &mapping in &memory {
            let last_end = last.filter(|last| is_module(last)).map(|last| last.span.end);
            if is_module(mapping) {
                data.push(mapping.span);
            } else if last_end == Some(mapping.span.start) && mapping.name.is_empty() {
                data.push(bss(mapping.span, last, names));
            }
            last = Some(mapping);
        }
        let anonymous = memory.iter().filter(|mapping| !mapping.has_file()).map(|mapping| mapping.span).collect();
        let written = joined(memory.iter().map(|mapping| mapping.span).collect());
        let modules = map.mappings.iter().filter(|mapping| is_module(mapping));
        let code = modules.flat_map(|mapping| outside(&written, mapping.span)).collect();
        Terrain { data: joined(data), anonymous: joined(anonymous), code: joined(code) }
    }

    /// The anonymous stretch that holds `addr`.
    pub fn anonymous_at(&self, addr: u64) -> Option<Span> {
        holding(&self.anonymous, addr)
    }

    /// Whether `addr` lies in code or data of a module.
    pub fn is_module(&self, addr: u64) -> bool {
        holding(&self.data, addr).or_else(|| holding(&self.code, addr)).is_some()
    }

    /// Anonymous memory that is in none of `claimed` (joined).
    pub fn unclaimed(&self, claimed: &[Span]) -> Vec<Span> {
        self.anonymous.iter().flat_map(|span| outside(claimed, *span)).collect()
    }
}

/// The part of `span` that is the .bss of the module whose `last` mapping it follows.
fn bss(span: Span, last: Option<&Mapping>, names: Option<&dyn PlaceNames>) -> Span {
    let (Some(last), Some(names)) = (last, names) else { return span };
    let end = names.module_end(last.span.start);
    let page = ByteCount(PAGE);
    end.map_or(span, |end| Span::new(span.start, end.align_up(page).min(span.end)))
}

/// The one of `spans` that holds `addr`.
pub(super) fn holding(spans: &[Span], addr: u64) -> Option<Span> {
    let index = spans.partition_point(|span| span.end.0 <= addr);
    spans.get(index).copied().filter(|span| span.start.0 <= addr)
}

fn is_module(mapping: &Mapping) -> bool {
    mapping.has_file() && mapping.name.starts_with('/')
}

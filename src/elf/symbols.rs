//! Names for addresses in a process: which module an address is in, and what that module's file calls it. Files are
//! opened when an address in them is first asked for; who opens them how is the caller's.

use std::cell::{Cell, OnceCell, RefCell};
use std::fs::File;
use std::io;

use goblin::elf::program_header::PT_LOAD;
use hashbrown::HashMap;

use super::frames::Starts;
use super::headers::Headers;
use super::rtti::Words;
use super::table::{Sort, Table};
use crate::heap::PlaceNames;
use crate::scan::{Pointee, PointeeKind, PointerNames};
use crate::space::{AddressMap, Mapping};
use crate::units::{Addr, ByteCount, Span};

/// For the tables of all modules together.
const MEMORY: ByteCount = ByteCount::mib(24);
/// Answers kept; above this they are forgotten and looked up again.
const ANSWERS: usize = 16 * 1024;
const PAGE: u64 = 4096;

/// How the file behind a mapping is opened, such as `Target::mapped_file`.
pub type OpenFile<'a> = &'a dyn Fn(&Mapping) -> io::Result<File>;

/// Symbols of all file-backed modules of an address space.
pub struct Symbols<'a> {
    open: OpenFile<'a>,
    modules: Vec<Module>,
    /// The mappings of modules, in order, with the index of their module.
    spans: Vec<(Span, usize, bool)>,
    room: Cell<ByteCount>,
    answers: RefCell<HashMap<Addr, Option<Pointee>>>,
}

/// One file, loaded once: mappings in a row that begin anew at offset 0 are another load of it.
struct Module {
    mappings: Vec<Mapping>,
    contents: OnceCell<Option<Contents>>,
}

struct Contents {
    /// Where address 0 of the file is.
    bias: u64,
    /// The first address of the file behind all its memory.
    end: u64,
    table: Table,
    starts: Starts,
    words: Option<Words>,
}

impl<'a> Symbols<'a> {
    /// The modules of `map`; their files are opened with `open` when they are needed.
    pub fn load(map: &AddressMap, open: OpenFile<'a>) -> Symbols<'a> {
        let (mut modules, mut spans): (Vec<Module>, Vec<(Span, usize, bool)>) = (Vec::new(), Vec::new());
        for mapping in map.mappings.iter().filter(|mapping| mapping.has_file() && mapping.name.starts_with('/')) {
            let known = modules.iter().rposition(|module| module.takes(mapping));
            let index = known.unwrap_or(modules.len());
            match modules.get_mut(index) {
                Some(module) => module.mappings.push(mapping.clone()),
                None => modules.push(Module { mappings: vec![mapping.clone()], contents: OnceCell::new() }),
            }
            spans.push((mapping.span, index, mapping.permissions.execute));
        }
        // Fonts, locales and databases are mapped too; a module has code.
        spans.retain(|(_, index, _)| modules[*index].mappings.iter().any(|mapping| mapping.permissions.execute));
        Symbols { open, modules, spans, room: Cell::new(MEMORY), answers: RefCell::default() }
    }

    fn look_up(&self, addr: Addr, module: &Module, is_code: bool) -> Option<Pointee> {
        let contents = module.contents.get_or_init(|| self.read(module)).as_ref()?;
        let place = addr.0.wrapping_sub(contents.bias);
        if let Some((sort, name)) = contents.table.at(place) {
            let kind = if sort == Sort::Vtable { PointeeKind::Vtable } else { PointeeKind::Function };
            return Some(Pointee { kind, name });
        }
        if is_code {
            let name = || format!("{}+{place:#x}", module.name());
            return contents.starts.contain(place).then(|| Pointee { kind: PointeeKind::Function, name: name() });
        }
        let name = contents.words.as_ref()?.class_at(place)?;
        Some(Pointee { kind: PointeeKind::Vtable, name })
    }

    /// What the module's file has, as far as the memory for it goes.
    fn read(&self, module: &Module) -> Option<Contents> {
        let file = module.mappings.iter().find_map(|mapping| (self.open)(mapping).ok())?;
        let headers = Headers::read(&file).ok()??;
        let bias = module.bias(&headers)?;
        let table = Table::read(&file, &headers, self.room.get()).unwrap_or_default();
        self.take(table.size());
        let starts = Starts::read(&file, &headers).unwrap_or_default();
        let words = Words::read(file, &headers, self.room.get()).ok();
        self.take(words.as_ref().map_or(ByteCount::ZERO, Words::size));
        let loads = headers.segments.iter().filter(|segment| segment.p_type == PT_LOAD);
        let end = loads.map(|load| load.p_vaddr.saturating_add(load.p_memsz)).max().unwrap_or(0);
        Some(Contents { bias, end, table, starts, words })
    }

    fn take(&self, size: ByteCount) {
        self.room.set(self.room.get().saturating_sub(size));
    }
}

impl PointerNames for Symbols<'_> {
    fn pointee(&self, addr: Addr) -> Option<Pointee> {
        let index = self.spans.partition_point(|(span, ..)| span.end <= addr);
        let (_, module, is_code) = self.spans.get(index).filter(|(span, ..)| span.contains(addr))?;
        if let Some(known) = self.answers.borrow().get(&addr) {
            return known.clone();
        }
        let answer = self.look_up(addr, &self.modules[*module], *is_code);
        let mut answers = self.answers.borrow_mut();
        if answers.len() >= ANSWERS {
            answers.clear();
        }
        answers.insert(addr, answer.clone());
        answer
    }
}

impl PlaceNames for Symbols<'_> {
    fn place(&self, addr: Addr) -> Option<String> {
        let (module, contents) = self.around(addr)?;
        let place = addr.0.wrapping_sub(contents.bias);
        let offset = |by: u64| if by == 0 { String::new() } else { format!("+{by:#x}") };
        Some(match contents.table.around(place) {
            Some((name, inside)) => format!("{}!{name}{}", module.name(), offset(inside)),
            None => format!("{}{}", module.name(), offset(place)),
        })
    }

    fn module_end(&self, addr: Addr) -> Option<Addr> {
        self.around(addr).map(|(_, contents)| Addr(contents.bias.wrapping_add(contents.end)))
    }
}

impl Symbols<'_> {
    /// The module whose memory, .bss included, `addr` lies in.
    fn around(&self, addr: Addr) -> Option<(&Module, &Contents)> {
        let last = self.spans.partition_point(|(span, ..)| span.start <= addr).checked_sub(1)?;
        let (_, module, _) = self.spans.get(last)?;
        let module = &self.modules[*module];
        let contents = module.contents.get_or_init(|| self.read(module)).as_ref()?;
        (addr.0.wrapping_sub(contents.bias) < contents.end).then_some((module, contents))
    }
}

impl Module {
    fn takes(&self, mapping: &Mapping) -> bool {
        let [first, ..] = &self.mappings[..] else { return false };
        let same = (first.device, first.inode, &first.name) == (mapping.device, mapping.inode, &mapping.name);
        same && mapping.offset > ByteCount::ZERO
    }

    /// The file's name without its directories.
    fn name(&self) -> &str {
        let path = self.mappings.first().map_or("", |mapping| &mapping.name);
        path.rsplit('/').next().unwrap_or(path)
    }

    /// How far up the file was loaded, by a mapping that begins where a segment does, both rounded to pages.
    fn bias(&self, headers: &Headers) -> Option<u64> {
        let loads = || headers.segments.iter().filter(|segment| segment.p_type == PT_LOAD);
        self.mappings.iter().find_map(|mapping| {
            let begins = |offset: u64| offset / PAGE * PAGE == mapping.offset.0;
            let load = loads().find(|load| {
                begins(load.p_offset) && load.is_executable() == mapping.permissions.execute && load.p_filesz > 0
            })?;
            Some(mapping.span.start.0.wrapping_sub(load.p_vaddr / PAGE * PAGE))
        })
    }
}

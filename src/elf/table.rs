//! The named places of one ELF file: functions, vtables and static objects, by address within the file.

use std::fs::File;
use std::io;

use goblin::elf::section_header::{SHT_DYNSYM, SHT_SYMTAB, SectionHeader};
use goblin::elf::sym::{STT_FUNC, STT_GNU_IFUNC, STT_OBJECT, Sym, Symtab};

use super::demangle::{class_of_vtable, demangled};
use super::headers::{Headers, invalid, read_part};
use crate::units::ByteCount;

/// A file's table of symbols with their names; a browser's is about as large.
const TABLE_LIMIT: u64 = 128 << 20;
const NAME_LIMIT: usize = 64 * 1024;

/// What a symbol stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Function,
    Vtable,
    Object,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    addr: u64,
    size: u64,
    /// Where in `names` the name begins.
    name: u32,
    sort: Sort,
}

/// Symbols in order of address.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: Vec<Entry>,
    names: Vec<u8>,
}

impl Table {
    /// Reads .symtab, or .dynsym where that is all there is, as long as it takes no more than `room`.
    ///
    /// # Errors
    /// The kernel's. Sections that make no sense count as missing.
    pub fn read(file: &File, headers: &Headers, room: ByteCount) -> io::Result<Table> {
        let limit = room.0.min(TABLE_LIMIT);
        for sort in [SHT_SYMTAB, SHT_DYNSYM] {
            let Some(section) = headers.sections.iter().find(|section| section.sh_type == sort) else { continue };
            let names = headers.sections.get(section.sh_link as usize);
            let Some(names) = names.filter(|names| names.sh_size.saturating_add(section.sh_size) <= limit) else {
                continue;
            };
            let table = Table::of(file, headers, section, names)?;
            if !table.entries.is_empty() {
                return Ok(table);
            }
        }
        Ok(Table::default())
    }

    fn of(file: &File, headers: &Headers, section: &SectionHeader, names: &SectionHeader) -> io::Result<Table> {
        let bytes = read_part(file, section.sh_offset, section.sh_size)?;
        let names = read_part(file, names.sh_offset, names.sh_size)?;
        let count = bytes.len() / Sym::size(headers.context.container);
        let symbols = Symtab::parse(&bytes, 0, count, headers.context).map_err(invalid)?;
        let mut entries: Vec<Entry> = symbols.iter().filter_map(|symbol| entry(&symbol, &names)).collect();
        // Where one place has several names the first stays: a longer one is seldom a better one.
        entries.sort_by_key(|entry| (entry.addr, entry.size == 0, entry.name));
        entries.dedup_by_key(|entry| entry.addr);
        entries.shrink_to_fit();
        Ok(Table { entries, names })
    }

    /// Memory it takes.
    pub fn size(&self) -> ByteCount {
        ByteCount((self.entries.len() * size_of::<Entry>() + self.names.len()) as u64)
    }

    /// What begins exactly at `addr`; of a vtable any place inside.
    pub fn at(&self, addr: u64) -> Option<(Sort, String)> {
        let index = self.entries.partition_point(|entry| entry.addr <= addr).checked_sub(1)?;
        let entry = &self.entries[index];
        let inside = addr - entry.addr;
        match entry.sort {
            // The words before are the offset to the top and the typeinfo; no object points to them.
            Sort::Vtable if inside >= 16 && inside < entry.size.max(24) => {
                Some((Sort::Vtable, class_of_vtable(&self.name(entry)?)?))
            }
            Sort::Function | Sort::Object if inside == 0 => Some((entry.sort, demangled(&self.name(entry)?))),
            _ => None,
        }
    }

    /// The object or function that `addr` lies in, and how far.
    pub fn around(&self, addr: u64) -> Option<(String, u64)> {
        let index = self.entries.partition_point(|entry| entry.addr <= addr).checked_sub(1)?;
        let entry = &self.entries[index];
        let inside = addr - entry.addr;
        (inside == 0 || inside < entry.size).then(|| Some((demangled(&self.name(entry)?), inside)))?
    }

    fn name(&self, entry: &Entry) -> Option<String> {
        name_at(&self.names, entry.name as usize).map(|name| String::from_utf8_lossy(name).into_owned())
    }
}

fn entry(symbol: &Sym, names: &[u8]) -> Option<Entry> {
    const DEFINED_NOWHERE: usize = 0;
    if symbol.st_value == 0 || symbol.st_shndx == DEFINED_NOWHERE {
        return None;
    }
    let name = name_at(names, symbol.st_name)?;
    let sort = match symbol.st_type() {
        STT_FUNC | STT_GNU_IFUNC => Sort::Function,
        STT_OBJECT if name.starts_with(b"_ZTV") => Sort::Vtable,
        STT_OBJECT => Sort::Object,
        _ => return None,
    };
    Some(Entry { addr: symbol.st_value, size: symbol.st_size, name: u32::try_from(symbol.st_name).ok()?, sort })
}

/// The text from `offset` to the next zero; `None` where there is none or it is empty.
fn name_at(names: &[u8], offset: usize) -> Option<&[u8]> {
    let rest = names.get(offset..)?;
    let length = memchr::memchr(0, &rest[..rest.len().min(NAME_LIMIT)])?;
    (length > 0).then(|| &rest[..length])
}

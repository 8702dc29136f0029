//! Vtables of C++ classes in a file that has lost its symbols, by their type information (Itanium C++ ABI, 2.9.4):
//! the word before a vtable's address point leads to a typeinfo, whose second word leads to the class's mangled name.
//! The words are in the file, or in its relocations where it may be loaded anywhere.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use goblin::elf::program_header::{PT_LOAD, ProgramHeader};
use goblin::elf::reloc::{R_AARCH64_RELATIVE, R_X86_64_64, R_X86_64_RELATIVE, RelocSection};
use goblin::elf::section_header::{SHT_DYNSYM, SHT_RELA};
use goblin::elf::sym::{Sym, Symtab};

use super::demangle::class_of_typeinfo;
use super::headers::{Headers, read_part};
use crate::units::ByteCount;

const WORD: u64 = 8;
const CLASS_NAME_LIMIT: usize = 1024;
/// Of one section of relocations; a browser has 20 MiB.
const SECTION_LIMIT: u64 = 64 << 20;

/// What the words of a file will be once it is loaded at 0.
#[derive(Debug)]
pub(super) struct Words {
    file: File,
    loads: Vec<ProgramHeader>,
    /// Address and value, in order of address.
    relocated: Vec<(u64, u64)>,
}

impl Words {
    /// Reads relocations of at most `room`.
    ///
    /// # Errors
    /// The kernel's. Sections that make no sense count as missing.
    pub fn read(file: File, headers: &Headers, room: ByteCount) -> io::Result<Words> {
        let loads = headers.segments.iter().filter(|segment| segment.p_type == PT_LOAD).cloned().collect();
        let mut words = Words { file, loads, relocated: Vec::new() };
        if !headers.context.is_big() || !headers.context.is_little_endian() {
            return Ok(words);
        }
        let values = symbol_values(&words.file, headers, room)?;
        for section in headers.sections.iter().filter(|section| section.sh_type == SHT_RELA) {
            if section.sh_size > room.0.min(SECTION_LIMIT) {
                continue;
            }
            let bytes = read_part(&words.file, section.sh_offset, section.sh_size)?;
            let Ok(relocations) = RelocSection::parse(&bytes, 0, bytes.len(), true, headers.context) else { continue };
            words.relocated.extend(relocations.iter().filter_map(|relocation| {
                let addend = relocation.r_addend.unwrap_or(0);
                let base = match relocation.r_type {
                    R_X86_64_RELATIVE | R_AARCH64_RELATIVE => 0,
                    R_X86_64_64 => *values.get(relocation.r_sym).filter(|value| **value != 0)?,
                    _ => return None,
                };
                Some((relocation.r_offset, base.wrapping_add_signed(addend)))
            }));
        }
        words.relocated.sort_unstable();
        words.relocated.shrink_to_fit();
        Ok(words)
    }

    /// Memory it takes.
    pub fn size(&self) -> ByteCount {
        ByteCount((self.relocated.len() * size_of::<(u64, u64)>()) as u64)
    }

    /// The class whose objects begin with a pointer to `addr`; `None` where no vtable has its address point there.
    pub fn class_at(&self, addr: u64) -> Option<String> {
        let typeinfo = self.word(addr.checked_sub(WORD)?)?;
        let offset_to_top = self.stored(addr.checked_sub(2 * WORD)?)?;
        let first_function = self.word(addr)?;
        // Objects begin with the vtable of the whole object, which is at the top of it.
        if offset_to_top != 0 || !typeinfo.is_multiple_of(WORD) || !self.is_code(first_function) {
            return None;
        }
        let name = self.text(self.word(typeinfo.checked_add(WORD)?)?)?;
        class_of_typeinfo(&name)
    }

    fn word(&self, addr: u64) -> Option<u64> {
        match self.relocated.binary_search_by_key(&addr, |(at, _)| *at) {
            Ok(index) => Some(self.relocated[index].1),
            // Not relocated, or by DT_RELR, which keeps the value in place.
            Err(_) => self.stored(addr).filter(|value| *value != 0),
        }
    }

    fn stored(&self, addr: u64) -> Option<u64> {
        let mut bytes = [0; WORD as usize];
        (self.read_at(addr, &mut bytes)? == bytes.len()).then_some(u64::from_le_bytes(bytes))
    }

    fn text(&self, addr: u64) -> Option<String> {
        let mut bytes = [0; CLASS_NAME_LIMIT];
        let count = self.read_at(addr, &mut bytes)?;
        let length = memchr::memchr(0, &bytes[..count])?;
        let text = std::str::from_utf8(&bytes[..length]).ok()?;
        (text.len() > 1).then(|| text.to_owned())
    }

    fn read_at(&self, addr: u64, bytes: &mut [u8]) -> Option<usize> {
        let inside = |load: &&ProgramHeader| addr.checked_sub(load.p_vaddr).is_some_and(|at| at < load.p_filesz);
        let load = self.loads.iter().find(inside)?;
        let at = addr - load.p_vaddr;
        let length = (load.p_filesz - at).min(bytes.len() as u64) as usize;
        self.file.read_at(&mut bytes[..length], load.p_offset.checked_add(at)?).ok()
    }

    /// A pure virtual function of another library counts too: its word is zero until it is loaded.
    fn is_code(&self, addr: u64) -> bool {
        let inside = |load: &ProgramHeader| addr.checked_sub(load.p_vaddr).is_some_and(|at| at < load.p_memsz);
        self.loads.iter().any(|load| load.is_executable() && inside(load))
    }
}

/// The value of each dynamic symbol by index, 0 for those of other files.
fn symbol_values(file: &File, headers: &Headers, room: ByteCount) -> io::Result<Vec<u64>> {
    let section = headers.sections.iter().find(|section| section.sh_type == SHT_DYNSYM);
    let Some(section) = section.filter(|section| section.sh_size <= room.0.min(SECTION_LIMIT)) else {
        return Ok(Vec::new());
    };
    let bytes = read_part(file, section.sh_offset, section.sh_size)?;
    let count = bytes.len() / Sym::size(headers.context.container);
    let symbols = Symtab::parse(&bytes, 0, count, headers.context);
    Ok(symbols.map(|symbols| symbols.iter().map(|symbol| symbol.st_value).collect()).unwrap_or_default())
}

//! What unwinding needs of an ELF file: how far up it was loaded and its tables of call frames.

use std::fs::File;
use std::io;
use std::ops::Range;

use goblin::elf::program_header::PT_LOAD;

use super::headers::{Headers, read_part};
use crate::space::Mapping;

/// A browser's .eh_frame takes 20 MiB.
const SECTION_LIMIT: u64 = 64 << 20;
const PAGE: u64 = 4096;

/// One section with its addresses in the file.
#[derive(Debug)]
pub struct Section {
    /// Addresses as the file has them.
    pub addresses: Range<u64>,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The tables of call frames of one loaded file; what is missing is `None`.
#[derive(Debug)]
pub struct CallFrames {
    /// What is to be added to addresses of the file; wraps for files linked to fixed addresses.
    pub bias: u64,
    /// .eh_frame.
    pub eh_frame: Option<Section>,
    /// .eh_frame_hdr, its search table.
    pub eh_frame_hdr: Option<Section>,
    /// .debug_frame.
    pub debug_frame: Option<Section>,
}

/// Reads the tables of the file behind an executable `mapping`; `None` where it is no ELF file or has no such segment.
///
/// # Errors
/// The kernel's, and `InvalidData` for an ELF file that makes no sense.
pub fn call_frames(file: &File, mapping: &Mapping) -> io::Result<Option<CallFrames>> {
    let Some(headers) = Headers::read(file)? else { return Ok(None) };
    let Some(bias) = bias(&headers, mapping) else { return Ok(None) };
    let section = |name: &str| section(file, &headers, name).unwrap_or_default();
    Ok(Some(CallFrames {
        bias,
        eh_frame: section(".eh_frame"),
        eh_frame_hdr: section(".eh_frame_hdr"),
        debug_frame: section(".debug_frame"),
    }))
}

/// By the segment that holds the mapping's first byte.
fn bias(headers: &Headers, mapping: &Mapping) -> Option<u64> {
    let offset = mapping.offset.0;
    let load = headers.segments.iter().find(|segment| {
        let first = segment.p_offset / PAGE * PAGE;
        let end = segment.p_offset.saturating_add(segment.p_filesz);
        segment.p_type == PT_LOAD && segment.is_executable() && (first..end).contains(&offset)
    })?;
    let addr = load.p_vaddr.wrapping_sub(load.p_offset).wrapping_add(offset);
    Some(mapping.span.start.0.wrapping_sub(addr))
}

fn section(file: &File, headers: &Headers, name: &str) -> io::Result<Option<Section>> {
    const COMPRESSED: u64 = 1 << 11;
    let names = headers.sections.get(usize::from(headers.header.e_shstrndx)).ok_or(io::ErrorKind::InvalidData)?;
    let names = read_part(file, names.sh_offset, names.sh_size.min(SECTION_LIMIT))?;
    let found = headers.sections.iter().find(|section| {
        let rest = names.get(section.sh_name..).unwrap_or_default();
        let called = rest.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&0));
        called && section.sh_size <= SECTION_LIMIT && section.sh_flags & COMPRESSED == 0
    });
    let Some(found) = found else { return Ok(None) };
    let bytes = read_part(file, found.sh_offset, found.sh_size)?;
    let addresses = found.sh_addr..found.sh_addr.saturating_add(bytes.len() as u64);
    Ok((!bytes.is_empty()).then_some(Section { addresses, bytes }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Permissions;
    use crate::units::{Addr, ByteCount, Span};

    #[test]
    fn the_tables_of_our_own_program() {
        let file = File::open("/proc/self/exe").unwrap();
        let headers = Headers::read(&file).unwrap().unwrap();
        let load = headers.segments.iter().find(|one| one.p_type == PT_LOAD && one.is_executable()).unwrap();
        let mapping = Mapping {
            span: Span::sized(Addr(0x5555_0000_0000), ByteCount(load.p_filesz)),
            permissions: Permissions::parse("r-xp"),
            offset: ByteCount(load.p_offset / PAGE * PAGE),
            ..Mapping::default()
        };
        let frames = call_frames(&file, &mapping).unwrap().unwrap();
        let code = load.p_vaddr / PAGE * PAGE;
        assert_eq!(frames.bias.wrapping_add(code), 0x5555_0000_0000);
        let eh_frame = frames.eh_frame.unwrap();
        assert_eq!(eh_frame.addresses.end - eh_frame.addresses.start, eh_frame.bytes.len() as u64);
        assert!(frames.eh_frame_hdr.is_some());
    }

    #[test]
    fn other_files_have_none() {
        let file = File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
        assert!(call_frames(&file, &Mapping::default()).unwrap().is_none());
    }
}

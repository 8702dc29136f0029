//! The headers of an ELF file, read in bounded parts: which segments and sections it has. goblin knows the layouts.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use goblin::container::Ctx;
use goblin::elf::Elf;
use goblin::elf::header::Header;
use goblin::elf::program_header::ProgramHeader;
use goblin::elf::section_header::SectionHeader;

/// e_phnum of a file with more segments than fit there; section 0 then has the number.
const MANY_SEGMENTS: usize = 0xffff;
/// Of headers of one sort; cores of processes with 65 530 mappings have the most.
const COUNT_LIMIT: usize = 1 << 18;

/// What an ELF file consists of.
#[derive(Debug)]
pub(super) struct Headers {
    pub header: Header,
    pub context: Ctx,
    pub segments: Vec<ProgramHeader>,
    /// Empty where the file has none or they make no sense.
    pub sections: Vec<SectionHeader>,
    /// Length of the file.
    pub length: u64,
}

impl Headers {
    /// Reads the headers of `file`; `None` where it is no ELF file.
    ///
    /// # Errors
    /// `InvalidData` where it is one but its segments cannot be read; the kernel's.
    pub fn read(file: &File) -> io::Result<Option<Headers>> {
        const LARGEST_HEADER: u64 = 64;
        let length = file.metadata()?.len();
        let start = read_part(file, 0, LARGEST_HEADER)?;
        if !start.starts_with(goblin::elf::header::ELFMAG) {
            return Ok(None);
        }
        let header = Elf::parse_header(&start).map_err(invalid)?;
        let context = Ctx::new(header.container().map_err(invalid)?, header.endianness().map_err(invalid)?);
        let sections = read_sections(file, &header, context).unwrap_or_default();
        let count = match usize::from(header.e_phnum) {
            MANY_SEGMENTS => sections.first().map_or(0, |first| first.sh_info as usize),
            count => count,
        };
        let bytes = read_table(file, header.e_phoff, count, ProgramHeader::size(context))?;
        let segments = ProgramHeader::parse(&bytes, 0, count.min(COUNT_LIMIT), context).map_err(invalid)?;
        Ok(Some(Headers { header, context, segments, sections, length }))
    }
}

fn read_sections(file: &File, header: &Header, context: Ctx) -> io::Result<Vec<SectionHeader>> {
    if header.e_shoff == 0 {
        return Ok(Vec::new());
    }
    let size = SectionHeader::size(context);
    let count = match usize::from(header.e_shnum) {
        // More than fit there: the first one's sh_size has the number.
        0 => {
            let bytes = read_table(file, header.e_shoff, 1, size)?;
            let first = SectionHeader::parse_from(&bytes, 0, 1, context).map_err(invalid)?;
            usize::try_from(first.first().map_or(0, |first| first.sh_size)).unwrap_or(usize::MAX)
        }
        count => count,
    };
    let count = count.min(COUNT_LIMIT);
    let bytes = read_table(file, header.e_shoff, count, size)?;
    SectionHeader::parse_from(&bytes, 0, bytes.len() / size, context).map_err(invalid)
}

fn read_table(file: &File, offset: u64, count: usize, size: usize) -> io::Result<Vec<u8>> {
    read_part(file, offset, (count.min(COUNT_LIMIT) * size) as u64)
}

/// The bytes of `file` from `offset`, at most `length` and at most what it has.
pub(super) fn read_part(file: &File, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len().saturating_sub(offset).min(length);
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| io::ErrorKind::OutOfMemory)?];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

pub(super) fn invalid(error: goblin::error::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not a sound ELF file ({error})"))
}

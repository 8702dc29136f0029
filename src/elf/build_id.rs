//! The linker's fingerprint of a file, by which debug files and packages know it.

use std::fs::File;
use std::io;

use goblin::elf::note::{NT_GNU_BUILD_ID, NoteDataIterator};
use goblin::elf::program_header::PT_NOTE;

use super::headers::{Headers, read_part};

const NOTE_LIMIT: u64 = 64 * 1024;
/// SHA-1 takes 20 bytes; linkers offer up to 32.
const ID_LIMIT: usize = 64;

/// The build id of an ELF file in hexadecimal digits; `None` where it is no ELF file or has none.
///
/// # Errors
/// The kernel's, and `InvalidData` for an ELF file that makes no sense.
pub fn build_id(file: &File) -> io::Result<Option<String>> {
    let Some(headers) = Headers::read(file)? else { return Ok(None) };
    for segment in headers.segments.iter().filter(|segment| segment.p_type == PT_NOTE) {
        let data = read_part(file, segment.p_offset, segment.p_filesz.min(NOTE_LIMIT))?;
        let alignment = if segment.p_align == 8 { 8 } else { 4 };
        let notes = NoteDataIterator { data: &data, size: data.len(), offset: 0, ctx: (alignment, headers.context) };
        for note in notes.take_while(Result::is_ok).flatten() {
            if note.n_type == NT_GNU_BUILD_ID && note.name == "GNU" && note.desc.len() <= ID_LIMIT {
                return Ok(Some(note.desc.iter().map(|byte| format!("{byte:02x}")).collect()));
            }
        }
    }
    Ok(None)
}

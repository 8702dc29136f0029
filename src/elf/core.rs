//! ELF core files as maps from addresses to places in the file.

use std::fs::File;
use std::io;

use goblin::elf::header::EM_X86_64;
use goblin::elf::header::ET_CORE;
use goblin::elf::note::{NT_FILE, NT_PRSTATUS, NoteDataIterator};
use goblin::elf::program_header::{PT_LOAD, PT_NOTE, ProgramHeader};

use super::headers::{Headers, read_part};
use crate::space::spans::{joined, outside};
use crate::space::{Mapping, Permissions, Thread};
use crate::units::{Addr, ByteCount, Span};

/// Notes hold registers and file names; more than this is not looked at.
const NOTE_LIMIT: u64 = 16 << 20;

/// Addresses and where in a file their bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The addresses.
    pub span: Span,
    /// Where in the file the first of them is.
    pub offset: ByteCount,
}

impl Segment {
    /// Where in the file the byte at `addr` is.
    pub(crate) fn at(&self, addr: Addr) -> u64 {
        (self.offset + addr.since(self.span.start)).0
    }
}

/// What a core file holds.
#[derive(Clone, Debug, Default)]
pub struct Core {
    /// Addresses whose bytes are in the file, in order.
    pub segments: Vec<Segment>,
    /// The address space it was made from, in order; file-backed mappings have the inode 1, the real one is not told.
    pub mappings: Vec<Mapping>,
    /// Bytes that ought to be in the file and lie behind its end.
    pub cut_off: ByteCount,
    /// Its threads, where it is of an x86-64 process and tells.
    pub threads: Vec<Thread>,
}

impl Core {
    /// Reads what `file` holds; `None` where it is no core file.
    ///
    /// # Errors
    /// `InvalidData` where it is a core that cannot be made sense of; the kernel's.
    pub fn read(file: &File) -> io::Result<Option<Core>> {
        let Some(headers) = Headers::read(file)? else { return Ok(None) };
        if headers.header.e_type != ET_CORE {
            return Ok(None);
        }
        let mut core = Core::default();
        let mut loads: Vec<&ProgramHeader> = headers.segments.iter().filter(|load| load.p_type == PT_LOAD).collect();
        loads.sort_by_key(|load| load.p_vaddr);
        for load in loads {
            core.add(load, headers.length);
        }
        for note in headers.segments.iter().filter(|segment| segment.p_type == PT_NOTE) {
            core.read_notes(&read_part(file, note.p_offset, note.p_filesz.min(NOTE_LIMIT))?, &headers);
        }
        Ok(Some(core))
    }

    fn add(&mut self, load: &ProgramHeader, length: u64) {
        let start = Addr(load.p_vaddr);
        let span = Span::sized(start, ByteCount(load.p_memsz.max(load.p_filesz)));
        let free_from = self.mappings.last().map_or(Addr(0), |last| last.span.end);
        if span.is_empty() || start < free_from {
            return;
        }
        let permissions =
            Permissions { read: load.is_read(), write: load.is_write(), execute: load.is_executable(), shared: false };
        self.mappings.push(Mapping { span, permissions, ..Mapping::default() });
        let there = length.saturating_sub(load.p_offset).min(load.p_filesz);
        self.cut_off += ByteCount(load.p_filesz - there);
        if there > 0 {
            let span = Span::sized(start, ByteCount(there));
            self.segments.push(Segment { span, offset: ByteCount(load.p_offset) });
        }
    }

    /// Takes names of files from NT_FILE notes and threads from NT_PRSTATUS ones.
    fn read_notes(&mut self, notes: &[u8], headers: &Headers) {
        const ALIGNMENT: usize = 4;
        let (data, size) = (notes, notes.len());
        let notes = NoteDataIterator { data, size, offset: 0, ctx: (ALIGNMENT, headers.context) };
        // Each note takes at least its header, so this ends.
        for note in notes.take_while(Result::is_ok).flatten() {
            match note.n_type {
                NT_FILE => self.name_files(note.desc, headers),
                NT_PRSTATUS if headers.header.e_machine == EM_X86_64 => self.threads.extend(thread(note.desc)),
                _ => {}
            }
        }
    }

    /// Lines of NT_FILE: count, page size, (start, end, page) for each, then the names. What has no segment at all, because
    /// gdb leaves out what is the file's, is code or constants.
    fn name_files(&mut self, note: &[u8], headers: &Headers) {
        let word = if headers.context.is_big() { 8 } else { 4 };
        let known = joined(self.mappings.iter().map(|mapping| mapping.span).collect());
        let mut left_out = Vec::new();
        for (span, offset, name) in file_lines(note, word, headers.context.is_little_endian()) {
            let first = self.mappings.partition_point(|mapping| mapping.span.end <= span.start);
            let inside = self.mappings[first..].iter_mut().take_while(|mapping| mapping.span.start < span.end);
            for mapping in inside {
                mapping.offset = offset + mapping.span.start.since(span.start);
                mapping.inode = 1;
                mapping.name = name.clone();
            }
            left_out.extend(outside(&known, span).into_iter().map(|part| Mapping {
                span: part,
                permissions: Permissions::parse("r-xp"),
                offset: offset + part.start.since(span.start),
                inode: 1,
                name: name.clone(),
                ..Mapping::default()
            }));
        }
        self.mappings.append(&mut left_out);
        self.mappings.sort_by_key(|mapping| mapping.span);
        // Lines that overlap are no map: the first of them counts.
        self.mappings.dedup_by(|next, kept| next.span.start < kept.span.end);
    }
}

/// A thread from its `struct elf_prstatus` (x86-64, <sys/procfs.h>): pr_pid at 32, pr_reg at 112.
fn thread(status: &[u8]) -> Option<Thread> {
    let id = i32::from_le_bytes(status.get(32..36)?.try_into().ok()?);
    let words: Vec<u64> =
        status.get(112..328)?.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
    Thread::from_words(id, &words)
}

/// The lines of an NT_FILE note; cut off where it ends early.
fn file_lines(note: &[u8], word: usize, little: bool) -> Vec<(Span, ByteCount, String)> {
    let number = |index: usize| -> Option<u64> {
        let bytes = note.get(index.checked_mul(word)?..)?.get(..word)?;
        let mut wide = [0; 8];
        wide[..word].copy_from_slice(bytes);
        if !little {
            wide[..word].reverse();
        }
        Some(u64::from_le_bytes(wide))
    };
    let (Some(count), Some(page)) = (number(0), number(1)) else { return Vec::new() };
    let count = (count as usize).min(note.len() / (3 * word));
    let names = note.get((2 + 3 * count) * word..).unwrap_or_default().split(|byte| *byte == 0);
    let line = |(index, name): (usize, &[u8])| {
        let field = |field: usize| number(2 + 3 * index + field);
        let offset = ByteCount(field(2)?.saturating_mul(page));
        Some((Span::new(Addr(field(0)?), Addr(field(1)?)), offset, String::from_utf8_lossy(name).into_owned()))
    };
    names.take(count).enumerate().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn file_notes_are_read_and_may_be_cut_off() {
        let mut note = Vec::new();
        for number in [2u64, 4096, 0x1000, 0x3000, 5, 0x3000, 0x4000, 9] {
            note.extend(number.to_le_bytes());
        }
        note.extend(b"/usr/lib/a.so\0/usr/lib/b.so\0");
        let lines = file_lines(&note, 8, true);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1], (Span::new(Addr(0x3000), Addr(0x4000)), ByteCount(9 * 4096), "/usr/lib/b.so".into()));
        assert_eq!(file_lines(&note[..note.len() - 15], 8, true)[0].2, "/usr/lib/a.so");
        assert!(file_lines(&note[..9], 8, true).is_empty());
    }

    proptest! {
        #[test]
        fn reading_ends_on_any_bytes(mut bytes in prop::collection::vec(any::<u8>(), 0..4096), seed in any::<bool>()) {
            // Half of them get past the magic and into the tables.
            if seed && bytes.len() > 64 {
                bytes[..20].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x04\0\x3e\0");
                bytes[32..40].copy_from_slice(&64u64.to_le_bytes());
                let count = bytes[56] % 64;
                bytes[52..58].copy_from_slice(&[64, 0, 56, 0, count, 0]);
            }
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            if let Ok(Some(core)) = Core::read(&file) {
                prop_assert!(core.segments.is_sorted_by(|left, right| left.span.end <= right.span.start));
            }
            let _ = file_lines(&bytes, 8, seed);
        }
    }
}

//! The beginning of an ELF core file: header, segments, and the notes that debuggers read (threads with registers, the
//! process, its auxiliary vector, its files). Layouts of x86-64: <sys/procfs.h>, fs/binfmt_elf.c.

use goblin::elf::header::{EM_X86_64, ET_CORE};
use goblin::elf::note::{NT_FILE, NT_PRPSINFO, NT_PRSTATUS};
use goblin::elf::program_header::{PF_R, PF_W, PF_X, PT_LOAD, PT_NOTE};

use crate::space::{Mapping, Thread};
use crate::units::ByteCount;

const PAGE: u64 = 4096;
const HEADER: u64 = 64;
const SEGMENT: u64 = 56;
const SECTION: u64 = 64;
/// e_phnum that says: section 0 has the number.
const MANY: u64 = 0xffff;
const NT_AUXV: u32 = 6;
const STATUS: usize = 336;
const REGISTERS: usize = 112;
const REGISTER_WORDS: usize = 27;
const PROCESS: usize = 136;

/// Who the core is of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CoreProcess {
    /// Its pid.
    pub pid: i32,
    /// Its parent's.
    pub ppid: i32,
    /// Its real user.
    pub uid: u32,
    /// The kernel's short name.
    pub name: String,
    /// Its arguments, blanks between them.
    pub arguments: String,
    /// /proc/PID/auxv as it is.
    pub auxv: Vec<u8>,
}

/// The beginning of a core and where the bytes of each of its mappings go behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreHead {
    /// To be written at the beginning of the file.
    pub bytes: Vec<u8>,
    /// Offsets in the file, one for each mapping.
    pub offsets: Vec<ByteCount>,
    /// Length of the whole file.
    pub length: ByteCount,
}

/// Lays out a core of `mappings`; of each, so many bytes from its start are stored as `stored` says.
pub fn core_head(process: &CoreProcess, threads: &[Thread], mappings: &[Mapping], stored: &[ByteCount]) -> CoreHead {
    let notes = notes(process, threads, mappings);
    let count = mappings.len() as u64 + 1;
    let is_many = count >= MANY;
    let segments_end = HEADER + count * SEGMENT;
    let notes_at = if is_many { segments_end + SECTION } else { segments_end };
    let mut at = (notes_at + notes.len() as u64).next_multiple_of(PAGE);
    let mut bytes = header(count, is_many.then_some(segments_end));
    segment(&mut bytes, (PT_NOTE, 0), notes_at, (0, 0), notes.len() as u64, 4);
    let mut offsets = Vec::with_capacity(mappings.len());
    for (mapping, stored) in mappings.iter().zip(stored) {
        let permissions = mapping.permissions;
        let flag = |set: bool, flag: u32| if set { flag } else { 0 };
        let flags = flag(permissions.read, PF_R) | flag(permissions.write, PF_W) | flag(permissions.execute, PF_X);
        segment(&mut bytes, (PT_LOAD, flags), at, (mapping.span.start.0, mapping.span.size().0), stored.0, PAGE);
        offsets.push(ByteCount(at));
        at += stored.0.next_multiple_of(PAGE);
    }
    if is_many {
        let mut section = vec![0; SECTION as usize];
        section[44..48].copy_from_slice(&(count as u32).to_le_bytes());
        bytes.extend(section);
    }
    bytes.extend(notes);
    CoreHead { bytes, offsets, length: ByteCount(at) }
}

fn header(segments: u64, section_at: Option<u64>) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    bytes.extend(ET_CORE.to_le_bytes());
    bytes.extend(EM_X86_64.to_le_bytes());
    bytes.extend(1u32.to_le_bytes());
    bytes.extend(0u64.to_le_bytes());
    bytes.extend(HEADER.to_le_bytes());
    bytes.extend(section_at.unwrap_or(0).to_le_bytes());
    bytes.extend(0u32.to_le_bytes());
    let sections = u16::from(section_at.is_some());
    for half in [HEADER as u16, SEGMENT as u16, segments.min(MANY) as u16, SECTION as u16, sections, 0] {
        bytes.extend(half.to_le_bytes());
    }
    bytes
}

fn segment(
    bytes: &mut Vec<u8>,
    (kind, flags): (u32, u32),
    offset: u64,
    (addr, size): (u64, u64),
    stored: u64,
    align: u64,
) {
    bytes.extend(kind.to_le_bytes());
    bytes.extend(flags.to_le_bytes());
    for word in [offset, addr, 0, stored, size, align] {
        bytes.extend(word.to_le_bytes());
    }
}

fn notes(process: &CoreProcess, threads: &[Thread], mappings: &[Mapping]) -> Vec<u8> {
    let mut notes = Vec::new();
    // Debuggers take the first thread for the one to show: the leader.
    let leader = |thread: &&Thread| thread.id != process.pid;
    let mut ordered: Vec<&Thread> = threads.iter().collect();
    ordered.sort_by_key(leader);
    for (index, thread) in ordered.iter().enumerate() {
        note(&mut notes, NT_PRSTATUS, &status(process, thread));
        if index == 0 {
            note(&mut notes, NT_PRPSINFO, &process_state(process));
            note(&mut notes, NT_AUXV, &process.auxv);
            note(&mut notes, NT_FILE, &files(mappings));
        }
    }
    notes
}

fn note(notes: &mut Vec<u8>, kind: u32, desc: &[u8]) {
    notes.extend(5u32.to_le_bytes());
    notes.extend((desc.len() as u32).to_le_bytes());
    notes.extend(kind.to_le_bytes());
    notes.extend(b"CORE\0\0\0\0");
    notes.extend(desc);
    notes.resize(notes.len().next_multiple_of(4), 0);
}

/// struct elf_prstatus: pr_pid at 32, pr_ppid at 36, pr_reg at 112.
fn status(process: &CoreProcess, thread: &Thread) -> Vec<u8> {
    let mut bytes = vec![0; STATUS];
    bytes[32..36].copy_from_slice(&thread.id.to_le_bytes());
    bytes[36..40].copy_from_slice(&process.ppid.to_le_bytes());
    let places = bytes[REGISTERS..REGISTERS + REGISTER_WORDS * 8].chunks_exact_mut(8);
    for (place, word) in places.zip(&thread.registers) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// struct elf_prpsinfo: pr_uid at 16, pr_pid at 24, pr_fname at 40, pr_psargs at 56.
fn process_state(process: &CoreProcess) -> Vec<u8> {
    let mut bytes = vec![0; PROCESS];
    bytes[1] = b'S';
    bytes[16..20].copy_from_slice(&process.uid.to_le_bytes());
    bytes[24..28].copy_from_slice(&process.pid.to_le_bytes());
    bytes[28..32].copy_from_slice(&process.ppid.to_le_bytes());
    let mut text = |at: usize, room: usize, text: &str| {
        let length = text.len().min(room - 1);
        bytes[at..at + length].copy_from_slice(&text.as_bytes()[..length]);
    };
    text(40, 16, &process.name);
    text(56, 80, &process.arguments);
    bytes
}

/// Count, page size, then start, end and page of each mapping with a file, then the names.
fn files(mappings: &[Mapping]) -> Vec<u8> {
    let named: Vec<&Mapping> = mappings.iter().filter(|mapping| mapping.has_file()).collect();
    let mut bytes = Vec::new();
    bytes.extend((named.len() as u64).to_le_bytes());
    bytes.extend(PAGE.to_le_bytes());
    for mapping in &named {
        for word in [mapping.span.start.0, mapping.span.end.0, mapping.offset.0 / PAGE] {
            bytes.extend(word.to_le_bytes());
        }
    }
    for mapping in &named {
        bytes.extend(mapping.name.bytes().filter(|byte| *byte != 0));
        bytes.push(0);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::Core;
    use super::*;
    use crate::space::Permissions;
    use crate::units::{Addr, Span};

    #[test]
    fn what_is_laid_out_is_read_again() {
        let mapping = |start: u64, size: u64, name: &str| Mapping {
            span: Span::sized(Addr(start), ByteCount(size)),
            permissions: Permissions::parse("rw-p"),
            inode: u64::from(!name.is_empty()),
            name: name.into(),
            ..Mapping::default()
        };
        let mappings = [mapping(0x1000, 0x2000, "/bin/a"), mapping(0x8000, 0x1000, "")];
        let words: Vec<u64> = (100..127).collect();
        let threads = [Thread::from_words(8, &words).unwrap(), Thread::from_words(7, &words).unwrap()];
        let process = CoreProcess { pid: 7, name: "a".into(), auxv: vec![0; 16], ..CoreProcess::default() };
        let head = core_head(&process, &threads, &mappings, &[ByteCount(0x2000), ByteCount(0x1000)]);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&head.bytes).unwrap();
        file.set_len(head.length.0).unwrap();
        let core = Core::read(&file).unwrap().unwrap();
        assert_eq!(core.cut_off, ByteCount::ZERO);
        let offsets: Vec<ByteCount> = core.segments.iter().map(|segment| segment.offset).collect();
        assert_eq!(offsets, head.offsets);
        assert_eq!(core.threads, [threads[1].clone(), threads[0].clone()]);
        let names: Vec<&str> = core.mappings.iter().map(|mapping| mapping.name.as_str()).collect();
        assert_eq!(names, ["/bin/a", ""]);
    }
}

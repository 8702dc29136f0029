//! Where the code of a file enters the kernel: compilers load the number right before the instruction, `mov eax, N` …
//! `syscall`, whatever became of symbols and whatever was inlined into what. x86-64.

use std::fs::File;
use std::io;

use goblin::elf::program_header::PT_LOAD;

use super::headers::{Headers, read_part};

/// A browser has 200 MiB of code; C libraries and programs linked statically have a few.
const CODE_LIMIT: u64 = 64 << 20;
const LOAD_NUMBER: u8 = 0xb8;
const SYSCALL: [u8; 2] = [0x0f, 0x05];
const RETURN: u8 = 0xc3;
/// Bytes between loading the number and the call, at most: musl moves the arguments in between.
const BETWEEN: usize = 24;

/// Addresses in `file` right behind the `syscall` instructions that are made with one of `numbers`, in order.
///
/// # Errors
/// The kernel's, and `InvalidData` for an ELF file that makes no sense.
pub fn kernel_entries(file: &File, numbers: &[u32]) -> io::Result<Vec<(u32, u64)>> {
    let Some(headers) = Headers::read(file)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for segment in headers.segments.iter().filter(|segment| segment.p_type == PT_LOAD && segment.is_executable()) {
        let code = read_part(file, segment.p_offset, segment.p_filesz.min(CODE_LIMIT))?;
        for at in memchr::memchr_iter(LOAD_NUMBER, &code) {
            let rest = code.get(at + 1..).unwrap_or_default();
            let Some((number, rest)) = rest.split_first_chunk::<4>() else { continue };
            let number = u32::from_le_bytes(*number);
            let Some(behind) = numbers.contains(&number).then(|| behind_call(rest)).flatten() else { continue };
            found.push((number, segment.p_vaddr.wrapping_add((at + 5 + behind) as u64)));
        }
    }
    Ok(found)
}

/// Where the next instruction after the call begins.
fn behind_call(code: &[u8]) -> Option<usize> {
    let window = &code[..code.len().min(BETWEEN + SYSCALL.len())];
    let call = window.windows(SYSCALL.len()).position(|two| two == SYSCALL)?;
    // Past the end of the function the number is another's.
    (!window[..call].contains(&RETURN)).then_some(call + SYSCALL.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_found_where_its_number_is_loaded() {
        assert_eq!(behind_call(&[0x0f, 0x05, 0x48]), Some(2));
        assert_eq!(behind_call(&[0x4c, 0x89, 0xc7, 0x0f, 0x05]), Some(5));
        assert_eq!(behind_call(&[0xc3, 0x0f, 0x05]), None);
        assert_eq!(behind_call(&[0x90; 40]), None);
        assert_eq!(behind_call(&[]), None);
    }

    #[test]
    fn the_c_library_enters_the_kernel_once_for_brk() {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let libc =
            maps.lines().filter_map(|line| line.split_whitespace().nth(5)).find(|path| path.contains("/libc.so"));
        let Some(libc) = libc else { return };
        let entries = kernel_entries(&File::open(libc).unwrap(), &[12]).unwrap();
        assert_eq!(entries.len(), 1, "{entries:x?}");
    }
}

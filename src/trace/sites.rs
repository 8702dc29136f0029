//! The instructions at which memory comes from the kernel: those right behind the system calls of the C library, where
//! all arguments and the answer still stand in registers. A program linked statically has them itself.

use std::collections::BTreeMap;
use std::io;

use super::MemoryCall;
use crate::elf::{call_frames, kernel_entries};
use crate::space::Mapping;
use crate::stacks::OpenModule;
use crate::units::Addr;

/// Debug registers of x86.
const REGISTERS: usize = 4;
/// What is watched, in order of importance: what was unmapped shows at the end without it.
const WANTED: [MemoryCall; 4] = [MemoryCall::Brk, MemoryCall::Mmap, MemoryCall::Mprotect, MemoryCall::Mremap];

/// Addresses to stop at, at most as many as there are debug registers, with the call that was just made there.
///
/// # Errors
/// `NotFound` where neither a C library nor the program makes such calls; those of reading the files.
pub(super) fn sites(
    mappings: &[Mapping],
    program: Option<&str>,
    open: OpenModule<'_>,
) -> io::Result<BTreeMap<Addr, MemoryCall>> {
    let code = || mappings.iter().filter(|mapping| mapping.permissions.execute && mapping.has_file());
    let libraries = code().filter(|mapping| is_c_library(&mapping.name));
    let itself = code().filter(|mapping| program.is_some_and(|program| mapping.name == program));
    let numbers = WANTED.map(MemoryCall::number);
    for mapping in libraries.chain(itself) {
        let (file, _) = open(mapping)?;
        let Some(frames) = call_frames(&file, mapping)? else { continue };
        let entries = kernel_entries(&file, &numbers)?;
        let at = |call: &MemoryCall| {
            let mut of_call = entries.iter().filter(|(number, _)| *number == call.number());
            of_call.next().map(|(_, addr)| (Addr(addr.wrapping_add(frames.bias)), *call))
        };
        let found: BTreeMap<Addr, MemoryCall> = WANTED.iter().filter_map(at).take(REGISTERS).collect();
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Err(io::Error::new(io::ErrorKind::NotFound, "neither a C library nor the program has the system calls of malloc"))
}

/// glibc before and after 2.34, musl as Alpine and others name it.
fn is_c_library(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    ["libc.so", "libc-2.", "ld-musl", "libc.musl"].iter().any(|known| name.starts_with(known))
}

//! What is found out about a target before a thread of it is made to call: whether that is safe at all, the code it
//! needs, and the threads to try, the ones that sleep in the kernel first.

use std::fs::File;

use crate::space::{Mapping, Permissions};
use crate::target::Target;
use crate::units::{ByteCount, Span};

/// More threads are not tried: one of the first is as good as any.
const THREADS: usize = 24;
/// No thread stack is larger; what is, may be a heap on which a language runtime has its stacks.
const LARGEST_STACK: ByteCount = ByteCount::mib(64);
/// Nor is the guard below one.
const LARGEST_GUARD: ByteCount = ByteCount::mib(1);

/// Where and by whom calls can be made.
#[derive(Debug)]
pub(super) struct Site {
    pub syscall: u64,
    pub restorer: u64,
    /// Mappings that are a thread's stack and nothing else: below the stack pointer there nobody has anything.
    pub stacks: Vec<Span>,
    /// Thread ids, best first.
    pub threads: Vec<i32>,
}

impl Site {
    /// Looks for it; otherwise says why no call can be made safely.
    pub fn find(target: &Target) -> Result<Site, String> {
        refuse_unfit(target)?;
        let mappings = target.mappings().map_err(|error| error.to_string())?;
        let (syscall, restorer) =
            gadgets(target, &mappings).ok_or("its program has no C library of a known kind to return through")?;
        let stacks = stacks(&mappings);
        let threads = threads(target, &stacks);
        Ok(Site { syscall, restorer, stacks, threads })
    }
}

/// What forbids to have any thread of `target` make a call.
pub(super) fn refuse_unfit(target: &Target) -> Result<(), String> {
    if cfg!(not(target_arch = "x86_64")) {
        return Err("system calls are injected on x86-64 alone".into());
    }
    if target.identity().is_32bit {
        return Err("it is a 32-bit process".into());
    }
    let status = target.status().map_err(|error| error.to_string())?;
    if status.seccomp != 0 {
        return Err("seccomp restricts its system calls, and could kill it for one of ours".into());
    }
    if status.has_shadow_stack {
        return Err("it runs with a shadow stack, which refuses to return through frames of ours".into());
    }
    if status.tracer_pid != 0 {
        return Err(format!("process {} traces it already", status.tracer_pid));
    }
    Ok(())
}

/// `syscall; ret` and the restorer of signal handlers, as compiled in glibc and musl.
const SYSCALL: &[u8] = b"\x0f\x05\xc3";
const RESTORERS: [&[u8]; 2] = [b"\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05", b"\xb8\x0f\x00\x00\x00\x0f\x05"];

fn gadgets(target: &Target, mappings: &[Mapping]) -> Option<(u64, u64)> {
    let code = Permissions { read: true, write: false, execute: true, shared: false };
    let mut texts: Vec<&Mapping> = mappings.iter().filter(|mapping| mapping.permissions == code).collect();
    let base = |mapping: &Mapping| mapping.name.rsplit('/').next().unwrap_or_default().to_owned();
    // The C library has both, and the program itself where it is linked statically.
    texts.sort_by_key(|mapping| !base(mapping).starts_with("libc") && !base(mapping).starts_with("ld-musl"));
    let mem = target.proc_file("mem").ok()?;
    texts.into_iter().find_map(|mapping| in_text(target, mapping, &mem))
}

/// Both in one mapping, searched for in its file, so that the target's memory is not read in, and then compared.
fn in_text(target: &Target, mapping: &Mapping, mem: &File) -> Option<(u64, u64)> {
    use std::os::unix::fs::FileExt;
    const LARGEST_TEXT: u64 = 64 << 20;
    let file = target.mapped_file(mapping).ok()?;
    let mut text = vec![0u8; mapping.span.size().0.min(LARGEST_TEXT) as usize];
    let length = file.read_at(&mut text, mapping.offset.0).ok()?;
    text.truncate(length);
    let find = |code: &[u8]| {
        let at = mapping.span.start.plus(ByteCount(memchr::memmem::find(&text, code)? as u64)).0;
        let mut there = vec![0u8; code.len()];
        mem.read_exact_at(&mut there, at).ok()?;
        (there == code).then_some(at)
    };
    Some((find(SYSCALL)?, RESTORERS.into_iter().find_map(find)?))
}

/// The main thread's stack, and mappings with a guard below as the thread libraries make them.
fn stacks(mappings: &[Mapping]) -> Vec<Span> {
    let own = |mapping: &Mapping| mapping.permissions.write && !mapping.permissions.shared && !mapping.has_file();
    let guards = |guard: &Mapping, stack: &Mapping| {
        guard.permissions.is_none() && guard.span.end == stack.span.start && guard.span.size() <= LARGEST_GUARD
    };
    let main = mappings.iter().filter(|mapping| mapping.name == "[stack]").map(|mapping| mapping.span);
    let others = mappings.windows(2).filter(|pair| own(&pair[1]) && guards(&pair[0], &pair[1]));
    main.chain(others.map(|pair| pair[1].span).filter(|span| span.size() <= LARGEST_STACK)).collect()
}

/// Threads in the order in which they are tried.
fn threads(target: &Target, stacks: &[Span]) -> Vec<i32> {
    let mut ranked = Vec::new();
    // A process may have thousands: the first ones are looked at.
    for thread in target.thread_ids().unwrap_or_default().into_iter().take(8 * THREADS) {
        let Some(rank) = rank(target, thread, stacks) else { continue };
        ranked.push((rank, thread != target.pid(), thread));
    }
    ranked.sort_unstable();
    ranked.into_iter().take(THREADS).map(|(_, _, thread)| thread).collect()
}

/// 0 for a thread that sleeps in a system call on a stack of its own, 1 for one that runs; `None` for one that cannot
/// stop or should not be made to.
fn rank(target: &Target, thread: i32, stacks: &[Span]) -> Option<u8> {
    let stat = target.proc_text(&format!("task/{thread}/stat")).ok()?;
    let state = crate::target::stat::Stat::parse(&stat)?.state;
    if !matches!(state, 'R' | 'S' | 'T') {
        return None;
    }
    let text = target.proc_text(&format!("task/{thread}/syscall")).unwrap_or_default();
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [.., stack, _] = words[..] else { return Some(1) };
    let Ok(stack) = u64::from_str_radix(stack.trim_start_matches("0x"), 16) else { return Some(1) };
    stacks.iter().any(|span| span.contains(crate::units::Addr(stack))).then_some(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Addr;

    fn mapping(start: u64, end: u64, permissions: &str, name: &str) -> Mapping {
        let span = Span::new(Addr(start), Addr(end));
        Mapping { span, permissions: Permissions::parse(permissions), name: name.into(), ..Mapping::default() }
    }

    #[test]
    fn only_what_has_a_guard_below_is_a_threads_stack() {
        let mappings = [
            mapping(0x1000, 0x9000, "rw-p", "[heap]"),
            mapping(0xa000, 0xb000, "---p", ""),
            mapping(0xb000, 0x20000, "rw-p", ""),
            mapping(0x30000, 0x40000, "rw-p", ""),
            mapping(0x1000_0000, 0x2000_0000, "---p", ""),
            mapping(0x2000_0000, 0x2010_0000, "rw-p", ""),
            mapping(0x7000_0000, 0x7001_0000, "rw-p", "[stack]"),
        ];
        let found = stacks(&mappings);
        assert_eq!(found, [mappings[6].span, mappings[2].span]);
    }
}

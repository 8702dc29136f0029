//! Signal frames as rt_sigreturn(2) takes them on x86-64 (`struct rt_sigframe` of arch/x86/include/asm/sigframe.h and
//! uapi/asm/{ucontext,sigcontext}.h, unchanged since Linux 2.6): what a thread becomes when nobody leads it.

use std::arch::x86_64::__cpuid_count;

use super::request::Registers;
use super::seat::Gadgets;
use crate::units::ByteCount;

/// Address of the restorer, then the ucontext.
const FRAME: u64 = 8 + 304;
/// Frames lie this far apart; the kernel wants the siginfo behind a ucontext to be addressable.
pub(super) const STRIDE: u64 = 512;
/// Below the stack pointer belongs to the function that runs (System V ABI, the red zone).
const RED_ZONE: u64 = 128;
/// Room below the stack pointer that an injection wants to have.
pub const ROOM: ByteCount = ByteCount::kib(24);

const MAGIC_1: u32 = 0x4650_5853;
const MAGIC_2: u32 = 0x4650_5845;
/// Where in an XSAVE image software keeps its own, and where the header is.
const SOFTWARE: usize = 464;
const HEADER: usize = 512;
const LEGACY_AND_HEADER: usize = 576;
/// AMX tiles: in the image only of those who use them (Linux 5.16).
const TILES: u64 = 1 << 18;

const UC_FP_XSTATE: u64 = 1;
const UC_SIGCONTEXT_SS: u64 = 2;
const UC_STRICT_RESTORE_SS: u64 = 4;
/// Not a valid flag: the kernel leaves the alternate stack alone.
const KEEP_ALTERNATE_STACK: u32 = 0x10;

/// All signals blocked; the kernel leaves SIGKILL and SIGSTOP out.
pub(super) const ALL_SIGNALS: u64 = u64::MAX;

/// One frame: whoever returns to it becomes `registers`, with `mask` and what is saved at `xstate` (0: nothing).
pub(super) fn frame(gadgets: Gadgets, registers: &Registers, mask: u64, xstate: u64) -> Vec<u8> {
    let r = registers;
    let extended = if xstate == 0 { 0 } else { UC_FP_XSTATE };
    let mut bytes = Vec::with_capacity(FRAME as usize);
    let mut put = |values: &[u64]| values.iter().for_each(|value| bytes.extend(value.to_ne_bytes()));
    put(&[gadgets.restorer, extended | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS, 0]);
    put(&[0, u64::from(KEEP_ALTERNATE_STACK), 0]);
    put(&[r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rdi, r.rsi, r.rbp, r.rbx, r.rdx, r.rax, r.rcx]);
    put(&[r.rsp, r.rip, r.eflags, r.cs | r.ss << 48, 0, 0, 0, 0, xstate]);
    put(&[0; 8]);
    put(&[mask]);
    bytes
}

/// The registers with which the kernel would send a thread back to user space from where it stands: a system call that
/// was interrupted begins anew. One that was to go on with the rest of its time gets all of it again, because
/// rt_sigreturn forgets the rest. `call` is the number of that system call.
pub(super) fn resumed(registers: &Registers, call: u64) -> Registers {
    let mut registers = *registers;
    if restarts(&registers) {
        registers.rax = call;
        registers.rip = registers.rip.wrapping_sub(2);
    }
    registers
}

/// Whether the thread stands at the end of a system call that is to begin anew.
pub(super) fn restarts(registers: &Registers) -> bool {
    (registers.orig_rax as i64) >= 0 && matches!(registers.rax.wrapping_neg(), 512 | 513 | 514 | 516)
}

/// An XSAVE image as a debugger reads it, made into one as a signal frame holds it; `None` for one that makes no sense.
pub(super) fn xstate_image(mut image: Vec<u8>) -> Option<Vec<u8>> {
    let word =
        |bytes: &[u8], at: usize| -> Option<u64> { Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?)) };
    let (enabled, used) = (word(&image, SOFTWARE)?, word(&image, HEADER)?);
    // The kernel takes an image as large as the thread's own at most, which has tiles only where it uses them.
    let features = if used & TILES == 0 { enabled & !TILES } else { enabled };
    let size = xstate_size(features).min(image.len());
    if size < LEGACY_AND_HEADER {
        return None;
    }
    image.truncate(size);
    let mut software = Vec::with_capacity(48);
    software.extend(MAGIC_1.to_ne_bytes());
    software.extend((size as u32 + 4).to_ne_bytes());
    software.extend(features.to_ne_bytes());
    software.extend((size as u32).to_ne_bytes());
    software.resize(48, 0);
    image.get_mut(SOFTWARE..HEADER)?.copy_from_slice(&software);
    image.extend(MAGIC_2.to_ne_bytes());
    Some(image)
}

/// The size of an image with `features`: where the last of them ends.
fn xstate_size(features: u64) -> usize {
    let ends = (2..63).filter(|feature| features >> feature & 1 == 1).map(|feature| {
        let leaf = __cpuid_count(0xd, feature);
        (leaf.eax + leaf.ebx) as usize
    });
    ends.max().unwrap_or(0).max(LEGACY_AND_HEADER)
}

/// Where `size` bytes with the frames first go below the stack pointer `stack`, on a boundary of 64 bytes.
pub(super) fn below(stack: u64, size: u64) -> u64 {
    stack.wrapping_sub(RED_ZONE).wrapping_sub(size) & !63
}

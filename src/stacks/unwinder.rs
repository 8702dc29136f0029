//! Unwinding by the tables of call frames that every file keeps for exceptions; framehop knows how. A stack ends where
//! the next address is no code: nothing is guessed.

use framehop::x86_64::{CacheX86_64, Reg, UnwindRegsX86_64, UnwinderX86_64};
use framehop::{ExplicitModuleSectionInfo, FrameAddress, Module, Unwinder as _};

use super::{Modules, OpenModule};
use crate::elf::{CallFrames, Section};
use crate::units::{Addr, ByteCount, Span};

/// Deeper stacks are cut at the outer end.
const DEEPEST: usize = 256;
const WORD: usize = 8;
/// Words looked through for the caller of a function without tables: musl's own have small frames.
const SEARCHED: usize = 128;

/// The registers of an x86-64 thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// The instruction.
    pub ip: u64,
    /// rax rdx rcx rbx rsi rdi rbp rsp r8 … r15, as DWARF numbers them.
    pub words: [u64; 16],
}

impl Registers {
    /// Where the stack begins.
    pub fn stack_pointer(&self) -> Addr {
        Addr(self.words[7])
    }
}

/// In the order of `Registers::words`.
const ORDER: [Reg; 16] = [
    Reg::RAX,
    Reg::RDX,
    Reg::RCX,
    Reg::RBX,
    Reg::RSI,
    Reg::RDI,
    Reg::RBP,
    Reg::RSP,
    Reg::R8,
    Reg::R9,
    Reg::R10,
    Reg::R11,
    Reg::R12,
    Reg::R13,
    Reg::R14,
    Reg::R15,
];

/// What a walk up a stack reads.
struct Walk<'w> {
    stack: &'w [u8],
    /// The address of its first byte.
    base: Addr,
    open: OpenModule<'w>,
}

/// Unwinds stacks of one address space; what was learnt of an address is kept.
#[derive(Default)]
pub struct Unwinder {
    inner: UnwinderX86_64<Vec<u8>>,
    cache: CacheX86_64,
}

impl Unwinder {
    /// The instruction and the return addresses behind it, innermost first; at least the instruction.
    pub fn unwind(
        &mut self,
        registers: &Registers,
        stack: &[u8],
        modules: &mut Modules,
        open: OpenModule<'_>,
    ) -> Vec<Addr> {
        let mut state = UnwindRegsX86_64::new(registers.ip, registers.words[7], registers.words[6]);
        ORDER.iter().zip(registers.words).for_each(|(register, value)| state.set(*register, value));
        let walk = Walk { stack, base: registers.stack_pointer(), open };
        let mut frames = vec![Addr(registers.ip)];
        let at = FrameAddress::from_instruction_pointer(registers.ip);
        self.walk(at, state, &walk, modules, &mut frames);
        if frames.len() == 1 && modules.image(frames[0]).is_some() {
            frames.extend(self.beyond(registers, &walk, modules));
        }
        frames
    }

    /// Adds the callers of `at` to `frames`.
    fn walk(
        &mut self,
        mut at: FrameAddress,
        mut state: UnwindRegsX86_64,
        walk: &Walk<'_>,
        modules: &mut Modules,
        frames: &mut Vec<Addr>,
    ) {
        let mut read = |addr: u64| word_at(walk.stack, Addr(addr), walk.base).ok_or(());
        while frames.len() < DEEPEST {
            self.load(Addr(at.address_for_lookup()), walk, modules);
            let before = state.sp();
            let next = self.inner.unwind_frame(at, &mut state, &mut self.cache, &mut read);
            let Ok(Some(next)) = next else { break };
            // A return address behind which there is no code, or a stack that turns round, is a misreading.
            if state.sp() <= before || !modules.contain(Addr(next.wrapping_sub(1))) {
                break;
            }
            let Some(caller) = FrameAddress::from_return_address(next) else { break };
            frames.push(Addr(next));
            at = caller;
        }
    }

    /// The callers of a function without tables, as all of musl is: from the first word up the stack that returns behind
    /// a call into a function with tables, whose own caller stands behind a call too. None rather than a guess.
    fn beyond(&mut self, registers: &Registers, walk: &Walk<'_>, modules: &mut Modules) -> Vec<Addr> {
        let (words, _) = walk.stack.as_chunks::<WORD>();
        let mut above = walk.base;
        for word in words.iter().take(SEARCHED) {
            let next = u64::from_le_bytes(*word);
            above = above.plus(ByteCount(WORD as u64));
            self.load(Addr(next.wrapping_sub(1)), walk, modules);
            let caller = FrameAddress::from_return_address(next).filter(|_| modules.follows_call(Addr(next)));
            let Some(caller) = caller else { continue };
            let state = UnwindRegsX86_64::new(next, above.0, registers.words[6]);
            let mut frames = vec![Addr(next)];
            self.walk(caller, state, walk, modules, &mut frames);
            if frames.get(1).is_some_and(|second| modules.follows_call(*second)) {
                return frames;
            }
        }
        Vec::new()
    }

    /// Takes up the tables of the file that has the code at `addr`, where that was not done yet.
    fn load(&mut self, addr: Addr, walk: &Walk<'_>, modules: &mut Modules) {
        if let Some((span, tables)) = modules.read(addr, walk.open) {
            self.add(span, tables);
        }
    }

    fn add(&mut self, span: Span, tables: CallFrames) {
        let (eh_frame_svma, eh_frame) = apart(tables.eh_frame);
        let (eh_frame_hdr_svma, eh_frame_hdr) = apart(tables.eh_frame_hdr);
        let sections = ExplicitModuleSectionInfo {
            base_svma: 0,
            eh_frame_svma,
            eh_frame,
            eh_frame_hdr_svma,
            eh_frame_hdr,
            debug_frame: apart(tables.debug_frame).1,
            ..ExplicitModuleSectionInfo::default()
        };
        // Code that was mapped over another's place.
        self.inner.remove_module(span.start.0);
        let range = span.start.0..span.end.0;
        self.inner.add_module(Module::new(String::new(), range, tables.bias, sections));
    }
}

fn apart(section: Option<Section>) -> (Option<std::ops::Range<u64>>, Option<Vec<u8>>) {
    section.map(|section| (section.addresses, section.bytes)).unzip()
}

/// The word at `addr` of a stack that was copied from `base` on.
fn word_at(stack: &[u8], addr: Addr, base: Addr) -> Option<u64> {
    let offset = usize::try_from(addr.0.checked_sub(base.0)?).ok()?;
    let bytes = stack.get(offset..offset.checked_add(WORD)?)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

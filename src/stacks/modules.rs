//! Which file each piece of code of an address space is from, and what of these files was read so far.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::OpenModule;
use crate::elf::{CallFrames, build_id, call_frames};
use crate::space::Mapping;
use crate::units::{Addr, Span};

/// The executable mappings of an address space. Files are opened when code in them is first met.
#[derive(Debug, Default)]
pub struct Modules {
    code: Vec<Code>,
}

#[derive(Debug)]
struct Code {
    mapping: Mapping,
    state: State,
}

#[derive(Debug)]
enum State {
    Unread,
    /// Code without a file, or whose file cannot be had.
    Nameless,
    Read(Image),
}

/// One file as it is loaded.
#[derive(Debug)]
pub(super) struct Image {
    /// Kept open, as `path` leads through it.
    file: File,
    pub path: PathBuf,
    pub bias: u64,
    pub build_id: Option<String>,
}

impl Modules {
    /// The code of an address space as `mappings` show it.
    pub fn new(mappings: &[Mapping]) -> Modules {
        let mut modules = Modules::default();
        modules.update(mappings);
        modules
    }

    /// Takes up code that was mapped meanwhile. What is gone stays known: stacks were taken while it was there.
    pub fn update(&mut self, mappings: &[Mapping]) {
        let executable = mappings.iter().filter(|mapping| mapping.permissions.execute);
        for mapping in executable {
            if self.code.iter().any(|code| code.mapping == *mapping) {
                continue;
            }
            self.code.retain(|code| !code.mapping.span.overlaps(mapping.span));
            self.code.push(Code { mapping: mapping.clone(), state: State::Unread });
        }
        self.code.sort_by_key(|code| code.mapping.span.start);
    }

    /// Whether there is code at `addr`.
    pub fn contain(&self, addr: Addr) -> bool {
        self.index(addr).is_some()
    }

    /// The name of the file that the code at `addr` is from, without its directories.
    pub fn name(&self, addr: Addr) -> Option<&str> {
        let name = &self.code[self.index(addr)?].mapping.name;
        let name = name.strip_suffix(" (deleted)").unwrap_or(name);
        name.rsplit('/').next().filter(|name| !name.is_empty())
    }

    /// The file behind `addr`, where it was read.
    pub(super) fn image(&self, addr: Addr) -> Option<&Image> {
        match &self.code[self.index(addr)?].state {
            State::Read(image) => Some(image),
            _ => None,
        }
    }

    /// Reads the file behind `addr` where that was not tried yet; its tables of call frames are given out once, with
    /// the addresses they are for.
    pub(super) fn read(&mut self, addr: Addr, open: OpenModule<'_>) -> Option<(Span, CallFrames)> {
        let index = self.index(addr)?;
        let code = &mut self.code[index];
        if !matches!(code.state, State::Unread) {
            return None;
        }
        code.state = State::Nameless;
        let (file, path) = open(&code.mapping).ok()?;
        let frames = call_frames(&file, &code.mapping).ok()??;
        let build_id = build_id(&file).ok().flatten();
        code.state = State::Read(Image { file, path, bias: frames.bias, build_id });
        Some((code.mapping.span, frames))
    }

    /// Whether the instruction before `addr`, in a file that was read, is a call, as it is at return addresses: E8, or FF with 2 in the middle of
    /// its second byte (Intel SDM volume 2, CALL).
    pub(super) fn follows_call(&self, addr: Addr) -> bool {
        const LONGEST: u64 = 7;
        let code = self.index(Addr(addr.0.wrapping_sub(1))).map(|index| &self.code[index]);
        let Some(Code { mapping, state: State::Read(image) }) = code else { return false };
        let Some(into) = addr.since(mapping.span.start).0.checked_sub(LONGEST) else { return false };
        let mut bytes = [0; LONGEST as usize];
        let read = image.file.read_exact_at(&mut bytes, mapping.offset.0.saturating_add(into)).is_ok();
        let is_indirect = |length: usize| {
            let at = LONGEST as usize - length;
            bytes[at] == 0xff && bytes[at + 1] >> 3 & 7 == 2
        };
        read && (bytes[2] == 0xe8 || [2, 3, 4, 6, 7].into_iter().any(is_indirect))
    }

    fn index(&self, addr: Addr) -> Option<usize> {
        let index = self.code.partition_point(|code| code.mapping.span.end <= addr);
        self.code.get(index).filter(|code| code.mapping.span.contains(addr)).map(|_| index)
    }
}

//! Names for addresses: blazesym reads symbols and debug information of files, a `PerfMap` tells code that was compiled
//! at run time. What neither knows keeps its module and offset.

use blazesym::symbolize::source::{Elf, Source};
use blazesym::symbolize::{CodeInfo, Input, Sym, Symbolized, Symbolizer};
use hashbrown::HashMap;

use super::{Frame, Modules, OpenModule, PerfMap};
use crate::elf::demangled;
use crate::units::Addr;

/// Names frames of one address space; each address once.
pub struct Symboliser {
    inner: Symbolizer,
    jit: PerfMap,
    /// By address and whether it is a return address.
    known: HashMap<(Addr, bool), Vec<Frame>>,
}

impl Symboliser {
    /// With the names that `jit` gives to code without a file.
    pub fn new(jit: PerfMap) -> Symboliser {
        let inner =
            Symbolizer::builder().enable_auto_reload(false).enable_code_info(true).enable_inlined_fns(true).build();
        Symboliser { inner, jit, known: HashMap::new() }
    }

    /// The frames of an unwound stack, innermost first, inlined functions as frames of their own.
    pub fn frames(&mut self, stack: &[Addr], modules: &mut Modules, open: OpenModule<'_>) -> Vec<Frame> {
        let mut frames = Vec::new();
        for (index, address) in stack.iter().enumerate() {
            let key = (*address, index > 0);
            if !self.known.contains_key(&key) {
                let found = self.look_up(*address, index > 0, modules, open);
                self.known.insert(key, found);
            }
            frames.extend(self.known.get(&key).into_iter().flatten().cloned());
        }
        frames
    }

    fn look_up(&self, address: Addr, returns: bool, modules: &mut Modules, open: OpenModule<'_>) -> Vec<Frame> {
        // A return address may be the start of the next function: the call is before it.
        let place = Addr(address.0.wrapping_sub(u64::from(returns)));
        modules.read(place, open);
        let mut frame = Frame { address, module: modules.name(place).map(str::to_owned), ..Frame::default() };
        let Some(image) = modules.image(place) else {
            if let Some((start, name)) = self.jit.at(place) {
                (frame.function, frame.offset) = (Some(name.to_owned()), Some(address.since(start).0));
            }
            return vec![frame];
        };
        frame.build_id = image.build_id.clone();
        frame.offset = Some(address.0.wrapping_sub(image.bias));
        let source = Source::Elf(Elf::new(&image.path));
        let asked = self.inner.symbolize_single(&source, Input::VirtOffset(place.0.wrapping_sub(image.bias)));
        match asked {
            Ok(Symbolized::Sym(symbol)) => with_symbol(frame, &symbol, returns),
            _ => vec![frame],
        }
    }
}

fn with_symbol(mut frame: Frame, symbol: &Sym<'_>, returns: bool) -> Vec<Frame> {
    frame.function = Some(demangled(&symbol.name));
    frame.offset = Some(symbol.offset as u64 + u64::from(returns));
    let place = |frame: &mut Frame, code: Option<&CodeInfo<'_>>| {
        frame.file = code.map(|code| code.to_path().display().to_string());
        frame.line = code.and_then(|code| code.line);
    };
    place(&mut frame, symbol.code_info.as_deref());
    let mut frames: Vec<Frame> = symbol
        .inlined
        .iter()
        .rev()
        .map(|inlined| {
            let function = Some(demangled(&inlined.name));
            let mut inner = Frame { function, inlined: true, file: None, line: None, ..frame.clone() };
            place(&mut inner, inlined.code_info.as_ref());
            inner
        })
        .collect();
    frames.push(frame);
    frames
}

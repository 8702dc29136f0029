//! Who allocates, seen beside the watch of `inspect`: stacks are sampled on a thread of their own while it lasts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::trace::cautions;
use crate::error::{Error, Result};
use crate::explain::{Allocator, Notice};
use crate::report::Allocations;
use crate::stacks::first_outside;
use crate::target::Target;
use crate::trace::{Options, TraceResult, Tracer};
use crate::units::ByteCount;

/// Stacks shown and written.
const STACKS: usize = 50;

/// What was seen of who allocates, or why nothing was.
pub enum Seen {
    Trace(TraceResult),
    Refused(Error),
}

/// Does `work` while stacks of `target` are sampled by a method that neither stops nor slows it.
pub fn beside<T>(target: &Target, work: impl FnOnce() -> Result<T>) -> Result<(T, Seen)> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let sampler = scope.spawn(|| match Tracer::begin(target, Options::default(), &|_| ()) {
            Ok(mut tracer) => {
                tracer.run(&|| over.load(Ordering::Relaxed));
                Seen::Trace(tracer.end())
            }
            Err(error) => Seen::Refused(error),
        });
        let done = work();
        over.store(true, Ordering::Relaxed);
        let broken =
            || Error::new(crate::error::ErrorKind::Failed, "cannot sample", target.subject(), "the sampler failed");
        Ok((done?, sampler.join().unwrap_or_else(|_| Seen::Refused(broken()))))
    })
}

impl Seen {
    /// As rows; `None` where nothing could be seen.
    pub fn rows(&self) -> Option<Allocations> {
        match self {
            Seen::Trace(found) => Some(Allocations::from_trace(found, STACKS)),
            Seen::Refused(_) => None,
        }
    }

    /// The function that most of the growth comes from.
    pub fn allocator(&self) -> Option<Allocator> {
        let Seen::Trace(found) = self else { return None };
        let whole = found.seen() + found.unseen();
        let mut by_function: Vec<(String, Option<String>, ByteCount)> = Vec::new();
        for stack in &found.stacks {
            let Some(frame) = first_outside(&stack.frames) else { continue };
            let (name, module) = (frame.name(), frame.module.clone());
            let same = by_function.iter_mut().find(|(known, file, _)| *known == name && *file == module);
            match same {
                Some((.., bytes)) => *bytes += stack.outstanding,
                None => by_function.push((name, module, stack.outstanding)),
            }
        }
        let (function, module, bytes) = by_function.into_iter().max_by_key(|(.., bytes)| *bytes)?;
        Some(Allocator { function, module, share: bytes.share_of(whole) })
    }

    /// What is to be known of how it was seen.
    pub fn notices(&self) -> Vec<Notice> {
        match self {
            Seen::Trace(found) => cautions(found),
            Seen::Refused(error) => vec![Notice::AllocationsNotSampled { why: error.to_string() }],
        }
    }
}

//! What may be done with a target, and which permission is missing for what may not: facts are gathered, then judged
//! one by one by a pure function, so that every situation can be tested without being in it.

mod checks;
mod facts;

use std::io;

use self::facts::{Ours, Theirs};
use super::opening::{Target, is_gone};
use super::roots::Roots;
use crate::error::{Error, ErrorKind, Result};

/// The answer of one question to the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was asked, in a word or two.
    pub name: String,
    /// Whether nothing stands in the way here.
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// The command that changes it.
    pub remedy: Option<String>,
}

/// What may be done, and what stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The decisive tries first, then what explains them.
    pub checks: Vec<Check>,
    /// How opening its memory ended: `None` where it worked or was not tried.
    refusal: Option<(ErrorKind, String)>,
}

impl Target {
    /// Tries what an investigation needs, and asks the system for what stands in the way. Changes nothing.
    pub fn access(&self) -> Access {
        let ours = Ours::gather(self.roots());
        let theirs = Theirs::gather(self);
        let refusal = theirs.memory.as_ref().err().map(|error| (kind_of(error), error.to_string()));
        Access { checks: checks::of_target(&ours, &theirs), refusal }
    }
}

/// What stands in the way of looking at any process of this machine.
pub fn machine_access() -> Access {
    Access { checks: checks::of_machine(&Ours::gather(&Roots::real())), refusal: None }
}

impl Access {
    /// `Ok` where the memory of `target` may be read.
    ///
    /// # Errors
    /// `NotPermitted` with the missing permission and the command that grants it; `Gone` where the process ended.
    pub fn require_memory_read(&self, target: &Target) -> Result<()> {
        let Some((kind, reason)) = &self.refusal else { return Ok(()) };
        let action = "cannot read the memory of";
        if *kind == ErrorKind::Gone {
            return Err(Error::new(ErrorKind::Gone, action, target.subject(), "the process ended"));
        }
        // The tries themselves explain nothing: the first obstacle with a remedy does.
        match self.checks.iter().find_map(|check| Some((check, check.remedy.as_ref()?)).filter(|(check, _)| !check.ok))
        {
            Some((obstacle, remedy)) => {
                Err(Error::new(*kind, action, target.subject(), &obstacle.detail).with_hint(format!("run: {remedy}")))
            }
            None => Err(Error::new(*kind, action, target.subject(), reason)),
        }
    }
}

fn kind_of(error: &io::Error) -> ErrorKind {
    if is_gone(error) {
        return ErrorKind::Gone;
    }
    if super::opening::is_denied(error) { ErrorKind::NotPermitted } else { ErrorKind::Failed }
}

#[cfg(test)]
mod tests;

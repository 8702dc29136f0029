//! The one error type: what failed, on what, why, and what to do next, in a line.
//! Knows the kinds that exit codes are made of; leaves the codes themselves to `cli`.

use std::fmt;

/// A result whose error is ours.
pub type Result<T> = std::result::Result<T, Error>;

/// What sort of failure it was; each has an exit code of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Tried and not done.
    Failed,
    /// Asked wrongly.
    Usage,
    /// No such process, or it ended before there was an answer.
    Gone,
    /// A permission is missing; the hint names the command that grants it.
    NotPermitted,
    /// A person interrupted it.
    Interrupted,
}

/// A failure that can be told in one line.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    action: String,
    subject: String,
    reason: String,
    hint: Option<String>,
}

impl Error {
    /// An error of `kind`: `action` (“cannot read the memory”) of `subject` (“pid 12 (nginx)”), because of `reason`.
    pub fn new(
        kind: ErrorKind,
        action: impl Into<String>,
        subject: impl Into<String>,
        reason: impl fmt::Display,
    ) -> Error {
        Error { kind, action: action.into(), subject: subject.into(), reason: reason.to_string(), hint: None }
    }

    /// The same with what to do next.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(hint.into());
        self
    }

    /// What sort of failure it was.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What to do next, where known.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.action)?;
        if !self.subject.is_empty() {
            write!(f, " {}", self.subject)?;
        }
        write!(f, ": {}", self.reason)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_with_its_remedy() {
        let error =
            Error::new(ErrorKind::NotPermitted, "cannot read the memory of", "pid 7 (nginx)", "ptrace is denied")
                .with_hint("run: sudo leakscope 7");
        assert_eq!(
            error.to_string(),
            "cannot read the memory of pid 7 (nginx): ptrace is denied; run: sudo leakscope 7"
        );
    }
}

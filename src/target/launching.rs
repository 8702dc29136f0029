//! A process of our own making, held before its program begins, so that nothing of it is missed.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};

use super::Target;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::launch::{Waiting, launch};

/// A child that waits before its program; it ends where it is never let go.
#[derive(Debug)]
pub struct Launched {
    waiting: Waiting,
    program: String,
}

impl Launched {
    /// Forks for the command `words`, program first. What it prints goes to stderr: stdout is the answer's.
    ///
    /// # Errors
    /// `Usage` for no words, `Failed` with the kernel's reason.
    pub fn begin(words: &[OsString]) -> Result<Launched> {
        let Some((program, arguments)) = words.split_first() else {
            return Err(Error::new(ErrorKind::Usage, "cannot start", "a command", "none was given"));
        };
        let program_name = program.to_string_lossy().into_owned();
        let stderr = io::stderr().as_fd().try_clone_to_owned().map(Stdio::from);
        let mut command = Command::new(program);
        command.args(arguments).stdout(stderr.map_err(|error| refuse(&program_name, &error))?);
        let waiting = launch(command).map_err(|error| refuse(&program_name, &error))?;
        Ok(Launched { waiting, program: program_name })
    }

    /// The process, which still is a copy of our own.
    ///
    /// # Errors
    /// It ended.
    pub fn target(&self) -> Result<Target> {
        Target::open(self.waiting.pid())
    }

    /// Lets the program begin.
    ///
    /// # Errors
    /// There is no such program, or it may not be executed.
    pub fn go(self) -> Result<Child> {
        self.waiting.go().map_err(|error| refuse(&self.program, &error))
    }
}

fn refuse(program: &str, error: &io::Error) -> Error {
    Error::new(ErrorKind::Failed, "cannot start", program.escape_debug().to_string(), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_waits_until_it_is_let_go() {
        let launched = Launched::begin(&["true".into()]).unwrap();
        let target = launched.target().unwrap();
        assert!(target.is_alive());
        assert!(launched.go().unwrap().wait().unwrap().success());
        assert!(!target.is_alive());
    }

    #[test]
    fn a_command_that_is_not_there_is_told() {
        let launched = Launched::begin(&["/no/such/program".into()]);
        let error = launched.and_then(Launched::go).unwrap_err();
        assert!(error.to_string().contains("No such file"), "{error}");
    }
}

//! leakscope as a command: arguments in, exit code and both outputs out. Every run must end in time, by itself, and without
//! a panic; the rest is for the tests to ask.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::scene;

/// The binary under test.
pub fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_leakscope"))
}

/// A run of leakscope being prepared.
pub struct Leakscope {
    before: Vec<OsString>,
    binary: PathBuf,
    arguments: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    folder: Option<PathBuf>,
    limit: Duration,
}

/// leakscope with `arguments`.
pub fn leakscope<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Leakscope {
    Leakscope {
        before: Vec::new(),
        binary: binary().to_owned(),
        arguments: arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect(),
        variables: Vec::new(),
        folder: None,
        limit: Duration::from_secs(60),
    }
}

/// `leakscope dump PID` of one range into `path`.
pub fn dump(target: &str, range: &str, path: &Path) -> Leakscope {
    leakscope(["dump", target, "--json", "--range", range]).arg("--output").arg(path)
}

impl Leakscope {
    /// One more argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Leakscope {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// With an environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Leakscope {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Started in `folder`.
    pub fn within(mut self, folder: &Path) -> Leakscope {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Run through another command, such as `setpriv …`, with the binary at a place that its user may reach.
    pub fn through(mut self, before: &[&str], binary: &Path) -> Leakscope {
        self.before = before.iter().map(OsString::from).collect();
        self.binary = binary.to_owned();
        self
    }

    /// With another limit than a minute.
    pub fn limit(mut self, limit: Duration) -> Leakscope {
        self.limit = limit;
        self
    }

    fn words(&self) -> Vec<OsString> {
        let binary = [self.binary.clone().into_os_string()];
        self.before.iter().cloned().chain(binary).chain(self.arguments.iter().cloned()).collect()
    }

    fn command(&self) -> Command {
        let words = self.words();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).env_remove("NO_COLOR").env_remove("RUST_BACKTRACE");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(self) -> Run {
        let line = self.words().iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
        let begun = Instant::now();
        let output = assert_cmd::Command::from_std(self.command()).timeout(self.limit).output();
        let output = output.unwrap_or_else(|error| panic!("{line}: {error}"));
        let run = Run {
            line,
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            took: begun.elapsed(),
        };
        scene::remember(run.scene());
        assert!(run.took < self.limit, "it did not end within {:?}\n{}", self.limit, run.scene());
        assert!(run.code.is_some(), "it died of a signal ({})\n{}", output.status, run.scene());
        let panicked = run.stderr.contains("panicked at") || run.stderr.contains("failed inside");
        assert!(!panicked, "it panicked\n{}", run.scene());
        run
    }

    /// Starts it and does not wait.
    pub fn spawn(self) -> Child {
        let mut command = self.command();
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("leakscope starts")
    }
}

/// A run that has ended.
#[derive(Debug)]
pub struct Run {
    /// The command line.
    pub line: String,
    /// Its exit code.
    pub code: Option<i32>,
    /// The answer.
    pub stdout: String,
    /// Remarks and errors.
    pub stderr: String,
    /// How long it took.
    pub took: Duration,
}

impl Run {
    /// Asserts the exit code.
    #[track_caller]
    pub fn code(self, wanted: i32) -> Run {
        assert_eq!(self.code, Some(wanted), "exit code\n{}", self.scene());
        self
    }

    /// Asserts that it answered.
    #[track_caller]
    pub fn ok(self) -> Run {
        self.code(0)
    }

    /// Asserts that it answered, and takes the answer as one JSON document of the present schema.
    #[track_caller]
    pub fn json(self) -> Value {
        let run = self.ok();
        let value: Value =
            serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("no JSON: {error}\n{}", run.scene()));
        assert_eq!(value["schema_version"], 1, "{}", run.scene());
        value
    }

    /// Asserts that it failed as a user should see it: nothing on stdout, one line of error that says `words`.
    #[track_caller]
    pub fn fails(self, wanted: i32, words: &[&str]) -> Run {
        let run = self.code(wanted);
        assert_eq!(run.stdout, "", "an error has no answer\n{}", run.scene());
        let lines: Vec<&str> = run.stderr.lines().filter(|line| !line.trim().is_empty()).collect();
        assert!(!lines.is_empty(), "it says nothing\n{}", run.scene());
        assert!(wanted == 2 || lines.len() <= 2, "an error is one line\n{}", run.scene());
        for word in words {
            assert!(run.stderr.contains(word), "it does not say {word:?}\n{}", run.scene());
        }
        run
    }

    /// The command with all it printed.
    pub fn scene(&self) -> String {
        format!(
            "--- $ {}\n--- code {:?} after {:?}, stdout:\n{}\n--- stderr:\n{}",
            self.line,
            self.code,
            self.took,
            scene::shorten(&self.stdout, 8000),
            scene::shorten(&self.stderr, 4000)
        )
    }
}

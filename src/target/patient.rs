//! A real process for tests: a C program of a test's own that prints READY and then answers lines on its input, whose
//! end tells it to go.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running C program; killed and reaped when dropped.
#[derive(Debug)]
pub(crate) struct Patient {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// What followed READY.
    pub truth: String,
    _folder: tempfile::TempDir,
}

impl Patient {
    /// Compiles the C `source`, runs it with `arguments` and waits for its READY.
    pub fn start(source: &str, arguments: &[&str]) -> Patient {
        Patient::build(&["cc", "-xc"], source, &[], arguments)
    }

    /// The same for C++, with `options` for the compiler.
    pub fn start_cpp(source: &str, options: &[&str]) -> Patient {
        Patient::build(&["c++", "-xc++"], source, options, &[])
    }

    fn build(compiler: &[&str], source: &str, options: &[&str], arguments: &[&str]) -> Patient {
        let folder = tempfile::tempdir().unwrap();
        let (code, program) = (folder.path().join("source"), folder.path().join("patient"));
        std::fs::write(&code, source).unwrap();
        let mut build = Command::new(compiler[0]);
        build.args(&compiler[1..]).args(["-O1", "-w", "-pthread", "-o"]).arg(&program).arg(&code).args(options);
        let built = build.output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let mut command = Command::new(program);
        let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut patient = Patient { child, input, output, truth: String::new(), _folder: folder };
        let line = patient.line();
        patient.truth = line.strip_prefix("READY").unwrap_or_else(|| panic!("not ready but {line:?}")).trim().into();
        patient
    }

    /// Its pid.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Its next line of output, without the newline.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Sends it a line and gives its answer.
    pub fn ask(&mut self, line: &str) -> String {
        writeln!(self.input.as_ref().unwrap(), "{line}").unwrap();
        self.line()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Kills it without reaping it.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// The value of `key` in its status.
    pub fn status(&self, key: &str) -> String {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        value.unwrap_or_default().trim().to_owned()
    }

    /// Its first state other than R, which it may be in for a moment.
    pub fn settled_state(&self) -> char {
        for _ in 0..2000 {
            let state = self.status("State").chars().next().unwrap();
            if state != 'R' {
                return state;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        'R'
    }

    /// No tracer is left, on any thread, and none is in a tracing stop.
    pub fn assert_untouched(&self) {
        assert_eq!(self.touched(), None);
    }

    /// What /proc says of the first thread that somebody traces.
    pub fn touched(&self) -> Option<String> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        let mut texts = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("status")).unwrap());
        texts.find(|text| !text.contains("TracerPid:\t0\n") || text.contains("(tracing stop)"))
    }
}

impl Drop for Patient {
    fn drop(&mut self) {
        // The end of its input gives it time to tidy up.
        self.input = None;
        for _ in 0..50 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

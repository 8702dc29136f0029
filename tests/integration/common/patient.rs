//! A test program of ours as a running process: started, told what to do over its stdin, asked for the truth, and at the
//! end looked at for harm and ended by pid.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Health, build, scene, wait_until};

/// A running patient. When it goes out of scope it must be unharmed, unless it was said that it ends.
pub struct Patient {
    name: String,
    child: Child,
    stdin: RefCell<Option<ChildStdin>>,
    stdout: RefCell<BufReader<ChildStdout>>,
    truth: RefCell<HashMap<String, String>>,
    health: RefCell<Health>,
    works: Cell<bool>,
    ends: Cell<bool>,
}

impl Patient {
    /// Starts `test-programs/NAME` and waits until it is ready.
    pub fn spawn(name: &str, arguments: &[&str]) -> Patient {
        Patient::start(name, Command::new(build::patient(name)).args(arguments))
    }

    /// The same from a command that runs it, such as one that changes the user first.
    pub fn start(name: &str, command: &mut Command) -> Patient {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap_or_else(|e| panic!("{name}: {e}"));
        let stdin = RefCell::new(child.stdin.take());
        let mut stdout = BufReader::new(child.stdout.take().expect("a piped stdout"));
        let mut truth = HashMap::new();
        read_truth(name, &mut stdout, &mut truth, "READY");
        let pid = truth.get("pid").and_then(|pid| pid.parse().ok()).unwrap_or(child.id() as i32);
        let health = Health::of(pid).unwrap_or_else(|| panic!("{name}: pid {pid} is gone"));
        let (stdout, truth, health) = (RefCell::new(stdout), RefCell::new(truth), RefCell::new(health));
        Patient { name: name.into(), child, stdin, stdout, truth, health, works: false.into(), ends: false.into() }
    }

    /// The pid to look into: its own, or that of the child it says is the patient.
    pub fn pid(&self) -> i32 {
        self.truth.borrow().get("pid").and_then(|pid| pid.parse().ok()).unwrap_or(self.child.id() as i32)
    }

    /// The pid as an argument.
    pub fn target(&self) -> String {
        self.pid().to_string()
    }

    /// What it said last under `key`.
    pub fn text(&self, key: &str) -> String {
        let truth = self.truth.borrow();
        truth.get(key).unwrap_or_else(|| panic!("{} says nothing of {key}: {truth:?}", self.name)).clone()
    }

    /// The same as a number; `0x…` is one too.
    pub fn number(&self, key: &str) -> u64 {
        let text = self.text(key);
        let parsed = match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => text.parse(),
        };
        parsed.unwrap_or_else(|error| panic!("{}: {key}={text}: {error}", self.name))
    }

    /// Sends a command and waits for its answer. From `go` on the memory is its own affair, from `stop` on ours again.
    /// Answering may cost it a page: it must be unharmed before, and how it is afterwards is how it should be.
    #[track_caller]
    pub fn tell(&self, command: &str) {
        if !self.works.get() && !self.ends.get() {
            self.assert_unharmed();
        }
        {
            let mut stdin = self.stdin.borrow_mut();
            let stdin = stdin.as_mut().expect("its stdin is open");
            writeln!(stdin, "{command}").unwrap_or_else(|error| panic!("{}: {command}: {error}", self.name));
        }
        read_truth(&self.name, &mut self.stdout.borrow_mut(), &mut self.truth.borrow_mut(), "OK");
        match command {
            "go" => self.works.set(true),
            "count" if self.works.get() => (),
            _ => self.settle(),
        }
    }

    /// Takes how it is now as how it should be.
    pub fn settle(&self) {
        self.works.set(false);
        if let Some(health) = Health::of(self.pid()) {
            self.health.replace(health);
        }
    }

    /// Waits until it is stopped by the signal it sends itself.
    pub fn wait_stopped(&self) {
        let stopped = || Health::of(self.pid()).is_some_and(|health| health.state == "stopped");
        assert!(wait_until(Duration::from_secs(5), stopped), "{} did not stop", self.name);
        self.settle();
    }

    /// Declares that it ends, or becomes another program, in this test: no harm in that.
    pub fn expect_end(&self) {
        self.ends.set(true);
    }

    /// Ends it at once.
    pub fn end(&self) {
        self.expect_end();
        let _ = kill(Pid::from_raw(self.pid()), Signal::SIGKILL);
    }

    /// How it was when it was ready or last settled.
    pub fn health(&self) -> Health {
        self.health.borrow().clone()
    }

    /// Panics unless it is as well as it was.
    #[track_caller]
    pub fn assert_unharmed(&self) {
        Health::assert_unharmed(self.pid(), &self.health(), self.works.get());
    }
}

impl Drop for Patient {
    fn drop(&mut self) {
        let panicking = std::thread::panicking();
        if panicking {
            scene::show(&self.name, self.pid());
        }
        let check = !panicking && !self.ends.get();
        let result = check.then(|| std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.assert_unharmed())));
        self.stdin.borrow_mut().take();
        let _ = kill(Pid::from_raw(self.pid()), Signal::SIGKILL);
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(Err(harm)) = result {
            std::panic::resume_unwind(harm);
        }
    }
}

/// Reads `key=value` words up to the line `last`.
fn read_truth(name: &str, stdout: &mut BufReader<ChildStdout>, truth: &mut HashMap<String, String>, last: &str) {
    loop {
        let mut line = String::new();
        let read = stdout.read_line(&mut line).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(read > 0, "{name} ended before it said {last}");
        let line = line.trim_end_matches('\n');
        if line == last {
            return;
        }
        if let Some(label) = line.strip_prefix("label=") {
            truth.insert("label".into(), label.into());
            continue;
        }
        let pairs = line.split(' ').filter_map(|word| word.split_once('='));
        truth.extend(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
}

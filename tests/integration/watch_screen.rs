//! The live screen of `watch` in a real terminal (tmux): what it shows, what keys do, and that it leaves the terminal as it was.

use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common::run::binary;
use crate::common::{Patient, program, skip, wait_until};

/// A terminal of its own with a shell in it; ended when dropped.
struct Terminal {
    socket: String,
}

impl Terminal {
    fn open(name: &str) -> Terminal {
        let socket = format!("leakscope-{name}-{}", std::process::id());
        let terminal = Terminal { socket };
        terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "110", "-y", "32", "env PS1='sh> ' sh"]);
        terminal
    }

    fn tmux(&self, words: &[&str]) -> String {
        let output = Command::new("tmux").args(["-L", &self.socket]).args(words).env_remove("TMUX").output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    fn page(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    #[track_caller]
    fn shows(&self, text: &str) {
        let mut page = String::new();
        let shown = wait_until(Duration::from_secs(10), || {
            page = self.page();
            page.contains(text)
        });
        assert!(shown, "no “{text}” on:\n{page}");
    }

    /// Has the shell's child ended by `signal`.
    fn end_child(&self, signal: Signal) {
        let shell = self.tmux(&["display-message", "-p", "#{pane_pid}"]).trim().to_owned();
        let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap();
        let pid = children.split_whitespace().next().and_then(|pid| pid.parse().ok()).expect("a child of the shell");
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    /// Whether the shell is back, with echo and line editing, and nothing of the screen is left.
    #[track_caller]
    fn is_as_it_was(&self) {
        // Keys typed before the terminal is given back are leakscope's to eat.
        let shell = || self.tmux(&["display-message", "-p", "#{pane_current_command}"]).trim() == "sh";
        assert!(wait_until(Duration::from_secs(10), shell), "the screen is still there:\n{}", self.page());
        self.keys(&["stty -a | grep -c -w -e '-icanon' -e '-echo'; echo back", "Enter"]);
        self.shows("\nback");
        let page = self.page();
        assert!(page.contains("\n0\nback") && !page.contains("VERDICT"), "{page}");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[test]
fn the_screen_shows_obeys_and_leaves_no_trace() {
    if program("tmux").is_none() {
        return skip("tmux is not installed");
    }
    let patient = Patient::spawn("json_leak", &["1000", "2000000"]);
    patient.tell("go");
    let terminal = Terminal::open("screen");
    let command = format!("{} watch {}", binary().display(), patient.pid());
    terminal.keys(&[&command, "Enter"]);
    terminal.shows("VERDICT");
    terminal.shows("growing");
    terminal.shows("[heap]");
    terminal.keys(&["?"]);
    terminal.shows("pause the screen");
    terminal.keys(&["x"]);
    terminal.keys(&["p"]);
    terminal.shows("PAUSED");
    terminal.keys(&["p"]);
    terminal.keys(&["s"]);
    terminal.shows("by growth");
    terminal.tmux(&["resize-window", "-x", "60", "-y", "14"]);
    std::thread::sleep(Duration::from_millis(600));
    assert!(terminal.page().lines().all(|line| line.chars().count() <= 60));
    terminal.shows("json_leak");
    terminal.keys(&["q"]);
    terminal.is_as_it_was();
    patient.tell("stop");
}

#[test]
fn a_signal_leaves_the_terminal_as_it_was() {
    if program("tmux").is_none() {
        return skip("tmux is not installed");
    }
    let patient = Patient::spawn("steady", &["100"]);
    let terminal = Terminal::open("signal");
    let command = format!("{} watch {}", binary().display(), patient.pid());
    terminal.keys(&[&command, "Enter"]);
    terminal.shows("VERDICT");
    terminal.keys(&["C-c"]);
    terminal.is_as_it_was();
    for signal in [Signal::SIGTERM, Signal::SIGQUIT] {
        terminal.keys(&["clear", "Enter"]);
        terminal.keys(&[&command, "Enter"]);
        terminal.shows("VERDICT");
        terminal.end_child(signal);
        terminal.is_as_it_was();
    }
}

//! The live screen of `watch` in a real terminal (tmux): what it shows, what keys do, and that it leaves the terminal as it was.

use std::fs::OpenOptions;
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};
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

    /// Sends `signals` to the shell's child.
    fn signal(&self, signals: &[Signal]) {
        let shell = self.tmux(&["display-message", "-p", "#{pane_pid}"]).trim().to_owned();
        let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap();
        let pid = children.split_whitespace().next().and_then(|pid| pid.parse().ok()).expect("a child of the shell");
        signals.iter().for_each(|signal| kill(Pid::from_raw(pid), *signal).unwrap());
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
    use Signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    for signals in [&[SIGTERM][..], &[SIGQUIT], &[SIGHUP], &[SIGHUP, SIGTERM, SIGINT]] {
        terminal.keys(&["clear", "Enter"]);
        terminal.keys(&[&command, "Enter"]);
        terminal.shows("VERDICT");
        terminal.signal(signals);
        terminal.is_as_it_was();
    }
}

#[test]
fn a_stop_gives_the_terminal_back_until_the_shell_goes_on() {
    if program("tmux").is_none() {
        return skip("tmux is not installed");
    }
    let patient = Patient::spawn("steady", &["100"]);
    let terminal = Terminal::open("stop");
    let command = format!("{} watch {}", binary().display(), patient.pid());
    terminal.keys(&[&command, "Enter"]);
    terminal.shows("VERDICT");
    terminal.keys(&["C-z"]);
    terminal.is_as_it_was();
    terminal.keys(&["clear; fg", "Enter"]);
    terminal.shows("VERDICT");
    terminal.signal(&[Signal::SIGTSTP]);
    terminal.is_as_it_was();
    terminal.keys(&["clear; fg", "Enter"]);
    terminal.shows("VERDICT");
    terminal.keys(&["q"]);
    terminal.is_as_it_was();
}

/// leakscope on a terminal of which nobody reads, and our end of that.
fn unread(pid: i32) -> (Child, PtyMaster) {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY;
    let ours = posix_openpt(flags | OFlag::O_CLOEXEC).unwrap();
    grantpt(&ours).and_then(|()| unlockpt(&ours)).unwrap();
    let mut options = OpenOptions::new();
    let theirs = options.read(true).write(true).custom_flags(flags.bits()).open(ptsname_r(&ours).unwrap()).unwrap();
    let end = || Stdio::from(theirs.try_clone().unwrap());
    Command::new("stty").args(["rows", "60", "columns", "250"]).stdin(end()).status().unwrap();
    let mut command = Command::new("setsid");
    command.args(["-c".as_ref(), binary().as_os_str()]).args(["watch", "--interval", "10ms", &pid.to_string()]);
    let child = command.env("TERM", "xterm").stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
    (child, ours)
}

fn ends_within(child: &mut Child, longest: Duration) -> bool {
    let ended = wait_until(longest, || child.try_wait().unwrap().is_some());
    let _ = child.kill();
    let _ = child.wait();
    ended
}

#[test]
fn a_terminal_that_is_gone_or_takes_nothing_ends_the_screen() {
    let patient = Patient::spawn("json_leak", &["1000", "2000000"]);
    patient.tell("go");
    let (mut child, ours) = unread(patient.pid());
    std::thread::sleep(Duration::from_millis(1500));
    drop(ours);
    assert!(ends_within(&mut child, Duration::from_secs(5)), "it hung up");
    let (mut child, ours) = unread(patient.pid());
    let pid = Pid::from_raw(child.id() as i32);
    // A window that changes is drawn anew each time, until no more fits into the terminal's buffer.
    let mut rows = 60;
    let is_stuck = || {
        rows ^= 1;
        let window = Stdio::from(ours.as_fd().try_clone_to_owned().unwrap());
        Command::new("stty").args(["rows", &rows.to_string()]).stdin(window).status().unwrap();
        std::fs::read_to_string(format!("/proc/{pid}/wchan")).is_ok_and(|place| place == "wait_woken")
    };
    assert!(wait_until(Duration::from_secs(60), is_stuck), "the buffer of a terminal never filled");
    kill(pid, Signal::SIGTERM).unwrap();
    assert!(ends_within(&mut child, Duration::from_secs(10)), "it takes nothing");
    drop(ours);
    patient.tell("stop");
}

//! The program from outside: exit codes, one-line errors, closed pipes. No process is looked into here.

use std::fs::OpenOptions;
use std::process::{Command, Output, Stdio};

fn leakscope(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leakscope"));
    command.args(words).env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").stdin(Stdio::null());
    command
}

fn output(words: &[&str]) -> Output {
    leakscope(words).output().unwrap()
}

#[test]
fn wrong_usage_is_two_and_one_line() {
    for words in [&[][..], &["--bogus"], &["isnpect", "5"], &["map"], &["dump", "1", "--range", "0x2-0x1"]] {
        let output = output(words);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {told}");
        assert!(output.stdout.is_empty(), "{words:?}");
        assert!(told.starts_with("error: ") && told.lines().count() == 1, "{words:?}: {told}");
    }
}

#[test]
fn arguments_cannot_paint_the_terminal() {
    let output = output(&["--x\x1b[2J\nerror: all is well"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(!told.contains('\x1b') && told.lines().count() == 1, "{told}");
}

#[test]
fn arguments_of_any_bytes_are_answered() {
    use std::os::unix::ffi::OsStrExt;
    let odd = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    for words in [vec!["map".as_ref(), odd], vec![odd], vec!["--for".as_ref(), odd, "5".as_ref()]] {
        let output = leakscope(&[]).args(&words).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn help_and_version_go_to_stdout() {
    for words in [&["--help"][..], &["--version"], &["help"], &["help", "map"], &["scan", "--help"]] {
        let output = output(words);
        assert_eq!(output.status.code(), Some(0), "{words:?}");
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{words:?}");
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = leakscope(&["--help"]).stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_full_disk_is_told() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = leakscope(&["--help"]).stdout(full).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.starts_with("error: cannot write the answer to stdout: "), "{told}");
}

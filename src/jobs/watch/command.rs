//! A command of the user's, run at a level: the facts in its environment and on its stdin, a bounded time to end in. What it
//! does is its own affair.

use std::fs::File;
use std::io::{Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::evidence::Order;
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Progress;

/// It may take so long.
const LONGEST: Duration = Duration::from_secs(60);
const NAP: Duration = Duration::from_millis(20);

/// Runs `command` through `sh -c` and waits until it ended.
///
/// # Errors
/// It does not start, fails, takes too long, or a person asks to stop: then it is ended with all it started.
pub fn run(command: &str, order: &Order, paths: &[PathBuf], progress: &dyn Progress) -> Result<()> {
    run_for(LONGEST, command, order, paths, progress)
}

fn run_for(longest: Duration, command: &str, order: &Order, paths: &[PathBuf], progress: &dyn Progress) -> Result<()> {
    let failed = |reason: &dyn std::fmt::Display| Error::new(ErrorKind::Failed, "--exec", command, reason);
    let mut child = start(command, order, paths).map_err(|error| failed(&error))?;
    let until = Instant::now() + longest;
    loop {
        match child.try_wait().map_err(|error| failed(&error))? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(failed(&status)),
            None if progress.interrupted() => {
                end(&mut child);
                return Err(failed(&"the watch was ended before it"));
            }
            None if Instant::now() > until => {
                end(&mut child);
                return Err(failed(&format!("it took longer than {longest:?} and was ended")));
            }
            None => std::thread::sleep(NAP),
        }
    }
}

fn start(command: &str, order: &Order, paths: &[PathBuf]) -> std::io::Result<Child> {
    let list = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(":");
    let seconds = order.left.map(|left| format!("{:.1}", left.as_secs_f64())).unwrap_or_default();
    let verdict = order.verdict.as_ref().map(|verdict| verdict.kind.clone()).unwrap_or_default();
    Command::new("sh")
        .args(["-c", command])
        .env("LEAKSCOPE_TARGET", order.sample.target.replace('\0', " "))
        .env("LEAKSCOPE_PID", order.sample.pid.to_string())
        .env("LEAKSCOPE_RSS_BYTES", order.sample.rss_bytes.0.to_string())
        .env("LEAKSCOPE_REASON", &order.reason)
        .env("LEAKSCOPE_VERDICT", verdict)
        .env("LEAKSCOPE_SECONDS_TO_LIMIT", seconds)
        .env("LEAKSCOPE_PATHS", list)
        .stdin(facts(order, paths)?)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
}

/// The facts as a file in memory: writing them into a pipe would wait for a command that does not read.
fn facts(order: &Order, paths: &[PathBuf]) -> std::io::Result<File> {
    let facts = serde_json::json!({
        "schema_version": 1, "command": "watch", "reason": order.reason, "sample": order.sample,
        "verdict": order.verdict, "seconds_to_limit": order.left.map(|left| left.as_secs_f64()), "paths": paths,
    });
    let mut file = File::from(memfd_create("facts", MFdFlags::MFD_CLOEXEC)?);
    writeln!(file, "{facts}")?;
    file.rewind()?;
    Ok(file)
}

/// Ends it and what it started.
fn end(child: &mut Child) {
    let group = i32::try_from(child.id()).map(Pid::from_raw);
    let _ = group.map(|group| killpg(group, Signal::SIGKILL));
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use crate::report::watch::{Growth, Sample};

    fn order() -> Order {
        let region = Growth { name: "\u{1b}".repeat(100_000), ..Growth::default() };
        let target = "nginx: worker/../$(x)\0\n1".into();
        Order {
            sample: Sample { pid: 7, target, regions: vec![region], ..Sample::default() },
            started: 0,
            verdict: None,
            reason: "70 % of the limit".into(),
            left: Some(Duration::from_secs(3)),
            is_new: false,
            by_hand: None,
        }
    }

    #[test]
    fn a_command_has_the_facts() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let command =
            format!("{{ echo \"$LEAKSCOPE_PID $LEAKSCOPE_REASON $LEAKSCOPE_PATHS\"; cat; }} > {}", out.display());
        run(&command, &order(), &[PathBuf::from("/a"), PathBuf::from("/b")], &Silent).unwrap();
        let text = std::fs::read_to_string(&out).unwrap();
        let (first, facts) = text.split_once('\n').unwrap();
        assert_eq!(first, "7 70 % of the limit /a:/b");
        let facts: serde_json::Value = serde_json::from_str(facts).unwrap();
        assert_eq!((&facts["sample"]["pid"], &facts["seconds_to_limit"]), (&7.into(), &3.0.into()));
        let error = run("exit 3", &order(), &[], &Silent).unwrap_err().to_string();
        assert!(error.contains("exit status: 3"), "{error}");
    }

    #[test]
    fn one_that_hangs_and_does_not_read_is_ended_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("pid");
        let command = format!("sleep 1000 & echo $! > {}; wait", out.display());
        let began = Instant::now();
        let error = run_for(Duration::from_millis(300), &command, &order(), &[], &Silent).unwrap_err().to_string();
        assert!(error.contains("took longer") && began.elapsed() < Duration::from_secs(5), "{error}");
        let pid: i32 = std::fs::read_to_string(&out).unwrap().trim().parse().unwrap();
        let is_gone = || !std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
        while !is_gone() && began.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(NAP);
        }
        assert!(is_gone());
    }
}

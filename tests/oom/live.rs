//! A real kill: a child fills its memory cgroup, and the kernel's own log is read.

use std::fs;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use leakscope::oom::OomReport;
use leakscope::oom::cause::CauseKind;
use leakscope::oom::report::{Constraint, Outcome};

use crate::{json, reports};

const LIMIT: u64 = 64 << 20;

/// A cgroup with a memory limit, of either interface; removed when dropped.
struct Group {
    folder: PathBuf,
    path: String,
}

impl Group {
    fn new() -> Result<Group, String> {
        let path = format!("/leakscope-test-{}", std::process::id());
        let v1 = PathBuf::from("/sys/fs/cgroup/memory");
        let (root, limit) = if v1.join("memory.limit_in_bytes").exists() {
            (v1, "memory.limit_in_bytes")
        } else {
            (PathBuf::from("/sys/fs/cgroup"), "memory.max")
        };
        let folder = root.join(path.trim_start_matches('/'));
        fs::create_dir(&folder).map_err(|error| format!("no cgroup can be made (needs root): {error}"))?;
        let group = Group { folder, path };
        fs::write(group.folder.join(limit), LIMIT.to_string()).map_err(|error| format!("no memory limit: {error}"))?;
        Ok(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let until = Instant::now() + Duration::from_secs(5);
        while fs::remove_dir(&self.folder).is_err() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Named, and an error in CI.
fn skip(reason: &str) {
    assert!(std::env::var_os("CI").is_none(), "nothing is skipped in CI: {reason}");
    let line = format!("SKIPPED {}: {reason}\n", std::thread::current().name().unwrap_or("?"));
    let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
}

/// Everything the kernel's ring holds from `ring`'s place on, as the raw device writes it.
fn rest_of(ring: &mut fs::File) -> Vec<u8> {
    let mut log = Vec::new();
    let mut record = vec![0; 16 << 10];
    loop {
        match ring.read(&mut record) {
            Ok(length) => log.extend_from_slice(&record[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
            Err(_) => return log,
        }
    }
}

/// Fills memory in the cgroup until it is killed; its pid.
fn fill(group: &Group) -> u32 {
    let procs = fs::OpenOptions::new().write(true).open(group.folder.join("cgroup.procs")).unwrap();
    let mut command = Command::new("/bin/sh");
    // tail keeps the line it reads, and /dev/zero has no line end.
    command.args(["-c", "exec tail /dev/zero"]).stdout(Stdio::null()).stderr(Stdio::null());
    // The child joins before it runs: 0 stands for the writer itself.
    let join = move || std::io::Write::write_all(&mut &procs, b"0");
    #[allow(unsafe_code)]
    // SAFETY: between fork and exec the closure makes one write system call and allocates nothing.
    unsafe {
        command.pre_exec(join);
    }
    let mut child = command.spawn().unwrap();
    let pid = child.id();
    let status = child.wait().unwrap();
    assert!(!status.success(), "the child was not killed: {status}");
    pid
}

fn killed(log: &[u8], pid: u32) -> Option<OomReport> {
    reports(log).into_iter().find(|report| report.killed_pids.contains(&i64::from(pid)))
}

#[test]
fn a_kill_made_here_is_read_from_the_ring() {
    let ring = fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open("/dev/kmsg");
    let Ok(mut ring) = ring else { return skip("/dev/kmsg cannot be read") };
    let group = match Group::new() {
        Ok(group) => group,
        Err(reason) => return skip(&reason),
    };
    std::io::Seek::seek(&mut ring, std::io::SeekFrom::End(0)).unwrap();
    let pid = fill(&group);
    let mut log = Vec::new();
    let until = Instant::now() + Duration::from_secs(5);
    while killed(&log, pid).is_none() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
        log.extend(rest_of(&mut ring));
    }
    let report =
        killed(&log, pid).unwrap_or_else(|| panic!("no report of pid {pid} in:\n{}", String::from_utf8_lossy(&log)));
    assert_eq!(report.outcome, Outcome::Killed);
    assert_eq!(report.constraint, Some(Constraint::Memcg));
    assert_eq!(report.cause.kind, CauseKind::MemcgLimit, "{}", report.cause.summary);
    let memcg = report.memcg.as_ref().unwrap();
    assert_eq!(memcg.oom_memcg.as_deref(), Some(group.path.as_str()));
    assert_eq!(memcg.memory.unwrap().limit.0, i128::from(LIMIT));
    let victim = report.victim.as_ref().unwrap();
    assert_eq!(victim.name, "tail");
    assert!(victim.rss().unwrap().0 > LIMIT / 2, "{victim:?}");
    let row = report.tasks.iter().find(|task| task.pid == i64::from(pid)).unwrap();
    assert_eq!(row.total_vm, victim.total_vm.unwrap(), "the page size is wrong");
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert_eq!(report.kernel.as_deref(), Some(release.trim()));
    assert!(!report.truncated);
    assert_eq!(json(&report)["invoker"]["pid"], pid);
}

//! From facts to answers: what stands in the way, in words, with the command that removes it.

use std::io;

use super::Check;
use super::facts::{Ours, Theirs};
use crate::target::opening::is_gone;

fn pass(name: &str, detail: impl Into<String>) -> Check {
    Check { name: name.into(), ok: true, detail: detail.into(), remedy: None }
}

fn fail(name: &str, detail: impl Into<String>, remedy: Option<String>) -> Check {
    Check { name: name.into(), ok: false, detail: detail.into(), remedy }
}

/// All answers on a target.
pub(super) fn of_target(ours: &Ours, theirs: &Theirs) -> Vec<Check> {
    let mut checks = vec![
        tried("memory", "its memory", &theirs.memory),
        tried("page table", "its page table", &theirs.page_table),
        tried("smaps", "its memory map with costs", &theirs.smaps),
        tracer(theirs),
    ];
    // Where the try worked, nothing of what could forbid it does.
    if theirs.memory.is_ok() {
        checks.push(pass("permission", granted_by(ours, theirs)));
    } else {
        checks.extend(obstacles(ours, theirs));
    }
    checks.extend([container(ours), page_scan(ours)]);
    checks
}

/// All answers that need no target.
pub(super) fn of_machine(ours: &Ours) -> Vec<Check> {
    vec![
        capability_of_machine(ours),
        yama_of_machine(ours),
        selinux(ours),
        container(ours),
        seccomp(ours),
        page_scan(ours),
    ]
}

fn tried(name: &str, what: &str, result: &io::Result<()>) -> Check {
    match result {
        Ok(()) => pass(name, format!("{what} can be read")),
        Err(error) if is_gone(error) => fail(name, "the process ended", None),
        Err(error) => fail(name, format!("{what} cannot be read: {error}"), None),
    }
}

fn granted_by(ours: &Ours, theirs: &Theirs) -> String {
    if ours.has_ptrace_capability {
        return "we have CAP_SYS_PTRACE".into();
    }
    format!("we are its user, uid {}", theirs.effective_uid)
}

fn tracer(theirs: &Theirs) -> Check {
    match &theirs.tracer {
        None => pass("tracer", "nobody traces it"),
        Some((pid, name)) => fail(
            "tracer",
            format!(
                "pid {pid} ({}) traces it already: its memory can be read, but it cannot be stopped before that ends",
                name.escape_debug()
            ),
            Some(format!("kill {pid}")),
        ),
    }
}

/// What can forbid reading memory, in the order in which removing it helps.
fn obstacles(ours: &Ours, theirs: &Theirs) -> Vec<Check> {
    let mut checks = vec![
        user(ours, theirs),
        dumpable(ours, theirs),
        yama(ours, theirs),
        user_namespace(ours, theirs),
        capability(ours, theirs),
        selinux(ours),
        seccomp(ours),
    ];
    if checks.iter().all(|check| check.ok) {
        let detail = "all that can be asked allows it, so that a security module or a sandbox refuses it";
        checks.push(fail("security module", detail, Some(DENIALS.into())));
    }
    checks
}

/// Where AppArmor, SELinux, Smack and Landlock tell what they refused.
const DENIALS: &str = "sudo dmesg | grep -iE 'apparmor|avc|audit|denied' | tail";

/// The command that gives us all permissions on `pid`, which in a container is another than outside.
fn more_power(ours: &Ours, pid: &str) -> String {
    if ours.container.is_some() && ours.effective_uid == 0 {
        return IN_CONTAINER.into();
    }
    format!("sudo leakscope {pid}")
}

const IN_CONTAINER: &str = "docker run --cap-add SYS_PTRACE --pid=host IMAGE (in Kubernetes: kubectl debug -it POD --target=CONTAINER --profile=sysadmin)";
const SETCAP: &str = "sudo setcap cap_sys_ptrace+ep \"$(command -v leakscope)\"";
const SCOPE_ZERO: &str = "sudo sysctl kernel.yama.ptrace_scope=0";
const SCOPE_AT_BOOT: &str = "echo kernel.yama.ptrace_scope=1 | sudo tee /etc/sysctl.d/10-ptrace.conf && sudo reboot";

fn user(ours: &Ours, theirs: &Theirs) -> Check {
    if ours.effective_uid == theirs.effective_uid || ours.has_ptrace_capability || ours.effective_uid == 0 {
        return pass("user", format!("it runs as uid {}, we as {}", theirs.effective_uid, ours.effective_uid));
    }
    let detail =
        format!("it belongs to uid {}, we are uid {} without CAP_SYS_PTRACE", theirs.effective_uid, ours.effective_uid);
    fail("user", detail, Some(more_power(ours, &theirs.pid.to_string())))
}

fn dumpable(ours: &Ours, theirs: &Theirs) -> Check {
    match theirs.is_dumpable {
        Some(true) => pass("dumpable", "it allows its user to look into it"),
        None => pass("dumpable", "could not be told"),
        Some(false) if ours.has_ptrace_capability => {
            pass("dumpable", "it is not dumpable, which CAP_SYS_PTRACE overrides")
        }
        Some(false) => fail(
            "dumpable",
            "it is not dumpable (it changed its user or asked for that with prctl), so that CAP_SYS_PTRACE is needed",
            Some(more_power(ours, &theirs.pid.to_string())),
        ),
    }
}

fn yama(ours: &Ours, theirs: &Theirs) -> Check {
    match ours.yama {
        None => pass("Yama", "this kernel does without"),
        Some(0) => pass("Yama", "kernel.yama.ptrace_scope is 0: a user's processes may look into each other"),
        Some(3..) => fail(
            "Yama",
            "kernel.yama.ptrace_scope is 3: nobody may trace until the next boot",
            Some(SCOPE_AT_BOOT.into()),
        ),
        Some(scope) if ours.has_ptrace_capability => {
            pass("Yama", format!("kernel.yama.ptrace_scope is {scope}, which CAP_SYS_PTRACE overrides"))
        }
        Some(scope) => {
            let who = if scope == 1 { "only a parent may look into its children" } else { "CAP_SYS_PTRACE is needed" };
            let detail = format!("kernel.yama.ptrace_scope is {scope}: {who}");
            // Another user's process needs more than this switch.
            let is_enough = scope == 1 && ours.effective_uid == theirs.effective_uid && ours.container.is_none();
            let remedy = if is_enough { SCOPE_ZERO.into() } else { more_power(ours, &theirs.pid.to_string()) };
            fail("Yama", detail, Some(remedy))
        }
    }
}

fn user_namespace(ours: &Ours, theirs: &Theirs) -> Check {
    match theirs.is_same_user_namespace {
        Some(true) => pass("user namespace", "the same as ours"),
        None => pass("user namespace", "could not be told"),
        Some(false) => fail(
            "user namespace",
            "it is in another user namespace, in which our capabilities do not count",
            Some(more_power(ours, &theirs.pid.to_string())),
        ),
    }
}

fn capability(ours: &Ours, theirs: &Theirs) -> Check {
    if ours.has_ptrace_capability {
        return pass("CAP_SYS_PTRACE", "we have it");
    }
    let remedy = match ours.container {
        Some(_) => more_power(ours, &theirs.pid.to_string()),
        None if ours.effective_uid == 0 => "capsh --print".into(),
        None => SETCAP.into(),
    };
    fail("CAP_SYS_PTRACE", "leakscope runs without CAP_SYS_PTRACE", Some(remedy))
}

fn capability_of_machine(ours: &Ours) -> Check {
    if ours.has_ptrace_capability {
        return pass("CAP_SYS_PTRACE", "we have it: processes of all users can be investigated");
    }
    let detail = format!("leakscope runs without CAP_SYS_PTRACE: only processes of uid {} can be investigated", ours.effective_uid);
    let remedy = if ours.container.is_some() { more_power(ours, "PID") } else { SETCAP.into() };
    fail("CAP_SYS_PTRACE", detail, Some(remedy))
}

fn yama_of_machine(ours: &Ours) -> Check {
    match ours.yama {
        Some(1 | 2) if !ours.has_ptrace_capability => {
            let detail = format!(
                "kernel.yama.ptrace_scope is {}: without CAP_SYS_PTRACE only our own children can be investigated",
                ours.yama.unwrap_or(1)
            );
            fail("Yama", detail, Some(SCOPE_ZERO.into()))
        }
        Some(3..) => fail(
            "Yama",
            "kernel.yama.ptrace_scope is 3: nobody may trace until the next boot",
            Some(SCOPE_AT_BOOT.into()),
        ),
        Some(scope) => pass("Yama", format!("kernel.yama.ptrace_scope is {scope}, which does not stand in our way")),
        None => pass("Yama", "this kernel does without"),
    }
}

fn selinux(ours: &Ours) -> Check {
    if ours.selinux_denies {
        return fail("SELinux", "its boolean deny_ptrace is on", Some("sudo setsebool deny_ptrace off".into()));
    }
    pass("SELinux", "its boolean deny_ptrace is off or absent")
}

fn seccomp(ours: &Ours) -> Check {
    if !ours.has_seccomp_filter {
        return pass("seccomp", "no filter is on us");
    }
    // Engines filter ptrace only on kernels before 4.8, so that a filter alone forbids nothing.
    pass("seccomp", "a filter is on us, which may refuse system calls")
}

fn container(ours: &Ours) -> Check {
    let view = match ours.is_first_pid_namespace {
        Some(true) => "we see all processes of the machine",
        Some(false) => "we see the processes of our pid namespace alone: --pid=host shows the others",
        None => "which processes we see could not be told",
    };
    match &ours.container {
        Some(sign) => pass("container", format!("we seem to be in one ({sign}); {view}")),
        None => pass("container", format!("we seem to be in none; {view}")),
    }
}

fn page_scan(ours: &Ours) -> Check {
    if ours.has_pagemap_scan {
        return pass("page scan", "the kernel has PAGEMAP_SCAN: absent pages cost nothing");
    }
    pass("page scan", "the kernel has no PAGEMAP_SCAN (Linux 6.7): page tables are read instead, which takes longer")
}

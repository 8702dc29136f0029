//! What decides whether one process may look into another, as far as procfs and sysfs tell it.

use std::io;

use crate::sys::pagemap_scan::{Query, category, walk};
use crate::target::identity::container_id;
use crate::target::opening::Target;
use crate::target::roots::{Roots, path_text};
use crate::target::stat::Status;
use crate::units::{Addr, ByteCount, Span};

/// CAP_SYS_PTRACE of `include/uapi/linux/capability.h`.
const CAP_SYS_PTRACE: u64 = 1 << 19;
/// PROC_PID_INIT_INO of the kernel: the pid namespace of the machine itself.
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

/// About ourselves and the machine.
#[derive(Debug, Default)]
pub(super) struct Ours {
    pub effective_uid: u32,
    pub has_ptrace_capability: bool,
    /// kernel.yama.ptrace_scope; `None` where the kernel has no Yama.
    pub yama: Option<u64>,
    /// How it shows that we are in a container; `None` where nothing does.
    pub container: Option<String>,
    /// Whether we see all processes of the machine, as far as can be told.
    pub is_first_pid_namespace: Option<bool>,
    /// Whether a seccomp filter is on us.
    pub has_seccomp_filter: bool,
    /// SELinux's boolean deny_ptrace.
    pub selinux_denies: bool,
    pub has_pagemap_scan: bool,
}

impl Ours {
    pub fn gather(roots: &Roots) -> Ours {
        let text = |name: &str| roots.proc_text(name).unwrap_or_default();
        let status = Status::parse(&text("self/status"));
        let namespace = std::fs::read_link(roots.proc.join("self/ns/pid")).ok();
        let selinux = path_text(&roots.sys.join("fs/selinux/booleans/deny_ptrace")).unwrap_or_default();
        Ours {
            effective_uid: status.effective_uid,
            has_ptrace_capability: status.effective_capabilities & CAP_SYS_PTRACE != 0,
            yama: text("sys/kernel/yama/ptrace_scope").trim().parse().ok(),
            container: container_sign(&text("self/cgroup"), &text("1/environ")),
            is_first_pid_namespace: namespace.map(|link| link.as_os_str() == FIRST_PID_NAMESPACE),
            has_seccomp_filter: status.seccomp == 2,
            selinux_denies: selinux.starts_with('1'),
            has_pagemap_scan: has_pagemap_scan(roots),
        }
    }
}

/// What shows that we are in a container: files that engines leave, our cgroup, a variable of the first process.
fn container_sign(cgroups: &str, environment: &str) -> Option<String> {
    for file in ["/.dockerenv", "/run/.containerenv"] {
        if std::path::Path::new(file).exists() {
            return Some(format!("{file} exists"));
        }
    }
    if let Some(id) = container_id(cgroups) {
        return Some(format!("our cgroup names container {}", id.get(..12).unwrap_or(&id)));
    }
    let engine = environment.split('\0').find_map(|variable| variable.strip_prefix("container="))?;
    Some(format!("the first process was started by {}", engine.chars().take(20).collect::<String>().escape_debug()))
}

fn has_pagemap_scan(roots: &Roots) -> bool {
    let Ok(pagemap) = std::fs::File::open(roots.proc.join("self/pagemap")) else { return false };
    let query = Query { any_of: category::PRESENT, none_of: 0, report: category::PRESENT, step: ByteCount::mib(1) };
    walk(&pagemap, Span::sized(Addr(1 << 16), ByteCount(1 << 16)), query, &mut |_| ()).is_ok()
}

/// About the target.
#[derive(Debug)]
pub(super) struct Theirs {
    pub pid: i32,
    pub effective_uid: u32,
    /// Whether the kernel shows it as dumpable; `None` where that cannot be told.
    pub is_dumpable: Option<bool>,
    /// Whether it is in our user namespace; `None` where we may not see it.
    pub is_same_user_namespace: Option<bool>,
    /// Who traces it: pid and name.
    pub tracer: Option<(i32, String)>,
    /// Opening its memory for reading, which asks the kernel all that ptrace asks.
    pub memory: io::Result<()>,
    /// Opening its page table.
    pub page_table: io::Result<()>,
    /// Opening its smaps.
    pub smaps: io::Result<()>,
}

impl Theirs {
    pub fn gather(target: &Target) -> Theirs {
        let status = target.status().unwrap_or_default();
        let tries = |name: &str| target.proc_file(name).map(|_| ());
        let tracer = (status.tracer_pid != 0).then(|| {
            let name = target.roots().proc_text(&format!("{}/comm", status.tracer_pid)).unwrap_or_default();
            (status.tracer_pid, name.trim_end_matches('\n').to_owned())
        });
        Theirs {
            pid: target.pid(),
            effective_uid: status.effective_uid,
            is_dumpable: is_dumpable(target, status.effective_uid),
            is_same_user_namespace: is_same_user_namespace(target),
            tracer,
            memory: tries("mem"),
            page_table: tries("pagemap"),
            smaps: tries("smaps"),
        }
    }
}

/// The kernel gives the files of a process that is not dumpable to root (task_dump_owner in fs/proc/base.c). A process
/// of root's does not show it.
fn is_dumpable(target: &Target, effective_uid: u32) -> Option<bool> {
    if effective_uid == 0 {
        return None;
    }
    let owner = nix::sys::stat::fstatat(target.directory(), "maps", nix::fcntl::AtFlags::empty()).ok()?.st_uid;
    Some(owner == effective_uid)
}

fn is_same_user_namespace(target: &Target) -> Option<bool> {
    let theirs = nix::fcntl::readlinkat(target.directory(), "ns/user").ok()?;
    let ours = std::fs::read_link(target.roots().proc.join("self/ns/user")).ok()?;
    Some(theirs == ours.as_os_str())
}

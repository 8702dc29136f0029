use super::facts::{Ours, Theirs};
use super::*;
use crate::target::child::WaitingChild;
use crate::target::false_tree::FalseTree;

fn denied() -> io::Result<()> {
    Err(io::Error::from_raw_os_error(libc::EACCES))
}

/// A process of user 33 that refuses.
fn closed() -> Theirs {
    Theirs {
        pid: 77,
        effective_uid: 33,
        is_dumpable: Some(true),
        is_same_user_namespace: None,
        tracer: None,
        memory: denied(),
        page_table: denied(),
        smaps: denied(),
    }
}

fn user(uid: u32) -> Ours {
    Ours { effective_uid: uid, ..Ours::default() }
}

/// The first obstacle and its remedy, as an error names them.
fn obstacle(ours: &Ours, theirs: &Theirs) -> (String, String) {
    let checks = checks::of_target(ours, theirs);
    let first = checks.into_iter().find(|check| !check.ok && check.remedy.is_some()).unwrap();
    (first.name, first.remedy.unwrap())
}

#[test]
fn every_situation_names_its_obstacle_and_the_way_out() {
    let scope = |uid, yama| Ours { yama: Some(yama), ..user(uid) };
    let root_in_container = Ours { container: Some("/.dockerenv exists".into()), ..user(0) };
    let root_without_capability = user(0);
    let of_root = |theirs: Theirs| Theirs { effective_uid: 0, is_dumpable: None, ..theirs };
    let not_dumpable = Theirs { is_dumpable: Some(false), ..closed() };
    let capable = Ours { has_ptrace_capability: true, ..user(0) };
    for (ours, theirs, name, remedy) in [
        (user(1000), closed(), "user", "sudo leakscope 77"),
        (scope(1000, 1), closed(), "user", "sudo leakscope 77"),
        (scope(33, 1), closed(), "Yama", "sudo sysctl kernel.yama.ptrace_scope=0"),
        (scope(33, 2), closed(), "Yama", "sudo leakscope 77"),
        (user(33), not_dumpable, "dumpable", "sudo leakscope 77"),
        (root_in_container, of_root(closed()), "CAP_SYS_PTRACE", "docker run --cap-add SYS_PTRACE"),
        (root_without_capability, of_root(closed()), "CAP_SYS_PTRACE", "capsh --print"),
        (user(33), closed(), "CAP_SYS_PTRACE", "sudo setcap cap_sys_ptrace+ep"),
        (Ours { yama: Some(3), ..capable }, closed(), "Yama", "sudo reboot"),
    ] {
        let (found, command) = obstacle(&ours, &theirs);
        assert_eq!(found, name, "{ours:?}");
        assert!(command.contains(remedy), "{ours:?}: {command}");
    }
    let capable = Ours { has_ptrace_capability: true, ..user(0) };
    assert_eq!(obstacle(&capable, &closed()).0, "security module");
    let selinux = Ours { selinux_denies: true, has_ptrace_capability: true, ..user(0) };
    assert_eq!(obstacle(&selinux, &closed()).1, "sudo setsebool deny_ptrace off");
    let inner = Theirs { is_same_user_namespace: Some(false), ..closed() };
    assert_eq!(obstacle(&Ours { has_ptrace_capability: true, ..user(0) }, &inner).0, "user namespace");
}

#[test]
fn where_the_try_worked_only_a_tracer_is_in_the_way() {
    let open = Theirs { memory: Ok(()), page_table: Ok(()), smaps: Ok(()), ..closed() };
    let checks = checks::of_target(&Ours { yama: Some(1), ..user(33) }, &open);
    assert!(checks.iter().all(|check| check.ok), "{checks:?}");
    let traced = Theirs { tracer: Some((5, "gdb\u{1b}".into())), ..open };
    let (name, remedy) = obstacle(&user(33), &traced);
    assert_eq!((name.as_str(), remedy.as_str()), ("tracer", "kill 5"));
    let checks = checks::of_target(&user(33), &traced);
    assert!(checks.iter().any(|check| check.detail.contains("pid 5 (gdb\\u{1b}) traces it")));
}

#[test]
fn a_machine_with_all_permissions_passes() {
    let ours = Ours { has_ptrace_capability: true, has_pagemap_scan: true, yama: Some(1), ..user(0) };
    assert!(checks::of_machine(&ours).iter().all(|check| check.ok));
    let checks = checks::of_machine(&Ours { yama: Some(1), ..user(5) });
    let failed: Vec<&str> = checks.iter().filter(|check| !check.ok).map(|check| check.name.as_str()).collect();
    assert_eq!(failed, ["CAP_SYS_PTRACE", "Yama"]);
}

#[test]
fn a_refusal_becomes_one_line_with_the_command() {
    let tree = FalseTree::new().with_process(77, "nginx", 1, 100);
    let target = tree.open(77);
    let access = Access {
        checks: checks::of_target(&user(1000), &closed()),
        refusal: Some((ErrorKind::NotPermitted, "Permission denied (os error 13)".into())),
    };
    let error = access.require_memory_read(&target).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotPermitted);
    assert_eq!(
        error.to_string(),
        "cannot read the memory of pid 77 (nginx): it belongs to uid 33, we are uid 1000 without CAP_SYS_PTRACE; \
         run: sudo leakscope 77"
    );
}

#[test]
fn facts_come_from_the_files() {
    let tree = FalseTree::new()
        .with_process(77, "nginx", 1, 100)
        .with("proc/77/status", "Tgid:\t77\nUid:\t33\t33\t33\t33\nTracerPid:\t5\n")
        .with("proc/77/mem", "")
        .with("proc/77/pagemap", "")
        .with("proc/77/smaps", "")
        .with("proc/77/maps", "")
        .with("proc/5/comm", "gdb\n")
        .with("proc/self/status", "Uid:\t1\t2\t1\t1\nCapEff:\t0000000000080000\nSeccomp:\t2\n")
        .with("proc/sys/kernel/yama/ptrace_scope", "1\n")
        .with("sys/fs/selinux/booleans/deny_ptrace", "1 1")
        .with("proc/1/environ", "A=b\0container=lxc\0");
    let ours = Ours::gather(&tree.roots);
    assert_eq!((ours.effective_uid, ours.has_ptrace_capability, ours.yama), (2, true, Some(1)));
    assert!(ours.has_seccomp_filter && ours.selinux_denies && !ours.has_pagemap_scan);
    assert!(ours.container.is_some());
    let theirs = Theirs::gather(&tree.open(77));
    assert_eq!((theirs.effective_uid, theirs.tracer), (33, Some((5, "gdb".into()))));
    assert!(theirs.memory.is_ok() && theirs.page_table.is_ok() && theirs.smaps.is_ok());
    // The files of the tree belong to whoever runs the tests, which is not user 33.
    assert_eq!(theirs.is_dumpable, Some(false));
}

#[test]
fn our_own_child_may_be_read() {
    let child = WaitingChild::start();
    let target = Target::open(child.pid()).unwrap();
    let access = target.access();
    access.require_memory_read(&target).unwrap();
    assert!(access.checks.iter().all(|check| check.ok), "{access:?}");
}

#[test]
fn a_target_that_ended_is_gone_and_not_forbidden() {
    let mut child = WaitingChild::start();
    let target = Target::open(child.pid()).unwrap();
    child.kill_without_reaping();
    child.0.wait().unwrap();
    let error = target.access().require_memory_read(&target).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Gone);
}

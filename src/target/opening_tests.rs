use super::*;
use crate::target::child::WaitingChild;
use crate::target::false_tree::FalseTree;

fn refused(pid: i32) -> (ErrorKind, String) {
    let error = Target::open(pid).unwrap_err();
    (error.kind(), error.to_string())
}

#[test]
fn holds_a_living_process_and_sees_its_end() {
    let mut child = WaitingChild::start();
    let target = Target::open(child.pid()).unwrap();
    assert!(target.is_alive());
    target.check_alive().unwrap();
    // Killed and not yet reaped: a zombie is not alive.
    child.kill_without_reaping();
    assert!(!target.is_alive());
    child.0.wait().unwrap();
    assert_eq!(target.check_alive().unwrap_err().kind(), ErrorKind::Gone);
    assert!(is_gone(&target.proc_file("maps").unwrap_err()));
    assert_eq!(target.mappings().unwrap_err().kind(), ErrorKind::Gone);
}

#[test]
fn refuses_numbers_that_are_no_pids() {
    assert_eq!(refused(0).0, ErrorKind::Usage);
    assert_eq!(refused(-4).0, ErrorKind::Usage);
    assert_eq!(refused(i32::MAX), (ErrorKind::Gone, format!("cannot look into pid {}: no such process", i32::MAX)));
}

#[test]
fn refuses_itself_in_clear_words() {
    let (kind, text) = refused(std::process::id() as i32);
    assert_eq!(kind, ErrorKind::Usage);
    assert!(text.ends_with("that is leakscope itself"), "{text}");
}

#[test]
fn refuses_a_zombie_and_names_its_parent() {
    let mut child = WaitingChild::start();
    child.kill_without_reaping();
    let (kind, text) = refused(child.pid());
    assert_eq!(kind, ErrorKind::Gone);
    assert!(text.contains(&format!("parent, pid {}", std::process::id())), "{text}");
}

/// A false tree with one process.
fn false_tree(stat: &str, status: &str) -> FalseTree {
    FalseTree::new().with("proc/77/stat", stat).with("proc/77/status", status)
}

const STAT: &str = "77 (ngi nx) S 1 77 77 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 9981 100 200";

#[test]
fn refuses_a_thread_and_names_its_process() {
    let tree = false_tree(STAT, "Tgid:\t70\n");
    tree.write("proc/70/comm", "java\n");
    let error = Target::open_below(&tree.roots, 77).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Gone);
    assert_eq!(
        error.to_string(),
        "cannot look into pid 77 (ngi nx): not a process but a thread of pid 70 (java); run: leakscope 70"
    );
}

#[test]
fn refuses_a_kernel_thread() {
    let tree = false_tree(&STAT.replace("4194560", "2129984"), "Tgid:\t77\n");
    let error = Target::open_below(&tree.roots, 77).unwrap_err();
    assert!(error.to_string().contains("kernel thread"), "{error}");
}

#[test]
fn notices_that_the_number_was_given_away() {
    let tree = false_tree(STAT, "Tgid:\t77\n");
    let target = Target::open_below(&tree.roots, 77).unwrap();
    assert!(target.is_alive());
    tree.write("proc/77/stat", &STAT.replace("9981", "12000"));
    assert_eq!(target.check_alive().unwrap_err().kind(), ErrorKind::Gone);
}

#[test]
fn a_name_that_leaves_the_directory_is_not_opened() {
    let tree = false_tree(STAT, "Tgid:\t77\n");
    let target = Target::open_below(&tree.roots, 77).unwrap();
    for name in ["../77/stat", "/etc/passwd", ""] {
        assert!(target.proc_file(name).is_err(), "{name}");
    }
    assert!(target.proc_file("stat").is_ok());
}

#[test]
fn a_hostile_name_is_escaped() {
    let tree = false_tree(&STAT.replace("ngi nx", "a\u{1b}[2J"), "Tgid:\t77\n");
    assert_eq!(Target::open_below(&tree.roots, 77).unwrap().subject(), "pid 77 (a\\u{1b}[2J)");
}

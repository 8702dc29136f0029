use super::*;
use crate::target::false_tree::FalseTree;

/// A master with three workers, a stranger, and a zombie.
fn tree() -> FalseTree {
    FalseTree::new()
        .with_process(10, "nginx", 1, 4000)
        .with_process(11, "nginx", 10, 40_000)
        .with_process(12, "nginx", 10, 90_000)
        .with_process(13, "nginx", 10, 8000)
        .with_process(20, "redis-server", 1, 5000)
        .with_process(21, "a-very-long-nam", 1, 5000)
        .with("proc/21/cmdline", "/opt/a-very-long-name-indeed\0-x\0")
}

fn pids(resolved: &Resolved) -> Vec<i32> {
    resolved.targets.iter().map(Target::pid).collect()
}

fn refused(tree: &FalseTree, selector: &str) -> (ErrorKind, String) {
    let error = resolve_below(&tree.roots, selector, false).unwrap_err();
    (error.kind(), error.to_string())
}

#[test]
fn a_number_is_a_pid() {
    let tree = tree();
    let resolved = resolve_below(&tree.roots, " 20 ", false).unwrap();
    assert_eq!((pids(&resolved), resolved.remarks.len()), (vec![20], 0));
    assert_eq!(refused(&tree, "21474836480").0, ErrorKind::Gone);
    assert_eq!(refused(&tree, "-3").0, ErrorKind::Usage);
    assert_eq!(refused(&tree, "0").0, ErrorKind::Usage);
}

#[test]
fn a_name_means_the_largest_and_says_so() {
    let tree = tree();
    let resolved = resolve_below(&tree.roots, "nginx", false).unwrap();
    assert_eq!(pids(&resolved), [12]);
    assert_eq!(resolved.remarks, ["4 processes are called “nginx”; took pid 12, the largest (87.9 MiB)"]);
    let all = resolve_below(&tree.roots, "nginx", true).unwrap();
    assert_eq!((pids(&all), all.remarks.len()), (vec![12, 11, 13, 10], 0));
    let single = resolve_below(&tree.roots, "redis-server", false).unwrap();
    assert_eq!((pids(&single), single.remarks.len()), (vec![20], 0));
}

#[test]
fn a_name_may_be_longer_than_the_kernel_keeps() {
    let tree = tree();
    assert_eq!(pids(&resolve_below(&tree.roots, "a-very-long-name-indeed", false).unwrap()), [21]);
    assert_eq!(pids(&resolve_below(&tree.roots, "a-very-long-nam", false).unwrap()), [21]);
}

#[test]
fn a_name_that_nobody_has_leads_to_those_that_are_alike() {
    let tree = tree();
    let (kind, text) = refused(&tree, "ngnix");
    assert_eq!(kind, ErrorKind::Gone);
    assert_eq!(text, "cannot find a process called “ngnix”: there is none; did you mean “nginx”?");
    assert!(refused(&tree, "redis").1.ends_with("did you mean “redis-server”?"));
    assert!(refused(&tree, "postgres").1.ends_with("leakscope top lists the processes"));
    assert_eq!(refused(&tree, "").0, ErrorKind::Usage);
}

#[test]
fn children_are_those_alive() {
    let tree = tree();
    tree.write("proc/13/stat", &crate::target::false_tree::stat(13, "nginx", 10).replace(") S", ") Z"));
    let all = resolve_below(&tree.roots, "children:10", true).unwrap();
    assert_eq!(pids(&all), [12, 11]);
    let one = resolve_below(&tree.roots, "children:10", false).unwrap();
    assert_eq!(pids(&one), [12]);
    assert_eq!(one.remarks, ["pid 10 (nginx) has 2 live children; took pid 12, the largest (87.9 MiB)"]);
    assert!(refused(&tree, "children:20").1.ends_with("children of pid 20 (redis-server): it has none"));
    assert_eq!(refused(&tree, "children:nginx").0, ErrorKind::Usage);
    assert_eq!(refused(&tree, "children:99").0, ErrorKind::Gone);
}

#[test]
fn a_cgroup_is_its_processes_and_those_below() {
    let tree = tree();
    let mount = format!("35 31 0:32 / {} rw - cgroup2 cgroup2 rw\n", tree.path("sys/cg").display());
    tree.write("proc/self/mountinfo", &mount);
    tree.write("sys/cg/web/cgroup.procs", "10\n0\n");
    tree.write("sys/cg/web/a/b/cgroup.procs", "12\n11\n");
    tree.write("sys/cg/empty/cgroup.procs", "");
    let absolute = format!("cgroup:{}", tree.path("sys/cg/web/a").display());
    for (selector, expected) in [
        ("cgroup:/web", vec![12, 11, 10]),
        ("cgroup:web/", vec![12, 11, 10]),
        ("cgroup:/web/a/b", vec![12, 11]),
        (absolute.as_str(), vec![12, 11]),
    ] {
        assert_eq!(pids(&resolve_below(&tree.roots, selector, true).unwrap()), expected, "{selector}");
    }
    assert!(refused(&tree, "cgroup:/empty").1.contains("none in it"));
    assert!(refused(&tree, "cgroup:/nowhere").1.contains("no such cgroup"));
    assert!(refused(&tree, "cgroup:/wbe").1.ends_with("did you mean “web” there?"));
    assert!(refused(&tree, "cgroup:/../../etc").1.contains("no such cgroup"));
}

#[test]
fn the_fattest_worker_of_a_master() {
    let tree = tree();
    let master = tree.open(10);
    assert_eq!(fattest_worker_of(&master).map(|identity| identity.pid), Some(12));
    assert_eq!(fattest_worker_of(&tree.open(20)), None);
}

#[test]
fn distances() {
    for (one, other, expected) in [("", "ab", 2), ("nginx", "ngnix", 1), ("abc", "abd", 1), ("kitten", "sitting", 3)] {
        assert_eq!(distance(one, other), expected, "{one} {other}");
    }
}

#[test]
fn a_real_child_is_found_below_us() {
    let child = crate::target::child::WaitingChild::start();
    let resolved = resolve(&format!("children:{}", std::process::id()), true);
    // The test program itself is refused as a target, which is what a user would be told too.
    assert_eq!(resolved.unwrap_err().kind(), ErrorKind::Usage);
    assert!(children_of(&Roots::real(), std::process::id() as i32).contains(&child.pid()));
}

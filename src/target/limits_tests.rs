use super::*;
use crate::target::false_tree::FalseTree;

/// A process 77 of cgroup `/a/b` in a tree whose cgroups are mounted below sys/.
fn tree(version: Version, mount_root: &str) -> FalseTree {
    let tree = FalseTree::new().with_process(77, "x", 1, 1000);
    let (line, kind, options) = match version {
        Version::V1 => ("4:memory:/a/b\n0::/z\n", "cgroup cgroup", "rw,memory"),
        Version::V2 => ("0::/a/b\n", "cgroup2 cgroup2", "rw"),
    };
    let point = tree.path("sys/cg");
    let mount = format!("35 31 0:32 {mount_root} {} rw,relatime - {kind} {options}\n", point.display());
    tree.write("proc/self/mountinfo", &mount);
    tree.with("proc/77/cgroup", line)
}

fn figures(limits: &[Limit]) -> Vec<(String, u64, u64)> {
    limits.iter().map(|limit| (limit.source.clone(), limit.limit.0, limit.usage.0)).collect()
}

#[test]
fn v2_limits_up_to_the_root_tightest_first() {
    let tree = tree(Version::V2, "/")
        .with("sys/cg/a/b/memory.max", "max\n")
        .with("sys/cg/a/b/memory.high", "5000\n")
        .with("sys/cg/a/b/memory.current", "3000\n")
        .with("sys/cg/a/b/memory.stat", "anon 1\ninactive_file_x 7\ninactive_file 500\n")
        .with("sys/cg/a/memory.max", "8000\n")
        .with("sys/cg/a/memory.current", "7900\n")
        .with("sys/cg/cgroup.controllers", "memory\n");
    let limits = tree.open(77).limits().unwrap();
    assert_eq!(figures(&limits), [("/a".into(), 8000, 7900), ("/a/b (memory.high)".into(), 5000, 2500)]);
    assert_eq!(limits[0].headroom(), ByteCount(100));
    assert_eq!(limits[1].effect, LimitEffect::Throttle);
}

#[test]
fn who_is_killed_together_is_found_up_to_the_root() {
    let together = |version, groups: &[&str]| {
        let tree = tree(version, "/");
        groups.iter().for_each(|path| tree.write(&format!("sys/cg{path}/memory.oom.group"), "1\n"));
        tree.open(77).killed_together()
    };
    assert_eq!(together(Version::V2, &[]), None);
    assert_eq!(together(Version::V2, &["/a/b"]).as_deref(), Some("/a/b"));
    assert_eq!(together(Version::V2, &["/a"]).as_deref(), Some("/a"));
    assert_eq!(together(Version::V2, &["/a/c", "/d"]), None);
    // The interface of v1 has no such thing.
    assert_eq!(together(Version::V1, &["/a/b"]), None);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn where_all_are_killed_together_a_child_needs_room_for_a_whole_copy() {
    let with = |group: &str, anonymous_kib: u64| {
        let status = format!("Tgid:\t77\nVmRSS:\t{anonymous_kib} kB\nRssAnon:\t{anonymous_kib} kB\nVmPTE:\t1024 kB\n");
        let tree = tree(Version::V2, "/")
            .with("proc/77/status", &status)
            .with("sys/cg/a/b/memory.oom.group", group)
            .with("sys/cg/a/b/memory.max", &(1u64 << 30).to_string())
            .with("sys/cg/a/b/memory.current", &(512u64 << 20).to_string());
        crate::target::ForkCost::predict(&tree.open(77))
    };
    // 512 MiB are left: the reserve, twice 64 MiB, and 1 MiB of tables leave 383 for copies.
    assert!(with("0\n", 400 << 10).is_ok());
    assert!(with("1\n", 383 << 10).is_ok());
    let refused = with("1\n", 384 << 10).unwrap_err();
    assert!(refused.contains("/a/b") && refused.contains("memory.oom.group") && refused.contains("512"), "{refused}");
}

#[test]
fn v1_limits_leave_out_inactive_cache_and_what_is_no_limit() {
    let tree = tree(Version::V1, "/")
        .with("sys/cg/a/b/memory.limit_in_bytes", "10000\n")
        .with("sys/cg/a/b/memory.usage_in_bytes", "9000\n")
        .with("sys/cg/a/b/memory.memsw.limit_in_bytes", "30000\n")
        .with("sys/cg/a/b/memory.memsw.usage_in_bytes", "9500\n")
        .with("sys/cg/a/b/memory.stat", "inactive_file 1\ntotal_inactive_file 2000\n")
        .with("sys/cg/a/memory.limit_in_bytes", "9223372036854771712\n")
        .with("sys/cg/a/memory.usage_in_bytes", "9000\n")
        .with("sys/cg/memory.limit_in_bytes", "50000\n")
        .with("sys/cg/memory.usage_in_bytes", "9000\n");
    let limits = tree.open(77).limits().unwrap();
    let expected =
        [("/a/b".into(), 10000, 7000), ("/a/b (memory and swap)".into(), 30000, 7500), ("/".into(), 50000, 9000)];
    assert_eq!(figures(&limits), expected);
}

#[test]
fn v1_without_hierarchy_ends_at_the_cgroup_itself() {
    let tree = tree(Version::V1, "/")
        .with("sys/cg/a/b/memory.limit_in_bytes", "10000\n")
        .with("sys/cg/a/b/memory.usage_in_bytes", "9000\n")
        .with("sys/cg/a/memory.use_hierarchy", "0\n")
        .with("sys/cg/a/memory.limit_in_bytes", "5\n")
        .with("sys/cg/a/memory.usage_in_bytes", "5\n");
    assert_eq!(figures(&tree.open(77).limits().unwrap()), [("/a/b".into(), 10000, 9000)]);
}

#[test]
fn inside_a_container_the_mount_shows_only_our_own_part() {
    let tree = tree(Version::V1, "/a")
        .with("sys/cg/b/memory.limit_in_bytes", "10000\n")
        .with("sys/cg/b/memory.usage_in_bytes", "9000\n")
        .with("sys/cg/memory.limit_in_bytes", "70000\n")
        .with("sys/cg/memory.usage_in_bytes", "9000\n");
    let limits = tree.open(77).limits().unwrap();
    assert_eq!(figures(&limits), [("/a/b".into(), 10000, 9000), ("/a".into(), 70000, 9000)]);
}

#[test]
fn rlimits_and_the_machine_count_too() {
    let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
        Max data size             unlimited            unlimited            bytes\n\
        Max address space         8192                 unlimited            bytes\n";
    let tree = FalseTree::new()
        .with_process(77, "x", 1, 1000)
        .with("proc/77/limits", limits)
        .with("proc/77/status", "Tgid:\t77\nVmSize:\t 4 kB\nVmData:\t 2 kB\nVmRSS:\t1 kB\n")
        .with("proc/meminfo", "MemTotal: 100 kB\nMemAvailable: 90 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n")
        .with("proc/77/oom_score", "667\n");
    let target = tree.open(77);
    let limits = target.limits().unwrap();
    let expected = [("RLIMIT_AS".into(), 8192, 4096), ("the machine's memory".into(), 102_400, 10240)];
    assert_eq!(figures(&limits), expected);
    assert_eq!((limits[0].kind, limits[0].effect), (LimitKind::Rlimit, LimitEffect::Refuse));
    assert_eq!(target.oom_score(), Some(667));
}

#[test]
fn our_own_cgroup_bounds_what_is_spare() {
    let tree = tree(Version::V2, "/")
        .with("proc/self/cgroup", "0::/a/b\n")
        .with("sys/cg/a/b/memory.max", "5000\n")
        .with("sys/cg/a/b/memory.current", "1000\n")
        .with("proc/meminfo", "MemTotal: 100 kB\nMemAvailable: 90 kB\n");
    let machine = MachineMemory::read(&tree.roots).unwrap();
    assert_eq!((machine.available, machine.spare), (ByteCount::kib(90), ByteCount(4000)));
}

#[test]
fn a_path_that_would_leave_the_mount_is_not_followed() {
    let tree = tree(Version::V2, "/").with("proc/77/cgroup", "0::/../../proc\n");
    assert!(tree.open(77).limits().unwrap().is_empty());
}

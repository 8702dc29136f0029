//! What a memory cgroup uses at this moment, by the path the kernel prints in its log.
//! Knows both interfaces' files; where the hierarchies are mounted is `cgroup`'s.

use super::cgroup::{Mount, Version, keyed, number};
use super::roots::Roots;
use crate::units::ByteCount;

/// A memory cgroup now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupMemory {
    /// Charged to it, page cache included.
    pub usage: ByteCount,
    /// Its limit, where it has one.
    pub limit: Option<ByteCount>,
}

/// What the cgroup `path` (from the root, beginning with `/`) uses; `None` where it is gone or not to be seen from here.
pub fn group_memory(path: &str) -> Option<GroupMemory> {
    let roots = Roots::real();
    [Version::V1, Version::V2].into_iter().find_map(|version| in_hierarchy(&roots, version, path))
}

fn in_hierarchy(roots: &Roots, version: Version, path: &str) -> Option<GroupMemory> {
    let folder = Mount::find(roots, version)?.folder(path)?;
    let (usage, limit) = match version {
        Version::V1 => ("memory.usage_in_bytes", "memory.limit_in_bytes"),
        Version::V2 => ("memory.current", "memory.max"),
    };
    // v1 writes a number just below 2^63 where there is no limit.
    let limit = number(&folder, limit).filter(|limit| *limit < 1 << 62).map(ByteCount);
    Some(GroupMemory { usage: ByteCount(number(&folder, usage)?), limit })
}

/// How many processes of the cgroup `path` the kernel has killed for want of memory so far; `None` where the cgroup is
/// gone or does not count (v1 does since Linux 4.13).
pub fn oom_kills(path: &str) -> Option<u64> {
    let roots = Roots::real();
    [(Version::V1, "memory.oom_control"), (Version::V2, "memory.events")].into_iter().find_map(|(version, file)| {
        let folder = Mount::find(&roots, version)?.folder(path)?;
        keyed(&folder, file, "oom_kill")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::false_tree::FalseTree;

    #[test]
    fn both_interfaces_are_read() {
        let v1 = FalseTree::new()
            .with("sys/fs/cgroup/memory/memory.usage_in_bytes", "1\n")
            .with("sys/fs/cgroup/memory/a/memory.usage_in_bytes", "4096\n")
            .with("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "8192\n");
        let roots = Roots { proc: v1.path("proc"), sys: v1.path("sys") };
        let found = in_hierarchy(&roots, Version::V1, "/a");
        assert_eq!(found, Some(GroupMemory { usage: ByteCount(4096), limit: Some(ByteCount(8192)) }));
        assert_eq!(in_hierarchy(&roots, Version::V1, "/gone"), None);
        assert_eq!(in_hierarchy(&roots, Version::V1, "/../../etc"), None);
        let v2 = FalseTree::new()
            .with("sys/fs/cgroup/cgroup.controllers", "memory\n")
            .with("sys/fs/cgroup/a/memory.current", "5\n")
            .with("sys/fs/cgroup/a/memory.max", "max\n");
        let roots = Roots { proc: v2.path("proc"), sys: v2.path("sys") };
        let found = in_hierarchy(&roots, Version::V2, "/a");
        assert_eq!(found, Some(GroupMemory { usage: ByteCount(5), limit: None }));
    }
}

//! Which processes there are and which are whose children, from the numbers in procfs.

use super::roots::Roots;
use super::stat::Stat;

/// Every pid in procfs, in order.
pub(super) fn all_pids(roots: &Roots) -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir(&roots.proc) else { return Vec::new() };
    let mut pids: Vec<i32> =
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).filter(|pid| *pid > 0).collect();
    pids.sort_unstable();
    pids
}

/// The live children of `pid`, in order: from `task/*/children` where the kernel has it (CONFIG_PROC_CHILDREN), else
/// by asking every process for its parent.
pub(super) fn children_of(roots: &Roots, pid: i32) -> Vec<i32> {
    let mut children = listed_children(roots, pid).unwrap_or_else(|| {
        let is_child = |other: &i32| stat_of(roots, *other).is_some_and(|stat| stat.ppid == pid);
        all_pids(roots).into_iter().filter(is_child).collect()
    });
    children.retain(|child| stat_of(roots, *child).is_some_and(|stat| !stat.is_zombie()));
    children.sort_unstable();
    children
}

/// The children that the kernel lists, zombies among them; `None` where it has no such list.
pub(super) fn listed_children(roots: &Roots, pid: i32) -> Option<Vec<i32>> {
    let tasks = std::fs::read_dir(roots.proc.join(format!("{pid}/task"))).ok()?;
    let mut children = Vec::new();
    for task in tasks.flatten() {
        let text = super::roots::path_text(&task.path().join("children")).ok()?;
        children.extend(text.split_ascii_whitespace().filter_map(|child| child.parse::<i32>().ok()));
    }
    Some(children)
}

/// The stat of a process that is not held: good for lists, not for conclusions about one process.
pub(super) fn stat_of(roots: &Roots, pid: i32) -> Option<Stat> {
    Stat::parse(&roots.proc_text(&format!("{pid}/stat")).ok()?)
}

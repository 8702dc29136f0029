//! From what a user typed to held processes: a pid, a name, `children:PID`, `cgroup:PATH`.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;

use super::cgroup::{Mount, Version};
use super::identity::{Identity, read_cmdline};
use super::opening::Target;
use super::relatives::{all_pids, children_of, stat_of};
use super::roots::{Roots, path_text};
use crate::error::{Error, ErrorKind, Result};
use crate::units::ByteCount;

/// The processes a selector means.
#[derive(Debug)]
pub struct Resolved {
    /// At least one, the one with the largest RSS first.
    pub targets: Vec<Target>,
    /// What a user should know about the choice, a line each, for stderr.
    pub remarks: Vec<String>,
}

const FINDING: &str = "cannot find";

/// The processes that `selector` means: all of them with `all`, else the one with the largest RSS, which a remark says.
///
/// # Errors
/// `Gone` where there is none, with names that are alike; `Usage` for a selector that makes no sense; those of
/// `Target::open`.
pub fn resolve(selector: &str, all: bool) -> Result<Resolved> {
    resolve_below(&Roots::real(), selector, all)
}

fn resolve_below(roots: &Roots, selector: &str, all: bool) -> Result<Resolved> {
    let selector = selector.trim();
    if let Some(master) = selector.strip_prefix("children:") {
        return children(roots, master, all);
    }
    if let Some(path) = selector.strip_prefix("cgroup:") {
        if path.is_empty() {
            let error = Error::new(ErrorKind::Usage, FINDING, "a process", "the cgroup is not named");
            return Err(error.with_hint("name one: cgroup:/system.slice/nginx.service"));
        }
        return cgroup(roots, path, all);
    }
    if let Ok(pid) = selector.parse::<i64>() {
        // A number too large for a pid is no process either.
        let pid = i32::try_from(pid).unwrap_or(if pid < 0 { -1 } else { i32::MAX });
        return Ok(Resolved { targets: vec![Target::open_below(roots, pid)?], remarks: Vec::new() });
    }
    if selector.is_empty() {
        return Err(Error::new(ErrorKind::Usage, FINDING, "a process", "the name is empty"));
    }
    named(roots, selector, all)
}

fn named(roots: &Roots, name: &str, all: bool) -> Result<Resolved> {
    let mut found = Vec::new();
    let mut others: BTreeMap<String, ByteCount> = BTreeMap::new();
    for pid in all_pids(roots) {
        let Some(stat) = stat_of(roots, pid) else { continue };
        if stat.is_kernel_thread() || stat.is_zombie() || is_ourselves(roots, pid) {
            continue;
        }
        if stat.name == name || names_of(roots, pid).iter().any(|other| other == name) {
            found.push(pid);
        } else {
            *others.entry(stat.name).or_default() += rss_of(roots, pid);
        }
    }
    if found.is_empty() {
        let error = Error::new(ErrorKind::Gone, FINDING, format!("a process called {}", quoted(name)), "there is none");
        return Err(match alike(name, &others) {
            Some(names) => error.with_hint(format!("did you mean {names}?")),
            None => error.with_hint("leakscope top lists the processes"),
        });
    }
    let count = found.len();
    open_largest(roots, found, all, &format!("{count} processes are called {}", quoted(name)))
}

/// The names by which a user may know a process beside the kernel's short one, which is cut at 15 bytes.
pub(super) fn names_of(roots: &Roots, pid: i32) -> Vec<String> {
    let directory = roots.proc.join(pid.to_string());
    let last_part = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let exe = std::fs::read_link(directory.join("exe")).ok();
    let exe = exe.map(|path| last_part(path.to_string_lossy().trim_end_matches(" (deleted)")));
    let arguments = std::fs::File::open(directory.join("cmdline")).and_then(read_cmdline).unwrap_or_default();
    exe.into_iter().chain(arguments.first().map(|first| last_part(first))).collect()
}

fn children(roots: &Roots, master: &str, all: bool) -> Result<Resolved> {
    let Ok(pid) = master.trim().parse::<i32>() else {
        let subject = format!("the children of {}", quoted(master));
        return Err(Error::new(ErrorKind::Usage, FINDING, subject, "children: takes the pid of their parent"));
    };
    let parent = Target::open_below(roots, pid)?;
    let children = children_of(roots, pid);
    parent.check_alive()?;
    if children.is_empty() {
        return Err(Error::new(ErrorKind::Gone, FINDING, format!("children of {}", parent.subject()), "it has none"));
    }
    let count = children.len();
    open_largest(roots, children, all, &format!("{} has {count} live children", parent.subject()))
}

fn cgroup(roots: &Roots, path: &str, all: bool) -> Result<Resolved> {
    let subject = format!("processes of cgroup {}", quoted(path));
    let mut exists = false;
    let mut neighbours = BTreeMap::new();
    for version in [Version::V1, Version::V2] {
        let Some(mount) = Mount::find(roots, version) else { continue };
        let below =
            Path::new(path).strip_prefix(&mount.point).map(|rest| mount.root.clone() + "/" + &rest.to_string_lossy());
        let Some(folder) = mount.folder(below.as_deref().unwrap_or(path)) else { continue };
        if !folder.is_dir() {
            neighbours.extend(folder.parent().into_iter().flat_map(folders_in).map(|name| (name, ByteCount::ZERO)));
            continue;
        }
        exists = true;
        let mut pids = members(&folder);
        pids.retain(|pid| !is_ourselves(roots, *pid));
        if !pids.is_empty() {
            let count = pids.len();
            return open_largest(roots, pids, all, &format!("cgroup {} has {count} processes", quoted(path)));
        }
    }
    if exists {
        return Err(Error::new(ErrorKind::Gone, FINDING, subject, "there is none in it that we can see"));
    }
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or(path);
    let hint = match alike(name, &neighbours) {
        Some(names) => format!("did you mean {names} there?"),
        None => "/proc/PID/cgroup has the cgroup of a process".into(),
    };
    Err(Error::new(ErrorKind::Gone, FINDING, subject, "there is no such cgroup with a memory controller")
        .with_hint(hint))
}

fn folders_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// No tree of cgroups is this deep (cgroup.max.depth aside, paths end at 4096 bytes).
const DEPTH_LIMIT: usize = 64;

/// The processes of the cgroup at `folder` and of all below it, in order. Those that our pid namespace does not show
/// are listed as 0.
pub(super) fn members(folder: &Path) -> Vec<i32> {
    let mut pids = Vec::new();
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let text = path_text(&folder.join("cgroup.procs")).unwrap_or_default();
        pids.extend(text.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok()).filter(|pid| *pid > 0));
        if depth < DEPTH_LIMIT {
            folders.extend(folders_in(&folder).into_iter().map(|name| (folder.join(name), depth + 1)));
        }
    }
    pids.sort_unstable();
    pids.dedup();
    pids
}

/// Opens all of `pids`, or the largest that can be opened; `situation` begins the remark.
fn open_largest(roots: &Roots, mut pids: Vec<i32>, all: bool, situation: &str) -> Result<Resolved> {
    pids.sort_by_cached_key(|pid| (Reverse(rss_of(roots, *pid)), *pid));
    let several = pids.len() > 1;
    let mut targets = Vec::new();
    let mut remarks = Vec::new();
    let mut refusal = None;
    for pid in pids {
        match Target::open_below(roots, pid) {
            Ok(target) => targets.push(target),
            // It ended since it was listed: that is what processes do.
            Err(error) if error.kind() == ErrorKind::Gone => refusal = refusal.or(Some(error)),
            Err(error) => {
                remarks.push(error.to_string());
                refusal = Some(error);
            }
        }
        if !all && !targets.is_empty() {
            break;
        }
    }
    let Some(first) = targets.first() else {
        return Err(refusal.unwrap_or_else(|| Error::new(ErrorKind::Gone, FINDING, "a process", "all of them ended")));
    };
    if several && !all {
        let pid = first.pid();
        remarks.push(format!("{situation}; took pid {pid}, the largest ({})", rss_of(roots, pid)));
    }
    Ok(Resolved { targets, remarks })
}

/// The worker of `master` with the largest RSS: of its live children those of its own name, where there are such.
pub fn fattest_worker_of(master: &Target) -> Option<Identity> {
    let roots = master.roots();
    let children = children_of(roots, master.pid());
    let is_alike = |pid: &i32| stat_of(roots, *pid).is_some_and(|stat| stat.name == master.identity().name);
    let alike: Vec<i32> = children.iter().copied().filter(is_alike).collect();
    let workers = if alike.is_empty() { children } else { alike };
    let fattest = workers.into_iter().max_by_key(|pid| rss_of(roots, *pid))?;
    Target::open_below(roots, fattest).ok().map(|target| target.identity().clone())
}

fn is_ourselves(roots: &Roots, pid: i32) -> bool {
    std::fs::read_link(roots.proc.join("self")).is_ok_and(|link| link == Path::new(&pid.to_string()))
}

/// Resident memory by statm, zero where it cannot be read.
fn rss_of(roots: &Roots, pid: i32) -> ByteCount {
    let text = roots.proc_text(&format!("{pid}/statm")).unwrap_or_default();
    let pages = text.split_ascii_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0);
    ByteCount(pages.saturating_mul(super::residency::page_size().0))
}

fn quoted(text: &str) -> String {
    let cut: String = text.chars().take(80).collect();
    format!("“{}”", cut.escape_debug())
}

/// Up to three names that are like `name`, the fattest first.
fn alike(name: &str, others: &BTreeMap<String, ByteCount>) -> Option<String> {
    let lower = name.to_lowercase();
    let is_alike = |other: &str| {
        let other = other.to_lowercase();
        let contains = lower.len() > 2 && (other.contains(&lower) || (other.len() > 2 && lower.contains(&other)));
        contains || distance(&lower, &other) <= 1 + lower.chars().count() / 5
    };
    let mut names: Vec<(&String, &ByteCount)> = others.iter().filter(|(other, _)| is_alike(other)).collect();
    names.sort_by_key(|(_, rss)| Reverse(**rss));
    let names: Vec<String> = names.iter().take(3).map(|(name, _)| quoted(name)).collect();
    (!names.is_empty()).then(|| names.join(" or "))
}

/// Letters to insert, remove, replace or swap with their neighbour to make one of the other. Both are cut at 64.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.chars().take(64).collect();
    let other: Vec<char> = other.chars().take(64).collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, against) in other.iter().enumerate() {
            let mut cost =
                (last[column] + usize::from(letter != against)).min(last[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && *letter == other[column - 1] && one[row - 1] == *against {
                cost = cost.min(before_last[column - 1] + 1);
            }
            current.push(cost);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[other.len()]
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;

//! Whom a selector means from one moment to the next, cheaply enough for every second: pids alone, and only newcomers
//! are looked at. Holding them and telling why they ended are other files'.

use std::collections::HashMap;
use std::path::PathBuf;

use super::cgroup::{Mount, Version};
use super::opening::Target;
use super::relatives::{all_pids, children_of, listed_children, stat_of};
use super::resolve::{members, names_of};
use super::roots::Roots;
use crate::error::{Error, ErrorKind, Result};

/// After so many rounds names are read again: a program may have become another.
const FORGET_AFTER: u32 = 60;

/// A selector that is followed.
#[derive(Debug)]
pub struct Following {
    roots: Roots,
    whom: Whom,
}

#[derive(Debug)]
enum Whom {
    One(i32),
    ChildrenOf { pid: i32, start: u64 },
    InGroup(PathBuf),
    Named { name: String, known: HashMap<i32, bool>, round: u32 },
}

impl Following {
    /// From a pid, a name, `children:PID` or `cgroup:PATH`. A name means all processes of that name.
    ///
    /// # Errors
    /// `Usage` for a selector that makes no sense, `Gone` where the parent or the cgroup is not there; for a pid those of
    /// `Target::open`.
    pub fn of(selector: &str) -> Result<Following> {
        let roots = Roots::real();
        let selector = selector.trim();
        let wrong = |reason: &str| Error::new(ErrorKind::Usage, "cannot follow", format!("“{selector}”"), reason);
        let gone = |reason: &str| Error::new(ErrorKind::Gone, "cannot follow", format!("“{selector}”"), reason);
        let whom = if let Some(master) = selector.strip_prefix("children:") {
            let pid = master.trim().parse().map_err(|_| wrong("children: takes the pid of their parent"))?;
            let stat = stat_of(&roots, pid).ok_or_else(|| gone("no such process"))?;
            Whom::ChildrenOf { pid, start: stat.start_ticks }
        } else if let Some(path) = selector.strip_prefix("cgroup:") {
            Whom::InGroup(folder_of(&roots, path).ok_or_else(|| gone("there is no such cgroup"))?)
        } else if selector.is_empty() {
            return Err(wrong("it is empty"));
        } else if let Ok(pid) = selector.parse() {
            // One of several that is not there would go unnoticed later.
            Target::open(pid)?;
            Whom::One(pid)
        } else {
            Whom::Named { name: selector.to_owned(), known: HashMap::new(), round: 0 }
        };
        Ok(Following { roots, whom })
    }

    /// The pids it means now, in order; leakscope itself is never among them.
    pub fn pids(&mut self) -> Vec<i32> {
        let mut pids = match &mut self.whom {
            Whom::One(pid) => vec![*pid],
            // The number of a master that ended may be another's, whose children nobody asked for.
            Whom::ChildrenOf { pid, start } if is_same(&self.roots, *pid, *start) => {
                listed_children(&self.roots, *pid).unwrap_or_else(|| children_of(&self.roots, *pid))
            }
            Whom::ChildrenOf { .. } => Vec::new(),
            Whom::InGroup(folder) => members(folder),
            Whom::Named { name, known, round } => named(&self.roots, name, known, round),
        };
        let own = std::process::id() as i32;
        pids.retain(|pid| *pid != own);
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    /// Whether it can mean somebody new: a name may always, a cgroup while it is there, the children of a master while
    /// that lives, a pid never.
    pub fn may_return(&self) -> bool {
        match &self.whom {
            Whom::One(_) => false,
            Whom::ChildrenOf { pid, start } => is_same(&self.roots, *pid, *start),
            Whom::InGroup(folder) => folder.is_dir(),
            Whom::Named { .. } => true,
        }
    }

    /// Whether it means one process and its successors have another pid.
    pub fn is_one(&self) -> bool {
        matches!(self.whom, Whom::One(_))
    }
}

/// Whether `pid` lives and is still the process that was started then, in ticks after boot.
fn is_same(roots: &Roots, pid: i32, start: u64) -> bool {
    stat_of(roots, pid).is_some_and(|stat| stat.start_ticks == start && !stat.is_zombie())
}

fn folder_of(roots: &Roots, path: &str) -> Option<PathBuf> {
    [Version::V1, Version::V2].into_iter().find_map(|version| {
        let mount = Mount::find(roots, version)?;
        let below = std::path::Path::new(path).strip_prefix(&mount.point).ok();
        let below = below.map(|rest| mount.root.clone() + "/" + &rest.to_string_lossy());
        mount.folder(below.as_deref().unwrap_or(path)).filter(|folder| folder.is_dir())
    })
}

fn named(roots: &Roots, name: &str, known: &mut HashMap<i32, bool>, round: &mut u32) -> Vec<i32> {
    *round += 1;
    if round.is_multiple_of(FORGET_AFTER) {
        known.clear();
    }
    let pids = all_pids(roots);
    known.retain(|pid, _| pids.binary_search(pid).is_ok());
    let bears = |pid: i32| {
        let Some(stat) = stat_of(roots, pid) else { return false };
        let is_process = !stat.is_kernel_thread() && !stat.is_zombie();
        is_process && (stat.name == name || names_of(roots, pid).iter().any(|other| other == name))
    };
    pids.into_iter().filter(|pid| *known.entry(*pid).or_insert_with(|| bears(*pid))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::child::WaitingChild;

    #[test]
    fn children_and_names_are_found_again_and_again() {
        let own = std::process::id();
        let mut following = Following::of(&format!("children:{own}")).unwrap();
        let child = WaitingChild::start();
        assert!(following.pids().contains(&child.pid()) && following.may_return());
        let mut named = Following::of("cat").unwrap();
        assert!(named.pids().contains(&child.pid()));
        let pid = child.pid();
        drop(child);
        assert!(!following.pids().contains(&pid) && !named.pids().contains(&pid));
        assert!(!Following::of("1").unwrap().may_return());
        let reused = Whom::ChildrenOf { pid: own as i32, start: 1 };
        let mut reused = Following { roots: Roots::real(), whom: reused };
        let _child = WaitingChild::start();
        assert!(reused.pids().is_empty() && !reused.may_return(), "another process of the master's number");
    }

    #[test]
    fn what_is_not_there_cannot_be_followed() {
        assert_eq!(Following::of("children:x").unwrap_err().kind(), ErrorKind::Usage);
        assert_eq!(Following::of("").unwrap_err().kind(), ErrorKind::Usage);
        assert_eq!(Following::of("2147483647").unwrap_err().kind(), ErrorKind::Gone);
        assert_eq!(Following::of("children:2147483647").unwrap_err().kind(), ErrorKind::Gone);
        assert_eq!(Following::of("cgroup:/no/such/group").unwrap_err().kind(), ErrorKind::Gone);
    }
}

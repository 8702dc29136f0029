//! How far a process may grow, and what is used of that: cgroup limits up to the root, rlimits, the machine.
//! Figures alone; when a limit will be reached is `growth`'s and `explain`'s.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::cgroup::{Membership, Mount, Version, keyed, number};
use super::machine::MachineMemory;
use super::opening::Target;
use super::roots::Roots;
use super::stat::Status;
use crate::error::Result;
use crate::units::ByteCount;

/// Who sets a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitKind {
    /// The process's cgroup or one above it.
    Cgroup,
    /// A resource limit of the process itself.
    Rlimit,
    /// The machine's memory and swap.
    System,
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            LimitKind::Cgroup => "cgroup",
            LimitKind::Rlimit => "rlimit",
            LimitKind::System => "system",
        })
    }
}

/// What happens at a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitEffect {
    /// The kernel reclaims what it can and then kills (OOM).
    Kill,
    /// Allocations fail.
    Refuse,
    /// The process is slowed down until it all but stands (memory.high of cgroup v2).
    Throttle,
}

/// One limit and what is used of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Who sets it.
    pub kind: LimitKind,
    /// How much there may be.
    pub limit: ByteCount,
    /// How much there is, without file pages that are given back under pressure (inactive file cache). Of a cgroup:
    /// what all its processes use together.
    pub usage: ByteCount,
    /// The cgroup's path, `RLIMIT_AS`, and the like.
    pub source: String,
    /// What happens when it is reached.
    pub effect: LimitEffect,
}

impl Limit {
    /// How much is left.
    pub fn headroom(&self) -> ByteCount {
        self.limit.saturating_sub(self.usage)
    }
}

impl Target {
    /// Every limit that applies, nearest headroom first; never empty where the machine's memory can be read.
    ///
    /// # Errors
    /// `Gone` once it ended.
    pub fn limits(&self) -> Result<Vec<Limit>> {
        let action = "cannot read the limits of";
        let status = self.status().map_err(|error| self.failure(action, &error))?;
        let mut limits = Cgroups::new(self.roots()).limits_of(&self.proc_text("cgroup").unwrap_or_default());
        limits.extend(self.rlimits(&status));
        limits.extend(MachineMemory::read(self.roots()).ok().map(|machine| machine.limit()));
        limits.sort_by_key(Limit::headroom);
        Ok(limits)
    }

    /// The cgroup, its own or one above, of which the kernel leaves nobody alive when it kills one for want of memory.
    /// `None` where there is none such (`memory.oom.group` of cgroup v2, Linux 4.19; Kubernetes sets it from 1.28 on).
    pub fn killed_together(&self) -> Option<String> {
        let membership = Membership::parse(&self.proc_text("cgroup").ok()?)?;
        let mount = Mount::find(self.roots(), membership.version).filter(|mount| mount.version == Version::V2)?;
        let is_one = |(folder, _): &(&Path, &str)| number(folder, "memory.oom.group") == Some(1);
        let lowest = mount.folder(&membership.path)?;
        upwards(&mount, &lowest, &membership.path).find(is_one).map(|(_, path)| path.to_owned())
    }

    fn rlimits(&self, status: &Status) -> Vec<Limit> {
        let pairs =
            [("Max address space", "RLIMIT_AS", status.vm_size), ("Max data size", "RLIMIT_DATA", status.vm_data)];
        let one = |(name, source, usage): (&str, &str, Option<ByteCount>)| {
            let (limit, usage) = (self.soft_limit(name)?, usage?);
            let effect = LimitEffect::Refuse;
            Some(Limit { kind: LimitKind::Rlimit, limit, usage, source: source.to_owned(), effect })
        };
        pairs.into_iter().filter_map(one).collect()
    }

    /// How likely the kernel is to choose it when memory runs out, 0 to 2000; `None` where that cannot be read.
    pub fn oom_score(&self) -> Option<i64> {
        self.proc_text("oom_score").ok()?.trim().parse().ok()
    }
}

/// The mounted cgroup hierarchies, with the limits found so far kept for the next process of the same cgroup.
pub(super) struct Cgroups<'a> {
    roots: &'a Roots,
    mounts: HashMap<Version, Option<Mount>>,
    known: HashMap<Membership, Vec<Limit>>,
}

impl<'a> Cgroups<'a> {
    pub fn new(roots: &'a Roots) -> Cgroups<'a> {
        Cgroups { roots, mounts: HashMap::new(), known: HashMap::new() }
    }

    /// The limits of the cgroup that a /proc/PID/cgroup text names, and of those above it as far as they can be seen.
    pub fn limits_of(&mut self, text: &str) -> Vec<Limit> {
        let Some(membership) = Membership::parse(text) else { return Vec::new() };
        if let Some(known) = self.known.get(&membership) {
            return known.clone();
        }
        let version = membership.version;
        let mount = self.mounts.entry(version).or_insert_with(|| Mount::find(self.roots, version));
        let limits = mount.as_ref().map(|mount| limits_up(mount, &membership.path)).unwrap_or_default();
        self.known.insert(membership, limits.clone());
        limits
    }
}

fn limits_up(mount: &Mount, path: &str) -> Vec<Limit> {
    let mut limits = Vec::new();
    let Some(lowest) = mount.folder(path) else { return limits };
    for (folder, source) in upwards(mount, &lowest, path) {
        match mount.version {
            Version::V1 => limits.extend(limits_v1(folder, source)),
            Version::V2 => limits.extend(limits_v2(folder, source)),
        }
        let counts_above = folder.parent().and_then(|above| number(above, "memory.use_hierarchy")) != Some(0);
        if mount.version == Version::V1 && !counts_above {
            break;
        }
    }
    limits
}

/// The folders of the cgroup `path` and of those above it as far as `mount` shows them, with their paths.
fn upwards<'a>(mount: &'a Mount, lowest: &'a Path, path: &'a str) -> impl Iterator<Item = (&'a Path, &'a str)> {
    let above = |path: &&'a str| path.rsplit_once('/').map(|(above, _)| above);
    let paths = std::iter::successors(Some(path.trim_end_matches('/')), above);
    let names = paths.map(|path| if path.is_empty() { "/" } else { path }).chain(std::iter::repeat("/"));
    lowest.ancestors().take_while(|folder| folder.starts_with(&mount.point)).zip(names)
}

fn limits_v2(folder: &Path, source: &str) -> Vec<Limit> {
    let Some(current) = number(folder, "memory.current") else { return Vec::new() };
    let cache = keyed(folder, "memory.stat", "inactive_file").unwrap_or(0);
    let limit = |file: &str, source: String, effect| {
        let limit = ByteCount(number(folder, file)?);
        Some(Limit { kind: LimitKind::Cgroup, limit, usage: ByteCount(current.saturating_sub(cache)), source, effect })
    };
    let kills = limit("memory.max", source.to_owned(), LimitEffect::Kill);
    let slows = limit("memory.high", format!("{source} (memory.high)"), LimitEffect::Throttle);
    kills.into_iter().chain(slows).collect()
}

/// v1 writes the largest multiple of a page below 2^63 where there is no limit.
const NO_LIMIT_V1: u64 = 1 << 62;

fn limits_v1(folder: &Path, source: &str) -> Vec<Limit> {
    let cache = keyed(folder, "memory.stat", "total_inactive_file").unwrap_or(0);
    let limit = |limit: &str, usage: &str, source: String| {
        let limit = number(folder, limit).filter(|limit| *limit < NO_LIMIT_V1)?;
        let usage = ByteCount(number(folder, usage)?.saturating_sub(cache));
        Some(Limit { kind: LimitKind::Cgroup, limit: ByteCount(limit), usage, source, effect: LimitEffect::Kill })
    };
    let memory = limit("memory.limit_in_bytes", "memory.usage_in_bytes", source.to_owned());
    let swap =
        limit("memory.memsw.limit_in_bytes", "memory.memsw.usage_in_bytes", format!("{source} (memory and swap)"));
    memory.into_iter().chain(swap).collect()
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;

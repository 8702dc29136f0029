//! Every process with what it costs, for a list of the fattest. Cheap files for all, dear ones for a few.

use std::io;

use jiff::Timestamp;

use super::identity::{BootClock, read_cmdline};
use super::limits::{Cgroups, Limit, LimitKind};
use super::machine::MachineMemory;
use super::maps::read_smaps;
use super::opening::{open_directory, open_in};
use super::relatives::all_pids;
use super::roots::{Roots, whole_text};
use super::stat::{Stat, Status};
use crate::error::{Error, ErrorKind, Result};
use crate::units::ByteCount;

/// One process in a list. Names and arguments are hostile text.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessRow {
    /// Its number in our pid namespace.
    pub pid: i32,
    /// Its parent's.
    pub ppid: i32,
    /// The kernel's short name for it.
    pub name: String,
    /// Its arguments or title.
    pub cmdline: Vec<String>,
    /// Its real user.
    pub uid: u32,
    /// When it was started; with the pid it tells the same process in two lists.
    pub start_time: Timestamp,
    /// Threads.
    pub threads: u64,
    /// Resident.
    pub rss: ByteCount,
    /// Resident anonymous memory; `None` before Linux 4.5.
    pub anonymous: Option<ByteCount>,
    /// Resident, shared pages divided by the number of their users; `None` where not asked for or not permitted.
    pub pss: Option<ByteCount>,
    /// Swapped out.
    pub swap: Option<ByteCount>,
    /// How likely the kernel is to choose it when memory runs out, 0 to 2000.
    pub oom_score: Option<i64>,
    /// The limit with the least headroom, of its cgroups and the machine. Resource limits are `Target::limits`' to tell.
    pub limit: Option<ByteCount>,
    /// Whose limit that is.
    pub limit_kind: Option<LimitKind>,
    /// What is left below that limit.
    pub headroom: Option<ByteCount>,
}

/// Every process but kernel threads and zombies, the fattest first; PSS for the first `pss_for` alone, which costs
/// 8-15 ms per resident GiB. The rest takes some 0.1 ms per process.
///
/// # Errors
/// `Failed` where /proc cannot be listed.
pub fn processes(pss_for: usize) -> Result<Vec<ProcessRow>> {
    processes_below(&Roots::real(), pss_for)
}

fn processes_below(roots: &Roots, pss_for: usize) -> Result<Vec<ProcessRow>> {
    let pids = all_pids(roots);
    if pids.is_empty() {
        return Err(Error::new(ErrorKind::Failed, "cannot list", "the processes", "/proc shows none"));
    }
    let clock = BootClock::read(roots);
    let machine = MachineMemory::read(roots).ok().map(|machine| machine.limit());
    let mut cgroups = Cgroups::new(roots);
    let row = |pid| row_of(roots, pid, &clock, machine.as_ref(), &mut cgroups).ok().flatten();
    let mut rows: Vec<ProcessRow> = pids.into_iter().filter_map(row).collect();
    rows.sort_by_key(|row| (std::cmp::Reverse(row.rss), row.pid));
    for row in rows.iter_mut().take(pss_for) {
        row.pss = pss_of(roots, row, &clock).ok().flatten();
    }
    Ok(rows)
}

fn row_of(
    roots: &Roots,
    pid: i32,
    clock: &BootClock,
    machine: Option<&Limit>,
    cgroups: &mut Cgroups<'_>,
) -> io::Result<Option<ProcessRow>> {
    let directory = open_directory(&roots.proc.join(pid.to_string()))?;
    let text = |name: &str| open_in(&directory, name).and_then(whole_text);
    let Some(stat) = Stat::parse(&text("stat")?) else { return Ok(None) };
    if stat.is_kernel_thread() || stat.is_zombie() {
        return Ok(None);
    }
    let status = Status::parse(&text("status")?);
    let mut limits = cgroups.limits_of(&text("cgroup").unwrap_or_default());
    limits.extend(machine.cloned());
    let nearest = limits.iter().min_by_key(|limit| limit.headroom());
    Ok(Some(ProcessRow {
        pid,
        ppid: stat.ppid,
        name: stat.name,
        cmdline: open_in(&directory, "cmdline").and_then(read_cmdline).unwrap_or_default(),
        uid: status.uid,
        start_time: clock.time(stat.start_ticks),
        threads: status.threads,
        rss: status.vm_rss.unwrap_or_default(),
        anonymous: status.rss_anon,
        pss: None,
        swap: status.vm_swap,
        oom_score: text("oom_score").ok().and_then(|score| score.trim().parse().ok()),
        limit: nearest.map(|limit| limit.limit),
        limit_kind: nearest.map(|limit| limit.kind),
        headroom: nearest.map(Limit::headroom),
    }))
}

fn pss_of(roots: &Roots, row: &ProcessRow, clock: &BootClock) -> io::Result<Option<ByteCount>> {
    let directory = open_directory(&roots.proc.join(row.pid.to_string()))?;
    let (_, footprints) = open_in(&directory, "smaps_rollup").and_then(read_smaps)?;
    let stat = open_in(&directory, "stat").and_then(whole_text)?;
    let is_same = Stat::parse(&stat).is_some_and(|stat| clock.time(stat.start_ticks) == row.start_time);
    Ok(footprints.first().filter(|_| is_same).map(|footprint| footprint.pss))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::child::WaitingChild;
    use crate::target::false_tree::{FalseTree, stat};

    #[test]
    fn lists_the_fattest_first_without_kernel_threads_and_zombies() {
        let tree = FalseTree::new()
            .with_process(10, "small", 1, 100)
            .with_process(11, "big", 1, 9000)
            .with_process(12, "kernel", 2, 0)
            .with_process(13, "dead", 1, 0)
            .with("proc/12/stat", &stat(12, "kernel", 2).replace("4194560", "2129984"))
            .with("proc/13/stat", &stat(13, "dead", 1).replace(") S", ") Z"))
            .with("proc/11/smaps_rollup", "1000-2000 ---p 00000000 00:00 0 [rollup]\nRss: 9000 kB\nPss: 8000 kB\n")
            .with("proc/10/smaps_rollup", "1000-2000 ---p 00000000 00:00 0 [rollup]\nPss: 80 kB\n")
            .with("proc/11/oom_score", "12\n")
            .with("proc/meminfo", "MemTotal: 100000 kB\nMemAvailable: 60000 kB\n");
        let rows = processes_below(&tree.roots, 1).unwrap();
        assert_eq!(rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["big", "small"]);
        assert_eq!(rows[0].rss, ByteCount::kib(9000));
        assert_eq!((rows[0].pss, rows[1].pss), (Some(ByteCount::kib(8000)), None));
        assert_eq!((rows[0].oom_score, rows[1].oom_score), (Some(12), None));
        assert_eq!((rows[0].headroom, rows[0].limit_kind), (Some(ByteCount::kib(60000)), Some(LimitKind::System)));
    }

    #[test]
    fn a_child_is_in_the_real_list() {
        let child = WaitingChild::start();
        let rows = processes(usize::MAX).unwrap();
        let row = rows.iter().find(|row| row.pid == child.pid()).unwrap();
        assert_eq!((row.name.as_str(), row.ppid), ("cat", std::process::id() as i32));
        assert!(row.rss > ByteCount::ZERO && row.pss.is_some_and(|pss| pss <= row.rss && pss > ByteCount::ZERO));
    }
}

//! A report joined with what is alive now: processes that bear the victim's name again, its cgroup's usage, and the
//! command to look at them. Reads through `target`; a report from another machine must not come here.

use crate::oom::OomReport;
use crate::oom::cause::CauseKind;
use crate::report::oom_model::{Now, Sibling};
use crate::target::{GroupMemory, ProcessRow, group_memory, processes};

/// What is known now about those `report` names.
pub(super) fn now(report: &OomReport) -> Now {
    // A process table that cannot be read leaves this part empty; the report itself stands.
    let alive = processes(0).unwrap_or_default();
    let group = report.memcg.as_ref().and_then(|memcg| memcg.oom_memcg.as_deref()).and_then(group_memory);
    join(report, &alive, group)
}

fn join(report: &OomReport, alive: &[ProcessRow], group: Option<GroupMemory>) -> Now {
    const MOST: usize = 20;
    let name = report.victim.as_ref().map(|victim| victim.name.as_str()).unwrap_or("");
    let named = alive.iter().filter(|row| !name.is_empty() && row.name == name);
    let killed_at = report.when.utc;
    let siblings: Vec<Sibling> = named
        .take(MOST)
        .map(|row| Sibling {
            pid: row.pid,
            ppid: row.ppid,
            rss: row.rss,
            respawned: killed_at.map(|killed_at| row.start_time >= killed_at),
        })
        .collect();
    let next = next(report, alive, &siblings, group.is_some());
    Now {
        siblings,
        group_usage: group.map(|group| group.usage),
        group_limit: group.and_then(|group| group.limit),
        next,
    }
}

/// Whom to watch: the children of the master that replaces them, else the only heir, else the cgroup.
fn next(report: &OomReport, alive: &[ProcessRow], siblings: &[Sibling], has_group: bool) -> Vec<String> {
    let kernels = [CauseKind::KernelMemory, CauseKind::Shmem, CauseKind::HugepagesReserved];
    if kernels.contains(&report.cause.kind) {
        return Vec::new();
    }
    let master = siblings.iter().map(|sibling| sibling.ppid).find(|ppid| {
        let is_master = alive.iter().any(|row| row.pid == *ppid && *ppid > 1);
        is_master
            && (siblings.iter().filter(|sibling| sibling.ppid == *ppid).count() > 1
                || is_named_alike(alive, *ppid, siblings))
    });
    if let Some(master) = master {
        return vec![format!("leakscope watch children:{master}")];
    }
    if let Some(heir) = siblings.first() {
        return vec![format!("leakscope {}", heir.pid)];
    }
    let group = report.memcg.as_ref().and_then(|memcg| memcg.oom_memcg.as_deref());
    group.filter(|_| has_group).map(|path| format!("leakscope top cgroup:{path}")).into_iter().collect()
}

/// A master bears its workers' name (nginx, php-fpm, postgres).
fn is_named_alike(alive: &[ProcessRow], ppid: i32, siblings: &[Sibling]) -> bool {
    let is_sibling = siblings.iter().any(|sibling| sibling.pid == ppid);
    is_sibling && alive.iter().any(|row| row.pid == ppid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oom::report::Victim;
    use crate::units::ByteCount;

    fn row(pid: i32, ppid: i32, name: &str, started: i64) -> ProcessRow {
        ProcessRow {
            pid,
            ppid,
            name: name.into(),
            cmdline: Vec::new(),
            uid: 0,
            start_time: jiff::Timestamp::from_second(started).unwrap(),
            threads: 1,
            rss: ByteCount::mib(pid as u64),
            anonymous: None,
            pss: None,
            swap: None,
            oom_score: None,
            limit: None,
            limit_kind: None,
            headroom: None,
        }
    }

    fn killed(name: &str) -> OomReport {
        let mut report = OomReport {
            victim: Some(Victim { pid: 9, name: name.into(), ..Victim::default() }),
            ..OomReport::default()
        };
        report.when.utc = jiff::Timestamp::from_second(1000).ok();
        report
    }

    #[test]
    fn a_worker_leads_to_the_children_of_its_master() {
        let alive =
            [row(30, 20, "nginx", 1500), row(20, 1, "nginx", 10), row(31, 20, "nginx", 900), row(5, 1, "sh", 1)];
        let now = join(&killed("nginx"), &alive, None);
        assert_eq!(
            now.siblings.iter().map(|s| (s.pid, s.respawned)).collect::<Vec<_>>(),
            [(30, Some(true)), (20, Some(false)), (31, Some(false))]
        );
        assert_eq!(now.next, ["leakscope watch children:20"]);
    }

    #[test]
    fn a_single_heir_is_named_and_nobody_else() {
        let now = join(&killed("mysqld"), &[row(40, 1, "mysqld", 2000)], None);
        assert_eq!(now.next, ["leakscope 40"]);
        assert_eq!(join(&killed("gone"), &[row(40, 1, "mysqld", 2000)], None), Now::default());
    }
}

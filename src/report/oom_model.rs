//! `oom --json`: the document and its parts, exactly as promised. Knows the names; leaves all facts to `oom`.

use serde::Serialize;

use crate::oom::amount::Amount;
use crate::oom::cause::CauseKind;
use crate::oom::report::{self, Constraint, OomReport, Outcome, PageSizeSource};
use crate::units::ByteCount;

/// One report of `reports[]`.
#[derive(Debug, Serialize)]
pub struct OomReportModel<'r> {
    time: Option<String>,
    time_text: Option<&'r str>,
    uptime_seconds: Option<f64>,
    kernel: Option<&'r str>,
    hardware: Option<&'r str>,
    page_size_bytes: u64,
    page_size_source: &'static str,
    invoker: Option<Invoker<'r>>,
    gfp: Option<Gfp<'r>>,
    order: Option<i32>,
    constraint: Option<&'static str>,
    nodemask: Option<&'r str>,
    cpuset: Option<&'r str>,
    mems_allowed: Option<&'r str>,
    memcg: Option<Memcg<'r>>,
    selected: Option<Selected<'r>>,
    victim: Option<Victim<'r>>,
    killed_pids: &'r [i64],
    sharing_pids: &'r [i64],
    reaped_pids: &'r [i64],
    oom_group: Option<&'r str>,
    tasks: Vec<Task<'r>>,
    zones: Vec<Zone<'r>>,
    swap: Option<Swap>,
    outcome: &'static str,
    cause: Cause<'r>,
    truncated: bool,
    now: Option<&'r Now>,
}

#[derive(Debug, Serialize)]
struct Invoker<'r> {
    name: Option<&'r str>,
    pid: Option<i64>,
    oom_score_adj: Option<i64>,
}

#[derive(Debug, Serialize)]
struct Gfp<'r> {
    mask: String,
    flags: Option<&'r [&'static str]>,
    printed: Option<&'r str>,
}

#[derive(Debug, Serialize)]
struct Memcg<'r> {
    version: Option<&'static str>,
    oom_memcg: Option<&'r str>,
    task_memcg: Option<&'r str>,
    usage_bytes: Option<Amount>,
    limit_bytes: Option<Amount>,
    failcnt: Option<u64>,
    memory_swap: Option<Counter>,
    swap: Option<Counter>,
    kernel: Option<Counter>,
}

#[derive(Debug, Serialize)]
struct Counter {
    usage_bytes: Amount,
    limit_bytes: Amount,
    failcnt: u64,
}

#[derive(Debug, Serialize)]
struct Selected<'r> {
    pid: i64,
    name: &'r str,
    score: Option<i64>,
}

#[derive(Debug, Serialize)]
struct Victim<'r> {
    pid: i64,
    name: &'r str,
    uid: Option<i64>,
    total_vm_bytes: Option<Amount>,
    anon_rss_bytes: Option<Amount>,
    file_rss_bytes: Option<Amount>,
    shmem_rss_bytes: Option<Amount>,
    oom_score_adj: Option<i64>,
}

#[derive(Debug, Serialize)]
struct Task<'r> {
    pid: i64,
    tgid: Option<i64>,
    uid: Option<i64>,
    name: &'r str,
    total_vm_bytes: Amount,
    rss_bytes: Amount,
    rss_shmem_bytes: Option<Amount>,
    swap_bytes: Option<Amount>,
    oom_score_adj: Option<i64>,
}

#[derive(Debug, Serialize)]
struct Zone<'r> {
    node: Option<u32>,
    name: &'r str,
    free_bytes: Option<Amount>,
    min_bytes: Option<Amount>,
    low_bytes: Option<Amount>,
    high_bytes: Option<Amount>,
}

#[derive(Debug, Serialize)]
struct Swap {
    total_bytes: Option<Amount>,
    free_bytes: Option<Amount>,
}

#[derive(Debug, Serialize)]
struct Cause<'r> {
    kind: CauseKind,
    summary: &'r str,
    evidence: &'r [String],
}

/// What is known now of those a report names, on the machine it is from.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Now {
    /// Processes called like the victim, the fattest first.
    #[serde(rename = "processes")]
    pub siblings: Vec<Sibling>,
    /// Charged to the cgroup that was full.
    #[serde(rename = "cgroup_usage_bytes")]
    pub group_usage: Option<ByteCount>,
    /// Its limit.
    #[serde(rename = "cgroup_limit_bytes")]
    pub group_limit: Option<ByteCount>,
    /// Commands to go on with.
    pub next: Vec<String>,
}

/// A process that is called like the victim.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sibling {
    /// Its pid.
    pub pid: i32,
    /// Its parent's.
    pub ppid: i32,
    /// Resident now.
    #[serde(rename = "rss_bytes")]
    pub rss: ByteCount,
    /// Whether it was started after the kill; unknown where the kill's time is.
    pub respawned: Option<bool>,
}

impl<'r> OomReportModel<'r> {
    /// The same joined with what is alive now.
    pub fn joined(report: &'r OomReport, now: Option<&'r Now>) -> OomReportModel<'r> {
        OomReportModel { now, ..OomReportModel::from(report) }
    }
}

impl<'r> From<&'r OomReport> for OomReportModel<'r> {
    fn from(report: &'r OomReport) -> OomReportModel<'r> {
        let memory = &report.memory;
        let swap = (memory.swap_total.is_some() || memory.swap_free.is_some())
            .then_some(Swap { total_bytes: memory.swap_total, free_bytes: memory.swap_free });
        OomReportModel {
            time: report.when.utc.map(|time| time.to_string()),
            time_text: report.when.text.as_deref(),
            uptime_seconds: report.when.uptime,
            kernel: report.kernel.as_deref(),
            hardware: report.hardware.as_deref(),
            page_size_bytes: report.page_size.0,
            page_size_source: page_size_word(report.page_size_source),
            invoker: report.invoker.as_ref().map(|invoker| Invoker {
                name: invoker.name.as_deref(),
                pid: invoker.pid,
                oom_score_adj: invoker.oom_score_adj,
            }),
            gfp: report.gfp.as_ref().map(|gfp| Gfp {
                mask: format!("{:#x}", gfp.mask),
                flags: gfp.flags.as_deref(),
                printed: gfp.printed.as_deref(),
            }),
            order: report.order,
            constraint: report.constraint.map(constraint_word),
            nodemask: report.nodemask.as_deref(),
            cpuset: report.cpuset.as_deref(),
            mems_allowed: report.mems_allowed.as_deref(),
            memcg: report.memcg.as_ref().map(memcg),
            selected: report.selected.as_ref().map(|selected| Selected {
                pid: selected.pid,
                name: &selected.name,
                score: selected.score,
            }),
            victim: report.victim.as_ref().map(victim),
            killed_pids: &report.killed_pids,
            sharing_pids: &report.sharing_pids,
            reaped_pids: &report.reaped_pids,
            oom_group: report.oom_group.as_deref(),
            tasks: report.tasks.iter().map(task).collect(),
            zones: memory.zones.iter().map(zone).collect(),
            swap,
            outcome: outcome_word(report.outcome),
            cause: Cause { kind: report.cause.kind, summary: &report.cause.summary, evidence: &report.cause.evidence },
            truncated: report.truncated,
            now: None,
        }
    }
}

fn memcg(memcg: &report::Memcg) -> Memcg<'_> {
    let counter = |counter: Option<report::Counter>| {
        counter.map(|c| Counter { usage_bytes: c.usage, limit_bytes: c.limit, failcnt: c.failcnt })
    };
    Memcg {
        version: memcg.version.map(|version| if version == 1 { "v1" } else { "v2" }),
        oom_memcg: memcg.oom_memcg.as_deref(),
        task_memcg: memcg.task_memcg.as_deref(),
        usage_bytes: memcg.memory.map(|memory| memory.usage),
        limit_bytes: memcg.memory.map(|memory| memory.limit),
        failcnt: memcg.memory.map(|memory| memory.failcnt),
        memory_swap: counter(memcg.memory_swap),
        swap: counter(memcg.swap),
        kernel: counter(memcg.kernel),
    }
}

fn victim(victim: &report::Victim) -> Victim<'_> {
    Victim {
        pid: victim.pid,
        name: &victim.name,
        uid: victim.uid,
        total_vm_bytes: victim.total_vm,
        anon_rss_bytes: victim.anon_rss,
        file_rss_bytes: victim.file_rss,
        shmem_rss_bytes: victim.shmem_rss,
        oom_score_adj: victim.oom_score_adj,
    }
}

fn task(task: &report::Task) -> Task<'_> {
    Task {
        pid: task.pid,
        tgid: task.tgid,
        uid: task.uid,
        name: &task.name,
        total_vm_bytes: task.total_vm,
        rss_bytes: task.rss,
        rss_shmem_bytes: task.rss_shmem,
        swap_bytes: task.swap,
        oom_score_adj: task.oom_score_adj,
    }
}

fn zone(zone: &crate::oom::memory::Zone) -> Zone<'_> {
    Zone {
        node: zone.node,
        name: &zone.name,
        free_bytes: zone.amount("free"),
        min_bytes: zone.amount("min"),
        low_bytes: zone.amount("low"),
        high_bytes: zone.amount("high"),
    }
}

fn page_size_word(source: PageSizeSource) -> &'static str {
    match source {
        PageSizeSource::BuddyLists => "buddy-lists",
        PageSizeSource::VictimSize => "victim-size",
        PageSizeSource::PresentPages => "present-pages",
        PageSizeSource::Assumed => "assumed",
    }
}

fn constraint_word(constraint: Constraint) -> &'static str {
    match constraint {
        Constraint::Global | Constraint::Bpf => "global",
        Constraint::Memcg => "memcg",
        Constraint::Cpuset => "cpuset",
        Constraint::Mempolicy => "mempolicy",
    }
}

/// The word for how it ended, in JSON and on screen.
pub fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Killed => "killed",
        Outcome::KillAnnounced => "kill-announced",
        Outcome::NoKillable => "no-killable",
        Outcome::Panic => "panic",
        Outcome::NoneVisible => "none-visible",
    }
}

/// The document around the reports, written as they are found: a log may hold more of them than fit into memory.
#[derive(Debug, Default)]
pub struct OomDocument {
    begun: bool,
}

impl OomDocument {
    /// The text that stands before `report` and the report itself.
    pub fn report(&mut self, report: &OomReport, now: Option<&Now>) -> serde_json::Result<String> {
        let before = if std::mem::replace(&mut self.begun, true) { ",\n" } else { Self::HEAD };
        Ok(format!("{before}{}", serde_json::to_string(&OomReportModel::joined(report, now))?))
    }

    /// Whether a report was written.
    pub fn is_begun(&self) -> bool {
        self.begun
    }

    /// The text that ends the document, after `warnings`.
    pub fn end(self, warnings: &[String]) -> serde_json::Result<String> {
        let head = if self.begun { "" } else { Self::HEAD };
        Ok(format!("{head}\n],\n\"warnings\": {}}}\n", serde_json::to_string(warnings)?))
    }

    const HEAD: &str = "{\"schema_version\": 1, \"command\": \"oom\", \"reports\": [\n";
}

/// One report as a document of one line, for `--follow`.
pub fn json_line(report: &OomReport, now: Option<&Now>) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Line<'r> {
        schema_version: u32,
        command: &'static str,
        reports: [OomReportModel<'r>; 1],
    }
    serde_json::to_string(&Line { schema_version: 1, command: "oom", reports: [OomReportModel::joined(report, now)] })
}

/// Bytes for a person, absurd ones said to be so.
pub fn size(amount: Amount) -> String {
    amount
        .plausible()
        .map_or_else(|| format!("{} kB (not a size)", amount.0 / 1024), |bytes: ByteCount| bytes.to_string())
}

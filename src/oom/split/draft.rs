//! A report while it is put together: what it has, what it still awaits, and each fact's place in it.

use crate::oom::amount::Amount;
use crate::oom::gfp::Releases;
use crate::oom::parse::{self, Columns, Fact, KillLine};
use crate::oom::reading::Stamp;
use crate::oom::report::{Invoker, OomReport, Task};

/// More rows than this are counted, not kept: a hostile log must not fill memory.
const MOST_ROWS: usize = 100_000;

/// A report in the making. Sizes of tasks are in pages until the page size is known.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub report: OomReport,
    pub has_header: bool,
    pub has_oom_kill: bool,
    pub columns: Option<Columns>,
    pub releases: Releases,
    pub mask: Option<u64>,
    pub names: Option<String>,
    pub wall: Option<String>,
    pub utc_micros: Option<i64>,
    pub elided: bool,
    pub in_slabs: bool,
    pub kill_says_memcg: bool,
    /// The pid of the last `CPU:` line and its comm, where no header vouches for it.
    pub cpu: Option<(Option<i64>, Option<String>)>,
    /// The last line, where the next may be its wrapped rest.
    last: Last,
}

/// What the last line was, as far as wrapping goes.
#[derive(Debug, Default, PartialEq)]
enum Last {
    #[default]
    Closed,
    /// Read again together with the rest.
    Text(String),
    Zone,
    Node,
    Buddy,
    Stats,
}

impl Last {
    fn text(text: &str) -> Last {
        const LONGEST: usize = 2000;
        Last::Text(text.chars().take(LONGEST).collect())
    }
}

impl Draft {
    pub(super) fn with_header() -> Draft {
        Draft { has_header: true, ..Draft::default() }
    }

    pub(super) fn stamp(&mut self, stamp: &Stamp<'_>) {
        if self.wall.is_none() {
            self.wall = stamp.wall.map(str::to_owned);
        }
        self.utc_micros = self.utc_micros.or(stamp.utc_micros);
        self.report.when.uptime = self.report.when.uptime.or(stamp.uptime);
    }

    pub(super) fn has_kill(&self) -> bool {
        !self.report.killed_pids.is_empty()
    }

    /// Whether a dump whose head is lost is an OOM report: its call trace went through the killer.
    pub(super) fn is_evident(&self) -> bool {
        self.report.trace.oom && !self.report.memory.is_empty()
    }

    pub(super) fn awaits_kill(&self) -> bool {
        !self.has_kill() && !self.report.no_killable && !self.report.panic.printed
    }

    pub(super) fn awaits_choice(&self) -> bool {
        self.awaits_kill() && self.report.selected.is_none()
    }

    pub(super) fn awaits_table(&self) -> bool {
        self.awaits_choice() && self.report.tasks.is_empty() && self.columns.is_none()
    }

    pub(super) fn awaits_memory(&self) -> bool {
        self.has_header && self.awaits_choice() && !self.report.has_table
    }

    pub(super) fn awaits_memcg(&self) -> bool {
        let known = self.report.memcg.as_ref().is_some_and(|memcg| memcg.oom_memcg.is_some());
        self.awaits_choice() && !known && !self.report.has_table
    }

    pub(super) fn is_only_header(&self) -> bool {
        self.has_header && self.report.memory.is_empty() && self.cpu.is_none() && self.awaits_table()
    }

    pub(super) fn same_header(&self, other: &Draft) -> bool {
        self.report.invoker == other.report.invoker
            && self.report.when.uptime == other.report.when.uptime
            && self.report.when.uptime.is_some()
    }

    /// Whether a kill of `pid` must be this report's.
    pub(super) fn expects(&self, pid: i64) -> bool {
        if !self.awaits_kill() {
            return false;
        }
        match &self.report.selected {
            Some(selected) => selected.pid == pid,
            None => self.report.tasks.iter().any(|task| task.pid == pid || task.tgid == Some(pid)),
        }
    }

    /// Whether a kill line can be this report's.
    pub(super) fn accepts(&self, kill: &KillLine<'_>) -> bool {
        let report = &self.report;
        if report.killed_pids.contains(&kill.pid) {
            return kill.done;
        }
        if !kill.done {
            let same = report.selected.as_ref().is_none_or(|selected| selected.pid == kill.pid);
            return same && !self.has_kill();
        }
        if !self.has_kill() {
            return true;
        }
        // memory.oom.group kills all tasks of a group; until 2.6.18 every process sharing the memory had its own line.
        let same_name = report.victim.as_ref().is_some_and(|victim| victim.name == kill.name);
        report.oom_group.is_some() || (kill.prefixed && kill.sizes.is_empty() && same_name)
    }

    /// Whether a detail has its place here.
    pub(super) fn takes(&self, fact: &Fact<'_>) -> bool {
        match fact {
            Fact::TaskRow { .. } => self.report.has_table && self.awaits_choice(),
            Fact::MemcgStats { .. } => self.awaits_choice(),
            Fact::MemcgStat { .. } => self.report.memcg.is_some() && self.awaits_choice() && !self.report.has_table,
            Fact::Slab { .. } => self.in_slabs && self.awaits_choice(),
            Fact::Trace(_) | Fact::Hardware(_) => {
                self.has_header && self.report.memory.is_empty() && self.awaits_table() && !self.report.has_table
            }
            Fact::Cpu { comm, .. } => self.has_header && self.awaits_choice() && self.is_invokers(*comm),
            Fact::Cpuset { .. } => self.has_header && self.report.cpuset.is_none() && self.awaits_choice(),
            Fact::Filler => self.awaits_choice(),
            fact if fact.is_of_memory() => {
                self.awaits_memory() || (self.report.has_table_less_memory() && self.awaits_choice())
            }
            _ => false,
        }
    }

    fn is_invokers(&self, comm: Option<&str>) -> bool {
        if self.report.kernel.is_some() && self.report.invoker.as_ref().is_some_and(|invoker| invoker.pid.is_some()) {
            return false;
        }
        let name = self.report.invoker.as_ref().and_then(|invoker| invoker.name.as_deref());
        match (name, comm) {
            (Some(name), Some(comm)) => name == comm || name.ends_with(comm),
            _ => true,
        }
    }

    /// Puts a fact in its place. `text` is its whole line.
    pub(super) fn apply(&mut self, fact: Fact<'_>, text: &str) {
        self.last = match &fact {
            Fact::Zone { .. } => Last::Zone,
            Fact::Node { .. } => Last::Node,
            Fact::Buddy { .. } => Last::Buddy,
            Fact::MemcgStats { .. } => Last::Stats,
            Fact::Header { .. } | Fact::Cpu { .. } | Fact::TaskIn { .. } => Last::text(text),
            Fact::TaskRow { rest, .. } if self.is_short(rest) => Last::text(text),
            Fact::TableHeader(header) if !header.is_whole => Last::text(text),
            _ => Last::Closed,
        };
        self.elided |= text.ends_with('>') && fact.is_of_memory();
        match fact {
            Fact::Header { .. } => self.header(&fact),
            Fact::Cpu { pid, comm, kernel } => self.cpu(pid, comm, kernel),
            Fact::Cpuset { cpuset, mems_allowed, name } => {
                self.name_invoker(name);
                self.report.cpuset = Some(cpuset.to_owned());
                self.report.mems_allowed = Some(mems_allowed.to_owned());
            }
            Fact::Hardware(name) => self.report.hardware = self.report.hardware.take().or(Some(name.to_owned())),
            Fact::Trace(trace) => self.report.trace.add(trace),
            Fact::TaskIn { task_memcg, oom_memcg } => {
                let memcg = self.report.memcg.get_or_insert_default();
                memcg.task_memcg = memcg.task_memcg.take().or(task_memcg.map(str::to_owned));
                memcg.oom_memcg = memcg.oom_memcg.take().or(oom_memcg.map(str::to_owned));
            }
            Fact::Counter { of, counter } => {
                let memcg = self.report.memcg.get_or_insert_default();
                let place = match of {
                    "memory" => &mut memcg.memory,
                    "memory+swap" => &mut memcg.memory_swap,
                    "swap" => &mut memcg.swap,
                    "kmem" => &mut memcg.kernel,
                    _ => return,
                };
                *place = place.or(Some(counter));
            }
            Fact::MemcgStats { path, stats } => self.memcg_stats(path, &stats),
            Fact::MemcgStat { key, bytes } => {
                let memcg = self.report.memcg.get_or_insert_default();
                if memcg.stat(key).is_none() {
                    memcg.stats.push((key, Amount(bytes)));
                }
            }
            Fact::TasksState => {
                self.report.has_table = true;
                self.in_slabs = false;
            }
            Fact::TableHeader(header) => {
                self.report.has_table = true;
                self.in_slabs = false;
                self.date_by_columns(&header.columns);
                // The columns of a cut header are told by the rows.
                self.columns = header.is_whole.then_some(header.columns);
            }
            Fact::TaskRow { pid, rest } => self.row(pid, rest),
            fact => self.memory_part(fact),
        }
    }

    /// A row that was wrapped before its name.
    fn is_short(&self, rest: &str) -> bool {
        parse::task_row(rest, self.columns.as_ref()).is_none_or(|(_, name)| name.is_empty())
    }

    /// Takes the wrapped rest of the last line; whether it was one.
    pub(super) fn go_on(&mut self, rest: &str) -> bool {
        match std::mem::take(&mut self.last) {
            Last::Closed => false,
            Last::Text(text) => {
                let whole = format!("{text} {rest}");
                match parse::recognise(&whole) {
                    Some(fact @ Fact::Header { .. }) if rest.contains('=') => self.apply(fact, &whole),
                    Some(fact @ Fact::Cpu { .. }) if self.report.kernel.is_none() => self.apply(fact, &whole),
                    Some(fact @ Fact::TaskIn { .. }) if self.has_open_path() => self.apply(fact, &whole),
                    Some(Fact::TaskRow { pid, rest }) => {
                        self.drop_short_row(pid);
                        self.apply(Fact::TaskRow { pid, rest }, &whole);
                    }
                    Some(fact @ Fact::TableHeader(_)) if self.report.tasks.is_empty() => self.apply(fact, &whole),
                    Some(Fact::Kill(kill)) if rest.contains([':', '(']) => self.kill(&kill, &whole),
                    _ => return false,
                }
                true
            }
            part => self.go_on_with_memory(part == Last::Zone, part == Last::Buddy, part == Last::Stats, rest),
        }
    }

    /// The line may be wrapped: its rest is read together with it.
    pub(super) fn await_rest(&mut self, text: &str) {
        self.last = Last::text(text);
    }

    /// Keeps the wrapped line open, for a line that is wrapped twice.
    pub(super) fn keep_open(&mut self, zone: bool, buddy: bool) {
        self.last = if zone {
            Last::Zone
        } else if buddy {
            Last::Buddy
        } else {
            Last::Node
        };
    }

    fn has_open_path(&self) -> bool {
        self.report.memcg.as_ref().is_some_and(|memcg| memcg.oom_memcg.is_none())
    }

    fn drop_short_row(&mut self, pid: i64) {
        if self.report.tasks.last().is_some_and(|task| task.pid == pid && task.name.is_empty()) {
            self.report.tasks.pop();
        }
    }

    fn header(&mut self, fact: &Fact<'_>) {
        let Fact::Header { invoker, mask, names, nodemask, order, oom_score_adj, oom_adj } = fact else { return };
        self.report.invoker = Some(Invoker {
            name: invoker.map(str::to_owned),
            pid: self.report.invoker.take().and_then(|invoker| invoker.pid),
            oom_score_adj: *oom_score_adj,
        });
        self.mask = *mask;
        self.names = names.map(str::to_owned);
        self.report.order = *order;
        self.report.nodemask = nodemask.filter(|mask| *mask != "(null)").map(str::to_owned);
        match (names.is_some(), oom_adj.is_some(), oom_score_adj.is_some()) {
            (true, _, _) => self.releases.since(4, 4, 0),
            (false, true, true) => self.releases.until(3, 6, 0),
            (false, true, false) => self.releases.until(2, 6, 35),
            (false, false, true) => {
                self.releases.since(2, 6, 32);
                self.releases.until(4, 5, 0);
            }
            (false, false, false) if invoker.is_none() => self.releases.until(2, 6, 18),
            _ => {}
        }
    }

    fn cpu(&mut self, pid: Option<i64>, comm: Option<&str>, kernel: Option<&str>) {
        if self.report.kernel.is_none() {
            self.report.kernel = kernel.map(str::to_owned);
        }
        if !self.has_header {
            self.cpu = Some((pid, comm.map(str::to_owned)));
            return;
        }
        if let Some(comm) = comm {
            self.name_invoker(comm);
        }
        let invoker = self.report.invoker.get_or_insert_default();
        invoker.pid = invoker.pid.or(pid);
    }

    /// A second line names the invoker: with it, a rest of the log's prefix before the name in the header shows.
    fn name_invoker(&mut self, name: &str) {
        let invoker = self.report.invoker.get_or_insert_default();
        let better = match &invoker.name {
            Some(known) => known.len() > name.len() && known.ends_with(name),
            None => true,
        };
        if better && !name.is_empty() {
            invoker.name = Some(name.to_owned());
        }
    }

    fn memcg_stats(&mut self, path: &str, stats: &[(&'static str, i128)]) {
        let memcg = self.report.memcg.get_or_insert_default();
        // One line per group of the hierarchy until 5.2: the full group's comes first.
        if !memcg.stats.is_empty() || memcg.oom_memcg.as_deref().is_some_and(|full| !path.is_empty() && full != path) {
            return;
        }
        memcg.stats.extend(stats.iter().map(|(key, kib)| (*key, Amount::kib(*kib))));
    }

    fn date_by_columns(&mut self, columns: &Columns) {
        let has = |name: &str| columns.contains(&name);
        if has("pgtables_bytes") {
            self.releases.since(4, 15, 0);
        } else if has("nr_pmds") {
            self.releases.since(4, 0, 0);
            self.releases.until(4, 14, 0);
        } else if has("nr_ptes") {
            self.releases.until(3, 19, 0);
        } else if has("oom_adj") {
            self.releases.until(3, 5, 0);
        }
    }

    fn row(&mut self, pid: i64, rest: &str) {
        let Some((numbers, name)) = parse::task_row(rest, self.columns.as_ref()) else { return };
        if self.report.tasks.len() >= MOST_ROWS {
            self.report.tasks_left_out += 1;
            return;
        }
        let of = |column: &str| numbers.iter().find(|(c, _)| *c == column).map(|(_, value)| *value);
        let amount = |column: &str| of(column).map(|pages| Amount(i128::from(pages)));
        let (ptes, pmds) = (of("nr_ptes"), of("nr_pmds").unwrap_or(0));
        let page_tables = ptes.map(|ptes| Amount(i128::from(ptes) + i128::from(pmds)));
        self.report.tasks.push(Task {
            pid,
            tgid: of("tgid"),
            uid: of("uid"),
            name: name.to_owned(),
            total_vm: amount("total_vm").unwrap_or_default(),
            rss: amount("rss").unwrap_or_default(),
            rss_shmem: amount("rss_shmem"),
            swap: amount("swapents"),
            page_tables: page_tables.or(amount("pgtables_bytes")),
            oom_score_adj: of("oom_score_adj"),
            oom_adj: of("oom_adj"),
        });
    }
}

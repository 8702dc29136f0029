//! One OOM report as one screen: the cause first, then who asked, who died, how memory stood, who was big.

use super::Style;
use super::bar;
use super::line::{Line, Paint};
use super::number;
use super::oom_words;
use super::page::Page;
use super::table::{Align, Table};
use crate::oom::OomReport;
use crate::oom::amount::Amount;
use crate::oom::cause::{CauseKind, View};
use crate::oom::memory::Zone;
use crate::oom::report::{Outcome, Task};
use crate::report::oom_model::{self, Now, outcome_word};
use crate::units::ByteCount;

/// Processes shown; the whole table is in the JSON.
const TASKS: usize = 8;
/// Zones shown.
const ZONES: usize = 8;
/// Columns of a bar.
const BAR: usize = 20;

/// `report` as text; `verbose` explains flags and terms.
pub fn render(report: &OomReport, now: Option<&Now>, verbose: bool, style: &Style) -> String {
    let mut page = Page::new(style);
    head(report, &mut page);
    cause(report, &mut page);
    request(report, &mut page);
    killed(report, &mut page);
    group(report, &mut page);
    memory(report, &mut page);
    zones(report, &mut page);
    tasks(report, &mut page);
    alive(now, &mut page);
    if verbose {
        oom_words::write(report, &mut page);
    }
    page.blank();
    page.finish()
}

fn head(report: &OomReport, page: &mut Page) {
    let mut line = Line::of(Paint::Strong, headline(report));
    let time = match (&report.when.utc, &report.when.text, report.when.uptime) {
        (Some(utc), ..) => Some(utc.to_zoned(page.style.zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()),
        (None, Some(text), _) => Some(text.clone()),
        (None, None, Some(uptime)) => Some(format!("{} after boot", number::duration(uptime))),
        _ => None,
    };
    let kernel = report.kernel.as_ref().map(|kernel| format!("kernel {kernel}"));
    let cut = report.truncated.then(|| "parts of the report are missing".to_owned());
    for fact in [time, kernel, cut].into_iter().flatten() {
        line = line.put(Paint::Dim, format!("{}{fact}", page.dot()));
    }
    page.line(line);
}

fn headline(report: &OomReport) -> String {
    match (report.outcome, &report.victim, &report.selected) {
        (Outcome::Killed, Some(victim), _) if report.killed_pids.len() > 1 => {
            format!("OOM: {} (pid {}) and {} more killed", victim.name, victim.pid, report.killed_pids.len() - 1)
        }
        (Outcome::Killed, Some(victim), _) => format!("OOM: {} (pid {}) killed", victim.name, victim.pid),
        (Outcome::KillAnnounced, _, Some(chosen)) => format!("OOM: {} (pid {}) chosen", chosen.name, chosen.pid),
        (Outcome::NoKillable, ..) => "OOM: nothing to kill".to_owned(),
        (Outcome::Panic, ..) => "OOM: the machine stopped (panic)".to_owned(),
        (outcome, ..) => format!("OOM: {}", outcome_word(outcome)),
    }
}

fn cause(report: &OomReport, page: &mut Page) {
    let doubtful = report.cause.kind == CauseKind::Undetermined;
    page.begin_field("cause");
    page.field_line(Line::of(if doubtful { Paint::Warn } else { Paint::Bad }, report.cause.kind.word()));
    page.field_line(Line::of(Paint::Plain, &report.cause.summary));
    let sign = page.sign("· ", "- ");
    for evidence in &report.cause.evidence {
        page.field_line(Line::of(Paint::Dim, format!("{sign}{evidence}")));
    }
}

fn request(report: &OomReport, page: &mut Page) {
    let Some(invoker) = &report.invoker else { return };
    let name = invoker.name.as_deref().unwrap_or("?");
    let mut line = Line::of(Paint::Strong, name);
    if let Some(pid) = invoker.pid {
        line = line.put(Paint::Plain, format!(" (pid {pid})"));
    }
    if let Some(order) = report.order {
        line = line.put(Paint::Plain, format!(" for {}", oom_words::pages(order, report.page_size)));
    }
    if let Some(gfp) = &report.gfp {
        line = line.put(Paint::Plain, format!(": {}", oom_words::kind_of_memory(gfp, report)));
        page.begin_field("asked");
        page.field_line(line);
        let printed = gfp.printed.as_ref().map(|names| names.replace('|', " | "));
        let names = printed.or_else(|| gfp.flags.as_ref().map(|flags| flags.join(" | ")));
        let names = names.unwrap_or_else(|| "flags unknown without the kernel's version".to_owned());
        page.field_line(Line::of(Paint::Dim, format!("gfp {:#x} {names}", gfp.mask)));
        return;
    }
    page.begin_field("asked");
    page.field_line(line);
}

fn killed(report: &OomReport, page: &mut Page) {
    let Some(victim) = &report.victim else { return };
    let size = |name: &str, amount: Option<Amount>| {
        let shown = amount.filter(|amount| amount.0 != 0).map(oom_model::size);
        Line::of(Paint::Plain, shown.map(|size| format!("{size} {name}")).unwrap_or_default())
    };
    let mut facts = vec![
        Line::of(Paint::Strong, &victim.name).put(Paint::Plain, format!(" (pid {})", victim.pid)),
        size("anonymous", victim.anon_rss),
        size("of files", victim.file_rss),
        size("shared", victim.shmem_rss),
        size("of address space", victim.total_vm),
    ];
    let plain = |text: Option<String>| Line::of(Paint::Plain, text.unwrap_or_default());
    facts.push(plain(victim.uid.map(|uid| format!("uid {uid}"))));
    facts.push(plain(victim.oom_score_adj.filter(|adj| *adj != 0).map(|adj| format!("oom_score_adj {adj}"))));
    facts.push(plain(report.selected.as_ref().and_then(|s| s.score).map(|score| format!("score {score}"))));
    facts.push(plain(report.oom_group.as_ref().map(|_| "its whole group died with it".to_owned())));
    page.begin_field(if report.outcome == Outcome::Killed { "killed" } else { "chosen" });
    let dot = page.dot();
    page.field_facts(facts, dot);
}

fn group(report: &OomReport, page: &mut Page) {
    let Some(memcg) = &report.memcg else { return };
    let Some(path) = &memcg.oom_memcg else { return };
    page.begin_field("cgroup");
    page.field_line(Line::of(Paint::Plain, path));
    if let Some(own) = memcg.task_memcg.as_ref().filter(|own| *own != path) {
        page.field_line(Line::of(Paint::Dim, "victim's: ").put(Paint::Plain, own));
    }
    let counters =
        [("memory", memcg.memory), ("memory+swap", memcg.memory_swap), ("swap", memcg.swap), ("kernel", memcg.kernel)];
    for (name, counter) in counters {
        let Some(counter) = counter else { continue };
        let Some(limit) = crate::oom::cause::limit_of(counter.limit) else { continue };
        let share = counter.usage.or_zero().share_of(limit);
        let paint = if share > 0.99 { Paint::Bad } else { Paint::Plain };
        let line = bar::gauge(share, BAR, paint, page.style)
            .put(Paint::Plain, format!("  {name} {} of {limit}", oom_model::size(counter.usage)));
        page.field_row(line);
    }
}

/// Who held memory, the largest first.
fn memory(report: &OomReport, page: &mut Page) {
    let view = View::new(report);
    let Some(usable) = view.usable else { return };
    let mut parts: Vec<(&str, ByteCount)> = view.parts().iter().map(|part| (part.name, part.bytes)).collect();
    parts.push(("free", view.free));
    parts.push(("in no counter", view.unaccounted.unwrap_or(ByteCount::ZERO)));
    parts.retain(|(_, bytes)| bytes.share_of(usable) >= 0.01);
    parts.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    page.begin_field("memory");
    page.field_line(
        Line::of(Paint::Strong, usable.to_string()).put(Paint::Plain, format!(" usable{}", view.swap_words())),
    );
    for (name, bytes) in parts.into_iter().take(5) {
        let share = bytes.share_of(usable);
        let line = bar::bar(share, BAR, Paint::Text, page.style)
            .put(Paint::Plain, format!("  {:>10}  {:>4}  {name}", bytes.to_string(), number::percent(share)));
        page.field_row(line);
    }
}

fn zones(report: &OomReport, page: &mut Page) {
    let zones: Vec<&Zone> =
        report.memory.zones.iter().filter(|zone| zone.size().0 > 0 || zone.bytes("free").0 > 0).collect();
    if zones.is_empty() {
        return;
    }
    page.begin_field("zones");
    for zone in zones.iter().take(ZONES) {
        let short = zone.bytes("free") < zone.bytes("min");
        let name = match zone.node {
            Some(node) => format!("{node}:{}", zone.name),
            None => zone.name.clone(),
        };
        let figures = ["free", "min", "low", "high"]
            .iter()
            .filter_map(|key| Some(format!("{key} {}", oom_model::size(zone.amount(key)?))))
            .collect::<Vec<_>>()
            .join(page.dot());
        let line = watermarks(zone, if short { Paint::Bad } else { Paint::Good }, page.style)
            .put(Paint::Strong, format!("  {name:10}"))
            .put(if short { Paint::Bad } else { Paint::Plain }, figures);
        page.field_row(line);
    }
    if zones.len() > ZONES {
        page.field_row(Line::of(Paint::Dim, format!("and {} more", zones.len() - ZONES)));
    }
}

/// Free memory up to twice the high mark, the marks min, low and high in it.
fn watermarks(zone: &Zone, paint: Paint, style: &Style) -> Line {
    let whole = ByteCount(zone.bytes("high").0.saturating_mul(2).max(1));
    let column = |key: &str| ((zone.bytes(key).share_of(whole) * BAR as f64) as usize).min(BAR - 1);
    let marks = [(column("min"), "m"), (column("low"), "l"), (column("high"), "h")];
    let filled = (zone.bytes("free").share_of(whole).min(1.0) * BAR as f64).round() as usize;
    let (full, rest) = if style.unicode { ("█", "─") } else { ("#", ".") };
    let mut line = Line::new();
    for at in 0..BAR {
        let mark = marks.iter().find(|(place, _)| *place == at && zone.bytes("high").0 > 0);
        match mark {
            Some((_, letter)) => line.push(Paint::Strong, letter),
            None if at < filled => line.push(paint, full),
            None => line.push(Paint::Dim, rest),
        }
    }
    line
}

fn tasks(report: &OomReport, page: &mut Page) {
    if report.tasks.is_empty() {
        return;
    }
    page.blank();
    let right = |title| (title, Align::Right);
    let with_swap = report.tasks.iter().any(|task| task.swap.is_some_and(|swap| swap.0 > 0));
    let mut columns = vec![("", Align::Left), right("resident")];
    if with_swap {
        columns.push(right("swap"));
    }
    columns.extend([right("pid"), right("adj"), ("process", Align::Left)]);
    let mut table = Table::new(&columns);
    let most = report.tasks.first().map_or(ByteCount::ZERO, Task::used);
    for task in report.tasks.iter().take(TASKS) {
        table.row(cells(task, most, with_swap, report, page.style));
    }
    table.write(page);
    let shown = report.tasks.len().min(TASKS);
    let left = (report.tasks.len() - shown) as u64 + report.tasks_left_out;
    if left > 0 {
        let rest: ByteCount = report.tasks.iter().skip(shown).map(Task::used).sum();
        page.line(Line::of(Paint::Dim, format!("and {} more with {rest} together", number::count(left))));
    }
}

fn cells(task: &Task, most: ByteCount, with_swap: bool, report: &OomReport, style: &Style) -> Vec<Line> {
    let dead = report.killed_pids.contains(&task.pid);
    let paint = if dead { Paint::Bad } else { Paint::Text };
    let adj = task.oom_score_adj.or(task.oom_adj).map_or(String::new(), |adj| adj.to_string());
    let mut cells = vec![
        bar::bar(task.used().share_of(most), BAR, paint, style),
        Line::of(Paint::Plain, oom_model::size(task.rss)),
    ];
    if with_swap {
        cells.push(Line::of(Paint::Plain, task.swap.map(oom_model::size).unwrap_or_default()));
    }
    let mark = if dead { "  killed" } else { "" };
    cells.extend([
        Line::of(Paint::Plain, task.pid.to_string()),
        Line::of(Paint::Dim, adj),
        Line::of(if dead { Paint::Bad } else { Paint::Strong }, &task.name).put(Paint::Bad, mark),
    ]);
    cells
}

fn alive(now: Option<&Now>, page: &mut Page) {
    let Some(now) = now else { return };
    if now.siblings.is_empty() && now.group_usage.is_none() && now.next.is_empty() {
        return;
    }
    page.blank();
    if !now.siblings.is_empty() {
        page.begin_field("alive");
        let facts = now.siblings.iter().take(5).map(|sibling| {
            let since = if sibling.respawned == Some(true) { ", started since" } else { "" };
            Line::of(Paint::Plain, format!("pid {} with {}{since}", sibling.pid, sibling.rss))
        });
        let dot = page.dot();
        page.field_facts(facts, dot);
    }
    if let Some(usage) = now.group_usage {
        let limit = now.group_limit.map_or(" and no limit".to_owned(), |limit| format!(" of {limit}"));
        page.begin_field("cgroup");
        page.field_line(Line::of(Paint::Plain, format!("uses {usage}{limit} now")));
    }
    if !now.next.is_empty() {
        page.begin_field("next");
        now.next.iter().for_each(|command| page.field_row(Line::of(Paint::Strong, command)));
    }
}

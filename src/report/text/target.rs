//! The process, in up to three lines.

use super::line::{Line, Paint};
use super::number;
use super::page::Page;
use crate::report::TargetRow;

/// Letters of a container id that tell it apart, as container tools print it.
const CONTAINER_LETTERS: usize = 12;

/// All that is known of the process, as a field.
pub fn write(target: &TargetRow, page: &mut Page) {
    page.begin_field("target");
    let facts = facts(target, page);
    page.field_line(facts);
    let command = target.cmdline.join(" ");
    let command = if command.is_empty() { target.exe.clone().unwrap_or_default() } else { command };
    if !command.is_empty() {
        page.field_row(Line::of(Paint::Dim, command));
    }
    let mut home = Line::new();
    if let Some(id) = &target.container_id {
        let id: String = id.chars().take(CONTAINER_LETTERS).collect();
        home = home.put(Paint::Dim, "container ").put(Paint::Plain, id);
    }
    if let Some(cgroup) = target.cgroup.as_ref().filter(|path| path.as_str() != "/") {
        let gap = if home.is_empty() { "" } else { page.dot() };
        home = home.put(Paint::Dim, gap).put(Paint::Dim, "cgroup ").put(Paint::Plain, cgroup);
    }
    if !home.is_empty() {
        page.field_row(home);
    }
}

/// Name, pid and role on one line, for the heads of tables.
pub fn name(target: &TargetRow) -> Line {
    let role = target.role.as_ref().map(|role| format!(" {role}")).unwrap_or_default();
    Line::of(Paint::Strong, format!("{}{role}", target.name)).put(Paint::Plain, format!(" (pid {})", target.pid))
}

fn facts(target: &TargetRow, page: &Page) -> Line {
    let dot = page.dot();
    let parent = target.ppid.map(|ppid| format!(" (parent {ppid})")).unwrap_or_default();
    let role = target.role.as_ref().map(|role| format!(" {role}")).unwrap_or_default();
    let mut line = Line::of(Paint::Strong, format!("{}{role}", target.name))
        .put(Paint::Dim, dot)
        .put(Paint::Plain, format!("pid {}{parent}", target.pid));
    let facts = [
        target.uid.map(|uid| format!("uid {uid}")),
        target.threads.map(|threads| number::counted(threads, "thread")),
        target.start_time.map(|time| since(time, page)),
    ];
    for fact in facts.into_iter().flatten() {
        line = line.put(Paint::Dim, dot).put(Paint::Plain, fact);
    }
    line
}

fn since(time: jiff::Timestamp, page: &Page) -> String {
    let local = time.to_zoned(page.style.zone.clone());
    format!("since {}", local.strftime("%Y-%m-%d %H:%M:%S"))
}

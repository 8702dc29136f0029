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
    let role = target.role.as_ref().map(|role| format!(" {role}")).unwrap_or_default();
    let parent = target.ppid.map(|ppid| format!(" (parent {ppid})")).unwrap_or_default();
    let plain = |text: String| Line::of(Paint::Plain, text);
    let facts = [
        Some(Line::of(Paint::Strong, format!("{}{role}", target.name))),
        Some(plain(format!("pid {}{parent}", target.pid))),
        target.uid.map(|uid| plain(format!("uid {uid}"))),
        target.threads.map(|threads| plain(number::counted(threads, "thread"))),
        target.start_time.map(|time| plain(since(time, page))),
    ];
    page.field_facts(facts.into_iter().flatten(), page.dot());
    let command = target.cmdline.join(" ");
    let command = if command.is_empty() { target.exe.clone().unwrap_or_default() } else { command };
    if !command.is_empty() {
        page.field_row(Line::of(Paint::Dim, command));
    }
    let container = target.container_id.as_ref().map(|id| {
        let id: String = id.chars().take(CONTAINER_LETTERS).collect();
        Line::of(Paint::Dim, "container ").put(Paint::Plain, id)
    });
    let cgroup = target.cgroup.as_ref().filter(|path| path.as_str() != "/");
    let cgroup = cgroup.map(|path| Line::of(Paint::Dim, "cgroup ").put(Paint::Plain, path));
    if container.is_some() || cgroup.is_some() {
        page.field_facts([container, cgroup].into_iter().flatten(), page.dot());
    }
}

/// Name, pid and role on one line, for the heads of tables.
pub fn name(target: &TargetRow) -> Line {
    let role = target.role.as_ref().map(|role| format!(" {role}")).unwrap_or_default();
    Line::of(Paint::Strong, format!("{}{role}", target.name)).put(Paint::Plain, format!(" (pid {})", target.pid))
}

fn since(time: jiff::Timestamp, page: &Page) -> String {
    let local = time.to_zoned(page.style.zone.clone());
    format!("since {}", local.strftime("%Y-%m-%d %H:%M:%S"))
}

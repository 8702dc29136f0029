//! What may be done and what is missing, one line a check.

use super::line::{Line, Paint};
use super::page::Page;
use super::target;
use crate::report::{CheckRow, Doctor};

/// Writes all of it.
pub fn write(doctor: &Doctor, page: &mut Page) {
    if let Some(process) = &doctor.target {
        target::write(process, page);
        page.blank();
    }
    let names = doctor.checks.iter().map(|check| Line::of(Paint::Plain, &check.name).width());
    let column = names.max().unwrap_or(0);
    for check in &doctor.checks {
        write_check(check, column, page);
    }
    page.blank();
    page.line(match doctor.checks.iter().filter(|check| !check.ok).count() {
        0 => Line::of(Paint::Good, "all is there"),
        1 => Line::of(Paint::Warn, "one thing is missing"),
        missing => Line::of(Paint::Warn, format!("{missing} things are missing")),
    });
}

fn write_check(check: &CheckRow, column: usize, page: &mut Page) {
    let (paint, mark) = match check.ok {
        true => (Paint::Good, page.sign("✓", "ok  ")),
        false => (Paint::Bad, page.sign("✗", "FAIL")),
    };
    let name = Line::of(Paint::Plain, &check.name);
    let padding = " ".repeat(column.saturating_sub(name.width()) + 2);
    let lead = Line::of(paint, mark).put(Paint::Plain, " ").append(name).put(Paint::Plain, padding);
    let indent = lead.width();
    page.paragraph(lead, Line::of(Paint::Dim, &check.detail));
    if let Some(remedy) = check.remedy.as_ref().filter(|_| !check.ok) {
        let lead = Line::of(Paint::Plain, " ".repeat(indent)).put(Paint::Warn, page.sign("→ ", "-> "));
        page.paragraph(lead, Line::of(Paint::Plain, remedy));
    }
}

//! `doctor`: what may be done, and what is missing for the rest.

use super::subject::open_one;
use super::{Context, Doctor};
use crate::error::Result;
use crate::report::{self, CheckRow, Document};
use crate::target::{Target, machine_access};

/// Tries the target, or this very machine where none was named.
///
/// # Errors
/// No such process.
pub fn run(request: &Doctor, context: &Context) -> Result<Vec<Document>> {
    let target: Option<Target> = request.selector.as_ref().map(|selector| open_one(selector, context)).transpose()?;
    let access = target.as_ref().map_or_else(machine_access, Target::access);
    let checks = access.checks.into_iter().map(|check| CheckRow {
        name: check.name,
        ok: check.ok,
        detail: check.detail,
        remedy: check.remedy,
    });
    Ok(vec![Document::Doctor(report::Doctor {
        target: target.as_ref().map(|target| report::TargetRow::from(target.identity())),
        checks: checks.collect(),
        warnings: Vec::new(),
    })])
}

//! `map`: the regions of an address space with what each costs.

use super::subject::{hint_at_worker, open_all, open_one};
use super::{Context, Map, MapOrder};
use crate::error::Result;
use crate::report::{self, Document, RegionRow, Totals};
use crate::target::Target;

/// Lists the regions of every process asked for.
///
/// # Errors
/// No such process, it ended, or may not be looked at.
pub fn run(request: &Map, context: &Context) -> Result<Vec<Document>> {
    let targets = if request.selector.all {
        open_all(&request.selector, context)?
    } else {
        let target = open_one(&request.selector, context)?;
        hint_at_worker(&target, context);
        vec![target]
    };
    targets.iter().map(|target| regions(target, request.order)).collect()
}

fn regions(target: &Target, order: MapOrder) -> Result<Document> {
    let map = target.smaps()?;
    let mut rows: Vec<RegionRow> = map.regions.iter().map(|region| RegionRow::measured(region, None)).collect();
    match order {
        MapOrder::Address => {}
        MapOrder::Rss => rows.sort_by_key(|row| std::cmp::Reverse(row.rss_bytes)),
        MapOrder::Size => rows.sort_by_key(|row| std::cmp::Reverse(row.size_bytes)),
    }
    let totals = Totals::of(&rows);
    Ok(Document::Map(report::Map {
        target: report::TargetRow::from(target.identity()),
        regions: rows,
        totals,
        warnings: Vec::new(),
    }))
}

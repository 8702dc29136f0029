//! The address space by regions, with its sums.

use super::inspect::name_cell;
use super::line::{Line, Paint};
use super::page::Page;
use super::table::{Align, Table};
use super::{number, target};
use crate::report::{Map, RegionRow};

/// Pages narrower than this lose the columns that matter least.
const NARROW: usize = 92;

/// Writes all of it.
pub fn write(map: &Map, page: &mut Page) {
    target::write(&map.target, page);
    page.blank();
    let narrow = page.style.width < NARROW;
    let mut columns = vec![("start", Align::Left), ("perm", Align::Left), ("kind", Align::Left)];
    columns.extend([("size", Align::Right), ("rss", Align::Right)]);
    if !narrow {
        columns.extend([("pss", Align::Right), ("dirty", Align::Right)]);
    }
    let swapped = map.regions.iter().any(|region| region.swap_bytes.is_some_and(|bytes| bytes.0 > 0));
    if swapped {
        columns.push(("swap", Align::Right));
    }
    columns.push(("name", Align::Left));
    let mut table = Table::new(&columns);
    for region in &map.regions {
        let mut cells = cells(region, narrow, swapped);
        cells.push(name_cell(region, page.style.whole));
        table.row(cells);
    }
    let totals = &map.totals;
    let strong = |text: String| Line::of(Paint::Strong, text);
    let mut sums = vec![strong("total".into()), Line::new(), Line::new()];
    sums.extend([strong(totals.size_bytes.to_string()), strong(number::bytes(totals.rss_bytes))]);
    if !narrow {
        sums.extend([strong(number::bytes(totals.pss_bytes)), strong(number::bytes(totals.private_dirty_bytes))]);
    }
    if swapped {
        sums.push(strong(number::bytes(totals.swap_bytes)));
    }
    let parts = format!("{}, {}", number::counted(totals.regions, "region"), number::counted(totals.mappings, "map"));
    sums.push(Line::of(Paint::Dim, parts));
    table.row(sums);
    table.write(page);
}

fn cells(region: &RegionRow, narrow: bool, swapped: bool) -> Vec<Line> {
    let plain = |text: String| Line::of(Paint::Plain, text);
    let mut cells = vec![
        Line::of(Paint::Dim, region.start.to_string()),
        Line::of(Paint::Dim, &region.permissions),
        plain(region.kind.to_string()),
        plain(region.size_bytes.to_string()),
        Line::of(Paint::Strong, number::bytes(region.rss_bytes)),
    ];
    if !narrow {
        cells.extend([plain(number::bytes(region.pss_bytes)), plain(number::bytes(region.private_dirty_bytes))]);
    }
    if swapped {
        cells.push(plain(number::bytes(region.swap_bytes)));
    }
    cells
}

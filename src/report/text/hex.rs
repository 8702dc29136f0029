//! Bytes with the addresses they have in the target; the rows themselves are drawn by hexyl.

use hexyl::{BorderStyle, CharacterTable, PrinterBuilder};

use super::line::{Line, Paint};
use super::page::Page;
use super::{number, target};
use crate::report::{Hex, Stretch};
use crate::units::{Addr, ByteCount};

/// Bytes on a row.
const ROW: usize = 16;
/// Equal rows beyond the first are told in one line when there are at least so many.
const SQUEEZED: usize = 3;

/// Writes all of it.
pub fn write(hex: &Hex, page: &mut Page) {
    let place = match (&hex.target, &hex.path) {
        (Some(process), _) => target::name(process),
        (None, Some(path)) => Line::of(Paint::Strong, path),
        (None, None) => Line::new(),
    };
    let range = hex.range.map(|range| format!("  {range} ({})", range.size())).unwrap_or_default();
    page.line(place.put(Paint::Dim, range));
    if hex.find.is_some() {
        page.line(Line::of(Paint::Plain, format!("found {}", number::counted(hex.matches.len() as u64, "time"))));
    }
    let mut end: Option<Addr> = None;
    for stretch in &hex.stretches {
        if let Some(end) = end.filter(|end| *end < stretch.start) {
            let gap = format!("  {} not shown", stretch.start.since(end));
            page.line(Line::of(Paint::Dim, gap));
        }
        write_stretch(stretch, page);
        end = Some(stretch.start.plus(ByteCount(stretch.bytes.len() as u64)));
    }
}

fn write_stretch(stretch: &Stretch, page: &mut Page) {
    let rows: Vec<&[u8]> = stretch.bytes.chunks(ROW).collect();
    let mut at = 0;
    while at < rows.len() {
        let equal = rows[at..].iter().take_while(|row| **row == rows[at]).count();
        let alone = if equal > SQUEEZED { 1 } else { equal };
        write_rows(stretch, at, at + alone, page);
        if alone < equal {
            let end = stretch.start.plus(ByteCount(((at + equal) * ROW) as u64));
            let text = format!("  * the same {} times more, until {end}", number::count((equal - alone) as u64));
            page.line(Line::of(Paint::Dim, text));
        }
        at += equal;
    }
}

fn write_rows(stretch: &Stretch, from: usize, to: usize, page: &mut Page) {
    let bytes = &stretch.bytes[from * ROW..(to * ROW).min(stretch.bytes.len())];
    let table = if page.style.unicode { CharacterTable::Default } else { CharacterTable::Ascii };
    let mut text = Vec::new();
    // hexyl's frame is drawn for eight digits and its squeezing too, so both are left out: addresses have twelve.
    let mut printer = PrinterBuilder::new(&mut text)
        .show_color(page.style.color)
        .with_border_style(BorderStyle::None)
        .enable_squeezing(false)
        .character_table(table)
        .build();
    printer.display_offset(stretch.start.plus(ByteCount((from * ROW) as u64)).0);
    // Writing into a vector does not fail.
    if printer.print_all(bytes).is_ok() {
        let text = String::from_utf8_lossy(&text);
        text.lines().for_each(|row| page.ready(row.trim_end()));
    }
}

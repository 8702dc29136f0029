//! Tables: columns as wide as their widest cell, the last one takes what is left; lines below a row go right across.

use super::line::{Line, Paint};
use super::page::Page;

/// On which side a column's cells stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

type LastCell<'c> = Box<dyn FnOnce(usize) -> (Line, Vec<Line>) + 'c>;

/// A table under construction.
pub struct Table<'c> {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<(Vec<Line>, Option<LastCell<'c>>)>,
}

/// Spaces between columns.
const GAP: usize = 2;

impl<'c> Table<'c> {
    pub fn new(columns: &[(&'static str, Align)]) -> Table<'c> {
        Table { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; missing cells are blank.
    pub fn row(&mut self, cells: Vec<Line>) {
        self.rows.push((cells, None));
    }

    /// Adds a row whose last cell, and lines below it, are made when it is known how many columns are left for it.
    pub fn row_with(&mut self, cells: Vec<Line>, last: impl FnOnce(usize) -> (Line, Vec<Line>) + 'c) {
        self.rows.push((cells, Some(Box::new(last))));
    }

    /// Writes it: a dim head, then the rows. What does not fit is cut off in the last column.
    pub fn write(self, page: &mut Page) {
        let widths: Vec<usize> = (0..self.columns.len()).map(|column| self.width_of(column)).collect();
        let front: usize = widths.iter().rev().skip(1).map(|width| width + GAP).sum();
        let room = page.style.width.saturating_sub(front);
        let columns = self.columns;
        let head = columns.iter().map(|(title, _)| Line::of(Paint::Dim, *title)).collect();
        page.row(lay_out(head, &columns, &widths));
        for (mut cells, last) in self.rows {
            let below = match last.map(|last| last(room)) {
                Some((cell, below)) => {
                    cells.push(cell);
                    below
                }
                None => Vec::new(),
            };
            page.row(lay_out(cells, &columns, &widths));
            below.into_iter().for_each(|line| page.line(line));
        }
    }

    fn width_of(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|(row, _)| row.get(column)).map(Line::width);
        cells.max().unwrap_or(0).max(self.columns[column].0.len())
    }
}

fn lay_out(row: Vec<Line>, columns: &[(&str, Align)], widths: &[usize]) -> Line {
    let mut line = Line::new();
    for (index, cell) in row.into_iter().enumerate() {
        if index > 0 {
            line.push(Paint::Plain, &" ".repeat(GAP));
        }
        let padding = " ".repeat(widths.get(index).map_or(0, |width| width.saturating_sub(cell.width())));
        line = match columns.get(index).map(|column| column.1) {
            Some(Align::Right) => line.put(Paint::Plain, padding).append(cell),
            // Nothing stands to the right of the last one.
            _ if index + 1 == columns.len() => line.append(cell),
            _ => line.append(cell).put(Paint::Plain, padding),
        };
    }
    line
}

//! The text under construction: lines one below another, fields with a name in front, paragraphs, warnings.

use super::Style;
use super::line::{Line, Paint};
use crate::report::escape;

/// Columns that the names of fields take.
const FIELD: usize = 10;

/// Text under construction.
pub struct Page<'s> {
    pub style: &'s Style,
    out: String,
    /// The name that the next line of a field carries.
    field: Option<&'static str>,
}

impl<'s> Page<'s> {
    pub fn new(style: &'s Style) -> Page<'s> {
        Page { style, out: String::new(), field: None }
    }

    /// The text, ending in one line feed.
    pub fn finish(mut self) -> String {
        while self.out.ends_with("\n\n") {
            self.out.pop();
        }
        self.out
    }

    /// One of two forms of a sign.
    pub fn sign(&self, unicode: &'static str, ascii: &'static str) -> &'static str {
        if self.style.unicode { unicode } else { ascii }
    }

    /// What stands between facts on one line.
    pub fn dot(&self) -> &'static str {
        self.sign(" · ", ", ")
    }

    /// An empty line, never two.
    pub fn blank(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    /// One line, cut at the page's width.
    pub fn line(&mut self, line: Line) {
        let line = line.fit(self.style.width, self.style.ellipsis());
        line.write(self.style.color, &mut self.out);
        self.out.push('\n');
    }

    /// One row of a table that ends in a name: cut at the page's width unless names are kept whole.
    pub fn row(&mut self, line: Line) {
        if !self.style.whole {
            return self.line(line);
        }
        line.write(self.style.color, &mut self.out);
        self.out.push('\n');
    }

    /// A line that another writer made, escaped and coloured.
    pub fn ready(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    /// `text` behind `lead`, wrapped, continued below its own beginning.
    pub fn paragraph(&mut self, lead: Line, text: Line) {
        let indent = lead.width();
        let room = self.style.width.saturating_sub(indent);
        let mut lead = Some(lead);
        for part in text.wrap(room, room) {
            let front = lead.take().unwrap_or_else(|| Line::of(Paint::Plain, " ".repeat(indent)));
            self.line(front.append(part));
        }
    }

    /// Begins a field: the next field line carries `name`.
    pub fn begin_field(&mut self, name: &'static str) {
        self.field = Some(name);
    }

    /// A line of the field begun last.
    pub fn field_line(&mut self, line: Line) {
        let lead = self.field_lead();
        self.paragraph(lead, line);
    }

    /// Facts of the field begun last, `gap` between those on one line; a line breaks only between two facts.
    pub fn field_facts(&mut self, facts: impl IntoIterator<Item = Line>, gap: &str) {
        let room = self.field_room();
        let mut line = Line::new();
        for fact in facts.into_iter().filter(|fact| !fact.is_empty()) {
            let together = line.width() + escape::width(gap) + fact.width();
            if !line.is_empty() && together > room {
                self.field_line(std::mem::take(&mut line));
            }
            let gap = if line.is_empty() { "" } else { gap };
            line = line.put(Paint::Dim, gap).append(fact);
        }
        self.field_line(line);
    }

    /// Columns left beside the names of fields.
    pub fn field_room(&self) -> usize {
        self.style.width.saturating_sub(FIELD)
    }

    /// A line of the field begun last, cut instead of wrapped.
    pub fn field_row(&mut self, line: Line) {
        let lead = self.field_lead();
        self.line(lead.append(line));
    }

    fn field_lead(&mut self) -> Line {
        let name = self.field.take().unwrap_or_default();
        Line::of(Paint::Dim, format!("{name:FIELD$}"))
    }
}

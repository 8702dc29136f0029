//! One line as painted pieces, every piece escaped as it enters. Knows widths; colours are put on at the end.

use anstyle::{AnsiColor, Effects};

use crate::report::escape;

/// What a piece is, for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    Plain,
    /// Labels of fields, addresses, what may be skipped.
    Dim,
    Strong,
    Good,
    Warn,
    Bad,
    /// JSON and shapes.
    Shape,
    /// Other text of the target.
    Text,
    Pointer,
}

impl Paint {
    fn ansi(self) -> anstyle::Style {
        let color = |color: AnsiColor| anstyle::Style::new().fg_color(Some(color.into()));
        match self {
            Paint::Plain => anstyle::Style::new(),
            Paint::Dim => anstyle::Style::new().effects(Effects::DIMMED),
            Paint::Strong => anstyle::Style::new().effects(Effects::BOLD),
            Paint::Good => color(AnsiColor::Green),
            Paint::Warn => color(AnsiColor::Yellow),
            Paint::Bad => color(AnsiColor::Red).effects(Effects::BOLD),
            Paint::Shape => color(AnsiColor::Cyan),
            Paint::Text => color(AnsiColor::Blue),
            Paint::Pointer => color(AnsiColor::Magenta),
        }
    }
}

/// Painted, escaped text without line feeds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    pieces: Vec<(Paint, String)>,
}

impl Line {
    pub fn new() -> Line {
        Line::default()
    }

    /// A line of one piece.
    pub fn of(paint: Paint, text: impl AsRef<str>) -> Line {
        Line::new().put(paint, text)
    }

    /// The same with `text` behind it, escaped.
    pub fn put(mut self, paint: Paint, text: impl AsRef<str>) -> Line {
        self.push(paint, text.as_ref());
        self
    }

    /// Adds `text`, escaped.
    pub fn push(&mut self, paint: Paint, text: &str) {
        if !text.is_empty() {
            self.pieces.push((paint, escape::terminal(text).into_owned()));
        }
    }

    /// Adds the pieces of `other`.
    pub fn append(mut self, other: Line) -> Line {
        self.pieces.extend(other.pieces);
        self
    }

    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Columns it takes.
    pub fn width(&self) -> usize {
        self.pieces.iter().map(|(_, text)| escape::width(text)).sum()
    }

    /// At most `columns` of it, `ellipsis` where it was cut.
    pub fn fit(self, columns: usize, ellipsis: &str) -> Line {
        if self.width() <= columns {
            return self;
        }
        let mut room = columns.saturating_sub(escape::width(ellipsis));
        let mut cut = Line::new();
        for (paint, text) in self.pieces {
            let (kept, taken) = escape::prefix(&text, room);
            cut.pieces.push((paint, kept.to_string()));
            room -= taken;
            if kept.len() < text.len() {
                break;
            }
        }
        let ellipsis = escape::prefix(ellipsis, columns).0;
        cut.pieces.push((Paint::Dim, ellipsis.to_string()));
        cut
    }

    /// Broken into lines: the first of at most `first` columns, the others of at most `others`, at spaces where there
    /// are any.
    pub fn wrap(self, first: usize, others: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut rest = self.letters();
        let mut room = first.max(1);
        while letters_width(&rest) > room {
            let at = break_point(&rest, room);
            let mut tail = rest.split_off(at);
            let spaces = tail.iter().take_while(|(_, letter)| *letter == ' ').count();
            tail.drain(..spaces);
            lines.push(Line::from_letters(&rest));
            rest = tail;
            room = others.max(1);
        }
        lines.push(Line::from_letters(&rest));
        lines
    }

    /// Writes it, coloured where asked, without spaces at its end.
    pub fn write(&self, color: bool, out: &mut String) {
        let mut plain = 0;
        for (index, (_, text)) in self.pieces.iter().enumerate() {
            if !text.trim_end_matches(' ').is_empty() {
                plain = index + 1;
            }
        }
        for (index, (paint, text)) in self.pieces[..plain].iter().enumerate() {
            let text = if index + 1 == plain { text.trim_end_matches(' ') } else { text };
            if !color || *paint == Paint::Plain {
                out.push_str(text);
                continue;
            }
            let style = paint.ansi();
            out.push_str(&format!("{style}{text}{style:#}"));
        }
    }

    fn letters(&self) -> Vec<(Paint, char)> {
        self.pieces.iter().flat_map(|(paint, text)| text.chars().map(|letter| (*paint, letter))).collect()
    }

    fn from_letters(letters: &[(Paint, char)]) -> Line {
        let mut line = Line::new();
        for &(paint, letter) in letters {
            match line.pieces.last_mut() {
                Some((last, text)) if *last == paint => text.push(letter),
                _ => line.pieces.push((paint, letter.to_string())),
            }
        }
        line
    }
}

fn letter_width(letter: char) -> usize {
    unicode_width::UnicodeWidthChar::width(letter).unwrap_or(0)
}

fn letters_width(letters: &[(Paint, char)]) -> usize {
    letters.iter().map(|(_, letter)| letter_width(*letter)).sum()
}

/// How many letters go on a line of `room` columns; at least one, so that wrapping ends.
fn break_point(letters: &[(Paint, char)], room: usize) -> usize {
    let mut taken = 0;
    let mut space = None;
    for (index, (_, letter)) in letters.iter().enumerate() {
        // A number stays with its unit.
        let after_digit = index > 0 && letters[index - 1].1.is_ascii_digit();
        if *letter == ' ' && taken <= room && !after_digit {
            space = Some(index);
        }
        taken += letter_width(*letter);
        if taken > room {
            // A line less than a third full because of one long word is worse than a broken word.
            let worth = |at: &usize| letters_width(&letters[..*at]) * 3 >= room;
            return space.filter(worth).unwrap_or(index).max(1);
        }
    }
    letters.len()
}

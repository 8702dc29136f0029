//! What the terminal and the environment say. Read once, here and nowhere else.

use std::io::IsTerminal;

use jiff::tz::TimeZone;

/// Columns where no terminal tells.
const WIDTH: usize = 100;
/// Narrower or wider pages do not read well.
const WIDTHS: std::ops::RangeInclusive<usize> = 60..=140;

/// The terminal and the environment.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Whether a person reads stdout.
    pub stdout_terminal: bool,
    /// Whether a person reads stderr.
    pub stderr_terminal: bool,
    /// Columns of stdout, where it is a terminal.
    pub width: Option<usize>,
    /// NO_COLOR is set and not empty (no-color.org).
    pub no_color: bool,
    /// CLICOLOR_FORCE is set and not 0 (bixense.com/clicolors).
    pub force_color: bool,
    /// TERM.
    pub term: Option<String>,
    /// The first of LC_ALL, LC_CTYPE and LANG that is set.
    pub locale: Option<String>,
    /// Where the person lives.
    pub zone: TimeZone,
}

impl Surroundings {
    /// As they are now.
    pub fn read() -> Surroundings {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let text = |name: &str| variable(name).map(|value| value.to_string_lossy().into_owned());
        let size = terminal_size::terminal_size_of(std::io::stdout());
        Surroundings {
            stdout_terminal: std::io::stdout().is_terminal(),
            stderr_terminal: std::io::stderr().is_terminal(),
            width: size.map(|(width, _)| usize::from(width.0)),
            no_color: variable("NO_COLOR").is_some(),
            force_color: variable("CLICOLOR_FORCE").is_some_and(|value| value != "0"),
            term: text("TERM"),
            locale: ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(text),
            zone: TimeZone::system(),
        }
    }

    /// Columns to fill.
    pub fn columns(&self) -> usize {
        // A terminal that does not know its size says 0.
        self.width.filter(|width| *width > 0).unwrap_or(WIDTH).clamp(*WIDTHS.start(), *WIDTHS.end())
    }

    /// Whether the terminal understands control sequences.
    pub fn is_dumb(&self) -> bool {
        self.term.as_deref() == Some("dumb")
    }

    /// Whether the terminal shows block characters: taken for granted unless something says otherwise, as an unset
    /// locale is common in containers whose terminal is a modern one. The Linux console lacks most of them.
    pub fn has_blocks(&self) -> bool {
        let locale = self.locale.as_deref().unwrap_or("UTF-8").to_ascii_lowercase();
        let utf8 = locale.ends_with("utf-8") || locale.ends_with("utf8");
        utf8 && !self.is_dumb() && self.term.as_deref() != Some("linux")
    }
}

//! What the screen is about: the board, the row that is chosen, the order, a pause. Keys change it; drawing is `view`'s.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::jobs::watch::{ByHand, Wish};
use crate::report::watch::{Board, Line, Row};

/// The order of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Limit,
    Growth,
    Resident,
    Name,
}

impl Order {
    pub(super) fn word(self) -> &'static str {
        match self {
            Order::Limit => "time to limit",
            Order::Growth => "growth",
            Order::Resident => "resident",
            Order::Name => "name",
        }
    }

    fn next(self) -> Order {
        match self {
            Order::Limit => Order::Growth,
            Order::Growth => Order::Resident,
            Order::Resident => Order::Name,
            Order::Name => Order::Limit,
        }
    }
}

/// What follows from a key.
pub(super) enum Next {
    Stay,
    Quit,
    /// Stop as a job of the shell.
    Suspend,
    Wish(Wish),
}

/// The state of the screen.
pub(super) struct State {
    live: Board,
    /// What is shown while paused.
    still: Option<Board>,
    pub order: Order,
    /// The role that is chosen; rows move under it.
    chosen: Option<String>,
    pub first_row: usize,
    pub helps: bool,
    /// The last thing that was asked for.
    pub remark: String,
    is_replay: bool,
    /// Whether nothing more will come.
    pub is_over: bool,
}

impl State {
    pub(super) fn new(is_replay: bool) -> State {
        State {
            live: Board::default(),
            still: None,
            order: Order::Limit,
            chosen: None,
            first_row: 0,
            helps: false,
            remark: String::new(),
            is_replay,
            is_over: false,
        }
    }

    pub(super) fn take(&mut self, line: &Line) {
        self.live.take(line);
    }

    pub(super) fn is_paused(&self) -> bool {
        self.still.is_some()
    }

    /// What is shown.
    pub(super) fn board(&self) -> &Board {
        self.still.as_ref().unwrap_or(&self.live)
    }

    /// The rows in order, living ones first.
    pub(super) fn rows(&self) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self.board().rows().iter().collect();
        let left = |row: &Row| row.seconds_to_limit().unwrap_or(f64::INFINITY);
        let growth = |row: &Row| row.growth().unwrap_or(0.0);
        match self.order {
            Order::Limit => rows.sort_by(|a, b| left(a).total_cmp(&left(b)).then(growth(b).total_cmp(&growth(a)))),
            Order::Growth => rows.sort_by(|a, b| growth(b).total_cmp(&growth(a))),
            Order::Resident => rows.sort_by_key(|row| std::cmp::Reverse(row.sample.rss_bytes)),
            Order::Name => rows.sort_by(|a, b| a.target.cmp(&b.target)),
        }
        rows.sort_by_key(|row| !row.is_alive);
        rows
    }

    /// Where the chosen row is.
    pub(super) fn chosen(&self, rows: &[&Row]) -> usize {
        let chosen = self.chosen.as_ref();
        chosen.and_then(|chosen| rows.iter().position(|row| row.target == *chosen)).unwrap_or(0)
    }

    /// Whether a wish reached the watch.
    pub(super) fn wished(&mut self, is_heard: bool) {
        if !is_heard {
            self.remark = "the watch is over".into();
        }
    }

    pub(super) fn key(&mut self, key: KeyEvent) -> Next {
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Next::Quit,
            KeyCode::Char('z') if key.modifiers.contains(KeyModifiers::CONTROL) => return Next::Suspend,
            _ => {}
        }
        if self.helps {
            self.helps = false;
            return if key.code == KeyCode::Char('q') { Next::Quit } else { Next::Stay };
        }
        self.remark.clear();
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Next::Quit,
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.helps = true,
            KeyCode::Char('s') => self.order = self.order.next(),
            KeyCode::Char('p' | ' ') => self.still = if self.is_paused() { None } else { Some(self.live.clone()) },
            KeyCode::Char('i') => return self.wish(ByHand::Inspect),
            KeyCode::Char('d') => return self.wish(ByHand::Dump),
            KeyCode::Up | KeyCode::Char('k') => self.step(-1),
            KeyCode::Down | KeyCode::Char('j') => self.step(1),
            KeyCode::PageUp => self.step(-10),
            KeyCode::PageDown => self.step(10),
            KeyCode::Home | KeyCode::Char('g') => self.step(isize::MIN),
            KeyCode::End | KeyCode::Char('G') => self.step(isize::MAX),
            _ => {}
        }
        Next::Stay
    }

    fn step(&mut self, by: isize) {
        let rows = self.rows();
        let now = self.chosen(&rows);
        let next = now.saturating_add_signed(by).min(rows.len().saturating_sub(1));
        self.chosen = rows.get(next).map(|row| row.target.clone());
    }

    fn wish(&mut self, what: ByHand) -> Next {
        if self.is_replay {
            self.remark = "a record cannot be looked into".into();
            return Next::Stay;
        }
        if self.is_over {
            self.remark = "the watch is over".into();
            return Next::Stay;
        }
        let rows = self.rows();
        let row = rows.get(self.chosen(&rows)).filter(|row| row.is_alive);
        let Some((pid, target)) = row.map(|row| (row.sample.pid, row.target.clone())) else {
            self.remark = "it ended".into();
            return Next::Stay;
        };
        let word = if what == ByHand::Dump { "dumping" } else { "looking into" };
        self.remark = format!("{word} {target} …");
        Next::Wish(Wish { pid, what })
    }
}

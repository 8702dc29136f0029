//! The live screen of a watch. Knows the terminal: takes it, draws the board, hears keys, and gives it back as it was,
//! however that ends. What is on the board comes as lines.

mod state;
mod view;

#[cfg(test)]
mod tests;

use std::io::{self, Stdout};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use jiff::tz::TimeZone;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::crossterm::{cursor, execute};

use crate::error::{Error, ErrorKind, Result};
use crate::jobs::watch::Wish;
use crate::report::watch::Line;
use state::{Next, State};

/// How often the screen is drawn at least, and a wish to stop is heard.
const TICK: Duration = Duration::from_millis(200);
/// Lines taken between two drawings.
const AT_ONCE: usize = 100_000;

/// How the screen looks and ends.
pub struct Screen<'s> {
    /// Where the person lives.
    pub zone: TimeZone,
    /// With more than ASCII.
    pub unicode: bool,
    /// With colours.
    pub color: bool,
    /// Whether a record is shown: nothing can be asked of it.
    pub is_replay: bool,
    /// Whether a person asked to stop from outside.
    pub interrupted: &'s dyn Fn() -> bool,
}

/// Gives lines until told to stop; hears wishes.
pub type Source<'s> = dyn Fn(&AtomicBool, &Receiver<Wish>, &mut dyn FnMut(&Line) -> bool) -> Result<()> + Sync + 's;

/// Shows what `source` gives until a person quits.
///
/// # Errors
/// The terminal cannot be had, or what `source` fails on.
pub fn run(screen: &Screen<'_>, source: &Source<'_>) -> Result<()> {
    let stop = AtomicBool::new(false);
    let (wishes, wished) = channel();
    let (lines, taken) = channel();
    std::thread::scope(|scope| {
        let stop = &stop;
        let watcher = scope.spawn(move || source(stop, &wished, &mut |line| lines.send(line.clone()).is_ok()));
        let mut state = State::new(screen.is_replay);
        let is_dead_at_once = || {
            // A watch that cannot begin is told as an error, not on a screen.
            let begun = std::time::Instant::now();
            while !watcher.is_finished() && begun.elapsed() < TICK {
                std::thread::sleep(Duration::from_millis(10));
            }
            watcher.is_finished() && !screen.is_replay
        };
        let shown = if is_dead_at_once() { Ok(()) } else { show(screen, &mut state, &taken, &wishes) };
        stop.store(true, Ordering::Relaxed);
        drop(taken);
        let watched = watcher.join().unwrap_or_else(|_| Err(failure("the watching thread failed")));
        shown.map_err(failure).and(watched)
    })
}

fn failure(reason: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Failed, "cannot use", "the terminal", reason).with_hint("--plain writes lines")
}

fn show(
    screen: &Screen<'_>,
    state: &mut State,
    lines: &Receiver<Line>,
    wishes: &std::sync::mpsc::Sender<Wish>,
) -> io::Result<()> {
    let _taken = Taken::take()?;
    let mut terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
    loop {
        let mut news = lines.try_iter().take(AT_ONCE);
        news.by_ref().for_each(|line| state.take(&line));
        draw(&mut terminal, state, screen)?;
        if (screen.interrupted)() {
            return Ok(());
        }
        if !event::poll(TICK)? {
            continue;
        }
        match event::read()? {
            Event::Key(key) if key.kind != KeyEventKind::Release => match state.key(key) {
                Next::Stay => {}
                Next::Quit => return Ok(()),
                Next::Wish(wish) => state.wished(wishes.send(wish).is_ok()),
            },
            _ => {}
        }
    }
}

fn draw(terminal: &mut Terminal<CrosstermBackend<Stdout>>, state: &mut State, screen: &Screen<'_>) -> io::Result<()> {
    terminal.draw(|frame| view::draw(frame, state, screen)).map(drop)
}

/// The terminal while it is ours. Dropped, or at a panic before anything is said, it is given back.
struct Taken;

impl Taken {
    fn take() -> io::Result<Taken> {
        enable_raw_mode()?;
        let taken = Taken;
        execute!(io::stdout(), EnterAlternateScreen, cursor::Hide)?;
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            give_back();
            before(info);
        }));
        Ok(taken)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        give_back();
    }
}

/// Twice is once.
fn give_back() {
    // A terminal that is gone needs nothing.
    let _ = execute!(io::stdout(), LeaveAlternateScreen, cursor::Show);
    let _ = disable_raw_mode();
}

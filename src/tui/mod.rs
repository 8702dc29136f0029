//! The live screen of a watch. Knows the terminal: takes it, draws the board, hears keys, and gives it back as it was,
//! however that ends. What is on the board comes as lines.

mod state;
mod view;

#[cfg(test)]
mod tests;

use std::io::{self, Stdout};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TrySendError, channel, sync_channel};
use std::time::{Duration, Instant};

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
/// Lines that wait for the screen. A terminal that hangs must neither hold up the watch nor fill our memory.
const WAITING: usize = 10_000;
/// A panic elsewhere is told after the terminal was given back, for which it waits no longer.
const PATIENCE: Duration = Duration::from_secs(2);

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
    let (lines, taken) = sync_channel(WAITING);
    std::thread::scope(|scope| {
        let stop = &stop;
        let waits = screen.is_replay;
        let watcher = scope.spawn(move || {
            source(stop, &wished, &mut |line| match lines.try_send(line.clone()) {
                Ok(()) => true,
                // A record has time; of a watch the screen misses what it has no time for.
                Err(TrySendError::Full(line)) => !waits || lines.send(line).is_ok(),
                Err(TrySendError::Disconnected(_)) => false,
            })
        });
        let mut state = State::new(screen.is_replay);
        let is_dead_at_once = || {
            // A watch that cannot begin is told as an error, not on a screen.
            let begun = Instant::now();
            while !watcher.is_finished() && begun.elapsed() < TICK {
                std::thread::sleep(Duration::from_millis(10));
            }
            watcher.is_finished() && !screen.is_replay
        };
        let is_over = || watcher.is_finished();
        let shown = if is_dead_at_once() { Ok(()) } else { show(screen, &mut state, &taken, &wishes, &is_over) };
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
    is_over: &dyn Fn() -> bool,
) -> io::Result<()> {
    let terminal_taken = Taken::take()?;
    let mut terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
    loop {
        // Asked first: what is over has said all it has to say.
        state.is_over = is_over();
        lines.try_iter().take(WAITING).for_each(|line| state.take(&line));
        // A watch that came to nothing, or broke, is told as an error.
        let is_broken = terminal_taken.failed.load(Ordering::Relaxed);
        if is_broken || state.is_over && state.board().rows().is_empty() {
            return Ok(());
        }
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
struct Taken {
    /// A thread panicked.
    failed: Arc<AtomicBool>,
    given_back: Arc<AtomicBool>,
}

impl Taken {
    fn take() -> io::Result<Taken> {
        enable_raw_mode()?;
        let taken = Taken { failed: Arc::default(), given_back: Arc::default() };
        execute!(io::stdout(), EnterAlternateScreen, cursor::Hide)?;
        let (failed, given_back) = (Arc::clone(&taken.failed), Arc::clone(&taken.given_back));
        let drawing = std::thread::current().id();
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            failed.store(true, Ordering::Relaxed);
            if std::thread::current().id() == drawing {
                give_back();
            } else {
                // The screen is about to be drawn: what were said now would be painted over, or paint over it.
                let begun = Instant::now();
                while !given_back.load(Ordering::Relaxed) && begun.elapsed() < PATIENCE {
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
            before(info);
        }));
        Ok(taken)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        give_back();
        self.given_back.store(true, Ordering::Relaxed);
    }
}

/// Twice is once.
fn give_back() {
    // A terminal that is gone needs nothing.
    let _ = execute!(io::stdout(), LeaveAlternateScreen, cursor::Show);
    let _ = disable_raw_mode();
}

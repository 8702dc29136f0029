//! The live screen of a watch: draws the board on the terminal, hears keys, and ends when asked to, whatever the terminal
//! does. What is on the board comes as lines; the terminal itself is `held`'s.

mod held;
mod state;
mod view;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use ratatui::crossterm::terminal::disable_raw_mode;
use signal_hook::consts::SIGTERM;
use signal_hook::low_level::emulate_default_handler;

use crate::error::{Error, ErrorKind, Result};
use crate::jobs::watch::{WAITING, Wish, outlet};
use crate::report::watch::Line;
use held::Held;
use state::{Next, State};

/// How often the screen is drawn at least, and a wish to stop is heard.
const TICK: Duration = Duration::from_millis(200);
/// Who asked to stop waits no longer for a terminal that takes nothing.
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
    pub interrupted: &'s (dyn Fn() -> bool + Sync),
    /// Called when the terminal was given back.
    pub given_back: &'s dyn Fn(),
}

/// Gives lines until told to stop; hears wishes.
pub type Source<'s> = dyn Fn(&AtomicBool, &Receiver<Wish>, &mut dyn FnMut(&Line) -> bool) -> Result<()> + Sync + 's;

/// Shows what `source` gives until a person quits.
///
/// # Errors
/// The terminal cannot be had, or what `source` fails on.
pub fn run(screen: &Screen<'_>, source: &Source<'_>) -> Result<()> {
    let stop = AtomicBool::new(false);
    let given_back = Arc::new(AtomicBool::new(false));
    let (wishes, wished) = channel();
    let (mut outlet, lines) = outlet(!screen.is_replay);
    std::thread::scope(|scope| {
        let stop = &stop;
        let watcher = scope.spawn(move || source(stop, &wished, &mut |line| outlet.put(line)));
        let guard = scope.spawn(|| end_if_stuck(screen.interrupted, &given_back));
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
        let shown = if is_dead_at_once() {
            Ok(())
        } else {
            Held::take(&given_back).and_then(|held| show(held, screen, &mut state, &lines, &wishes, &is_over))
        };
        given_back.store(true, Ordering::Relaxed);
        guard.thread().unpark();
        (screen.given_back)();
        stop.store(true, Ordering::Relaxed);
        drop(lines);
        let watched = watcher.join().unwrap_or_else(|_| Err(broken()));
        shown.map_err(failure).and(watched)
    })
}

fn failure(reason: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Failed, "cannot use", "the terminal", reason).with_hint("--plain writes lines")
}

fn broken() -> Error {
    Error::new(ErrorKind::Failed, "cannot go on with", "the watch", "its thread failed")
}

/// Who draws on a terminal that takes nothing, a connection that hangs, hears no wish to stop: then this ends us.
fn end_if_stuck(interrupted: &(dyn Fn() -> bool + Sync), given_back: &AtomicBool) {
    let mut asked = None;
    while !given_back.load(Ordering::Relaxed) {
        std::thread::park_timeout(TICK);
        asked = asked.or_else(|| interrupted().then(Instant::now));
        if asked.is_some_and(|asked: Instant| asked.elapsed() >= PATIENCE) {
            let _ = disable_raw_mode();
            let _ = emulate_default_handler(SIGTERM);
        }
    }
}

fn show(
    mut held: Held,
    screen: &Screen<'_>,
    state: &mut State,
    lines: &Receiver<Line>,
    wishes: &Sender<Wish>,
    is_over: &dyn Fn() -> bool,
) -> io::Result<()> {
    loop {
        // Asked first: what is over has said all it has to say.
        state.is_over = is_over();
        lines.try_iter().take(WAITING).for_each(|line| state.take(&line));
        // A watch that came to nothing, or broke, is told as an error.
        let came_to_nothing = state.is_over && state.board().rows().is_empty();
        if came_to_nothing || !held.draw(|frame| view::draw(frame, state, screen))? || (screen.interrupted)() {
            return Ok(());
        }
        let Some(key) = held.key(TICK)? else { continue };
        match state.key(key) {
            Next::Stay => {}
            Next::Quit => return Ok(()),
            Next::Suspend => held.suspend()?,
            Next::Wish(wish) => state.wished(wishes.send(wish).is_ok()),
        }
    }
}

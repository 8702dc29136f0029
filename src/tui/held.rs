//! The terminal while it is ours: taken, drawn on, listened to, and given back as it was, however the screen ends: by a key,
//! a signal, a panic, a stop. What is drawn is `view`'s.

use std::io::{self, Stdout, stdout};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{getpgrp, getsid};
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event, KeyEvent, KeyEventKind};
use ratatui::crossterm::terminal::{Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen};
use ratatui::crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use ratatui::crossterm::{cursor, execute};
use ratatui::{Frame, Terminal};
use signal_hook::consts::{SIGCONT, SIGTSTP};
use signal_hook::flag;
use signal_hook::low_level::emulate_default_handler;

/// A panic elsewhere is told after the terminal was given back, for which it waits no longer.
const PATIENCE: Duration = Duration::from_secs(2);
const NAP: Duration = Duration::from_millis(10);

/// The terminal while it is ours. Dropped, or at a panic before anything is said, it is given back.
pub(super) struct Held {
    screen: Terminal<CrosstermBackend<Stdout>>,
    events: Receiver<Event>,
    /// We are to stop as a job of a shell.
    to_stop: Arc<AtomicBool>,
    /// We were stopped and go on: others had the terminal meanwhile.
    continued: Arc<AtomicBool>,
    /// A thread panicked.
    failed: Arc<AtomicBool>,
    given_back: Arc<AtomicBool>,
}

impl Held {
    /// Takes the terminal; `given_back` is raised when it is ours no longer.
    pub(super) fn take(given_back: &Arc<AtomicBool>) -> io::Result<Held> {
        let (to_stop, continued, failed) = (Arc::default(), Arc::default(), Arc::default());
        flag::register(SIGTSTP, Arc::clone(&to_stop))?;
        flag::register(SIGCONT, Arc::clone(&continued))?;
        give_back_at_panic(&failed, given_back);
        let screen = take().inspect_err(|_| give_back())?;
        let (sender, events) = channel();
        // On a thread of its own that nobody waits for: crossterm 0.29 never returns from half a key that is not followed by
        // the other half, nor from a terminal that hung up.
        let keys = move || while event::read().is_ok_and(|event| sender.send(event).is_ok()) {};
        let held = Held { screen, events, to_stop, continued, failed, given_back: Arc::clone(given_back) };
        std::thread::Builder::new().name("keys".into()).spawn(keys)?;
        Ok(held)
    }

    /// Draws; false where a thread panicked: then there is nothing more to show.
    pub(super) fn draw(&mut self, view: impl FnOnce(&mut Frame<'_>)) -> io::Result<bool> {
        if self.failed.load(Ordering::Relaxed) {
            return Ok(false);
        }
        if self.to_stop.load(Ordering::Relaxed) {
            self.stop()?;
        } else if self.continued.swap(false, Ordering::Relaxed) {
            self.retake()?;
        }
        self.screen.draw(view)?;
        Ok(true)
    }

    /// The next key, where one is pressed within `longest`; something else than a key ends the wait too.
    pub(super) fn key(&self, longest: Duration) -> io::Result<Option<KeyEvent>> {
        match self.events.recv_timeout(longest) {
            Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => Ok(Some(key)),
            Ok(_) | Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("no keys can be read")),
        }
    }

    /// Stops with all who were started with us until the shell lets us go on.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        give_back();
        killpg(getpgrp(), Signal::SIGTSTP)?;
        self.stop()
    }

    /// Gives the terminal back and stops, where somebody is there who could let us go on: without a shell we lead the session
    /// ourselves, or are one with who does.
    fn stop(&mut self) -> io::Result<()> {
        if getsid(None)? != getpgrp() {
            give_back();
            emulate_default_handler(SIGTSTP)?;
        }
        self.to_stop.store(false, Ordering::Relaxed);
        self.continued.store(false, Ordering::Relaxed);
        self.retake()
    }

    /// Takes the terminal anew, as others left it.
    fn retake(&mut self) -> io::Result<()> {
        disable_raw_mode()?;
        self.screen = take()?;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        give_back();
        self.given_back.store(true, Ordering::Relaxed);
    }
}

fn take() -> io::Result<Terminal<CrosstermBackend<Stdout>>> {
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen, Clear(ClearType::All), cursor::Hide)?;
    Terminal::new(CrosstermBackend::new(stdout()))
}

/// Twice is once.
fn give_back() {
    // A terminal that is gone needs nothing.
    let _ = execute!(stdout(), LeaveAlternateScreen, cursor::Show);
    let _ = disable_raw_mode();
}

/// At a panic the terminal is given back before anything is said.
fn give_back_at_panic(failed: &Arc<AtomicBool>, given_back: &Arc<AtomicBool>) {
    let (failed, given_back) = (Arc::clone(failed), Arc::clone(given_back));
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
                std::thread::sleep(NAP);
            }
        }
        before(info);
    }));
}

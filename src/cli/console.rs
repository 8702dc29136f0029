//! stderr while a job runs: moving bars on a terminal, notes, warnings, the error at the end.
//! A bar is cleared before anything else is written, and when the console goes.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anstyle::AnsiColor;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::plan::Voice;
use crate::progress::Progress;
use crate::report::escape;
use crate::units::ByteCount;

/// How often a bar moves without news.
const TICK: Duration = Duration::from_millis(100);

/// stderr while a job runs.
pub struct Console {
    voice: Voice,
    interrupted: Arc<AtomicBool>,
    bar: Mutex<Option<ProgressBar>>,
}

impl Console {
    /// A console that speaks with `voice`; `interrupted` is raised when a person asks to stop.
    pub fn new(voice: Voice, interrupted: Arc<AtomicBool>) -> Console {
        Console { voice, interrupted, bar: Mutex::new(None) }
    }

    /// What a person should know at once.
    pub fn note(&self, text: &str) {
        if !self.voice.quiet {
            self.say("note", AnsiColor::Cyan, text);
        }
    }

    /// A caution that goes with the answer.
    pub fn warn(&self, text: &str) {
        if !self.voice.quiet {
            self.say("warning", AnsiColor::Yellow, text);
        }
    }

    /// Why there is no answer; said in any case.
    pub fn error(&self, text: &str) {
        self.say("error", AnsiColor::Red, text);
    }

    /// One line; text of the target may be in it.
    fn say(&self, word: &str, color: AnsiColor, text: &str) {
        let style = match self.voice.color {
            true => anstyle::Style::new().fg_color(Some(color.into())).bold(),
            false => anstyle::Style::new(),
        };
        let line = format!("{style}{word}:{style:#} {}\n", escape::terminal(text));
        // Nobody is left to tell that stderr is closed.
        let write = || drop(std::io::stderr().write_all(line.as_bytes()));
        match self.bar().as_ref() {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn begin_bar(&self, stage: &str, total: Option<u64>, style: Option<ProgressStyle>) {
        self.end();
        if !self.voice.bars {
            return;
        }
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        if let Some(style) = style {
            bar.set_style(style);
        }
        bar.set_message(escape::terminal(stage).into_owned());
        bar.enable_steady_tick(TICK);
        *self.bar() = Some(bar);
    }

    /// The templates are ours; one that indicatif refused would leave its plain look.
    fn bytes_style(&self) -> Option<ProgressStyle> {
        let template = "{spinner:.cyan} {msg} {bar:24.cyan/dim} {percent}% {binary_bytes_per_sec}, {eta} left";
        let marks = if self.voice.unicode { "█▉▊▋▌▍▎▏ " } else { "##." };
        Some(self.spinning(ProgressStyle::with_template(template).ok()?).progress_chars(marks))
    }

    /// Counts up, or down from `time`.
    fn waiting_style(&self, time: Option<Duration>) -> Option<ProgressStyle> {
        let style = self.spinning(ProgressStyle::with_template("{spinner:.cyan} {msg} {clock}").ok()?);
        Some(style.with_key("clock", move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let clock = match time {
                Some(time) => format!("{} s left", time.saturating_sub(state.elapsed()).as_secs_f64().ceil()),
                None => format!("{} s", state.elapsed().as_secs()),
            };
            // indicatif's own buffer takes whatever is written.
            let _ = out.write_str(&clock);
        }))
    }

    fn spinning(&self, style: ProgressStyle) -> ProgressStyle {
        if self.voice.unicode { style } else { style.tick_chars("-\\|/ ") }
    }

    fn bar(&self) -> MutexGuard<'_, Option<ProgressBar>> {
        // A thread that died while it drew leaves a bar that is still good to clear.
        self.bar.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Console {
    fn begin(&self, stage: &str, total: Option<ByteCount>) {
        match total {
            Some(total) => self.begin_bar(stage, Some(total.0), self.bytes_style()),
            None => self.begin_bar(stage, None, self.waiting_style(None)),
        }
    }

    fn begin_wait(&self, stage: &str, time: Duration) {
        self.begin_bar(stage, None, self.waiting_style(Some(time)));
    }

    fn advance(&self, bytes: ByteCount) {
        if let Some(bar) = self.bar().as_ref() {
            bar.inc(bytes.0);
        }
    }

    fn end(&self) {
        if let Some(bar) = self.bar().take() {
            bar.finish_and_clear();
        }
    }

    fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.end();
    }
}

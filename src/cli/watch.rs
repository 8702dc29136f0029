//! `watch` and `report` on the command line: what was decided, and where lines go: to a live screen, as text, as JSON, into
//! a page.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::args::Common;
use super::console::Console;
use super::plan::{MAX_MEMORY, Voice, style, usage, voice};
use super::surroundings::Surroundings;
use super::watch_args::{ReportArgs, WatchArgs};
use super::{exit, interrupt, is_closed, unwritten};
use crate::error::Result;
use crate::jobs::watch::{Actions, Level, WAITING, Watch, outlet};
use crate::jobs::{self, Context};
use crate::progress::Progress;
use crate::report::watch::{EventKind, Line, Verdict, text};
use crate::tui::{self, Screen};
use crate::units::ByteCount;

/// A sample a target is shown at least so often as text, in seconds.
const SHOWN_EVERY: f64 = 10.0;
/// Growth is shown again as text where its pace or its end moved by this part.
const SHOWN_NEWS: f64 = 0.25;

/// All that was decided about a watch or a record.
#[derive(Clone, Debug)]
pub struct WatchPlan {
    what: What,
    show: Show,
    every_sample: bool,
    zone: TimeZone,
    unicode: bool,
    color: bool,
    /// What leakscope may use.
    pub max_memory: ByteCount,
    /// Mask values in reports.
    pub redact: bool,
    /// How to speak on stderr.
    pub voice: Voice,
}

#[derive(Clone, Debug)]
enum What {
    Watch(Box<Watch>),
    Replay(PathBuf),
    Report { record: PathBuf, output: PathBuf, force: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Show {
    Screen,
    Text,
    Json,
}

impl WatchPlan {
    /// Whether the terminal becomes a screen.
    pub fn is_on_screen(&self) -> bool {
        self.show == Show::Screen
    }
}

/// Decides about a watch.
pub fn plan(typed: WatchArgs, common: &Common, around: &Surroundings) -> Result<WatchPlan> {
    let is_terminal = around.stdout_terminal && !around.is_dumb();
    let show = match () {
        () if common.json => Show::Json,
        () if is_terminal && !typed.plain => Show::Screen,
        () => Show::Text,
    };
    let every_sample = typed.verbose || common.json;
    let what = match typed.replay.clone() {
        Some(path) => What::Replay(path),
        None => What::Watch(Box::new(watch(typed, common)?)),
    };
    Ok(decided(what, show, every_sample, common, around))
}

/// Decides about a page.
pub fn report_plan(typed: ReportArgs, common: &Common, around: &Surroundings) -> Result<WatchPlan> {
    let what = What::Report { record: typed.record, output: typed.output, force: typed.force };
    Ok(decided(what, Show::Text, false, common, around))
}

fn decided(what: What, show: Show, every_sample: bool, common: &Common, around: &Surroundings) -> WatchPlan {
    let style = style(common.color, around);
    let mut voice = voice(common.quiet, common.color, around);
    // What is said beside a live screen would tear it.
    voice.quiet |= show == Show::Screen;
    WatchPlan {
        what,
        show,
        every_sample,
        zone: style.zone,
        unicode: style.unicode,
        color: style.color,
        max_memory: common.max_memory.unwrap_or(MAX_MEMORY),
        redact: common.redact,
        voice,
    }
}

fn watch(typed: WatchArgs, common: &Common) -> Result<Watch> {
    if let Some(address) = typed.listen.filter(|address| !address.ip().is_loopback() && !typed.listen_any) {
        return Err(usage("--listen", format!("{address} can be reached from other machines"))
            .with_hint("add --listen-any if that is wanted"));
    }
    if typed.dump.is_some() && common.redact {
        return Err(usage("--redact", "--dump copies bytes as they are"));
    }
    let inspects = typed.action.is_some() || typed.dump.is_some();
    let acts = inspects || typed.exec.is_some();
    let mut levels = typed.at;
    if acts && levels.is_empty() {
        levels = vec![Level::Share(0.8), Level::Left(Duration::from_secs(60))];
    }
    Ok(Watch {
        selectors: typed.targets,
        interval: typed.interval,
        window: typed.window,
        record: typed.record,
        levels,
        actions: Actions {
            inspect: inspects,
            folder: typed.dump.clone().or(typed.evidence).unwrap_or_else(|| PathBuf::from(".")),
            dump: typed.dump.is_some(),
            exec: typed.exec,
            keep: typed.keep as usize,
            max_disk: typed.max_disk,
            redact: common.redact,
        },
        cool_down: typed.cool_down,
        listen: typed.listen,
    })
}

/// Does it, and answers how that ended.
pub fn carry_out(plan: &WatchPlan, context: &Context, console: &Console) -> u8 {
    let outcome = match (&plan.what, plan.show) {
        (What::Report { record, output, force }, _) => jobs::report_page(record, output, *force, &plan.zone, context),
        (What::Watch(watch), Show::Screen) => on_screen(plan, context, Some(watch), None),
        (What::Replay(path), Show::Screen) => on_screen(plan, context, None, Some(path.clone())),
        (What::Watch(watch), _) => written(plan, console, &mut |each| jobs::watch::run(watch, context, None, each)),
        (What::Replay(path), _) => written(plan, console, &mut |each| jobs::watch::replay(path, context, each)),
    };
    match outcome {
        Ok(()) => exit::ANSWERED,
        Err(error) => {
            console.error(&error.to_string());
            exit::code(error.kind())
        }
    }
}

fn on_screen(plan: &WatchPlan, context: &Context, watch: Option<&Watch>, replay: Option<PathBuf>) -> Result<()> {
    let screen = Screen {
        zone: plan.zone.clone(),
        unicode: plan.unicode,
        color: plan.color,
        is_replay: replay.is_some(),
        interrupted: &|| context.progress.interrupted(),
        given_back: &interrupt::ends_at_once,
    };
    tui::run(&screen, &|stop, wishes, each| {
        let progress = Stoppable { outer: context.progress, stop };
        let context = Context { progress: &progress, ..*context };
        match (watch, &replay) {
            (Some(watch), _) => jobs::watch::run(watch, &context, Some(wishes), each),
            (None, Some(path)) => jobs::watch::replay(path, &context, each),
            (None, None) => Ok(()),
        }
    })
}

/// The wish to stop that a key expresses.
struct Stoppable<'p> {
    outer: &'p dyn Progress,
    stop: &'p std::sync::atomic::AtomicBool,
}

impl Progress for Stoppable<'_> {
    fn begin(&self, _stage: &str, _total: Option<ByteCount>) {}
    fn advance(&self, _bytes: ByteCount) {}
    fn end(&self) {}
    fn interrupted(&self) -> bool {
        self.stop.load(std::sync::atomic::Ordering::Relaxed) || self.outer.interrupted()
    }
}

type Source<'s> = dyn FnMut(&mut dyn FnMut(&Line) -> bool) -> Result<()> + 's;

/// Lines as text or JSON on stdout, written by a thread of its own.
fn written(plan: &WatchPlan, console: &Console, source: &mut Source<'_>) -> Result<()> {
    let (mut outlet, taken) = outlet(matches!(plan.what, What::Watch(_)));
    let (outcome, wrote, lost) = std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            let out = io::BufWriter::new(io::stdout().lock());
            Writer { plan, out, shown: HashMap::new() }.write_all(&taken)
        });
        let outcome = source(&mut |line| outlet.put(line));
        let lost = outlet.lost;
        drop(outlet);
        (outcome, writer.join().unwrap_or_else(|_| Err(io::Error::other("the writing thread failed"))), lost)
    });
    console.end();
    if lost > 0 {
        console.note(&format!("{lost} lines were not written, since stdout was not read; a --record has them"));
    }
    match wrote {
        Err(error) if !is_closed(&error) => Err(unwritten(error)),
        _ => outcome,
    }
}

struct Writer<'p, W: Write> {
    plan: &'p WatchPlan,
    out: W,
    /// What was last shown of each target.
    shown: HashMap<String, Shown>,
}

#[derive(Default)]
struct Shown {
    /// When a sample was.
    sample_at: Option<f64>,
    verdict: Option<Verdict>,
}

impl<W: Write> Writer<'_, W> {
    /// Writes what comes until nobody can send any more; shown at once, in one piece where several wait.
    fn write_all(&mut self, lines: &Receiver<Line>) -> io::Result<()> {
        while let Ok(line) = lines.recv() {
            self.write(&line)?;
            lines.try_iter().take(WAITING).try_for_each(|line| self.write(&line))?;
            self.out.flush()?;
        }
        Ok(())
    }

    fn write(&mut self, line: &Line) -> io::Result<()> {
        if self.plan.show == Show::Json {
            serde_json::to_writer(&mut self.out, line)?;
            self.out.write_all(b"\n")?;
        } else if self.is_shown(line)
            && let Some(text) = text::line(line, &self.plan.zone)
        {
            self.out.write_all(text.as_bytes())?;
            self.out.write_all(b"\n")?;
        }
        Ok(())
    }

    /// Whether `line` is for people: not every sample, nor every time left that a screen counts down from.
    fn is_shown(&mut self, line: &Line) -> bool {
        match line {
            _ if self.plan.every_sample => true,
            Line::Watch(_) => true,
            Line::Event(event) => {
                if matches!(event.event, EventKind::Exited | EventKind::OomKilled) {
                    self.shown.remove(&event.target);
                }
                true
            }
            Line::Sample(sample) => {
                let last = &mut self.shown.entry(sample.target.clone()).or_default().sample_at;
                let shown = last.is_none_or(|last| sample.at_seconds - last >= SHOWN_EVERY);
                if shown {
                    *last = Some(sample.at_seconds);
                }
                shown
            }
            Line::Verdict(verdict) => {
                let last = &mut self.shown.entry(verdict.target.clone()).or_default().verdict;
                let is_same = |last: &Verdict| match verdict.accuses() {
                    true => last.accuses() && !verdict.differs(last, SHOWN_NEWS, SHOWN_NEWS),
                    false => (&last.kind, last.shape) == (&verdict.kind, verdict.shape),
                };
                let shown = !last.as_ref().is_some_and(is_same);
                if shown {
                    *last = Some(verdict.clone());
                }
                shown
            }
        }
    }
}

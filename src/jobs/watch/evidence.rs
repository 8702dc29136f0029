//! Evidence, secured while the process still lives: a report of what fills it, its bytes, a command of the user's. Works
//! on a thread of its own, one order after the other, and keeps within what it may fill of the disk.

use std::collections::VecDeque;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::command;
use crate::error::{Error, ErrorKind, Result};
use crate::jobs::writing::write_whole;
use crate::jobs::{Context, MethodChoice, Scan, Selector, Subject, inspect};
use crate::memory::{DumpOptions, dump};
use crate::progress::Progress;
use crate::report::watch::{Sample, Verdict};
use crate::report::{self, Document};
use crate::target::Target;
use crate::units::{ByteCount, Span};

/// What is done at a level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actions {
    /// Look into the process and write a report.
    pub inspect: bool,
    /// Where reports and bytes go.
    pub folder: PathBuf,
    /// Keep the suspect's bytes too.
    pub dump: bool,
    /// Run through `sh -c`.
    pub exec: Option<String>,
    /// Sets of evidence kept, the newest.
    pub keep: usize,
    /// What they may fill.
    pub max_disk: ByteCount,
    /// With values masked.
    pub redact: bool,
}

/// The longest and the shortest look, and the part of the time left that it may take.
const LONGEST: Duration = Duration::from_secs(10);
const SHORTEST: Duration = Duration::from_millis(200);
const PART_OF_TIME_LEFT: f64 = 0.2;
/// Groups in a report made in a hurry.
const GROUPS: usize = 50;
/// With less time left than this there is one pass over the bytes and no long look: on a machine that is short of processors
/// too a look takes many times its window.
const HURRY: Duration = Duration::from_secs(30);
/// Commands of the user's that run at once.
const COMMANDS: usize = 8;

/// What to secure.
#[derive(Clone, Debug)]
pub struct Order {
    /// How the process stood.
    pub sample: Sample,
    /// When the process was started, in clock ticks since the boot: another one of its number is not meant.
    pub started: u64,
    /// What was thought of it.
    pub verdict: Option<Verdict>,
    /// Why, in words.
    pub reason: String,
    /// Until the limit, as far as known.
    pub left: Option<Duration>,
    /// Whether it was met too lately to know how fast it grows: it may be at its end.
    pub is_new: bool,
    /// Ask for a report, for bytes, whatever the actions say: a person did.
    pub by_hand: Option<ByHand>,
}

/// What a person asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByHand {
    /// A report.
    Inspect,
    /// A report and bytes.
    Dump,
}

/// What came of an order.
#[derive(Debug)]
pub struct Outcome {
    /// The order.
    pub order: Order,
    /// Files that are complete.
    pub paths: Vec<PathBuf>,
    /// How long it took.
    pub took: Duration,
    /// What went wrong, a line each.
    pub failures: Vec<String>,
    /// Whether the next order is taken; a command of the user's may tell later how it ended.
    pub is_secured: bool,
}

/// Bytes that were secured in a hurry and are yet to be looked into.
struct Dumped {
    order: Order,
    base: PathBuf,
    paths: Vec<PathBuf>,
    began: Instant,
    failures: Vec<String>,
}

/// Carries out orders until nobody can give one any more. What needs the process comes first: commands run beside, so that
/// one that hangs delays nobody, and so does the look into bytes that are in a file. All are waited for at the end.
pub fn work(orders: &Receiver<Order>, outcomes: &Sender<Outcome>, actions: &Actions, context: &Context) {
    let quiet = Quiet { outer: context.progress };
    let context = &Context { progress: &quiet, remark: &|_| (), ..*context };
    let (kept, running) = (&Mutex::new(Kept::default()), &AtomicUsize::new(0));
    let (dumped, taken) = channel::<Dumped>();
    std::thread::scope(|scope| {
        // Dropped at the end of the orders: then nothing more comes to be looked into.
        let dumped = dumped;
        let tell = move |told: Dumped| {
            let Dumped { order, paths, began, mut failures, .. } = told;
            let command = actions.exec.as_ref().filter(|_| order.by_hand.is_none());
            let starts = command.is_some() && running.load(Ordering::Relaxed) < COMMANDS;
            if command.is_some() && !starts {
                failures.push(format!("--exec is not run: {COMMANDS} of it run already"));
            }
            let secured = Outcome { order, paths, took: began.elapsed(), failures, is_secured: true };
            if let Some(command) = command.filter(|_| starts) {
                let (order, paths) = (secured.order.clone(), secured.paths.clone());
                running.fetch_add(1, Ordering::Relaxed);
                scope.spawn(move || {
                    let ended = command::run(command, &order, &paths, context.progress);
                    running.fetch_sub(1, Ordering::Relaxed);
                    if let Err(error) = ended {
                        let (took, failures) = (began.elapsed(), vec![error.to_string()]);
                        let _ = outcomes.send(Outcome { order, paths: Vec::new(), took, failures, is_secured: false });
                    }
                });
            }
            // Nobody hears any more where the watch is over.
            let _ = outcomes.send(secured);
        };
        scope.spawn(move || {
            for mut dumped in taken {
                look_later(&mut dumped, kept, actions, context);
                tell(dumped);
            }
        });
        while let Ok(order) = orders.recv() {
            if context.progress.interrupted() {
                return;
            }
            let base = actions.folder.join(name(&order.sample));
            let mut made = Dumped { order, base, paths: Vec::new(), began: Instant::now(), failures: Vec::new() };
            let is_whole = secure(&mut made, actions, kept, context);
            held(kept).add(made.paths.clone(), actions);
            if is_whole {
                tell(made);
            } else {
                let _ = dumped.send(made);
            }
        }
    });
}

/// Looks into bytes that are in a file. They may have had to go meanwhile; a report without them is worth keeping.
fn look_later(dumped: &mut Dumped, kept: &Mutex<Kept>, actions: &Actions, context: &Context) {
    let Dumped { order, base, paths, failures, .. } = dumped;
    let report = scan(order, paths.first().map(PathBuf::as_path), base, actions, context);
    let first = paths.first().cloned();
    if let Some(report) = keep(report.map(|path| vec![path]), paths, failures) {
        held(kept).join(first.as_deref(), report, actions);
    }
}

fn held(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says nothing of stages, and hears the wish to stop.
struct Quiet<'p> {
    outer: &'p dyn Progress,
}

impl Progress for Quiet<'_> {
    fn begin(&self, _stage: &str, _total: Option<ByteCount>) {}
    fn advance(&self, _bytes: ByteCount) {}
    fn end(&self) {}
    fn interrupted(&self) -> bool {
        self.outer.interrupted()
    }
}

/// Secures what needs the process. False where bytes are left to be looked into.
fn secure(made: &mut Dumped, actions: &Actions, kept: &Mutex<Kept>, context: &Context) -> bool {
    let Dumped { order, base, paths, failures, .. } = made;
    let dumps = if order.by_hand.is_some() { order.by_hand == Some(ByHand::Dump) } else { actions.dump };
    if !actions.inspect && order.by_hand.is_none() {
        return true;
    }
    let target = match Target::open(order.sample.pid) {
        Ok(target) if target.identity().start_ticks == order.started => target,
        Ok(_) => {
            failures.push(format!("pid {} is another process by now", order.sample.pid));
            return true;
        }
        Err(error) => {
            failures.push(error.to_string());
            return true;
        }
    };
    // Bytes first: those that are in a file can be looked into when the process is gone.
    let dump = dumps.then(|| dump_suspect(&target, base, actions, kept, context));
    let is_dumped = dump.and_then(|dump| keep(dump, paths, failures)).is_some();
    let hurries = order.left.map_or(order.is_new, |left| left < HURRY);
    match (hurries, is_dumped) {
        (true, true) => return false,
        (true, false) => {
            let report = scan(order, None, base, actions, context).map(|path| vec![path]);
            keep(report, paths, failures);
        }
        (false, _) => match look_into(&target, order, base, actions, context) {
            Ok(report) => paths.push(report),
            Err(_) if is_dumped => return false,
            Err(error) => failures.push(error.to_string()),
        },
    }
    true
}

/// Takes note of files or of why there are none; the first file.
fn keep(made: Result<Vec<PathBuf>>, paths: &mut Vec<PathBuf>, failures: &mut Vec<String>) -> Option<PathBuf> {
    match made {
        Ok(made) => {
            let first = made.first().cloned();
            paths.extend(made);
            first
        }
        Err(error) => {
            failures.push(error.to_string());
            None
        }
    }
}

/// How long to look, so that the report is done before the process is.
fn window(left: Option<Duration>) -> Duration {
    left.map_or(LONGEST, |left| left.mul_f64(PART_OF_TIME_LEFT)).clamp(SHORTEST, LONGEST)
}

fn look_into(target: &Target, order: &Order, base: &Path, actions: &Actions, context: &Context) -> Result<PathBuf> {
    let selector = Selector { text: order.sample.pid.to_string(), all: false };
    let request = inspect::plain(selector, window(order.left));
    let answer: report::Inspect = inspect::examine(target, &request, context)?;
    write_report(Document::Inspect(Box::new(answer)), base, actions)
}

/// What fills the bytes that were kept, or the process while it lasts: one pass, nobody is stopped for it.
fn scan(order: &Order, dumped: Option<&Path>, base: &Path, actions: &Actions, context: &Context) -> Result<PathBuf> {
    let subject = match dumped {
        Some(path) => Subject::File { path: path.to_owned(), base: None },
        None => Subject::Target(Selector { text: order.sample.pid.to_string(), all: false }),
    };
    let method = MethodChoice::Live;
    let request = Scan { subject, part: None, top: GROUPS, method, max_pause: None, include_swapped: false };
    let document = crate::jobs::scan::run(&request, context)?.pop();
    let nothing = || Error::new(ErrorKind::Failed, "cannot scan", &order.sample.target, "there is no answer");
    write_report(document.ok_or_else(nothing)?, base, actions)
}

fn write_report(mut document: Document, base: &Path, actions: &Actions) -> Result<PathBuf> {
    if actions.redact {
        report::redact::document(&mut document);
    }
    let mut text = Vec::new();
    let path = base.with_extension("json");
    report::json::write(&document, &mut text)
        .map_err(|error| Error::new(ErrorKind::Failed, "cannot write", path.display().to_string(), error))?;
    write_whole(&path, &text, false)?;
    Ok(path)
}

/// The bytes of the largest private mapping: what has leaked for long is what is large.
fn dump_suspect(
    target: &Target,
    base: &Path,
    actions: &Actions,
    kept: &Mutex<Kept>,
    context: &Context,
) -> Result<Vec<PathBuf>> {
    let look = target.look(Duration::ZERO)?;
    let choice = crate::growth::choose(&look.map.regions, &[]);
    let region = choice.and_then(|choice| look.map.regions.get(choice.region));
    let span = region.and_then(|region| region.parts.iter().max_by_key(|part| part.size()).copied());
    let span: Span = span.ok_or_else(|| {
        Error::new(ErrorKind::Failed, "cannot dump", target.subject(), "it has no private writable memory")
    })?;
    if span.size() > actions.max_disk {
        let reason = format!("{} are more than --max-disk {}", span.size(), actions.max_disk);
        return Err(Error::new(ErrorKind::Failed, "cannot dump", target.subject(), reason));
    }
    held(kept).make_room(span.size(), actions);
    // With force it is written aside and renamed when it is whole; its name is new.
    let options = DumpOptions { force: true, ..DumpOptions::default() };
    let dumped = dump(target, span, &base.with_extension("raw"), &options, context.progress)?;
    Ok(vec![dumped.path, dumped.manifest_path])
}

/// `leakscope-nginx-worker-1-4711-20261121T041500.123Z`, of letters that no shell minds.
fn name(sample: &Sample) -> String {
    let mild = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
    let role: String = sample.target.chars().take(48).map(mild).collect();
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S%3fZ");
    format!("leakscope-{role}-{}-{now}", sample.pid)
}

/// The sets of evidence that this watch made and that are still there.
#[derive(Debug, Default)]
struct Kept {
    sets: VecDeque<Vec<PathBuf>>,
}

impl Kept {
    /// Adds a set and removes the oldest ones beyond what may be kept; never the newest.
    fn add(&mut self, paths: Vec<PathBuf>, actions: &Actions) {
        if paths.is_empty() {
            return;
        }
        self.sets.push_back(paths);
        while self.sets.len() > 1 && (self.sets.len() > actions.keep || self.size() > actions.max_disk) {
            self.remove_oldest();
        }
    }

    /// Adds a report to the set that begins with `first`; a set of its own where that is gone.
    fn join(&mut self, first: Option<&Path>, report: PathBuf, actions: &Actions) {
        match self.sets.iter_mut().find(|set| set.first().map(PathBuf::as_path) == first) {
            Some(set) => set.push(report),
            None => self.add(vec![report], actions),
        }
    }

    /// Removes the oldest sets until `wanted` more fit into what may be filled.
    fn make_room(&mut self, wanted: ByteCount, actions: &Actions) {
        while !self.sets.is_empty() && self.size() + wanted > actions.max_disk {
            self.remove_oldest();
        }
    }

    fn remove_oldest(&mut self) {
        for path in self.sets.pop_front().unwrap_or_default() {
            // What somebody removed already is gone.
            let _ = std::fs::remove_file(path);
        }
    }

    /// What they take on disk, holes not counted.
    fn size(&self) -> ByteCount {
        let metadata = self.sets.iter().flatten().filter_map(|path| std::fs::metadata(path).ok());
        ByteCount(metadata.map(|metadata| metadata.blocks().saturating_mul(512)).sum())
    }
}

#[cfg(test)]
#[path = "evidence_tests.rs"]
mod tests;

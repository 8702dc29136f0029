//! `trace`: who grows a process, stack by stack, with pictures and profiles of it.

use std::io::{self, Write};
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use super::copying::check_interrupted;
use super::subject::{hint_at_worker, open_one};
use super::{Context, Trace, Traced};
use crate::error::{Error, ErrorKind, Result};
use crate::explain::Notice;
use crate::memory::Output;
use crate::report::{self, Allocations, CallRow, Document, EventRow, TargetRow, pprof};
use crate::stacks::{flame_graph, fold};
use crate::target::{Launched, Target};
use crate::trace::{Method, Options, TraceResult, Tracer};
use crate::units::ByteCount;

/// Stacks written into a document.
const STACKS: usize = 1000;

/// Watches one process, or a new one.
///
/// # Errors
/// No such process, it may not be watched, a file cannot be written, or a person interrupted.
pub fn run(request: &Trace, context: &Context) -> Result<Vec<Document>> {
    let files = Files::create(request)?;
    let (row, found) = match &request.subject {
        Traced::Target(selector) => {
            let target = open_one(selector, context)?;
            hint_at_worker(&target, context);
            let found = watch(&target, request, context)?;
            (TargetRow::from(target.identity()), found)
        }
        Traced::Command(words) => launch(words, request, context)?,
    };
    check_interrupted(context)?;
    let mut answer = answer(row, &found, request);
    answer.files = files.write(&answer, &found)?;
    Ok(vec![Document::Trace(Box::new(answer))])
}

fn options(request: &Trace) -> Options {
    let log = request.events || request.all_calls;
    Options {
        method: request.method,
        may_be_slow: true,
        children: request.children,
        log,
        files: request.all_calls,
        before_exec: false,
        calls: request.calls,
    }
}

fn watch(target: &Target, request: &Trace, context: &Context) -> Result<TraceResult> {
    let mut tracer = Tracer::begin(target, options(request), context.remark)?;
    wait(&mut tracer, &target.subject(), request.window.unwrap_or(DEFAULT_WINDOW), context);
    Ok(tracer.end())
}

/// As long as `inspect` watches.
const DEFAULT_WINDOW: Duration = Duration::from_secs(10);
/// A command may take as long as it takes.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

fn wait(tracer: &mut Tracer<'_>, subject: &str, window: Duration, context: &Context) {
    context.progress.begin_wait(&format!("tracing {subject}"), window);
    let began = Instant::now();
    tracer.run(&|| {
        let passed = began.elapsed();
        context.progress.advance(ByteCount(passed.min(window).as_millis() as u64));
        passed >= window || context.progress.interrupted()
    });
    context.progress.end();
}

/// A command from its first instruction on, until it ends.
fn launch(words: &[std::ffi::OsString], request: &Trace, context: &Context) -> Result<(TargetRow, TraceResult)> {
    let launched = Launched::begin(words)?;
    let target = launched.target()?;
    let options = Options { before_exec: true, ..options(request) };
    let mut tracer = Tracer::begin(&target, options, context.remark)?;
    let mut child = launched.go()?;
    // Opened again: now it is what was asked for, unless it is through already.
    let row =
        Target::open(target.pid()).map_or_else(|_| ended_row(&target, words), |new| TargetRow::from(new.identity()));
    wait(&mut tracer, &words_of(words), request.window.unwrap_or(LONGEST), context);
    let found = tracer.end();
    reap(&mut child, context);
    Ok((row, found))
}

fn words_of(words: &[std::ffi::OsString]) -> String {
    words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ").escape_debug().to_string()
}

fn ended_row(target: &Target, words: &[std::ffi::OsString]) -> TargetRow {
    let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let name = words.first().map(|word| word.rsplit('/').next().unwrap_or(word).to_owned()).unwrap_or_default();
    TargetRow { pid: target.pid(), name, cmdline: words, ..TargetRow::default() }
}

/// How it ended is told; one that still runs is left running.
fn reap(child: &mut Child, context: &Context) {
    match child.try_wait() {
        Ok(Some(status)) if !status.success() => (context.remark)(&format!("the command ended with {status}")),
        Ok(None) => (context.remark)("the command runs on"),
        _ => {}
    }
}

fn answer(target: TargetRow, found: &TraceResult, request: &Trace) -> report::Trace {
    report::Trace {
        target,
        seconds: found.watched.as_secs_f64(),
        method: found.method.to_string(),
        method_note: found.note(),
        growth_bytes: found.growth,
        calls: found.calls.iter().map(CallRow::from).collect(),
        allocations: Allocations::from_trace(found, STACKS),
        events: (request.events || request.all_calls).then(|| found.log.iter().map(EventRow::from).collect()),
        files: Vec::new(),
        warnings: cautions(found).iter().map(ToString::to_string).collect(),
    }
}

/// What is to be known of how it was seen.
pub fn cautions(found: &TraceResult) -> Vec<Notice> {
    let mut notices = Vec::new();
    if found.growth.is_none() {
        notices.push(Notice::EndedWhileTraced);
    }
    if found.lost > 0 {
        notices.push(Notice::SamplesLost { lost: found.lost, kept: found.events });
    }
    if found.log_cut {
        notices.push(Notice::EventsCut { kept: found.log.len() as u64 });
    }
    if let Some(why) = found.calls_unseen.clone() {
        notices.push(Notice::CallsNotSeen { why });
    }
    if found.innermost_only {
        notices.push(Notice::InnermostOnly);
    }
    if found.method == Method::Syscall {
        notices.push(Notice::SlowTrace);
    }
    notices
}

/// Files to be written, created before anything is watched: a name that is taken is told at once.
struct Files {
    folded: Option<Output>,
    svg: Option<Output>,
    pprof: Option<Output>,
}

impl Files {
    fn create(request: &Trace) -> Result<Files> {
        let create = |path: &Option<std::path::PathBuf>| {
            path.as_deref().map(|path: &Path| Output::create(path, request.force)).transpose()
        };
        Ok(Files { folded: create(&request.folded)?, svg: create(&request.svg)?, pprof: create(&request.pprof)? })
    }

    /// Writes all and tells where.
    fn write(self, answer: &report::Trace, found: &TraceResult) -> Result<Vec<String>> {
        let lines = folded(&answer.target.name, found);
        let title = format!("{} {}: private memory by stack", answer.target.name.escape_debug(), answer.target.pid);
        let mut written = Vec::new();
        if let Some(output) = self.folded {
            written.push(keep(output, |out| lines.iter().try_for_each(|line| writeln!(out, "{line}")))?);
        }
        if let Some(output) = self.svg {
            written.push(keep(output, |out| flame_graph(&title, &lines, out))?);
        }
        if let Some(output) = self.pprof {
            let all = Allocations::from_trace(found, usize::MAX);
            written.push(keep(output, |out| pprof::write(&all, answer.seconds, out))?);
        }
        Ok(written)
    }
}

/// Fills a file and leaves it in its place; where that is.
fn keep(output: Output, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<String> {
    let path = output.path().display().to_string();
    let mut out = io::BufWriter::new(output.file());
    let done = write(&mut out).and_then(|()| out.flush());
    drop(out);
    done.map_err(|error| Error::new(ErrorKind::Failed, "cannot write", &path, error))?;
    output.keep()?;
    Ok(path)
}

/// One line a stack, and one for what no stack was seen of.
fn folded(name: &str, found: &TraceResult) -> Vec<String> {
    let stacks = found.stacks.iter().filter(|stack| stack.outstanding > ByteCount::ZERO);
    let lines = stacks.map(|stack| fold(name, &stack.frames, stack.outstanding.0));
    let unseen = Some(found.unseen()).filter(|unseen| *unseen > ByteCount::ZERO);
    lines.chain(unseen.map(|unseen| format!("{};{} {}", name.replace(';', ":"), pprof::UNSEEN, unseen.0))).collect()
}

//! What a person types and sees: arguments, the plan made of them, progress, exit codes.
//! Knows nothing of processes; hands a request to [`crate::jobs`] and writes the documents it gets back.

mod args;
mod console;
mod dump_args;
mod exit;
mod heap_args;
mod interrupt;
mod method;
mod oom;
mod plan;
mod shorthand;
mod surroundings;
mod trace;
mod values;
mod watch;
mod watch_args;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Parser;
use clap::error::ErrorKind as ClapKind;

use self::args::{ColorChoice, Command, CommandLine, DemoArgs};
use self::console::Console;
use self::plan::{OomPlan, Output, Plan, Voice};
use self::surroundings::Surroundings;
use crate::error::{Error, ErrorKind, Result};
use crate::jobs::{self, Context, Request};
use crate::progress::Progress;
use crate::report::{Document, json, redact, text};

/// Does what `words` (the program's name first) ask and says how that ended.
pub fn run(words: impl Iterator<Item = OsString>) -> ExitCode {
    let around = Surroundings::read();
    let plan = match read(words.collect(), &around) {
        Ok(Typed::Plan(plan)) => plan,
        Ok(Typed::Leak) => {
            jobs::demo::leak_until_stdin_closes();
            return ExitCode::from(exit::ANSWERED);
        }
        Ok(Typed::Oom(plan)) => return ExitCode::from(kernel_log(&plan, &around)),
        Ok(Typed::Watch(plan)) => return ExitCode::from(watching(&plan, &around)),
        Ok(Typed::Help(text)) => return ExitCode::from(written(io::stdout().write_all(text.as_bytes()), &around)),
        Err(error) => return ExitCode::from(refuse(&error, &around)),
    };
    ExitCode::from(match listening(plan.voice) {
        Ok(console) => carry_out(&plan, &console),
        Err(error) => refuse(&error, &around),
    })
}

/// A console that hears Ctrl-C.
fn listening(voice: Voice) -> Result<Console> {
    interrupt::watch().map(|interrupted| Console::new(voice, interrupted)).map_err(unheard)
}

fn unheard(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Failed, "cannot listen to", "Ctrl-C", error)
}

fn kernel_log(plan: &OomPlan, around: &Surroundings) -> u8 {
    let console = match listening(plan.voice) {
        Ok(console) => console,
        Err(error) => return refuse(&error, around),
    };
    let remark = |text: &str| console.note(text);
    let context = Context {
        progress: &console,
        remark: &remark,
        max_memory: plan.max_memory,
        max_memory_is_hard: false,
        redact: false,
    };
    oom::carry_out(plan, &context, &console)
}

fn watching(plan: &watch::WatchPlan, around: &Surroundings) -> u8 {
    let interrupted = if plan.is_on_screen() { interrupt::watch_on_screen() } else { interrupt::watch() };
    let console = match interrupted {
        Ok(interrupted) => Console::new(plan.voice, interrupted),
        Err(error) => return refuse(&unheard(error), around),
    };
    let remark = |text: &str| console.note(text);
    let context = Context {
        progress: &console,
        remark: &remark,
        max_memory: plan.max_memory,
        max_memory_is_hard: false,
        redact: plan.redact,
    };
    watch::carry_out(plan, &context, &console)
}

/// What was typed asks for.
enum Typed {
    Plan(Box<Plan>),
    /// To read a kernel log.
    Oom(Box<OomPlan>),
    /// To watch, or to show a record.
    Watch(Box<watch::WatchPlan>),
    /// Help or the version, ready to print.
    Help(String),
    /// To be the child that `demo` looks at.
    Leak,
}

fn read(words: Vec<OsString>, around: &Surroundings) -> Result<Typed> {
    let words = shorthand::expand(words)?;
    match CommandLine::try_parse_from(&words) {
        Ok(CommandLine { command: Command::Demo(DemoArgs { leak: true, .. }), .. }) => Ok(Typed::Leak),
        Ok(CommandLine { command: Command::Oom(typed), common }) => {
            plan::oom(typed, &common, around).map(|plan| Typed::Oom(Box::new(plan)))
        }
        Ok(CommandLine { command: Command::Watch(typed), common }) => {
            watch::plan(*typed, &common, around).map(|plan| Typed::Watch(Box::new(plan)))
        }
        Ok(CommandLine { command: Command::Report(typed), common }) => {
            watch::report_plan(typed, &common, around).map(|plan| Typed::Watch(Box::new(plan)))
        }
        Ok(typed) => plan::plan(typed, around).map(|plan| Typed::Plan(Box::new(plan))),
        Err(error) if matches!(error.kind(), ClapKind::DisplayHelp | ClapKind::DisplayVersion) => {
            let text = error.render();
            let color = around.stdout_terminal && !around.no_color && !around.is_dumb();
            Ok(Typed::Help(if color { text.ansi().to_string() } else { text.to_string() }))
        }
        Err(error) => Err(usage(&error, &words)),
    }
}

/// clap's message of several lines in one.
fn usage(error: &clap::Error, words: &[OsString]) -> Error {
    if error.kind() == ClapKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Error::new(ErrorKind::Usage, "nothing to do", "", "no target and no command")
            .with_hint("try: leakscope PID, or leakscope --help");
    }
    let text = error.render().to_string();
    let lines = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let mut told = String::new();
    let mut gap = "";
    for line in lines.filter(|line| !line.starts_with("For more information")) {
        if line.is_empty() {
            gap = "; ";
            continue;
        }
        told.push_str(if told.is_empty() { "" } else { gap });
        told.push_str(line);
        gap = " ";
    }
    let told = told.strip_prefix("error: ").unwrap_or(&told);
    let command = words.get(1).and_then(|word| word.to_str()).filter(|word| shorthand::is_command(word));
    let page = command.map(|command| format!("{command} ")).unwrap_or_default();
    Error::new(ErrorKind::Usage, "cannot read the command line", "", told)
        .with_hint(format!("see leakscope {page}--help"))
}

fn carry_out(plan: &Plan, console: &Console) -> u8 {
    let remark = |text: &str| console.note(text);
    let context = Context {
        progress: console,
        remark: &remark,
        max_memory: plan.max_memory,
        max_memory_is_hard: plan.max_memory_is_hard,
        redact: plan.output.redact,
    };
    let answer = jobs::run(&plan.request, &context);
    console.end();
    match answer {
        Ok(documents) => deliver(documents, plan, console),
        Err(error) => {
            let code = if console.interrupted() { exit::INTERRUPTED } else { exit::code(error.kind()) };
            console.error(&told(error, &plan.request).to_string());
            code
        }
    }
}

/// A name that no process has may have been meant for a command.
fn told(error: Error, request: &Request) -> Error {
    let Request::Inspect(inspect) = request else { return error };
    if error.kind() != ErrorKind::Gone {
        return error;
    }
    let Some(meant) = shorthand::nearest(&inspect.selector.text) else { return error };
    let hint = error.hint().map(|hint| format!("{hint}; ")).unwrap_or_default();
    error.with_hint(format!("{hint}did you mean the command “{meant}”?"))
}

/// Writes the answer to stdout and its cautions to stderr.
fn deliver(mut documents: Vec<Document>, plan: &Plan, console: &Console) -> u8 {
    let accuses = documents.iter().any(Document::accuses);
    if plan.output.redact {
        documents.iter_mut().for_each(redact::document);
    }
    let outcome = write(&documents, &plan.output, &mut io::stdout().lock());
    // A JSON document carries its cautions itself.
    if !plan.output.json {
        documents.iter().flat_map(Document::warnings).for_each(|warning| console.warn(warning));
    }
    match outcome {
        Err(error) if !is_closed(&error) => {
            console.error(&unwritten(error).to_string());
            exit::code(ErrorKind::Failed)
        }
        _ if console.interrupted() => exit::INTERRUPTED,
        _ if plan.exit_code && accuses => exit::LEAK_FOUND,
        _ => exit::ANSWERED,
    }
}

fn write(documents: &[Document], output: &Output, out: &mut dyn Write) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    match documents {
        [document] if output.json => json::write(document, &mut out)?,
        _ if output.json => json::write_several(documents, &mut out)?,
        _ => {
            let pages: Vec<String> = documents.iter().map(|document| text::render(document, &output.style)).collect();
            out.write_all(pages.join("\n").as_bytes())?;
        }
    }
    out.flush()
}

/// Whether the reader of a pipe had enough.
fn is_closed(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

fn unwritten(error: io::Error) -> Error {
    Error::new(ErrorKind::Failed, "cannot write the answer to", "stdout", error)
}

/// Says why nothing was done, before there is a plan.
fn refuse(error: &Error, around: &Surroundings) -> u8 {
    let console = Console::new(plan::voice(false, ColorChoice::Auto, around), Arc::new(AtomicBool::new(false)));
    console.error(&error.to_string());
    exit::code(error.kind())
}

fn written(outcome: io::Result<()>, around: &Surroundings) -> u8 {
    match outcome {
        Err(error) if !is_closed(&error) => refuse(&unwritten(error), around),
        _ => exit::ANSWERED,
    }
}

//! What was typed, turned into what is done: the request for the job and the look of the answer. Refuses what
//! contradicts itself.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::args::{ColorChoice, Command, CommandLine, Common, HexArgs, InspectArgs, OomArgs, PartArgs, ScanArgs};
use super::dump_args::{DumpCompression, DumpFormat};
use super::heap_args::HeapArgs;
use super::surroundings::Surroundings;
use crate::error::{Error, ErrorKind, Result};
use crate::jobs::{self, MethodChoice, Part, Request, Selector, Subject};
use crate::report::text::Style;
use crate::units::{ByteCount, Span};

/// What leakscope may use beside a staged copy where nothing was typed.
pub(super) const MAX_MEMORY: ByteCount = ByteCount::mib(256);
/// Bytes that `hex` lists where nothing was typed.
const HEX_LENGTH: ByteCount = ByteCount(256);
/// More than that is no listing to read: a million lines.
const HEX_LONGEST: ByteCount = ByteCount::mib(16);

/// All that was decided.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What to do.
    pub request: Request,
    /// What leakscope may use.
    pub max_memory: ByteCount,
    /// Whether that was typed.
    pub max_memory_is_hard: bool,
    /// How to write the answer.
    pub output: Output,
    /// How to speak on stderr.
    pub voice: Voice,
    /// Whether a leak found shows in the exit code.
    pub exit_code: bool,
}

/// All that was decided about reading a kernel log, whose answer is written while it is read.
#[derive(Clone, Debug)]
pub struct OomPlan {
    /// What to do.
    pub request: jobs::oom::Oom,
    /// Explain flags and terms.
    pub verbose: bool,
    /// What leakscope may use.
    pub max_memory: ByteCount,
    /// As JSON, else as text.
    pub json: bool,
    /// How text looks.
    pub style: Style,
    /// How to speak on stderr.
    pub voice: Voice,
}

/// Decides about a kernel log.
pub fn oom(typed: OomArgs, common: &Common, around: &Surroundings) -> Result<OomPlan> {
    if common.redact {
        return Err(refuse_redaction("oom", "a kernel log holds names and sizes only"));
    }
    let log = match typed.log {
        None => jobs::oom::Log::Kernel,
        Some(path) if path.as_os_str() == "-" => jobs::oom::Log::Stdin,
        Some(path) => jobs::oom::Log::File(path),
    };
    let last = typed.last.and_then(|last| usize::try_from(last).ok());
    Ok(OomPlan {
        request: jobs::oom::Oom { log, follow: typed.follow, last },
        verbose: typed.verbose,
        max_memory: common.max_memory.unwrap_or(MAX_MEMORY),
        json: common.json,
        style: style(common.color, around),
        voice: voice(common.quiet, common.color, around),
    })
}

/// How to write the answer.
#[derive(Clone, Debug)]
pub struct Output {
    /// As JSON, else as text.
    pub json: bool,
    /// With values masked.
    pub redact: bool,
    /// How text looks.
    pub style: Style,
}

/// How to speak on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Voice {
    /// Errors only.
    pub quiet: bool,
    /// In colour.
    pub color: bool,
    /// With bars that move.
    pub bars: bool,
    /// With more than ASCII in them.
    pub unicode: bool,
}

/// Decides.
pub fn plan(typed: CommandLine, around: &Surroundings) -> Result<Plan> {
    let CommandLine { command, common } = typed;
    let exit_code = match &command {
        Command::Inspect(inspect) => inspect.exit_code,
        Command::Heap(heap) => heap.exit_code,
        _ => false,
    };
    let request = request(command, common.redact)?;
    let style = style(common.color, around);
    Ok(Plan {
        request,
        max_memory: common.max_memory.unwrap_or(MAX_MEMORY),
        max_memory_is_hard: common.max_memory.is_some(),
        output: Output { json: common.json, redact: common.redact, style },
        voice: voice(common.quiet, common.color, around),
        exit_code,
    })
}

pub(super) fn style(color: ColorChoice, around: &Surroundings) -> Style {
    Style {
        width: if around.stdout_terminal { around.columns() } else { Style::plain().width },
        color: colored(color, around.stdout_terminal, around),
        unicode: around.stdout_terminal && around.has_blocks(),
        whole: !around.stdout_terminal,
        zone: around.zone.clone(),
    }
}

/// How to speak on stderr.
pub fn voice(quiet: bool, color: ColorChoice, around: &Surroundings) -> Voice {
    Voice {
        quiet,
        color: colored(color, around.stderr_terminal, around),
        bars: around.stderr_terminal && !quiet && !around.is_dumb(),
        unicode: around.has_blocks(),
    }
}

/// A choice that was typed beats the environment, and there NO_COLOR beats the rest.
fn colored(choice: ColorChoice, terminal: bool, around: &Surroundings) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto if around.no_color => false,
        ColorChoice::Auto => around.force_color || terminal && !around.is_dumb(),
    }
}

fn request(command: Command, redact: bool) -> Result<Request> {
    let several = |target: String, all| Selector { text: target, all };
    let one = |target: String| several(target, false);
    Ok(match command {
        Command::Inspect(typed) => Request::Inspect(inspect(typed)?),
        Command::Demo(typed) => Request::Demo(jobs::Demo { window: typed.window }),
        Command::Map(typed) => {
            Request::Map(jobs::Map { selector: several(typed.target, typed.all), order: typed.sort.into() })
        }
        Command::Top(typed) => Request::Top(jobs::Top {
            only: typed.target.map(|target| several(target, true)),
            limit: typed.limit as usize,
            order: typed.sort.into(),
            window: typed.window,
        }),
        Command::Dump(_) if redact => return Err(refuse_redaction("dump", "it copies bytes as they are")),
        Command::Dump(typed) if typed.format == DumpFormat::Core && part(&typed.part).is_some() => {
            return Err(usage("--format core", "a core has all private memory; --region and --range are for raw"));
        }
        Command::Dump(typed) if typed.format == DumpFormat::Core && typed.compress != DumpCompression::None => {
            return Err(usage("--compress", "debuggers read plain cores alone; it is for --format raw"));
        }
        Command::Dump(typed) => Request::Dump(jobs::Dump {
            core: typed.format == DumpFormat::Core,
            selector: one(typed.target),
            part: part(&typed.part).unwrap_or(Part::Suspect),
            output: typed.output,
            compression: typed.compress.into(),
            force: typed.force,
            include_swapped: typed.include_swapped,
            method: typed.snapshot.method.into(),
            max_pause: typed.snapshot.max_pause,
            hash: !typed.no_hash,
            dry_run: typed.dry_run,
        }),
        Command::Scan(typed) => Request::Scan(scan(typed)?),
        Command::Diff(typed) => {
            Request::Diff(jobs::Diff { before: typed.before, after: typed.after, top: typed.top as usize })
        }
        Command::Heap(typed) => Request::Heap(heap(typed)?),
        Command::Hex(_) if redact => return Err(refuse_redaction("hex", "it shows bytes as they are")),
        Command::Hex(typed) => Request::Hex(hex(typed)?),
        Command::Oom(_) => return Err(usage("oom", "it has a plan of its own")),
        Command::Trace(typed) => Request::Trace(super::trace::plan(typed)?),
        Command::Watch(_) | Command::Report(_) => return Err(usage("watch", "it has a plan of its own")),
        Command::Doctor(typed) => Request::Doctor(jobs::Doctor { selector: typed.target.map(one) }),
    })
}

fn inspect(typed: InspectArgs) -> Result<jobs::Inspect> {
    if let Some(interval) = typed.interval.filter(|interval| *interval > typed.window) {
        return Err(usage(
            "--interval",
            format!("{interval:?} is longer than the watch of {:?} (--for)", typed.window),
        ));
    }
    Ok(jobs::Inspect {
        selector: Selector { text: typed.target, all: false },
        window: typed.window,
        interval: typed.interval,
        method: typed.snapshot.method.into(),
        max_pause: typed.snapshot.max_pause,
        part: part(&typed.part).unwrap_or(Part::Suspect),
        dump_dir: typed.dump,
        include_swapped: typed.include_swapped,
    })
}

fn scan(typed: ScanArgs) -> Result<jobs::Scan> {
    let part = part(&typed.part);
    let subject = subject(&typed.subject, typed.base)?;
    if matches!(subject, Subject::File { .. }) && typed.include_swapped {
        return Err(usage("--include-swapped", "a file has no swapped-out pages"));
    }
    Ok(jobs::Scan {
        subject,
        part,
        top: typed.top as usize,
        method: typed.snapshot.method.into(),
        max_pause: typed.snapshot.max_pause,
        include_swapped: typed.include_swapped,
    })
}

/// A heap is not copied in one stop that is expected to be longer, unless somebody says so.
const LONGEST_HEAP_STOP: Duration = Duration::from_millis(200);

fn heap(typed: HeapArgs) -> Result<jobs::Heap> {
    let subject = subject(&typed.subject, None)?;
    let live = matches!(subject, Subject::Target(_));
    let method = MethodChoice::from(typed.snapshot.method);
    if matches!(method, MethodChoice::Live | MethodChoice::Fork) {
        return Err(usage(
            "--method",
            "a heap is walked with all registers of one instant: auto, idle, precopy or stop",
        ));
    }
    let asked = [
        ("--for", typed.window.is_some()),
        ("--max-pause", typed.snapshot.max_pause.is_some()),
        ("--method", !matches!(method, MethodChoice::Auto)),
        ("--include-swapped", typed.include_swapped),
        ("--spool", typed.spool.is_some()),
    ];
    if let Some((option, _)) = asked.into_iter().find(|(_, asked)| *asked && !live) {
        return Err(usage(option, "a file stands still already"));
    }
    Ok(jobs::Heap {
        subject,
        top: typed.top as usize,
        window: typed.window,
        why: typed.why,
        method,
        max_pause: typed.snapshot.max_pause.or((method == MethodChoice::Auto).then_some(LONGEST_HEAP_STOP)),
        include_swapped: typed.include_swapped,
        spool: typed.spool,
    })
}

fn hex(typed: HexArgs) -> Result<jobs::Hex> {
    let mut part = part(&typed.part);
    let whole = match part {
        Some(Part::Span(span)) if typed.find.is_none() => span.size(),
        _ => HEX_LENGTH,
    };
    let length = typed.length.unwrap_or(whole);
    if length > HEX_LONGEST {
        return Err(usage("hex", format!("{length} is more than the {HEX_LONGEST} it lists at once; use dump")));
    }
    if let Some(at) = typed.at {
        // With a pattern, the search begins there and the length says how much is shown around a place.
        part = Some(if typed.find.is_some() { Part::At(at) } else { Part::Span(Span::sized(at, length)) });
    }
    let subject = subject(&typed.subject, typed.base)?;
    if part.is_none() && typed.find.is_none() && matches!(subject, Subject::Target(_)) {
        return Err(usage("hex", "it is not said where: add --at ADDR, --range, --region or --find TEXT"));
    }
    Ok(jobs::Hex { subject, part, length, find: typed.find.map(|pattern| pattern.into_vec()) })
}

fn part(typed: &PartArgs) -> Option<Part> {
    typed.range.map(Part::Span).or(typed.region)
}

/// A number is a pid and a prefix a process; else what exists is a file, and what looks like a path should.
fn subject(typed: &OsStr, base: Option<crate::units::Addr>) -> Result<Subject> {
    let text = typed.to_str();
    let process = text.is_some_and(|text| {
        text.bytes().all(|byte| byte.is_ascii_digit()) || text.starts_with("children:") || text.starts_with("cgroup:")
    });
    let path = Path::new(typed);
    let file = !process && (path.components().count() > 1 || path.exists());
    match text {
        Some(text) if !file => match base {
            Some(_) => Err(usage("--base", format!("{text} is a process, whose addresses are known"))),
            None => Ok(Subject::Target(Selector { text: text.to_string(), all: false })),
        },
        _ => Ok(Subject::File { path: PathBuf::from(typed), base }),
    }
}

/// A refusal of what was typed.
pub fn usage(subject: &str, reason: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Usage, "cannot use", subject, reason)
}

fn refuse_redaction(command: &str, reason: &str) -> Error {
    usage("--redact", format!("{command} cannot mask values, {reason}"))
}

//! Each method as it is begun on a target, and what the kernel's refusals mean.

use std::io;

use super::perf::{Sampler, Watched, is_refusal};
use super::sites::sites;
use super::syscalls::Syscalls;
use super::tracer::{Options, TRACING};
use super::{MemoryCall, Method};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::perf::{Event, Sampling};
use crate::target::{Target, path_of, tracepoint};

/// Bytes of stack per sample.
const SAMPLED_STACK: u32 = 8 * 1024;
const BREAKPOINT_STACK: u32 = 16 * 1024;
/// Of page faults, until their rate is known.
const FIRST_PERIOD: u64 = 13;
/// An arena of glibc grows by one mprotect a page: one of eight stands for those before it.
const MPROTECT_PERIOD: u64 = 8;

pub(super) enum Means {
    /// Page faults and, unless it is told why not, the calls too.
    Perf(Sampler, Option<String>),
    Breakpoint(Sampler),
    Syscall(Syscalls),
}

impl Means {
    pub fn begin(method: Method, target: &Target, options: Options) -> Result<Means> {
        match method {
            Method::Perf => {
                let (sampler, unseen) = faults_and_calls(options, &target.thread_ids()?)
                    .map_err(|error| refusal(method, target, &error))?;
                Ok(Means::Perf(sampler, unseen))
            }
            Method::Breakpoint if options.before_exec => {
                let reason = "the addresses of a program that is not running yet are not known";
                Err(Error::new(ErrorKind::Usage, TRACING, "a new program with breakpoint", reason))
            }
            Method::Breakpoint if target.identity().is_32bit => {
                let reason = "it is a 32-bit program, whose system calls are not looked for";
                Err(Error::new(ErrorKind::Failed, TRACING, format!("{} with {method}", target.subject()), reason))
            }
            Method::Breakpoint => {
                let sampler = breakpoints(target, options)?.map_err(|error| refusal(method, target, &error))?;
                Ok(Means::Breakpoint(sampler))
            }
            Method::Syscall => Ok(Means::Syscall(Syscalls::begin(target, options.children, options.files)?)),
        }
    }
}

/// Page faults with the calls, else page faults alone and why.
fn faults_and_calls(options: Options, threads: &[i32]) -> io::Result<(Sampler, Option<String>)> {
    let sampling = Sampling {
        period: FIRST_PERIOD,
        stack: SAMPLED_STACK,
        kernel: true,
        children: options.children,
        from_exec: options.before_exec,
    };
    let faults = |kernel| Watched { event: Event::PageFaults, sampling: Sampling { kernel, ..sampling }, call: None };
    let with_calls = || {
        let watched = [vec![faults(true)], calls(options, sampling)?].concat();
        Sampler::open(&watched, threads).map_err(|error| error.to_string())
    };
    let unseen = match options.calls.then(with_calls) {
        Some(Ok(sampler)) => return Ok((sampler, None)),
        Some(Err(unseen)) => Some(unseen),
        None => None,
    };
    let sampler = match Sampler::open(&[faults(true)], threads) {
        // Without CAP_PERFMON faults in the kernel are not ours to see; those of the program itself may be.
        Err(error) if is_refusal(&error) => Sampler::open(&[faults(false)], threads)?,
        other => other?,
    };
    Ok((sampler, unseen))
}

/// The calls as they return to the program: then their arguments and the answer stand in the user's registers. Their
/// stacks are copied for single events alone, as memory belongs to who touches it.
fn calls(options: Options, faults: Sampling) -> std::result::Result<Vec<Watched>, String> {
    let watched = |call: MemoryCall| {
        let id = tracepoint(&format!("syscalls/sys_exit_{call}")).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "tracefs is not mounted".to_owned(),
            _ => format!("tracefs: {error}"),
        })?;
        let stack = if options.log { faults.stack } else { 0 };
        let sampling = Sampling { period: period(call), stack, ..faults };
        Ok(Watched { event: Event::Tracepoint { id }, sampling, call: Some(call) })
    };
    MemoryCall::ALL.into_iter().map(watched).collect()
}

fn period(call: MemoryCall) -> u64 {
    if call == MemoryCall::Mprotect { MPROTECT_PERIOD } else { 1 }
}

fn breakpoints(target: &Target, options: Options) -> Result<io::Result<Sampler>> {
    let open = |mapping: &_| {
        let file = target.mapped_file(mapping)?;
        let path = path_of(&file);
        Ok((file, path))
    };
    let (mappings, threads) = (target.mappings()?, target.thread_ids()?);
    let watched = |(at, call): (_, MemoryCall)| Watched {
        event: Event::Execution { at },
        sampling: Sampling {
            period: period(call),
            stack: BREAKPOINT_STACK,
            kernel: false,
            children: options.children,
            from_exec: false,
        },
        call: Some(call),
    };
    let sites = sites(&mappings, target.identity().exe.as_deref(), &open);
    Ok(sites.and_then(|sites| Sampler::open(&sites.into_iter().map(watched).collect::<Vec<_>>(), &threads)))
}

fn refusal(method: Method, target: &Target, error: &io::Error) -> Error {
    let subject = format!("{} with {method}", target.subject());
    let with = |kind, reason: String| Error::new(kind, TRACING, subject.clone(), reason);
    match error.raw_os_error() {
        Some(libc::ESRCH) => with(ErrorKind::Gone, "the process ended".into()),
        _ if is_refusal(error) => {
            let level = crate::target::perf_paranoid().map_or("unknown".to_owned(), |level| level.to_string());
            with(ErrorKind::NotPermitted, format!("perf is refused (kernel.perf_event_paranoid is {level}): {error}"))
                .with_hint(
                    "run as root, or: sudo sysctl kernel.perf_event_paranoid=1; in a container: \
                     --cap-add PERFMON --security-opt seccomp=unconfined",
                )
        }
        Some(libc::ENOSPC) => with(ErrorKind::Failed, "a debugger has the debug registers".into()),
        Some(libc::EMFILE | libc::ENFILE) => {
            with(ErrorKind::Failed, "threads times processors are more than we may have open files".into())
                .with_hint("run: ulimit -n 1048576")
        }
        _ => with(ErrorKind::Failed, error.to_string()),
    }
}

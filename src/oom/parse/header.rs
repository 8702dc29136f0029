//! The head of a report: who invoked the killer, on which kernel, through which functions.

use crate::oom::parse::fact::Fact;
use crate::oom::parse::fields::{between, number, small, small_after};
use crate::oom::report::Trace;

const INVOKED: &str = " invoked oom-killer:";
const OLD: &str = "oom-killer: gfp_mask=";

/// `%s invoked oom-killer: gfp_mask=%#x(%pGg), [nodemask=…, ]order=%d, oom_score_adj=%hd`. Before 2.6.19 without a name,
/// names of flags since 4.6, nodemask 4.9–4.20, `oomkilladj` 2.6.19–2.6.31, `oom_adj` 2.6.32–3.6.
pub(super) fn header(text: &str) -> Option<Fact<'_>> {
    let (invoker, rest) = match text.find(INVOKED) {
        Some(at) => (Some(text[..at].trim()), &text[at + INVOKED.len()..]),
        None if text.starts_with(OLD) => (None, &text["oom-killer:".len()..]),
        None => return None,
    };
    let field = rest.find("gfp_mask=").map(|at| &rest[at + "gfp_mask=".len()..]);
    let (mask, names) = field.map_or((None, None), mask_and_names);
    let nodemask = between(rest, "nodemask=", ", ").or_else(|| between(rest, "nodemask=", " "));
    Some(Fact::Header {
        invoker: invoker.filter(|name| !name.is_empty()),
        mask,
        names,
        nodemask: nodemask.map(|mask| mask.trim_end_matches(',')),
        order: small_after(rest, "order=").and_then(|order| i32::try_from(order).ok()),
        oom_score_adj: small_after(rest, "oom_score_adj="),
        oom_adj: small_after(rest, " oom_adj=").or_else(|| small_after(rest, "oomkilladj=")),
    })
}

fn mask_and_names(field: &str) -> (Option<u64>, Option<&str>) {
    if field.starts_with("GFP_") || field.starts_with("__GFP_") {
        let end = field.find([',', ' ']).unwrap_or(field.len());
        return (None, Some(&field[..end]));
    }
    let digits = field.strip_prefix("0x").unwrap_or(field);
    let end = digits.bytes().position(|b| !b.is_ascii_hexdigit()).unwrap_or(digits.len());
    let mask = u64::from_str_radix(&digits[..end], 16).ok();
    let names = digits[end..].strip_prefix('(').and_then(|rest| {
        let close = rest.find([')', ',']).unwrap_or(rest.len());
        Some(&rest[..close]).filter(|names| !names.is_empty())
    });
    (mask, names)
}

/// The other lines of the head, and lines that say what kind of dump this is.
pub(super) fn line(text: &str) -> Option<Fact<'_>> {
    if let Some(fact) = cpu(text).or_else(|| cpuset(text)).or_else(|| context(text)) {
        return Some(fact);
    }
    if let Some(name) = text.strip_prefix("Hardware name:") {
        return Some(Fact::Hardware(name.trim()));
    }
    if text.starts_with("Call Trace") || text.starts_with("Call trace") || text.starts_with("Backtrace") {
        return Some(Fact::Filler);
    }
    trace(text)
}

/// `CPU: 1 [UID: 0 ]PID: 1234 Comm: nginx [Kdump: loaded ]Not tainted 4.18.0 #1`; `Pid: 1, comm: init Not tainted 3.0 #1`
/// until 3.8; on s390 `Process java (pid: 12, task: …)` beside a CPU line without a pid.
fn cpu(text: &str) -> Option<Fact<'_>> {
    if let Some(rest) = text.strip_prefix("Process ")
        && let Some(at) = rest.find(" (pid: ")
    {
        let pid = small(rest[at + " (pid: ".len()..].trim_start()).map(|(pid, _)| pid);
        return Some(Fact::Cpu { pid, comm: Some(&rest[..at]), kernel: None });
    }
    let (pid, rest) = if let Some(rest) = text.strip_prefix("Pid: ") {
        let (pid, rest) = small(rest.trim_start())?;
        (Some(pid), rest.strip_prefix(", comm:")?)
    } else if text.starts_with("CPU:") {
        match (text.find("PID: "), text.find(" Comm: ")) {
            (Some(pid), Some(comm)) if pid < comm => {
                (small(text[pid + 5..].trim_start()).map(|(pid, _)| pid), &text[comm + " Comm: ".len()..])
            }
            _ if text.contains("ainted") => (None, text),
            _ => return None,
        }
    } else {
        return None;
    };
    let marks = [" Not tainted", " Tainted:", " Kdump:"];
    let end = marks.iter().filter_map(|mark| rest.find(mark)).min().unwrap_or(rest.len());
    let comm = pid.map(|_| rest[..end].trim()).filter(|comm| !comm.is_empty());
    Some(Fact::Cpu { pid, comm, kernel: kernel_version(&rest[end..]) })
}

/// The release after the taint: the first word that begins like `2.6.32` or `5.10`.
fn kernel_version(text: &str) -> Option<&str> {
    text.split_whitespace().map(|word| word.trim_start_matches('(')).find(|word| is_version(word))
}

fn is_version(word: &str) -> bool {
    let Some((major, rest)) = number(word) else { return false };
    let minor = rest.strip_prefix('.').and_then(number);
    (2..100).contains(&major) && minor.is_some()
}

fn cpuset(text: &str) -> Option<Fact<'_>> {
    let at = text.find(" cpuset=")?;
    let rest = &text[at + " cpuset=".len()..];
    let mems = rest.find(" mems_allowed=")?;
    let allowed = &rest[mems + " mems_allowed=".len()..];
    let end = allowed.find(|c: char| !(c.is_ascii_digit() || c == ',' || c == '-')).unwrap_or(allowed.len());
    Some(Fact::Cpuset { name: text[..at].trim(), cpuset: &rest[..mems], mems_allowed: &allowed[..end] })
}

/// Lines that are no part of a report but change how what follows is to be read.
fn context(text: &str) -> Option<Fact<'_>> {
    if text.contains("page allocation failure") || text.contains("page allocation stalls") {
        return Some(Fact::NotOom);
    }
    if text.contains("Show Memory") || text.contains("SysRq : Show") {
        return Some(Fact::NotOom);
    }
    if text.contains("Manual OOM execution") {
        return Some(Fact::ManualOom);
    }
    if let Some(rest) = text.strip_prefix("Linux version ") {
        let version = rest.split(' ').next()?;
        return is_version(version).then_some(Fact::Boot(version));
    }
    if text.contains("balloon") {
        return Some(Fact::Balloon);
    }
    if matches!(text, "..." | "…" | "……" | "[...]" | "[…]" | "<trim>" | "[snip]" | "<snip>" | "--snip--" | "(...)")
        || text.starts_with("...")
        || text.starts_with('…')
    {
        return Some(Fact::Elision);
    }
    None
}

/// Notes in a trace what a function stands for.
type Mark = fn(&mut Trace);

const MARKS: [(&str, Mark); 23] = [
    ("pagefault_out_of_memory", |t| t.page_fault = true),
    ("sysrq_handle_moom", |t| t.sysrq = true),
    ("moom_callback", |t| t.sysrq = true),
    ("mem_cgroup_out_of_memory", |t| t.memcg = true),
    ("mem_cgroup_oom", |t| t.memcg = true),
    ("mem_cgroup_handle_oom", |t| t.memcg = true),
    ("mem_cgroup_charge", |t| t.memcg = true),
    ("mem_cgroup_try_charge", |t| t.memcg = true),
    ("try_charge", |t| t.memcg = true),
    ("copy_process", |t| t.fork = true),
    ("swapoff", |t| t.swapoff = true),
    ("try_to_unuse", |t| t.swapoff = true),
    ("filemap_fault", |t| t.page_cache = true),
    ("page_cache_read", |t| t.page_cache = true),
    ("page_cache_ra_unbounded", |t| t.page_cache = true),
    ("do_page_cache_readahead", |t| t.page_cache = true),
    ("__page_cache_alloc", |t| t.page_cache = true),
    ("out_of_memory", |t| t.oom = true),
    ("oom_kill_process", |t| t.oom = true),
    ("dump_header", |t| t.oom = true),
    ("__alloc_pages_may_oom", |t| t.oom = true),
    ("bpf_oom", |t| t.bpf = true),
    ("bpf_handle_oom", |t| t.bpf = true),
];

/// A line of a call trace: `function+0x12/0x34`, or an address in brackets before 4.10.
pub(super) fn trace(text: &str) -> Option<Fact<'_>> {
    let is_trace = text.contains("+0x") || text.starts_with("[<");
    if !is_trace {
        return None;
    }
    let mut trace = Trace::default();
    for (function, mark) in MARKS {
        if text.contains(function) {
            mark(&mut trace);
        }
    }
    Some(if trace == Trace::default() { Fact::Filler } else { Fact::Trace(trace) })
}

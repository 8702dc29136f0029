//! Every caution the tool can utter on how an answer was made, each with what the reader should do.
//! One line each; whoever notices something says it through this list.

use std::fmt;
use std::time::Duration;

use super::facts::Facts;
use super::verdict::{Judgement, VerdictKind, look_for, weigh};
use super::words::{self, duration, one_line, thousands};
use crate::units::{ByteCount, Rate};

/// A caution that goes with an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// A table was full: counts of small groups are lower bounds.
    ContentSampled,
    /// Only the beginning of the suspect was scanned at one or both ends of the watch.
    PartialScan {
        /// Bytes scanned.
        scanned: ByteCount,
        /// Bytes there were.
        of: ByteCount,
    },
    /// The content was looked at once: nothing is known of its growth.
    OneScan,
    /// Some records were cut short and are counted by the part that is there.
    RecordsCut {
        /// How many.
        count: u64,
    },
    /// Pages that are swapped out were not read.
    SwappedSkipped {
        /// How much.
        bytes: ByteCount,
    },
    /// Addresses that were wanted and could not be read.
    Unreadable {
        /// How much.
        bytes: ByteCount,
    },
    /// A region larger than the budget was copied in several stops: its parts are of different instants.
    SeveralStops {
        /// How many.
        stops: u32,
    },
    /// A gentler way to copy was tried or considered and could not be used.
    FellBack {
        /// Its name.
        method: String,
        /// Why not.
        why: String,
    },
    /// The holes of a dump were not hashed, and so there is no hash of it.
    NotHashed {
        /// How much they are.
        holes: ByteCount,
    },
    /// Memory was read while the process ran: a value may be of two moments.
    LiveRead,
    /// The watch was shorter than its answer wants.
    WindowTooShort {
        /// How long was watched.
        watched: Duration,
        /// How long should be.
        wanted: Duration,
        /// The process.
        pid: i32,
    },
    /// Looks came later than planned: the process or the machine was busy.
    LateLooks {
        /// Looks taken.
        taken: u64,
        /// Looks planned.
        planned: u64,
    },
    /// The clock of the machine was changed meanwhile; rates rest on the monotonic one, times of day do not.
    ClockChanged,
    /// The kernel's account of each mapping may not be read.
    SmapsNotPermitted,
    /// The proportional share of shared pages is not known.
    PssUnknown,
    /// The target is a 32-bit process.
    ThirtyTwoBit,
    /// The target was stopped by a signal before, and stays so.
    AlreadyStopped,
    /// No limit could be read.
    LimitsUnknown {
        /// Why not.
        why: String,
    },
    /// Who allocates was not looked at.
    AllocationsNotSampled {
        /// Why not.
        why: String,
    },
    /// The process ended while it was traced.
    EndedWhileTraced,
    /// Samples came faster than they could be kept.
    SamplesLost {
        /// So many.
        lost: u64,
        /// Those that stand for them.
        kept: u64,
    },
    /// More events than are listed.
    EventsCut {
        /// Those listed.
        kept: u64,
    },
    /// The target was stopped at every system call.
    SlowTrace,
    /// Stacks of a 32-bit process are not unwound.
    InnermostOnly,
    /// Page faults were seen without the calls that map memory and give it back.
    CallsNotSeen {
        /// Why not.
        why: String,
    },
    /// The allocator's structures were not walked.
    HeapNotWalked,
    /// The process ended and another took its place.
    Restarted {
        /// The one that was watched.
        old: i32,
        /// The one that is there now.
        new: i32,
    },
    /// Beside the suspect another region grows.
    OtherGrowth {
        /// What it is.
        what: String,
        /// How fast.
        rate: Rate,
    },
    /// The process supervises others.
    MasterOnly {
        /// Its largest worker.
        worker: i32,
    },
    /// The suspect changed its place or size so much between looks that its past is a guess.
    LineageGuessed,
    /// What is shown are values out of memory.
    ValuesShown,
}

impl Notice {
    /// What is the matter.
    fn what(&self) -> String {
        match self {
            Notice::ContentSampled => "content tables were full, counts of small groups are lower bounds".into(),
            Notice::PartialScan { scanned, of } => format!("{scanned} of {of} were scanned, counts are of that part"),
            Notice::OneScan => "content was scanned once, its growth is not known".into(),
            Notice::RecordsCut { count } => format!("{} records are cut short and counted in part", thousands(*count)),
            Notice::SwappedSkipped { bytes } => format!("{bytes} swapped out were left alone and not read"),
            Notice::Unreadable { bytes } => format!("{bytes} could not be read and are missing from the answer"),
            Notice::SeveralStops { stops } => format!("memory was copied in {stops} stops, its parts differ in time"),
            Notice::FellBack { method, why } => format!("not copied by {method} ({})", one_line(why, 200)),
            Notice::NotHashed { holes } => {
                format!("no sha256 was made, {holes} of holes would take longer than the rest")
            }
            Notice::LiveRead => "memory was read while the process ran, single values may be torn".into(),
            Notice::WindowTooShort { watched, .. } => format!("{} is short for a verdict", duration(*watched)),
            Notice::LateLooks { taken, planned } => format!("only {taken} of {planned} looks were taken in time"),
            Notice::ClockChanged => "the clock was changed during the watch, times of day may be off".into(),
            Notice::SmapsNotPermitted => "memory per mapping may not be read, regions show address space only".into(),
            Notice::PssUnknown => "the proportional share of shared pages is not known".into(),
            Notice::ThirtyTwoBit => "the target is a 32-bit process, pointers in it are not recognised".into(),
            Notice::AlreadyStopped => "the target was stopped before and stays stopped, so it cannot grow now".into(),
            Notice::LimitsUnknown { why } => format!("no memory limit is known ({})", one_line(why, 120)),
            Notice::AllocationsNotSampled { why } => format!("who allocates was not sampled ({})", one_line(why, 300)),
            Notice::EndedWhileTraced => "the process ended, bytes are all it ever got and not what was left".into(),
            Notice::SamplesLost { lost, kept } => {
                format!("{} samples were lost, {} stand for them", thousands(*lost), thousands(*kept))
            }
            Notice::EventsCut { kept } => format!("only the first {} events are listed", thousands(*kept)),
            Notice::SlowTrace => "the target was stopped at every system call, which slows it several times".into(),
            Notice::InnermostOnly => "32-bit stacks are not unwound, each is its innermost function alone".into(),
            Notice::CallsNotSeen { why } => {
                format!("calls of brk, mmap, munmap were not counted ({})", one_line(why, 120))
            }
            Notice::HeapNotWalked => "the heap was not walked, lost memory is not told from held".into(),
            Notice::Restarted { old, new } => format!("process {old} ended, {new} runs in its place"),
            Notice::OtherGrowth { what, rate } => format!("{} grows too, {rate}", one_line(what, 120)),
            Notice::MasterOnly { .. } => "the target only supervises, its workers hold the memory".into(),
            Notice::LineageGuessed => "regions moved between looks, the growth of each is a guess".into(),
            Notice::ValuesShown => "samples are values out of the target's memory and may be secrets".into(),
        }
    }

    /// What to do about it.
    fn remedy(&self) -> String {
        match self {
            Notice::ContentSampled => "give it more with --max-memory".into(),
            Notice::PartialScan { .. } => "for all of it dump the region and scan the file".into(),
            Notice::OneScan => "compare two dumps with leakscope diff".into(),
            Notice::RecordsCut { .. } => "take bytes of such groups as lower bounds".into(),
            Notice::SwappedSkipped { .. } => {
                "add --include-swapped to read them, at the cost of swapping them in".into()
            }
            Notice::Unreadable { .. } => "run it again, mappings may have changed meanwhile".into(),
            Notice::SeveralStops { .. } => "for one instant give it more with --max-memory".into(),
            Notice::FellBack { .. } => "the next gentle way was taken instead".into(),
            Notice::NotHashed { .. } => "narrow the range, or hash the file with sha256sum".into(),
            Notice::LiveRead => "counts hold, for exact bytes use leakscope dump".into(),
            Notice::WindowTooShort { wanted, pid, .. } => {
                format!("look longer: leakscope {pid} --for {}", super::summary::typed(*wanted))
            }
            Notice::LateLooks { .. } => "rates hold but are coarser, look longer with --for".into(),
            Notice::ClockChanged => "trust durations and rates, not the times".into(),
            Notice::SmapsNotPermitted => "run leakscope doctor to see what is missing".into(),
            Notice::PssUnknown => "run as root, or read RSS as an upper bound".into(),
            Notice::ThirtyTwoBit => "rely on text and records, not on objects".into(),
            Notice::AlreadyStopped => "continue it with kill -CONT and look again".into(),
            Notice::LimitsUnknown { .. } => "read growth without a deadline, or run where the cgroup is visible".into(),
            Notice::AllocationsNotSampled { .. } => {
                "follow the shape of the records to the code that makes them".into()
            }
            Notice::EndedWhileTraced => "compare stacks by what they got".into(),
            Notice::SamplesLost { .. } => "shares hold, they are coarser".into(),
            Notice::EventsCut { .. } => "look for a shorter time with --for; sums are of all".into(),
            Notice::SlowTrace => "for a process that serves use --method perf or breakpoint".into(),
            Notice::InnermostOnly => "see calls and files with leakscope trace --calls all".into(),
            Notice::CallsNotSeen { .. } => "to count them: mount -t tracefs nodev /sys/kernel/tracing".into(),
            Notice::HeapNotWalked => "see leakscope heap for why, and read growing as: lost or held".into(),
            Notice::Restarted { new, .. } => format!("look at the new one: leakscope {new}"),
            Notice::OtherGrowth { .. } => "see all regions with leakscope map".into(),
            Notice::MasterOnly { worker } => format!("look at the largest one: leakscope {worker}"),
            Notice::LineageGuessed => "trust the growth of the whole process over that of regions".into(),
            Notice::ValuesShown => "use --redact before passing them on".into(),
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what(), self.remedy())
    }
}

/// A watch shorter than this is short for any verdict.
const SHORT: Duration = Duration::from_secs(3);

/// The cautions that follow from the facts themselves. How bytes were read is for those to say who read them.
pub fn notices(facts: &Facts) -> Vec<Notice> {
    let judgement = weigh(facts);
    let mut notices = Vec::new();
    if facts.window < SHORT || judgement.kind == VerdictKind::Inconclusive {
        let wanted = look_for(facts, &judgement.held);
        notices.push(Notice::WindowTooShort { watched: facts.window, wanted, pid: facts.pid });
    }
    notices.extend(other_growth(facts, &judgement));
    if let Some(worker) = &facts.worker {
        notices.push(Notice::MasterOnly { worker: worker.pid });
    }
    if let Some(content) = facts.content {
        if !content.groups.is_empty() && content.groups.iter().all(|group| group.before.is_none()) {
            notices.push(Notice::OneScan);
        }
        if content.sampled {
            notices.push(Notice::ContentSampled);
        }
    }
    if facts.limit.is_none() {
        notices.push(Notice::LimitsUnknown { why: "none was found".into() });
    }
    if facts.heap.is_none() {
        notices.push(Notice::HeapNotWalked);
    }
    notices
}

/// The runner-up, where it grows by a tenth of the suspect at least.
fn other_growth(facts: &Facts, judgement: &Judgement) -> Option<Notice> {
    let (_, most) = judgement.grower?;
    let next = *facts.choice?.runners_up.first()?;
    let (region, growth) = facts.grown().find(|(_, growth)| growth.region == next)?;
    let worth = growth.grows() && growth.slope.rate.0 >= 0.1 * most.slope.rate.0;
    worth.then(|| Notice::OtherGrowth { what: words::region(region), rate: growth.slope.rate })
}

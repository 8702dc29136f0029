//! The sentence for the incident channel: what, how fast, whose, until when.

use std::time::Duration;

use super::attribution::attribute;
use super::facts::Facts;
use super::verdict::{Judgement, VerdictKind, free_share, look_for, lost_share};
use super::words::{duration, members, one_line, per_second, percent, region, thousands, who};
use crate::growth::{Shape, Trend};
use crate::space::RegionKind;
use crate::units::{ByteCount, Rate};

/// Below this part of the growth, what was recognised is not the story.
const WORTH_NAMING: f64 = 0.05;
/// A function of less than this part of the growth is one of many.
const MOSTLY_ALLOCATED: f64 = 0.4;
/// Where less than this part of what grows is other than zero, no record explains the growth.
const MOSTLY_ZEROS: f64 = 0.3;

pub(super) fn sentence(facts: &Facts, judgement: &Judgement) -> String {
    let claims = match judgement.kind {
        VerdictKind::Growing => vec![grows(judgement), content(facts, judgement), allocated(facts)],
        VerdictKind::Leak if names_the_lost(facts) => {
            vec![grows(judgement), lost(facts, judgement), allocated(facts)]
        }
        VerdictKind::Leak => {
            vec![grows(judgement), lost(facts, judgement), content(facts, judgement), allocated(facts)]
        }
        VerdictKind::Fragmentation => vec![fragmented(facts, judgement)],
        VerdictKind::MappingLeak => vec![mappings(facts, judgement), allocated(facts)],
        VerdictKind::ThreadLeak => vec![threads(facts, judgement)],
        VerdictKind::SharedMemory => vec![shared(facts)],
        VerdictKind::Stable => return end(stable(facts, &judgement.held), facts),
        VerdictKind::Inconclusive => return end(inconclusive(facts, &judgement.held), facts),
    };
    let claims = claims.into_iter().chain([until(facts, judgement)]).filter(|claim| !claim.is_empty());
    format!("{}: {}", who(facts), claims.collect::<Vec<_>>().join("; "))
}

/// A master that does nothing is rarely the one to look at.
fn end(sentence: String, facts: &Facts) -> String {
    match &facts.worker {
        Some(worker) => {
            let name = one_line(&worker.name, 64);
            let size = worker.rss.map(|rss| format!(" ({rss} resident)")).unwrap_or_default();
            format!("{sentence}; it only supervises, its largest worker is {name} {}{size}", worker.pid)
        }
        None => sentence,
    }
}

/// `heap grows +12.0 MiB/s`, or the whole process where no one region makes most of it.
fn grows(judgement: &Judgement) -> String {
    let whole = judgement.held.slope.rate;
    let Some((grower, growth)) = judgement.grower else {
        return format!("memory grows {whole}");
    };
    let part = growth.slope.rate.0 / whole.0;
    let of_the_whole = judgement.held.grows() && growth.grows() && part < 0.8;
    let kind = region(grower);
    let newly = if growth.new { ", new since the watch began" } else { "" };
    if of_the_whole {
        return format!("memory grows {whole}, {} of it in {kind}{newly}", percent(part));
    }
    let rate = if growth.grows() { growth.slope.rate } else { whole };
    format!("{kind} grows {rate}{newly}")
}

/// `98 % of the growth is {…} records (+54 000/s)`.
fn content(facts: &Facts, judgement: &Judgement) -> String {
    let Some(scan) = facts.content else { return String::new() };
    let between = facts.between.unwrap_or(facts.window);
    let seconds = between.as_secs_f64();
    let rate = judgement.grower.map_or(judgement.held.slope.rate, |(_, growth)| growth.slope.rate);
    let written = scan.gained().filter(|_| seconds > 0.0).map(|gained| gained as f64 / seconds / rate.0);
    if let Some(part) = written.filter(|part| *part < MOSTLY_ZEROS) {
        return format!("{} of the growth is zeros, allocated and hardly written", percent((1.0 - part).min(1.0)));
    }
    let Some(found) = attribute(scan, between) else { return String::new() };
    let compared = found.group.before.is_some();
    let whole = if compared { "the growth" } else { "what is there" };
    if found.share < WORTH_NAMING {
        return format!(
            "{} of {whole} is text or records of a known shape, the rest is binary",
            percent(found.recognised)
        );
    }
    let rate = found.per_second.map(|rate| format!(" ({})", per_second(rate))).unwrap_or_default();
    let claim = format!("{} of {whole} is {}{rate}", percent(found.share), members(found.group));
    if found.recognised >= 0.5 {
        return claim;
    }
    if found.recognised - found.share < 0.02 {
        return format!("{claim}, the rest is binary");
    }
    format!("{claim}, {} is recognised at all, the rest is binary", percent(found.recognised))
}

/// `allocated by enc_record (libcrypt_old.so)`; of less than most of the growth with its part.
fn allocated(facts: &Facts) -> String {
    let Some(allocator) = facts.allocator.as_ref().filter(|allocator| allocator.share >= MOSTLY_ALLOCATED) else {
        return String::new();
    };
    let module = allocator.module.as_ref().map(|module| format!(" ({})", one_line(module, 64))).unwrap_or_default();
    let function = one_line(&allocator.function, 96);
    if allocator.share >= 0.8 {
        return format!("allocated by {function}{module}");
    }
    format!("{} allocated by {function}{module}", percent(allocator.share))
}

fn lost(facts: &Facts, judgement: &Judgement) -> String {
    let share = facts.heap.as_ref().and_then(|heap| lost_share(heap, judgement.held.change())).unwrap_or(0.0);
    let what = facts.heap.as_ref().and_then(|heap| heap.lost_in.as_ref());
    let what = what.map(|what| format!(": {}", one_line(what, 200))).unwrap_or_default();
    format!("{} of the growth is in use yet nothing points to it{what}", percent(share))
}

fn names_the_lost(facts: &Facts) -> bool {
    facts.heap.as_ref().is_some_and(|heap| heap.lost_in.is_some())
}

fn fragmented(facts: &Facts, judgement: &Judgement) -> String {
    let Some(heap) = &facts.heap else { return String::new() };
    let (all, used) = (heap.in_use + heap.free, percent(1.0 - free_share(heap)));
    let pace =
        if judgement.slope.is_some() { format!(" and grows {}", judgement.held.slope.rate) } else { String::new() };
    format!("heap holds {all}{pace}, of which {} ({used}) is in use: freed memory is held, not leaked", heap.in_use)
}

fn mappings(facts: &Facts, judgement: &Judgement) -> String {
    let Some(trend) = facts.series.mappings() else { return String::new() };
    let memory = match judgement.slope {
        Some(slope) => format!("and memory with them {}", slope.rate),
        None => "and with them reserved address space, hardly touched so far".to_owned(),
    };
    let counts = from_to(trend.first, trend.last, facts.window);
    format!("mappings grow {} ({counts}) {memory}", per_second(trend.per_second))
}

fn threads(facts: &Facts, judgement: &Judgement) -> String {
    let trend = facts.series.threads();
    let counts = from_to(trend.first, trend.last, facts.window);
    let memory = match judgement.slope {
        Some(slope) => format!("and memory with them {}", slope.rate),
        None => "and with them their stacks".to_owned(),
    };
    format!("threads grow {} ({counts}) {memory}", per_second(trend.per_second))
}

fn from_to(first: u64, last: u64, window: Duration) -> String {
    format!("{} to {} in {}", thousands(first), thousands(last), duration(window))
}

fn shared(facts: &Facts) -> String {
    let trend = facts.series.shared();
    let grown = facts.grown().filter(|(region, growth)| region.kind == RegionKind::Shared && growth.change() > 0);
    let what = match grown.max_by_key(|(_, growth)| growth.change()) {
        Some((grower, _)) => region(grower),
        None => "shared memory".to_owned(),
    };
    format!("{what} grows {} to {}", trend.slope.rate, trend.last)
}

/// `cgroup limit 512.0 MiB in 41 s`.
fn until(facts: &Facts, judgement: &Judgement) -> String {
    let (Some((words, limit, _)), Some(time)) = (&facts.limit, judgement.to_limit) else { return String::new() };
    let words = limit_words(words);
    if time.expected.is_zero() {
        return format!("{words} {limit} is reached");
    }
    format!("{words} {limit} in {}", duration(time.expected))
}

fn limit_words(words: &str) -> String {
    let words = one_line(words, 64);
    match words.as_str() {
        "system" => "the machine's memory".to_owned(),
        known if known.contains("limit") => words,
        _ => format!("{words} limit"),
    }
}

/// `redis-server 99 is stable at 312.0 MiB: +0 B/s over 10 s`.
fn stable(facts: &Facts, held: &Trend) -> String {
    let window = duration(facts.window);
    let change = ByteCount(held.change().unsigned_abs());
    let course = match held.shape {
        Shape::Plateau => format!("grew by {change} and then no more, over {window}"),
        Shape::Sawtooth => format!("swings between {} and {} and comes back, over {window}", held.lowest, held.highest),
        Shape::Step => format!("jumped by {change} and stood before and after, over {window}"),
        Shape::Shrinking => format!("shrinks {} over {window}", held.slope.rate),
        _ => format!("{} over {window}", still_rate(held)),
    };
    let near = facts.limit.as_ref().filter(|(_, limit, usage)| usage.share_of(*limit) >= 0.9);
    let near = near.map(|(words, limit, usage)| {
        format!("; {} of {} {limit} is used", percent(usage.share_of(*limit)), limit_words(words))
    });
    format!("{} is stable at {}: {course}{}", who(facts), held.last, near.unwrap_or_default())
}

/// Movement too small to be one is told as none.
fn still_rate(held: &Trend) -> Rate {
    let nothing = held.slope.low.0 <= 0.0 && held.slope.high.0 >= 0.0;
    if nothing { Rate(0.0) } else { held.slope.rate }
}

fn inconclusive(facts: &Facts, held: &Trend) -> String {
    let window = duration(facts.window);
    let why = if held.samples < 4 {
        format!(
            "{} in {window} is too few",
            if held.samples == 1 { "1 look".into() } else { format!("{} looks", held.samples) }
        )
    } else if held.shape == Shape::Slowing {
        format!(
            "it grew by {} in {window} and slows down, a warm-up or a leak",
            ByteCount(held.change().unsigned_abs())
        )
    } else {
        format!("memory moved between {} and {} in {window} on no clear course", held.lowest, held.highest)
    };
    let longer = typed(look_for(facts, held));
    format!("{} cannot be judged yet: {why}; look for {longer}: leakscope {} --for {longer}", who(facts), facts.pid)
}

/// A time as it is typed behind `--for`.
pub(super) fn typed(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds.is_multiple_of(60) { format!("{}m", seconds / 60) } else { format!("{seconds}s") }
}

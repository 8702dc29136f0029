//! A copy-on-write child of a target as a snapshot of its private memory: made while one thread stands still, read at
//! leisure, gone when this is dropped, when leakscope ends in any way, or when memory becomes scarce.

use std::os::fd::AsFd;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::WriteTracker;
use super::huge_pages::HugePages;
use super::site::Site;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::aside::{self, Aside, Talk};
#[cfg(target_arch = "x86_64")]
use crate::sys::inject::{self, Forked, Seat};
use crate::target::pause::refusal::{Refusal, refuse};
#[cfg(target_arch = "x86_64")]
use crate::target::stat::{Stat, Status};
use crate::target::{LimitEffect, Target};
use crate::units::{Addr, ByteCount, Span};

/// The child is given up where less is left below a limit at which the kernel kills: this, or an eighth of the limit.
const LOW_WATER: ByteCount = ByteCount::mib(64);

/// A child of a target that holds its memory as it was at one instant.
#[derive(Debug)]
pub struct ChildSnapshot {
    /// Dropped first: the files of the child.
    child: Target,
    pause: Duration,
    _keeper: Aside,
    /// Last, when nobody shares them any more.
    _huge: Option<HugePages>,
}

/// What a child takes of the target's allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForkCost {
    /// Page tables copied at once.
    pub page_tables: ByteCount,
    /// Least headroom of the limits at which the kernel kills.
    pub headroom: ByteCount,
    /// Time that the copying of page tables takes, roughly.
    pub pause: Duration,
}

#[derive(Debug, Serialize, Deserialize)]
enum Begun {
    Forked { child: i32, stood: Duration },
    Refused(Refusal),
}

impl ForkCost {
    /// Predicts it; otherwise says why a child would be unsafe.
    pub fn predict(target: &Target) -> std::result::Result<ForkCost, String> {
        super::site::refuse_unfit(target)?;
        let status = target.status().map_err(|error| error.to_string())?;
        if status.namespace_pids.last() == Some(&1) {
            return Err("it is the init of its container, to which the child would be handed over".into());
        }
        let page_tables = status.vm_pte.unwrap_or_default();
        let (headroom, low) = scarcity(target);
        if headroom < page_tables + low + low {
            return Err(format!("only {headroom} are left below its memory limit, and a child's copies count there"));
        }
        if let Some(group) = target.killed_together() {
            // Elsewhere the child alone would die if memory ran out; here nothing may depend on giving it up in time.
            let needed = page_tables + low + low + status.rss_anon.or(status.vm_rss).unwrap_or_default();
            if headroom < needed {
                return Err(format!(
                    "{headroom} are left below its memory limit, {needed} would be safe: out of memory, the kernel kills \
                     all of its cgroup {group} for a child's copies (memory.oom.group)"
                ));
            }
        }
        // 8 bytes of table for a page of 4 KiB, 20 ms for a GiB of those.
        let pause = Duration::from_micros(500 + page_tables.0 / 8 * 20_000 / (1 << 18));
        Ok(ForkCost { page_tables, headroom, pause })
    }
}

/// What is left below the nearest limit at which the kernel kills, and what must be.
fn scarcity(target: &Target) -> (ByteCount, ByteCount) {
    let limits = target.limits().unwrap_or_default();
    let nearest = limits.into_iter().find(|limit| limit.effect == LimitEffect::Kill);
    nearest.map_or((ByteCount(u64::MAX), ByteCount::ZERO), |limit| {
        (limit.headroom(), LOW_WATER.min(ByteCount(limit.limit.0 / 8)))
    })
}

impl ChildSnapshot {
    /// Makes the child.
    ///
    /// # Errors
    /// `Failed` where that cannot be done safely or the kernel refuses (limits on processes or memory); as for a pause
    /// otherwise. Nothing is left of it then.
    pub fn take(target: &Target) -> Result<ChildSnapshot> {
        let unfit = |reason| refuse(target, Refusal::Unfit(reason));
        target.heal();
        ForkCost::predict(target).map_err(unfit)?;
        ChildSnapshot::take_at(target, &Site::find(target).map_err(unfit)?)
    }

    /// The same by the threads of `site` alone.
    pub(super) fn take_at(target: &Target, site: &Site) -> Result<ChildSnapshot> {
        let failed = |error| target.failure("cannot fork", &error);
        let huge = HugePages::among(
            target,
            &WriteTracker::trackable(&target.mappings()?, &[Span::new(Addr(0), Addr(u64::MAX))]),
        );
        let mem = target.writable_memory().map_err(failed)?;
        let keep = [mem.as_fd(), target.directory().as_fd()];
        let mut keeper = aside::begin(&keep, |talk| keep_child(target, site, &mem, talk)).map_err(failed)?;
        let begun = keeper.talk().map(Talk::hear).transpose().ok().flatten();
        let lost = |reason: &str| {
            target.check_alive()?;
            Err(refuse(target, Refusal::Unfit(reason.into())))
        };
        match begun {
            Some(Begun::Forked { child, stood }) => {
                let child = Target::open(child)?;
                Ok(ChildSnapshot { child, pause: stood, _keeper: keeper, _huge: huge })
            }
            Some(Begun::Refused(Refusal::Gone)) => lost("the thread that was to make the child ended meanwhile"),
            Some(Begun::Refused(refusal)) => Err(refuse(target, refusal)),
            None => lost("the process that made the child was killed"),
        }
    }

    /// The child, whose memory does not change.
    pub fn child(&self) -> &Target {
        &self.child
    }

    /// How long the thread that made it stood still.
    pub fn pause(&self) -> Duration {
        self.pause
    }

    /// Page tables it has of its own, and copies that it and the target made of pages since; zero where it is gone.
    pub fn cost(&self) -> (ByteCount, ByteCount) {
        let tables = self.child.status().ok().and_then(|status| status.vm_pte).unwrap_or_default();
        let text = self.child.proc_text("smaps_rollup").unwrap_or_default();
        let size = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
            ByteCount::kib(line.split_ascii_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0))
        };
        (tables, size("Private_Dirty:"))
    }

    /// That it was there all the time.
    ///
    /// # Errors
    /// `Failed` where it was given up for want of memory.
    pub fn check(&self) -> Result<()> {
        if self.child.is_alive() { Ok(()) } else { Err(self.given_up()) }
    }

    /// What is to be said where reading it found it gone. The kernel takes a dying child's memory before it says that it
    /// ended, so that asking once more could find it alive.
    pub fn given_up(&self) -> Error {
        let reason = "its copy-on-write child was given up, because memory became scarce or leakscope was stopped";
        Error::new(ErrorKind::Failed, "cannot read a snapshot of", self.child.subject(), reason)
    }
}

/// The keeper's life: have the child made, say so, wait, end it.
#[cfg(target_arch = "x86_64")]
fn keep_child(target: &Target, site: &Site, mem: &std::fs::File, talk: &mut Talk) {
    let mut left = None;
    let done = super::sitting::with_seat(site, mem, &mut |seat| inject::fork(seat, &mut left));
    if let Some(left) = left {
        reap(target, left);
    }
    let refused = |reason: String| Begun::Refused(Refusal::Unfit(reason));
    let begun = match done {
        Err(refusal) => Begun::Refused(refusal),
        Ok(done) => match done.answer {
            Forked::Child(child) => {
                // The kernel shall choose the child before anybody else, should memory run out all the same.
                let _ = std::fs::write(format!("/proc/{child}/oom_score_adj"), "1000");
                Begun::Forked { child, stood: done.stood }
            }
            Forked::Subreaper => refused("it gathers orphans, and the child would become its own".into()),
            Forked::Refused(code) => {
                refused(format!("the kernel refuses it a child: {}", std::io::Error::from_raw_os_error(code)))
            }
        },
    };
    let heard = talk.say(&begun);
    if let Begun::Forked { child, .. } = begun {
        let is_over = |parent| crate::target::pause::is_stopped(parent) || is_scarce(target);
        if heard.is_ok() {
            talk.wait_for_parent(&is_over);
        }
        inject::end(child);
    }
}

/// Has a thread of what `target` has become reap `child`, which has ended: the one that was to do it ended too, when another
/// became a new program. Gives up after a while.
#[cfg(target_arch = "x86_64")]
fn reap(target: &Target, child: i32) {
    const TRIES: u32 = 50;
    const BETWEEN: Duration = Duration::from_millis(20);
    for _ in 0..TRIES {
        let Some(number) = zombie_of(target, child) else { return };
        std::thread::sleep(BETWEEN);
        let (Ok(site), Ok(mem)) = (Site::find(target), target.writable_memory()) else { continue };
        let flags = (libc::__WALL | libc::WNOHANG) as u64;
        let mut wait = |seat: &mut Seat<'_>| seat.call(libc::SYS_wait4, &[number, 0, flags, 0]);
        // What fails is tried again.
        let _ = super::sitting::with_seat(&site, &mem, &mut wait);
    }
}

/// The number of `child` in the namespace of `target`, as long as it waits to be reaped by that.
#[cfg(target_arch = "x86_64")]
fn zombie_of(target: &Target, child: i32) -> Option<u64> {
    let text = |name: &str| std::fs::read_to_string(format!("/proc/{child}/{name}")).ok();
    let stat = Stat::parse(&text("stat")?)?;
    let numbers = Status::parse(&text("status")?).namespace_pids;
    let number = u64::try_from(*numbers.last()?).ok()?;
    (stat.is_zombie() && stat.ppid == target.pid()).then_some(number)
}

#[cfg(not(target_arch = "x86_64"))]
fn keep_child(_: &Target, _: &Site, _: &std::fs::File, talk: &mut Talk) {
    let _ = talk.say(&Begun::Refused(Refusal::Unfit("system calls are injected on x86-64 alone".into())));
}

fn is_scarce(target: &Target) -> bool {
    let (headroom, low) = scarcity(target);
    headroom < low
}

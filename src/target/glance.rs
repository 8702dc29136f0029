//! The cheapest looks at a target, for a watch that runs for days: its sums from statm, its title, and how it ended.
//! Draws no conclusions; OOM kills are told by `group_memory` and the kernel's log.

use std::io::Read;
use std::os::fd::AsFd;

use super::opening::Target;
use super::residency::page_size;
use crate::sys::pidfd;
use crate::units::{Addr, ByteCount};

/// What statm says: 10 µs, and no lock of the target's is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Glance {
    /// Address space.
    pub size: ByteCount,
    /// Resident, all kinds.
    pub rss: ByteCount,
    /// Of that, pages of files, shared memory and tmpfs.
    pub shared: ByteCount,
}

/// What statm leaves out, from status: 30 µs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Swapped out.
    pub swap: ByteCount,
    /// Threads.
    pub threads: u64,
    /// Where its heap begins: elsewhere after an exec. None for those who may not trace it.
    pub heap_start: Option<Addr>,
    /// The kernel's short name for it now; another one after an exec. Hostile text.
    pub name: String,
    /// Its arguments or title now. Hostile text.
    pub title: String,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It exited with this code.
    Exited(i32),
    /// This signal killed it.
    Killed(i32),
    /// It is gone, and nobody told how (before Linux 6.15 only its parent learns).
    Unknown,
}

impl Ending {
    /// From a wait status.
    fn of(status: i32) -> Ending {
        match status & 0x7f {
            0 => Ending::Exited(status >> 8 & 0xff),
            signal => Ending::Killed(signal),
        }
    }
}

impl Target {
    /// Its sums now; `None` once it has no memory any more.
    pub fn glance(&self) -> Option<Glance> {
        let mut bytes = [0; 128];
        let length = self.proc_file("statm").ok()?.read(&mut bytes).ok()?;
        let glance = parse_statm(std::str::from_utf8(bytes.get(..length)?).ok()?)?;
        (glance.size > ByteCount::ZERO).then_some(glance)
    }

    /// What statm leaves out; `None` once it ended.
    pub fn standing(&self) -> Option<Standing> {
        let status = self.status().ok()?;
        let name = self.proc_text("comm").ok()?.trim_end_matches('\n').to_owned();
        let mut title = Vec::new();
        self.proc_file("cmdline").ok()?.take(1024).read_to_end(&mut title).ok()?;
        let title = String::from_utf8_lossy(&title).trim_end_matches('\0').replace('\0', " ");
        let heap_start = self.stat().ok()?.start_brk;
        let swap = status.vm_swap.unwrap_or_default();
        Some(Standing { swap, threads: status.threads, heap_start, name, title })
    }

    /// How it ended; `None` while it lives. A zombie tells its status to who may trace it, a reaped process by its
    /// pidfd since Linux 6.15.
    pub fn ending(&self) -> Option<Ending> {
        if self.is_alive() {
            return None;
        }
        let reaped = self.pidfd().and_then(|pidfd| pidfd::exit_status(pidfd.as_fd()).ok().flatten());
        let zombie = || {
            let text = self.proc_text("stat").ok()?;
            text.rsplit(' ').next()?.trim().parse::<i32>().ok().filter(|status| *status != 0)
        };
        Some(reaped.or_else(zombie).map_or(Ending::Unknown, Ending::of))
    }
}

/// `size resident shared text lib data dt`, in pages.
fn parse_statm(text: &str) -> Option<Glance> {
    let page = page_size().0;
    let mut fields = text.split_ascii_whitespace().map(|field| field.parse::<u64>().ok());
    let mut next = || Some(ByteCount(fields.next()??.saturating_mul(page)));
    Some(Glance { size: next()?, rss: next()?, shared: next()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::child::WaitingChild;

    #[test]
    fn a_glance_agrees_with_status() {
        let child = WaitingChild::start();
        let target = Target::open(child.pid()).unwrap();
        let glance = target.glance().unwrap();
        let sample = target.sample(std::time::Duration::ZERO, false).unwrap();
        assert_eq!(glance.rss, sample.rss);
        assert_eq!(glance.rss.saturating_sub(glance.shared), sample.anonymous);
        let standing = target.standing().unwrap();
        assert_eq!((standing.name.as_str(), standing.threads), ("cat", 1));
        assert_eq!(target.ending(), None);
        assert_eq!(parse_statm("1 2"), None);
        assert_eq!(parse_statm(""), None);
    }

    #[test]
    fn a_zombie_and_a_reaped_process_tell_how_they_ended() {
        let mut child = WaitingChild::start();
        let target = Target::open(child.pid()).unwrap();
        child.kill_without_reaping();
        assert_eq!(target.glance(), None);
        assert!(matches!(target.ending(), Some(Ending::Killed(libc::SIGKILL) | Ending::Unknown)));
        drop(child);
        assert!(matches!(target.ending(), Some(Ending::Killed(libc::SIGKILL) | Ending::Unknown)));
        assert_eq!((Ending::of(0x300), Ending::of(0x8b)), (Ending::Exited(3), Ending::Killed(11)));
    }
}

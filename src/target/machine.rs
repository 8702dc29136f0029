//! The machine's memory as a whole, and how much of it is left to us.

use super::limits::{Cgroups, Limit, LimitEffect, LimitKind};
use super::roots::Roots;
use crate::error::{Error, ErrorKind, Result};
use crate::units::ByteCount;

/// The machine's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MachineMemory {
    /// MemTotal.
    pub total: ByteCount,
    /// MemAvailable: free, and what the kernel can free without swapping.
    pub available: ByteCount,
    /// SwapTotal.
    pub swap_total: ByteCount,
    /// SwapFree.
    pub swap_free: ByteCount,
    /// What leakscope itself may take: `available`, or less where our own cgroup has a limit.
    pub spare: ByteCount,
}

/// The machine's memory now.
///
/// # Errors
/// `Failed` where /proc/meminfo cannot be read.
pub fn machine_memory() -> Result<MachineMemory> {
    MachineMemory::read(&Roots::real())
}

impl MachineMemory {
    pub(super) fn read(roots: &Roots) -> Result<MachineMemory> {
        let failed = |reason: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Failed, "cannot read", "the machine's memory", reason)
        };
        let text = roots.proc_text("meminfo").map_err(|error| failed(&error))?;
        let total = meminfo(&text, "MemTotal").ok_or_else(|| failed(&"meminfo has no MemTotal"))?;
        // MemAvailable came with Linux 3.14; some containers show a meminfo without it.
        let available = meminfo(&text, "MemAvailable").or(meminfo(&text, "MemFree")).unwrap_or_default();
        let own = roots.proc_text("self/cgroup").unwrap_or_default();
        let own_headroom = Cgroups::new(roots).limits_of(&own).iter().map(Limit::headroom).min();
        Ok(MachineMemory {
            total,
            available,
            swap_total: meminfo(&text, "SwapTotal").unwrap_or_default(),
            swap_free: meminfo(&text, "SwapFree").unwrap_or_default(),
            spare: own_headroom.map_or(available, |headroom| headroom.min(available)),
        })
    }

    /// The machine as a limit: memory and swap together, since what is swapped out counts as held.
    pub(super) fn limit(&self) -> Limit {
        let in_use = self.total.saturating_sub(self.available) + self.swap_total.saturating_sub(self.swap_free);
        let source = if self.swap_total == ByteCount::ZERO { "memory" } else { "memory and swap" };
        Limit {
            kind: LimitKind::System,
            limit: self.total + self.swap_total,
            usage: in_use,
            source: format!("the machine's {source}"),
            effect: LimitEffect::Kill,
        }
    }
}

/// A line of meminfo, in bytes.
fn meminfo(text: &str, key: &str) -> Option<ByteCount> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    line.split_ascii_whitespace().next()?.parse().ok().map(ByteCount::kib)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_real_machine_has_memory() {
        let machine = machine_memory().unwrap();
        assert!(machine.total > machine.available && machine.available >= machine.spare);
        assert!(machine.spare > ByteCount::ZERO);
    }

    #[test]
    fn swap_counts_on_both_sides() {
        let machine = MachineMemory {
            total: ByteCount(100),
            available: ByteCount(30),
            swap_total: ByteCount(50),
            swap_free: ByteCount(40),
            spare: ByteCount(30),
        };
        let limit = machine.limit();
        assert_eq!((limit.limit, limit.usage, limit.headroom()), (ByteCount(150), ByteCount(80), ByteCount(70)));
    }

    #[test]
    fn without_meminfo_there_is_a_clear_error() {
        let folder = tempfile::tempdir().unwrap();
        let roots = Roots { proc: folder.path().to_owned(), sys: folder.path().to_owned() };
        let error = MachineMemory::read(&roots).unwrap_err();
        assert!(error.to_string().starts_with("cannot read the machine's memory: "), "{error}");
    }
}

//! Looks at a target's memory from cheap to dear: one sample of sums, a look at its regions through the page table,
//! and all of smaps. What changed between looks is `growth`'s to say.

use std::io;
use std::time::Duration;

use super::cgroup::unescape;
use super::maps;
use super::opening::Target;
use crate::error::{Error, ErrorKind, Result};
use crate::growth::{Look, Sample};
use crate::space::{AddressMap, Footprint, Hints, Mapping, regions};
use crate::units::{Addr, ByteCount};

/// Threads asked for their stack pointers at a look, 20 µs each. The others are told by the size of their stacks.
const THREADS_ASKED: usize = 64;

impl Target {
    /// One cheap look at the sums, 30 µs. `at` is the time since the watch began. With `count_mappings` the lines of
    /// maps are counted too, 0.2 µs each. Up to Linux 6.15 the sums lag behind by up to 32 pages per processor or more.
    ///
    /// # Errors
    /// `Gone`, or `Failed` with the kernel's reason.
    pub fn sample(&self, at: Duration, count_mappings: bool) -> Result<Sample> {
        let action = "cannot sample";
        let status = self.status().map_err(|error| self.failure(action, &error))?;
        let Some(rss) = status.vm_rss else {
            self.check_alive()?;
            return Err(Error::new(ErrorKind::Gone, action, self.subject(), "it has no memory left: it is exiting"));
        };
        let mappings = match count_mappings {
            true => {
                let counted = self.proc_file("maps").and_then(maps::count_lines);
                Some(counted.map_err(|error| self.failure(action, &error))?)
            }
            false => None,
        };
        let anonymous = status.rss_anon.unwrap_or(rss);
        let swap = status.vm_swap.unwrap_or_default();
        let shared = status.rss_shmem.unwrap_or_default();
        Ok(Sample { at, rss, anonymous, shared, swap, mappings, threads: status.threads })
    }

    /// Its mappings and the regions made of them, with sizes and no other costs.
    ///
    /// # Errors
    /// As `mappings`.
    pub fn address_map(&self) -> Result<AddressMap> {
        let mappings = self.mappings()?;
        let regions = regions(&mappings, &[], &self.hints());
        Ok(AddressMap { mappings, regions })
    }

    /// The same with all costs. Takes 8-15 ms per resident GiB and 2 µs per mapping, and holds the target's mmap_lock
    /// while it lasts: for the beginning and the end of a watch, not for in between.
    ///
    /// # Errors
    /// As `mappings`.
    pub fn smaps(&self) -> Result<AddressMap> {
        let read = self.proc_file("smaps").and_then(maps::read_smaps);
        let (mappings, footprints) = read.map_err(|error| self.failure("cannot read the memory map of", &error))?;
        self.refuse_empty(mappings.is_empty())?;
        let regions = regions(&mappings, &footprints, &self.hints());
        Ok(AddressMap { mappings, regions })
    }

    /// Its regions with their private memory, swapped included, as `footprint.anonymous`; other costs are left zero.
    /// Takes 2 ms per resident anonymous GiB and holds mmap_lock for a quarter of a millisecond at a time.
    ///
    /// # Errors
    /// As `mappings`.
    pub fn look(&self, at: Duration) -> Result<Look> {
        let mappings = self.mappings()?;
        let held = self.held_by(&mappings)?;
        let footprint = |(mapping, held): (&Mapping, ByteCount)| Footprint {
            size: mapping.span.size(),
            anonymous: held,
            ..Footprint::default()
        };
        let footprints: Vec<Footprint> = mappings.iter().zip(held).map(footprint).collect();
        let regions = regions(&mappings, &footprints, &self.hints());
        Ok(Look { at, map: AddressMap { mappings, regions } })
    }

    /// What is known beside the mappings; what may not be read is left out.
    pub(super) fn hints(&self) -> Hints {
        let threads = self.thread_ids().unwrap_or_default();
        Hints {
            start_brk: self.stat().ok().and_then(|stat| stat.start_brk),
            stack_pointers: self.stack_pointers(&threads),
            threads: (!threads.is_empty()).then_some(threads.len() as u64),
            stack_limit: self.soft_limit("Max stack size"),
            tmpfs_devices: self.tmpfs_devices().to_vec(),
            is_32bit: self.identity().is_32bit,
        }
    }

    /// Where the waiting ones of `threads` have their stacks. The main thread's has a name of its own.
    fn stack_pointers(&self, threads: &[i32]) -> Vec<Addr> {
        let others = threads.iter().filter(|thread| **thread != self.pid());
        let text = |thread: &i32| -> io::Result<String> { self.proc_text(&format!("task/{thread}/syscall")) };
        others.take(THREADS_ASKED).filter_map(|thread| stack_pointer(&text(thread).ok()?)).collect()
    }

    /// The soft limit of that name in /proc/PID/limits, `None` where it is unlimited or not to be read.
    pub(super) fn soft_limit(&self, name: &str) -> Option<ByteCount> {
        let text = self.proc_text("limits").ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_ascii_whitespace().next()?.parse().ok().map(ByteCount)
    }
}

/// From /proc/PID/task/TID/syscall: `number arguments… sp pc`, `-1 sp pc`, or `running`.
fn stack_pointer(text: &str) -> Option<Addr> {
    let mut words = text.split_ascii_whitespace().rev().skip(1);
    let digits = words.next()?.strip_prefix("0x")?;
    u64::from_str_radix(digits, 16).ok().filter(|pointer| *pointer != 0).map(Addr)
}

/// The devices of tmpfs mounts in a mountinfo text: `id parent major:minor … - tmpfs …`.
pub(super) fn tmpfs_devices(mountinfo: &str) -> Vec<(u32, u32)> {
    let device = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        let (major, minor) = left.split(' ').nth(2)?.split_once(':')?;
        let is_tmpfs = unescape(right.split(' ').next()?) == "tmpfs";
        if is_tmpfs { Some((major.parse().ok()?, minor.parse().ok()?)) } else { None }
    };
    let mut devices: Vec<(u32, u32)> = mountinfo.lines().filter_map(device).collect();
    devices.sort_unstable();
    devices.dedup();
    devices
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::space::RegionKind;
    use crate::target::child::WaitingChild;

    #[test]
    fn stack_pointers_of_waiting_threads() {
        let waiting = "34 0x0 0x0 0x2 0x4022 0x3341 0x7fd698000000 0x7fd6a975ceb0 0x7fd6aa035df2\n";
        assert_eq!(stack_pointer(waiting), Some(Addr(0x7fd6_a975_ceb0)));
        assert_eq!(stack_pointer("-1 0x7fd6a975ceb0 0x7fd6aa035df2\n"), Some(Addr(0x7fd6_a975_ceb0)));
        assert_eq!(stack_pointer("running\n"), None);
        assert_eq!(stack_pointer(""), None);
    }

    #[test]
    fn devices_of_tmpfs_mounts() {
        let mounts = "25 24 0:23 / /dev/shm rw shared:4 - tmpfs tmpfs rw\n27 1 254:0 / / rw - ext4 /dev/vda rw\nodd\n";
        assert_eq!(tmpfs_devices(mounts), [(0, 23)]);
    }

    #[test]
    fn three_looks_at_a_real_process_agree() {
        let child = WaitingChild::start();
        let target = Target::open(child.pid()).unwrap();
        let cheap = target.address_map().unwrap();
        let full = target.smaps().unwrap();
        let look = target.look(Duration::ZERO).unwrap();
        let sample = target.sample(Duration::ZERO, true).unwrap();
        let shape = |map: &AddressMap| {
            map.regions.iter().map(|region| (region.span, region.kind, region.name.clone())).collect::<Vec<_>>()
        };
        assert_eq!(shape(&cheap), shape(&full));
        assert_eq!(shape(&cheap), shape(&look.map));
        assert_eq!(sample.mappings, Some(cheap.mappings.len() as u64));
        assert_eq!(sample.threads, 1);
        assert_eq!(look.map.total().held(), full.total().held());
        assert!(full.regions.iter().any(|region| region.kind == RegionKind::Heap));
        let kernel = target.proc_file("smaps_rollup").and_then(maps::read_smaps).unwrap();
        let sum = full.total();
        let (rollup, _) = (kernel.1[0], kernel.0);
        assert_eq!((sum.rss, sum.anonymous, sum.swap), (rollup.rss, rollup.anonymous, rollup.swap));
        assert_eq!(sum.private_dirty, rollup.private_dirty);
    }

    #[test]
    fn a_look_at_what_is_over_says_so() {
        let mut child = WaitingChild::start();
        let target = Target::open(child.pid()).unwrap();
        child.kill_without_reaping();
        for result in [target.smaps().map(|_| ()), target.look(Duration::ZERO).map(|_| ())] {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::Gone);
        }
        assert_eq!(target.sample(Duration::ZERO, true).unwrap_err().kind(), ErrorKind::Gone);
    }

    proptest! {
        #[test]
        fn any_text_ends(text in ".{0,200}", hex in "[0-9a-fx ]{0,60}") {
            let _ = (stack_pointer(&text), stack_pointer(&hex), tmpfs_devices(&text));
        }
    }
}

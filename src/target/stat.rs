//! The texts of /proc/PID/stat and /proc/PID/status as values. Parsing alone; a field that is missing or odd is `None`
//! or zero, so that older and newer kernels and cut texts all give an answer.

use crate::units::{Addr, ByteCount};

/// What is used of /proc/PID/stat (fields as numbered in proc(5)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Field 2, at most 15 bytes (more for kernel threads).
    pub name: String,
    /// Field 3: R, S, D, T, t, Z, X…
    pub state: char,
    /// Field 4.
    pub ppid: i32,
    /// Field 9, PF_* of the kernel.
    pub flags: u64,
    /// Field 22, in clock ticks after boot. Unique for a pid as long as the machine runs.
    pub start_ticks: u64,
    /// Field 47, where the main heap begins; shown only to those who may trace.
    pub start_brk: Option<Addr>,
}

/// PF_KTHREAD of the kernel's `include/linux/sched.h`.
const PF_KTHREAD: u64 = 0x0020_0000;

impl Stat {
    /// From the text of the file; `None` where it is not one. The name may hold spaces and parentheses.
    pub fn parse(text: &str) -> Option<Stat> {
        let open = text.find('(')?;
        let close = text.rfind(')').filter(|close| *close > open)?;
        let fields: Vec<&str> = text[close + 1..].split_ascii_whitespace().collect();
        let number = |field: usize| -> Option<u64> { fields.get(field.checked_sub(3)?)?.parse().ok() };
        Some(Stat {
            name: text[open + 1..close].to_owned(),
            state: fields.first()?.chars().next()?,
            ppid: fields.get(1)?.parse().ok()?,
            flags: number(9).unwrap_or(0),
            start_ticks: number(22)?,
            start_brk: number(47).filter(|addr| *addr != 0).map(Addr),
        })
    }

    /// Whether it is a thread of the kernel, which has no memory of its own.
    pub fn is_kernel_thread(&self) -> bool {
        self.flags & PF_KTHREAD != 0
    }

    /// Whether it ended and only waits to be reaped.
    pub fn is_zombie(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }
}

/// What is used of /proc/PID/status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Status {
    /// The process that a thread belongs to.
    pub tgid: i32,
    /// Who traces it, 0 for nobody.
    pub tracer_pid: i32,
    /// Real and effective user.
    pub uid: u32,
    /// Effective user.
    pub effective_uid: u32,
    /// Threads.
    pub threads: u64,
    /// Its pid in each pid namespace it is in, from ours down to its own.
    pub namespace_pids: Vec<i32>,
    /// Effective capabilities.
    pub effective_capabilities: u64,
    /// 0 none, 1 strict, 2 filter.
    pub seccomp: u64,
    /// Return addresses are checked against a stack of their own (x86-64, Linux 6.6).
    pub has_shadow_stack: bool,
    /// Page tables.
    pub vm_pte: Option<ByteCount>,
    /// Address space.
    pub vm_size: Option<ByteCount>,
    /// Private writable memory as RLIMIT_DATA counts it.
    pub vm_data: Option<ByteCount>,
    /// Resident; missing for kernel threads and zombies.
    pub vm_rss: Option<ByteCount>,
    /// Resident anonymous memory (Linux 4.5).
    pub rss_anon: Option<ByteCount>,
    /// Resident shared memory and tmpfs (Linux 4.5).
    pub rss_shmem: Option<ByteCount>,
    /// Swapped out, anonymous memory only.
    pub vm_swap: Option<ByteCount>,
}

impl Status {
    /// From the text of the file. Never fails: unknown lines are passed over.
    pub fn parse(text: &str) -> Status {
        let mut status = Status::default();
        for line in text.lines() {
            if let Some((key, value)) = line.split_once(':') {
                status.set(key, value.trim());
            }
        }
        status
    }

    fn set(&mut self, key: &str, value: &str) {
        let mut words = value.split_ascii_whitespace();
        let first = words.next().unwrap_or("");
        let size = || first.parse().ok().map(ByteCount::kib);
        match key {
            "Tgid" => self.tgid = first.parse().unwrap_or(0),
            "TracerPid" => self.tracer_pid = first.parse().unwrap_or(0),
            "Uid" => {
                self.uid = first.parse().unwrap_or(u32::MAX);
                self.effective_uid = words.next().and_then(|word| word.parse().ok()).unwrap_or(self.uid);
            }
            "Threads" => self.threads = first.parse().unwrap_or(0),
            "NSpid" => self.namespace_pids = value.split_ascii_whitespace().filter_map(|id| id.parse().ok()).collect(),
            "CapEff" => self.effective_capabilities = u64::from_str_radix(first, 16).unwrap_or(0),
            "Seccomp" => self.seccomp = first.parse().unwrap_or(0),
            "x86_Thread_features" => self.has_shadow_stack = value.split_ascii_whitespace().any(|word| word == "shstk"),
            "VmPTE" => self.vm_pte = size(),
            "VmSize" => self.vm_size = size(),
            "VmData" => self.vm_data = size(),
            "VmRSS" => self.vm_rss = size(),
            "RssAnon" => self.rss_anon = size(),
            "RssShmem" => self.rss_shmem = size(),
            "VmSwap" => self.vm_swap = size(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let text = "42 (a) (b) c) S 7 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 9981 100 200 1 1 1 1 1 1 0 0 0 0 0 0 0 17 1 0 0 0 0 0 10 11 94000000 0 0 0 0 0";
        let stat = Stat::parse(text).unwrap();
        assert_eq!(stat.name, "a) (b) c");
        assert_eq!((stat.state, stat.ppid, stat.start_ticks), ('S', 7, 9981));
        assert_eq!(stat.start_brk, Some(Addr(94_000_000)));
        assert!(!stat.is_kernel_thread() && !stat.is_zombie());
    }

    #[test]
    fn kernel_threads_and_zombies_are_known_by_flag_and_state() {
        let kernel = "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 3 0 0";
        assert!(Stat::parse(kernel).unwrap().is_kernel_thread());
        assert!(Stat::parse(&kernel.replace(" S ", " Z ")).unwrap().is_zombie());
    }

    #[test]
    fn status_gives_sizes_in_bytes() {
        let status = Status::parse(
            "Name:\tx\nTgid:\t9\nUid:\t33\t0\t33\t33\nNSpid:\t9\t1\nVmSize:\t  20 kB\nRssAnon:\t 8 kB\nnonsense\nVmSwap:\tx kB\nCapEff:\t0000000000080000\n",
        );
        assert_eq!((status.tgid, status.uid, status.effective_uid), (9, 33, 0));
        assert_eq!(status.namespace_pids, [9, 1]);
        assert_eq!(status.vm_size, Some(ByteCount::kib(20)));
        assert_eq!(status.rss_anon, Some(ByteCount::kib(8)));
        assert_eq!((status.vm_swap, status.vm_rss), (None, None));
        assert_eq!(status.effective_capabilities, 1 << 19);
    }

    proptest! {
        #[test]
        fn any_text_ends(text in ".{0,300}") {
            let _ = Stat::parse(&text);
            let _ = Status::parse(&text);
        }
    }
}

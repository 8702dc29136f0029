//! Reports written by the format strings of many kernels: what each release prints must be understood, and each cause
//! told apart by its figures.

use std::fmt::Write as _;

use leakscope::oom::cause::CauseKind;
use leakscope::oom::report::{Constraint, Outcome};

use crate::reports;

/// A machine of 4 GiB in pages, with what fills it; everything else about a report can be set too.
struct Machine {
    header: String,
    hardware: &'static str,
    trace: &'static str,
    anon: u64,
    shmem: u64,
    file: u64,
    dirty: u64,
    unevictable: u64,
    slab: u64,
    free: u64,
    free_cma: u64,
    min_kib: u64,
    high_kib: u64,
    huge: u64,
    swap: (i64, i64),
    blocks: &'static str,
    /// Name, pages resident, pages swapped, oom_score_adj.
    tasks: Vec<(&'static str, u64, u64, i64)>,
    end: String,
}

const PAGES: u64 = 1 << 20;

impl Default for Machine {
    fn default() -> Machine {
        Machine {
            header: "nginx invoked oom-killer: gfp_mask=0x100cca(GFP_HIGHUSER_MOVABLE), order=0, oom_score_adj=0"
                .into(),
            hardware: "QEMU Standard PC",
            trace: " out_of_memory+0x1c1/0x4b0\n __alloc_pages+0x94c/0xcb8\n filemap_fault+0x3b8/0x840",
            anon: 990_000,
            shmem: 100,
            file: 500,
            dirty: 0,
            unevictable: 0,
            slab: 20_000,
            free: 8_000,
            free_cma: 0,
            min_kib: 40_000,
            high_kib: 60_000,
            huge: 0,
            swap: (0, 0),
            blocks: "7000*4kB (UME) 500*8kB (UM) 0*16kB 0*32kB",
            tasks: vec![("nginx", 1000, 0, 0), ("java", 900_000, 0, 0), ("sh", 200, 0, 0)],
            end: kill("java", 102, 900_000),
        }
    }
}

fn kill(name: &str, pid: u32, pages: u64) -> String {
    format!(
        "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/,task={name},pid={pid},uid=0\n\
         Out of memory: Killed process {pid} ({name}) total-vm:{}kB, anon-rss:{}kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:100kB oom_score_adj:0",
        pages * 8,
        pages * 4
    )
}

impl Machine {
    fn text(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "{}\nCPU: 1 PID: 101 Comm: nginx Not tainted 5.15.0-1-generic #1", self.header);
        let _ = writeln!(out, "Hardware name: {}\nCall Trace:\n{}\nMem-Info:", self.hardware, self.trace);
        let _ = writeln!(
            out,
            "active_anon:{} inactive_anon:{} isolated_anon:0",
            self.anon / 2,
            self.anon - self.anon / 2 + self.shmem
        );
        let _ =
            writeln!(out, " active_file:{} inactive_file:{} isolated_file:0", self.file / 2, self.file - self.file / 2);
        let _ = writeln!(out, " unevictable:{} dirty:{} writeback:0", self.unevictable, self.dirty);
        let _ = writeln!(out, " slab_reclaimable:100 slab_unreclaimable:{}", self.slab);
        let _ = writeln!(out, " mapped:10 shmem:{} pagetables:100 bounce:0", self.shmem);
        let _ = writeln!(out, " free:{} free_pcp:0 free_cma:{}", self.free, self.free_cma);
        let _ = writeln!(
            out,
            "Node 0 Normal free:{}kB min:{}kB low:{}kB high:{}kB present:{p}kB managed:{p}kB free_cma:{}kB",
            self.free * 4,
            self.min_kib,
            (self.min_kib + self.high_kib) / 2,
            self.high_kib,
            self.free_cma * 4,
            p = PAGES * 4
        );
        let _ = writeln!(out, "lowmem_reserve[]: 0 0 0 0\nNode 0 Normal: {} = {}kB", self.blocks, self.free * 4);
        let _ = writeln!(
            out,
            "Node 0 hugepages_total={} hugepages_free={} hugepages_surp=0 hugepages_size=2048kB",
            self.huge, self.huge
        );
        let _ = writeln!(out, "{} total pagecache pages\n0 pages in swap cache", self.file + self.shmem);
        let _ = writeln!(out, "Free swap  = {}kB\nTotal swap = {}kB", self.swap.1, self.swap.0);
        let _ = writeln!(out, "{PAGES} pages RAM\n0 pages HighMem/MovableOnly\n0 pages reserved");
        let _ = writeln!(out, "Tasks state (memory values in pages):");
        let _ = writeln!(out, "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name");
        for (index, (name, rss, swap, adj)) in self.tasks.iter().enumerate() {
            let pid = 101 + index;
            let _ = writeln!(
                out,
                "[{pid:7}]     0 {pid:5} {:8} {rss:8} {:8} {swap:8}         {adj:5} {name}",
                rss * 2,
                4096
            );
        }
        let _ = writeln!(out, "{}", self.end);
        out
    }

    fn cause(&self) -> CauseKind {
        let found = reports(self.text().as_bytes());
        assert_eq!(found.len(), 1, "{}", self.text());
        found[0].cause.kind
    }
}

fn small_tasks() -> Vec<(&'static str, u64, u64, i64)> {
    vec![("nginx", 1000, 0, 0), ("java", 9000, 0, 0), ("sh", 200, 0, 0)]
}

#[test]
fn causes_are_told_apart_by_their_figures() {
    let innocent =
        |machine: Machine| Machine { anon: 12_000, tasks: small_tasks(), end: kill("java", 102, 9000), ..machine };
    let workers: Vec<_> = (0..200).map(|_| ("nginx", 4_800, 0, 0)).collect();
    let with_order = "a invoked oom-killer: gfp_mask=0x400dc0(GFP_KERNEL_ACCOUNT|__GFP_ZERO), order=3, oom_score_adj=0";
    let kernel = "a invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0";
    let panic = "Kernel panic - not syncing: Out of memory: system-wide panic_on_oom is enabled";
    let protected = vec![("a", 900_000, 0, -1000), ("b", 90_000, 0, -1000)];
    let cases: Vec<(CauseKind, Machine)> = vec![
        (CauseKind::OneProcess, Machine::default()),
        (CauseKind::ManyProcesses, Machine { tasks: workers, end: kill("nginx", 101, 4_800), ..Machine::default() }),
        (CauseKind::KernelMemory, innocent(Machine { slab: 980_000, ..Machine::default() })),
        (CauseKind::KernelMemory, innocent(Machine { slab: 20_000, ..Machine::default() })),
        (
            CauseKind::BallooningAway,
            innocent(Machine { hardware: "VMware, Inc. VMware Virtual Platform", ..Machine::default() }),
        ),
        (CauseKind::Shmem, innocent(Machine { shmem: 980_000, ..Machine::default() })),
        (CauseKind::HugepagesReserved, innocent(Machine { huge: 1900, ..Machine::default() })),
        (CauseKind::UnreclaimablePageCache, innocent(Machine { file: 980_000, ..Machine::default() })),
        (CauseKind::UnreclaimablePageCache, innocent(Machine { unevictable: 980_000, ..Machine::default() })),
        (CauseKind::DirtyPageCache, innocent(Machine { file: 980_000, dirty: 600_000, ..Machine::default() })),
        (
            CauseKind::Fragmentation,
            innocent(Machine { header: with_order.into(), free: 80_000, file: 900_000, ..Machine::default() }),
        ),
        (
            CauseKind::CmaOnlyFree,
            innocent(Machine {
                header: kernel.into(),
                free: 80_000,
                free_cma: 75_000,
                file: 900_000,
                ..Machine::default()
            }),
        ),
        (CauseKind::KernelBug, innocent(Machine { free: 900_000, ..Machine::default() })),
        (CauseKind::CorruptWatermarks, Machine { high_kib: 99_395_541_895_224, ..Machine::default() }),
        (CauseKind::PanicOnOom, Machine { end: panic.into(), ..Machine::default() }),
        (
            CauseKind::NoKillable,
            Machine {
                tasks: protected,
                end: "Out of memory and no killable processes...".into(),
                ..Machine::default()
            },
        ),
        (CauseKind::ManualSysrq, Machine { header: kernel.replace("order=0", "order=-1"), ..Machine::default() }),
        (
            CauseKind::SwapBeingRemoved,
            Machine {
                trace: " try_to_unuse+0x1/0x2\n __do_sys_swapoff+0x1/0x2",
                swap: (2_097_148, -80),
                ..Machine::default()
            },
        ),
        (
            CauseKind::FalseGlobalPagefault,
            Machine {
                header: "a invoked oom-killer: gfp_mask=0x0(), order=0, oom_score_adj=0".into(),
                trace: " pagefault_out_of_memory+0x5a/0x80",
                free: 900_000,
                ..Machine::default()
            },
        ),
        (
            CauseKind::Cpuset,
            Machine {
                end: Machine::default().end.replace("CONSTRAINT_NONE", "CONSTRAINT_CPUSET"),
                ..Machine::default()
            },
        ),
        (
            CauseKind::NumaNodeBound,
            Machine {
                end: Machine::default()
                    .end
                    .replace("CONSTRAINT_NONE,nodemask=(null)", "CONSTRAINT_MEMORY_POLICY,nodemask=1"),
                ..Machine::default()
            },
        ),
        (
            CauseKind::BpfPolicy,
            Machine {
                end: Machine::default().end.replace("CONSTRAINT_NONE", "CONSTRAINT_BPF_PSI_MEM"),
                ..Machine::default()
            },
        ),
    ];
    for (number, (expected, machine)) in cases.iter().enumerate() {
        assert_eq!(machine.cause(), *expected, "case {number}:\n{}", machine.text());
    }
}

#[test]
fn swap_decides_where_no_process_is_known() {
    let bare = |swap| {
        let text = Machine { swap, ..Machine::default() }.text();
        let end = text.find("Tasks state").unwrap();
        reports(&text.as_bytes()[..end])[0].cause.kind
    };
    assert_eq!(bare((2_097_148, 0)), CauseKind::SwapFull);
    assert_eq!(bare((0, 0)), CauseKind::NoSwap);
    assert_eq!(bare((2_097_148, 2_000_000)), CauseKind::GlobalExhausted);
}

#[test]
fn a_failed_allocation_is_no_oom_report() {
    let dump = Machine::default().text();
    let (from, to) = (dump.find("CPU:").unwrap(), dump.find("Tasks state").unwrap());
    for head in ["foo: page allocation failure: order:4, mode:0x40cc0(GFP_KERNEL|__GFP_COMP)", "sysrq: Show Memory"] {
        assert!(reports(format!("{head}\n{}", &dump[from..to]).as_bytes()).is_empty(), "{head}");
    }
}

#[test]
fn two_reports_that_interleave_keep_their_kills() {
    let first = Machine::default().text();
    let (head, end) = first.split_at(first.find("oom-kill:").unwrap());
    let second = Machine { header: Machine::default().header.replace("nginx", "sshd"), ..Machine::default() }.text();
    let second =
        second.replace("Comm: nginx", "Comm: sshd").replace("101", "201").replace("102", "202").replace("103", "203");
    let at = second.find("Mem-Info").unwrap();
    let text = format!("{head}{}{end}{}", &second[..at], &second[at..]);
    let found = reports(text.as_bytes());
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].killed_pids, [102]);
    assert_eq!(found[1].killed_pids, [202]);
    assert_eq!(found[1].invoker.as_ref().unwrap().name.as_deref(), Some("sshd"));
}

/// What a release prints at the head and at the end, and what must be read from it.
struct Form {
    lines: &'static str,
    invoker: Option<&'static str>,
    killed: &'static [i64],
    victim: Option<(&'static str, Option<i64>)>,
    score: Option<i64>,
    flags: &'static str,
    outcome: Outcome,
}

const FORMS: &[Form] = &[
    // 2.6.12
    Form {
        lines: "oom-killer: gfp_mask=0xd2\nOut of Memory: Killed process 123 (httpd).",
        invoker: None,
        killed: &[123],
        victim: Some(("httpd", None)),
        score: None,
        flags: "__GFP_FS|__GFP_HIGHMEM|__GFP_IO|__GFP_WAIT",
        outcome: Outcome::Killed,
    },
    // 2.6.16–2.6.18: every process sharing the memory has a line
    Form {
        lines: "oom-killer: gfp_mask=0x201d2, order=0\nOut of Memory: Kill process 12 (java) score 4711 and children.\n\
                Out of memory: Killed process 12 (java).\nOut of memory: Killed process 13 (java).",
        invoker: None,
        killed: &[12, 13],
        victim: Some(("java", None)),
        score: Some(4711),
        flags: "__GFP_COLD|__GFP_FS|__GFP_HARDWALL|__GFP_HIGHMEM|__GFP_IO|__GFP_WAIT",
        outcome: Outcome::Killed,
    },
    // 2.6.24
    Form {
        lines: "smbd invoked oom-killer: gfp_mask=0x1201d2, order=0, oomkilladj=0\nPid: 27, comm: smbd Not tainted 2.6.24.2 #1\n\
                Out of memory: kill process 5 (a b) score 99 or a child\nKilled process 6 (a b)",
        invoker: Some("smbd"),
        killed: &[6],
        victim: Some(("a b", None)),
        score: Some(99),
        flags: "__GFP_COLD|__GFP_FS|__GFP_HARDWALL|__GFP_HIGHMEM|__GFP_IO|__GFP_MOVABLE|__GFP_WAIT",
        outcome: Outcome::Killed,
    },
    // 2.6.32 and RHEL 6
    Form {
        lines: "tmux: server invoked oom-killer: gfp_mask=0x280da, order=0, oom_adj=0\n\
                Out of memory: Kill process 20557 (haproxy) score 133 or sacrifice child\n\
                Killed process 20557, UID 188, (haproxy) total-vm:8560500kB, anon-rss:12468kB, file-rss:264kB",
        invoker: Some("tmux: server"),
        killed: &[20557],
        victim: Some(("haproxy", Some(188))),
        score: Some(133),
        flags: "__GFP_FS|__GFP_HARDWALL|__GFP_HIGHMEM|__GFP_IO|__GFP_MOVABLE|__GFP_WAIT|__GFP_ZERO",
        outcome: Outcome::Killed,
    },
    // 4.4
    Form {
        lines: "R invoked oom-killer: gfp_mask=0x24280ca, order=0, oom_score_adj=0\n\
                Out of memory (oom_kill_allocating_task): Kill process 7 (x) score 0 or sacrifice child\n\
                Kill process 8 (y) sharing same memory\n\
                Killed process 7 (x) total-vm:8kB, anon-rss:4kB, file-rss:0kB",
        invoker: Some("R"),
        killed: &[7],
        victim: Some(("x", None)),
        score: Some(0),
        flags: "__GFP_DIRECT_RECLAIM|__GFP_FS|__GFP_HARDWALL|__GFP_HIGHMEM|__GFP_IO|__GFP_KSWAPD_RECLAIM|__GFP_MOVABLE|__GFP_ZERO",
        outcome: Outcome::Killed,
    },
    // 4.9–4.20: the mask of nodes in the header, names of flags; mail and brackets in names
    Form {
        lines: "runc:[2:INIT] invoked oom-killer: gfp_mask=0x14000c0(GFP_KERNEL), nodemask=(null), order=0, oom_score_adj=-998\n\
                Memory cgroup out of memory: Kill process 31 (a) b) score 1041 or sacrifice child\n\
                Killed process 31 (a) b) total-vm:8kB, anon-rss:4kB, file-rss:0kB, shmem-rss:0kB",
        invoker: Some("runc:[2:INIT]"),
        killed: &[31],
        victim: Some(("a) b", None)),
        score: Some(1041),
        flags: "__GFP_DIRECT_RECLAIM|__GFP_FS|__GFP_IO|__GFP_KSWAPD_RECLAIM",
        outcome: Outcome::Killed,
    },
    // 5.0: chosen, and the log ends
    Form {
        lines: "(sd-pam) invoked oom-killer: gfp_mask=0x100cca(GFP_HIGHUSER_MOVABLE), order=0, oom_score_adj=100\n\
                oom-kill:constraint=CONSTRAINT_NONE,nodemask=0,2,cpuset=a,b,mems_allowed=0,2-3,global_oom,task_memcg=/a,b,task=x,y,pid=5,uid=33",
        invoker: Some("(sd-pam)"),
        killed: &[],
        victim: Some(("x,y", Some(33))),
        score: None,
        flags: "__GFP_DIRECT_RECLAIM|__GFP_FS|__GFP_HARDWALL|__GFP_HIGHMEM|__GFP_IO|__GFP_KSWAPD_RECLAIM|__GFP_MOVABLE",
        outcome: Outcome::KillAnnounced,
    },
    // 5.15: the same number without the memory tag
    Form {
        lines: "a invoked oom-killer: gfp_mask=0x1100cca(GFP_HIGHUSER_MOVABLE), order=0, oom_score_adj=0\n\
                CPU: 4 PID: 1 Comm: a Tainted: P           O      5.15.158-2-pve #1\n\
                Kernel panic - not syncing: Out of memory: compulsory panic_on_oom is enabled",
        invoker: Some("a"),
        killed: &[],
        victim: None,
        score: None,
        flags: "__GFP_DIRECT_RECLAIM|__GFP_FS|__GFP_HARDWALL|__GFP_HIGHMEM|__GFP_IO|__GFP_KSWAPD_RECLAIM|__GFP_MOVABLE|__GFP_SKIP_KASAN_POISON",
        outcome: Outcome::Panic,
    },
    // 2.6.20–2.6.35 with a memory policy
    Form {
        lines: "a invoked oom-killer: gfp_mask=0xd0, order=2, oomkilladj=-17\nNo available memory (MPOL_BIND): kill process 5 (a) score 0 or a child\nKilled process 5 (a)",
        invoker: Some("a"),
        killed: &[5],
        victim: Some(("a", None)),
        score: Some(0),
        flags: "__GFP_FS|__GFP_IO|__GFP_WAIT",
        outcome: Outcome::Killed,
    },
];

#[test]
fn heads_and_ends_of_every_generation_are_read() {
    for form in FORMS {
        let found = reports(form.lines.as_bytes());
        assert_eq!(found.len(), 1, "{}", form.lines);
        let report = &found[0];
        let name = report.invoker.as_ref().and_then(|invoker| invoker.name.as_deref());
        assert_eq!(name, form.invoker, "{}", form.lines);
        assert_eq!(report.killed_pids, form.killed, "{}", form.lines);
        let victim = report.victim.as_ref().map(|victim| (victim.name.as_str(), victim.uid));
        assert_eq!(victim, form.victim, "{}", form.lines);
        assert_eq!(report.selected.as_ref().and_then(|selected| selected.score), form.score, "{}", form.lines);
        let flags = report.gfp.as_ref().and_then(|gfp| gfp.flags.as_ref()).unwrap().join("|");
        assert_eq!(flags, form.flags, "{}", form.lines);
        assert_eq!(report.outcome, form.outcome, "{}", form.lines);
    }
    let policy = reports(FORMS.last().unwrap().lines.as_bytes());
    assert_eq!(policy[0].constraint, Some(Constraint::Mempolicy));
}

//! Invented answers, one of each sort.

use crate::report::*;
use crate::scan::{GroupKind, Label};
use crate::space::RegionKind;
use crate::units::{Addr, ByteCount, Rate, Span};

const MIB: f64 = 1024.0 * 1024.0;

fn region(kind: RegionKind, start: u64, mib: u64, name: &str, rate: f64) -> RegionRow {
    RegionRow {
        start: Addr(start),
        end: Addr(start + (mib << 20)),
        kind,
        name: name.into(),
        permissions: "rw-p".into(),
        mappings: if kind == RegionKind::Anon { 23 } else { 1 },
        size_bytes: ByteCount::mib(mib),
        rss_bytes: Some(ByteCount::mib(mib * 9 / 10)),
        pss_bytes: Some(ByteCount::mib(mib * 8 / 10)),
        private_dirty_bytes: Some(ByteCount::mib(mib / 2)),
        swap_bytes: Some(ByteCount::ZERO),
        growth_bytes_per_second: Some(Rate(rate * MIB)),
    }
}

fn group(kind: GroupKind, label: &str, share: f64, rate: f64, sample: &str) -> GroupRow {
    let sample = |index: u64| SampleRow { address: Addr(0x55d0_c0a1_f2a0 + index * 0x1240), text: sample.into() };
    GroupRow {
        kind,
        label: Label::fixed(label),
        count: (1_234_567.0 * share) as u64,
        bytes: ByteCount((612.0 * MIB * share) as u64),
        share,
        growth_count: Some((30_000.0 * rate) as i64),
        growth_bytes: Some((10.0 * rate * MIB) as i64),
        bytes_per_second: Some(Rate(rate * MIB)),
        samples: (0..3).map(sample).collect(),
    }
}

pub fn target() -> TargetRow {
    TargetRow {
        pid: 4711,
        ppid: Some(4700),
        name: "nginx".into(),
        exe: Some("/usr/sbin/nginx".into()),
        cmdline: vec!["nginx: worker process".into()],
        uid: Some(33),
        threads: Some(1),
        start_time: Some("2026-03-01T03:12:45Z".parse().unwrap()),
        cgroup: Some("/system.slice/nginx.service".into()),
        container_id: Some("3f2a9c1b2d4e5f60718293a4b5c6d7e8".into()),
        role: Some("worker".into()),
    }
}

pub fn content() -> Content {
    let json = "{trace_id:hex, user_id:int, device:{os, model}, payload:str, sign:hex}";
    let record = r#"{"trace_id":"9f3a7c21","user_id":1234567,"device":{"os":"iOS 17.1","model":"iPhone15,2"},"payload":"c2Vzc2lvbi1yZXN1bWU="}"#;
    let text = "GET /v1/orders/<int>?expires=<int>&sig=<hex> HTTP/1.1 Host: shop.example.com Accept: application/json";
    Content {
        scanned_bytes: ByteCount::mib(612),
        composition: CompositionRow {
            json_bytes: ByteCount::mib(434),
            text_bytes: ByteCount::mib(73),
            pointer_bytes: ByteCount::mib(20),
            zero_bytes: ByteCount::mib(60),
            other_bytes: ByteCount::mib(25),
        },
        groups: vec![
            group(GroupKind::Json, json, 0.71, 11.8, record),
            group(GroupKind::Text, text, 0.082, 0.1, "GET /v1/orders/17?expires=1"),
            group(GroupKind::Object, "ngx_http_lua_ctx_t", 0.031, 0.0, "…"),
            group(GroupKind::Blob, "png", 0.002, 0.0, "…"),
            group(GroupKind::Repeat, "订单状态: 已支付", 0.0014, -0.02, "订单状态: 已支付"),
            group(GroupKind::Text, "<hex>`", 0.0001, 0.0, "ab`"),
        ],
        omitted_groups: 37,
        sampled: false,
    }
}

pub fn inspect() -> Inspect {
    Inspect {
        target: target(),
        limits: Some(LimitRow {
            kind: "cgroup".into(),
            source: Some("/system.slice/nginx.service".into()),
            limit_bytes: Some(ByteCount::mib(1024)),
            usage_bytes: Some(ByteCount::mib(632)),
            seconds_to_limit: Some(32.6),
        }),
        growth: Some(Growth {
            seconds: 10.0,
            samples: 40,
            rss_start_bytes: Some(ByteCount::mib(512)),
            rss_end_bytes: Some(ByteCount::mib(632)),
            bytes_per_second: Some(Rate(12.0 * MIB)),
            low_bytes_per_second: Some(Rate(11.8 * MIB)),
            high_bytes_per_second: Some(Rate(12.3 * MIB)),
            series: (0..40).map(|index| ByteCount::mib(512 + index * 3)).collect(),
        }),
        regions: vec![
            region(RegionKind::File, 0x55d0_beef_0000, 2, "/usr/sbin/nginx", 0.0),
            region(RegionKind::Heap, 0x55d0_c0a1_f000, 612, "[heap]", 12.0),
            region(RegionKind::Anon, 0x7f12_0000_0000, 48, "", 0.05),
            region(RegionKind::Shared, 0x7f13_0000_0000, 20, "/dev/zero (deleted)", 0.0),
            region(RegionKind::File, 0x7f14_0000_0000, 4, "/usr/lib/x86_64-linux-gnu/libluajit-5.1.so.2.1.0", 0.0),
            region(RegionKind::ThreadStack, 0x7f15_0000_0000, 8, "", 0.0),
            region(RegionKind::Stack, 0x7ffe_0000_0000, 1, "[stack]", 0.0),
            region(RegionKind::Special, 0x7fff_0000_0000, 0, "[vdso]", 0.0),
        ],
        suspect: Some(Suspect { region: 1, reason: "it makes 99 % of the growth".into() }),
        snapshot: Some(Snapshot {
            method: "live".into(),
            pause_ms: Some(0.0),
            bytes: ByteCount::mib(612),
            seconds: 0.41,
            path: None,
        }),
        content: Some(content()),
        verdict: Some(Verdict {
            kind: "growing".into(),
            confidence: 0.93,
            summary: "nginx worker 4711 grows by 12.0 MiB/s; 98 % of it is JSON records {trace_id:hex, user_id:int, \
                      device:{os, model}, payload:str, sign:hex} in its heap; its cgroup is full in 33 s"
                .into(),
            next: vec!["leakscope trace 4711 --for 10s".into(), "leakscope dump 4711 --region heap -o heap.raw".into()],
        }),
        warnings: vec![
            "the heap was read while the process ran: a few records may be torn; --method stop reads them whole".into(),
        ],
        ..Inspect::default()
    }
}

fn process(pid: i32, name: &str, mib: u64, rate: f64) -> ProcessRow {
    ProcessRow {
        pid,
        name: name.into(),
        uid: Some(33),
        rss_bytes: Some(ByteCount::mib(mib)),
        pss_bytes: (pid != 1).then_some(ByteCount::mib(mib - 1)),
        swap_bytes: Some(ByteCount::ZERO),
        growth_bytes_per_second: Some(Rate(rate * MIB)),
        oom_score: (pid != 1).then_some(700),
        limit_bytes: None,
        headroom_bytes: (pid == 4711).then_some(ByteCount::mib(392)),
    }
}

fn heap() -> Span {
    Span::new(Addr(0x55d0_c0a1_f000), Addr(0x55d0_e6e1_f000))
}

pub fn map() -> Map {
    let regions = inspect().regions;
    Map { target: target(), totals: Totals::of(&regions), regions, warnings: vec![] }
}

pub fn top() -> Top {
    let processes = vec![process(4711, "nginx", 632, 12.0), process(1, "systemd", 12, 0.0)];
    Top { seconds: Some(1.0), processes, omitted_processes: 120, warnings: vec![] }
}

pub fn dump() -> Dump {
    Dump {
        target: target(),
        range: heap(),
        path: "leakscope-4711.raw".into(),
        format: "raw".into(),
        bytes: ByteCount::mib(600),
        compressed_bytes: None,
        hole_bytes: ByteCount::mib(12),
        method: "stop".into(),
        pause_ms: Some(57.3),
        page_tables_bytes: ByteCount::ZERO,
        copy_on_write_bytes: ByteCount::ZERO,
        seconds: 0.61,
        sha256: Some("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into()),
        complete: true,
        warnings: vec![],
    }
}

pub fn scan() -> Scan {
    Scan { path: Some("heap.raw".into()), range: Some(heap()), content: Some(content()), ..Scan::default() }
}

pub fn diff() -> Diff {
    let mut content = content();
    content.groups.iter_mut().for_each(|group| group.bytes_per_second = None);
    Diff { before: "a.raw".into(), after: "b.raw".into(), content: Some(content), ..Diff::default() }
}

pub fn hex() -> Hex {
    let mut bytes = b"{\"trace_id\":\"9f\"}\x00\x01\xff\n".to_vec();
    bytes.resize(200, 0);
    bytes.extend(b"tail");
    Hex {
        target: Some(target()),
        range: Some(Span::sized(heap().start, ByteCount(1024))),
        stretches: vec![
            Stretch { start: heap().start, bytes },
            Stretch { start: Addr(0x55d0_c0a1_f3f0), bytes: b"0123456789abcdef".to_vec() },
        ],
        ..Hex::default()
    }
}

pub fn doctor() -> Doctor {
    let check = |name: &str, ok, detail: &str, remedy: Option<&str>| CheckRow {
        name: name.into(),
        ok,
        detail: detail.into(),
        remedy: remedy.map(String::from),
    };
    let scope = "kernel.yama.ptrace_scope is 1: only descendants may be traced";
    Doctor {
        target: Some(target()),
        checks: vec![
            check("same user", true, "uid 33", None),
            check("ptrace scope", false, scope, Some("sudo leakscope inspect 4711")),
            check("page map", true, "PAGEMAP_SCAN works", None),
        ],
        warnings: vec![],
    }
}

fn frame(name: &str, module: &str, line: Option<u32>) -> FrameRow {
    FrameRow {
        function: Some(name.into()),
        module: Some(module.into()),
        offset: Some(0x1e),
        file: line.map(|_| "/src/old/crypt_old.c".into()),
        line,
        address: Addr(0x7f00_0001_111e),
        text: format!("{name}+0x1e ({module})"),
        name: name.into(),
        allocates: module.starts_with("libc."),
        ..FrameRow::default()
    }
}

pub fn trace() -> Trace {
    let frames = vec![
        frame("brk", "libc.so.6", None),
        frame("enc_record", "libcrypt_old.so", Some(8)),
        frame("ngx_http_lua_run_thread", "ngx_http_lua_module.so", None),
        frame("main", "nginx", None),
    ];
    let stack = |frames: &[FrameRow], mib: u64| StackRow {
        share: mib as f64 / 120.0,
        bytes: ByteCount::mib(mib),
        mapped_bytes: ByteCount::mib(mib),
        unmapped_bytes: ByteCount::ZERO,
        events: mib * 8,
        culprit: Some(1),
        frames: frames.to_vec(),
    };
    let by_malloc = [&[frame("malloc", "libc.so.6", None)], &frames[1..]].concat();
    let other = [&frames[..1], &[frame("lj_alloc", "libluajit-5.1.so.2", None)], &frames[2..]].concat();
    Trace {
        target: target(),
        seconds: 10.0,
        method: "breakpoint".into(),
        method_note: crate::trace::Method::Breakpoint.cost().into(),
        growth_bytes: Some(120 << 20),
        calls: vec![CallRow {
            name: "brk".into(),
            count: 932,
            mapped_bytes: ByteCount::mib(118),
            unmapped_bytes: ByteCount::ZERO,
        }],
        allocations: Allocations {
            method: "breakpoint".into(),
            events: 940,
            bytes: ByteCount::mib(118),
            unseen_bytes: ByteCount::mib(2),
            stacks: vec![stack(&frames, 100), stack(&by_malloc, 10), stack(&other, 8)],
            omitted_stacks: 0,
        },
        events: Some(vec![EventRow {
            seconds: 1.25,
            pid: 4711,
            tid: 4712,
            kind: "call",
            text: "mmap(NULL, 1048576, PROT_READ|PROT_WRITE, 0x22, -1) = 0x7f0000000000".into(),
            file: Some("/etc/ssl/old.pem".into()),
            file_bytes: Some(ByteCount::kib(4)),
            mapped_bytes: ByteCount::mib(1),
            unmapped_bytes: ByteCount::ZERO,
            frames,
        }]),
        files: vec!["flame.svg".into()],
        warnings: vec![],
    }
}

/// One of each.
pub fn all() -> Vec<Document> {
    vec![
        Document::Inspect(Box::new(inspect())),
        Document::Map(map()),
        Document::Top(top()),
        Document::Dump(dump()),
        Document::Scan(scan()),
        Document::Diff(diff()),
        Document::Hex(hex()),
        Document::Doctor(doctor()),
        Document::Trace(Box::new(trace())),
    ]
}

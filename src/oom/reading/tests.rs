//! Dressings one by one, and any bytes.

use proptest::prelude::*;

use super::*;
use crate::oom::read_reports;
use crate::report::oom_model::OomReportModel;

fn undressed(raw: &str) -> Vec<(String, Option<f64>, bool)> {
    let mut found = Vec::new();
    let mut undresser = Undresser::default();
    let mut keep = |line: &Line<'_>| found.push((line.text.to_owned(), line.stamp.uptime, line.foreign));
    raw.split('\n').for_each(|line| undresser.undress(line.as_bytes(), &mut keep));
    undresser.flush(&mut keep);
    found
}

#[test]
fn prefixes_come_off_in_any_order() {
    for (raw, text, uptime) in [
        ("[12.5] Mem-Info:", "Mem-Info:", Some(12.5)),
        ("<4>[   12.500000][ T177] Mem-Info:", "Mem-Info:", Some(12.5)),
        ("> > Jan  5 15:19:04 host1 kernel: [   12.5] Mem-Info:", "Mem-Info:", Some(12.5)),
        ("2023-01-02T03:04:05.678Z In(05) vcpu-0 - Guest: <4>[12.5] Mem-Info:", "Mem-Info:", Some(12.5)),
        ("4,12,12500000,-,caller=T1;Mem-Info:", "Mem-Info:", Some(12.5)),
        ("kern  :info  : [   12.5] Mem-Info:", "Mem-Info:", Some(12.5)),
        ("/var/log/kern.log.1:Jan  5 15:19:04 h kernel: [12.5] Mem-Info:", "Mem-Info:", Some(12.5)),
        ("3585:Jan  5 15:19:04 h kernel: [12.5] Mem-Info:", "Mem-Info:", Some(12.5)),
        ("  3. <4>[12.5] Mem-Info:", "Mem-Info:", Some(12.5)),
        ("[12.5] [0:        swapper/0:    1] Mem-Info:", "Mem-Info:", Some(12.5)),
        ("[pod/npd/x] Mon 2021-01-25 14:59:30 UTC host1 kernel: Mem-Info:", "Mem-Info:", None),
        ("[  273]     0   273     4869       50", "[  273]     0   273     4869       50", None),
    ] {
        assert_eq!(undressed(raw), [(text.to_owned(), uptime, false)], "{raw}");
    }
}

#[test]
fn other_programs_are_told_from_the_kernel() {
    for raw in [
        "Jan  5 15:19:04 host1 systemd[1]: nginx.service: Main process exited",
        "Jan 25 14:59:34 CRON[14500]: (root) CMD (touch /x)",
        "I0624 18:49:43.983472    6018 log_monitor.go:159] Killed process 1 (a)",
        "{\"MESSAGE\":\"Killed process 1 (a)\",\"SYSLOG_IDENTIFIER\":\"kubelet\",\"_TRANSPORT\":\"stdout\"}",
    ] {
        assert!(undressed(raw).iter().all(|(_, _, foreign)| *foreign), "{raw}");
    }
}

#[test]
fn fragments_of_a_record_are_one_line() {
    let raw =
        "4,1,5000000,c;Task in /a\n4,2,5000001,+; killed as a result of limit of /b\n4,3,6000000,-;memory: usage 1kB";
    let texts: Vec<String> = undressed(raw).into_iter().map(|(text, ..)| text).collect();
    assert_eq!(texts, ["Task in /a killed as a result of limit of /b", "memory: usage 1kB"]);
}

#[test]
fn lost_newlines_are_found_again() {
    let glued = "a cpuset=/ mems_allowed=0CPU: 1 PID: 2 Comm: a Not tainted 3.13.0 #1Hardware name: XMem-Info:\
                 Node 0 DMA free:8kB min:1kB low:1kB high:1kBlowmem_reserve[]: 0 1Node 0 DMA: 1*4kB = 4kB\
                 Total swap = 0kB2097054 pages RAM33366 pages reserved[ pid ]   uid  tgid total_vm name[   12]     0    12 5 x";
    let texts: Vec<String> = undressed(glued).into_iter().map(|(text, ..)| text).collect();
    assert_eq!(
        texts,
        [
            "a cpuset=/ mems_allowed=0",
            "CPU: 1 PID: 2 Comm: a Not tainted 3.13.0 #1",
            "Hardware name: X",
            "Mem-Info:",
            "Node 0 DMA free:8kB min:1kB low:1kB high:1kB",
            "lowmem_reserve[]: 0 1",
            "Node 0 DMA: 1*4kB = 4kB",
            "Total swap = 0kB",
            "2097054 pages RAM",
            "33366 pages reserved",
            "[ pid ]   uid  tgid total_vm name",
            "[   12]     0    12 5 x",
        ]
    );
}

/// Pieces that reports are made of, for texts that are nearly right.
const PIECES: &[&str] = &[
    "a invoked oom-killer: gfp_mask=0x",
    "ffffffffffffffffff",
    "(GFP_KERNEL|__GFP_ZERO), ",
    "order=",
    "Mem-Info:",
    "Node 0 DMA free:",
    "18446744073709551615kB",
    " min:-1kB high:99395541895224kB",
    "Node 4294967296 ",
    "lowmem_reserve[]: ",
    "0*4kB (UMC) ",
    "99999999999999999999*4kB",
    "[ pid ]   uid  tgid total_vm      rss cpu oom_adj name",
    "[    1]     0     1 18446744073709551615 9223372036854775807 0 0 x",
    "9223372036854775807 pages RAM",
    "Total swap = -9223372036854775808kB",
    "oom-kill:constraint=,oom_memcg=,pid=99999999999999999999",
    "Memory cgroup out of memory: Killed process 1 (",
    ") total-vm:9kB, anon-rss:",
    "memory: usage 18446744073709551615kB, limit 0kB, failcnt 18446744073709551616",
    "Task in ",
    " killed as a result of limit of ",
    "hugepages_total=18446744073709551615 hugepages_size=18446744073709551615kB",
    "Unreclaimable slab info:",
    "x 1KB 99999999999999999999999KB",
    "\\x0a",
    "#012",
    "&#10;",
    "\n",
    " ",
    "4,1,2,c;",
    "4,1,2,+;",
    "{\"MESSAGE\":\"",
    "\"}",
    "MESSAGE\n",
    "> ",
    "Jan  5 15:19:04 h kernel: ",
    "[",
    "]",
    "é…\u{a0}",
    "active_anon:1 ",
    "free:18446744073709551615 slab_unreclaimable:1 unevictable:1 active_file:1",
    "swapoff+0x1/0x2",
];

fn read_whole(log: &[u8]) {
    read_reports(&mut &log[..], &mut |report| {
        serde_json::to_string(&OomReportModel::from(&report)).unwrap();
        crate::report::text::oom(&report, None, true, &crate::report::text::Style::plain());
    })
    .unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_end(log in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut with_trigger = b"oom-kill".to_vec();
        with_trigger.extend(&log);
        read_whole(&with_trigger);
    }

    #[test]
    fn any_mixture_of_pieces_ends(choice in proptest::collection::vec((0..PIECES.len(), 0u64..3), 0..60)) {
        let mut log = String::from("a invoked oom-killer: gfp_mask=0xd0, order=0\n");
        for (piece, number) in choice {
            log.push_str(PIECES[piece]);
            if number > 0 {
                log.push_str(&(number * 7).to_string());
            }
        }
        read_whole(log.as_bytes());
    }
}

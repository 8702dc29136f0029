//! Messages by their shape.

use super::fields::{Pair, pairs};
use super::*;
use crate::oom::report::Trace;

#[test]
fn pairs_survive_lost_and_added_blanks() {
    let found: Vec<Pair<'_>> =
        pairs("free:1kBmin:-2kB isolated(anon):3kB pages_scanned: 7874 all_unreclaimable? yes").collect();
    let pair = |key, value, unit| Pair { key, value, unit };
    let expected = [
        pair("free", 1, "kB"),
        pair("min", -2, "kB"),
        pair("isolated(anon)", 3, "kB"),
        pair("pages_scanned", 7874, ""),
    ];
    assert_eq!(found, expected);
}

#[test]
fn the_kernel_version_stands_after_the_taint() {
    for (text, version) in [
        ("Pid: 31143, comm: apache2 Tainted: G W 2.6.39-linode33 #5", "2.6.39-linode33"),
        ("CPU: 0 PID: 1 Comm: a 5.4 b Not tainted 4.19.57.mx64.282 #1", "4.19.57.mx64.282"),
        ("CPU: 1 UID: 0 PID: 9 Comm: x Kdump: loaded Tainted: G           OE      6.12.0 #1 PREEMPT(lazy)", "6.12.0"),
    ] {
        let Some(Fact::Cpu { kernel, .. }) = recognise(text) else { panic!("{text}") };
        assert_eq!(kernel, Some(version));
    }
}

#[test]
fn zones_are_read_whatever_stands_before_them() {
    for (text, node, name) in [
        ("Node 1 DMA32 free:8kB boost:0kB min:4kB", Some(1), "DMA32"),
        ("HighMem free:8kB min:4kB", None, "HighMem"),
        ("Node 0, Normal free:8kB min:4kB", Some(0), "Normal"),
    ] {
        let Some(Fact::Zone { node: found, name: called, values, .. }) = recognise(text) else { panic!("{text}") };
        assert_eq!((found, called), (node, name));
        assert!(values.contains(&("free", 8)) && values.contains(&("min", 4)), "{values:?}");
    }
    assert!(matches!(recognise("Node 0 active_anon:8kB shmem_thp: 0kB"), Some(Fact::Node { node: 0, .. })));
    assert!(matches!(recognise("free:8 free_pcp:0 free_cma:0"), Some(Fact::Totals(_))));
}

#[test]
fn rows_without_a_header_are_told_by_their_numbers() {
    let column = |rest: &str, name: &str| {
        let (numbers, _) = task_row(rest, None).unwrap();
        numbers.iter().find(|(column, _)| *column == name).map(|(_, value)| *value)
    };
    assert_eq!(column("0 9 100 50 196608 7 -1000 x", "swapents"), Some(7));
    assert_eq!(column("0 9 100 50 13 8 0 x", "nr_ptes"), Some(13));
    assert_eq!(column("0 9 100 50 1 -17 -1000 x", "oom_adj"), Some(-17));
    assert_eq!(column("0 9 100 50 1 -17 x y", "oom_score_adj"), None);
    assert_eq!(column("0 9 100 50 40 9 1 196608 7 0 x", "rss_shmem"), Some(1));
    let (_, name) = task_row("0 9 100 50 13 8 0 (sd-pam) [x]", None).unwrap();
    assert_eq!(name, "(sd-pam) [x]");
}

#[test]
fn traces_tell_what_was_going_on() {
    let fork = Trace { fork: true, ..Trace::default() };
    assert_eq!(recognise("[<c0132728>] ? copy_process+0x88/0xb80"), Some(Fact::Trace(fork)));
    assert_eq!(recognise(" dump_stack+0x46/0x5b"), Some(Fact::Filler));
}

#[test]
fn what_is_no_report_is_not_taken_for_one() {
    for text in ["java.lang.OutOfMemoryError: Java heap space", "process 12 killed by nobody", "free: not a number", ""]
    {
        assert_eq!(recognise(text), None, "{text}");
    }
    assert_eq!(recognise("foo: page allocation failure. order:1, mode:0x20"), Some(Fact::NotOom));
}

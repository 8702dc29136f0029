//! Which messages make one report.

use crate::oom::{OomReport, read_reports};

fn reports(log: &str) -> Vec<OomReport> {
    let mut found = Vec::new();
    read_reports(&mut log.as_bytes(), &mut |report| found.push(report)).unwrap();
    found
}

fn kills(log: &str) -> Vec<Vec<i64>> {
    reports(log).into_iter().map(|report| report.killed_pids).collect()
}

#[test]
fn kill_lines_alone_are_a_report_each() {
    let storm = "Out of memory: Killed process 5 (a) total-vm:8kB, anon-rss:4kB\n\
                 Out of memory: Killed process 6 (a) total-vm:8kB, anon-rss:4kB\n";
    assert_eq!(kills(storm), [[5], [6]]);
    let grep = "Killed process 5 (a) total-vm:8kB, anon-rss:4kB\nKilled process 6 (b) total-vm:8kB, anon-rss:4kB\n";
    assert_eq!(kills(grep), [[5], [6]]);
}

#[test]
fn a_group_dies_in_one_report() {
    let log = "Memory cgroup out of memory: Killed process 5 (a) total-vm:8kB, anon-rss:4kB\n\
               Tasks in /a are going to be killed due to memory.oom.group set\n\
               Memory cgroup out of memory: Killed process 5 (a) total-vm:8kB, anon-rss:4kB\n\
               Memory cgroup out of memory: Killed process 6 (b) total-vm:8kB, anon-rss:4kB\n\
               oom_reaper: reaped process 6 (b), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB\n";
    let found = reports(log);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].killed_pids, [5, 6]);
    assert_eq!(found[0].reaped_pids, [6]);
    assert_eq!(found[0].victim.as_ref().map(|victim| victim.pid), Some(5));
}

#[test]
fn a_repetition_by_another_program_is_no_second_kill() {
    let log = "kernel: Out of memory: Killed process 5 (a) total-vm:8kB, anon-rss:4kB\n\
               Jan  5 15:19:04 h npd[1]: I0624 18:49:43.9 1 x.go:1] Message:Out of memory: Killed process 5 (a) total-vm:8kB}\n\
               Warning  OOMKilling  1m  kernel-monitor  Out of memory: Killed process 5 (a) total-vm:8kB, anon-rss:4kB\n";
    assert_eq!(kills(log), [[5]]);
}

#[test]
fn a_report_printed_twice_is_one() {
    let log = "[12.5] a invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0\n\
               [12.6] Out of memory: Killed process 5 (a) total-vm:8kB, anon-rss:4kB\n";
    assert_eq!(kills(&log.repeat(2)), [[5]]);
    assert_eq!(kills(&format!("{log}{}", log.replace("12.", "13.").replace("5 (", "6 ("))), [[5], [6]]);
}

#[test]
fn a_child_that_is_sacrificed_is_the_victim() {
    let log = "a invoked oom-killer: gfp_mask=0xd0, order=0, oom_score_adj=0\n\
               Out of memory: Kill process 5 (rpmbuild) score 300 or sacrifice child\n\
               Killed process 6 (sh) total-vm:8kB, anon-rss:4kB, file-rss:0kB\n";
    let found = reports(log);
    assert_eq!(found[0].selected.as_ref().map(|selected| selected.pid), Some(5));
    assert_eq!(found[0].victim.as_ref().map(|victim| victim.name.as_str()), Some("sh"));
}

#[test]
fn a_kill_far_away_belongs_to_no_header() {
    let filler = "Jan  5 15:19:04 h app[1]: nothing of interest happens here at all\n".repeat(30_000);
    let log = format!(
        "a invoked oom-killer: gfp_mask=0xd0, order=0, oom_score_adj=0\n{filler}Out of memory: Killed process 6 (sh) total-vm:8kB\n"
    );
    assert_eq!(kills(&log), [vec![], vec![6]]);
}

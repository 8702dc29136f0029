//! Threads of real processes made to call, and the tool killed at every step of it.

use std::fs;

use super::*;
use crate::sys::gate::testing::die_at;
use crate::target::Target;
use crate::target::patient::Patient;

/// Threads in every waiting call that a stop may cut short.
const SLEEPERS: &str = include_str!("../pause/sleepers.c");
/// One thread that never sleeps.
const BUSY: &str = include_str!("busy.c");
/// More steps than any injection has.
const STEPS: u32 = 200;

/// What must be the same afterwards.
#[derive(Debug, PartialEq)]
struct Look {
    signals: Vec<String>,
    mappings: usize,
    descriptors: usize,
    children: Vec<String>,
}

fn look(patient: &Patient) -> Look {
    let folder = format!("/proc/{}", patient.pid());
    let signals = ["SigBlk", "SigIgn", "SigCgt"].map(|key| patient.status(key)).to_vec();
    let children = fs::read_dir(format!("{folder}/task")).unwrap();
    let children = children.map(|task| fs::read_to_string(task.unwrap().path().join("children")).unwrap_or_default());
    Look {
        signals,
        mappings: fs::read_to_string(format!("{folder}/maps")).unwrap().lines().count(),
        descriptors: fs::read_dir(format!("{folder}/fd")).unwrap().count(),
        children: children.filter(|list| !list.is_empty()).collect(),
    }
}

/// Waits for what the kernel and the target still have to do after a death: a thread on its way back may make a child
/// yet, so that one look that finds all as before is not enough.
fn assert_same(patient: &Patient, before: &Look, step: &str) {
    let (mut calm, mut last) = (0, look(patient));
    for _ in 0..400 {
        calm = if last == *before { calm + 1 } else { 0 };
        if calm == 4 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(4));
        last = look(patient);
    }
    assert_eq!(last, *before, "{step}");
    patient.assert_untouched();
}

fn fork_at(patient: &Patient, step: Option<u32>) -> bool {
    let target = Target::open(patient.pid()).unwrap();
    die_at(step);
    let snapshot = ChildSnapshot::take(&target);
    die_at(None);
    match snapshot {
        Ok(snapshot) => {
            assert!(snapshot.child().mappings().unwrap().len() > 10);
            true
        }
        Err(error) => {
            assert!(step.is_some() && error.to_string().contains("killed"), "{error}");
            false
        }
    }
}

fn track_at(patient: &Patient, step: Option<u32>) -> bool {
    let target = Target::open(patient.pid()).unwrap();
    let mappings = target.mappings().unwrap();
    let heap: Vec<_> = mappings.iter().filter(|mapping| mapping.name == "[heap]").map(|mapping| mapping.span).collect();
    die_at(step);
    let tracker = WriteTracker::begin(&target, &mappings, &heap);
    die_at(None);
    match tracker {
        Ok(tracker) => {
            let tracked = tracker.tracked();
            assert!(
                !tracked.is_empty()
                    && tracked.iter().all(|span| heap.iter().any(|heap| heap.intersection(*span) == *span)),
                "{tracked:?}"
            );
            true
        }
        Err(error) => {
            assert!(step.is_some() && error.to_string().contains("killed"), "{error}");
            false
        }
    }
}

#[test]
fn fifty_children_are_not_noticed() {
    for (source, arguments, well) in [(SLEEPERS, ["0"], "interrupted=0 signals=0"), (BUSY, [""], "wrong=0")] {
        let mut patient = Patient::start(source, &arguments);
        let before = look(&patient);
        for _ in 0..50 {
            assert!(fork_at(&patient, None));
        }
        assert_same(&patient, &before, "forked");
        assert_eq!(patient.ask("count"), well);
    }
}

#[test]
fn writes_are_told_and_nothing_of_it_is_noticed() {
    for (source, arguments, well) in [(SLEEPERS, ["0"], "interrupted=0 signals=0"), (BUSY, [""], "wrong=0")] {
        let mut patient = Patient::start(source, &arguments);
        let before = look(&patient);
        for _ in 0..20 {
            assert!(track_at(&patient, None));
        }
        assert_same(&patient, &before, "tracked");
        assert_eq!(patient.ask("count"), well);
    }
}

/// Kills us before every step in turn, until one attempt comes to its end.
fn kill_at_every_step(source: &str, arguments: &[&str], well: &str, attempt: fn(&Patient, Option<u32>) -> bool) {
    let mut patient = Patient::start(source, arguments);
    assert!(attempt(&patient, None));
    let before = look(&patient);
    let mut step = 0;
    while !attempt(&patient, Some(step)) {
        // What a descriptor leaves is another test's.
        assert_same(&patient, &before, &format!("killed before step {step}"));
        assert_eq!(patient.ask("count"), well, "killed before step {step}");
        step += 1;
        assert!(step < STEPS);
    }
    assert!(step > 10, "only {step} steps");
    assert_same(&patient, &before, "at the end");
}

#[test]
fn killed_at_every_step_of_a_fork_a_sleeping_target_is_as_before() {
    kill_at_every_step(SLEEPERS, &["0"], "interrupted=0 signals=0", fork_at);
}

#[test]
fn killed_at_every_step_of_a_fork_a_computing_target_is_as_before() {
    kill_at_every_step(BUSY, &[""], "wrong=0", fork_at);
}

#[test]
fn killed_at_every_step_on_each_kind_of_wait_the_wait_goes_on() {
    let mut patient = Patient::start(SLEEPERS, &["0"]);
    let target = Target::open(patient.pid()).unwrap();
    let before = look(&patient);
    for thread in target.thread_ids().unwrap() {
        let mut step = 0;
        let call = target.proc_text(&format!("task/{thread}/syscall")).unwrap();
        loop {
            let site = site::Site { threads: vec![thread], ..site::Site::find(&target).unwrap() };
            die_at(Some(step));
            let snapshot = ChildSnapshot::take_at(&target, &site);
            die_at(None);
            let is_through = snapshot.map(drop).is_ok();
            assert_same(&patient, &before, &format!("thread {thread} killed before step {step}"));
            assert_eq!(patient.ask("count"), "interrupted=0 signals=0", "thread {thread} in {call}, step {step}");
            if is_through {
                break;
            }
            step += 1;
            assert!(step < STEPS);
        }
    }
}

#[test]
fn killed_while_tracking_begins_the_next_run_removes_what_is_left() {
    for (source, arguments, well) in [(SLEEPERS, ["0"], "interrupted=0 signals=0"), (BUSY, [""], "wrong=0")] {
        let mut patient = Patient::start(source, &arguments);
        let before = look(&patient);
        let (mut step, mut left) = (0, 0);
        while !track_at(&patient, Some(step)) {
            patient.assert_untouched();
            assert_eq!(patient.ask("count"), well, "killed before step {step}");
            let after = look(&patient);
            assert!(after.descriptors <= before.descriptors + 1, "step {step}");
            assert_eq!(Look { descriptors: before.descriptors, ..after }, before, "step {step}");
            left += look(&patient).descriptors - before.descriptors;
            Target::open(patient.pid()).unwrap().heal();
            assert_same(&patient, &before, &format!("healed after step {step}"));
            step += 1;
            assert!(step < STEPS);
        }
        assert!(step > 8 && left > 0, "{step} steps, {left} left something");
        assert_same(&patient, &before, "at the end");
    }
}

#[test]
fn begun_anew_while_a_thread_still_finds_its_way_back_nothing_is_lost() {
    for (source, arguments, well) in [(SLEEPERS, ["0"], "interrupted=0 signals=0"), (BUSY, [""], "wrong=0")] {
        let mut patient = Patient::start(source, &arguments);
        let before = look(&patient);
        for round in 0..3 {
            // No look in between: the next one meets the thread in the midst of its frames.
            let steps = (0..STEPS).find(|step| fork_at(&patient, Some(*step))).unwrap();
            assert!(steps > 10, "round {round}");
            assert_same(&patient, &before, &format!("after round {round}"));
        }
        assert_eq!(patient.ask("count"), well);
    }
}

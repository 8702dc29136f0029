//! Pauses of real processes.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::*;
use crate::sys::gate::testing::die_at;
use crate::target::patient::Patient;

/// Answers every line with how many system calls returned EINTR and how many signals a handler saw.
const SLEEPERS: &str = include_str!("sleepers.c");
/// In vfork until its input ends: the kernel lets nobody stop such a thread.
const VFORKED: &str = r#"
#include <stdio.h>
#include <unistd.h>
#include <pthread.h>
void *idle(void *x) { pause(); return 0; }
int main(void) {
    pthread_t t; pthread_create(&t, 0, idle, 0);
    puts("READY"); fflush(stdout);
    char c;
    if (vfork() == 0) { read(0, &c, 1); _exit(0); }
    puts("BACK"); fflush(stdout);
    for (;;) pause();
}"#;

fn target(patient: &Patient) -> Target {
    Target::open(patient.pid()).unwrap()
}

#[test]
fn a_paused_target_stands_still_and_runs_on_afterwards() {
    let mut patient = Patient::start(SLEEPERS, &["200"]);
    let target = target(&patient);
    let pause = Pause::begin(&target).unwrap();
    assert!(pause.stopped().threads() >= 200);
    for thread in target.thread_ids().unwrap() {
        let status = std::fs::read_to_string(format!("/proc/{}/task/{thread}/status", patient.pid())).unwrap();
        assert!(status.contains("State:\tt (tracing stop)"), "{status}");
    }
    std::thread::sleep(Duration::from_millis(20));
    let stood = pause.end().unwrap();
    assert!(stood >= Duration::from_millis(20) && stood < Duration::from_secs(1), "{stood:?}");
    patient.assert_untouched();
    assert_eq!(patient.settled_state(), 'S');
    assert_eq!(patient.ask("count"), "interrupted=0 signals=0");
    drop(Pause::begin(&target).unwrap());
    patient.assert_untouched();
}

#[test]
fn no_waiting_call_notices_a_hundred_pauses() {
    let mut patient = Patient::start(SLEEPERS, &["0"]);
    let target = target(&patient);
    for _ in 0..100 {
        Pause::begin(&target).unwrap().end().unwrap();
    }
    assert_eq!(patient.ask("count"), "interrupted=0 signals=0");
}

#[test]
fn no_signal_is_lost_or_doubled_by_pauses() {
    let mut patient = Patient::start(SLEEPERS, &["3"]);
    let target = target(&patient);
    std::thread::scope(|scope| {
        // SIGUSR1 and SIGUSR2 would merge while pending; queued real-time signals do not.
        let sender = scope.spawn(|| {
            for _ in 0..300 {
                let signal = format!("{}", libc::SIGRTMIN() + 3);
                let sent = Command::new("kill").args(["-s", &signal, &patient.pid().to_string()]).status();
                assert!(sent.unwrap().success());
            }
        });
        while !sender.is_finished() {
            Pause::begin(&target).unwrap().end().unwrap();
        }
    });
    assert!(patient.ask("count").ends_with("signals=300"));
    patient.assert_untouched();
}

#[test]
fn a_stopped_target_stays_stopped_and_can_be_continued() {
    let mut patient = Patient::start(SLEEPERS, &["5"]);
    patient.signal(Signal::SIGSTOP);
    assert_eq!(patient.settled_state(), 'T');
    let target = target(&patient);
    for _ in 0..5 {
        Pause::begin(&target).unwrap().end().unwrap();
        // From our stop back to the signal's it passes through R.
        assert_eq!(patient.settled_state(), 'T');
        assert_eq!(patient.status("State"), "T (stopped)");
    }
    patient.signal(Signal::SIGCONT);
    assert_eq!(patient.settled_state(), 'S');
    assert!(patient.ask("count").starts_with("interrupted="));
}

#[test]
fn a_target_continued_while_held_runs_on() {
    let mut patient = Patient::start(SLEEPERS, &["5"]);
    patient.signal(Signal::SIGSTOP);
    assert_eq!(patient.settled_state(), 'T');
    let target = target(&patient);
    let pause = Pause::begin(&target).unwrap();
    patient.signal(Signal::SIGCONT);
    pause.end().unwrap();
    assert_eq!(patient.settled_state(), 'S');
    assert!(patient.ask("count").starts_with("interrupted="));
}

#[test]
fn a_target_killed_while_held_is_gone_and_nobody_waits() {
    let mut patient = Patient::start(SLEEPERS, &["50"]);
    let target = target(&patient);
    let pause = Pause::begin(&target).unwrap();
    patient.kill();
    let began = Instant::now();
    pause.end().unwrap();
    assert!(began.elapsed() < Duration::from_secs(1));
    while target.is_alive() {}
    assert_eq!(Pause::begin(&target).unwrap_err().kind(), ErrorKind::Gone);
}

#[test]
fn a_target_that_dies_at_any_moment_ends_in_gone() {
    for delay in 0..20 {
        let mut patient = Patient::start(SLEEPERS, &["20"]);
        let target = target(&patient);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_micros(delay * 150));
                patient.kill();
            });
            let began = Instant::now();
            while let Ok(pause) = Pause::begin(&target) {
                pause.end().unwrap();
            }
            // Twenty threads end when they are scheduled; a busy machine takes its time.
            assert!(began.elapsed() < Duration::from_secs(10));
            let error = Pause::begin(&target).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Gone, "{error}");
        });
    }
}

#[test]
fn a_traced_target_is_refused_by_the_name_of_its_tracer() {
    let patient = Patient::start(SLEEPERS, &["0"]);
    let target = target(&patient);
    let pause = Pause::begin(&target).unwrap();
    let error = Pause::begin(&target).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotPermitted);
    assert!(error.to_string().contains("traces it already"), "{error}");
    pause.end().unwrap();
    Pause::begin(&target).unwrap();
}

#[test]
fn a_thread_that_cannot_rest_is_given_up_on_and_all_run_on() {
    let mut patient = Patient::start(VFORKED, &[]);
    while patient.status("State").starts_with(['R', 'S']) {}
    let target = target(&patient);
    let error = Pause::begin(&target).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert!(error.to_string().contains("(state D) did not come to rest"), "{error}");
    patient.assert_untouched();
    assert_eq!(patient.ask(""), "BACK");
}

const HELD_PID: &str = "LEAKSCOPE_TEST_HOLD";

/// Not a test of its own: what the next one runs in a process of its own and kills.
#[test]
fn hold_for_ever() {
    let Ok(pid) = std::env::var(HELD_PID) else { return };
    let target = Target::open(pid.parse().unwrap()).unwrap();
    let _pause = Pause::begin(&target).unwrap();
    std::fs::write("/proc/self/fd/1", "HELD\n").unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn our_own_death_leaves_the_target_running() {
    let mut patient = Patient::start(SLEEPERS, &["30"]);
    let mut command = Command::new(std::env::current_exe().unwrap());
    let exact = concat!(module_path!(), "::hold_for_ever").split_once("::").unwrap().1;
    command.args(["--exact", exact, "--nocapture"]).env(HELD_PID, patient.pid().to_string());
    let mut holder = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("HELD")));
    assert!(patient.status("State").starts_with('t'));
    holder.kill().unwrap();
    holder.wait().unwrap();
    // The process beside the dead one notices at once, as soon as it is given a processor.
    for _ in 0..1000 {
        if patient.touched().is_none() {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    patient.assert_untouched();
    assert_eq!(patient.settled_state(), 'S');
    assert_eq!(patient.ask("count"), "interrupted=0 signals=0");
}

#[test]
fn killed_at_every_step_the_tracer_leaves_nothing_but_what_it_had_not_mended() {
    let mut patient = Patient::start(SLEEPERS, &["0"]);
    let target = target(&patient);
    let mut cut = 0;
    for step in 0..100 {
        die_at(Some(step));
        let pause = Pause::begin(&target);
        die_at(None);
        // Killed while it takes hold, or while it lets go.
        let is_through = pause.is_ok_and(|pause| pause.end().is_ok());
        patient.assert_untouched();
        assert_eq!(patient.settled_state(), 'S');
        let told = patient.ask("count");
        let now: u32 = told.split(['=', ' ']).nth(1).unwrap().parse().unwrap();
        // At most those that stood and were not mended yet: eleven threads.
        assert!(now - cut <= 11, "step {step}: {told}");
        cut = now;
        if is_through {
            assert!(step > 20, "{step}");
            return;
        }
    }
    panic!("it never came to an end");
}

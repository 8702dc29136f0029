//! leakscope on real processes: patients with a known truth, nginx, redis and python. One module a theme, one harness.
//! What needs no process is tested beside the code.

mod bad_input;
mod cli;
mod common;
mod content;
mod dump;
mod harness;
mod heap;
mod heap_inside;
mod inspect_verdicts;
mod nginx;
mod permissions;
mod python;
mod redis;
mod safety;
mod snapshots;
mod snapshots_limits;
mod trace;
mod trace_targets;
mod traps;
mod watch;
mod watch_faults;
mod watch_screen;

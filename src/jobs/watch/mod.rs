//! `watch`: follows processes for as long as one likes, judges their growth, notices their ends, secures evidence before a
//! limit is hit. Hands out lines; a record of them can be judged again.

mod command;
mod evidence;
mod judge;
mod kernel;
mod listen;
mod outlet;
mod process;
pub mod record;
mod replay;
mod roster;
mod trigger;
mod watcher;

pub use evidence::{Actions, ByHand};
pub use outlet::{WAITING, outlet};
pub use replay::replay;
pub use trigger::Level;
pub use watcher::run;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::report::watch::Line;

/// `watch`.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    /// Whom: pids, names, `children:PID`, `cgroup:PATH`.
    pub selectors: Vec<String>,
    /// Between two samples.
    pub interval: Duration,
    /// How long; until interrupted or all ended where not typed.
    pub window: Option<Duration>,
    /// Where to record.
    pub record: Option<PathBuf>,
    /// When something is done.
    pub levels: Vec<Level>,
    /// What.
    pub actions: Actions,
    /// A role fires a level at most once in this time.
    pub cool_down: Duration,
    /// Where metrics are served.
    pub listen: Option<SocketAddr>,
}

/// What a person asks for while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Of which process.
    pub pid: i32,
    /// What.
    pub what: ByHand,
}

/// Takes a line; answers whether to go on.
pub type Each<'e> = dyn FnMut(&Line) -> bool + 'e;

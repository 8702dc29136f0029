//! What can be typed about how the bytes of a live process are taken.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::values;
use crate::jobs::MethodChoice;

/// How bytes of a live process are had.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Method {
    /// The gentlest that gives one instant
    Auto,
    /// Without a stop, while nobody in it runs
    Idle,
    /// While it runs, with a stop of milliseconds for what was written last (Linux 6.7)
    Precopy,
    /// From a copy-on-write child
    Fork,
    /// Stop it for the copy
    Stop,
    /// Never stop it; values may be of two moments
    Live,
}

/// How to take the bytes.
#[derive(Args, Clone, Copy, Debug)]
pub struct SnapshotArgs {
    /// How to read the memory of a process
    #[arg(long, value_enum, default_value = "auto")]
    pub method: Method,
    /// No method that is expected to stop it for longer
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    pub max_pause: Option<Duration>,
}

impl From<Method> for MethodChoice {
    fn from(method: Method) -> MethodChoice {
        match method {
            Method::Auto => MethodChoice::Auto,
            Method::Idle => MethodChoice::Idle,
            Method::Precopy => MethodChoice::Precopy,
            Method::Fork => MethodChoice::Fork,
            Method::Stop => MethodChoice::Stop,
            Method::Live => MethodChoice::Live,
        }
    }
}

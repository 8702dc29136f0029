//! What can be typed behind `watch` and `report`. Knows clap; decides nothing.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::values;
use crate::jobs::watch::Level;
use crate::units::ByteCount;

/// What is done at a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Action {
    /// Look into the process and write a report
    Inspect,
}

#[derive(Args, Debug)]
#[command(
    after_help = "A name means all processes of that name. A worker that is killed and the one forked in its place share one line.
Growth is judged over seconds and over days: a warm-up, a cache that fills, a sawtooth are no leak.

Levels (--at): 70% of the nearest limit (cgroup, resource limit, machine), 600MiB resident, +200MiB gained, 'eta<5m', verdict.

Examples:
  leakscope watch nginx
  leakscope watch children:4700 --record workers.jsonl
  leakscope watch 4711 --at 70%,90% --do inspect --dump /var/tmp/evidence --keep 3
  leakscope watch cgroup:/system.slice/web.service --at 'eta<5m' --exec 'mail -s leak ops'
  leakscope watch nginx --listen 127.0.0.1:9464
  leakscope watch --replay workers.jsonl"
)]
pub struct WatchArgs {
    /// Pids, process names, children:PID or cgroup:PATH
    #[arg(required_unless_present = "replay", value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Time between two samples
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = values::duration)]
    pub interval: Duration,
    /// How long; until Ctrl-C or until all ended where not given
    #[arg(long = "for", value_name = "DURATION", value_parser = values::duration)]
    pub window: Option<Duration>,
    /// Append all lines to this file; it survives a crash at any byte
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    pub record: Option<PathBuf>,
    /// Show a record again, judged anew
    #[arg(long, value_name = "FILE", conflicts_with = "targets")]
    pub replay: Option<PathBuf>,
    /// Levels: 70%, 600MiB, +200MiB, eta<5m, verdict
    #[arg(long, value_name = "LEVEL,…", value_delimiter = ',', value_parser = level)]
    pub at: Vec<Level>,
    /// What to do at a level
    #[arg(long = "do", value_name = "ACTION", value_enum)]
    pub action: Option<Action>,
    /// Keep the suspect's bytes too, in this folder, with the reports
    #[arg(long, value_name = "DIR")]
    pub dump: Option<PathBuf>,
    /// Folder of reports [default: that of --dump, else the working folder]
    #[arg(long, value_name = "DIR", conflicts_with = "dump")]
    pub evidence: Option<PathBuf>,
    /// Run this at a level, through sh; facts in LEAKSCOPE_* and as JSON on stdin
    #[arg(long, value_name = "COMMAND")]
    pub exec: Option<String>,
    /// A role fires a level at most once in this time
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = pause)]
    pub cool_down: Duration,
    /// Sets of evidence kept, the newest
    #[arg(long, value_name = "COUNT", default_value = "3", value_parser = clap::value_parser!(u32).range(1..))]
    pub keep: u32,
    /// What evidence may fill
    #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = values::size)]
    pub max_disk: ByteCount,
    /// Serve OpenMetrics here, such as 127.0.0.1:9464
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    /// Allow --listen where other machines can reach it
    #[arg(long, requires = "listen")]
    pub listen_any: bool,
    /// Lines, even on a terminal
    #[arg(long)]
    pub plain: bool,
    /// Every sample as a line, not only what is new
    #[arg(long, short)]
    pub verbose: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  leakscope report workers.jsonl -o workers.html")]
pub struct ReportArgs {
    /// A record made by leakscope watch --record
    #[arg(value_name = "FILE")]
    pub record: PathBuf,
    /// The page to write; one file without references to others
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// Write over an existing file
    #[arg(long, short)]
    pub force: bool,
}

/// `0s` is a pause too.
fn pause(text: &str) -> Result<Duration, String> {
    if matches!(text, "0" | "0s") { Ok(Duration::ZERO) } else { values::duration(text) }
}

/// `70%`, `600MiB`, `+200MiB`, `eta<5m`, `verdict`.
fn level(text: &str) -> Result<Level, String> {
    let text = text.trim();
    if text == "verdict" {
        return Ok(Level::Verdict);
    }
    if let Some(time) = text.strip_prefix("eta<") {
        return values::duration(time).map(Level::Left);
    }
    if let Some(percent) = text.strip_suffix('%') {
        let wrong = || format!("“{text}” is no part of a limit; write 70%");
        let percent: f64 = percent.parse().map_err(|_| wrong())?;
        return if percent > 0.0 && percent <= 100.0 { Ok(Level::Share(percent / 100.0)) } else { Err(wrong()) };
    }
    let (gained, size) = text.strip_prefix('+').map_or((false, text), |size| (true, size));
    let size = values::size(size)
        .map_err(|_| format!("“{text}” is no level; write 70%, 600MiB, +200MiB, eta<5m or verdict"))?;
    Ok(if gained { Level::Gained(size) } else { Level::Resident(size) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_and_nonsense_is_refused() {
        assert_eq!(level("70%"), Ok(Level::Share(0.7)));
        assert_eq!(level("600MiB"), Ok(Level::Resident(ByteCount::mib(600))));
        assert_eq!(level("+200MiB"), Ok(Level::Gained(ByteCount::mib(200))));
        assert_eq!(level("eta<5m"), Ok(Level::Left(Duration::from_secs(300))));
        assert_eq!(level("verdict"), Ok(Level::Verdict));
        for wrong in ["", "0%", "101%", "-3%", "x%", "eta<", "eta>5m", "+", "verdicts", "nan%", "inf%"] {
            assert!(level(wrong).is_err(), "{wrong}");
        }
        assert_eq!(pause("0s"), Ok(Duration::ZERO));
    }
}

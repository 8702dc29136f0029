//! When things happened, as the reader of a page has it: the time of day, with the date where a day is not enough. Knows the
//! board's two clocks; where the one on the wall was not told, seconds since the beginning have to do.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::report::text::number::duration;
use crate::report::watch::Board;

/// Beyond this the date is told too.
const DAY: f64 = 86_400.0;

/// Times of a board.
pub struct Clock<'z> {
    began: Option<Timestamp>,
    zone: &'z TimeZone,
    form: &'static str,
}

impl Clock<'_> {
    /// Of what `board` tells, where the reader lives.
    pub fn of<'z>(board: &Board, zone: &'z TimeZone) -> Clock<'z> {
        let form = if board.at_seconds < DAY { "%H:%M:%S" } else { "%m-%d %H:%M" };
        Clock { began: board.began.parse().ok(), zone, form }
    }

    /// A time since the board began.
    pub fn at(&self, since: Duration) -> String {
        let wall = self.began.and_then(|began| began.checked_add(SignedDuration::try_from(since).ok()?).ok());
        wall.map_or_else(|| duration(since.as_secs_f64()), |time| self.told(time, self.form))
    }

    /// The same with its date.
    pub fn day_at(&self, since: Duration) -> String {
        let wall = self.began.and_then(|began| began.checked_add(SignedDuration::try_from(since).ok()?).ok());
        wall.map_or_else(|| duration(since.as_secs_f64()), |time| self.told(time, "%Y-%m-%d %H:%M:%S"))
    }

    fn told(&self, time: Timestamp, form: &str) -> String {
        time.to_zoned(self.zone.clone()).strftime(form).to_string()
    }
}

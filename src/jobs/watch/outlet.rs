//! The way of lines to whoever shows them, on a thread of its own: neither a slow reader of stdout nor a terminal that hangs
//! may hold up a watch or fill our memory.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use crate::report::watch::Line;

/// Lines that wait to be shown.
pub const WAITING: usize = 10_000;

/// Where lines are put.
#[derive(Debug)]
pub struct Outlet {
    lines: SyncSender<Line>,
    is_live: bool,
    /// Lines for which there was no room.
    pub lost: u64,
}

/// An outlet and what comes out of it. A record has time to wait where nobody takes its lines; what is live loses them.
pub fn outlet(is_live: bool) -> (Outlet, Receiver<Line>) {
    let (lines, taken) = sync_channel(WAITING);
    (Outlet { lines, is_live, lost: 0 }, taken)
}

impl Outlet {
    /// Puts `line` in; false where nobody will ever take it.
    pub fn put(&mut self, line: &Line) -> bool {
        match self.lines.try_send(line.clone()) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) if self.is_live => {
                self.lost += 1;
                true
            }
            Err(TrySendError::Full(line)) => self.lines.send(line).is_ok(),
            Err(TrySendError::Disconnected(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::watch::Header;

    #[test]
    fn what_is_live_loses_lines_and_a_record_waits() {
        let line = Line::Watch(Header::default());
        let (mut live, taken) = outlet(true);
        assert!((0..WAITING + 3).all(|_| live.put(&line)));
        assert_eq!((live.lost, taken.try_iter().count()), (3, WAITING));
        drop(taken);
        assert!(!live.put(&line));
        let (mut recorded, taken) = outlet(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(move || taken.iter().count());
            assert!((0..WAITING + 3).all(|_| recorded.put(&line)));
            drop(recorded);
            assert_eq!(reader.join().unwrap(), WAITING + 3);
        });
    }
}

//! How long work tells that it moves on and asks whether it should go on.
//! Knows nothing of terminals: `cli` draws, tests and libraries use `Silent`.

use std::time::Duration;

use crate::units::ByteCount;

/// A listener to work that takes a while. All methods may be called from any thread.
pub trait Progress: Sync {
    /// A stage begins; `total` where it is known.
    fn begin(&self, stage: &str, total: Option<ByteCount>);
    /// A stage begins that is nothing but waiting for `time`.
    fn begin_wait(&self, stage: &str, _time: Duration) {
        self.begin(stage, None);
    }
    /// So much more of the stage is done.
    fn advance(&self, bytes: ByteCount);
    /// The stage is over.
    fn end(&self);
    /// Whether a person asked to stop; work looks at this between buffers.
    fn interrupted(&self) -> bool {
        false
    }
}

/// Says nothing and never interrupts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _stage: &str, _total: Option<ByteCount>) {}
    fn advance(&self, _bytes: ByteCount) {}
    fn end(&self) {}
}

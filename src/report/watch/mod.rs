//! What a watch says, line by line, and what all lines together tell. The same lines go to a terminal, into a record and
//! back out of it. Knows SPEC's names for them; how they were measured and judged is others'.

mod board;
mod line;
pub mod metrics;
pub mod text;

pub use board::{Board, Mark, Row};
pub use line::{Event, EventKind, Growth, Header, Line, Sample, Verdict};

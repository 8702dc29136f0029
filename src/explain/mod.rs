//! The only place where a number becomes a claim: verdicts, findings, their ranking and confidence, next steps and
//! notices. Knows results of analyses and words for them; reads nothing and writes nowhere.
//!
//! Sentences made here are one line, bounded in length and free of control characters. They quote names and labels as
//! they are: whoever wants values masked masks the labels of a scan before they come here.

mod attribution;
mod course;
mod evidence;
mod facts;
mod finding;
mod limit;
mod next;
mod notice;
mod summary;
mod verdict;
mod words;

#[cfg(test)]
mod tests;

pub use attribution::{Attribution, attribute};
pub use course::{Circumstances, CourseVerdict, judge_course};
pub use evidence::Evidence;
pub use facts::{Allocator, Facts, HeapFacts, Worker};
pub use finding::{Finding, FindingKind, findings};
pub use limit::{TimeToLimit, time_to_limit};
pub use notice::{Notice, notices};
pub use verdict::{Verdict, VerdictKind, judge};

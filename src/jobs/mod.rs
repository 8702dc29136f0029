//! One file per command, readable aloud: what is asked of the rooms below and put into the answer.

mod allocations;
mod copying;
pub mod demo;
mod diff;
mod doctor;
mod dump;
mod heap;
mod heap_walk;
mod hex;
mod inspect;
mod map;
mod observe;
pub mod oom;
mod page;
mod request;
mod scan;
mod scope;
mod storing;
mod subject;
mod top;
mod trace;
pub mod watch;
mod writing;

pub use page::report_page;
pub use request::*;

pub use crate::memory::Compression;

use crate::error::Result;
use crate::report::Document;

/// Does what `request` asks; one document, or several where one request is about several processes.
///
/// # Errors
/// What the command failed on, in one line.
pub fn run(request: &Request, context: &Context) -> Result<Vec<Document>> {
    match request {
        Request::Inspect(request) => inspect::run(request, context),
        Request::Demo(request) => demo::run(request, context),
        Request::Map(request) => map::run(request, context),
        Request::Top(request) => top::run(request, context),
        Request::Dump(request) => dump::run(request, context),
        Request::Scan(request) => scan::run(request, context),
        Request::Diff(request) => diff::run(request, context),
        Request::Heap(request) => heap::run(request, context),
        Request::Hex(request) => hex::run(request, context),
        Request::Doctor(request) => doctor::run(request, context),
        Request::Trace(request) => trace::run(request, context),
    }
}

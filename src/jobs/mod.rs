//! One file per command, readable aloud: what is asked of the rooms below and put into the answer.

mod observe;
mod request;

pub use request::*;

use crate::error::{Error, ErrorKind, Result};
use crate::report::Document;

/// Does what `request` asks; one document, or several where one request is about several processes.
pub fn run(request: &Request, _context: &Context) -> Result<Vec<Document>> {
    Err(Error::new(ErrorKind::Failed, "cannot run", format!("{request:?}"), "this command is not there yet"))
}

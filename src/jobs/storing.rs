//! Where dumps go: names nobody typed, folders that must be there before anything is stopped.

use std::path::{Path, PathBuf};

use super::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::memory::{DumpOptions, dump};
use crate::target::Target;
use crate::units::Span;

/// That `folder` is one. Said before a watch begins, not after it.
///
/// # Errors
/// `Failed` where it is not a folder.
pub fn check_folder(folder: &Path) -> Result<()> {
    let found = std::fs::metadata(folder);
    let reason = match &found {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => "it is not a folder".to_string(),
        Err(error) => error.to_string(),
    };
    Err(Error::new(ErrorKind::Failed, "cannot keep dumps in", folder.display().to_string(), reason)
        .with_hint("name an existing folder with --dump"))
}

/// Copies `span` of `target` into a new file in `folder` and says which.
///
/// # Errors
/// As [`dump`].
pub fn keep(target: &Target, folder: &Path, span: Span, context: &Context) -> Result<PathBuf> {
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    let path = folder.join(format!("leakscope-{}-{now}.raw", target.pid()));
    let kept = dump(target, span, &path, &options(context), context.progress)?;
    Ok(kept.path)
}

/// How to dump within what leakscope may use.
pub fn options(context: &Context) -> DumpOptions {
    DumpOptions { max_memory: context.max_memory_is_hard.then_some(context.max_memory), ..DumpOptions::default() }
}

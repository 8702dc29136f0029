//! The answer as one JSON document. Text of the target is left to JSON's own escaping.

use std::io::{self, Write};

use serde::Serialize;

use super::Document;

/// The version of the interface that every document names.
const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
struct Envelope<'d> {
    schema_version: u32,
    command: &'static str,
    #[serde(flatten)]
    document: &'d Document,
}

/// `document` and a line feed. Errors are `out`'s own.
pub fn write(document: &Document, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &envelope(document))?;
    out.write_all(b"\n")
}

/// Several answers of one run as one JSON array and a line feed.
pub fn write_several(documents: &[Document], out: &mut dyn Write) -> io::Result<()> {
    let all: Vec<Envelope> = documents.iter().map(envelope).collect();
    serde_json::to_writer(&mut *out, &all)?;
    out.write_all(b"\n")
}

fn envelope(document: &Document) -> Envelope<'_> {
    Envelope { schema_version: SCHEMA_VERSION, command: document.command(), document }
}

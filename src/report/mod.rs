//! The answer as one plain value, and the writers that turn it into text or JSON.
//! Knows the names that SPEC promises, the escaping and the redaction of hostile bytes; leaves how anything was
//! measured to the rooms below, and terminals to `cli`.

pub mod escape;
pub mod html;
pub mod json;
mod model;
pub mod oom_model;
pub mod pprof;
pub mod redact;
pub mod text;
pub mod watch;

pub use model::*;

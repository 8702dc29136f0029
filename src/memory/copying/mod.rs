//! Copying what a live target holds: which ways there are and what each costs it, and the copies themselves, whole in
//! memory or as a stream of parts.

pub(super) mod copier;
pub(super) mod copy;
pub(super) mod gently;
pub(super) mod ladder;
pub(super) mod leisure;
pub(super) mod precopy;
pub(super) mod reader;
pub(super) mod shelf;
pub(super) mod stage;
pub(super) mod stream;
pub(super) mod wanted;

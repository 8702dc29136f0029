//! Files that hold what a target held: raw images with their manifests, and cores; how they come to be whole or not at all.

pub(super) mod core_dump;
pub(super) mod dump;
pub(super) mod image;
pub(super) mod manifest;
pub(super) mod output;
pub(super) mod packer;
pub(super) mod sink;
pub(super) mod taking;

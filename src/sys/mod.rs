//! The raw kernel contact that crates do not finish, and the only `unsafe` of the house. Mechanism without policy.

pub mod pages;
pub mod ptrace;

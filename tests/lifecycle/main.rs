//! The life of a container as callers see it: transitions, exit statuses, error words, files. CLI.md's contract.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

#[path = "../harness/mod.rs"]
mod harness;

mod flags;
mod ids;
mod listing;
mod log;
mod readiness;
mod run;
mod transitions;

//! A container that is one: what config.json promises, read from inside by the test program or from the host's /proc. Each test
//! quotes the section of the runtime specification it holds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

#[path = "../harness/mod.rs"]
mod harness;

mod binary;
mod devices;
mod labels;
mod limits;
mod links;
mod mount_options;
mod mounts;
mod namespaces;
mod netdev;
mod pods;
mod process;
mod propagation;
mod rdt;
mod refusals;
mod scheduling;
#[cfg(feature = "seal-allocator")]
mod sealed;
mod seccomp;
mod tmpfs;
mod users;

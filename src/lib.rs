//! runlet: an OCI container runtime for machines with no room for one.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

#[macro_use] // words! and phrases!
pub mod words;

pub mod activation;
pub mod args;
pub mod bundle;
pub mod cgroup;
pub mod child;
pub mod cmd;
pub mod compile;
pub mod config;
pub mod console;
pub mod error;
pub mod handover;
pub mod hooks;
pub mod json;
pub mod log;
pub mod nameless;
pub mod netdev;
pub mod notify;
pub mod paths;
pub mod plan;
pub mod proc;
pub mod rdt;
pub mod readiness;
pub mod seal;
pub mod signal;
pub mod spawn;
pub mod store;
pub mod supervise;
pub mod sync;
pub mod texts;
pub mod time;
pub mod validate;

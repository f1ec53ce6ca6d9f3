//! runlet: an OCI container runtime for machines with no room for one.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod args;
pub mod cgroup;
pub mod cmd;
pub mod compile;
pub mod config;
pub mod error;
pub mod log;
pub mod signal;
pub mod time;

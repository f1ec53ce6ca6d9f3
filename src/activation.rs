//! Descriptors passed in the way of systemd's socket activation (sd_listen_fds(3)).

use crate::cmd::Context;
use alloc::{format, string::String, vec::Vec};

/// How many descriptors from 3 on the caller passes by LISTEN_FDS; 0 for a variable that is not a number.
pub fn listen_fds(context: &Context<'_>) -> u32 {
    let value = context.env.var(b"LISTEN_FDS").and_then(|value| value.to_str().ok());
    value.and_then(|value| value.parse().ok()).filter(|count| *count < 1 << 16).unwrap_or(0)
}

/// The environment for them: the program is pid 1 of its namespace, or at least the process that they are for.
pub fn env(context: &Context<'_>) -> Vec<String> {
    match listen_fds(context) {
        0 => Vec::new(),
        count => Vec::from([format!("LISTEN_FDS={count}"), "LISTEN_PID=1".into()]),
    }
}

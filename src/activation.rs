//! Descriptors that the caller passes to the program: by socket activation (sd_listen_fds(3)) and by `--preserve-fds`.

use crate::error::{Result, decimal, error};
use alloc::{format, string::String, vec::Vec};
use linux_raw_sys::general::FD_CLOEXEC;
use syscalls::fd;

/// The start of a variable that the process completes with its own pid.
pub const LISTEN_PID: &str = "LISTEN_PID=";

/// What the program gets from its caller.
pub struct Passed {
    /// How many descriptors from 3 on.
    pub descriptors: u32,
    /// The environment that belongs to them.
    pub env: Vec<String>,
}

/// Finds what is passed, and that it is all there. The activated ones come first, as with runc.
pub fn passed(environment: syscalls::Args, preserve_fds: u32) -> Result<Passed> {
    let listen = listen_fds(environment);
    let descriptors = listen.saturating_add(preserve_fds);
    for number in 3..descriptors.saturating_add(3) {
        if !is_callers(number) {
            let why = if number < listen.saturating_add(3) { "LISTEN_FDS" } else { "--preserve-fds" };
            return Err(error!("{}: file descriptor {} is not open", why, decimal(number)));
        }
    }
    let mut env = Vec::new();
    if listen > 0 {
        env.push(format!("LISTEN_FDS={listen}"));
        // Only the process itself knows its pid, and only when it is where it belongs.
        env.push(LISTEN_PID.into());
        if let Some(names) = environment.var(b"LISTEN_FDNAMES").and_then(|names| names.to_str().ok()) {
            env.push(format!("LISTEN_FDNAMES={names}"));
        }
    }
    Ok(Passed { descriptors, env })
}

/// How many descriptors LISTEN_FDS says there are. They are for the process that LISTEN_PID names: what was inherited from a
/// service that kept them for itself is nobody's to pass on.
fn listen_fds(environment: syscalls::Args) -> u32 {
    let number = |name: &[u8]| environment.var(name)?.to_str().ok()?.parse::<u64>().ok()?.try_into().ok();
    let own = || rustix::process::getpid().as_raw_nonzero().get().unsigned_abs();
    match number(b"LISTEN_PID") {
        Some(pid) if pid == own() => number(b"LISTEN_FDS").unwrap_or(0),
        _ => 0,
    }
}

/// Whether a descriptor is open and was so before this program started: its own are all close-on-exec.
pub fn is_callers(number: u32) -> bool {
    i32::try_from(number).is_ok_and(|number| fd::get_flags(number).is_ok_and(|flags| flags & FD_CLOEXEC == 0))
}

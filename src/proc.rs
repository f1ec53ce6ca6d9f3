//! What /proc says of a process: whether it is there, since when, and which number it has in its own pid namespace.

use crate::args::values::integer;
use crate::paths::{c_path, open, split_last};
use crate::store::read_all;
use crate::texts::part;
use core::time::Duration;
use rustix::fd::OwnedFd;
use rustix::fs::OFlags;
use syscalls::{AsFd, Buffer, fd};

/// What /proc says of a process.
pub enum Stat {
    /// Its start time in clock ticks since boot.
    Alive(u64),
    /// No such process, or it has ended and waits to be reaped, or for others of its pid namespace to be.
    Gone,
    /// There is no /proc to ask.
    NoProc,
}

/// What /proc says of a process now.
pub fn stat(pid: i32) -> Stat {
    look(pid).0
}

/// The start time of a child; 0 where nobody tells.
pub fn start_time(child: i32) -> u64 {
    let (stat, file) = look(child);
    core::mem::forget(file); // exit closes it, with all else
    match stat {
        Stat::Alive(start_time) => start_time,
        Stat::Gone | Stat::NoProc => 0,
    }
}

/// Reads /proc/PID/stat (proc_pid_stat(5)): the state is the first field after the name, the start time the 22nd of all, then the size.
///
/// The first process of a pid namespace becomes a zombie only when all others in it have been reaped, those that `exec` put there by a
/// caller who may never do it. Until then it waits in its exit (zap_pid_ns_processes; asleep on 6.18, on 6.1 not), without memory.
fn look(pid: i32) -> (Stat, Option<OwnedFd>) {
    if pid <= 0 {
        return (Stat::Gone, None);
    }
    let file = match open(c_path(format_args!("/proc/{pid}/stat")), OFlags::RDONLY) {
        Ok(file) => file,
        Err(_) if rustix::fs::access(c"/proc/self", rustix::fs::Access::EXISTS).is_err() => {
            return (Stat::NoProc, None);
        }
        Err(_) => return (Stat::Gone, None),
    };
    let mut buffer = [0u8; 1024];
    let length = rustix::io::read(&file, &mut buffer).unwrap_or(0);
    let text = buffer.get(..length).unwrap_or_default();
    // The name may hold anything, a closing parenthesis too: the last one ends it.
    let after = text.iter().rposition(|byte| *byte == b')').unwrap_or(0).saturating_add(2);
    let text = core::str::from_utf8(text.get(after..).unwrap_or_default()).unwrap_or_default();
    let field = |number| part(text, ' ', number).unwrap_or_default();
    let stat = match field(0) {
        "" | "Z" | "X" | "x" => Stat::Gone,
        _ if field(20) == "0" => Stat::Gone,
        _ => Stat::Alive(field(19).parse().unwrap_or(0)),
    };
    (stat, Some(file))
}

/// The pid of a process in the innermost of its pid namespaces (`NSpid`, proc_pid_status(5)); before Linux 4.1 nobody tells.
pub fn innermost_pid(pid: i32) -> i32 {
    let file = open(c_path(format_args!("/proc/{pid}/status")), OFlags::RDONLY);
    // Whole: its groups stand before it, and may be many.
    let text = Buffer::from(file.and_then(|file| read_all(&file)).unwrap_or_default());
    let text = core::str::from_utf8(&text).unwrap_or_default();
    let pids = text.lines().find_map(|line| line.strip_prefix("NSpid:"));
    pids.and_then(|pids| i32::try_from(integer(split_last(pids, b'\t')?.1)?).ok()).unwrap_or(pid)
}

/// Whether there is such a process, where no /proc tells more of it.
pub fn is_there(pid: i32) -> bool {
    match syscalls::process::pidfd_open(pid, 0) {
        Ok(pidfd) => {
            let mut fds = [fd::PollFd::new(pidfd.as_fd(), fd::POLLIN)];
            matches!(fd::poll(&mut fds, Some(Duration::ZERO)), Ok(0))
        }
        Err(_) => syscalls::process::kill(pid, 0).is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_not_there_is_gone() {
        assert!(matches!(stat(0), Stat::Gone));
        assert!(matches!(stat(i32::MAX), Stat::Gone));
        assert!(matches!(stat(rustix::process::getpid().as_raw_nonzero().get()), Stat::Alive(1..)));
    }
}

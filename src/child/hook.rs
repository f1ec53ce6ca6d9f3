//! One hook: forked, given the container's state, waited for. Both halves run hooks, in the namespaces they are in.

use crate::plan::Hook;
use core::time::Duration;
use syscalls::process::{self, WEXITED, WNOHANG, WNOWAIT, WaitFor, WaitStatus};
use syscalls::{AsFd, BorrowedFd, Errno, OwnedFd, fd, fs, signal};

/// Runs one hook in a process of its own and waits for it. The state is on its stdin.
///
/// `ECANCELED` for one that failed, `ETIMEDOUT` for one that had to be killed with its process group.
pub fn run(hook: &Hook, state: Option<BorrowedFd<'_>>) -> syscalls::Result<()> {
    // `start` and `delete` wait for no other child: their caller may ignore its own.
    signal::set_action(signal::SIGCHLD, signal::Action::Default)?;
    match process::clone(0, hook.timeout.is_some(), process::SIGCHLD)? {
        process::Fork::Child => {
            if prepare(state).is_ok() {
                process::execve(hook.path, &hook.args, &hook.env);
            }
            process::exit_group(127)
        }
        process::Fork::Parent { pid, pidfd } => wait(hook, pid, pidfd.as_ref()),
    }
}

/// What a program expects of who starts it.
fn prepare(state: Option<BorrowedFd<'_>>) -> syscalls::Result<()> {
    if let Some(state) = state {
        fs::lseek(state, 0, fs::SEEK_SET)?;
        fd::dup_to(state, 0, 0)?;
    }
    close_all()?;
    // `run` in the foreground blocks all signals.
    signal::set_mask(signal::SIG_SETMASK, &signal::Set::empty())?;
    // A group of its own, so that a timeout reaches what the hook started as well.
    process::setpgid(0, 0)
}

/// A hook gets no descriptor but the standard ones, those promised to the container included.
fn close_all() -> syscalls::Result<()> {
    const FIRST: u32 = 3;
    if fd::close_range_cloexec(FIRST, u32::MAX).is_ok() {
        return Ok(());
    }
    let limit = process::prlimit(0, process::RLIMIT_NOFILE, None)?;
    let last = u32::try_from(limit.maximum).unwrap_or(u32::MAX).clamp(1024, 1 << 20);
    for number in FIRST..last {
        match fd::set_cloexec(number.cast_signed(), true) {
            Ok(()) | Err(Errno::BADF) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn wait(hook: &Hook, pid: i32, pidfd: Option<&OwnedFd>) -> syscalls::Result<()> {
    let in_time = match hook.timeout {
        Some(seconds) => ends_within(seconds.into(), pid, pidfd)?,
        None => true,
    };
    if !in_time {
        // The group is there unless the hook was killed before it could make it.
        process::kill_group(pid, process::SIGKILL).or_else(|_| process::kill(pid, process::SIGKILL))?;
    }
    loop {
        match process::waitid(WaitFor::Pid(pid), WEXITED) {
            Ok(Some(_)) if !in_time => return Err(Errno::TIMEDOUT),
            Ok(Some((_, WaitStatus::Exited(0)))) => return Ok(()),
            Ok(Some(_)) => return Err(Errno::CANCELED),
            Ok(None) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Whether a child ends in so many seconds.
fn ends_within(seconds: u64, pid: i32, pidfd: Option<&OwnedFd>) -> syscalls::Result<bool> {
    if let Some(pidfd) = pidfd {
        let limit = Some(Duration::from_secs(seconds));
        loop {
            match fd::poll(&mut [fd::PollFd::new(pidfd.as_fd(), fd::POLLIN)], limit) {
                Err(Errno::INTR) => {}
                other => return other.map(|ready| ready > 0),
            }
        }
    }
    // A kernel without pidfds is asked a hundred times a second.
    let mut left = seconds.saturating_mul(100);
    while process::waitid(WaitFor::Pid(pid), WEXITED | WNOHANG | WNOWAIT)?.is_none() {
        if left == 0 {
            return Ok(false);
        }
        left = left.saturating_sub(1);
        fd::poll(&mut [], Some(Duration::from_millis(10)))?;
    }
    Ok(true)
}

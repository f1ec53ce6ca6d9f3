//! One hook: forked, given the container's state, waited for. Both halves run hooks, in the namespaces they are in.

use crate::plan::Hook;
use core::time::Duration;
use syscalls::process::{self, WEXITED, WNOHANG, WaitFor, WaitStatus};
use syscalls::{BorrowedFd, Errno, fd, fs};

/// Runs one hook in a process of its own and waits for it. The state is on its stdin.
///
/// `ECANCELED` for one that failed, `ETIMEDOUT` for one that had to be killed with its process group.
pub fn run(hook: &Hook, state: Option<BorrowedFd<'_>>) -> syscalls::Result<()> {
    match process::clone(0, false, process::SIGCHLD)? {
        process::Fork::Child => {
            if let Some(state) = state
                && fs::lseek(state, 0, fs::SEEK_SET).and_then(|_| fd::dup_to(state, 0, 0)).is_err()
            {
                process::exit_group(1);
            }
            // A group of its own, so that a timeout reaches what the hook started as well.
            if process::setpgid(0, 0).is_err() {
                process::exit_group(1);
            }
            process::execve(&hook.path, &hook.args, &hook.env);
            process::exit_group(127)
        }
        process::Fork::Parent { pid, .. } => wait(hook, pid),
    }
}

fn wait(hook: &Hook, pid: i32) -> syscalls::Result<()> {
    // No pidfd to poll on older kernels: wait by small steps, which only a hook with a timeout pays.
    let mut left = hook.timeout.map(|seconds| u64::from(seconds).saturating_mul(1000));
    loop {
        let options = WEXITED | if left.is_some() { WNOHANG } else { 0 };
        match process::waitid(WaitFor::Pid(pid), options) {
            Ok(Some((_, WaitStatus::Exited(0)))) => return Ok(()),
            Ok(Some(_)) => return Err(Errno::CANCELED),
            Ok(None) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        match &mut left {
            Some(0) => {
                process::kill_group(pid, process::SIGKILL)?;
                process::waitid(WaitFor::Pid(pid), WEXITED)?;
                return Err(Errno::TIMEDOUT);
            }
            Some(left) => {
                fd::poll(&mut [], Some(Duration::from_millis(10)))?;
                *left = left.saturating_sub(10);
            }
            None => {}
        }
    }
}

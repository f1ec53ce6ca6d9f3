//! `run`: create, start and wait in one process, small enough to be left as the supervisor of a service.

use super::create::{Bundle, Made, Running, make};
use super::{Context, text};
use crate::args;
use crate::cgroup::Cgroup;
use crate::error::{Error, Result};
use crate::hooks;
use crate::store::{Status, write_all};
use alloc::format;
use rustix::fs::{Mode, OFlags};
use syscalls::process::{self, WEXITED, WNOHANG, WaitFor, WaitStatus};
use syscalls::signal::{self, SIGCHLD, Set};
use syscalls::{Errno, fd, prctl};

/// `run`. The result is the exit status: the program's own, 128 + signal for one that was killed.
pub fn run(context: &Context<'_>, args: &args::Run) -> Result<i32> {
    let bundle = Bundle::read(args.create.bundle.as_deref(), args.create.config.as_deref())?;
    let foreground = !args.detach;
    if foreground {
        if !args.no_subreaper {
            prctl::set_child_subreaper(true).map_err(Error::os("become a subreaper"))?;
        }
        // Blocked from before the clone: a signal that comes now is waiting when the container is there to get it.
        signal::set_mask(signal::SIG_SETMASK, &Set::all()).map_err(Error::os("block signals"))?;
    }
    let running = Running { at_once: true, terminal: args.tty, console: None, unblock: foreground };
    let made = make(context, &args.create, &bundle, &running)?;
    let started = hooks::run("poststart", &made.config.hooks.poststart, &made.record, Status::Running);
    if let Err(error) = started {
        made.child.kill();
        clean_up(context, made)?;
        return Err(error);
    }
    if let Some(number) = args.ready_fd {
        ready(number)?;
    }
    if args.detach {
        return Ok(0);
    }
    let status = supervise(made.child.pid)?;
    if let Some(path) = &args.exit_file {
        exit_file(path, status, made.cgroup.as_ref().map_or(0, Cgroup::oom_kills))?;
    }
    if !args.keep {
        clean_up(context, made)?;
    }
    Ok(match status {
        WaitStatus::Exited(code) => code,
        WaitStatus::Killed(signal) | WaitStatus::Dumped(signal) => signal.saturating_add(128),
        WaitStatus::Stopped(_) | WaitStatus::Continued => 0,
    })
}

/// Forwards signals to the container's first process and reaps orphans, until that process ends.
fn supervise(pid: i32) -> Result<WaitStatus> {
    loop {
        // A pending SIGCHLD stands for any number of ended children.
        loop {
            match process::waitid(WaitFor::Any, WEXITED | WNOHANG) {
                Ok(Some((ended, status))) if ended == pid => return Ok(status),
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => break,
                Err(errno) => return Err(Error::os("wait for the container")(errno)),
            }
        }
        match signal::wait(&Set::all(), None) {
            Ok(SIGCHLD) | Err(Errno::INTR) => {}
            // It may have ended meanwhile; then its SIGCHLD is on the way.
            Ok(signal) => drop(process::kill(pid, signal)),
            Err(errno) => return Err(Error::os("wait for a signal")(errno)),
        }
    }
}

/// Removes what was made, after the container has ended.
fn clean_up(context: &Context<'_>, made: Made<'_>) -> Result<()> {
    if let Some(cgroup) = made.cgroup {
        cgroup.kill()?;
        cgroup.remove()?;
    }
    hooks::poststop(context.log, &made.config, &made.record);
    made.store.remove(&made.entry)
}

/// s6's readiness protocol: a newline on a descriptor, and its end.
fn ready(number: u32) -> Result<()> {
    let failed = |errno| Error::os("--ready-fd")(errno);
    let number = i32::try_from(number).map_err(|_| Error::new("--ready-fd: is not a file descriptor"))?;
    let descriptor = fd::adopt(number).map_err(failed)?;
    write_all(&descriptor, b"\n").map_err(failed)
}

/// `--exit-file`: how the container ended, for an init script.
fn exit_file(path: &core::ffi::CStr, status: WaitStatus, oom: u64) -> Result<()> {
    let path = text(path, "--exit-file")?;
    let failed = |errno| Error::sys("--exit-file: write", &path)(errno);
    let (code, signal) = match status {
        WaitStatus::Exited(code) => (code, 0),
        WaitStatus::Killed(signal) | WaitStatus::Dumped(signal) => (signal.saturating_add(128), signal),
        WaitStatus::Stopped(_) | WaitStatus::Continued => (0, 0),
    };
    let json = format!("{{\"code\":{code},\"signal\":{signal},\"oomKills\":{oom}}}\n");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    let file = rustix::fs::open(&*path, flags, Mode::from_raw_mode(0o644)).map_err(failed)?;
    write_all(&file, json.as_bytes()).map_err(failed)
}

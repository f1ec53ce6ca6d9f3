//! `run`: create, start and wait in one process, small enough to be left as the supervisor of a service.

use super::Context;
use super::create::{Made, Running, make};
use super::delete::take_away;
use crate::args;
use crate::args::text;
use crate::bundle::Bundle;
use crate::cgroup::Cgroup;
use crate::console::OtherSide;
use crate::error::{Error, Result};
use crate::handover;
use crate::hooks;
use crate::store::{Status, write_all};
use crate::supervise;
use alloc::format;
use core::mem;
use rustix::fs::{Mode, OFlags};
use syscalls::process::WaitStatus;

/// `run`. The result is the exit status: the program's own, 128 + signal for one that was killed.
pub fn run(context: &Context<'static>, args: &args::Run) -> Result<i32> {
    let bundle = Bundle::of(&args.create)?;
    let ready = args.ready_fd.map(|number| handover::take(number, "--ready-fd")).transpose()?;
    let foreground = !args.detach;
    if foreground {
        supervise::hold_signals()?;
    }
    let adopts = foreground && !args.no_subreaper;
    let counts = foreground && args.exit_file.is_some();
    let running = Running { at_once: true, terminal: args.tty, foreground, adopts, counts };
    let made = make(context, &args.create, bundle, &running)?;
    let mut terminal = None;
    let started = mem::replace(&mut made.terminal, OtherSide::None).arrive().and_then(|arrived| {
        terminal = arrived;
        if made.barrier {
            super::start::release(&made.entry, made.config).flatten()?;
        }
        hooks::run("poststart", &made.config.hooks.poststart, made.record, Status::Running)
    });
    if let Err(error) = started {
        made.child.kill();
        clean_up(context, made)?;
        return Err(error);
    }
    if let Some(descriptor) = ready {
        handover::ready(descriptor)?;
    }
    if args.detach {
        if let Some(proxy) = &made.notify {
            proxy.until_ready(made.child.pid, made.child.pidfd.as_ref())?;
        }
        return Ok(0);
    }
    let status = supervise::supervise(made.child.pid, terminal, made.notify.as_ref())?;
    if let Some(path) = &args.exit_file {
        let kills = made.cgroup.map_or(0, Cgroup::oom_kills);
        made.cgroup.iter().for_each(|cgroup| cgroup.let_go());
        exit_file(path, status, kills)?;
    }
    if !args.keep {
        clean_up(context, made)?;
    }
    Ok(supervise::exit_status(status))
}

/// Removes what was made, after the container has ended; a `delete` may have been faster, or be at it.
fn clean_up(context: &Context<'_>, made: &Made) -> Result<()> {
    match made.entry.lock_again()? {
        true => take_away(context, &made.store, &made.entry, made.cgroup, Some((made.config, made.record))),
        false => Ok(()),
    }
}

/// `--exit-file`: how the container ended, for an init script.
fn exit_file(path: &core::ffi::CStr, status: WaitStatus, oom: u64) -> Result<()> {
    let path = text(path, "--exit-file")?;
    let failed = |errno| Error::sys("--exit-file: write", path)(errno);
    let code = supervise::exit_status(status);
    let signal = match status {
        WaitStatus::Killed(signal) | WaitStatus::Dumped(signal) => signal,
        WaitStatus::Exited(_) | WaitStatus::Stopped(_) | WaitStatus::Continued => 0,
    };
    let json = format!("{{\"code\":{code},\"signal\":{signal},\"oomKills\":{oom}}}\n");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::from_raw_mode(0o644)).map_err(failed)?;
    write_all(&file, json.as_bytes()).map_err(failed)
}

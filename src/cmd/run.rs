//! `run`: create, start and wait in one process, small enough to be left as the supervisor of a service.

use super::Context;
use super::create::{Made, Running, make};
use super::delete::take_away;
use crate::args::{Flag, text};
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

/// `run`. The exit status is the program's own, 128 + signal for one that was killed.
pub fn run(context: &Context) -> Result<()> {
    context.seal()?;
    let given = context.given;
    let bundle = Bundle::of(given)?;
    let ready = given.count(Flag::ReadyFd).map(|number| handover::take(number, "--ready-fd")).transpose()?;
    let foreground = !given.switch(Flag::Detach);
    if foreground {
        supervise::hold_signals()?;
    }
    let adopts = foreground && !given.switch(Flag::NoSubreaper);
    let exit_file = given.path(Flag::ExitFile);
    let counts = foreground && exit_file.is_some();
    let running = Running { at_once: true, terminal: given.switch(Flag::Tty), foreground, adopts, counts };
    let made = make(context, bundle, &running)?;
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
    if !foreground {
        if let Some(proxy) = &made.notify {
            proxy.until_ready(made.child.pid, made.child.pidfd.as_ref())?;
        }
        return Ok(());
    }
    let status = supervise::supervise(made.child.pid, terminal, made.notify.as_ref())?;
    if let Some(path) = exit_file {
        let kills = made.cgroup.map_or(0, Cgroup::oom_kills);
        made.cgroup.iter().for_each(|cgroup| cgroup.let_go());
        say_how_it_ended(path, status, kills)?;
    }
    if !given.switch(Flag::Keep) {
        clean_up(context, made)?;
    }
    context.status.set(supervise::exit_status(status));
    Ok(())
}

/// Removes what was made, after the container has ended; a `delete` may have been faster, or be at it.
fn clean_up(context: &Context, made: &Made) -> Result<()> {
    match made.entry.lock_again()? {
        true => take_away(context, &made.store, &made.entry, made.cgroup, Some((made.config, made.record))),
        false => Ok(()),
    }
}

/// `--exit-file`: how the container ended, for an init script.
fn say_how_it_ended(path: &core::ffi::CStr, status: WaitStatus, oom: u64) -> Result<()> {
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

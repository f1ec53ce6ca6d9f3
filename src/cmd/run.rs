//! `run`: create, start and wait in one process, small enough to be left as the supervisor of a service.

use super::Context;
use super::create::{Made, Running, make};
use crate::args::{Flag, text};
use crate::bundle::Bundle;
use crate::cgroup::Cgroup;
use crate::config::HookKind;
use crate::console::OtherSide;
use crate::error::{Error, Result};
use crate::handover;
use crate::hooks;
use crate::store::{Status, write_all};
use crate::supervise;
use alloc::format;
use core::mem;
use rustix::fs::{Mode, OFlags};
use syscalls::{AsFd, process::WaitStatus};

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
    let (Some(child), Some(record)) = (&made.child, &made.record) else {
        return Err(Error::new(words!("the container's process is missing")));
    };
    let config = made.design.config;
    let mut terminal = None;
    let started = mem::replace(&mut made.design.terminal, OtherSide::None).arrive().and_then(|arrived| {
        terminal = arrived;
        if made.design.barrier {
            super::start::release(&made.entry, config).flatten()?;
        }
        hooks::run(HookKind::Poststart, &config.hooks, record, Status::Running)?;
        ready.map_or(Ok(()), handover::ready)
    });
    if let Err(error) = started {
        child.kill();
        clean_up(made)?;
        return Err(error);
    }
    if !foreground {
        if let Some(proxy) = &made.notify {
            proxy.until_ready(child.pid, child.pidfd.as_ref())?;
        }
        return Ok(());
    }
    let status = supervise::supervise(child.pid, terminal, made.notify.as_ref())?;
    let mut said = Ok(());
    if let Some(path) = exit_file {
        let kills = made.cgroup.map_or(0, Cgroup::oom_kills);
        made.cgroup.iter().for_each(|cgroup| cgroup.let_go());
        said = say_how_it_ended(path, status, kills);
    }
    if !given.switch(Flag::Keep) {
        clean_up(made)?;
    }
    said?;
    context.status.set(supervise::exit_status(status));
    Ok(())
}

/// Removes what was made, after the container has ended; a `delete` may have been faster, or be at it.
fn clean_up(made: &Made<'_>) -> Result<()> {
    match made.entry.lock_again()? {
        true => made.take_away(),
        false => Ok(()),
    }
}

/// `--exit-file`: how the container ended, for an init script.
fn say_how_it_ended(name: &core::ffi::CStr, status: WaitStatus, oom: u64) -> Result<()> {
    let path = text(name, "--exit-file")?;
    let failed = |errno| Error::sys(words!("--exit-file: write"), path)(errno);
    let code = supervise::exit_status(status);
    let signal = match status {
        WaitStatus::Killed(signal) | WaitStatus::Dumped(signal) => signal,
        WaitStatus::Exited(_) | WaitStatus::Stopped(_) | WaitStatus::Continued => 0,
    };
    let json = format!("{{\"code\":{code},\"signal\":{signal},\"oomKills\":{oom}}}\n");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    let file = rustix::fs::open(name, flags, Mode::from_raw_mode(0o644)).map_err(failed)?;
    write_all(file.as_fd(), json.as_bytes()).map_err(failed)
}

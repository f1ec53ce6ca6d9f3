//! `kill`: a signal for the container's first process, or for all of its processes.

use super::Context;
use super::container::{Container, not_running};
use crate::args::Flag;
use crate::config::Namespace;
use crate::error::{Error, Result, error};
use crate::log::Log;
use crate::paths::shown;
use crate::signal;
use crate::spawn::render::done_without;
use crate::store::{Record, Status};
use crate::sync::{Absent, is_absent};
use syscalls::{AsFd, Errno, process};

/// `kill`.
pub fn kill(context: &Context) -> Result<()> {
    let id = context.given.id;
    let all = context.given.switch(Flag::All);
    let name = shown(context.given.operands.get(1).copied().unwrap_or(c"TERM"));
    let signal = signal::parse(name).ok_or_else(|| error!("kill: unknown signal {quoted}", name))?;
    let found = context.store().and_then(|store| store.find(id));
    let entry = match found {
        // Nothing is left to signal, which is what was asked for (CLI.md: `kill --all` of one that is gone succeeds).
        Err(_) if all && crate::store::check_id(id).is_ok() => return Ok(()),
        other => other?,
    };
    let container = Container::of(entry)?;
    let record = container.record;
    match container.status() {
        Status::Stopped if all => signal_all(context.log, container, signal, false),
        Status::Stopped => Err(not_running(id)),
        _ if all => signal_all(context.log, container, signal, true),
        _ => {
            send(context.log, record, signal)?;
            if signal == process::SIGKILL {
                container.cgroup()?.map_or(Ok(()), |cgroup| cgroup.wake_killed())?;
            }
            // Without a pid namespace of its own the others do not end with the first process.
            match signal == process::SIGKILL && shares_pid_namespace(container) {
                true => signal_all(context.log, container, signal, true),
                false => Ok(()),
            }
        }
    }
}

/// Signals the process that the Record names and no other: by pidfd, opened before its identity is checked.
pub fn send(log: &Log, record: &Record<'_>, signal: u32) -> Result<()> {
    let ended = || not_running(record.id);
    let failed = |errno| match errno {
        Errno::SRCH => ended(),
        errno => Error::os(words!("kill"))(errno),
    };
    match process::pidfd_open(record.pid, 0) {
        Ok(pidfd) => {
            if !record.is_alive() {
                return Err(ended());
            }
            match process::pidfd_send_signal(pidfd.as_fd(), signal) {
                Err(errno) if is_absent(errno) => {
                    done_without(log, Absent::PidfdSendSignal.bit());
                    process::kill(record.pid, signal).map_err(failed)
                }
                other => other.map_err(failed),
            }
        }
        Err(Errno::SRCH) => Err(ended()),
        Err(_) if record.is_alive() => {
            done_without(log, Absent::PidfdOpen.bit());
            process::kill(record.pid, signal).map_err(failed)
        }
        Err(_) => Err(ended()),
    }
}

fn signal_all(log: &Log, container: &Container, signal: u32, running: bool) -> Result<()> {
    match container.cgroup()? {
        // In one step, or as often as it takes: the processes may go on making others.
        Some(cgroup) if signal == process::SIGKILL => cgroup.kill(),
        Some(cgroup) => cgroup.signal(signal),
        None if running => send(log, container.record, signal),
        None => Ok(()),
    }
}

/// Whether the container has no pid namespace of its own.
fn shares_pid_namespace(container: &Container) -> bool {
    let own = |namespace: &Namespace<'_>| namespace.kind == "pid" && namespace.path.is_empty();
    container.config().is_ok_and(|config| !config.linux.namespaces.iter().any(own))
}

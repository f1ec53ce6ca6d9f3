//! `kill`: a signal for the container's first process, or for all of its processes.

use super::Context;
use crate::args;
use crate::cgroup::Cgroup;
use crate::error::{Error, Quoted, Result, error};
use crate::log::Log;
use crate::spawn::render::done_without;
use crate::store::{Entry, Record, Status};
use crate::sync::{Absent, is_absent};
use syscalls::{AsFd, Errno, process};

/// `kill`.
pub fn kill(context: &Context<'_>, args: &args::Kill) -> Result<()> {
    let found = context.store().and_then(|store| store.find(args.id));
    let entry = match found {
        // Nothing is left to signal, which is what was asked for (CLI.md: `kill --all` of one that is gone succeeds).
        Err(_) if args.all && crate::store::check_id(args.id).is_ok() => return Ok(()),
        other => other?,
    };
    let json = entry.read()?.ok_or_else(|| error!("container not running: {}", Quoted(args.id)))?;
    let record = Record::parse(&json)?;
    let signal = u32::try_from(args.signal).map_err(|_| Error::new("kill: a signal is not negative"))?;
    match record.status(&entry) {
        Status::Stopped if args.all => signal_all(context.log, &entry, signal, false),
        Status::Stopped => Err(error!("container not running: {}", Quoted(args.id))),
        _ if args.all => signal_all(context.log, &entry, signal, true),
        _ => {
            send(context.log, record, signal)?;
            if signal == process::SIGKILL {
                let cgroup = entry.cgroup().map_or(Ok(None), |note| Cgroup::open(&note))?;
                cgroup.as_ref().map_or(Ok(()), Cgroup::wake_killed)?;
            }
            // Without a pid namespace of its own the others do not end with the first process.
            match signal == process::SIGKILL && shares_pid_namespace(&json) {
                true => signal_all(context.log, &entry, signal, true),
                false => Ok(()),
            }
        }
    }
}

/// Signals the process that the Record names and no other: by pidfd, opened before its identity is checked.
pub fn send(log: &Log, record: &Record<'_>, signal: u32) -> Result<()> {
    let ended = || error!("container not running: {}", Quoted(&*record.id));
    let failed = |errno| match errno {
        Errno::SRCH => ended(),
        errno => Error::os("kill")(errno),
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

fn signal_all(log: &Log, entry: &Entry, signal: u32, running: bool) -> Result<()> {
    let cgroup = entry.cgroup().map_or(Ok(None), |note| Cgroup::open(&note))?;
    match cgroup {
        // In one step, or as often as it takes: the processes may go on making others.
        Some(cgroup) if signal == process::SIGKILL => cgroup.kill(),
        Some(cgroup) => cgroup.signal(signal),
        None if running => {
            let json = entry.read()?.unwrap_or_default();
            send(log, Record::parse(&json)?, signal)
        }
        None => Ok(()),
    }
}

/// Whether the container has no pid namespace of its own.
pub fn shares_pid_namespace(json: &[u8]) -> bool {
    let kept: Result<&mut super::start::Kept<'_>> = crate::config::parse("state.json", json);
    kept.is_ok_and(|kept| {
        !kept
            .config
            .linux
            .namespaces
            .iter()
            .any(|namespace| namespace.kind == "pid" && namespace.path.is_empty())
    })
}

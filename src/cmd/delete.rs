//! `delete`: everything that create made, and nothing else.

use super::Context;
use super::container::Kept;
use crate::args::{Flag, text};
use crate::cgroup::Cgroup;
use crate::config::{self, Config};
use crate::error::{Error, Result, decimal, error};
use crate::hooks;
use crate::log::Log;
use crate::rdt;
use crate::store::{Entry, Record, Status, Store};
use syscalls::process;
use syscalls::{AsFd, Errno, fd};

/// `delete`. With several ids each is tried; the first error is the result.
pub fn delete(context: &Context) -> Result<()> {
    let mut first = Ok(());
    for id in &context.given.operands {
        let done = text(id, "delete: an ID").and_then(|id| one(context, id));
        if first.is_ok() {
            first = done;
        }
    }
    first
}

fn one(context: &Context, id: &'static str) -> Result<()> {
    let force = context.given.switch(Flag::Force);
    crate::store::check_id(id)?;
    let store = context.store()?;
    let entry = match store.find_locked(id) {
        Err(_) if force && !store.has(id) => return Ok(()),
        other => other?,
    };
    destroy(context, &store, &entry, force)
}

/// Ends what still runs if that is allowed, and removes the container. The entry is locked by the caller.
pub fn destroy(context: &Context, store: &Store, entry: &Entry, force: bool) -> Result<()> {
    let json = entry.read()?;
    let record = match &json {
        // Unreadable state must not keep a container for ever.
        Some(json) => {
            Record::parse(json).map(Some).or_else(|error| if force { Ok(None) } else { Err(error) })?
        }
        None => None,
    };
    let cgroup = entry.cgroup().map_or(Ok(None), Cgroup::open)?;
    if let Some(record) = &record {
        match record.status(entry) {
            Status::Stopped => {}
            // Callers rely on it for one that is only created, as with runc and crun (SPEC.md).
            Status::Created | Status::Creating => end(context.log, record, cgroup.as_deref())?,
            _ if force => end(context.log, record, cgroup.as_deref())?,
            status => {
                return Err(error!("container {quoted} is {}, not stopped", entry.id, status.name())
                    .hint(words!("stop it first, or use delete --force")));
            }
        }
    }
    // Processes that outlived the first one (a shared pid namespace), or a half-made container's, are in its cgroup.
    let kept: Option<&mut Kept<'_>> = json.as_ref().and_then(|json| config::parse("state.json", json).ok());
    let left = kept.as_ref().map(|kept| &kept.config).zip(record);
    take_away(context, store, entry, cgroup.as_deref(), left)
}

/// Takes away what a container whose first process is gone has left: everything that create made, then its poststop hooks run, and
/// last goes its state (runtime.md "Lifecycle"). Also for one that is half made, when it is so far that it has a Record. The entry
/// is locked by the caller.
pub fn take_away(
    context: &Context,
    store: &Store,
    entry: &Entry,
    cgroup: Option<&Cgroup>,
    left: Option<(&Config<'_>, &Record<'_>)>,
) -> Result<()> {
    if let Some(cgroup) = cgroup {
        cgroup.remove()?;
    }
    // Who has not got so far as a Record may have made one, too.
    if left.is_none_or(|(config, _)| config.linux.intel_rdt.is_some()) {
        rdt::remove(entry)?;
    }
    if let Some((config, record)) = left {
        hooks::poststop(context.log, config, record);
    }
    store.remove(entry)
}

/// Kills the first process and waits until it is gone.
fn end(log: &Log, record: &Record<'_>, cgroup: Option<&Cgroup>) -> Result<()> {
    let pidfd = process::pidfd_open(record.pid, 0);
    match super::kill::send(log, record, process::SIGKILL) {
        Ok(()) => {}
        Err(_) if !record.is_alive() => return Ok(()),
        Err(error) => return Err(error),
    }
    cgroup.map_or(Ok(()), Cgroup::wake_killed)?;
    // Readable when the process has ended, whoever is going to reap it (pidfd_open(2)); but not as long as it waits for others.
    let mut ended = pidfd.as_ref().ok().map(|pidfd| fd::PollFd::new(pidfd.as_fd(), fd::POLLIN));
    for _ in 0..1000 {
        match fd::poll(ended.as_mut_slice(), Some(core::time::Duration::from_millis(10))) {
            Ok(0) if record.is_alive() => {}
            Err(Errno::INTR) => {}
            other => return other.map(drop).map_err(Error::os(words!("wait for the container's process"))),
        }
    }
    Err(error!("process {} does not end", decimal(record.pid)))
}

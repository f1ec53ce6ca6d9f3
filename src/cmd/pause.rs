//! `pause` and `resume`: all processes of a container stop, and go on.

use super::{Context, state};
use crate::cgroup::Cgroup;
use crate::error::{Quoted, Result, error};
use crate::store::{Record, Status};

/// `pause`.
pub fn pause(context: &Context<'_>, id: &'static str) -> Result<()> {
    with_cgroup(context, id, |cgroup, status| match status {
        Status::Running | Status::Created => cgroup.freeze(),
        Status::Paused => Err(error!("container is paused already: {}", Quoted(id))),
        Status::Creating | Status::Stopped => Err(error!("container not running: {}", Quoted(id))),
    })
}

/// `resume`.
pub fn resume(context: &Context<'_>, id: &'static str) -> Result<()> {
    with_cgroup(context, id, |cgroup, status| match status {
        Status::Stopped => Err(error!("container not running: {}", Quoted(id))),
        // A container that is only created is shown as created when it is frozen, too.
        _ if cgroup.is_frozen() => cgroup.thaw(),
        _ => Err(error!("container not paused: {}", Quoted(id))),
    })
}

fn with_cgroup(
    context: &Context<'_>,
    id: &'static str,
    act: impl Fn(&Cgroup, Status) -> Result<()>,
) -> Result<()> {
    let entry = context.store()?.find_locked(id)?;
    let json = entry.read()?.ok_or_else(|| error!("container not running: {}", Quoted(id)))?;
    let record = Record::parse(&json)?;
    let status = state::status(record, &entry);
    match entry.cgroup().map_or(Ok(None), |note| Cgroup::open(&note))? {
        Some(cgroup) => act(&cgroup, status),
        None if status == Status::Stopped => Err(error!("container not running: {}", Quoted(id))),
        None => Err(error!("container {} has no cgroup, so it cannot be paused", Quoted(id))),
    }
}

//! `pause` and `resume`: all processes of a container stop, and go on.

use super::container::{Container, not_running};
use super::{Context, state};
use crate::cgroup::Cgroup;
use crate::error::{Result, error};
use crate::store::Status;

/// `pause`.
pub fn pause(context: &Context) -> Result<()> {
    with_cgroup(context, |cgroup, status, id| match status {
        Status::Running | Status::Created => cgroup.freeze(),
        Status::Paused => Err(error!("container is paused already: {quoted}", id)),
        Status::Creating | Status::Stopped => Err(not_running(id)),
    })
}

/// `resume`.
pub fn resume(context: &Context) -> Result<()> {
    with_cgroup(context, |cgroup, _, id| match cgroup.is_frozen() {
        // A container that is only created is shown as created when it is frozen, too.
        true => cgroup.thaw(),
        false => Err(error!("container not paused: {quoted}", id)),
    })
}

fn with_cgroup(context: &Context, act: fn(&Cgroup, Status, &str) -> Result<()>) -> Result<()> {
    let container = Container::open(context, true)?;
    let id = context.given.id;
    let status = state::status(container.record, &container.entry);
    if status == Status::Stopped {
        return Err(not_running(id));
    }
    match container.cgroup()? {
        Some(cgroup) => act(cgroup, status, id),
        None => Err(error!("container {quoted} has no cgroup, so it cannot be paused", id)),
    }
}

//! `state`: what is true of a container now, as JSON.

use super::container::Container;
use super::{Context, print};
use crate::cgroup::Cgroup;
use crate::error::Result;
use crate::json::Writer;
use crate::store::{Entry, Record, Status};

/// `state`.
pub fn state(context: &Context) -> Result<()> {
    let container = Container::open(context, false)?;
    let oom_kills = container.cgroup().ok().flatten().map_or(0, |cgroup| cgroup.oom_kills());
    let mut json = Writer::default();
    let status = status(container.record, &container.entry);
    container.record.write_state(container.record.pid, status, oom_kills, &mut json, "");
    print(&json.finish())
}

/// The status with the cgroup's word on whether a running container is paused.
pub fn status(record: &Record<'_>, entry: &Entry) -> Status {
    match record.status(entry) {
        Status::Running if is_frozen(entry.cgroup()) => Status::Paused,
        status => status,
    }
}

fn is_frozen(note: Option<&'static str>) -> bool {
    let cgroup = note.and_then(|note| Cgroup::open(note).ok().flatten());
    cgroup.is_some_and(|cgroup| cgroup.is_frozen())
}

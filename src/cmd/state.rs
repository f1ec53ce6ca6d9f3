//! `state`: what is true of a container now, as JSON.

use super::{Context, print};
use crate::cgroup::Cgroup;
use crate::error::{Error, Result};
use crate::hooks::State;
use crate::store::{Entry, Record, Status};
use alloc::{format, string::String};

/// `state`.
pub fn state(context: &Context<'_>, id: &str) -> Result<()> {
    let entry = context.store(id)?.find(id)?;
    let json = entry.read()?.ok_or_else(|| Error::new(format!("container {id:?} is still being created")))?;
    let record = Record::parse(&json)?;
    let mut state = State::new(&record, status(&record, &entry));
    if let Some(cgroup) = entry.cgroup().and_then(|note| Cgroup::open(&note).ok().flatten()) {
        state.oom_kills = cgroup.oom_kills();
    }
    let mut text = serde_json::to_string_pretty(&state)
        .map_err(|_| Error::new("the state cannot be written as JSON"))?;
    text.push('\n');
    print(&text)
}

/// The status with the cgroup's word on whether a running container is paused.
pub fn status(record: &Record<'_>, entry: &Entry) -> Status {
    match record.status(entry) {
        Status::Running if is_frozen(entry.cgroup()) => Status::Paused,
        status => status,
    }
}

fn is_frozen(note: Option<String>) -> bool {
    let cgroup = note.and_then(|note| Cgroup::open(&note).ok().flatten());
    cgroup.is_some_and(|cgroup| cgroup.is_frozen())
}

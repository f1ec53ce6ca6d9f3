//! `list`: all containers of the state root.

use super::{Context, print, state::status};
use crate::args::Flag;
use crate::config;
use crate::error::{Quoted, Result};
use crate::json::Writer;
use crate::store::{Record, Status};
use alloc::{
    format,
    string::{String, ToString},
};
use syscalls::Buffer;

/// `list`. A container that is deleted or half-made while it is looked at is left out.
pub fn list(context: &Context) -> Result<()> {
    let quiet = context.given.switch(Flag::Quiet);
    let as_json = context.given.wants_json() && !quiet;
    let mut table = String::new();
    let mut json = Writer::default();
    if !as_json && !quiet {
        table.push_str(&row("ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"));
    }
    json.array("");
    let store = context.store()?;
    for id in store.list()? {
        let Ok(entry) = store.find(id) else { continue };
        if quiet {
            table.push_str(id);
            table.push('\n');
            continue;
        }
        let Ok(Some(text)) = entry.read().map(|text| text.map(Buffer::from)) else { continue };
        // One place for each in turn: what is kept would add up over a thousand containers.
        let mut record = Record::default();
        if let Err(error) = config::read("state.json", &text, &mut record) {
            context.log.warn(&format!("container {}: {error}", Quoted(id)));
            continue;
        }
        let status = status(&record, &entry);
        match as_json {
            true => record.write_state(record.pid, status, 0, &mut json, ""),
            false => {
                let pid = if status == Status::Stopped { 0 } else { record.pid };
                let pid = pid.to_string();
                let created = &record.created;
                table.push_str(&row(id, &pid, status.name(), record.bundle, created, record.owner));
            }
        }
    }
    json.end_array();
    match as_json {
        true => print(&json.finish()),
        false => print(&table),
    }
}

fn row(id: &str, pid: &str, status: &str, bundle: &str, created: &str, owner: &str) -> String {
    format!("{id:<23} {pid:<9} {status:<9} {bundle:<35} {created:<31} {owner}\n")
}

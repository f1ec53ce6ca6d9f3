//! `list`: all containers of the state root.

use super::{Context, print, state::status};
use crate::args::Flag;
use crate::config;
use crate::error::Result;
use crate::json::Writer;
use crate::store::{Record, Status};
use alloc::string::{String, ToString};
use syscalls::Buffer;

/// `list`. A container that is deleted or half-made while it is looked at is left out.
pub fn list(context: &Context) -> Result<()> {
    let quiet = context.given.switch(Flag::Quiet);
    let as_json = context.given.wants_json() && !quiet;
    let mut table = String::new();
    let mut json = Writer::default();
    if !as_json && !quiet {
        row(&mut table, &["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]);
    }
    json.array("");
    let store = context.store()?;
    for id in store.list()? {
        let Ok(entry) = store.find(id) else { continue };
        if quiet {
            table.extend([id, "\n"]);
            continue;
        }
        let Ok(Some(text)) = entry.read().map(|text| text.map(Buffer::from)) else { continue };
        // One place for each in turn: what is kept would add up over a thousand containers.
        let mut record = Record::default();
        if let Err(error) = config::read("state.json", &text, &mut record) {
            context.log.warn(&error.between(filled!("container {quoted}: ", id), ""));
            continue;
        }
        let status = status(&record, &entry);
        match as_json {
            true => record.write_state(record.pid, status, 0, &mut json, ""),
            false => {
                let pid = if status == Status::Stopped { 0 } else { record.pid };
                let pid = pid.to_string();
                row(&mut table, &[id, &pid, status.name(), record.bundle, record.created, record.owner]);
            }
        }
    }
    json.end_array();
    print(&if as_json { json.finish() } else { table })
}

/// A line, in columns that are at least so wide.
fn row(table: &mut String, columns: &[&str; 6]) {
    for (text, width) in columns.iter().zip([23, 9, 9, 35, 31, 0]) {
        table.push_str(text);
        for _ in text.chars().count()..width {
            table.push(' ');
        }
        table.push(if width == 0 { '\n' } else { ' ' });
    }
}

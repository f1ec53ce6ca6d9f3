//! `list`: all containers of the state root.

use super::{Context, print, state::status};
use crate::args::{self, Format};
use crate::error::{Error, Result};
use crate::hooks::State;
use crate::store::{Record, Store};
use alloc::{
    format,
    string::{String, ToString},
};

/// `list`. A container that is deleted or half-made while it is looked at is left out.
pub fn list(context: &Context<'_>, args: &args::List) -> Result<()> {
    let mut out = String::new();
    match args.format {
        Format::Json => out.push('['),
        Format::Table if !args.quiet => {
            out.push_str(&row("ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"));
        }
        Format::Table => {}
    }
    if let Some(store) = Store::open(&context.root()?, false)? {
        let mut ids = store.list()?;
        ids.sort_unstable();
        let mut first = true;
        for id in &ids {
            let Ok(entry) = store.find(id) else { continue };
            if args.quiet {
                out.push_str(id);
                out.push('\n');
                continue;
            }
            let Ok(Some(json)) = entry.read() else { continue };
            let record = match Record::parse(&json) {
                Ok(record) => record,
                Err(error) => {
                    context.log.warn(&format!("container {id:?}: {error}"));
                    continue;
                }
            };
            let state = State::new(&record, status(&record, &entry));
            match args.format {
                Format::Json => {
                    if !first {
                        out.push(',');
                    }
                    out.push_str(
                        &serde_json::to_string(&state)
                            .map_err(|_| Error::new("the state cannot be written as JSON"))?,
                    );
                }
                Format::Table => out.push_str(&row(
                    &record.id,
                    &state.pid.to_string(),
                    state.status,
                    &record.bundle,
                    &record.created,
                    &record.owner,
                )),
            }
            first = false;
        }
    }
    if args.format == Format::Json && !args.quiet {
        out.push_str("]\n");
    }
    print(&out)
}

fn row(id: &str, pid: &str, status: &str, bundle: &str, created: &str, owner: &str) -> String {
    format!("{id:<23} {pid:<9} {status:<9} {bundle:<35} {created:<31} {owner}\n")
}

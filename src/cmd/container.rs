//! A container as a command finds it: its directory, what state.json says of it, and its cgroup.
//!
//! What is opened here lives as long as the process: a command looks at one container and ends. Those that go through many
//! (`list`, `delete`) open and close each aloud.

use super::Context;
use crate::cgroup::Cgroup;
use crate::config::{self, Config, object};
use crate::error::{Error, Result, error};
use crate::store::{Entry, Record, Status};
use alloc::boxed::Box;

/// What later commands read of the configuration that a container was made from.
#[derive(Default)]
pub struct Kept<'a> {
    pub config: Config<'a>,
}

object!(Kept<'a> { "config" => config });

/// An existing container, at least so far that it has a Record.
pub struct Container {
    pub entry: Entry,
    pub json: &'static [u8],
    pub record: &'static Record<'static>,
}

impl Container {
    /// Opens the one that was named; locked, if it is going to be changed.
    #[inline(never)]
    pub fn open(context: &Context, locked: bool) -> Result<&'static Container> {
        let store = context.store()?;
        let id = context.given.id;
        let entry = if locked { store.find_locked(id)? } else { store.find(id)? };
        Container::of(entry)
    }

    /// What stands in the directory.
    #[inline(never)]
    pub fn of(entry: Entry) -> Result<&'static Container> {
        let Some(json) = entry.read()? else {
            return Err(not_running(entry.id).hint(words!("it is still being created")));
        };
        let json = &*json.leak();
        let record = Record::parse(json)?;
        Ok(Box::leak(Box::new(Container { entry, json, record })))
    }

    /// Its status. Whether it is paused is for [`super::state::status`] to say.
    pub fn status(&self) -> Status {
        self.record.status(&self.entry)
    }

    /// An error for one whose first process has ended.
    #[inline(never)]
    pub fn check_alive(&self) -> Result<()> {
        match self.status() {
            Status::Stopped => Err(not_running(self.entry.id)),
            _ => Ok(()),
        }
    }

    /// Its cgroup; none for one that has none any more.
    #[inline(never)]
    pub fn cgroup(&self) -> Result<Option<&'static mut Cgroup>> {
        let Some(note) = self.entry.cgroup() else { return Ok(None) };
        Ok(Cgroup::open(note)?.map(Box::leak))
    }

    /// The configuration that it was made from.
    #[inline(never)]
    pub fn config(&self) -> Result<&'static mut Config<'static>> {
        let kept: &'static mut Kept<'_> = config::parse("state.json", self.json)?;
        Ok(&mut kept.config)
    }
}

/// In the words that callers search for (CLI.md).
#[cold]
pub fn not_running(id: &str) -> Error {
    error!("container not running: {quoted}", id)
}

//! One file a command. Each takes its arguments and the global flags, decides, and calls down.

pub mod check;
pub mod container;
pub mod create;
pub mod delete;
pub mod events;
pub mod exec;
pub mod features;
pub mod kill;
pub mod list;
pub mod pause;
pub mod ps;
pub mod run;
pub mod spec;
pub mod start;
pub mod state;
pub mod update;
pub mod version;

use crate::args::{Global, text};
use crate::error::{Error, Result};
use crate::log::Log;
use crate::store::Store;
use alloc::format;
use rustix::io::{retry_on_intr, write};

/// What every command is given.
pub struct Context<'a> {
    pub global: &'a Global,
    pub log: &'a Log,
    /// The process's environment.
    pub env: syscalls::Args,
}

impl Context<'_> {
    /// `--root`, else `/run/runlet`, else for an ordinary user `$XDG_RUNTIME_DIR/runlet`. The same for all calls of one user.
    pub fn root(&self) -> Result<&'static str> {
        if let Some(root) = self.global.root {
            return text(root, "--root");
        }
        if self.is_rootless() {
            if let Some(directory) =
                self.env.var(b"XDG_RUNTIME_DIR").filter(|directory| !directory.is_empty())
            {
                return Ok(format!("{}/runlet", text(directory, "XDG_RUNTIME_DIR")?).leak());
            }
            return Ok(format!("/tmp/runlet-{}", syscalls::ids::start().uid).leak());
        }
        Ok("/run/runlet")
    }

    /// Whether the runtime works without root's privileges over the host.
    pub fn is_rootless(&self) -> bool {
        self.global.rootless.unwrap_or_else(|| !syscalls::ids::is_root())
    }

    /// The state root.
    pub fn store(&self) -> Result<Store> {
        Ok(Store::new(self.root()?))
    }
}

/// Writes a command's result to standard output.
pub fn print(text: &str) -> Result<()> {
    let stdout = syscalls::fd::inherited(1).map_err(Error::os("standard output"))?;
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let written = retry_on_intr(|| write(stdout, rest)).map_err(Error::os("write to standard output"))?;
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(())
}

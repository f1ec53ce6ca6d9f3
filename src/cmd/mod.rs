//! One file a command. Each asks the command line for what it wants, decides, and calls down.

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

use crate::args::{CgroupManager, Flag, Given, text};
use crate::error::{Error, Result};
use crate::log::Log;
use crate::seal;
use crate::store::{Store, write_all};
use alloc::format;
use core::cell::Cell;
use syscalls::signal;

/// What every command is given.
pub struct Context {
    /// The command line.
    pub given: &'static Given,
    pub log: &'static Log,
    /// The process's environment.
    pub env: syscalls::Args,
    /// The exit status of a command that succeeds.
    pub status: Cell<i32>,
}

impl Context {
    /// What a command that makes a process does first.
    #[inline(never)]
    pub fn seal(&self) -> Result<()> {
        seal::seal(self.env, self.log)?;
        // A caller that ignores it would leave no child to be waited for (waitid(2)), nor a program that can.
        signal::set_action(signal::SIGCHLD, signal::Action::Default).map_err(Error::os(words!("SIGCHLD")))
    }

    /// `--root`, else `/run/runlet`, else for an ordinary user `$XDG_RUNTIME_DIR/runlet`. The same for all calls of one user.
    pub fn root(&self) -> Result<&'static str> {
        if let Some(root) = self.given.path(Flag::Root) {
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
        match self.given.number(Flag::Rootless) {
            Some(0) => true,
            Some(1) => false,
            _ => !syscalls::ids::is_root(),
        }
    }

    /// Who makes the container's cgroup.
    pub fn cgroup_manager(&self) -> CgroupManager {
        match self.given.number(Flag::CgroupManager) {
            _ if self.given.switch(Flag::SystemdCgroup) => CgroupManager::Systemd,
            Some(1) => CgroupManager::Cgroupfs,
            Some(2) => CgroupManager::Systemd,
            Some(3) => CgroupManager::Disabled,
            _ => CgroupManager::Auto,
        }
    }

    /// The state root.
    pub fn store(&self) -> Result<Store> {
        Ok(Store::new(self.root()?))
    }
}

/// Writes a command's result to standard output.
pub fn print(text: &str) -> Result<()> {
    let stdout = syscalls::fd::inherited(1).map_err(Error::os(words!("standard output")))?;
    write_all(stdout, text.as_bytes()).map_err(Error::os(words!("write to standard output")))
}

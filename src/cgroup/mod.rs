//! The container's cgroup on this host: made, limited, watched, emptied and removed.
//!
//! What is written is decided by `compile::cgroup`; here it is carried out. A container has one cgroup2 directory, or (where
//! its controllers are there) directories on cgroup v1 hierarchies, or both, or none. Nothing outside them is changed but
//! `cgroup.subtree_control` of the directories above, which has to name a controller before a limit can be set below.
//!
//! Called by the commands: create and check (prepare), and the rest (open). Which directories a container has is kept as
//! a note, `Prepared::note`, that is written before anything is made: so a killed create can be undone.

mod apply;
mod dbus;
pub mod device;
mod dir;
mod freeze;
pub mod host;
mod place;
mod stats;
mod systemd;
#[cfg(test)]
mod tests;
mod watch;

use crate::args::Value;
use crate::compile::cgroup::{Occasion, compile};
use crate::config::resources::Resources;
use crate::error::{Error, Result, decimal, error};
use crate::paths::{self, cstring};
use crate::words::Words;
use alloc::{boxed::Box, vec::Vec};
use core::cell::RefCell;
use dir::{Dir, collect, has, open, pause, read, remove_children, write_file};
use host::Host;
pub use place::{Prepared, Wanted, prepare};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::AtFlags;
use rustix::io::Errno;
use systemd::{Placeholder, Scope};
pub use watch::Watch;

/// How long to wait for the kernel to freeze or to empty a cgroup, in milliseconds.
const PATIENCE: u32 = 10_000;

/// A container's cgroup, opened.
#[derive(Debug, Default)]
pub struct Cgroup {
    dirs: Vec<Dir>,
    /// Directories that this create has made; of one that was opened, those above it that its create made. Topmost first.
    made: Vec<&'static str>,
    /// What it was opened from; empty for a new one.
    note: &'static str,
    /// When systemd made it.
    scope: Option<&'static Scope>,
    placeholder: RefCell<Option<Placeholder>>,
    /// Whether the placeholder stays until [`Cgroup::let_go`].
    holds: bool,
    /// What pids.max gets when the first process is there, which could not be born under it: 0, or 1 beside a placeholder.
    late_pids: Option<&'static [u8]>,
}

/// Whether one of the parts of a text is this.
fn has_part(text: &[u8], separators: &[u8], part: &str) -> bool {
    text.split(|byte| separators.contains(byte)).any(|have| have == part.as_bytes())
}

impl Cgroup {
    /// Opens the directories of a note. One that is gone is left out; `None` when all are.
    pub fn open(note: &'static str) -> Result<Option<Box<Cgroup>>> {
        let mut cgroup: Box<Cgroup> = Box::default();
        cgroup.note = note;
        for line in note.split('\n') {
            match line.as_bytes() {
                [b'/', ..] => match open(line) {
                    Ok(fd) => {
                        // Every directory of a cgroup2 has this file, and none of a cgroup v1.
                        let v1 = !has(&fd, c"cgroup.controllers");
                        cgroup.dirs.push(Dir { fd, path: line, v1 });
                    }
                    Err(Errno::NOENT | Errno::NODEV) => {}
                    Err(errno) => return Err(Error::sys(words!("open the cgroup"), line)(errno)),
                },
                [b'+', ..] => cgroup.made.push(line.get(1..).unwrap_or_default()),
                [b'@', ..] => cgroup.scope = Scope::of_note(line),
                _ => {}
            }
        }
        Ok((!cgroup.dirs.is_empty()).then_some(cgroup))
    }

    /// Opens one more directory; `operation` is for the error.
    fn enter(&mut self, operation: Words, path: &'static str, v1: bool) -> Result<&Dir> {
        let fd = open(path).map_err(Error::sys(operation, path))?;
        Ok(self.dirs.push_mut(Dir { fd, path, v1 }))
    }

    /// The cgroup2 directory, for CLONE_INTO_CGROUP and device programs.
    pub fn cgroup2(&self) -> Option<BorrowedFd<'_>> {
        self.v2().map(|dir| dir.fd.as_fd())
    }

    fn v2(&self) -> Option<&Dir> {
        self.dirs.iter().find(|dir| !dir.v1)
    }

    /// The cgroups below it that `exec --cgroup` names: `PATH`, or `CONTROLLERS:PATH` for those of cgroup v1.
    pub fn below(&self, names: &[Value]) -> Result<&'static Cgroup> {
        let below: &mut Cgroup = Box::leak(Box::default());
        for name in names {
            let name = name.text.to_str().map_err(|_| Error::new(words!("--cgroup: is not UTF-8")))?;
            let (controllers, path) =
                name.split_once(':').map_or((None, name), |(names, path)| (Some(names), path));
            let Some(path) = place::clean(path) else {
                return Err(error!("--cgroup {quoted}: must not hold \"..\" or a line break", name));
            };
            for dir in &self.dirs {
                let is_of = |name| dir.v1 && has_part(dir.path.as_bytes(), b"/,", name);
                if !controllers.is_none_or(|names| names.split(',').any(is_of)) {
                    continue;
                }
                below.enter(words!("--cgroup: open"), paths::join(&[dir.path, path]), dir.v1)?;
            }
        }
        match below.dirs.is_empty() {
            true => Err(Error::new(words!("--cgroup: names no cgroup of the container"))),
            false => Ok(below),
        }
    }

    /// The same, but of the cgroup2 the part below where a process of the container is now. A cgroup that gives controllers to those
    /// below it takes no process itself (cgroups(7) "no internal processes"), and an init that manages cgroups makes its own one.
    pub fn follow(&'static mut self, pid: i32) -> Result<&'static Cgroup> {
        let place = dir::place_of(&decimal(pid))
            .map_err(Error::os(words!("read the cgroup of the container's process")))?;
        for dir in self.dirs.iter_mut().filter(|dir| !dir.v1) {
            // The paths have the part in common that is below the mount.
            let mut rest = dir.path;
            while let Some((_, tail)) = rest.split_once('/') {
                rest = tail;
                let below = place.get(1..).and_then(|place| place.strip_prefix(tail)).unwrap_or_default();
                if below.starts_with('/') {
                    let path = paths::join(&[dir.path, below]);
                    let operation = words!("open the cgroup of the container's process");
                    dir.fd = open(path).map_err(Error::sys(operation, path))?;
                    dir.path = path;
                    break;
                }
            }
        }
        Ok(self)
    }

    /// Whether a process must also (or, without a cgroup2, only) be moved in with [`Cgroup::join`] after its birth.
    pub fn needs_join(&self) -> bool {
        self.dirs.iter().any(|dir| dir.v1)
    }

    /// Absolute path of the first directory, as `state` shows it.
    pub fn path(&self) -> &'static str {
        self.dirs.first().map_or("", |dir| dir.path)
    }

    /// To be called when the container's first process is in the cgroup: nothing else needs to hold it now, and what it could not
    /// have been born under is set.
    pub fn is_born(&self) -> Result<()> {
        if !self.holds {
            drop(self.placeholder.take());
        }
        let Some(value) = self.late_pids else { return Ok(()) };
        // On cgroup v1 the file is in one of several directories.
        match self.dirs.iter().any(|dir| write_file(&dir.fd, c"pids.max", value).is_ok()) {
            true => Ok(()),
            false => Err(error!("linux.resources.pids.limit: pids.max does not take it")),
        }
    }

    /// Changes the limits of a running container. What fails leaves them as they were. `keep` replaces the note of where its
    /// cgroup is. The result is false where device rules that were asked for are not enforced.
    pub fn update(&mut self, resources: &Resources<'_>, keep: &dyn Fn(&str) -> Result<()>) -> Result<bool> {
        let mut host = Host::default();
        host.find_all();
        let plan = compile(resources, host.useful_v1_controllers(), Occasion::Update(apply::now(self)))?;
        apply::check(self, plan)?;
        let program = plan.devices.as_deref().map(device::load).transpose()?.flatten();
        self.reach(&host, &plan.writes, keep)?;
        apply::enable(self, &plan.writes, false)?;
        let done = apply::apply(self, &plan.writes, true)?;
        if let Some(scope) = &self.scope {
            // Not before the values are known to be good; it rounds some of them, and gives BFQ a weight for all devices.
            scope.update(&plan.writes)?;
            done.iter().for_each(apply::Undo::keep_devices);
            apply::apply(self, &plan.writes, true)?;
        }
        match program {
            Some(program) => self.replace(&program).map(|()| true),
            None => Ok(plan.devices.is_none()),
        }
    }

    /// Moves a process in: to all directories, or, when it was born in the cgroup2, to the others.
    pub fn join(&self, pid: i32, born_in_cgroup2: bool) -> Result<()> {
        for dir in self.dirs.iter().filter(|dir| dir.v1 || !born_in_cgroup2) {
            match (dir.take(pid), &self.scope) {
                (Err(Errno::ACCESS), Some(scope)) => scope.attach(pid)?,
                (moved, _) => {
                    moved.map_err(Error::sys(words!("move a process into the cgroup"), dir.path))?
                }
            }
        }
        Ok(())
    }

    /// Makes a process of `uid` the owner, as config-linux.md "Cgroup ownership" says for a container with its own cgroup
    /// namespace and a writable cgroup2: the directory, and the files that the kernel lists as fit for it.
    pub fn delegate(&self, uid: u32) -> Result<()> {
        let Some(dir) = self.v2() else { return Ok(()) };
        let owner = Some(rustix::fs::Uid::from_raw(uid));
        let failed = |errno| Error::sys(words!("change the owner of the cgroup"), dir.path)(errno);
        rustix::fs::chownat(&dir.fd, c"", owner, None, AtFlags::EMPTY_PATH).map_err(failed)?;
        let listed = read("/sys/kernel/cgroup/delegate");
        let listed = match &listed {
            Ok(listed) => core::str::from_utf8(listed).unwrap_or_default(),
            Err(_) => "cgroup.procs\ncgroup.threads\ncgroup.subtree_control\n",
        };
        for name in listed.lines().filter(|name| !name.is_empty() && !name.contains('/')) {
            match rustix::fs::chownat(&dir.fd, cstring(name), owner, None, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
        Ok(())
    }

    /// All processes in the cgroup and below it, as the caller's pid namespace numbers them.
    pub fn processes(&self) -> Result<Vec<i32>> {
        let mut pids = Vec::new();
        // The cgroup2 holds them all, and so does any one cgroup v1 directory.
        if let Some(dir) = self.dirs.first() {
            collect(&dir.fd, &mut pids).map_err(Error::sys(words!("list the processes of"), dir.path))?;
        }
        Ok(pids)
    }

    /// How often the kernel's out-of-memory killer ended a process of the cgroup; 0 where no controller counts.
    pub fn oom_kills(&self) -> u64 {
        self.find("memory.oom_control:oom_kill memory.events:oom_kill").unwrap_or(0)
    }

    /// Lets the scope end, when its container has and what it counted was read: systemd takes it away with its last process, and tells
    /// nobody later what happened in it.
    pub fn let_go(&self) {
        if let Some(placeholder) = self.placeholder.take() {
            placeholder.let_go();
        }
    }

    /// Ends every process in the cgroup and removes it with the cgroups that the container made in it, waiting for processes that are
    /// on their way out, and the default parent when it was the last one in it. One that is gone already is success.
    pub fn remove(&self) -> Result<()> {
        // An empty one is gone in one call.
        let gone = match &*self.dirs {
            [dir] => matches!(paths::remove_directory(dir.path), Ok(()) | Err(Errno::NOENT)),
            _ => false,
        };
        if !gone {
            self.kill()?;
        }
        // systemd also takes a scope away by itself when it is empty: it is enough that the directory goes.
        let stopped = self.scope.map_or(Ok(()), Scope::stop);
        for dir in self.dirs.iter().filter(|_| !gone) {
            let mut waited = 0;
            loop {
                match paths::remove_directory(dir.path) {
                    Ok(()) | Err(Errno::NOENT) => break,
                    Err(Errno::BUSY) if waited < PATIENCE => {
                        remove_children(&dir.fd);
                        if dir.is_populated().unwrap_or(false) {
                            waited = waited.saturating_add(dir.wait_for_event());
                        } else if waited > 0 {
                            waited = waited.saturating_add(pause());
                        } else {
                            waited = 1;
                        }
                    }
                    Err(errno) => {
                        return stopped.and(Err(Error::sys(words!("remove the cgroup"), dir.path)(errno)));
                    }
                }
            }
        }
        // What this process has made, then the default parents: refused while they hold another container's.
        let own = |path: &str| self.dirs.iter().any(|dir| dir.path == path);
        for made in self.made.iter().rev().filter(|path| !own(path)) {
            paths::remove_directory(made).unwrap_or_default();
        }
        for dir in self.dirs.iter().filter(|dir| place::in_default_parent(dir.path)) {
            let parent = paths::split_last(dir.path, b'/').map_or("", |(parent, _)| parent);
            if !self.made.contains(&parent) {
                paths::remove_directory(parent).unwrap_or_default();
            }
        }
        drop(self.placeholder.take());
        Ok(())
    }
}

//! The container's cgroup on this host: made, limited, watched, emptied and removed.
//!
//! What is written is decided by `compile::cgroup`; here it is carried out. A container has one cgroup2 directory, or (where
//! its controllers are there) directories on cgroup v1 hierarchies, or both, or none. Nothing outside them is changed but
//! `cgroup.subtree_control` of the directories above, which has to name a controller before a limit can be set below.
//!
//! Called by spawn (prepare, create), and by the commands (open and the rest). Which directories a container has is kept as
//! a note, `Prepared::note`, that is written before anything is made: so a killed create can be undone.

pub mod apply;
mod dbus;
pub mod device;
pub mod freeze;
pub mod host;
pub mod stats;
pub mod systemd;
mod watch;

use crate::args::CgroupManager;
use crate::compile::cgroup::{CgroupPlan, Controllers, Occasion, Write, compile};
use crate::config::resources::Resources;
use crate::error::{Error, Result};
use alloc::{format, string::String, vec::Vec};
use core::cell::RefCell;
use core::ffi::CStr;
use host::Host;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Access, AtFlags, FileType, Mode, OFlags, RawDir};
use rustix::io::Errno;
use systemd::{Placeholder, Scope};
pub use watch::Watch;

/// The parent of containers that name no cgroupsPath.
const PARENT: &str = "runlet";

/// How long to wait for the kernel to freeze or to empty a cgroup, in milliseconds.
const PATIENCE: u32 = 10_000;

const MODE: Mode = Mode::RWXU.union(Mode::RGRP).union(Mode::XGRP).union(Mode::ROTH).union(Mode::XOTH);
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A cgroup that is about to be made: what is to be written where. Nothing has happened yet.
#[derive(Debug, Default)]
pub struct Prepared {
    /// Limits and device program.
    pub plan: CgroupPlan,
    /// What the person should know: device rules that cannot be had here.
    pub warning: Option<&'static str>,
    /// What [`Cgroup::open`] has to be told, to be kept before anything is made; empty for no cgroup. The container's
    /// directories, one a line, and with a `+` before them those above that are not there yet.
    pub note: String,
    /// The directories to be, cgroup2 first.
    places: Vec<Place>,
    /// The scope that has them, and the container's id.
    scope: Option<(Scope, String)>,
}

/// A directory to be.
#[derive(Debug)]
struct Place {
    v1: bool,
    /// Absolute.
    path: String,
    /// How much of it is the mount point.
    root: usize,
}

impl Place {
    /// The directories between the mount point and the container's, topmost first.
    fn parents(&self) -> impl Iterator<Item = &str> {
        let ends = self.path.match_indices('/').map(|(at, _)| at).filter(|at| *at > self.root);
        ends.filter_map(|end| self.path.get(..end))
    }

    /// Whether it is in the parent of containers that name no cgroupsPath.
    fn is_default(&self) -> bool {
        in_default_parent(&self.path)
    }
}

/// What `prepare` has to know of the container.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// `--cgroup-manager`.
    pub manager: CgroupManager,
    /// linux.cgroupsPath; empty for the default.
    pub cgroups_path: &'a str,
    /// The container's id.
    pub id: &'a str,
    /// Whether the container's processes may come to hold CAP_MKNOD in the host's user namespace.
    pub may_mknod: bool,
}

/// Finds the place, compiles the limits for it and refuses what cannot be had. Only reads.
pub fn prepare(resources: &Resources<'_>, wanted: Wanted<'_>) -> Result<Prepared> {
    let mut host = match wanted.manager {
        CgroupManager::Disabled => Host::default(),
        _ => host::cgroup2(),
    };
    let mut compiled = compile(resources, host.v1_controllers(), Occasion::Create);
    let plain = compiled.as_ref().is_ok_and(|plan| !plan.asks());
    if !plain && host.v2.is_some() && wanted.manager != CgroupManager::Disabled {
        // A limit was asked for: it may have to go to a cgroup v1 hierarchy of a hybrid host.
        let v2 = host.v2.take();
        host = host::all();
        host.v2 = v2;
        // Devices are filtered by a program on the cgroup2; so is freezing done there.
        let there = host.v1_controllers();
        let useful = Controllers(there.0 & !Controllers::DEVICES.0 & !Controllers::FREEZER.0);
        compiled = compile(resources, useful, Occasion::Create);
    }
    let mut plan = compiled?;

    let nowhere = host.v2.is_none() && host.v1.is_empty();
    let limit = |write: &Write| Some((String::from(write.controller()?), write.place.clone()));
    if let (true, Some((name, place))) = (nowhere, plan.writes.iter().find_map(limit)) {
        let hint = match wanted.manager {
            CgroupManager::Disabled => "cgroups are disabled by --cgroup-manager",
            _ => "no cgroup file system is mounted",
        };
        return Err(Error::new(format!("linux.resources.{place}: no {name} controller")).hint(hint));
    }
    let mut warning = None;
    if host.v2.is_none() && plan.devices.take().is_some() {
        let asked =
            crate::compile::device::grants(&resources.devices) && wanted.manager != CgroupManager::Disabled;
        if asked && wanted.may_mknod {
            return Err(Error::new("linux.resources.devices: no cgroup to enforce the rules in")
                .hint("mount cgroup2, take CAP_MKNOD away, or pass --cgroup-manager disabled"));
        }
        warning = Some("without a cgroup the device rules are not enforced");
    }
    if nowhere {
        return Ok(Prepared { plan, warning, ..Prepared::default() });
    }

    let by_systemd = match wanted.manager {
        CgroupManager::Systemd => true,
        CgroupManager::Auto => systemd::is_form(wanted.cgroups_path) && systemd::is_running(),
        _ => false,
    };
    if by_systemd {
        return in_scope(plan, host.v2.as_deref(), wanted);
    }
    let relative = match wanted.cgroups_path.is_empty() {
        true => format!("{}{PARENT}/{}", host.v2.as_deref().map(delegated).unwrap_or_default(), wanted.id),
        false => relative(wanted.cgroups_path)?,
    };
    let mut places = Vec::new();
    if let Some(root) = &host.v2 {
        places.push(Place { v1: false, path: format!("{root}/{relative}"), root: root.len() });
    }
    // On a hybrid host only the hierarchies with a limit are used; without a cgroup2 all of them, for freezing and counting.
    let needed = plan.writes.iter().filter(|write| write.v1).filter_map(|write| write.controller());
    let needed = needed.fold(Controllers::NONE, |all, name| all.and(Controllers::of_v1(name)));
    for (controllers, root) in &host.v1 {
        if host.v2.is_none() || controllers.0 & needed.0 != 0 {
            places.push(Place { v1: true, path: format!("{root}/{relative}"), root: root.len() });
        }
    }
    Ok(Prepared { plan, warning, note: note(&places), places, scope: None })
}

/// The same for a scope of systemd's.
fn in_scope(plan: CgroupPlan, root: Option<&str>, wanted: Wanted<'_>) -> Result<Prepared> {
    let Some(root) = root else {
        return Err(Error::new("--systemd-cgroup: needs cgroup2")
            .hint("--cgroup-manager cgroupfs does without systemd"));
    };
    if let Some(write) = plan.writes.iter().find(|write| write.v1) {
        return Err(Error::new(format!("linux.resources.{}: is on a cgroup v1 hierarchy", write.place))
            .hint("--cgroup-manager cgroupfs can set it"));
    }
    let scope = Scope::of(wanted.cgroups_path, wanted.id, !rustix::process::geteuid().is_root())?;
    let path = format!("{root}{}{}", scope.manager_path()?, scope.path().unwrap_or_default());
    let note = format!("{path}\n{}", scope.note());
    let places = alloc::vec![Place { v1: false, path, root: root.len() }];
    Ok(Prepared { plan, warning: None, note, places, scope: Some((scope, wanted.id.into())) })
}

/// Where below the mount `root` a caller makes containers that name no place: at its top, or, for one who may not write there, beside
/// his own cgroup, which is where a service manager's delegation lets him. Empty or with a slash at its end.
fn delegated(root: &str) -> String {
    if rustix::fs::access(root, Access::WRITE_OK) != Err(Errno::ACCESS) {
        return String::new();
    }
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let text =
        rustix::fs::open("/proc/self/cgroup", flags, Mode::empty()).and_then(|file| read_to_end(&file));
    let text = text.unwrap_or_default();
    let text = core::str::from_utf8(&text).unwrap_or_default();
    let own = text.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    own.rfind('/').and_then(|end| own.get(..=end)).unwrap_or_default().into()
}

/// linux.cgroupsPath without what could lead out of the mount.
fn relative(cgroups_path: &str) -> Result<String> {
    let mut clean = String::new();
    for part in cgroups_path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." || part.contains('\n') {
            return Err(Error::new(format!(
                "linux.cgroupsPath {cgroups_path:?}: must not hold \"..\" or a line break"
            )));
        }
        if !clean.is_empty() {
            clean.push('/');
        }
        clean.push_str(part);
    }
    match clean.is_empty() {
        true => Err(Error::new("linux.cgroupsPath: is the root cgroup, which cannot be a container's")),
        false => Ok(clean),
    }
}

fn note(places: &[Place]) -> String {
    let mut note = String::new();
    let mut line = |mark: &str, path: &str| {
        note.push_str(if note.is_empty() { "" } else { "\n" });
        note.push_str(mark);
        note.push_str(path);
    };
    for place in places {
        line("", &place.path);
    }
    for place in places.iter().filter(|place| !place.is_default()) {
        for parent in place.parents().filter(|path| rustix::fs::access(*path, Access::EXISTS).is_err()) {
            line("+", parent);
        }
    }
    note
}

fn in_default_parent(path: &str) -> bool {
    path.rsplit('/').nth(1) == Some(PARENT)
}

impl Prepared {
    /// Makes the directories and writes the limits; the device program is left to [`Cgroup::attach`]. `None` where there is no
    /// cgroup: none is mounted, or an unprivileged caller may not make one and asked for no limit. On error all is undone.
    pub fn create(&self) -> Result<Option<Cgroup>> {
        let mut cgroup = Cgroup::default();
        let made = match &self.scope {
            Some((scope, id)) => self.places.iter().try_for_each(|place| {
                *cgroup.placeholder.borrow_mut() = Some(scope.start(id, &self.plan.writes)?);
                cgroup.scope = Some(scope.clone());
                let failed = Error::sys("open the scope's cgroup", &place.path);
                let fd = rustix::fs::open(&*place.path, DIRECTORY, Mode::empty()).map_err(failed)?;
                cgroup.dirs.push(Dir { fd, path: place.path.clone(), v1: false });
                Ok(())
            }),
            None => self.places.iter().try_for_each(|place| cgroup.make(place)),
        };
        let done = made.and_then(|()| {
            apply::enable(&cgroup, &self.plan.writes)?;
            apply::apply(&cgroup, &self.plan.writes, false)
        });
        match done {
            Ok(()) if cgroup.dirs.is_empty() => Ok(None),
            Ok(()) => Ok(Some(cgroup)),
            Err(error) => {
                cgroup.undo();
                let denied = matches!(error.errno, Some(Errno::ACCESS | Errno::PERM | Errno::ROFS));
                match denied && !self.plan.asks() && !device::is_privileged() {
                    true => Ok(None),
                    false => Err(error),
                }
            }
        }
    }
}

/// A container's cgroup, opened.
#[derive(Debug, Default)]
pub struct Cgroup {
    dirs: Vec<Dir>,
    /// Directories that this create has made; of one that was opened, those above it that its create made. Topmost first.
    made: Vec<String>,
    /// When systemd made it.
    scope: Option<Scope>,
    placeholder: RefCell<Option<Placeholder>>,
}

/// One directory of it.
#[derive(Debug)]
struct Dir {
    fd: OwnedFd,
    path: String,
    v1: bool,
}

impl Cgroup {
    /// Opens the directories of a note. One that is gone is left out; `None` when all are.
    pub fn open(note: &str) -> Result<Option<Cgroup>> {
        let mut dirs = Vec::new();
        let made = note.lines().filter_map(|line| line.strip_prefix('+')).map(String::from).collect();
        for path in note.lines().filter(|path| path.starts_with('/')) {
            match rustix::fs::open(path, DIRECTORY, Mode::empty()) {
                Ok(fd) => dirs.push(Dir { fd, path: path.into(), v1: false }),
                Err(Errno::NOENT | Errno::NODEV) => {}
                Err(errno) => return Err(Error::sys("open the cgroup", path)(errno)),
            }
        }
        // Every directory of a cgroup2 has this file, and none of a cgroup v1.
        for dir in &mut dirs {
            dir.v1 = rustix::fs::accessat(&dir.fd, c"cgroup.controllers", Access::EXISTS, AtFlags::empty())
                .is_err();
        }
        let scope = note.lines().find_map(Scope::of_note);
        Ok((!dirs.is_empty()).then_some(Cgroup { dirs, made, scope, ..Cgroup::default() }))
    }

    /// The cgroup2 directory, for CLONE_INTO_CGROUP and device programs.
    pub fn cgroup2(&self) -> Option<BorrowedFd<'_>> {
        self.dirs.iter().find(|dir| !dir.v1).map(|dir| dir.fd.as_fd())
    }

    /// The cgroups below it that `exec --cgroup` names: `PATH`, or `CONTROLLERS:PATH` for those of cgroup v1.
    pub fn below(&self, names: &[alloc::ffi::CString]) -> Result<Cgroup> {
        let mut dirs = Vec::new();
        for name in names {
            let name = name.to_str().map_err(|_| Error::new("--cgroup: is not UTF-8"))?;
            let (controllers, path) =
                name.split_once(':').map_or((None, name), |(names, path)| (Some(names), path));
            let refuse = |why: &str| Error::new(format!("--cgroup {name:?}: {why}"));
            if path.split('/').any(|part| part == "..") {
                return Err(refuse("must not hold \"..\""));
            }
            for dir in &self.dirs {
                let wanted = controllers.is_none_or(|names| {
                    dir.v1
                        && names.split(',').any(|name| {
                            dir.path.split('/').any(|part| part.split(',').any(|have| have == name))
                        })
                });
                if !wanted {
                    continue;
                }
                let full = format!("{}/{}", dir.path, path.trim_matches('/'));
                let fd = rustix::fs::open(&*full, DIRECTORY, Mode::empty())
                    .map_err(Error::sys("--cgroup: open", &full))?;
                dirs.push(Dir { fd, path: full, v1: dir.v1 });
            }
        }
        match dirs.is_empty() {
            true => Err(Error::new("--cgroup: names no cgroup of the container")),
            false => Ok(Cgroup { dirs, ..Cgroup::default() }),
        }
    }

    /// Whether a process must also (or, without a cgroup2, only) be moved in with [`Cgroup::join`] after its birth.
    pub fn needs_join(&self) -> bool {
        self.dirs.iter().any(|dir| dir.v1)
    }

    /// Absolute path of the first directory, as `state` shows it.
    pub fn path(&self) -> &str {
        self.dirs.first().map_or("", |dir| &dir.path)
    }

    /// To be called when the container's first process is in the cgroup: nothing else needs to hold it now.
    pub fn is_born(&self) {
        drop(self.placeholder.take());
    }

    /// Changes the limits of a running container. What fails leaves them as they were.
    pub fn update(&self, resources: &Resources<'_>) -> Result<()> {
        let v1 = match self.needs_join() {
            true => Controllers(host::all().v1_controllers().0 & !Controllers::DEVICES.0),
            false => Controllers::NONE,
        };
        let plan = compile(resources, v1, Occasion::Update(apply::now(self)))?;
        apply::check(self, &plan)?;
        let program = plan.devices.as_deref().map(device::load).transpose()?.flatten();
        apply::enable(self, &plan.writes)?;
        if let Some(scope) = &self.scope {
            scope.update(&plan.writes)?;
        }
        apply::apply(self, &plan.writes, true)?;
        program.map_or(Ok(()), |program| self.replace(&program))
    }

    /// Moves a process in: to all directories, or, when it was born in the cgroup2, to the others.
    pub fn join(&self, pid: i32, born_in_cgroup2: bool) -> Result<()> {
        for dir in self.dirs.iter().filter(|dir| dir.v1 || !born_in_cgroup2) {
            write_file(&dir.fd, c"cgroup.procs", format!("{pid}").as_bytes())
                .map_err(Error::sys("move a process into the cgroup", &dir.path))?;
        }
        Ok(())
    }

    /// Makes and opens one directory with its parents. One that is there already must be empty and thawed.
    fn make(&mut self, place: &Place) -> Result<()> {
        let path = &*place.path;
        let failed = |errno| Error::sys("make the cgroup", path)(errno);
        let mut tries = 0u32;
        let there = loop {
            match rustix::fs::mkdir(path, MODE) {
                Ok(()) => break false,
                Err(Errno::EXIST) => break true,
                // The parent is missing, or was removed with its last container just now.
                Err(Errno::NOENT) if tries < 100 => {
                    for parent in place.parents() {
                        match rustix::fs::mkdir(parent, MODE) {
                            Ok(()) => {
                                self.made.push(parent.into());
                                if place.v1 {
                                    inherit_cpuset(parent)?;
                                }
                            }
                            Err(Errno::EXIST) => {}
                            Err(errno) => return Err(Error::sys("make the cgroup", parent)(errno)),
                        }
                    }
                }
                Err(errno) => return Err(failed(errno)),
            }
            tries = tries.saturating_add(1);
        };
        if !there {
            self.made.push(path.into());
            if place.v1 {
                inherit_cpuset(path)?;
            }
        }
        let fd = rustix::fs::open(path, DIRECTORY, Mode::empty()).map_err(failed)?;
        let dir = Dir { fd, path: path.into(), v1: place.v1 };
        // A new directory below one that is frozen is frozen too; the default parent never is.
        if there || !place.is_default() {
            let refuse =
                |what: &str| Err(Error::new(format!("linux.cgroupsPath: the cgroup {path:?} {what}")));
            if there && dir.is_populated().map_err(failed)? {
                return refuse("already holds processes");
            }
            if dir.is_frozen().map_err(failed)? {
                return refuse("is frozen, nothing could start in it");
            }
        }
        self.dirs.push(dir);
        Ok(())
    }

    /// Removes what this call of create has made.
    fn undo(&mut self) {
        self.is_born();
        if let Some(scope) = &self.scope {
            // systemd takes an empty scope away by itself, too.
            scope.stop().unwrap_or_default();
        }
        for path in self.made.drain(..).rev() {
            // What cannot be removed is in use by somebody else, who came in between.
            rustix::fs::rmdir(&*path).unwrap_or_default();
        }
    }

    /// Makes a process of `uid` the owner, as config-linux.md "Cgroup ownership" says for a container with its own cgroup
    /// namespace and a writable cgroup2: the directory, and the files that the kernel lists as fit for it.
    pub fn delegate(&self, uid: u32) -> Result<()> {
        let Some(dir) = self.dirs.iter().find(|dir| !dir.v1) else { return Ok(()) };
        let owner = Some(rustix::fs::Uid::from_raw(uid));
        let failed = |errno| Error::sys("change the owner of the cgroup", &dir.path)(errno);
        rustix::fs::chownat(&dir.fd, c"", owner, None, AtFlags::EMPTY_PATH).map_err(failed)?;
        let listed =
            rustix::fs::open("/sys/kernel/cgroup/delegate", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
                .and_then(|file| read_to_end(&file))
                .unwrap_or_else(|_| b"cgroup.procs\ncgroup.threads\ncgroup.subtree_control\n".to_vec());
        for name in
            listed.split(|byte| *byte == b'\n').filter(|name| !name.is_empty() && !name.contains(&b'/'))
        {
            match rustix::fs::chownat(&dir.fd, name, owner, None, AtFlags::SYMLINK_NOFOLLOW) {
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
            collect(&dir.fd, &mut pids).map_err(Error::sys("list the processes of", &dir.path))?;
        }
        pids.sort_unstable();
        pids.dedup();
        Ok(pids)
    }

    /// How often the kernel's out-of-memory killer ended a process of the cgroup; 0 where no controller counts.
    pub fn oom_kills(&self) -> u64 {
        let counted = |dir: &Dir| match dir.v1 {
            true => key(&read_file(&dir.fd, c"memory.oom_control").ok()?, "oom_kill"),
            false => key(&read_file(&dir.fd, c"memory.events").ok()?, "oom_kill"),
        };
        self.dirs.iter().find_map(counted).unwrap_or(0)
    }

    /// Removes the cgroup with the cgroups that the container made in it, waiting for processes that are on their way out, and
    /// the default parent when it was the last one in it. One that is gone already is success.
    pub fn remove(self) -> Result<()> {
        // systemd also takes a scope away by itself when it is empty: it is enough that the directory goes.
        let stopped = self.scope.as_ref().map_or(Ok(()), Scope::stop);
        for dir in &self.dirs {
            let mut waited = 0;
            loop {
                match rustix::fs::rmdir(&*dir.path) {
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
                    Err(errno) => return stopped.and(Err(Error::sys("remove the cgroup", &dir.path)(errno))),
                }
            }
            if let (true, Some((parent, _))) = (in_default_parent(&dir.path), dir.path.rsplit_once('/')) {
                // Refused while it holds another container.
                rustix::fs::rmdir(parent).unwrap_or_default();
            }
        }
        for parent in self.made.iter().rev() {
            rustix::fs::rmdir(&**parent).unwrap_or_default();
        }
        Ok(())
    }
}

impl Dir {
    /// Whether a process is in the directory or below it.
    fn is_populated(&self) -> rustix::io::Result<bool> {
        if !self.v1 {
            return Ok(key(&read_file(&self.fd, c"cgroup.events")?, "populated") == Some(1));
        }
        let mut pids = Vec::new();
        collect(&self.fd, &mut pids)?;
        Ok(!pids.is_empty())
    }

    /// Waits for a change of cgroup.events, or a moment where there is none; the milliseconds that this counts for.
    fn wait_for_event(&self) -> u32 {
        let file = (!self.v1)
            .then(|| open_file(&self.fd, c"cgroup.events", OFlags::RDONLY))
            .and_then(|file| file.ok());
        let Some(file) = file else { return pause() };
        // A file that has not been read yet polls as changed.
        if !read_to_end(&file).is_ok_and(|text| key(&text, "populated") == Some(1)) {
            return pause();
        }
        let mut fds = [rustix::event::PollFd::new(&file, rustix::event::PollFlags::PRI)];
        let timeout = rustix::event::Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        match rustix::event::poll(&mut fds, Some(&timeout)) {
            Ok(0) => 100,
            _ => 1,
        }
    }
}

/// Sleeps for one millisecond and says so.
fn pause() -> u32 {
    let moment = rustix::event::Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
    // A signal ends the wait early, which costs a round more.
    rustix::event::poll(&mut [], Some(&moment)).map_or(1, |_| 1)
}

/// Opens a file of a cgroup.
fn open_file(dir: &OwnedFd, name: &CStr, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(dir, name, flags | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty())
}

/// Writes a file of a cgroup in one call, as the kernel takes a value.
fn write_file(dir: &OwnedFd, name: &CStr, value: &[u8]) -> rustix::io::Result<()> {
    let file = open_file(dir, name, OFlags::WRONLY)?;
    loop {
        match rustix::io::write(&file, value) {
            Ok(written) if written == value.len() => return Ok(()),
            Ok(_) => return Err(Errno::IO),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Reads a file of a cgroup.
fn read_file(dir: &OwnedFd, name: &CStr) -> rustix::io::Result<Vec<u8>> {
    read_to_end(&open_file(dir, name, OFlags::RDONLY)?)
}

/// Reads to the end of a file whose size the kernel does not tell. A read that leaves room for more than a line was the last:
/// kernfs hands out whole lines, as many as fit.
fn read_to_end(file: &OwnedFd) -> rustix::io::Result<Vec<u8>> {
    const LONGEST_LINE: usize = 1024;
    let mut text = Vec::with_capacity(4096);
    loop {
        let room = text.capacity().saturating_sub(text.len());
        match rustix::io::read(file, rustix::buffer::spare_capacity(&mut text)) {
            Ok(0) => return Ok(text),
            Ok(length) if length.saturating_add(LONGEST_LINE) < room => return Ok(text),
            Ok(_) => text.reserve(4096),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// The number behind a key of a flat-keyed file (`populated 1`).
fn key(text: &[u8], name: &str) -> Option<u64> {
    let text = core::str::from_utf8(text).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// The single number of a file; `max` is `None`.
fn number(text: &[u8]) -> Option<u64> {
    core::str::from_utf8(text).ok()?.trim().parse().ok()
}

/// Adds the processes of a directory and those below it.
fn collect(dir: &OwnedFd, pids: &mut Vec<i32>) -> rustix::io::Result<()> {
    match read_file(dir, c"cgroup.procs") {
        Ok(text) => {
            let text = core::str::from_utf8(&text).unwrap_or_default();
            // 0 is a process that the caller's pid namespace does not see.
            pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()).filter(|pid| *pid > 0));
        }
        // A threaded cgroup (EOPNOTSUPP): its processes are listed by the domain above. Removed meanwhile (ENODEV).
        Err(Errno::OPNOTSUPP | Errno::NODEV | Errno::NOENT) => {}
        Err(errno) => return Err(errno),
    }
    for_each_child(dir, &mut |child, _| collect(child, pids))
}

/// Calls `act` with every child directory and its name.
fn for_each_child(
    dir: &OwnedFd,
    act: &mut dyn FnMut(&OwnedFd, &CStr) -> rustix::io::Result<()>,
) -> rustix::io::Result<()> {
    let mut buffer = Vec::with_capacity(2048);
    // The offset of `dir` may be anywhere: a new description starts at the beginning.
    let again = match rustix::fs::openat(dir, c".", DIRECTORY, Mode::empty()) {
        Err(Errno::NOENT | Errno::NODEV) => return Ok(()),
        other => other?,
    };
    let mut entries = RawDir::new(&again, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = match entry {
            Err(Errno::NOENT | Errno::NODEV) => return Ok(()),
            other => other?,
        };
        let name = entry.file_name();
        if entry.file_type() != FileType::Directory || name == c"." || name == c".." {
            continue;
        }
        match rustix::fs::openat(dir, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(child) => act(&child, name)?,
            Err(Errno::NOENT | Errno::NODEV) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Removes the directories below, deepest first, as far as they are empty. What is left shows when the parent is removed.
fn remove_children(dir: &OwnedFd) {
    let mut remove = |child: &OwnedFd, name: &CStr| {
        remove_children(child);
        rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR).or(Ok(()))
    };
    for_each_child(dir, &mut remove).unwrap_or_default();
}

/// A new cgroup v1 cpuset has no processor and no memory node, and takes no process until it does: it gets its parent's.
fn inherit_cpuset(path: &str) -> Result<()> {
    let Some((parent, _)) = path.rsplit_once('/') else { return Ok(()) };
    let open = |path| rustix::fs::open(path, DIRECTORY, Mode::empty());
    let failed = |errno| Error::sys("set up the cpuset of", path)(errno);
    let (dir, parent) = (open(path).map_err(failed)?, open(parent).map_err(failed)?);
    for file in [c"cpuset.cpus", c"cpuset.mems"] {
        match read_file(&dir, file) {
            Ok(text) if text.trim_ascii().is_empty() => {
                let above = read_file(&parent, file).map_err(failed)?;
                write_file(&dir, file, above.trim_ascii()).map_err(failed)?;
            }
            Ok(_) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(failed(errno)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_path_stays_below_the_mount() {
        assert_eq!(relative("/a//b/./c/").unwrap(), "a/b/c");
        assert_eq!(relative("a/b").unwrap(), "a/b");
        for bad in ["/", "//", "../x", "/a/../../b", "/a/..", "/a\nb"] {
            assert!(relative(bad).unwrap_err().to_string().starts_with("linux.cgroupsPath"), "{bad:?}");
        }
    }

    #[test]
    fn a_limit_without_any_cgroup_names_its_controller_and_none_is_no_error() {
        let wanted =
            Wanted { manager: CgroupManager::Disabled, cgroups_path: "", id: "box", may_mknod: true };
        let resources: Resources<'_> =
            crate::config::parse("resources", r#"{"memory": {"limit": 4096}}"#.as_bytes()).unwrap();
        let text = prepare(&resources, wanted).unwrap_err().to_string();
        assert!(text.contains("memory.limit") && text.contains("memory controller"), "{text}");
        let none: Resources<'_> = crate::config::parse(
            "resources",
            r#"{"cpu": {"shares": 0}, "memory": {"limit": -1}}"#.as_bytes(),
        )
        .unwrap();
        let prepared = prepare(&none, wanted).unwrap();
        assert!(
            prepared.note.is_empty() && prepared.warning.is_some() && prepared.create().unwrap().is_none()
        );
    }

    #[test]
    fn keys_are_whole_words() {
        assert_eq!(key(b"oom 1\noom_kill 2\noom_group_kill 3\n", "oom_kill"), Some(2));
        assert_eq!(key(b"populated 0\n", "populated"), Some(0));
        assert_eq!(key(b"", "populated"), None);
    }
}

//! Where a container's cgroup is to be, and the making of it there.
//!
//! [`prepare`] only looks: it finds the hierarchies, compiles the limits for them and refuses what cannot be had.
//! [`Prepared::create`] makes the directories, or has systemd make a scope, and undoes all of it when a limit cannot be set.

use super::dir::{Dir, collect, inherit_cpuset, number, place_of};
use super::host::Host;
use super::systemd::{self, Scope};
use super::{Cgroup, PATIENCE, apply, device};
use crate::args::CgroupManager;
use crate::compile::cgroup::{CgroupPlan, Controllers, Occasion, Write, compile};
use crate::config::resources::Resources;
use crate::error::{Error, Result, decimal, error};
use crate::paths::{self, cstring};
use alloc::{boxed::Box, string::String, vec::Vec};
use rustix::fs::{Access, Mode};
use rustix::io::Errno;

/// The parent of containers that name no cgroupsPath.
const PARENT: &str = "runlet";

const MODE: Mode = Mode::RWXU.union(Mode::RGRP).union(Mode::XGRP).union(Mode::ROTH).union(Mode::XOTH);

/// A cgroup that is about to be made: what is to be written where. Nothing has happened yet.
#[derive(Debug)]
pub struct Prepared {
    /// Limits and device program.
    pub plan: &'static mut CgroupPlan,
    /// What the person should know: device rules that cannot be had here.
    pub warning: Option<&'static str>,
    /// What [`Cgroup::open`] has to be told, to be kept before anything is made; empty for no cgroup. The container's
    /// directories, one a line, and with a `+` before them those above that are not there yet.
    pub note: &'static str,
    /// The directories to be, cgroup2 first.
    places: Vec<Place>,
    /// Whether the place is a caller's: named, or delegated to him. Callers read the files there, limit or no limit. A scope's
    /// controllers are systemd's to enable.
    is_callers: bool,
    /// The scope that has them.
    scope: Option<&'static Scope>,
    /// Of the container.
    id: &'static str,
    /// See [`Wanted::holds`].
    holds: bool,
}

/// A directory to be.
#[derive(Debug)]
struct Place {
    v1: bool,
    /// Absolute.
    path: &'static str,
    /// How much of it is there already: the mount point, or what was delegated.
    root: usize,
}

impl Place {
    /// `relative` begins with a slash.
    fn below(root: &str, relative: &str, v1: bool) -> Place {
        Place { v1, path: paths::join(&[root, relative]), root: root.len() }
    }

    /// The directories between the mount point and the container's, topmost first.
    fn parents(&self) -> impl Iterator<Item = &'static str> {
        paths::above(self.path, self.root)
    }

    /// Whether it is in the parent of containers that name no cgroupsPath.
    fn is_default(&self) -> bool {
        in_default_parent(self.path)
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
    pub id: &'static str,
    /// Whether the container's processes may come to hold CAP_MKNOD in the host's user namespace.
    pub may_mknod: bool,
    /// Whether what the cgroup counts is read after the container's end, until when a scope of systemd's is held: by a process in it.
    pub holds: bool,
}

/// Finds the place, compiles the limits for it and refuses what cannot be had. Only reads.
pub fn prepare(resources: &Resources<'_>, wanted: Wanted<'_>) -> Result<&'static mut Prepared> {
    let disabled = wanted.manager == CgroupManager::Disabled;
    let mut host = Host::default();
    if !disabled {
        host.find();
    }
    let mut compiled = compile(resources, host.v1_controllers(), Occasion::Create);
    let plain = compiled.as_ref().is_ok_and(|plan| !plan.asks());
    if !plain && host.v2.is_some() {
        // A limit was asked for: it may have to go to a cgroup v1 hierarchy of a hybrid host.
        host.find_all();
        compiled = compile(resources, host.useful_v1_controllers(), Occasion::Create);
    }
    let prepared = Box::leak(Box::new(Prepared {
        plan: compiled?,
        warning: None,
        note: "",
        places: Vec::new(),
        is_callers: false,
        scope: None,
        id: wanted.id,
        holds: false,
    }));
    let plan = &mut *prepared.plan;
    let nowhere = host.v2.is_none() && host.v1.is_empty();
    if nowhere {
        plan.refuse(match disabled {
            true => words!("cgroups are disabled by --cgroup-manager"),
            false => words!("no cgroup file system is mounted"),
        })?;
    }
    if host.v2.is_none() && plan.devices.take().is_some() {
        if wanted.may_mknod && !disabled && crate::compile::device::grants(&resources.devices) {
            return Err(Error::new(words!("linux.resources.devices: no cgroup to enforce the rules in"))
                .hint(words!("mount cgroup2, take CAP_MKNOD away, or pass --cgroup-manager disabled")));
        }
        prepared.warning = Some("without a cgroup the device rules are not enforced");
    }
    if nowhere && wanted.manager != CgroupManager::Systemd {
        return Ok(prepared);
    }

    let by_systemd = match wanted.manager {
        CgroupManager::Systemd => true,
        CgroupManager::Auto => systemd::is_form(wanted.cgroups_path) && systemd::is_running(),
        _ => false,
    };
    if by_systemd {
        in_scope(prepared, host.v2, wanted)?;
        return Ok(prepared);
    }
    prepared.is_callers = !wanted.cgroups_path.is_empty();
    let relative = match prepared.is_callers {
        false => paths::join(&["/", PARENT, "/", wanted.id]),
        true => relative(wanted.cgroups_path)?,
    };
    if let Some(root) = host.v2 {
        let above = if !prepared.is_callers && host.is_denied { delegated() } else { "" };
        prepared.is_callers |= !above.is_empty();
        prepared.places.push(Place::below(paths::join(&[root, above]), relative, false));
    }
    // On a hybrid host only the hierarchies with a limit are used; without a cgroup2 all of them, for freezing and counting.
    let needed = on_v1(&prepared.plan.writes);
    for (controllers, root) in &host.v1 {
        if host.v2.is_none() || controllers.0 & needed.0 != 0 {
            prepared.places.push(Place::below(root, relative, true));
        }
    }
    prepared.note = note(&prepared.places);
    Ok(prepared)
}

/// The controllers of all writes to cgroup v1.
fn on_v1(writes: &[Write]) -> Controllers {
    let names = writes.iter().filter(|write| write.v1).filter_map(Write::controller);
    names.fold(Controllers::NONE, |all, name| all.and(Controllers::of_v1(name)))
}

/// The same for a scope of systemd's.
fn in_scope(prepared: &mut Prepared, root: Option<&'static str>, wanted: Wanted<'_>) -> Result<()> {
    let Some(root) = root else {
        return Err(Error::new(words!("--systemd-cgroup: needs cgroup2"))
            .hint(words!("--cgroup-manager cgroupfs does without systemd")));
    };
    let plan = &mut prepared.plan;
    refuse_v1(&plan.writes)?;
    let scope = Scope::of(wanted.cgroups_path, wanted.id, !syscalls::ids::is_root())?;
    let place = Place::below(paths::join(&[root, scope.manager_path()?]), scope.path, false);
    prepared.note = scope.note(place.path);
    prepared.places.push(place);
    prepared.scope = Some(scope);
    prepared.holds = wanted.holds;
    for write in plan.writes.iter_mut().filter(|write| wanted.holds && write.file == c"pids.max") {
        // The process that holds it counts.
        if let Some(limit) = number(write.value.as_bytes()) {
            write.value = decimal(limit.saturating_add(1)).leak();
        }
    }
    Ok(())
}

/// systemd's scope is a cgroup2 alone.
fn refuse_v1(writes: &[Write]) -> Result<()> {
    match writes.iter().find(|write| write.v1) {
        None => Ok(()),
        Some(write) => {
            Err(error!("linux.resources.{}: its controller is on a cgroup v1 hierarchy", write.place)
                .hint(words!("--cgroup-manager cgroupfs can set it")))
        }
    }
}

/// Where one who may not write at the top of the hierarchy makes containers that name no place: beside his own cgroup, which is where
/// a service manager's delegation lets him.
fn delegated() -> &'static str {
    paths::split_last(place_of("self").unwrap_or_default(), b'/').map_or("", |(above, _)| above)
}

/// A path without what could lead out of the directory that it is below, with a slash before each part; `None` when it would.
pub(super) fn clean(path: &str) -> Option<&'static str> {
    let mut clean = String::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." || part.contains('\n') {
            return None;
        }
        clean.push('/');
        clean.push_str(part);
    }
    Some(clean.leak())
}

/// linux.cgroupsPath below the mount.
fn relative(cgroups_path: &str) -> Result<&'static str> {
    match clean(cgroups_path) {
        None => Err(error!("linux.cgroupsPath {quoted}: must not hold \"..\" or a line break", cgroups_path)),
        Some("") => Err(error!("linux.cgroupsPath: is the root cgroup, which cannot be a container's")),
        Some(path) => Ok(path),
    }
}

fn note(places: &[Place]) -> &'static str {
    let mut note = String::new();
    let mut line = |mark: &str, path: &str| {
        note.push_str(if note.is_empty() { "" } else { "\n" });
        note.push_str(mark);
        note.push_str(path);
    };
    for place in places {
        line("", place.path);
    }
    for place in places.iter().filter(|place| !place.is_default()) {
        for parent in
            place.parents().filter(|path| rustix::fs::access(cstring(path), Access::EXISTS).is_err())
        {
            line("+", parent);
        }
    }
    note.leak()
}

pub(super) fn in_default_parent(path: &str) -> bool {
    paths::split_last(path, b'/').is_some_and(|(above, _)| paths::name(above) == PARENT)
}

/// The part of `path` below the directory `root`, with its slash.
fn below<'p>(path: &'p str, root: &str) -> Option<&'p str> {
    path.strip_prefix(root).filter(|rest| rest.starts_with('/'))
}

fn not_made(path: &str) -> impl FnOnce(Errno) -> Error {
    Error::sys(words!("make the cgroup"), path)
}

impl Prepared {
    /// On a host without cgroup2 the container's directories, each with the name of its hierarchy's mount point.
    pub fn on_v1(&self) -> Vec<(&'static str, &'static str)> {
        let mut all = Vec::new();
        for place in self.places.iter().take_while(|place| place.v1) {
            let name = place.path.get(..place.root).map(paths::name);
            all.extend(name.map(|name| (name, place.path)));
        }
        all
    }

    /// Makes the directories and writes the limits; the device program is left to [`Cgroup::attach`]. `None` where there is no
    /// cgroup: none is mounted, or an unprivileged caller may not make one and asked for no limit. On error all is undone.
    pub fn create(&self) -> Result<Option<&'static Cgroup>> {
        let pids_is_1 = |write: &Write| write.file == c"pids.max" && write.value == "1";
        let late_pids: Option<&[u8]> = match self.plan.no_forks {
            true => Some(b"0"),
            false if self.scope.is_some() && self.plan.writes.iter().any(pids_is_1) => Some(b"1"),
            false => None,
        };
        let cgroup: &mut Cgroup = Box::leak(Box::default());
        cgroup.late_pids = late_pids;
        cgroup.holds = self.holds;
        match self.make(cgroup) {
            Ok(()) if cgroup.dirs.is_empty() => Ok(None),
            Ok(()) => Ok(Some(cgroup)),
            Err(error) => {
                cgroup.undo();
                let denied = matches!(error.cause(), Some(Errno::ACCESS | Errno::PERM | Errno::ROFS));
                match denied && !device::is_privileged() {
                    true if !self.plan.asks() => Ok(None),
                    true => Err(error
                        .hint(words!("limits for an ordinary user need a cgroup that is delegated to him"))),
                    false => Err(error),
                }
            }
        }
    }

    /// What it has made so far is in `cgroup` when it fails.
    fn make(&self, cgroup: &mut Cgroup) -> Result<()> {
        for place in &self.places {
            let Some(scope) = self.scope else {
                cgroup.make(place)?;
                continue;
            };
            cgroup.placeholder.replace(Some(scope.start(self.id, &self.plan.writes)?));
            cgroup.scope = Some(scope);
            cgroup.enter(words!("open the scope's cgroup"), place.path, false)?;
        }
        apply::enable(cgroup, &self.plan.writes, self.is_callers)?;
        apply::apply(cgroup, &self.plan.writes, false).map(drop)
    }
}

impl Cgroup {
    /// Moves a running container into the cgroup v1 hierarchies that `writes` need and where it has no directory yet: on a hybrid host
    /// it has one only where it had a limit. `keep` gets the new note before anything is made.
    pub(super) fn reach(
        &mut self,
        host: &Host,
        writes: &[Write],
        keep: &dyn Fn(&str) -> Result<()>,
    ) -> Result<()> {
        let needed = on_v1(writes);
        let has = |root: &str| self.dirs.iter().any(|dir| below(dir.path, root).is_some());
        let Some((first, root)) = self.dirs.first().zip(host.v2) else { return Ok(()) };
        let Some(relative) = below(first.path, root) else { return Ok(()) };
        let mut places = Vec::new();
        for (some, root) in &host.v1 {
            if some.0 & needed.0 != 0 && !has(root) {
                places.push(Place::below(root, relative, true));
            }
        }
        if places.is_empty() {
            return Ok(());
        }
        if self.scope.is_some() {
            return refuse_v1(writes);
        }
        let before = self.note;
        self.note = paths::join(&[before, "\n", note(&places)]);
        keep(self.note)?;
        let (dirs, made) = (self.dirs.len(), self.made.len());
        let moved = places.iter().try_for_each(|place| self.make(place)).and_then(|()| {
            let new = self.dirs.get(dirs..).unwrap_or_default();
            new.iter().try_for_each(|dir| {
                let operation = words!("move the container's processes into the cgroup");
                self.gather(dir).map_err(Error::sys(operation, dir.path))
            })
        });
        if moved.is_err() {
            let mut removed = true;
            for path in self.made.get(made..).unwrap_or_default().iter().rev() {
                removed &= paths::remove_directory(path).is_ok();
            }
            // What cannot be removed holds processes by now and goes with the container; what was refused is not the container's.
            if removed {
                self.note = before;
                keep(before).unwrap_or_default();
            }
        }
        moved
    }

    /// Moves all processes of the container into one more directory. What they fork meanwhile is found in the next round.
    fn gather(&self, dir: &Dir) -> rustix::io::Result<()> {
        for _ in 0..PATIENCE {
            let (mut there, mut all) = (Vec::new(), Vec::new());
            collect(&dir.fd, &mut there)?;
            self.dirs.first().map_or(Ok(()), |first| collect(&first.fd, &mut all))?;
            let mut any = false;
            for pid in all.iter().filter(|pid| !there.contains(pid)) {
                any = true;
                match dir.take(*pid) {
                    Ok(()) | Err(Errno::SRCH) => {}
                    Err(errno) => return Err(errno),
                }
            }
            if !any {
                return Ok(());
            }
        }
        Err(Errno::AGAIN)
    }

    /// Makes and opens one directory with its parents. One that is there already must be empty and thawed.
    fn make(&mut self, place: &Place) -> Result<()> {
        let (path, v1) = (place.path, place.v1);
        let mut tries = 0u32;
        let there = loop {
            // The default parent is missing more often than not: it goes with its last container.
            if tries > 0 || place.is_default() {
                for parent in place.parents() {
                    match self.make_directory(parent, v1)? {
                        None | Some(Errno::EXIST) => {}
                        Some(errno) => return Err(not_made(parent)(errno)),
                    }
                }
            }
            match self.make_directory(path, v1)? {
                None => break false,
                Some(Errno::EXIST) => break true,
                // A parent is missing, or was removed with its last container just now.
                Some(Errno::NOENT) if tries < 100 => {}
                Some(errno) => return Err(not_made(path)(errno)),
            }
            tries = tries.saturating_add(1);
        };
        let dir = self.enter(words!("make the cgroup"), path, v1)?;
        let state = || {
            if there && dir.is_populated()? {
                return Ok("already holds processes");
            }
            // A new directory below one that is frozen is frozen too; the default parent never is.
            let is_frozen = (there || !place.is_default()) && dir.is_frozen(false)?;
            Ok(if is_frozen { "is frozen, nothing could start in it" } else { "" })
        };
        let refused = match state() {
            Ok("") => return Ok(()),
            Ok(state) => error!("linux.cgroupsPath: the cgroup {quoted} {}", path, state),
            Err(errno) => not_made(path)(errno),
        };
        self.dirs.pop(); // what is refused is not the container's
        Err(refused)
    }

    /// Makes a directory, or gives the kernel's answer.
    fn make_directory(&mut self, path: &'static str, v1: bool) -> Result<Option<Errno>> {
        if let Err(errno) = paths::make_directory(path, MODE) {
            return Ok(Some(errno));
        }
        self.made.push(path);
        if v1 {
            inherit_cpuset(path).map_err(Error::sys(words!("set up the cpuset of"), path))?;
        }
        Ok(None)
    }

    /// Removes what this call of create has made.
    fn undo(&mut self) {
        drop(self.placeholder.take());
        if let Some(scope) = &self.scope {
            // systemd takes an empty scope away by itself, too.
            scope.stop().unwrap_or_default();
        }
        self.dirs.clear();
        for path in self.made.drain(..).rev() {
            // What cannot be removed is in use by somebody else, who came in between.
            paths::remove_directory(path).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_path_stays_below_the_mount() {
        assert_eq!(relative("/a//b/./c/").unwrap(), "/a/b/c");
        assert_eq!(relative("a/b").unwrap(), "/a/b");
        for bad in ["/", "//", "../x", "/a/../../b", "/a/..", "/a\nb"] {
            assert!(relative(bad).unwrap_err().to_string().starts_with("linux.cgroupsPath"), "{bad:?}");
        }
    }

    #[test]
    fn a_limit_without_any_cgroup_names_its_controller_and_none_is_no_error() {
        let wanted = Wanted {
            manager: CgroupManager::Disabled,
            cgroups_path: "",
            id: "box",
            may_mknod: true,
            holds: false,
        };
        let resources: &mut Resources<'_> =
            crate::config::parse("resources", r#"{"memory": {"limit": 4096}}"#.as_bytes()).unwrap();
        let text = prepare(resources, wanted).unwrap_err().to_string();
        assert!(text.contains("memory.limit") && text.contains("memory controller"), "{text}");
        let none: &mut Resources<'_> = crate::config::parse(
            "resources",
            r#"{"cpu": {"shares": 0}, "memory": {"limit": -1}}"#.as_bytes(),
        )
        .unwrap();
        let prepared = prepare(none, wanted).unwrap();
        assert!(
            prepared.note.is_empty() && prepared.warning.is_some() && prepared.create().unwrap().is_none()
        );
    }
}

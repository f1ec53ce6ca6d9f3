//! Sources of binds that are opened here because the child could not: it has no privilege left over the host once it is in a new
//! user namespace, neither to reach a directory of root's nor to map the ids of a mount, and in a joined mount namespace the runtime's
//! own directory may not be there. And the procfs of a pid namespace that the child enters last.

use super::{joined, maps, procfs, render::done_without};
use crate::error::{Error, Result};
use crate::log::Log;
use crate::paths::shown;
use crate::plan::{Mount, MountKind, Plan};
use crate::sync::{Absent, is_absent};
use crate::words::Words;
use alloc::{boxed::Box, format, vec::Vec};
use syscalls::mount::{self, MountAttr};
use syscalls::{AsFd, BorrowedFd, CWD, Errno, OwnedFd, fs, ns};

/// Detached copies of them, by the mount's place in the Plan, no list at all for a Plan that needs none; and whether the pid namespace is
/// to be entered last.
pub fn open(plan: &mut Plan, joins: &[OwnedFd], log: &Log) -> Result<(Vec<Option<OwnedFd>>, bool)> {
    let is_path =
        |mount: &Mount| mount.kind == MountKind::CopySymlink && mount.source.to_bytes().starts_with(b"/");
    for mount in plan.mounts.iter_mut().filter(|mount| is_path(mount)) {
        read_link(mount)?;
    }
    let new_user = plan.namespaces.new & ns::CLONE_NEWUSER != 0 && syscalls::ids::is_root();
    let joins_mount = plan.namespaces.joins(ns::CLONE_NEWNS);
    let last = joined(&plan.namespaces, ns::CLONE_NEWPID, joins).filter(|_| plan.namespaces.may_enter_late());
    let needed = |mount: &Mount| {
        let own = joins_mount && mount.index == Mount::OWN;
        mount.idmap.is_some()
            || last.is_some() && mount.is_procfs()
            || (new_user || own) && matches!(mount.kind, MountKind::Bind | MountKind::TreeBind)
    };
    if !plan.mounts.iter().any(needed) {
        return Ok((Vec::new(), last.is_some()));
    }
    let plan = &*plan;
    let mut late = last.is_some();
    let mut sources = Vec::with_capacity(plan.mounts.len());
    for mount in &plan.mounts {
        let source = if needed(mount) { detach(plan, mount, last)? } else { None };
        late &= source.is_some() || !mount.is_procfs();
        sources.push(source);
    }
    if last.is_some() && !late {
        done_without(log, Absent::Fsopen.bit());
    }
    Ok((sources, late))
}

/// From the path of a link to its text. What is no link is bound.
fn read_link(mount: &mut Mount) -> Result<()> {
    match rustix::fs::readlink(mount.source, Vec::new()) {
        Ok(text) => mount.source = Box::leak(text.into_boxed_c_str()),
        Err(Errno::INVAL) => mount.kind = MountKind::Bind,
        Err(errno) => {
            let place = format!("{}.source", mount.place());
            return Err(Error::at(&place, shown(mount.source))(errno));
        }
    }
    Ok(())
}

/// One of them, with its ids mapped if that was asked for. None where the kernel cannot detach mounts and nothing else was asked.
fn detach(plan: &Plan, mount: &Mount, namespace: Option<BorrowedFd<'_>>) -> Result<Option<OwnedFd>> {
    let place = format!("{}.source", mount.place());
    if let (true, Some(namespace)) = (mount.is_procfs(), namespace) {
        return match procfs::make(mount, namespace) {
            Err(errno) if is_absent(errno) => Ok(None),
            made => made.map(Some).map_err(Error::at(&place, "proc")),
        };
    }
    let nofollow = if mount.source_nofollow { fs::AT_SYMLINK_NOFOLLOW } else { 0 };
    let recursive = if mount.kind == MountKind::TreeBind { mount::AT_RECURSIVE } else { 0 };
    let tree = match mount::open_tree(CWD, mount.source, mount::OPEN_TREE_CLONE | recursive | nofollow) {
        Err(errno) if is_absent(errno) && mount.idmap.is_none() => return Ok(None),
        other => other.map_err(|errno| {
            let hint = if errno == Errno::PERM {
                words!("only root may map the ids of what the host has mounted")
            } else {
                Words::NONE
            };
            Error::at(&place, shown(mount.source))(errno).hint(hint)
        })?,
    };
    let Some(map) = &mount.idmap else { return Ok(Some(tree)) };
    let place = format!("{}.uidMappings", mount.place());
    let (uid_map, gid_map) = match map.uid_map.is_empty() {
        true => (&plan.namespaces.uid_map, &plan.namespaces.gid_map),
        false => (&map.uid_map, &map.gid_map),
    };
    let namespace = maps::namespace_with(uid_map, gid_map, &place)?;
    let flags = fs::AT_EMPTY_PATH | if map.recursive { mount::AT_RECURSIVE } else { 0 };
    let userns = Some(namespace.as_fd());
    let attr = MountAttr { set: mount::MOUNT_ATTR_IDMAP, userns, ..MountAttr::default() };
    mount::mount_setattr(tree.as_fd(), c"", flags, &attr).map_err(|errno| {
        let hint = if errno == Errno::INVAL {
            words!("the kernel cannot do so for this file system")
        } else {
            Words::NONE
        };
        let place = format!("{}: map the ids of", mount.place());
        Error::at(&place, shown(mount.source))(errno).hint(hint)
    })?;
    Ok(Some(tree))
}

//! The list of mounts.
//!
//! A new file system goes on with mount(2) from inside its destination: the working directory *is* the resolved
//! destination, so no name is resolved twice, the flags are there with the first moment of the mount, and every kernel
//! can do it. A bind is a detached copy (open_tree), changed while nobody sees it, then attached descriptor to
//! descriptor (R2).

use super::resolve::{Jail, Links};
use super::{Done, Fail, Fds, nth, warn};
use crate::plan::{AttrChange, Mount, MountKind, Plan};
use crate::sync::Step;
use core::ffi::CStr;
use syscalls::fs;
use syscalls::mount::{self, MountAttr};
use syscalls::{AsFd, BorrowedFd, CWD, Errno, leak, ns, stat};

/// Carries out all mounts in order.
pub fn mount_all(plan: &Plan, jail: &Jail, fds: Fds<'_>) -> Done<()> {
    for (index, mount) in plan.mounts.iter().enumerate() {
        let source = fds.sources.get(index).and_then(Option::as_ref).map(AsFd::as_fd);
        match mount.kind {
            MountKind::Filesystem => filesystem(mount, index, jail)?,
            MountKind::Cgroup => cgroup(plan, mount, index, jail, fds)?,
            MountKind::Bind | MountKind::TreeBind => bind(mount, index, jail, source)?,
            MountKind::CopySymlink => copy_symlink(mount, index, jail)?,
            MountKind::BindRemount => {
                let target = existing(mount, index, jail)?;
                change(target, mount.attr, 0, 0).map_err(nth(Step::MountAttr, index))?;
                change(target, mount.tree_attr, mount::AT_RECURSIVE, 0)
                    .map_err(nth(Step::MountAttr, index))?;
                propagate(mount, target, index)?;
            }
            MountKind::Remount => {
                let target = existing(mount, index, jail)?;
                fs::fchdir(target).map_err(nth(Step::MountTarget, index))?;
                mount::mount(None, c".", None, mount.flags | mount::MS_REMOUNT, Some(&mount.data))
                    .map_err(nth(Step::Mount, index))?;
                propagate(mount, target, index)?;
            }
            MountKind::Propagation => {
                let target = existing(mount, index, jail)?;
                propagate(mount, target, index)?;
            }
        }
    }
    Ok(())
}

fn links(mount: &Mount) -> Links {
    match (mount.no_symlinks, mount.target_nofollow) {
        (true, _) => Links::Refuse,
        (false, true) => Links::LastItself,
        (false, false) => Links::Follow,
    }
}

fn existing(mount: &Mount, index: usize, jail: &Jail) -> Done<BorrowedFd<'static>> {
    jail.open(&mount.target, 0, links(mount)).map_err(nth(Step::MountTarget, index))
}

fn filesystem(mount: &Mount, index: usize, jail: &Jail) -> Done<()> {
    let target =
        jail.open_or_make_directory(&mount.target, links(mount)).map_err(nth(Step::MountTarget, index))?;
    not_in_proc(mount, target).map_err(nth(Step::MountTarget, index))?;
    fs::fchdir(target).map_err(nth(Step::MountTarget, index))?;
    let data = (!mount.data.is_empty()).then_some(mount.data.as_c_str());
    mount::mount(Some(&mount.source), c".", Some(&mount.fstype), mount.flags, data)
        .map_err(nth(Step::Mount, index))?;
    if mount.copy_up {
        // `target` is the directory below the new mount: its content is what the tmpfs starts with.
        let top = existing(mount, index, jail)?;
        super::copy::copy_directory(target, top).map_err(nth(Step::MountCopy, index))?;
    }
    if mount.propagation != 0 || !mount.tree_attr.is_empty() {
        let top = existing(mount, index, jail)?;
        change(top, mount.tree_attr, mount::AT_RECURSIVE, 0).map_err(nth(Step::MountAttr, index))?;
        propagate(mount, top, index)?;
    }
    Ok(())
}

/// cgroup2, or what stands in for it: the host's own tree for a container that has no cgroup namespace of its own, nothing
/// where the kernel has no cgroups at all.
///
/// A new mount made in the host's cgroup namespace would reset the options of the host's hierarchy (nsdelegate,
/// memory_recursiveprot: kernel/cgroup/cgroup.c, apply_cgroup_root_flags), and in a user namespace it is not allowed at all.
fn cgroup(plan: &Plan, mount: &Mount, index: usize, jail: &Jail, fds: Fds<'_>) -> Done<()> {
    const CGROUP2_SUPER_MAGIC: u32 = 0x6367_7270; // linux/magic.h
    let shared = !plan.namespaces.has(ns::CLONE_NEWCGROUP);
    if shared {
        for place in [c"/sys/fs/cgroup", c"/sys/fs/cgroup/unified"] {
            let Ok(tree) = host_tree(place) else { continue };
            if stat::fstatfs(tree).is_ok_and(|stat| stat.kind == CGROUP2_SUPER_MAGIC) {
                match bind(mount, index, jail, Some(tree)) {
                    Err(Fail { step: Step::Mount, errno, .. }) if is_absent(errno) => break,
                    other => return other,
                }
            }
        }
    }
    match filesystem(mount, index, jail) {
        Err(Fail { step: Step::Mount, errno: Errno::NODEV, .. }) => {
            warn(Step::Mount, index, Errno::NODEV, fds)
        }
        Err(Fail { step: Step::Mount, errno: Errno::PERM | Errno::BUSY, .. })
            if shared || plan.namespaces.has(ns::CLONE_NEWUSER) =>
        {
            // cgroup v1 hierarchies on a tmpfs: what holds for one mount must hold for all.
            let tree = host_tree(c"/sys/fs/cgroup").map_err(nth(Step::MountSource, index))?;
            change(tree, mount.attr, mount::AT_RECURSIVE, 0).map_err(nth(Step::MountAttr, index))?;
            bind(mount, index, jail, Some(tree))
        }
        other => other,
    }
}

fn host_tree(place: &CStr) -> syscalls::Result<BorrowedFd<'static>> {
    mount::open_tree(CWD, place, mount::OPEN_TREE_CLONE | mount::AT_RECURSIVE).map(leak)
}

/// `source` is the detached tree to attach where it is there already (id-mapped, or the host's cgroups).
fn bind(mount: &Mount, index: usize, jail: &Jail, source: Option<BorrowedFd<'_>>) -> Done<()> {
    let nofollow = if mount.source_nofollow { fs::AT_SYMLINK_NOFOLLOW } else { 0 };
    let recursive = if mount.kind == MountKind::TreeBind { mount::AT_RECURSIVE } else { 0 };
    let tree = match source {
        Some(tree) => tree,
        None => match mount::open_tree(CWD, &mount.source, mount::OPEN_TREE_CLONE | recursive | nofollow) {
            Ok(tree) => leak(tree),
            Err(errno) if is_absent(errno) => return bind_by_path(mount, index, jail, errno),
            Err(errno) => return Err(nth(Step::MountSource, index)(errno)),
        },
    };
    let target = target_like(tree, mount, index, jail)?;
    let late = match change(tree, mount.attr, 0, 0)
        .and_then(|()| change(tree, mount.tree_attr, mount::AT_RECURSIVE, 0))
        .and_then(|()| change_propagation(tree, mount.propagation))
    {
        Ok(()) => false,
        Err(errno) if is_absent(errno) => true,
        Err(errno) => return Err(nth(Step::MountAttr, index)(errno)),
    };
    match attach(tree, target) {
        Err(errno) if is_absent(errno) && source.is_none() => return bind_by_path(mount, index, jail, errno),
        other => other.map_err(nth(Step::Mount, index))?,
    }
    if late {
        fs::fchdir(tree).map_err(nth(Step::MountTarget, index))?;
        remount_here(mount, index)?;
    }
    Ok(())
}

/// Before Linux 5.2: mount(2) onto the destination as the working directory, or for a file onto its name in there.
fn bind_by_path(mount: &Mount, index: usize, jail: &Jail, absent: Errno) -> Done<()> {
    let nofollow = if mount.source_nofollow { fs::O_NOFOLLOW } else { 0 };
    let source =
        fs::openat(CWD, &mount.source, fs::O_PATH | nofollow, 0).map_err(nth(Step::MountSource, index))?;
    let target = target_like(source.as_fd(), mount, index, jail)?;
    let recursive = if mount.kind == MountKind::TreeBind { mount::MS_REC } else { 0 };
    let flags = mount::MS_BIND | recursive;
    if fs::fchdir(target).is_ok() {
        mount::mount(Some(&mount.source), c".", None, flags, None).map_err(nth(Step::Mount, index))?;
        // The working directory is below the new mount now: look again, and make sure that it is the source.
        let top = existing(mount, index, jail)?;
        same_file(source.as_fd(), top).map_err(nth(Step::MountTarget, index))?;
        fs::fchdir(top).map_err(nth(Step::MountTarget, index))?;
        return remount_here(mount, index);
    }
    let mut buffer = [0; 256];
    let (directory, name) = jail
        .parent(&mount.target, false, links(mount), &mut buffer)
        .map_err(nth(Step::MountTarget, index))?;
    fs::fchdir(directory).map_err(nth(Step::MountTarget, index))?;
    // mount(2) would follow a link here. The open one is not one; if it was swapped meanwhile, that shows afterwards.
    mount::mount(Some(&mount.source), name, None, flags, None).map_err(nth(Step::Mount, index))?;
    let top =
        leak(fs::openat(CWD, name, fs::O_PATH | fs::O_NOFOLLOW, 0).map_err(nth(Step::MountTarget, index))?);
    same_file(source.as_fd(), top).map_err(nth(Step::MountTarget, index))?;
    remount(mount, name).map_err(|_| nth(Step::Mount, index)(absent))
}

fn same_file(a: BorrowedFd<'_>, b: BorrowedFd<'_>) -> syscalls::Result<()> {
    let (a, b) = (stat::fstat(a)?, stat::fstat(b)?);
    match (a.ino, a.dev_major, a.dev_minor) == (b.ino, b.dev_major, b.dev_minor) {
        true => Ok(()),
        false => Err(Errno::LOOP),
    }
}

/// Flags and propagation of the mount in the working directory, where mount_setattr is missing (before Linux 5.12).
fn remount_here(mount: &Mount, index: usize) -> Done<()> {
    remount(mount, c".").map_err(nth(Step::MountAttr, index))
}

fn remount(mount: &Mount, path: &CStr) -> syscalls::Result<()> {
    if !mount.tree_attr.is_empty() {
        return Err(Errno::NOSYS); // there is no other way to change a whole tree
    }
    if !mount.attr.is_empty() {
        let flags = mount::MS_BIND | mount::MS_REMOUNT | mount.flags;
        mount::mount(None, path, None, flags, None)?;
    }
    match early(mount.propagation) {
        0 => Ok(()),
        flags => mount::mount(None, path, None, flags, None),
    }
}

/// The destination for a bind, made like the source when it is missing: a directory for a directory, else a file.
fn target_like(
    source: BorrowedFd<'_>,
    mount: &Mount,
    index: usize,
    jail: &Jail,
) -> Done<BorrowedFd<'static>> {
    match jail.open(&mount.target, 0, links(mount)) {
        Ok(target) => {
            return not_in_proc(mount, target).map(|()| target).map_err(nth(Step::MountTarget, index));
        }
        Err(Errno::NOENT) => {}
        Err(errno) => return Err(nth(Step::MountTarget, index)(errno)),
    }
    let directory =
        stat::fstat(source).map_err(nth(Step::MountSource, index))?.mode & fs::S_IFMT == fs::S_IFDIR;
    match directory {
        true => jail.open_or_make_directory(&mount.target, links(mount)),
        false => jail.open_or_make_file(&mount.target, links(mount)),
    }
    .map_err(nth(Step::MountCreate, index))
}

/// What procfs is told must reach procfs: a link of the image must not lead a mount into it (CVE-2025-52881). Destinations
/// that say `/proc` themselves were judged by name, and follow no link.
fn not_in_proc(mount: &Mount, target: BorrowedFd<'_>) -> syscalls::Result<()> {
    const PROC_SUPER_MAGIC: u32 = 0x9fa0; // linux/magic.h
    let by_name = mount.no_symlinks || mount.target.to_bytes().starts_with(b"proc/");
    match !by_name && stat::fstatfs(target)?.kind == PROC_SUPER_MAGIC {
        true => Err(Errno::PERM),
        false => Ok(()),
    }
}

fn copy_symlink(mount: &Mount, index: usize, jail: &Jail) -> Done<()> {
    let mut text = [0; 4096];
    let text = match fs::readlinkat(CWD, &mount.source, &mut text) {
        Ok(text) => text,
        Err(Errno::INVAL) => return bind(mount, index, jail, None), // not a link: an ordinary bind
        Err(errno) => return Err(nth(Step::MountSource, index)(errno)),
    };
    let mut content = [0; 4097];
    let content = super::resolve::c_path(&mut content, text).map_err(nth(Step::MountSource, index))?;
    let mut buffer = [0; 256];
    let (directory, name) = jail
        .parent(&mount.target, true, Links::Follow, &mut buffer)
        .map_err(nth(Step::MountTarget, index))?;
    match fs::symlinkat(content, directory, name) {
        Err(Errno::EXIST) => {
            let mut have = [0; 4096];
            let have = fs::readlinkat(directory, name, &mut have).map_err(nth(Step::MountCreate, index))?;
            if have == text { Ok(()) } else { Err(nth(Step::MountCreate, index)(Errno::EXIST)) }
        }
        other => other.map_err(nth(Step::MountCreate, index)),
    }
}

/// Attaches a detached tree, descriptor to descriptor.
pub fn attach(tree: BorrowedFd<'_>, target: BorrowedFd<'_>) -> syscalls::Result<()> {
    mount::move_mount(tree, c"", target, c"", mount::MOVE_MOUNT_F_EMPTY_PATH | mount::MOVE_MOUNT_T_EMPTY_PATH)
}

/// Sets and clears attributes; nothing to change costs nothing.
pub fn change(
    tree: BorrowedFd<'_>,
    attr: AttrChange,
    recursive: u32,
    propagation: u32,
) -> syscalls::Result<()> {
    if attr.is_empty() && propagation == 0 {
        return Ok(());
    }
    let attr = MountAttr { set: attr.set, clear: attr.clear, propagation, userns: None };
    mount::mount_setattr(tree, c"", fs::AT_EMPTY_PATH | recursive, &attr)
}

fn change_propagation(tree: BorrowedFd<'_>, propagation: u32) -> syscalls::Result<()> {
    let propagation = early(propagation);
    let recursive = if propagation & mount::MS_REC != 0 { mount::AT_RECURSIVE } else { 0 };
    change(tree, AttrChange::default(), recursive, propagation & !mount::MS_REC)
}

/// Propagation of what is mounted at a descriptor, by the call that every kernel has.
fn propagate(mount: &Mount, target: BorrowedFd<'_>, index: usize) -> Done<()> {
    match early(mount.propagation) {
        0 => Ok(()),
        propagation => propagate_as(propagation, target, index),
    }
}

fn propagate_as(propagation: u32, target: BorrowedFd<'_>, index: usize) -> Done<()> {
    fs::fchdir(target).map_err(nth(Step::MountTarget, index))?;
    mount::mount(None, c".", None, propagation, None).map_err(nth(Step::MountPropagation, index))
}

/// What a mount is made with. Unbindable comes when the root is in place, for a copy of the tree, which takes the place of an
/// initramfs, would leave it out.
fn early(propagation: u32) -> u32 {
    match propagation & mount::MS_UNBINDABLE {
        0 => propagation,
        _ => propagation & mount::MS_REC | mount::MS_PRIVATE,
    }
}

/// Makes unbindable what is to be.
pub fn make_unbindable(plan: &Plan, jail: &Jail) -> Done<()> {
    for (index, mount) in plan.mounts.iter().enumerate() {
        if mount.propagation & mount::MS_UNBINDABLE != 0 {
            propagate_as(mount.propagation, existing(mount, index, jail)?, index)?;
        }
    }
    Ok(())
}

/// A call that this kernel lacks, or that a filter or vendor hides (DESIGN.md: ENOSYS, EPERM, EINVAL and ENOENT all mean
/// "absent"; what is really forbidden or missing is so for the older call as well).
pub fn is_absent(errno: Errno) -> bool {
    matches!(errno, Errno::NOSYS | Errno::PERM | Errno::INVAL | Errno::NOENT)
}

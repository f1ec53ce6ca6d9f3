//! The list of mounts.
//!
//! A new file system goes on with mount(2), by a name that stands for the resolved destination (`names`): nothing is resolved
//! twice, the flags are there with the first moment of the mount, and every kernel can do it. A bind is a
//! detached copy (open_tree), changed while nobody sees it, then attached descriptor to descriptor (R2).

use super::names::At;
use super::resolve::{Jail, Links, PROC_MAGIC, join, name_in, same_file};
use super::{Fds, warn};
use crate::plan::{AttrChange, Mount, MountKind, Plan};
use crate::sync::{Absent, Step, is_absent};
use core::ffi::CStr;
use syscalls::fs;
use syscalls::mount::{self, MountAttr};
use syscalls::{AsFd, BorrowedFd, CWD, Errno, Result, leak, ns, stat, xattr};

/// A tmpfs of this container, just mounted: no name is in it but those that are put there here, so none needs a second look.
#[derive(Clone, Copy)]
pub struct Own<'p> {
    mount: &'p Mount,
    pub top: BorrowedFd<'static>,
}

impl<'p> Own<'p> {
    /// Opens what was mounted. None where a rename has put a directory of the image in its place, or the kernel cannot tell
    /// (before Linux 5.8): mounts are made here by this process only.
    fn open(mount: &'p Mount, jail: &Jail) -> Option<Own<'p>> {
        let top = jail.open(mount.target, fs::O_DIRECTORY, Links::Refuse).ok()?;
        let have = stat::statx(top, c"", fs::AT_EMPTY_PATH, 0).ok()?;
        let is_mount = have.stx_attributes & u64::from(stat::STATX_ATTR_MOUNT_ROOT) != 0;
        is_mount.then_some(Own { mount, top })
    }

    /// Its destination.
    fn path(&self) -> &'p [u8] {
        self.mount.target.to_bytes()
    }

    /// Whether it is still what is seen at its path after a mount elsewhere, on a path without a link.
    fn survives(&self, target: &'p CStr) -> bool {
        let first = |path: &'p CStr| path.to_bytes().split(|byte| *byte == b'/').next();
        target != c"." && first(self.mount.target) != first(target)
    }
}

/// Carries out all mounts in order. The result is the container's own /dev, if that is a new tmpfs.
pub fn mount_all<'p>(plan: &'p Plan, fds: &Fds<'_>) -> Result<Option<Own<'p>>> {
    let mut own = None;
    for (index, mount) in plan.mounts.iter().enumerate() {
        fds.nth(Step::MountTarget, index);
        own = mount_one(plan, index, mount, own, fds)?;
    }
    Ok(own.filter(|own: &Own<'p>| own.path() == b"dev"))
}

/// One of them. `own`: the tmpfs that was mounted last, if more can be made in it; so is the result.
fn mount_one<'p>(
    plan: &'p Plan,
    index: usize,
    mount: &'p Mount,
    own: Option<Own<'p>>,
    fds: &Fds<'_>,
) -> Result<Option<Own<'p>>> {
    let source = fds.setup.sources.get(index).and_then(Option::as_ref).map(AsFd::as_fd);
    let plain = mount.kind == MountKind::Filesystem
        && !mount.copy_up
        && !mount.mode_below
        && mount.label.is_empty()
        && mount.propagation == 0
        && mount.tree_attr.is_empty();
    if let (true, Some(own)) = (plain, &own)
        && let Some(name) = name_in(mount.target, own.path())
    {
        match fs::mkdirat(own.top, name, 0o755) {
            Err(Errno::EXIST) => {}
            other => other?,
        }
        new(mount, (own.top, name), mount.data, source, fds)?;
        return Ok(Some(*own));
    }
    match mount.kind {
        MountKind::Filesystem => {
            filesystem(mount, source, fds)?;
            if !mount.label.is_empty() {
                let top = existing(mount, fds)?;
                fds.at(Step::MountLabel);
                let top = fs::openat(top, c".", fs::O_RDONLY | fs::O_DIRECTORY, 0)?;
                xattr::set(top.as_fd(), c"security.selinux", mount.label.to_bytes())?;
            }
            if plain && mount.fstype.to_bytes() == b"tmpfs" && is_used(plan, index, mount) {
                return Ok(Own::open(mount, &fds.jail));
            }
        }
        MountKind::Cgroup => cgroup(plan, mount, fds)?,
        MountKind::Bind | MountKind::TreeBind => bind(mount.source, mount, source, fds)?,
        MountKind::CopySymlink => copy_symlink(mount, fds)?,
        MountKind::BindRemount => {
            let target = existing(mount, fds)?;
            fds.at(Step::MountAttr);
            change_late(mount, target, &fds.jail)?;
        }
        MountKind::Remount => {
            let target = existing(mount, fds)?;
            fds.at(Step::Mount);
            let flags = mount.flags | mount::MS_REMOUNT;
            fds.jail.mount(None, (target, c""), None, flags, Some(mount.data))?;
            propagate(mount, target, fds)?;
        }
        MountKind::Propagation => propagate(mount, existing(mount, fds)?, fds)?,
    }
    Ok(own.filter(|own| own.survives(mount.target) && mount.no_symlinks))
}

/// Whether more is going to be made in what was just mounted: by the next mount, or the devices.
fn is_used(plan: &Plan, index: usize, mount: &Mount) -> bool {
    let path = mount.target.to_bytes();
    let next = plan.mounts.get(index.saturating_add(1));
    let below = next.and_then(|next| next.target.to_bytes().strip_prefix(path));
    path == b"dev" || below.is_some_and(|below| below.starts_with(b"/"))
}

/// A new file system, or one that has been made already but for its options.
fn new(mount: &Mount, at: At<'_>, data: &CStr, made: Option<BorrowedFd<'_>>, fds: &Fds<'_>) -> Result<()> {
    fds.at(Step::Mount);
    let data = (!data.is_empty()).then_some(data);
    match (made, data) {
        (Some(made), None) => attach_at(made, at),
        (Some(made), _) => attach_at(made, at)
            .and_then(|()| fds.jail.mount(None, (made, c""), None, mount.flags | mount::MS_REMOUNT, data)),
        (None, _) => fds.jail.mount(Some(mount.source), at, Some(mount.fstype), mount.flags, data),
    }
}

fn links(mount: &Mount) -> Links {
    match (mount.no_symlinks, mount.target_nofollow) {
        (true, _) => Links::Refuse,
        (false, true) => Links::LastItself,
        (false, false) => Links::Follow,
    }
}

fn existing(mount: &Mount, fds: &Fds<'_>) -> Result<BorrowedFd<'static>> {
    fds.at(Step::MountTarget);
    fds.jail.open(mount.target, 0, links(mount))
}

fn filesystem(mount: &Mount, made: Option<BorrowedFd<'_>>, fds: &Fds<'_>) -> Result<()> {
    let mut buffer = [0; 4096];
    let data = match mount.mode_below {
        true => data_with_mode(mount, &fds.jail, &mut buffer)?,
        false => mount.data,
    };
    let target = destination(mount, &fds.jail)?;
    new(mount, (target, c""), data, made, fds)?;
    if mount.copy_up {
        // `target` is the directory below the new mount: its content is what the tmpfs starts with.
        let top = existing(mount, fds)?;
        fds.at(Step::MountCopy);
        super::copy::copy_directory(target, top)?;
    }
    if mount.propagation != 0 || !mount.tree_attr.is_empty() {
        let top = existing(mount, fds)?;
        fds.at(Step::MountAttr);
        change(top, mount.tree_attr, mount::AT_RECURSIVE)?;
        propagate(mount, top, fds)?;
    }
    Ok(())
}

/// The data of a tmpfs with the mode of the directory that it is going to cover (runc and crun do so), or where there is none with
/// the kernel's own choice.
fn data_with_mode<'b>(mount: &Mount, jail: &Jail, buffer: &'b mut [u8]) -> Result<&'b CStr> {
    let mode = match jail.open(mount.target, fs::O_DIRECTORY, links(mount)) {
        Ok(below) => stat::fstat(below)?.mode,
        Err(Errno::NOENT) => 0o1777,
        Err(errno) => return Err(errno),
    };
    let stem = mount.data.to_bytes().strip_suffix(b"0000").unwrap_or_default();
    let digits = [9, 6, 3, 0].map(|shift| b'0' | (mode >> shift & 7) as u8);
    join(buffer, &[stem, &digits])
}

/// The directory for a new file system, made where it is missing.
fn destination(mount: &Mount, jail: &Jail) -> Result<BorrowedFd<'static>> {
    // A directory of the root itself, and no link: it is not in a procfs.
    if links(mount) == Links::Follow && !mount.target.to_bytes().contains(&b'/') {
        match jail.open_or_make_directory(mount.target, Links::Refuse) {
            Err(Errno::LOOP) => {}
            other => return other,
        }
    }
    let target = jail.open_or_make_directory(mount.target, links(mount))?;
    not_in_proc(mount, target).map(|()| target)
}

/// cgroup2, or what stands in for it: the host's own tree for a container that has no cgroup namespace of its own, nothing
/// where the kernel has no cgroups at all.
///
/// A new mount made in the host's cgroup namespace would reset the options of the host's hierarchy (nsdelegate,
/// memory_recursiveprot: kernel/cgroup/cgroup.c, apply_cgroup_root_flags), and in a user namespace it is not allowed at all.
fn cgroup(plan: &Plan, mount: &Mount, fds: &Fds<'_>) -> Result<()> {
    const CGROUP2_SUPER_MAGIC: u32 = 0x6367_7270; // linux/magic.h
    let shared = !plan.namespaces.has(ns::CLONE_NEWCGROUP);
    if shared {
        for place in &[c"/sys/fs/cgroup", c"/sys/fs/cgroup/unified"] {
            let Ok(host) = fs::openat(CWD, place, fs::O_PATH, 0) else { continue };
            if stat::fstatfs(host.as_fd()).is_ok_and(|stat| stat.kind == CGROUP2_SUPER_MAGIC) {
                return bind(place, mount, None, fds);
            }
        }
    }
    match (filesystem(mount, None, fds), fds.step.get()) {
        (Err(Errno::NODEV), Step::Mount) => warn(Errno::NODEV, fds),
        // cgroup v1 hierarchies on a tmpfs.
        (Err(Errno::PERM | Errno::BUSY), Step::Mount) if shared || plan.namespaces.has(ns::CLONE_NEWUSER) => {
            bind(c"/sys/fs/cgroup", mount, None, fds)
        }
        (done, _) => done,
    }
}

/// `tree` is the detached tree to attach where it is there already.
fn bind(source: &CStr, mount: &Mount, tree: Option<BorrowedFd<'_>>, fds: &Fds<'_>) -> Result<()> {
    fds.at(Step::MountSource);
    let nofollow = if mount.source_nofollow { fs::AT_SYMLINK_NOFOLLOW } else { 0 };
    let recursive = if is_whole(mount) { mount::AT_RECURSIVE } else { 0 };
    let tree = match tree {
        Some(tree) => tree,
        None => match mount::open_tree(CWD, source, mount::OPEN_TREE_CLONE | recursive | nofollow) {
            Ok(tree) => leak(tree),
            Err(errno) if is_absent(errno) => return bind_by_name(source, mount, fds),
            Err(errno) => return Err(errno),
        },
    };
    let target = target_like(tree, mount, fds)?;
    fds.at(Step::MountAttr);
    // Before the tree is seen, if that can be (Linux 5.12).
    let late = match change(tree, mount.attr, reach(mount))
        .and_then(|()| change(tree, mount.tree_attr, mount::AT_RECURSIVE))
        .and_then(|()| change_propagation(tree, early(mount.propagation)))
    {
        Ok(()) => false,
        Err(errno) if is_absent(errno) => true,
        Err(errno) => return Err(errno),
    };
    fds.at(Step::Mount);
    match attach(tree, target) {
        Err(errno) if is_absent(errno) && mount.idmap.is_none() => {
            return bind_by_name(source, mount, fds);
        }
        other => other?,
    }
    fds.at(Step::MountAttr);
    match late {
        true => change_late(mount, tree, &fds.jail),
        false => Ok(()),
    }
}

/// Before Linux 5.2.
fn bind_by_name(source: &CStr, mount: &Mount, fds: &Fds<'_>) -> Result<()> {
    fds.at(Step::MountSource);
    let nofollow = if mount.source_nofollow { fs::O_NOFOLLOW } else { 0 };
    let source = leak(fs::openat(CWD, source, fs::O_PATH | nofollow, 0)?);
    let target = target_like(source, mount, fds)?;
    fds.at(Step::Mount);
    let recursive = if is_whole(mount) { mount::MS_REC } else { 0 };
    fds.jail.bind((source, c""), (target, c""), recursive)?;
    fds.jail.do_without(Absent::MoveMount);
    if mount.attr.is_empty() && mount.tree_attr.is_empty() && mount.propagation == 0 {
        return Ok(());
    }
    // `target` is below the new mount: look again, and make sure that it is the source.
    let top = existing(mount, fds)?;
    same_file(source, top)?;
    fds.at(Step::MountAttr);
    change_late(mount, top, &fds.jail)
}

/// Whether what is mounted below the source comes along. The host's cgroups may be many mounts, which stand for one.
fn is_whole(mount: &Mount) -> bool {
    matches!(mount.kind, MountKind::TreeBind | MountKind::Cgroup)
}

/// What holds for the one mount of the host's cgroups must hold for all of it.
fn reach(mount: &Mount) -> u32 {
    if mount.kind == MountKind::Cgroup { mount::AT_RECURSIVE } else { 0 }
}

/// Binds one file or directory to another as it is.
pub fn bind_at(source: At<'_>, target: At<'_>, jail: &Jail) -> Result<()> {
    match jail.bind(source, target, 0) {
        Err(Errno::NOSYS) => mount::open_tree(source.0, source.1, fs::AT_EMPTY_PATH | mount::OPEN_TREE_CLONE)
            .and_then(|tree| attach_at(leak(tree), target)),
        other => other,
    }
}

/// Flags and propagation of a mount that can be seen already.
fn change_late(mount: &Mount, at: BorrowedFd<'_>, jail: &Jail) -> Result<()> {
    change_or_remount(at, mount.attr, mount.flags, reach(mount), jail)?;
    change(at, mount.tree_attr, mount::AT_RECURSIVE)?; // there is no other way to change a whole tree
    match early(mount.propagation) {
        0 => Ok(()),
        propagation => mount_again(at, propagation, jail),
    }
}

/// Changes attributes, or where the call for that is missing (before Linux 5.12) remounts with them: `flags` are the MS_* of those
/// that are set. Then what is mounted below keeps its own.
pub fn change_or_remount(
    at: BorrowedFd<'_>,
    attr: AttrChange,
    flags: u32,
    recursive: u32,
    jail: &Jail,
) -> Result<()> {
    match change(at, attr, recursive) {
        Err(errno) if is_absent(errno) => {
            jail.do_without(Absent::MountSetattr);
            let flags = flags | kept_flags(at, attr)?;
            mount_again(at, mount::MS_BIND | mount::MS_REMOUNT | flags, jail)
        }
        other => other,
    }
}

/// The flags that a remount must repeat, or it would clear them (which it may not in a user namespace, and then fails).
pub fn kept_flags(at: BorrowedFd<'_>, attr: AttrChange) -> Result<u32> {
    // ST_* of statfs(2) and MS_*; the first four are the same and equal their MOUNT_ATTR_* too.
    const SAME: u32 = mount::MS_RDONLY | mount::MS_NOSUID | mount::MS_NODEV | mount::MS_NOEXEC;
    const REST: [(u32, u32, u64); 4] = [
        (0x0400, mount::MS_NOATIME, mount::MOUNT_ATTR_ATIME),
        (0x0800, mount::MS_NODIRATIME, mount::MOUNT_ATTR_NODIRATIME),
        (0x1000, mount::MS_RELATIME, mount::MOUNT_ATTR_ATIME),
        (0x2000, mount::MS_NOSYMFOLLOW, mount::MOUNT_ATTR_NOSYMFOLLOW),
    ];
    let have = stat::fstatfs(at)?.flags;
    let kept = REST.iter().filter(|(st, _, named)| have & st != 0 && attr.clear & named == 0);
    Ok(kept.fold(have & SAME & !(attr.clear as u32), |flags, (_, ms, _)| flags | ms))
}

/// mount(2) on what is mounted at a descriptor: another propagation, or other flags.
fn mount_again(at: BorrowedFd<'_>, flags: u32, jail: &Jail) -> Result<()> {
    jail.mount(None, (at, c""), None, flags, None)
}

/// The destination for a bind, made like the source when it is missing: a directory for a directory, else a file.
fn target_like(source: BorrowedFd<'_>, mount: &Mount, fds: &Fds<'_>) -> Result<BorrowedFd<'static>> {
    match existing(mount, fds) {
        Ok(target) => return not_in_proc(mount, target).map(|()| target),
        Err(Errno::NOENT) => {}
        other => return other,
    }
    fds.at(Step::MountSource);
    let kind = stat::fstat(source)?.mode & fs::S_IFMT;
    fds.at(Step::MountCreate);
    match kind {
        fs::S_IFDIR => fds.jail.open_or_make_directory(mount.target, links(mount)),
        _ => fds.jail.open_or_make_file(mount.target, links(mount)),
    }
}

/// What procfs is told must reach procfs: a link of the image must not lead a mount into it (CVE-2025-52881). Destinations
/// that say `/proc` themselves were judged by name, and follow no link.
fn not_in_proc(mount: &Mount, target: BorrowedFd<'_>) -> Result<()> {
    let by_name = mount.no_symlinks || mount.target.to_bytes().starts_with(b"proc/");
    match !by_name && stat::fstatfs(target)?.kind == PROC_MAGIC {
        true => Err(Errno::PERM),
        false => Ok(()),
    }
}

fn copy_symlink(mount: &Mount, fds: &Fds<'_>) -> Result<()> {
    let (directory, name) = fds.jail.parent(mount.target, Links::Follow)?;
    fds.at(Step::MountCreate);
    match fs::symlinkat(mount.source, directory, name) {
        Err(Errno::EXIST) => {
            let mut have = [0; 4096];
            match fs::readlinkat(directory, name, &mut have)? == mount.source.to_bytes() {
                true => Ok(()),
                false => Err(Errno::EXIST),
            }
        }
        other => other,
    }
}

/// Attaches a detached tree, descriptor to descriptor.
pub fn attach(tree: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<()> {
    attach_at(tree, (target, c""))
}

fn attach_at(tree: BorrowedFd<'_>, (directory, name): At<'_>) -> Result<()> {
    let flags = mount::MOVE_MOUNT_F_EMPTY_PATH | mount::MOVE_MOUNT_T_EMPTY_PATH;
    mount::move_mount(tree, c"", directory, name, flags)
}

/// Sets and clears attributes; nothing to change costs nothing.
pub fn change(tree: BorrowedFd<'_>, attr: AttrChange, recursive: u32) -> Result<()> {
    if attr.is_empty() {
        return Ok(());
    }
    let attr = MountAttr { set: attr.set, clear: attr.clear, ..MountAttr::default() };
    mount::mount_setattr(tree, c"", fs::AT_EMPTY_PATH | recursive, &attr)
}

fn change_propagation(tree: BorrowedFd<'_>, propagation: u32) -> Result<()> {
    if propagation == 0 {
        return Ok(());
    }
    let recursive = if propagation & mount::MS_REC != 0 { mount::AT_RECURSIVE } else { 0 };
    let attr = MountAttr { propagation: propagation & !mount::MS_REC, ..MountAttr::default() };
    mount::mount_setattr(tree, c"", fs::AT_EMPTY_PATH | recursive, &attr)
}

/// Propagation of what is mounted at a descriptor, by the call that every kernel has.
fn propagate(mount: &Mount, target: BorrowedFd<'_>, fds: &Fds<'_>) -> Result<()> {
    fds.at(Step::MountPropagation);
    match early(mount.propagation) {
        0 => Ok(()),
        propagation => mount_again(target, propagation, &fds.jail),
    }
}

/// What a mount is made with. Unbindable comes when the root is in place, for a copy of the tree, which takes the place of an
/// initramfs, would leave it out.
fn early(propagation: u32) -> u32 {
    match propagation & mount::MS_UNBINDABLE {
        0 => propagation,
        _ => propagation & mount::MS_REC | mount::MS_PRIVATE,
    }
}

/// Makes read-only and unbindable what is to be so in the end.
pub fn finish_all(plan: &Plan, fds: &Fds<'_>) -> Result<()> {
    for (index, mount) in plan.mounts.iter().enumerate() {
        fds.nth(Step::MountTarget, index);
        if mount.late_readonly {
            let top = existing(mount, fds)?;
            fds.at(Step::MountAttr);
            let flags = mount.flags | mount::MS_RDONLY;
            change_or_remount(top, super::root::READONLY, flags, 0, &fds.jail)?;
        }
        if mount.propagation & mount::MS_UNBINDABLE != 0 {
            let top = existing(mount, fds)?;
            fds.at(Step::MountPropagation);
            mount_again(top, mount.propagation, &fds.jail)?;
        }
    }
    Ok(())
}

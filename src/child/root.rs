//! The root: attached, pivoted to, and then what is hidden or read-only in it.

use super::Fds;
use super::mounts::{Own, attach as attach_tree, bind_at, change, change_or_remount, finish_all, kept_flags};
use super::names::{At, LONGEST};
use super::procfs::{Place, Procfs};
use super::resolve::{Jail, Links, same_file};
use crate::plan::{AttrChange, Device, Plan, Root};
use crate::sync::{Absent, Step, is_absent};
use core::ffi::CStr;
use syscalls::fs::{self, O_DIRECTORY};
use syscalls::mount::{
    self, AT_RECURSIVE, MNT_DETACH, MOUNT_ATTR_RDONLY, MS_BIND, MS_MOVE, MS_PRIVATE, MS_RDONLY, MS_REC,
    MS_REMOUNT, MS_SHARED, MS_SLAVE, MS_UNBINDABLE, OPEN_TREE_CLONE,
};
use syscalls::{BorrowedFd, CWD, Errno, Result, leak, ns, stat};

/// Read-only, of statfs(2)'s flags.
pub const ST_RDONLY: u32 = 1;
pub const READONLY: AttrChange = AttrChange { set: MOUNT_ATTR_RDONLY, clear: 0 };

/// Makes the rootfs a mount of its own, in a mount namespace that nothing leaves, and opens it.
///
/// Slave rather than private unless asked: binds that want `rslave` still need a master to follow.
pub fn attach(root: &Root, fds: &Fds<'_>) -> Result<()> {
    fds.at(Step::Propagation);
    // What is unbindable could not be made a mount of its own below: it comes last, in `protect`.
    let late = root.propagation & (MS_SHARED | MS_UNBINDABLE) != 0;
    let leaves_nothing = if late { MS_SLAVE | MS_REC } else { root.propagation };
    mount::mount(None, c"/", None, leaves_nothing, None)?;
    fds.at(Step::RootBind);
    let directory = leak(fs::openat(CWD, root.path, fs::O_PATH | O_DIRECTORY, 0)?);
    fds.at(Step::RootAttach);
    let tree = mount::open_tree(directory, c"", fs::AT_EMPTY_PATH | OPEN_TREE_CLONE | AT_RECURSIVE);
    fds.jail.enter_names(); // a procfs that is mounted for it is not the container's
    let tree = match tree.map(leak).and_then(|tree| attach_tree(tree, directory).map(|()| tree)) {
        Err(errno) if is_absent(errno) => {
            fds.at(Step::RootBind);
            let below = (directory, c"");
            fds.jail.bind(below, below, MS_REC)?;
            let tree = leak(fs::openat(CWD, root.path, fs::O_PATH | O_DIRECTORY, 0)?);
            same_file(directory, tree)?;
            fds.jail.do_without(Absent::MoveMount);
            tree
        }
        other => other?,
    };
    fds.jail.set_root(tree);
    Ok(())
}

/// Makes the jail the root of this mount namespace, and detaches everything of the host's.
pub fn pivot(root: &Root, fds: &Fds<'_>) -> Result<()> {
    fds.at(Step::Pivot);
    let mut buffer = [0; LONGEST];
    let name = fds.jail.name((fds.jail.root(), c""), &mut buffer)?;
    let pivoted = match root.no_pivot {
        true => Err(Errno::INVAL),
        false => mount::pivot_root(name, name),
    };
    match pivoted {
        // The old root is stacked on the new one (pivot_root(2)).
        Ok(()) => {
            fds.at(Step::Detach);
            mount::umount(name, MNT_DETACH)
        }
        // The root mount of an initramfs has no parent and cannot be exchanged (before Linux 7.0).
        Err(Errno::INVAL) => {
            fds.jail.enter()?;
            fds.jail.set_root(replace_root()?);
            Ok(())
        }
        Err(errno) => Err(errno),
    }
}

/// The container's tree, in the working directory, takes the place of everything that is mounted on an initramfs root.
///
/// Moving it over `/` and changing root would leave the host's /proc and /sys in the namespace, and a process in a user
/// namespace of its own could then mount an unmasked /proc (the kernel's mount_too_revealing asks whether one is visible).
/// So the host's mounts are really taken off, without a list of them: a copy of the whole tree, laid over `/`, is a peer of the
/// original, and unmounting the copy propagates. Tried on 6.1 and 6.12, ramfs and tmpfs.
fn replace_root() -> Result<BorrowedFd<'static>> {
    // Both calls or neither (Linux 5.2), but a profile may deny one alone: after the host's mounts are gone it is too late to
    // find out. A flag that does not exist tells.
    let probe = mount::move_mount(CWD, c"", CWD, c"", u32::MAX);
    if matches!(probe, Err(Errno::NOSYS | Errno::PERM | Errno::NOENT)) {
        return replace_root_by_move();
    }
    let tree = match mount::open_tree(CWD, c".", OPEN_TREE_CLONE | AT_RECURSIVE) {
        Ok(tree) => leak(tree),
        Err(errno) if is_absent(errno) => return replace_root_by_move(),
        Err(errno) => return Err(errno),
    };
    // Out of every peer group first: what follows must not reach the host's mounts.
    mount::mount(None, c"/", None, MS_REC | MS_PRIVATE, None)?;
    mount::mount(None, c"/", None, MS_REC | MS_SHARED, None)?;
    mount::mount(Some(c"/"), c"/", None, MS_BIND | MS_REC, None)?;
    // `..` of the root follows mounts: it is the copy on top.
    mount::umount(c"/..", MNT_DETACH)?;
    mount::mount(None, c"/", None, MS_PRIVATE, None)?;
    mount::move_mount(tree, c"", CWD, c"/", mount::MOVE_MOUNT_F_EMPTY_PATH)?;
    fs::fchdir(tree)?;
    fs::chroot(c".")?;
    fs::chdir(c"/")?;
    Ok(tree)
}

/// The same before Linux 5.2. The container's own mounts end up private.
fn replace_root_by_move() -> Result<BorrowedFd<'static>> {
    mount::mount(None, c"/", None, MS_REC | MS_PRIVATE, None)?;
    mount::mount(Some(c"."), c"/", None, MS_MOVE, None)?;
    mount::mount(None, c"/", None, MS_REC | MS_SHARED, None)?;
    mount::mount(None, c".", None, MS_REC | MS_PRIVATE, None)?;
    mount::mount(None, c".", None, MS_UNBINDABLE, None)?;
    mount::mount(Some(c"/"), c"/", None, MS_BIND | MS_REC, None)?;
    mount::umount(c"/..", MNT_DETACH)?;
    mount::mount(None, c".", None, MS_PRIVATE, None)?;
    fs::chroot(c".")?;
    fs::chdir(c"/")?;
    fs::openat(CWD, c"/", fs::O_PATH | O_DIRECTORY, 0).map(leak)
}

/// Takes the finished container along into a mount namespace that was joined: as a tree that is attached nowhere in it, so that
/// who lives there sees none of it, loses nothing, and has nothing left over when the container ends. As pivot_root would, the
/// root of every process in there would become the container's.
pub fn take_along(plan: &Plan, namespace: BorrowedFd<'_>, fds: &Fds<'_>) -> Result<()> {
    fds.at(Step::RootAttach);
    let place = plan.namespaces.join.iter().position(|join| join.kind == ns::CLONE_NEWNS).unwrap_or(0);
    let flags = fs::AT_EMPTY_PATH | OPEN_TREE_CLONE | AT_RECURSIVE;
    let root = leak(mount::open_tree(fds.jail.root(), c"", flags)?);
    fds.jail.set_root(root);
    fds.nth(Step::Join, place);
    ns::setns(namespace, ns::CLONE_NEWNS)?;
    fs::fchdir(root)?;
    fs::chroot(c".")
}

/// Read-only paths, masked paths, the root itself, and last its propagation.
pub fn protect(plan: &Plan, own: Option<Own<'_>>, fds: &Fds<'_>) -> Result<()> {
    let mut proc = Procfs::unknown();
    if !(plan.readonly.is_empty() && plan.masked.is_empty()) {
        proc.look(&fds.jail).unwrap_or_default();
    }
    readonly_all(plan, &proc, fds)?;
    mask_all(plan, &proc, own, fds)?;
    if plan.root.readonly {
        fds.at(Step::RootReadonly);
        change_or_remount(fds.jail.root(), READONLY, MS_RDONLY, 0, &fds.jail)?;
    }
    // Last: nothing can be made from an unbindable mount any more.
    finish_all(plan, fds)?;
    if plan.root.propagation & (MS_SHARED | MS_UNBINDABLE) != 0 {
        fds.at(Step::RootPropagation);
        mount::mount(None, c"/", None, plan.root.propagation, None)?;
    }
    Ok(())
}

/// Covers paths with read-only copies of themselves.
///
/// What is bound has the flags of what it is a part of: a procfs that is read-only meanwhile gives read-only binds, with one call
/// for each. What is mounted below would keep its own flags.
fn readonly_all(plan: &Plan, proc: &Procfs, fds: &Fds<'_>) -> Result<()> {
    let covered = plan.mounts.iter().any(|mount| mount.target.to_bytes().starts_with(b"proc/"));
    let top = proc.top.filter(|top| {
        !plan.readonly.is_empty() && !covered && (proc.is_readonly || change(*top, READONLY, 0).is_ok())
    });
    for (index, path) in plan.readonly.iter().enumerate() {
        fds.nth(Step::Readonly, index);
        match top.map_or(Place::Elsewhere, |_| proc.place(path)) {
            Place::Nowhere => {}
            Place::Directory(at) | Place::File(at) => match fds.jail.bind(at, at, 0) {
                Err(Errno::NOSYS) => readonly(&fds.jail, path)?,
                other => other?,
            },
            Place::Elsewhere => readonly(&fds.jail, path)?,
        }
    }
    match top {
        Some(top) if !proc.is_readonly => {
            let writable = AttrChange { set: 0, clear: MOUNT_ATTR_RDONLY };
            change(top, writable, 0)
        }
        _ => Ok(()),
    }
}

/// One that is not there needs no cover.
fn readonly(jail: &Jail, path: &CStr) -> Result<()> {
    let target = match jail.open(path, 0, Links::Follow) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
        other => other?,
    };
    let flags = fs::AT_EMPTY_PATH | OPEN_TREE_CLONE | AT_RECURSIVE;
    let attr = mount::MountAttr { set: READONLY.set, ..Default::default() };
    let (tree, late) = match mount::open_tree_attr(target, c"", flags, &attr) {
        Ok(tree) => (leak(tree), false),
        // Before Linux 6.15: two calls.
        Err(errno) if is_absent(errno) => match mount::open_tree(target, c"", flags) {
            Ok(tree) => {
                let tree = leak(tree);
                match change(tree, READONLY, AT_RECURSIVE) {
                    Err(errno) if is_absent(errno) => (tree, true),
                    other => other.map(|()| (tree, false))?,
                }
            }
            Err(errno) if is_absent(errno) => return readonly_by_name(jail, path, target),
            Err(errno) => return Err(errno),
        },
        Err(errno) => return Err(errno),
    };
    match attach_tree(tree, target) {
        Err(errno) if is_absent(errno) => readonly_by_name(jail, path, target),
        Ok(()) if late => remount_readonly(jail, path, tree),
        other => other,
    }
}

/// Before Linux 5.2.
fn readonly_by_name(jail: &Jail, path: &CStr, target: BorrowedFd<'_>) -> Result<()> {
    jail.bind((target, c""), (target, c""), MS_REC)?;
    let top = jail.open(path, 0, Links::Follow)?;
    same_file(target, top)?;
    remount_readonly(jail, path, top)
}

/// Before Linux 5.12: the mount at a descriptor, whose path is the last resort for a file that has no other name. What counts is
/// that the mount is read-only in the end.
fn remount_readonly(jail: &Jail, path: &CStr, top: BorrowedFd<'_>) -> Result<()> {
    match change_or_remount(top, READONLY, MS_RDONLY, 0, jail) {
        Err(Errno::NOTDIR) => {
            jail.enter()?;
            let flags = MS_BIND | MS_REMOUNT | MS_RDONLY | kept_flags(top, READONLY)?;
            mount::mount(None, path, None, flags, None)?;
        }
        other => other?,
    }
    match stat::fstatfs(top)?.flags & ST_RDONLY {
        0 => Err(Errno::LOOP),
        _ => Ok(()),
    }
}

/// Covers files with the null device and directories with an empty read-only tmpfs. The null device is the container's own,
/// checked to be it, so that no name in the image decides what a mask shows (CVE-2025-31133).
fn mask_all(plan: &Plan, proc: &Procfs, own: Option<Own<'_>>, fds: &Fds<'_>) -> Result<()> {
    if plan.masked.is_empty() {
        return Ok(());
    }
    const NULL: (u32, u32, u32) = (fs::S_IFCHR, 1, 3);
    let is_null = |device: &Device| {
        device.path == c"dev/null" && (device.mode & fs::S_IFMT, device.major, device.minor) == NULL
    };
    fds.at(Step::MaskDevice);
    let null = match own {
        // What was made there is what is there.
        Some(own) if plan.devices.iter().any(is_null) => (own.top, c"null"),
        _ => {
            let null = fds.jail.open(c"dev/null", 0, Links::Refuse)?;
            let have = stat::fstat(null)?;
            if (have.mode & fs::S_IFMT, have.rdev_major, have.rdev_minor) != NULL {
                return Err(Errno::NODEV);
            }
            (null, c"")
        }
    };
    for (index, path) in plan.masked.iter().enumerate() {
        fds.nth(Step::Masked, index);
        mask(path, plan.mask_data, &fds.jail, proc, null)?;
    }
    Ok(())
}

fn mask(path: &CStr, data: &CStr, jail: &Jail, proc: &Procfs, null: At<'_>) -> Result<()> {
    let target = match proc.place(path) {
        Place::Nowhere => return Ok(()),
        Place::File(at) => return bind_at(null, at, jail),
        Place::Directory(at) => at,
        Place::Elsewhere => match jail.open(path, 0, Links::Follow) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            other => (other?, c""),
        },
    };
    // An empty tmpfs that nobody can write to.
    let flags = MS_RDONLY | mount::MS_NOSUID | mount::MS_NODEV | mount::MS_NOEXEC;
    match jail.mount(Some(c"tmpfs"), target, Some(c"tmpfs"), flags, Some(data)) {
        Err(Errno::NOTDIR) => bind_at(null, target, jail),
        other => other,
    }
}

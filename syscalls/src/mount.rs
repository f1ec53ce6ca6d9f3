//! Mounts: the old call, and the ones with descriptors (Linux 5.2: fsopen, fspick, fsconfig, fsmount, open_tree, move_mount).
//!
//! Without `AT_EMPTY_PATH` or `MOVE_MOUNT_*_EMPTY_PATH` an empty path is `ENOENT`; a mount is reached through a descriptor that was
//! opened *after* it was mounted, and only in the mount namespace that it is in.
//!
//! # Safety
//!
//! Strings, descriptors and fixed-size structs.

use crate::call::{ret_fd, ret_unit};
use core::ffi::CStr;
use linux_raw_sys::general as k;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Result;

pub use linux_raw_sys::general::{
    AT_RECURSIVE, FSPICK_EMPTY_PATH, FSPICK_NO_AUTOMOUNT, FSPICK_SYMLINK_NOFOLLOW, MNT_DETACH, MNT_EXPIRE,
    MNT_FORCE, MOVE_MOUNT_BENEATH, MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_F_SYMLINKS, MOVE_MOUNT_T_EMPTY_PATH,
    MOVE_MOUNT_T_SYMLINKS, MS_BIND, MS_DIRSYNC, MS_I_VERSION, MS_LAZYTIME, MS_MANDLOCK, MS_MOVE, MS_NOATIME,
    MS_NODEV, MS_NODIRATIME, MS_NOEXEC, MS_NOSUID, MS_NOSYMFOLLOW, MS_POSIXACL, MS_PRIVATE, MS_RDONLY,
    MS_REC, MS_RELATIME, MS_REMOUNT, MS_SHARED, MS_SILENT, MS_SLAVE, MS_STRICTATIME, MS_SYNCHRONOUS,
    MS_UNBINDABLE, OPEN_TREE_CLONE, UMOUNT_NOFOLLOW,
};

/// Read-only.
pub const MOUNT_ATTR_RDONLY: u64 = k::MOUNT_ATTR_RDONLY as u64;
/// Set-id bits and file capabilities do not count.
pub const MOUNT_ATTR_NOSUID: u64 = k::MOUNT_ATTR_NOSUID as u64;
/// Device nodes cannot be opened.
pub const MOUNT_ATTR_NODEV: u64 = k::MOUNT_ATTR_NODEV as u64;
/// Nothing can be executed.
pub const MOUNT_ATTR_NOEXEC: u64 = k::MOUNT_ATTR_NOEXEC as u64;
/// The field of access-time modes: clear it whole before setting one.
pub const MOUNT_ATTR_ATIME: u64 = k::MOUNT_ATTR__ATIME as u64;
/// Access times relative to modification (the value is 0).
pub const MOUNT_ATTR_RELATIME: u64 = k::MOUNT_ATTR_RELATIME as u64;
/// No access times.
pub const MOUNT_ATTR_NOATIME: u64 = k::MOUNT_ATTR_NOATIME as u64;
/// Every access time.
pub const MOUNT_ATTR_STRICTATIME: u64 = k::MOUNT_ATTR_STRICTATIME as u64;
/// No access times of directories.
pub const MOUNT_ATTR_NODIRATIME: u64 = k::MOUNT_ATTR_NODIRATIME as u64;
/// Ids are mapped by [`MountAttr::userns`]. Linux 5.12.
pub const MOUNT_ATTR_IDMAP: u64 = k::MOUNT_ATTR_IDMAP as u64;
/// Symbolic links are not followed. Linux 5.14.
pub const MOUNT_ATTR_NOSYMFOLLOW: u64 = k::MOUNT_ATTR_NOSYMFOLLOW as u64;

/// mount(2). `data` is the file system's comma-separated options, at most a page.
pub fn mount(
    source: Option<&CStr>,
    target: &CStr,
    fstype: Option<&CStr>,
    flags: u32,
    data: Option<&CStr>,
) -> Result<()> {
    // SAFETY: strings or null. The kernel copies up to a page from `data` and takes a fault at its end as the end.
    ret_unit(unsafe { sys!(k::__NR_mount, source, target, fstype, flags, data) })
}

/// umount2 with `MNT_*` and `UMOUNT_NOFOLLOW`.
pub fn umount(target: &CStr, flags: u32) -> Result<()> {
    // SAFETY: a string. (The call is named umount2 on every architecture that has both.)
    ret_unit(unsafe { sys!(k::__NR_umount2, target, flags) })
}

/// pivot_root: `("." , ".")` in the new root stacks the old one on top of it, to be unmounted.
///
/// `EINVAL` on a root that is ramfs (an initramfs), before Linux 7.0.
pub fn pivot_root(new_root: &CStr, put_old: &CStr) -> Result<()> {
    // SAFETY: strings.
    ret_unit(unsafe { sys!(k::__NR_pivot_root, new_root, put_old) })
}

/// fsopen: a context in which a file system of this type is configured. Reading it gives the log. Linux 5.2.
pub fn fsopen(fstype: &CStr) -> Result<OwnedFd> {
    // SAFETY: a string, and a new descriptor.
    unsafe { ret_fd(sys!(k::__NR_fsopen, fstype, k::FSOPEN_CLOEXEC)) }
}

/// fspick: the context of an existing mount's file system, to reconfigure it. Linux 5.2.
pub fn fspick(dir: BorrowedFd<'_>, path: &CStr, flags: u32) -> Result<OwnedFd> {
    // SAFETY: a string, and a new descriptor.
    unsafe { ret_fd(sys!(k::__NR_fspick, dir, path, k::FSPICK_CLOEXEC | flags)) }
}

/// fsconfig(SET_FLAG): an option without a value. Linux 5.2.
pub fn fsconfig_flag(fs: BorrowedFd<'_>, key: &CStr) -> Result<()> {
    // SAFETY: a string.
    ret_unit(unsafe { sys!(k::__NR_fsconfig, fs, SET_FLAG, key, 0usize, 0usize) })
}

/// fsconfig(SET_STRING): an option with a value; `source` is one. At most 256 bytes. Linux 5.2.
pub fn fsconfig_string(fs: BorrowedFd<'_>, key: &CStr, value: &CStr) -> Result<()> {
    // SAFETY: strings.
    ret_unit(unsafe { sys!(k::__NR_fsconfig, fs, SET_STRING, key, value, 0usize) })
}

/// fsconfig(SET_FD): an option whose value is an open file. Linux 5.2.
pub fn fsconfig_fd(fs: BorrowedFd<'_>, key: &CStr, value: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: a string and a descriptor.
    ret_unit(unsafe { sys!(k::__NR_fsconfig, fs, SET_FD, key, 0usize, value) })
}

/// fsconfig(CMD_CREATE): makes the superblock, or finds one. Linux 5.2.
pub fn fsconfig_create(fs: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: no memory.
    ret_unit(unsafe { sys!(k::__NR_fsconfig, fs, CMD_CREATE, 0usize, 0usize, 0usize) })
}

/// fsconfig(CMD_RECONFIGURE): changes the superblock of an [`fspick`]. Linux 5.2.
pub fn fsconfig_reconfigure(fs: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: no memory.
    ret_unit(unsafe { sys!(k::__NR_fsconfig, fs, CMD_RECONFIGURE, 0usize, 0usize, 0usize) })
}

// enum fsconfig_command, include/uapi/linux/mount.h
const SET_FLAG: u32 = 0;
const SET_STRING: u32 = 1;
const SET_FD: u32 = 5;
const CMD_CREATE: u32 = 6;
const CMD_RECONFIGURE: u32 = 7;

/// fsmount: a detached mount of a created context, with `MOUNT_ATTR_*`. Linux 5.2.
pub fn fsmount(fs: BorrowedFd<'_>, attributes: u64) -> Result<OwnedFd> {
    // SAFETY: a new descriptor; all attributes that fsmount knows fit 32 bits, others become EINVAL.
    unsafe { ret_fd(sys!(k::__NR_fsmount, fs, k::FSMOUNT_CLOEXEC, low(attributes)?)) }
}

/// open_tree: a mount by path, as it is, or a detached copy with `OPEN_TREE_CLONE` (and `AT_RECURSIVE`).
/// Also `AT_EMPTY_PATH`, `AT_SYMLINK_NOFOLLOW`, `AT_NO_AUTOMOUNT`. Linux 5.2.
pub fn open_tree(dir: BorrowedFd<'_>, path: &CStr, flags: u32) -> Result<OwnedFd> {
    // SAFETY: a string, and a new descriptor.
    unsafe { ret_fd(sys!(k::__NR_open_tree, dir, path, k::OPEN_TREE_CLOEXEC | flags)) }
}

/// open_tree_attr: [`open_tree`] and [`mount_setattr`] in one, which may also change an id-mapping. Linux 6.15.
pub fn open_tree_attr(dir: BorrowedFd<'_>, path: &CStr, flags: u32, attr: &MountAttr<'_>) -> Result<OwnedFd> {
    let raw = attr.raw();
    let flags = k::OPEN_TREE_CLOEXEC | flags;
    // SAFETY: a string, a struct with its size, and a new descriptor.
    unsafe {
        ret_fd(sys!(k::__NR_open_tree_attr, dir, path, flags, &raw const raw, size_of::<RawMountAttr>()))
    }
}

/// move_mount: attaches or moves a mount. Symbolic links at the ends are followed only with `MOVE_MOUNT_*_SYMLINKS`. Linux 5.2.
pub fn move_mount(
    from: BorrowedFd<'_>,
    from_path: &CStr,
    to: BorrowedFd<'_>,
    to_path: &CStr,
    flags: u32,
) -> Result<()> {
    // SAFETY: strings.
    ret_unit(unsafe { sys!(k::__NR_move_mount, from, from_path, to, to_path, flags) })
}

/// What [`mount_setattr`] changes.
#[derive(Clone, Copy, Debug, Default)]
pub struct MountAttr<'fd> {
    /// `MOUNT_ATTR_*` to set.
    pub set: u64,
    /// `MOUNT_ATTR_*` to clear, before.
    pub clear: u64,
    /// `MS_SHARED`, `MS_PRIVATE`, `MS_SLAVE`, `MS_UNBINDABLE`, or 0 to leave it.
    pub propagation: u32,
    /// The user namespace whose maps are used with `MOUNT_ATTR_IDMAP`.
    pub userns: Option<BorrowedFd<'fd>>,
}

impl MountAttr<'_> {
    fn raw(&self) -> RawMountAttr {
        use rustix::fd::AsRawFd;
        RawMountAttr {
            set: self.set,
            clear: self.clear,
            propagation: u64::from(self.propagation),
            userns: self.userns.map_or(0, |fd| fd.as_raw_fd() as u64),
        }
    }
}

/// struct mount_attr, 32 bytes since Linux 5.12.
#[repr(C)]
pub(crate) struct RawMountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

/// mount_setattr: changes one mount, or with `AT_RECURSIVE` a tree, all or nothing. Also `AT_EMPTY_PATH`,
/// `AT_SYMLINK_NOFOLLOW`. `EINVAL` for a path that is no mount point. Linux 5.12.
pub fn mount_setattr(dir: BorrowedFd<'_>, path: &CStr, flags: u32, attr: &MountAttr<'_>) -> Result<()> {
    let raw = attr.raw();
    // SAFETY: a string and a struct with its size.
    ret_unit(unsafe {
        sys!(k::__NR_mount_setattr, dir, path, flags, &raw const raw, size_of::<RawMountAttr>())
    })
}

fn low(flags: u64) -> Result<u32> {
    u32::try_from(flags).map_err(|_| rustix::io::Errno::INVAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Directory, holds_in_child, root};
    use crate::{AsFd, CWD, Errno, fs, stat};

    const EMPTY: u32 = fs::AT_EMPTY_PATH;

    /// In `directory`, in a mount namespace of its own. (The working directory is carried over to it; a descriptor is not.)
    fn private(directory: BorrowedFd<'_>) -> Result<()> {
        fs::fchdir(directory)?;
        crate::ns::unshare(crate::ns::CLONE_NEWNS)?;
        mount(None, c"/", None, MS_REC | MS_PRIVATE, None)
    }

    #[test]
    fn structs_have_the_kernels_size() {
        assert_eq!(size_of::<RawMountAttr>(), 32);
    }

    #[test]
    fn a_detached_tmpfs_is_made_sealed_and_attached() {
        if !root("a_detached_tmpfs_is_made_sealed_and_attached") {
            return;
        }
        let directory = Directory::new();
        std::fs::create_dir(directory.path.join("target")).unwrap();
        let here = directory.fd.as_fd();
        holds_in_child(|| {
            private(here)?;
            let context = fsopen(c"tmpfs")?;
            fsconfig_string(context.as_fd(), c"mode", c"0700")?;
            fsconfig_create(context.as_fd())?;
            let tree = fsmount(context.as_fd(), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)?;
            fs::mkdirat(tree.as_fd(), c"made", 0o755)?;
            let attr = MountAttr { set: MOUNT_ATTR_RDONLY, ..MountAttr::default() };
            mount_setattr(tree.as_fd(), c"", EMPTY, &attr)?;
            let sealed = fs::mkdirat(tree.as_fd(), c"late", 0o755) == Err(Errno::ROFS);
            move_mount(tree.as_fd(), c"", CWD, c"target", MOVE_MOUNT_F_EMPTY_PATH)?;
            let seen = fs::openat(CWD, c"target/made", fs::O_PATH, 0)?;
            let stat = stat::fstatfs(seen.as_fd())?;
            Ok(sealed && stat.flags & 0xf == 1 | 2 | 4 && stat.kind == 0x0102_1994)
        });
        // Nothing of it is seen from here.
        assert_eq!(std::fs::read_dir(directory.path.join("target")).unwrap().count(), 0);
    }

    #[test]
    fn a_file_system_is_reconfigured_where_it_is_mounted() {
        if !root("a_file_system_is_reconfigured_where_it_is_mounted") {
            return;
        }
        let directory = Directory::new();
        std::fs::create_dir(directory.path.join("target")).unwrap();
        let here = directory.fd.as_fd();
        holds_in_child(|| {
            private(here)?;
            mount(Some(c"none"), c"target", Some(c"tmpfs"), 0, None)?;
            fs::mkdirat(CWD, c"target/early", 0o755)?;
            let context = fspick(CWD, c"target", FSPICK_NO_AUTOMOUNT)?;
            fsconfig_flag(context.as_fd(), c"ro")?;
            fsconfig_reconfigure(context.as_fd())?;
            Ok(fs::mkdirat(CWD, c"target/late", 0o755) == Err(Errno::ROFS))
        });
    }

    #[test]
    fn a_copy_of_a_tree_is_made_with_its_attributes() {
        if !root("a_copy_of_a_tree_is_made_with_its_attributes") {
            return;
        }
        let directory = Directory::new();
        let here = directory.fd.as_fd();
        holds_in_child(|| {
            private(here)?;
            let attr = MountAttr { set: MOUNT_ATTR_RDONLY, ..MountAttr::default() };
            let tree = open_tree_attr(CWD, c".", OPEN_TREE_CLONE, &attr)?;
            fs::mkdirat(CWD, c"original", 0o755)?;
            Ok(fs::mkdirat(tree.as_fd(), c"copy", 0o755) == Err(Errno::ROFS))
        });
    }

    #[test]
    fn a_descriptor_is_an_option_where_the_file_system_takes_one() {
        let name = "a_descriptor_is_an_option_where_the_file_system_takes_one";
        if !root(name) {
            return;
        }
        // procfs takes a pid namespace since Linux 6.17, and nothing else.
        let (Ok(good), Ok(bad)) = (fsopen(c"proc"), fsopen(c"proc")) else {
            std::println!("SKIP {name}: no fsopen");
            return;
        };
        let pid = fs::openat(CWD, c"/proc/self/ns/pid", 0, 0).unwrap();
        let uts = fs::openat(CWD, c"/proc/self/ns/uts", 0, 0).unwrap();
        if fsconfig_fd(good.as_fd(), c"pidns", pid.as_fd()).is_err() {
            std::println!("SKIP {name}: procfs without pidns");
            return;
        }
        assert_eq!(fsconfig_fd(bad.as_fd(), c"pidns", uts.as_fd()), Err(Errno::INVAL));
    }

    #[test]
    fn the_context_tells_why_it_refused() {
        if !root("the_context_tells_why_it_refused") {
            return;
        }
        let Ok(context) = fsopen(c"tmpfs") else {
            std::println!("SKIP the_context_tells_why_it_refused: no fsopen");
            return;
        };
        assert_eq!(fsconfig_flag(context.as_fd(), c"no-such-option"), Err(Errno::INVAL));
        let mut log = [0; 128];
        let len = crate::fd::read(context.as_fd(), &mut log).unwrap();
        let log = core::str::from_utf8(&log[..len]).unwrap();
        assert!(log.contains("no-such-option"), "{log}");
    }

    #[test]
    fn the_old_calls_bind_and_unmount() {
        if !root("the_old_calls_bind_and_unmount") {
            return;
        }
        let directory = Directory::new();
        std::fs::create_dir(directory.path.join("from")).unwrap();
        std::fs::create_dir(directory.path.join("to")).unwrap();
        let here = directory.fd.as_fd();
        holds_in_child(|| {
            private(here)?;
            mount(Some(c"none"), c"from", Some(c"tmpfs"), MS_NOEXEC, Some(c"size=64k,mode=0711"))?;
            mount(Some(c"from"), c"to", None, MS_BIND, None)?;
            let to = stat::fstatat(CWD, c"to", 0)?;
            let same = to == stat::fstatat(CWD, c"from", 0)? && to.mode & 0o7777 == 0o711;
            let copy = open_tree(CWD, c"to", OPEN_TREE_CLONE)?;
            umount(c"to", MNT_DETACH | UMOUNT_NOFOLLOW)?;
            let apart = stat::fstatat(CWD, c"to", 0)?.ino != to.ino
                || stat::fstatat(CWD, c"to", 0)?.dev_minor != to.dev_minor;
            Ok(same && apart && stat::fstat(copy.as_fd())? == to)
        });
    }

    #[test]
    fn pivot_root_makes_a_tmpfs_the_root() {
        if !root("pivot_root_makes_a_tmpfs_the_root") {
            return;
        }
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        if mounts.contains(" - rootfs ") {
            std::println!("SKIP pivot_root_makes_a_tmpfs_the_root: the root is the initramfs");
            return;
        }
        let directory = Directory::new();
        let here = directory.fd.as_fd();
        holds_in_child(|| {
            private(here)?;
            mount(Some(c"none"), c".", Some(c"tmpfs"), 0, None)?;
            // "." is still the directory below the mount: step onto it.
            let mut path = [0; 256];
            let len = fs::getcwd(&mut path)?.len();
            let text = CStr::from_bytes_with_nul(path.get(..=len).unwrap_or(b"\0")).unwrap_or(c"");
            fs::chdir(text)?;
            pivot_root(c".", c".")?;
            umount(c".", MNT_DETACH)?;
            fs::chdir(c"/")?;
            Ok(stat::fstatat(CWD, c"/proc", 0).err() == Some(Errno::NOENT)
                && stat::fstatat(CWD, c"/", 0)? == stat::fstatat(CWD, c"/..", 0)?)
        });
    }
}

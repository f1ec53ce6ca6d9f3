//! What a file and a file system are.
//!
//! # Safety
//!
//! Kernel structs of `linux-raw-sys`, which are integers only, filled by the kernel.

use crate::call::ret_unit;
use core::ffi::CStr;
use core::mem::zeroed;
use linux_raw_sys::general as k;
use rustix::fd::BorrowedFd;
use rustix::io::Result;

pub use linux_raw_sys::general::{
    STATX_ATTR_MOUNT_ROOT, STATX_BASIC_STATS, STATX_MNT_ID, STATX_MNT_ID_UNIQUE, STATX_MODE, STATX_TYPE,
};

/// What is asked of files here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Major number of the file system's device.
    pub dev_major: u32,
    /// Minor number of the file system's device.
    pub dev_minor: u32,
    /// Inode.
    pub ino: u64,
    /// Type and permissions.
    pub mode: u32,
    /// Hard links.
    pub nlink: u64,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Major number, for a device node.
    pub rdev_major: u32,
    /// Minor number, for a device node.
    pub rdev_minor: u32,
    /// Bytes.
    pub size: u64,
    /// When the content was changed last: seconds and nanoseconds, as utimensat(2) takes them.
    pub modified: [isize; 2],
}

impl Stat {
    /// Whether both are the same file: the inode and its file system's device.
    pub fn is_same_file(&self, other: &Stat) -> bool {
        (self.ino, self.dev_major, self.dev_minor) == (other.ino, other.dev_major, other.dev_minor)
    }
}

#[cfg(target_pointer_width = "64")]
use linux_raw_sys::general::{__NR_fstat as FSTAT, __NR_newfstatat as FSTATAT, stat as RawStat};
#[cfg(target_pointer_width = "32")]
use linux_raw_sys::general::{__NR_fstat64 as FSTAT, __NR_fstatat64 as FSTATAT, stat64 as RawStat};

/// fstat. Works on `O_PATH` descriptors.
pub fn fstat(fd: BorrowedFd<'_>) -> Result<Stat> {
    // SAFETY: integers only.
    let mut raw: RawStat = unsafe { zeroed() };
    // SAFETY: the kernel fills the struct of this number.
    ret_unit(unsafe { sys!(FSTAT, fd, &raw mut raw) })?;
    Ok(convert(&raw))
}

/// fstatat with `AT_SYMLINK_NOFOLLOW`, `AT_EMPTY_PATH`.
pub fn fstatat(dir: BorrowedFd<'_>, path: &CStr, flags: u32) -> Result<Stat> {
    // SAFETY: integers only.
    let mut raw: RawStat = unsafe { zeroed() };
    // SAFETY: a string; the kernel fills the struct of this number.
    ret_unit(unsafe { sys!(FSTATAT, dir, path, &raw mut raw, flags) })?;
    Ok(convert(&raw))
}

#[allow(clippy::unnecessary_cast)] // the widths differ by architecture
fn convert(raw: &RawStat) -> Stat {
    let (dev_major, dev_minor) = decode_dev(raw.st_dev as u64);
    let (rdev_major, rdev_minor) = decode_dev(raw.st_rdev as u64);
    Stat {
        dev_major,
        dev_minor,
        ino: raw.st_ino as u64,
        mode: raw.st_mode as u32,
        nlink: raw.st_nlink as u64,
        uid: raw.st_uid as u32,
        gid: raw.st_gid as u32,
        rdev_major,
        rdev_minor,
        size: raw.st_size as u64,
        modified: [raw.st_mtime as isize, raw.st_mtime_nsec as isize],
    }
}

/// (major, minor) of the kernel's 32-bit form: minor's low byte, 12 bits of major, 12 more of minor.
pub fn decode_dev(dev: u64) -> (u32, u32) {
    let dev = dev as u32;
    ((dev >> 8) & 0xfff, (dev & 0xff) | (dev >> 12) & 0xfff00)
}

/// The kernel's 32-bit form, if the numbers fit (12 and 20 bits).
pub fn encode_dev(major: u32, minor: u32) -> Option<u32> {
    (major < 1 << 12 && minor < 1 << 20).then_some((minor & 0xff) | major << 8 | (minor & !0xff) << 12)
}

/// statx: `mask` is `STATX_*`; what was really filled is in `stx_mask`. Linux 4.11; `STATX_MNT_ID` 5.8.
pub fn statx(dir: BorrowedFd<'_>, path: &CStr, flags: u32, mask: u32) -> Result<k::statx> {
    // SAFETY: integers only.
    let mut raw: k::statx = unsafe { zeroed() };
    // SAFETY: a string; the kernel fills 256 bytes.
    ret_unit(unsafe { sys!(k::__NR_statx, dir, path, flags, mask, &raw mut raw) })?;
    Ok(raw)
}

/// What is asked of file systems here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatFs {
    /// The magic number of the type (linux/magic.h).
    pub kind: u32,
    /// `ST_*` of the mount: 1 read-only, 2 nosuid, 4 nodev, 8 noexec, 0x400 noatime, 0x800 nodiratime, 0x1000 relatime.
    pub flags: u32,
}

/// fstatfs. Works on `O_PATH` descriptors.
#[allow(clippy::unnecessary_cast)] // the widths differ by architecture
pub fn fstatfs(fd: BorrowedFd<'_>) -> Result<StatFs> {
    // SAFETY: integers only.
    let mut raw: RawStatFs = unsafe { zeroed() };
    #[cfg(target_pointer_width = "64")]
    // SAFETY: the kernel fills the struct of this number.
    ret_unit(unsafe { sys!(k::__NR_fstatfs, fd, &raw mut raw) })?;
    #[cfg(target_pointer_width = "32")]
    // SAFETY: the kernel fills the struct of this number, if the size is right.
    ret_unit(unsafe { sys!(k::__NR_fstatfs64, fd, size_of::<RawStatFs>(), &raw mut raw) })?;
    Ok(StatFs { kind: raw.f_type as u32, flags: raw.f_flags as u32 })
}

#[cfg(target_pointer_width = "64")]
use linux_raw_sys::general::statfs as RawStatFs;
#[cfg(target_pointer_width = "32")]
use linux_raw_sys::general::statfs64 as RawStatFs;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, O_PATH, S_IFCHR, S_IFLNK, S_IFMT, mknodat, openat};
    use crate::testing::{Directory, emulated, root};
    use crate::{AsFd, CWD, Errno};

    #[test]
    fn structs_have_the_kernels_size() {
        assert_eq!(size_of::<k::statx>(), 256);
        #[cfg(any(target_arch = "x86_64", target_arch = "mips64"))]
        assert_eq!(size_of::<RawStat>(), 144);
        #[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
        assert_eq!(size_of::<RawStat>(), 128);
        #[cfg(target_arch = "arm")]
        assert_eq!(size_of::<RawStat>(), 104);
        #[cfg(target_pointer_width = "64")]
        assert_eq!(size_of::<RawStatFs>(), 120);
    }

    #[test]
    fn stat_by_descriptor_by_path_and_statx_agree() {
        let file = openat(CWD, c"/dev/null", O_PATH, 0).unwrap();
        let stat = fstat(file.as_fd()).unwrap();
        assert_eq!(fstatat(CWD, c"/dev/null", 0), Ok(stat));
        assert_eq!(fstatat(file.as_fd(), c"", AT_EMPTY_PATH), Ok(stat));
        assert_eq!(stat.mode & S_IFMT, S_IFCHR);
        assert_eq!((stat.rdev_major, stat.rdev_minor), (1, 3));
        let x = statx(file.as_fd(), c"", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID).unwrap();
        assert_eq!((x.stx_ino, u32::from(x.stx_mode), x.stx_uid), (stat.ino, stat.mode, stat.uid));
        assert_eq!((x.stx_dev_major, x.stx_dev_minor), (stat.dev_major, stat.dev_minor));
        assert_eq!((x.stx_rdev_major, x.stx_rdev_minor), (1, 3));
        let link = fstatat(CWD, c"/proc/self", AT_SYMLINK_NOFOLLOW).unwrap();
        assert_eq!(link.mode & S_IFMT, S_IFLNK);
        assert_eq!(fstatat(CWD, c"/nonexistent", 0), Err(Errno::NOENT));
    }

    #[test]
    fn a_mount_has_an_id_of_its_own() {
        if emulated("a_mount_has_an_id_of_its_own") {
            return;
        }
        let id = |path| statx(CWD, path, 0, STATX_MNT_ID).unwrap();
        let (proc, sys) = (id(c"/proc"), id(c"/sys"));
        if proc.stx_mask & STATX_MNT_ID == 0 {
            std::println!("SKIP a_mount_has_an_id_of_its_own: before Linux 5.8");
            return;
        }
        assert_ne!(proc.stx_mnt_id, sys.stx_mnt_id);
        assert_eq!(proc.stx_mnt_id, id(c"/proc/self").stx_mnt_id);
    }

    #[test]
    fn a_file_system_says_what_it_is() {
        let proc = openat(CWD, c"/proc", O_PATH, 0).unwrap();
        assert_eq!(fstatfs(proc.as_fd()).unwrap().kind, 0x9fa0);
    }

    #[test]
    fn device_numbers_fit_or_are_refused() {
        for (major, minor) in [(0, 0), (1, 3), (4095, 0xf_ffff), (8, 256), (259, 70_000)] {
            let dev = encode_dev(major, minor).unwrap();
            assert_eq!(decode_dev(u64::from(dev)), (major, minor));
        }
        assert_eq!(encode_dev(8, 256), Some(0x0010_0800));
        assert_eq!(encode_dev(4096, 0), None);
        assert_eq!(encode_dev(0, 1 << 20), None);
        let directory = Directory::new();
        assert_eq!(mknodat(directory.fd.as_fd(), c"x", S_IFCHR, 4096, 0), Err(Errno::INVAL));
        if root("device_numbers_fit_or_are_refused") {
            mknodat(directory.fd.as_fd(), c"device", S_IFCHR | 0o600, 259, 70_000).unwrap();
            let stat = fstatat(directory.fd.as_fd(), c"device", 0).unwrap();
            assert_eq!((stat.rdev_major, stat.rdev_minor, stat.mode), (259, 70_000, S_IFCHR | 0o600));
        }
    }
}

//! Files by descriptor and path.
//!
//! # Safety
//!
//! Strings, descriptors, and slices with their length.

use crate::call::{ret, ret_fd, ret_unit};
use core::ffi::CStr;
use linux_raw_sys::general as k;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::{Errno, Result};

pub use linux_raw_sys::general::{
    AT_EACCESS, AT_EMPTY_PATH, AT_NO_AUTOMOUNT, AT_RECURSIVE, AT_REMOVEDIR, AT_SYMLINK_FOLLOW,
    AT_SYMLINK_NOFOLLOW, F_OK, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_WRITE, LOCK_EX, LOCK_NB,
    LOCK_SH, LOCK_UN, MFD_ALLOW_SEALING, MFD_EXEC, O_APPEND, O_CLOEXEC, O_CREAT, O_DIRECTORY, O_EXCL,
    O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_PATH, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY, R_OK, RENAME_EXCHANGE,
    RENAME_NOREPLACE, RESOLVE_BENEATH, RESOLVE_CACHED, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS,
    RESOLVE_NO_SYMLINKS, RESOLVE_NO_XDEV, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG,
    S_IFSOCK, SEEK_CUR, SEEK_END, SEEK_SET, W_OK, X_OK,
};

/// openat2 with `O_CLOEXEC`: `resolve` is `RESOLVE_*`. Linux 5.6.
///
/// `mode` must be 0 unless `O_CREAT` or `O_TMPFILE` is in `flags`, and a flag without meaning is `EINVAL`. `EAGAIN` when a
/// rename raced with a `..` under `RESOLVE_IN_ROOT` or `RESOLVE_BENEATH`: try again. `EXDEV` for what leaves.
pub fn openat2(dir: BorrowedFd<'_>, path: &CStr, flags: u32, mode: u32, resolve: u32) -> Result<OwnedFd> {
    let how =
        OpenHow { flags: u64::from(flags | O_CLOEXEC), mode: u64::from(mode), resolve: u64::from(resolve) };
    // SAFETY: a string, a struct with its size, and a new descriptor.
    unsafe { ret_fd(sys!(k::__NR_openat2, dir, path, &raw const how, size_of::<OpenHow>())) }
}

/// struct open_how, 24 bytes since Linux 5.6.
#[repr(C)]
pub(crate) struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// O_LARGEFILE where the kernel does not imply it.
const LARGEFILE: u32 = if cfg!(target_pointer_width = "32") { k::O_LARGEFILE } else { 0 };

/// openat with `O_CLOEXEC` (and `O_LARGEFILE` on 32 bits).
pub fn openat(dir: BorrowedFd<'_>, path: &CStr, flags: u32, mode: u32) -> Result<OwnedFd> {
    // SAFETY: a string, and a new descriptor.
    unsafe { ret_fd(sys!(k::__NR_openat, dir, path, flags | O_CLOEXEC | LARGEFILE, mode)) }
}

/// mkdirat. The umask counts.
pub fn mkdirat(dir: BorrowedFd<'_>, path: &CStr, mode: u32) -> Result<()> {
    // SAFETY: a string.
    ret_unit(unsafe { sys!(k::__NR_mkdirat, dir, path, mode) })
}

/// mknodat: `mode` holds the type (`S_IF*`) and the permissions, on which the umask counts.
///
/// `EINVAL` for numbers that the kernel's 32-bit form (12 + 20 bits) cannot hold.
pub fn mknodat(dir: BorrowedFd<'_>, path: &CStr, mode: u32, major: u32, minor: u32) -> Result<()> {
    let dev = crate::stat::encode_dev(major, minor).ok_or(Errno::INVAL)?;
    // SAFETY: a string.
    ret_unit(unsafe { sys!(k::__NR_mknodat, dir, path, mode, dev) })
}

/// A named pipe. The umask counts.
pub fn mkfifoat(dir: BorrowedFd<'_>, path: &CStr, mode: u32) -> Result<()> {
    // SAFETY: a string.
    ret_unit(unsafe { sys!(k::__NR_mknodat, dir, path, S_IFIFO | mode, 0u32) })
}

/// symlinkat: `path` will hold `content`.
pub fn symlinkat(content: &CStr, dir: BorrowedFd<'_>, path: &CStr) -> Result<()> {
    // SAFETY: strings.
    ret_unit(unsafe { sys!(k::__NR_symlinkat, content, dir, path) })
}

/// linkat with `AT_EMPTY_PATH`, `AT_SYMLINK_FOLLOW`.
pub fn linkat(
    from: BorrowedFd<'_>,
    from_path: &CStr,
    to: BorrowedFd<'_>,
    to_path: &CStr,
    flags: u32,
) -> Result<()> {
    // SAFETY: strings.
    ret_unit(unsafe { sys!(k::__NR_linkat, from, from_path, to, to_path, flags) })
}

/// unlinkat; a directory with `AT_REMOVEDIR`.
pub fn unlinkat(dir: BorrowedFd<'_>, path: &CStr, flags: u32) -> Result<()> {
    // SAFETY: a string.
    ret_unit(unsafe { sys!(k::__NR_unlinkat, dir, path, flags) })
}

/// renameat2 with `RENAME_NOREPLACE` or `RENAME_EXCHANGE`.
pub fn renameat2(
    from: BorrowedFd<'_>,
    from_path: &CStr,
    to: BorrowedFd<'_>,
    to_path: &CStr,
    flags: u32,
) -> Result<()> {
    // SAFETY: strings.
    ret_unit(unsafe { sys!(k::__NR_renameat2, from, from_path, to, to_path, flags) })
}

/// fchmod. `EBADF` for an `O_PATH` descriptor.
pub fn fchmod(fd: BorrowedFd<'_>, mode: u32) -> Result<()> {
    // SAFETY: no memory.
    ret_unit(unsafe { sys!(k::__NR_fchmod, fd, mode) })
}

/// fchmodat: follows a symbolic link at the end, there are no flags.
pub fn fchmodat(dir: BorrowedFd<'_>, path: &CStr, mode: u32) -> Result<()> {
    // SAFETY: a string.
    ret_unit(unsafe { sys!(k::__NR_fchmodat, dir, path, mode) })
}

/// fchmodat2: [`fchmodat`] with `AT_SYMLINK_NOFOLLOW` and `AT_EMPTY_PATH`. Linux 6.6.
pub fn fchmodat2(dir: BorrowedFd<'_>, path: &CStr, mode: u32, flags: u32) -> Result<()> {
    // SAFETY: a string.
    ret_unit(unsafe { sys!(k::__NR_fchmodat2, dir, path, mode, flags) })
}

// As for the ids of `ids`: the first fchown of these took 16 bits.
#[cfg(not(any(target_arch = "x86", target_arch = "arm", target_arch = "m68k", target_arch = "sparc")))]
use k::__NR_fchown as FCHOWN;
#[cfg(any(target_arch = "x86", target_arch = "arm", target_arch = "m68k", target_arch = "sparc"))]
use k::__NR_fchown32 as FCHOWN;

/// fchown; `u32::MAX` leaves an id. `EBADF` for an `O_PATH` descriptor: use [`fchownat`] with `AT_EMPTY_PATH`.
pub fn fchown(fd: BorrowedFd<'_>, uid: u32, gid: u32) -> Result<()> {
    // SAFETY: no memory.
    ret_unit(unsafe { sys!(FCHOWN, fd, uid, gid) })
}

/// fchownat with `AT_SYMLINK_NOFOLLOW`, `AT_EMPTY_PATH`; `u32::MAX` leaves an id.
pub fn fchownat(dir: BorrowedFd<'_>, path: &CStr, uid: u32, gid: u32, flags: u32) -> Result<()> {
    // SAFETY: a string.
    ret_unit(unsafe { sys!(k::__NR_fchownat, dir, path, uid, gid, flags) })
}

/// fchdir.
pub fn fchdir(dir: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: no memory.
    ret_unit(unsafe { sys!(k::__NR_fchdir, dir) })
}

/// chdir.
pub fn chdir(path: &CStr) -> Result<()> {
    // SAFETY: a string.
    ret_unit(unsafe { sys!(k::__NR_chdir, path) })
}

/// chroot. The working directory stays where it is, possibly outside.
pub fn chroot(path: &CStr) -> Result<()> {
    // SAFETY: a string.
    ret_unit(unsafe { sys!(k::__NR_chroot, path) })
}

/// getcwd: the path without its NUL. It starts with "(unreachable)" when it is outside the root. `ERANGE` when `buf` is short.
pub fn getcwd(buf: &mut [u8]) -> Result<&[u8]> {
    // SAFETY: writes at most `len` bytes.
    let len = ret(unsafe { sys!(k::__NR_getcwd, buf.as_mut_ptr(), buf.len()) })?;
    buf.get(..len.saturating_sub(1)).ok_or(Errno::RANGE)
}

/// readlinkat: what the link holds. A result as long as `buf` may be cut short. An empty `path` reads `dir`, an `O_PATH` link.
pub fn readlinkat<'b>(dir: BorrowedFd<'_>, path: &CStr, buf: &'b mut [u8]) -> Result<&'b [u8]> {
    // SAFETY: a string; writes at most `len` bytes.
    let len = ret(unsafe { sys!(k::__NR_readlinkat, dir, path, buf.as_mut_ptr(), buf.len()) })?;
    buf.get(..len).ok_or(Errno::RANGE)
}

/// faccessat: as the real user, following links. Old but everywhere.
pub fn faccessat(dir: BorrowedFd<'_>, path: &CStr, mode: u32) -> Result<()> {
    // SAFETY: a string.
    ret_unit(unsafe { sys!(k::__NR_faccessat, dir, path, mode) })
}

/// faccessat2: with `AT_EACCESS`, `AT_SYMLINK_NOFOLLOW`, `AT_EMPTY_PATH`. Linux 5.8.
pub fn faccessat2(dir: BorrowedFd<'_>, path: &CStr, mode: u32, flags: u32) -> Result<()> {
    // SAFETY: a string.
    ret_unit(unsafe { sys!(k::__NR_faccessat2, dir, path, mode, flags) })
}

/// preadv of one buffer: reads at `offset` without moving the file's position.
pub fn pread(fd: BorrowedFd<'_>, buf: &mut [u8], offset: u64) -> Result<usize> {
    let iov = [buf.as_mut_ptr() as usize, buf.len()];
    // The offset goes in two longs of which 64-bit kernels use the first; unlike pread64, no architecture pads them.
    // SAFETY: one iovec of `buf`; writes at most `len` bytes.
    ret(unsafe { sys!(k::__NR_preadv, fd, iov.as_ptr(), 1u32, offset as usize, (offset >> 32) as usize) })
}

/// lseek: the new position. `whence` is `SEEK_*`.
pub fn lseek(fd: BorrowedFd<'_>, offset: i64, whence: u32) -> Result<u64> {
    #[cfg(target_pointer_width = "64")]
    // SAFETY: no memory.
    return ret(unsafe { sys!(k::__NR_lseek, fd, offset as usize, whence) }).map(|p| p as u64);
    #[cfg(target_pointer_width = "32")]
    {
        let mut position = 0u64;
        let (high, low) = ((offset >> 32) as usize, offset as usize);
        // SAFETY: writes one 64-bit number.
        ret_unit(unsafe { sys!(k::__NR__llseek, fd, high, low, &raw mut position, whence) })?;
        Ok(position)
    }
}

/// ftruncate to `length` bytes.
pub fn ftruncate(fd: BorrowedFd<'_>, length: u64) -> Result<()> {
    #[cfg(target_pointer_width = "64")]
    // SAFETY: no memory.
    return ret_unit(unsafe { sys!(k::__NR_ftruncate, fd, length as usize) });
    #[cfg(target_pointer_width = "32")]
    {
        // A 64-bit argument in two registers, low half first on little-endian machines.
        let (low, high) = (length as usize, (length >> 32) as usize);
        let (first, second) = if cfg!(target_endian = "little") { (low, high) } else { (high, low) };
        #[cfg(target_arch = "x86")]
        // SAFETY: no memory.
        return ret_unit(unsafe { sys!(k::__NR_ftruncate64, fd, first, second) });
        // ARM, MIPS o32 and PowerPC start such a pair in an even register.
        #[cfg(not(target_arch = "x86"))]
        // SAFETY: no memory.
        ret_unit(unsafe { sys!(k::__NR_ftruncate64, fd, 0usize, first, second) })
    }
}

/// getdents64: fills `buf` with entries, of which [`entries`] makes names. 0 bytes is the end. `EINVAL` when one does not fit.
pub fn getdents(dir: BorrowedFd<'_>, buf: &mut [u8]) -> Result<usize> {
    // SAFETY: writes at most `len` bytes.
    ret(unsafe { sys!(k::__NR_getdents64, dir, buf.as_mut_ptr(), buf.len()) })
}

/// One name of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'b> {
    /// The inode.
    pub ino: u64,
    /// `DT_*`: 4 directory, 8 file, 10 symbolic link, 0 unknown.
    pub kind: u8,
    /// The name, "." and ".." among them.
    pub name: &'b CStr,
}

/// The entries that [`getdents`] has put into the first `len` bytes.
pub fn entries(filled: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    // struct linux_dirent64: ino 8, off 8, reclen 2, type 1, name with a NUL.
    let mut rest = filled;
    core::iter::from_fn(move || {
        let record = usize::from(u16::from_ne_bytes(rest.get(16..18)?.try_into().ok()?));
        let entry = rest.get(..record)?;
        rest = rest.get(record..)?;
        Some(Entry {
            ino: u64::from_ne_bytes(entry.get(..8)?.try_into().ok()?),
            kind: *entry.get(18)?,
            name: CStr::from_bytes_until_nul(entry.get(19..)?).ok()?,
        })
    })
}

//! Files by descriptor and path.
//!
//! # Safety
//!
//! Strings, descriptors, and slices with their length.

use crate::call::{ret, ret_fd, ret_i32, ret_unit};
use crate::fd::FCNTL;
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
    // openat ignores O_LARGEFILE beside O_PATH; openat2 refuses it.
    let flags = if flags & O_PATH == 0 { flags | LARGEFILE } else { flags };
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

/// utimensat: when the content was changed last, as `Stat::modified` has it. A symbolic link at the end is not followed.
pub fn set_modified(dir: BorrowedFd<'_>, path: &CStr, modified: [isize; 2]) -> Result<()> {
    const UTIME_OMIT: isize = (1 << 30) - 2;
    let [seconds, nanoseconds] = modified;
    let times = [0, UTIME_OMIT, seconds, nanoseconds];
    // SAFETY: a string; two times of two words are read.
    ret_unit(unsafe { sys!(k::__NR_utimensat, dir, path, times.as_ptr(), AT_SYMLINK_NOFOLLOW) })
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

/// readlinkat: what the link holds. An empty `path` reads `dir` itself, an `O_PATH` descriptor of a link.
///
/// `ERANGE` when `buf` is filled to the end, for then the kernel may have cut the text; 4096 bytes hold every link but procfs's.
pub fn readlinkat<'b>(dir: BorrowedFd<'_>, path: &CStr, buf: &'b mut [u8]) -> Result<&'b [u8]> {
    // SAFETY: a string; writes at most `len` bytes.
    let len = ret(unsafe { sys!(k::__NR_readlinkat, dir, path, buf.as_mut_ptr(), buf.len()) })?;
    if len < buf.len() { buf.get(..len).ok_or(Errno::RANGE) } else { Err(Errno::RANGE) }
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

/// flock: `LOCK_SH`, `LOCK_EX` or `LOCK_UN`, with `LOCK_NB` for `EWOULDBLOCK` instead of waiting.
pub fn flock(fd: BorrowedFd<'_>, operation: u32) -> Result<()> {
    // SAFETY: no memory.
    ret_unit(unsafe { sys!(k::__NR_flock, fd, operation) })
}

/// memfd_create with `MFD_CLOEXEC`; `name` is for people who read /proc.
pub fn memfd_create(name: &CStr, flags: u32) -> Result<OwnedFd> {
    // SAFETY: a string, and a new descriptor.
    unsafe { ret_fd(sys!(k::__NR_memfd_create, name, k::MFD_CLOEXEC | flags)) }
}

/// fcntl(F_ADD_SEALS): `F_SEAL_*` on a memfd made with `MFD_ALLOW_SEALING`.
pub fn add_seals(fd: BorrowedFd<'_>, seals: u32) -> Result<()> {
    // SAFETY: no memory.
    ret_unit(unsafe { sys!(FCNTL, fd, k::F_ADD_SEALS, seals) })
}

/// fcntl(F_GET_SEALS). `EINVAL` for a file that cannot be sealed.
pub fn get_seals(fd: BorrowedFd<'_>) -> Result<u32> {
    // SAFETY: no memory.
    ret_i32(unsafe { sys!(FCNTL, fd, k::F_GET_SEALS) }).map(|s| s as u32)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fd::{read, write};
    use crate::stat::{fstat, fstatat};
    use crate::testing::{Directory, emulated, holds_in_child, root};
    use crate::{AsFd, CWD};

    #[test]
    fn structs_have_the_kernels_size() {
        assert_eq!(size_of::<OpenHow>(), 24);
    }

    #[test]
    fn openat2_stays_in_the_root_where_openat_leaves_it() {
        let directory = Directory::new();
        let root = directory.fd.as_fd();
        mkdirat(root, c"proc", 0o755).unwrap();
        symlinkat(c"/proc", root, c"link").unwrap();
        symlinkat(c"../../../../../../proc", root, c"dots").unwrap();
        let inside = fstatat(root, c"proc", 0).unwrap();
        for path in [c"link", c"dots", c"/proc", c"../../proc"] {
            match openat2(root, path, O_PATH | O_DIRECTORY, 0, RESOLVE_IN_ROOT) {
                Err(Errno::NOSYS) => {
                    std::println!("SKIP openat2_stays_in_the_root_where_openat_leaves_it: no openat2");
                    return;
                }
                fd => assert_eq!(fstat(fd.unwrap().as_fd()), Ok(inside), "{path:?}"),
            }
        }
        let outside = openat(root, c"link", O_PATH, 0).unwrap();
        assert_ne!(fstat(outside.as_fd()), Ok(inside));
        assert_eq!(openat2(root, c"link", O_PATH, 0, RESOLVE_BENEATH).err(), Some(Errno::XDEV));
        assert_eq!(openat2(root, c"link", O_PATH, 0, RESOLVE_NO_SYMLINKS).err(), Some(Errno::LOOP));
        assert_eq!(openat2(root, c"proc", O_PATH, 0o600, RESOLVE_IN_ROOT).err(), Some(Errno::INVAL));
        let made = openat2(root, c"/proc/new", O_CREAT | O_EXCL | O_WRONLY, 0o600, RESOLVE_IN_ROOT).unwrap();
        assert_eq!(fstat(made.as_fd()), fstatat(root, c"proc/new", AT_SYMLINK_NOFOLLOW));
    }

    #[test]
    fn names_are_made_read_renamed_and_removed() {
        let directory = Directory::new();
        let dir = directory.fd.as_fd();
        drop(openat(dir, c"file", O_CREAT | O_EXCL | O_RDWR, 0o600).unwrap());
        assert_eq!(openat(dir, c"file", O_CREAT | O_EXCL, 0o600).err(), Some(Errno::EXIST));
        linkat(dir, c"file", dir, c"second", 0).unwrap();
        assert_eq!(fstatat(dir, c"file", 0).unwrap().nlink, 2);
        symlinkat(c"file", dir, c"link").unwrap();
        let mut buf = [0; 16];
        assert_eq!(readlinkat(dir, c"link", &mut buf), Ok(&b"file"[..]));
        assert_eq!(readlinkat(dir, c"link", &mut [0; 5]), Ok(&b"file"[..]));
        assert_eq!(readlinkat(dir, c"link", &mut [0; 4]), Err(Errno::RANGE));
        let link = openat(dir, c"link", O_PATH | O_NOFOLLOW, 0).unwrap();
        assert_eq!(readlinkat(link.as_fd(), c"", &mut buf), Ok(&b"file"[..]));
        assert_eq!(openat(dir, c"link", O_NOFOLLOW, 0).err(), Some(Errno::LOOP));
        mkfifoat(dir, c"fifo", 0o600).unwrap();
        assert_eq!(fstatat(dir, c"fifo", 0).unwrap().mode & S_IFMT, S_IFIFO);
        assert_eq!(renameat2(dir, c"file", dir, c"fifo", RENAME_NOREPLACE), Err(Errno::EXIST));
        renameat2(dir, c"file", dir, c"fifo", RENAME_EXCHANGE).unwrap();
        assert_eq!(fstatat(dir, c"file", 0).unwrap().mode & S_IFMT, S_IFIFO);
        assert_eq!(unlinkat(dir, c"file", AT_REMOVEDIR), Err(Errno::NOTDIR));
        for name in [c"file", c"fifo", c"link", c"second"] {
            unlinkat(dir, name, 0).unwrap();
        }
        mkdirat(dir, c"sub", 0o700).unwrap();
        unlinkat(dir, c"sub", AT_REMOVEDIR).unwrap();
        assert_eq!(faccessat(dir, c"sub", F_OK), Err(Errno::NOENT));
        assert_eq!(faccessat(dir, c".", R_OK), Ok(()));
        symlinkat(c"nowhere", dir, c"dangling").unwrap();
        assert_eq!(faccessat(dir, c"dangling", F_OK), Err(Errno::NOENT));
        match faccessat2(dir, c"dangling", F_OK, AT_SYMLINK_NOFOLLOW) {
            Err(Errno::NOSYS) => {} // before 5.8
            result => assert_eq!(result, Ok(())),
        }
    }

    #[test]
    fn a_directory_gives_every_name_once_over_several_reads() {
        let directory = Directory::new();
        for n in 0..50 {
            std::fs::write(directory.path.join(std::format!("name-{n:02}")), b"").unwrap();
        }
        let dir = openat(directory.fd.as_fd(), c".", O_DIRECTORY, 0).unwrap();
        let (mut buf, mut names) = ([0; 256], std::vec::Vec::new());
        loop {
            let len = getdents(dir.as_fd(), &mut buf).unwrap();
            if len == 0 {
                break;
            }
            for entry in entries(&buf[..len]) {
                assert_ne!(entry.ino, 0);
                assert!(entry.kind == 8 || entry.kind == 4);
                names.push(std::string::String::from(entry.name.to_str().unwrap()));
            }
        }
        names.sort();
        let mut expected: std::vec::Vec<_> = (0..50).map(|n| std::format!("name-{n:02}")).collect();
        expected.splice(0..0, [".", ".."].map(std::string::String::from));
        assert_eq!(names, expected);
        assert_eq!(entries(&[]).count(), 0);
        assert_eq!(entries(&[0; 24]).count(), 0); // a record of length 0 must not loop
        assert_eq!(entries(&[255; 24]).count(), 0);
    }

    #[test]
    fn offsets_beyond_four_gigabytes_are_whole() {
        let file = memfd_create(c"far", 0).unwrap();
        let far = (5u64 << 32) + 3;
        ftruncate(file.as_fd(), far + 2).unwrap();
        assert_eq!(fstat(file.as_fd()).unwrap().size, far + 2);
        assert_eq!(lseek(file.as_fd(), far as i64, SEEK_SET), Ok(far));
        assert_eq!(write(file.as_fd(), b"ab"), Ok(2));
        assert_eq!(lseek(file.as_fd(), -1, SEEK_END), Ok(far + 1));
        let mut buf = [0; 4];
        assert_eq!(read(file.as_fd(), &mut buf), Ok(1));
        assert_eq!(buf[0], b'b');
        assert_eq!(pread(file.as_fd(), &mut buf, far), Ok(2));
        assert_eq!(&buf[..2], b"ab");
        assert_eq!(lseek(file.as_fd(), -1, SEEK_SET), Err(Errno::INVAL));
    }

    #[test]
    fn a_sealed_memfd_cannot_be_written() {
        if emulated("a_sealed_memfd_cannot_be_written") {
            return;
        }
        let file = memfd_create(c"sealed", MFD_ALLOW_SEALING).unwrap();
        write(file.as_fd(), b"contents").unwrap();
        let seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
        add_seals(file.as_fd(), seals).unwrap();
        assert_eq!(get_seals(file.as_fd()).map(|s| s & seals), Ok(seals));
        assert_eq!(write(file.as_fd(), b"x"), Err(Errno::PERM));
        assert_eq!(ftruncate(file.as_fd(), 0), Err(Errno::PERM));
        assert_eq!(add_seals(file.as_fd(), F_SEAL_GROW), Err(Errno::PERM));
    }

    #[test]
    fn a_lock_excludes_another_open_file() {
        let directory = Directory::new();
        let open = || openat(directory.fd.as_fd(), c"lock", O_CREAT | O_RDWR, 0o600).unwrap();
        let (first, second) = (open(), open());
        flock(first.as_fd(), LOCK_EX | LOCK_NB).unwrap();
        assert_eq!(flock(second.as_fd(), LOCK_SH | LOCK_NB), Err(Errno::AGAIN));
        flock(first.as_fd(), LOCK_UN).unwrap();
        assert_eq!(flock(second.as_fd(), LOCK_SH | LOCK_NB), Ok(()));
    }

    #[test]
    fn modes_are_those_asked_for() {
        let directory = Directory::new();
        let dir = directory.fd.as_fd();
        let file = openat(dir, c"file", O_CREAT | O_RDWR, 0o600).unwrap();
        let mode = || fstat(file.as_fd()).unwrap().mode & 0o7777;
        fchmod(file.as_fd(), 0o640).unwrap();
        assert_eq!(mode(), 0o640);
        fchmodat(dir, c"file", 0o604).unwrap();
        assert_eq!(mode(), 0o604);
        match fchmodat2(dir, c"file", 0o611, AT_SYMLINK_NOFOLLOW) {
            Err(Errno::NOSYS) => {} // before 6.6
            other => {
                other.unwrap();
                assert_eq!(mode(), 0o611);
            }
        }
        assert_eq!(fchmod(dir, 0o700), Err(Errno::BADF)); // O_PATH
        holds_in_child(|| {
            let old = crate::process::umask(0o077);
            mkdirat(dir, c"masked", 0o777)?;
            Ok(crate::process::umask(old) == 0o077 && fstatat(dir, c"masked", 0)?.mode & 0o777 == 0o700)
        });
    }

    #[test]
    fn owners_are_set_beyond_sixteen_bits() {
        if !root("owners_are_set_beyond_sixteen_bits") {
            return;
        }
        let directory = Directory::new();
        let dir = directory.fd.as_fd();
        let file = openat(dir, c"file", O_CREAT | O_RDWR, 0o600).unwrap();
        fchown(file.as_fd(), 70_001, 70_002).unwrap();
        let stat = fstat(file.as_fd()).unwrap();
        assert_eq!((stat.uid, stat.gid), (70_001, 70_002));
        fchownat(dir, c"file", u32::MAX, 70_003, AT_SYMLINK_NOFOLLOW).unwrap();
        let stat = fstat(file.as_fd()).unwrap();
        assert_eq!((stat.uid, stat.gid), (70_001, 70_003));
    }

    #[test]
    fn the_working_directory_and_the_root_are_changed() {
        let directory = Directory::new();
        let dir = directory.fd.as_fd();
        mkdirat(dir, c"sub", 0o755).unwrap();
        let expected = directory.path.to_str().unwrap().as_bytes();
        holds_in_child(|| {
            fchdir(dir)?;
            let mut buf = [0; 256];
            let here = getcwd(&mut buf)? == expected;
            let short = getcwd(&mut buf[..4]).err();
            chdir(c"sub")?;
            let sub = fstatat(CWD, c".", 0)? == fstatat(dir, c"sub", 0)?;
            Ok(here && short == Some(Errno::RANGE) && sub)
        });
        if root("the_working_directory_and_the_root_are_changed") {
            holds_in_child(|| {
                fchdir(dir)?;
                chroot(c"sub")?;
                let mut buf = [0; 64];
                // Linux: a working directory outside the root is said to be so.
                let outside = getcwd(&mut buf)?.starts_with(b"(unreachable)");
                chdir(c"/")?;
                Ok(outside
                    && getcwd(&mut buf)? == b"/"
                    && fstatat(CWD, c"/..", 0)? == fstatat(dir, c"sub", 0)?)
            });
        }
    }
}

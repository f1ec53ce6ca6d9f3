//! tmpcopyup: the content of a directory, copied into the tmpfs that covers it.

use super::resolve::join;
use core::ffi::CStr;
use syscalls::fs::{self, Entry};
use syscalls::{AsFd, BorrowedFd, Errno, OwnedFd, Result, fd, stat, xattr};

/// Directories inside directories; deeper ones are ELOOP rather than a stack that overflows.
const MAX_DEPTH: u32 = 64;

/// Copies everything in one directory into another: files, directories, links, devices, with owner, mode and time, and the attributes
/// of files and directories, a program's capabilities among them, that the file system there has (crun; runc copies none).
pub fn copy_directory(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<()> {
    copy(from, to, MAX_DEPTH)
}

fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>, depth: u32) -> Result<()> {
    let depth = depth.checked_sub(1).ok_or(Errno::LOOP)?;
    let readable = fs::openat(from, c".", fs::O_RDONLY | fs::O_DIRECTORY, 0)?;
    let mut buffer = [0u8; 2048];
    loop {
        let filled = fs::getdents(readable.as_fd(), &mut buffer)?;
        let Some(entries) = buffer.get(..filled).filter(|entries| !entries.is_empty()) else { return Ok(()) };
        for Entry { name, .. } in fs::entries(entries) {
            if name != c"." && name != c".." {
                entry(from, to, name, depth)?;
            }
        }
    }
}

fn entry(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, depth: u32) -> Result<()> {
    let have = stat::fstatat(from, name, fs::AT_SYMLINK_NOFOLLOW)?;
    let mode = have.mode & 0o7777;
    let copied = match have.mode & fs::S_IFMT {
        fs::S_IFDIR => {
            fs::mkdirat(to, name, mode)?;
            let inner = fs::openat(from, name, fs::O_RDONLY | fs::O_DIRECTORY | fs::O_NOFOLLOW, 0)?;
            let made = fs::openat(to, name, fs::O_RDONLY | fs::O_DIRECTORY | fs::O_NOFOLLOW, 0)?;
            copy(inner.as_fd(), made.as_fd(), depth)?;
            Some((inner, made))
        }
        fs::S_IFLNK => {
            let (mut text, mut ended) = ([0; 4096], [0; 4096]);
            let text = fs::readlinkat(from, name, &mut text)?;
            fs::symlinkat(join(&mut ended, &[text])?, to, name)?;
            None
        }
        fs::S_IFREG => {
            // Somebody else may have put a fifo in its place meanwhile, which must not be waited for.
            let source =
                fs::openat(from, name, fs::O_RDONLY | fs::O_NOFOLLOW | fs::O_NONBLOCK | fs::O_NOCTTY, 0)?;
            if !stat::fstat(source.as_fd())?.is_same_file(&have) {
                return Err(Errno::AGAIN);
            }
            let made = fs::openat(to, name, fs::O_WRONLY | fs::O_CREAT | fs::O_EXCL | fs::O_NOFOLLOW, mode)?;
            content(&source, &made)?;
            Some((source, made))
        }
        _ => {
            fs::mknodat(to, name, have.mode, have.rdev_major, have.rdev_minor)?;
            None
        }
    };
    fs::fchownat(to, name, have.uid, have.gid, fs::AT_SYMLINK_NOFOLLOW)?;
    if have.mode & fs::S_IFMT != fs::S_IFLNK {
        fs::fchmodat(to, name, mode)?; // chown cleared the set-id bits
    }
    if let Some((source, made)) = copied {
        attributes(source.as_fd(), made.as_fd())?; // chown cleared capabilities
    }
    fs::set_modified(to, name, have.modified)
}

fn attributes(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<()> {
    let (mut names, mut value) = ([0; 2048], [0; 4096]);
    let length = match xattr::list(from, &mut names) {
        Err(Errno::OPNOTSUPP) => return Ok(()),
        other => other?,
    };
    for name in names.get(..length).unwrap_or_default().split_inclusive(|byte| *byte == 0) {
        let name = CStr::from_bytes_until_nul(name).map_err(|_| Errno::INVAL)?;
        let length = xattr::get(from, name, &mut value)?;
        match xattr::set(to, name, value.get(..length).unwrap_or_default()) {
            // The file system there has no such class; this user namespace, or the machine's policy, lets nobody set it.
            Err(Errno::OPNOTSUPP | Errno::PERM | Errno::ACCESS) => {}
            other => other?,
        }
    }
    Ok(())
}

fn content(from: &OwnedFd, to: &OwnedFd) -> Result<()> {
    let mut buffer = [0u8; 8192];
    loop {
        let length = fd::read(from.as_fd(), &mut buffer)?;
        let mut rest = buffer.get(..length).unwrap_or_default();
        if rest.is_empty() {
            return Ok(());
        }
        while !rest.is_empty() {
            let written = fd::write(to.as_fd(), rest)?;
            rest = rest.get(written..).ok_or(Errno::IO)?;
        }
    }
}

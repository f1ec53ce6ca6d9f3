//! Paths of the container, resolved inside its root and made there when they are missing (R1).
//!
//! One rule: a path is resolved once, to a descriptor, and everything after happens to the descriptor. Symbolic links of
//! the image are followed as if the root were `/` already; none leads out.

use super::names::{self, At, LONGEST, name};
use crate::sync::Absent;
use core::cell::Cell;
use core::ffi::CStr;
use syscalls::fs::{self, O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW, O_PATH};
use syscalls::{BorrowedFd, CWD, Errno, Result, leak, mount, stat};

/// Longest path component with its NUL, longest path with its NUL (NAME_MAX, PATH_MAX).
const COMPONENT: usize = 256;
const PATH: usize = 4096;
/// Symbolic links followed in one path, as path_resolution(7) has it.
const MAX_LINKS: u32 = 40;
/// RESOLVE_IN_ROOT answers EAGAIN when a rename races with `..`; whoever does nothing else does not start.
const MAX_RETRIES: u32 = 10_000;

/// What symbolic links may do in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// They are followed, inside the root.
    Follow,
    /// The last component is opened itself, link or not.
    LastItself,
    /// A link anywhere is ELOOP.
    Refuse,
}

/// A root directory below which paths are resolved: once there is one, the container's.
pub struct Jail {
    root: Cell<BorrowedFd<'static>>,
    /// The directory of names for mount(2), once it has been left.
    names: Cell<Option<BorrowedFd<'static>>>,
    /// Whether the working directory is that one.
    at_names: Cell<bool>,
    lacks_openat2: Cell<bool>,
    /// It has answered once: its ENOENT is about the path from then on.
    openat2_works: Cell<bool>,
    /// What was done without: bits of [`Absent`].
    without: Cell<u32>,
}

impl Default for Jail {
    fn default() -> Self {
        Jail {
            root: Cell::new(CWD),
            names: Cell::default(),
            at_names: Cell::default(),
            lacks_openat2: Cell::default(),
            openat2_works: Cell::default(),
            without: Cell::default(),
        }
    }
}

impl Jail {
    /// The root.
    pub fn root(&self) -> BorrowedFd<'static> {
        self.root.get()
    }

    /// From here on paths are resolved below this directory.
    pub fn set_root(&self, root: BorrowedFd<'static>) {
        self.root.set(root);
    }

    /// mount(2) of a file system, or of new flags for what is mounted there. Without names on a directory only.
    pub fn mount(
        &self,
        source: Option<&CStr>,
        target: At<'_>,
        fstype: Option<&CStr>,
        flags: u32,
        data: Option<&CStr>,
    ) -> Result<()> {
        mount::mount(source, self.name(target, &mut [0; LONGEST])?, fstype, flags, data)
    }

    /// mount(2) of a bind. `ENOSYS` without names.
    pub fn bind(&self, source: At<'_>, target: At<'_>, flags: u32) -> Result<()> {
        if !self.go_to_names()? {
            return Err(Errno::NOSYS);
        }
        let (mut from, mut to) = ([0; LONGEST], [0; LONGEST]);
        let (from, to) = (name(source, &mut from)?, name(target, &mut to)?);
        mount::mount(Some(from), to, None, mount::MS_BIND | flags, None)
    }

    /// A name for a place, good while the working directory is what it is made here.
    pub fn name<'b>(&self, at: At<'b>, buffer: &'b mut [u8; LONGEST]) -> Result<&'b CStr> {
        if self.go_to_names()? {
            return name(at, buffer);
        }
        fs::fchdir(at.0)?;
        Ok(if at.1.is_empty() { c"." } else { at.1 })
    }

    /// Goes to the directory of names for the first time, if there is one.
    pub fn enter_names(&self) {
        self.at_names.set(names::enter().is_ok());
    }

    /// The same at any time. Whether there is one.
    fn go_to_names(&self) -> Result<bool> {
        if let (false, Some(names)) = (self.at_names.get(), self.names.get()) {
            fs::fchdir(names)?;
            self.at_names.set(true);
        }
        Ok(self.at_names.get())
    }

    /// Goes to the root, which is where programs begin.
    pub fn enter(&self) -> Result<()> {
        if self.at_names.replace(false) && self.names.get().is_none() {
            self.names.set(Some(leak(fs::openat(CWD, c".", O_PATH | O_DIRECTORY, 0)?)));
        }
        fs::fchdir(self.root())
    }

    /// Notes that a call is missing and was done without.
    pub fn do_without(&self, call: Absent) {
        self.without.set(self.without.get() | call.bit());
    }

    /// What was done without, as `Kind::Without` says it.
    pub fn without(&self) -> u32 {
        self.without.get()
    }

    /// Opens what a path names (O_PATH). `flags`: 0 or O_DIRECTORY.
    pub fn open(&self, path: &CStr, flags: u32, links: Links) -> Result<BorrowedFd<'static>> {
        let itself = if links == Links::LastItself { O_NOFOLLOW } else { 0 };
        self.resolve(path, flags | itself | O_PATH | O_CLOEXEC, links)
    }

    /// Opens a regular file to be read. Whatever else stands there is EINVAL, and neither waits for anybody nor becomes a terminal
    /// of this session.
    pub fn open_to_read(&self, path: &CStr) -> Result<BorrowedFd<'static>> {
        let flags = fs::O_RDONLY | fs::O_NONBLOCK | fs::O_NOCTTY | O_CLOEXEC;
        let file = self.resolve(path, flags, Links::Follow)?;
        match stat::fstat(file)?.mode & fs::S_IFMT {
            fs::S_IFREG => Ok(file),
            _ => Err(Errno::INVAL),
        }
    }

    /// Opens a directory whose names are to be read.
    pub fn open_to_list(&self, path: &CStr, links: Links) -> Result<BorrowedFd<'static>> {
        self.resolve(path, O_DIRECTORY | O_CLOEXEC, links)
    }

    fn resolve(&self, path: &CStr, flags: u32, links: Links) -> Result<BorrowedFd<'static>> {
        let refuse = if links == Links::Refuse { fs::RESOLVE_NO_SYMLINKS } else { 0 };
        let resolve = fs::RESOLVE_IN_ROOT | fs::RESOLVE_NO_MAGICLINKS | refuse;
        for _ in 0..MAX_RETRIES {
            if self.lacks_openat2.get() {
                break;
            }
            match fs::openat2(self.root(), path, flags, 0, resolve) {
                Err(Errno::AGAIN) => {}
                // Before Linux 5.6, or hidden by a seccomp filter. A path that is really forbidden gets its EPERM again below.
                Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => self.give_up_openat2(),
                // Some vendor kernels answer ENOENT for a call they lack; the root itself is always there.
                Err(Errno::NOENT)
                    if !self.openat2_works.get()
                        && fs::openat2(self.root(), c".", O_PATH | O_CLOEXEC, 0, 0).is_err() =>
                {
                    self.give_up_openat2();
                }
                other => {
                    self.openat2_works.set(true);
                    return other.map(leak);
                }
            }
        }
        match self.lacks_openat2.get() {
            true => self.walk(path, flags, links),
            false => Err(Errno::AGAIN),
        }
    }

    fn give_up_openat2(&self) {
        self.lacks_openat2.set(true);
        self.do_without(Absent::Openat2);
    }

    /// Opens a directory of the container, making what is missing of the path (0755).
    pub fn open_or_make_directory(&self, path: &CStr, links: Links) -> Result<BorrowedFd<'static>> {
        match self.open(path, O_DIRECTORY, links) {
            Err(Errno::NOENT) => {}
            other => return other,
        }
        let bytes = path.to_bytes();
        // The longest part that is there, links followed; then one component after the other, none of them a link.
        let mut end = bytes.len();
        let mut directory = loop {
            end = bytes.get(..end).unwrap_or_default().iter().rposition(|byte| *byte == b'/').unwrap_or(0);
            if end == 0 {
                break self.root();
            }
            let mut buffer = [0; PATH];
            match self.open(c_path(&mut buffer, bytes.get(..end).unwrap_or_default())?, O_DIRECTORY, links) {
                Err(Errno::NOENT) => {}
                other => break other?,
            }
        };
        for component in bytes.get(end..).unwrap_or_default().split(|byte| *byte == b'/') {
            if component.is_empty() {
                continue;
            }
            let mut buffer = [0; COMPONENT];
            let name = c_path(&mut buffer, component)?;
            match fs::mkdirat(directory, name, 0o755) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
            directory = leak(fs::openat(directory, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0)?);
        }
        Ok(directory)
    }

    /// Opens a file of the container for a bind onto it, making an empty one and its directories when it is missing.
    pub fn open_or_make_file(&self, path: &CStr, links: Links) -> Result<BorrowedFd<'static>> {
        match self.open(path, 0, links) {
            Err(Errno::NOENT) => {}
            other => return other,
        }
        let (directory, name) = self.parent(path, links)?;
        // A link in the last place that leads nowhere: O_EXCL does not follow it.
        drop(fs::openat(directory, name, fs::O_CREAT | fs::O_EXCL | O_NOFOLLOW | fs::O_WRONLY, 0o644)?);
        fs::openat(directory, name, O_PATH | O_NOFOLLOW, 0).map(leak)
    }

    /// The directory that holds a path's last component, made if it is missing, and that component's name.
    pub fn parent<'p>(&self, path: &'p CStr, links: Links) -> Result<(BorrowedFd<'static>, &'p CStr)> {
        let bytes = path.to_bytes();
        let Some(slash) = bytes.iter().rposition(|byte| *byte == b'/') else {
            return Ok((self.root(), path));
        };
        let (directory, _) = bytes.split_at_checked(slash).unwrap_or_default();
        let name = name_in(path, directory).ok_or(Errno::INVAL)?;
        let mut buffer = [0; PATH];
        Ok((self.open_or_make_directory(c_path(&mut buffer, directory)?, links)?, name))
    }

    /// What openat2(RESOLVE_IN_ROOT) does, component by component, for kernels without it. `..` stops at the root, which is
    /// known by its device and inode; a link's text takes the place of the link in what is left of the path.
    fn walk(&self, path: &CStr, flags: u32, links: Links) -> Result<BorrowedFd<'static>> {
        // What is left of the path stands at the end of the buffer.
        let mut rest = [0u8; PATH];
        let mut at = put_before(&mut rest, PATH, path.to_bytes())?;
        let mut here = self.root();
        let mut followed = 0u32;
        loop {
            let mut left = rest.get(at..).unwrap_or_default();
            while let [b'/', behind @ ..] = left {
                left = behind;
            }
            let end = left.iter().position(|byte| *byte == b'/').unwrap_or(left.len());
            let (component, left) = left.split_at_checked(end).unwrap_or_default();
            let last = left.iter().all(|byte| *byte == b'/');
            at = PATH.saturating_sub(left.len());

            if component == b".." && same_file(here, self.root()).is_err() {
                here = leak(fs::openat(here, c"..", O_PATH | O_DIRECTORY | O_NOFOLLOW, 0)?);
            }
            if matches!(component, b"" | b"." | b"..") {
                if last {
                    return fs::openat(here, c".", flags & (O_DIRECTORY | O_PATH), 0).map(leak);
                }
                continue;
            }

            let mut buffer = [0; COMPONENT];
            let name = c_path(&mut buffer, component)?;
            let next = leak(fs::openat(here, name, O_PATH | O_NOFOLLOW, 0)?);
            let kind = stat::fstat(next)?.mode & fs::S_IFMT;
            if kind == fs::S_IFLNK && !(last && links == Links::LastItself) {
                followed = followed.saturating_add(1);
                // The links of procfs that are no text (NO_MAGICLINKS): the jail's root is never on a procfs, a mount in it may be.
                if links == Links::Refuse || followed > MAX_LINKS || stat::fstatfs(next)?.kind == PROC_MAGIC {
                    return Err(Errno::LOOP);
                }
                let mut text = [0; PATH];
                let text = fs::readlinkat(next, c"", &mut text)?;
                at = put_before(&mut rest, at, text)?;
                if text.starts_with(b"/") {
                    here = self.root();
                }
                continue;
            }
            if (!last || flags & O_DIRECTORY != 0) && kind != fs::S_IFDIR {
                return Err(Errno::NOTDIR);
            }
            if last && flags & O_PATH == 0 {
                // To be read: the name again, which must still be the file that was looked at.
                let file = leak(fs::openat(here, name, flags | O_NOFOLLOW, 0)?);
                return same_file(file, next).map(|()| file);
            }
            if last {
                return Ok(next);
            }
            here = next;
        }
    }
}

/// ELOOP unless both are the same file: between two looks a name was made to lead elsewhere.
pub fn same_file(a: BorrowedFd<'_>, b: BorrowedFd<'_>) -> Result<()> {
    match stat::fstat(a)?.is_same_file(&stat::fstat(b)?) {
        true => Ok(()),
        false => Err(Errno::LOOP),
    }
}

/// PROC_SUPER_MAGIC (statfs(2)).
pub const PROC_MAGIC: u32 = 0x9fa0;

/// Copies bytes into a buffer at a place, and says where they end.
fn put(buffer: &mut [u8], at: usize, bytes: &[u8]) -> Result<usize> {
    let end = at.saturating_add(bytes.len());
    buffer.get_mut(at..end).ok_or(Errno::NAMETOOLONG)?.copy_from_slice(bytes);
    Ok(end)
}

/// Copies bytes into a buffer before a place, and says where they begin.
fn put_before(buffer: &mut [u8; PATH], end: usize, bytes: &[u8]) -> Result<usize> {
    let at = end.checked_sub(bytes.len()).ok_or(Errno::NAMETOOLONG)?;
    put(buffer, at, bytes).map(|_| at)
}

/// A C string of parts that hold no NUL, one after the other, in a buffer.
pub fn join<'b>(buffer: &'b mut [u8], parts: &[&[u8]]) -> Result<&'b CStr> {
    let mut end = 0;
    for part in parts {
        end = put(buffer, end, part)?;
    }
    *buffer.get_mut(end).ok_or(Errno::NAMETOOLONG)? = 0;
    CStr::from_bytes_until_nul(buffer).map_err(|_| Errno::NAMETOOLONG)
}

/// The same of a single one.
fn c_path<'b>(buffer: &'b mut [u8], bytes: &[u8]) -> Result<&'b CStr> {
    join(buffer, &[bytes])
}

/// The name of a path that lies directly in a directory.
pub fn name_in<'p>(path: &'p CStr, directory: &[u8]) -> Option<&'p CStr> {
    let name = path.to_bytes_with_nul().strip_prefix(directory)?.strip_prefix(b"/")?;
    CStr::from_bytes_with_nul(name).ok().filter(|name| !name.to_bytes().contains(&b'/'))
}

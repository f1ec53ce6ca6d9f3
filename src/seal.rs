//! The runtime's own binary, out of the container's reach (R6, CVE-2019-5736).
//!
//! A program that is started as `#!/proc/self/exe` runs the runtime's file, and root of the container could write to it. So
//! what runs in a container is never the file itself: where the file can be written to, the runtime starts again from a
//! read-only mount of it that no name leads to, or from a sealed copy in memory. Nothing is done where the file already lies on a
//! read-only file system. Called by `main` for create, run and exec, once the command line is read.

use crate::error::{Error, Result};
use crate::log::Log;
use crate::spawn::open_proc;
use crate::sync::is_absent;
use alloc::format;
use core::ffi::CStr;
use syscalls::fs::{self, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_WRITE};
use syscalls::mount::{self, MOUNT_ATTR_RDONLY, MountAttr};
use syscalls::{Args, AsFd, AsRawFd, BorrowedFd, CStrArray, CWD, Errno, fd, leak, prctl, process, stat};

/// The name under which the runtime starts again. Who is called so and is not sealed does not go on.
const SEALED: &CStr = c"runlet:sealed";
/// The same where exec names the process after a descriptor's number (before Linux 6.14): it then takes its own name.
const UNNAMED: &CStr = c"runlet:sealed:unnamed";

/// ST_RDONLY of statfs(2): the file system or the mount is read-only.
const READ_ONLY: u32 = 1;
/// OVERLAYFS_SUPER_MAGIC: the file below a read-only overlay may be reached by another way. A read-only mount of the runtime's own
/// is as good on it as anywhere: what counts is what /proc/self/exe leads to.
const OVERLAY: u32 = 0x794c_7630;
const SEALS: u32 = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

/// Returns when the running program is safe from the container. Otherwise it starts again and does not return.
pub fn seal(args: Args, log: &Log) -> Result<()> {
    let mut exe = open_exe()?;
    while exe.as_raw_fd() <= 2 {
        // The caller left a standard descriptor closed: no file that the runtime opens later may be taken for it.
        exe = open_exe()?;
    }
    let mut given = args.args();
    let name = given.next();
    let again = name == Some(SEALED) || name == Some(UNNAMED);
    if is_sealed(exe, again)? {
        if name == Some(UNNAMED) {
            prctl::set_name(c"runlet").map_err(Error::os(words!("prctl(PR_SET_NAME)")))?;
        }
        return Ok(());
    }
    if again {
        return Err(Error::new(words!("the runtime's binary could not be sealed")));
    }
    let (sealed, name) = match read_only_mount(exe) {
        Ok(sealed) => sealed,
        Err(_) => {
            log.debug(
                &"open_tree, mount_setattr (Linux 5.12) are missing or denied: the runtime runs from a copy of itself in memory",
            );
            let copy = copy(exe).map_err(|errno| {
                let hint = words!("on a read-only file system it needs no seal");
                Error::os(words!("seal the runtime's binary"))(errno).hint(hint)
            })?;
            (copy, UNNAMED)
        }
    };
    let (mut argv, mut envp) = (CStrArray::new(), CStrArray::new());
    argv.push(name);
    argv.extend(given);
    envp.extend(args.env());
    let mut errno = process::execveat(sealed, c"", &argv, &envp, fs::AT_EMPTY_PATH);
    if is_absent(errno) {
        // execveat is as old as any kernel that has the rest, and may be denied.
        errno = process::execve(path_of(sealed), &argv, &envp);
    }
    Err(Error::os(words!("start again from the sealed binary"))(errno))
}

/// The file that this process runs. As O_PATH it is no way to change anything, and like all that is opened here exec closes it.
fn open_exe() -> Result<BorrowedFd<'static>> {
    match fs::openat(CWD, c"/proc/self/exe", fs::O_PATH, 0) {
        Ok(exe) => Ok(leak(exe)),
        Err(_) => {
            let (proc, _) = open_proc()?;
            fs::openat(proc.as_fd(), c"self/exe", fs::O_PATH, 0)
                .map(leak)
                .map_err(Error::os(words!("open the runtime's binary")))
        }
    }
}

/// Whether nobody can write to it through /proc/self/exe. `again`: this process was started from where it is safe, if it is.
fn is_sealed(exe: BorrowedFd<'_>, again: bool) -> Result<bool> {
    let place = stat::fstatfs(exe).map_err(Error::os(words!("statfs of the runtime's binary")))?;
    if place.flags & READ_ONLY != 0 && (again || place.kind != OVERLAY) {
        return Ok(true);
    }
    let user = syscalls::ids::start().uid;
    if user == 0 && !again {
        return Ok(false);
    }
    // A copy has no name in any directory: who writes to one that is on a disk writes to nobody else's program.
    let file = stat::fstat(exe).map_err(Error::os(words!("stat of the runtime's binary")))?;
    if file.nlink == 0 {
        return Ok(again || open_again(exe).and_then(fs::get_seals).is_ok_and(|seals| seals & SEALS == SEALS));
    }
    // An ordinary user's containers are that user at most: somebody else's file is out of their reach.
    let denied = || fs::faccessat2(exe, c"", fs::W_OK, fs::AT_EMPTY_PATH).err() == Some(Errno::ACCESS);
    Ok(user != 0 && file.uid != user && file.mode & 0o002 == 0 && denied())
}

/// A detached read-only mount of the file: attached nowhere, so that nothing can change it back (Linux 5.12; in one call 6.15). With
/// it the name to start it under.
fn read_only_mount(exe: BorrowedFd<'_>) -> syscalls::Result<(BorrowedFd<'static>, &'static CStr)> {
    let flags = fs::AT_EMPTY_PATH | mount::OPEN_TREE_CLONE;
    let attr = MountAttr { set: MOUNT_ATTR_RDONLY, ..MountAttr::default() };
    match mount::open_tree_attr(exe, c"", flags, &attr) {
        Err(errno) if is_absent(errno) => {
            let tree = leak(mount::open_tree(exe, c"", flags)?);
            mount::mount_setattr(tree, c"", fs::AT_EMPTY_PATH, &attr)?;
            Ok((tree, UNNAMED))
        }
        other => Ok((leak(other?), SEALED)),
    }
}

/// A copy in memory that nobody can change any more, or where that is denied one without a name on a disk.
fn copy(exe: BorrowedFd<'_>) -> syscalls::Result<BorrowedFd<'static>> {
    let from = open_again(exe)?;
    // MFD_EXEC (Linux 6.3) is refused by older kernels, which need no word for it.
    let flags = fs::MFD_ALLOW_SEALING;
    let to = match fs::memfd_create(c"runlet", flags | fs::MFD_EXEC) {
        Err(Errno::INVAL) => fs::memfd_create(c"runlet", flags),
        other => other,
    };
    let (to, sealable) = match to {
        Ok(to) => (leak(to), true),
        Err(errno) => (leak(crate::nameless::file(true).or(Err(errno))?), false),
    };
    let mut left = stat::fstat(exe)?.size;
    while left > 0 {
        let sent = rustix::fs::sendfile(to, from, None, usize::try_from(left).unwrap_or(usize::MAX))?;
        left = left.saturating_sub(sent as u64);
        if sent == 0 {
            return Err(Errno::IO);
        }
    }
    match sealable {
        true => fs::add_seals(to, SEALS).map(|()| to),
        // What is open for writing is not executed (ETXTBSY).
        false => {
            let reader = fs::openat(CWD, path_of(to), fs::O_RDONLY, 0).map(leak);
            fd::close_raw(to.as_raw_fd())?;
            reader
        }
    }
}

fn path_of(file: BorrowedFd<'_>) -> &'static CStr {
    crate::paths::cstring(&format!("/proc/self/fd/{}", file.as_raw_fd()))
}

fn open_again(exe: BorrowedFd<'_>) -> syscalls::Result<BorrowedFd<'static>> {
    let file = match fs::openat(CWD, c"/proc/self/exe", fs::O_RDONLY, 0) {
        Err(errno) => {
            let (proc, _) = open_proc().map_err(|_| errno)?;
            fs::openat(proc.as_fd(), c"self/exe", fs::O_RDONLY, 0)
        }
        file => file,
    };
    let file = leak(file?);
    match stat::fstat(exe)?.is_same_file(&stat::fstat(file)?) {
        true => Ok(file),
        false => Err(Errno::STALE),
    }
}

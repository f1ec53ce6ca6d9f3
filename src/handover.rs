//! What a caller gets in hand besides the exit status: the terminal's master, the pid, a pidfd, word that the program runs and
//! how it ended. Each is asked for by a flag that names a file, a socket or a descriptor.

use crate::activation::is_callers;
use crate::args::{Flag, Given, text};
use crate::error::{Error, Result, decimal, error};
use crate::paths::{self, cstring, shown};
use crate::spawn::Child;
use crate::store;
use alloc::{format, string::ToString};
use core::ffi::CStr;
use rustix::fs::{Mode, OFlags};
use syscalls::{AsFd, Errno, OwnedFd, fd, net};

/// Connects to a Unix socket of the caller's.
pub fn connect(path: &CStr, flag: &str) -> Result<OwnedFd> {
    net::connected(net::SOCK_STREAM, path.to_bytes()).map_err(Error::at(flag, shown(path)))
}

/// Writes the child's pid beside `--pid-file`, if that is asked for, and renames it: whoever sees the file sees all of it, and a name
/// that somebody else may have put there is not written through.
pub fn write_pid_file(given: &Given, child: &Child) -> Result<()> {
    let Some(name) = given.path(Flag::PidFile) else { return Ok(()) };
    let path = text(name, "--pid-file")?;
    let failed = |errno| Error::sys(words!("--pid-file: write"), path)(errno);
    let beside = cstring(&match paths::split_last(path, b'/') {
        Some((directory, name)) => format!("{directory}/.{name}.new"),
        None => format!(".{path}.new"),
    });
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let open = || rustix::fs::open(beside, flags, Mode::from_raw_mode(0o644));
    let file = match open() {
        // Left by a call that was killed.
        Err(Errno::EXIST) => rustix::fs::unlink(beside).and_then(|()| open()),
        other => other,
    };
    let file = file.map_err(failed)?;
    store::write_all(file.as_fd(), child.pid.to_string().as_bytes()).map_err(failed)?;
    rustix::fs::rename(beside, name).map_err(failed)
}

/// Hands a pidfd of the child to `--pidfd-socket`, if that is asked for.
pub fn send_pidfd(given: &Given, child: &Child) -> Result<()> {
    let Some(path) = given.path(Flag::PidfdSocket) else { return Ok(()) };
    let socket = connect(path, "--pidfd-socket")?;
    let pidfd = match &child.pidfd {
        Some(pidfd) => pidfd.as_fd(),
        None => return Err(Error::new(words!("--pidfd-socket: this kernel has no pidfds (Linux 5.2)"))),
    };
    net::send_with_fds(socket.as_fd(), b"pidfd", &[pidfd], net::MSG_NOSIGNAL)
        .map(drop)
        .map_err(Error::sys(words!("--pidfd-socket"), shown(path)))
}

/// Takes over a descriptor that the caller names; it must be one of the caller's.
pub fn take(number: u32, flag: &str) -> Result<OwnedFd> {
    let own = || {
        if is_callers(number) { i32::try_from(number).ok().and_then(|raw| fd::adopt(raw).ok()) } else { None }
    };
    own().ok_or_else(|| error!("{}: file descriptor {} is not open", flag, decimal(number)))
}

/// s6's readiness protocol: a newline on a descriptor, and its end.
pub fn ready(descriptor: OwnedFd) -> Result<()> {
    store::write_all(descriptor.as_fd(), b"\n").map_err(Error::os(words!("--ready-fd")))
}

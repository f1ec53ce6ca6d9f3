//! The container's terminal: a pty of its own devpts (config.md "terminal").

use super::Fds;
use super::mounts::bind_at;
use super::resolve::{Jail, Links};
use crate::plan::Terminal;
use crate::sync::Step;
use syscalls::tty::{self, WinSize};
use syscalls::{BorrowedFd, Errno, Result, fs, leak, net};

/// linux/magic.h.
const DEVPTS_SUPER_MAGIC: u32 = 0x1cd1;

/// Makes the pty, binds its slave on /dev/console, and hands the master out. The slave becomes stdio here, and the
/// session's controlling terminal.
pub fn make(terminal: Terminal, dev: Option<BorrowedFd<'_>>, fds: &Fds<'_>) -> Result<()> {
    fds.at(Step::Console);
    let pts = fds.jail.open(c"dev/pts", fs::O_DIRECTORY, Links::Refuse)?;
    // ptmx of that very devpts: /dev/ptmx may be anything the image likes.
    let master = leak(fs::openat(pts, c"ptmx", fs::O_RDWR | fs::O_NOCTTY | fs::O_NOFOLLOW, 0)?);
    // A container may have covered /dev/pts, with a FUSE file system for one, whose files answer these ioctls as they like: with the
    // number of a descriptor of the host's, say.
    if syscalls::stat::fstatfs(master)?.kind != DEVPTS_SUPER_MAGIC {
        return Err(Errno::NOTTY);
    }
    tty::unlock(master)?;
    let slave = leak(tty::open_peer(master)?);
    let size = WinSize { rows: terminal.height, columns: terminal.width, ..WinSize::default() };
    if size != WinSize::default() {
        tty::set_winsize(slave, size)?;
    }
    if terminal.plain_newlines {
        let settings = tty::get_termios(slave)?.with_newline_translation(false);
        tty::set_termios(slave, &settings)?;
    }

    if let Some(dev) = dev {
        console(slave, dev, &fds.jail)?;
    }
    if let Some(socket) = fds.setup.console {
        net::send_with_fds(socket, b"/dev/ptmx", &[master], net::MSG_NOSIGNAL)?;
    }
    fds.at(Step::Stdio);
    for stdio in 0..3 {
        syscalls::fd::dup_to(slave, stdio, 0)?;
    }
    match fds.setup.late_pid {
        true => Ok(()), // the session is that of the process to come
        false => tty::set_controlling(slave),
    }
}

/// Binds the slave on /dev/console, made if it is missing and never a link (CVE-2025-52565).
fn console(slave: BorrowedFd<'_>, dev: BorrowedFd<'_>, jail: &Jail) -> Result<()> {
    let flags = fs::O_CREAT | fs::O_EXCL | fs::O_NOFOLLOW | fs::O_WRONLY;
    match fs::openat(dev, c"console", flags, 0o620) {
        Ok(made) => drop(made),
        Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno),
    }
    let target = leak(fs::openat(dev, c"console", fs::O_PATH | fs::O_NOFOLLOW, 0)?);
    if syscalls::stat::fstat(target)?.mode & fs::S_IFMT == fs::S_IFLNK {
        return Err(Errno::LOOP);
    }
    bind_at((slave, c""), (target, c""), jail)
}

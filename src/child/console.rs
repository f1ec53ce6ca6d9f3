//! The container's terminal: a pty of its own devpts (config.md "terminal").

use super::mounts::{attach, is_absent};
use super::resolve::{Jail, Links};
use super::{Done, Fds, at};
use crate::plan::Terminal;
use crate::sync::Step;
use syscalls::tty::{self, WinSize};
use syscalls::{BorrowedFd, Errno, fs, leak, mount, net};

/// Makes the pty, binds its slave on /dev/console, and hands the master out. The slave becomes stdio here, and the
/// session's controlling terminal.
pub fn make(terminal: Terminal, jail: &Jail, dev: Option<BorrowedFd<'_>>, fds: Fds<'_>) -> Done<()> {
    let failed = || at(Step::Console);
    let pts = jail.open(c"dev/pts", fs::O_DIRECTORY, Links::Refuse).map_err(failed())?;
    // ptmx of that very devpts: /dev/ptmx may be anything the image likes.
    let master =
        leak(fs::openat(pts, c"ptmx", fs::O_RDWR | fs::O_NOCTTY | fs::O_NOFOLLOW, 0).map_err(failed())?);
    tty::unlock(master).map_err(failed())?;
    let slave = leak(tty::open_peer(master).map_err(failed())?);
    let size = WinSize { rows: terminal.height, columns: terminal.width, ..WinSize::default() };
    if size != WinSize::default() {
        tty::set_winsize(slave, size).map_err(failed())?;
    }
    // The caller sees the program's own line ends (CLI.md).
    let settings = tty::get_termios(slave).map_err(failed())?.with_newline_translation(false);
    tty::set_termios(slave, &settings).map_err(failed())?;

    if let Some(dev) = dev {
        console(slave, dev).map_err(failed())?;
    }
    if let Some(socket) = fds.console {
        net::send_with_fds(socket, b"/dev/ptmx", &[master], net::MSG_NOSIGNAL).map_err(failed())?;
    }
    for stdio in 0..3 {
        syscalls::fd::dup_to(slave, stdio, 0).map_err(at(Step::Stdio))?;
    }
    tty::set_controlling(slave).map_err(at(Step::Stdio))
}

/// Binds the slave on /dev/console, made if it is missing and never a link (CVE-2025-52565).
fn console(slave: BorrowedFd<'_>, dev: BorrowedFd<'_>) -> syscalls::Result<()> {
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
    let tree = mount::open_tree(slave, c"", fs::AT_EMPTY_PATH | mount::OPEN_TREE_CLONE);
    match tree.map(leak).and_then(|tree| attach(tree, target)) {
        Err(errno) if is_absent(errno) => by_path(slave, dev),
        other => other,
    }
}

/// Before Linux 5.2: the slave by its number in the devpts.
fn by_path(slave: BorrowedFd<'_>, dev: BorrowedFd<'_>) -> syscalls::Result<()> {
    let mut name = *b"pts/0000000000\0";
    let mut number = tty::get_number(slave)?;
    let mut digits = 10usize;
    for place in (4..14).rev() {
        let digit = u8::try_from(number % 10).unwrap_or(0);
        if let Some(byte) = name.get_mut(place) {
            *byte = b'0'.saturating_add(digit);
        }
        number /= 10;
        if number == 0 {
            digits = place;
            break;
        }
    }
    // Move the digits up to the slash.
    name.copy_within(digits..15, 4);
    let path = core::ffi::CStr::from_bytes_until_nul(&name).map_err(|_| Errno::INVAL)?;
    fs::fchdir(dev)?;
    mount::mount(Some(path), c"console", None, mount::MS_BIND, None)
}

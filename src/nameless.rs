//! Files without a name on a disk, for where there is no memfd_create (or it is denied): the state that hooks read, a copy of the
//! runtime's own binary.

use rustix::fs::{Mode, OFlags};
use syscalls::{AsFd, Errno, OwnedFd, stat};

/// ST_NOEXEC of statfs(2).
const NOEXEC: u32 = 8;

/// An empty one, `executable` if that is wanted, in the first directory that can have it (O_TMPFILE, Linux 3.11).
pub fn file(executable: bool) -> syscalls::Result<OwnedFd> {
    for directory in &[c"/run", c"/tmp", c"/"] {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::open(*directory, flags, Mode::RWXU) else { continue };
        if !executable || stat::fstatfs(file.as_fd())?.flags & NOEXEC == 0 {
            return Ok(file);
        }
    }
    Err(Errno::NOSYS)
}

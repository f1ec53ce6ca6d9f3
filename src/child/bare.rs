//! A process that has nothing of the host. In a pid namespace of others, one of whom may trace every process in it (CAP_SYS_PTRACE),
//! the runtime shows no other kind (R4, CVE-2016-9962).

use syscalls::process::{self, Fork, WEXITED, WaitFor};
use syscalls::{AsRawFd, BorrowedFd, Errno, fd, fs, leak, mount, net, ns, seccomp};

/// Closes every descriptor from `first` on but these. `highest`: about the last, where close_range(2) is missing.
pub fn close_all_but(kept: [Option<BorrowedFd<'_>>; 3], first: u32, highest: u32) -> syscalls::Result<()> {
    let kept = kept.map(|kept| kept.map_or(0, |kept| kept.as_raw_fd().unsigned_abs()));
    let top = kept.into_iter().fold(0, u32::max);
    let above = fd::close_range(top.saturating_add(1), u32::MAX);
    for number in first..=if above.is_ok() { top } else { highest } {
        if !kept.contains(&number) {
            match fd::close_raw(number.cast_signed()) {
                Ok(()) | Err(Errno::BADF) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
    Ok(())
}

/// Opens a procfs context in a pid namespace, by a process that is born in it, and sends it over the socket. It ends with 0 when
/// there was such a process. `filter` leaves the calls that are made here.
pub fn send_procfs(namespace: BorrowedFd<'_>, socket: BorrowedFd<'_>, filter: &[seccomp::SockFilter]) -> ! {
    let done = match strip(namespace, socket, filter) {
        Ok(Fork::Child) => mount::fsopen(c"proc").and_then(|context| {
            net::send_with_fds(socket, b"proc", &[leak(context)], net::MSG_NOSIGNAL).map(drop)
        }),
        Ok(Fork::Parent { pid, .. }) => process::waitid(WaitFor::Pid(pid), WEXITED).map(drop),
        Err(errno) => Err(errno),
    };
    process::exit_group(i32::from(done.is_err()))
}

/// What most kernels have for a limit of descriptors (fs.nr_open).
const MOST: u32 = 1 << 20;

/// Lets go of everything, then clones.
fn strip(
    namespace: BorrowedFd<'_>,
    socket: BorrowedFd<'_>,
    filter: &[seccomp::SockFilter],
) -> syscalls::Result<Fork> {
    ns::setns(namespace, ns::CLONE_NEWPID)?;
    // A mount namespace leads to its root. That of an initramfs stays in it (EINVAL), for who may join one.
    ns::unshare(ns::CLONE_NEWNS)?;
    mount::mount(None, c"/", None, mount::MS_REC | mount::MS_PRIVATE, None)?;
    match mount::umount(c"/", mount::MNT_DETACH) {
        Ok(()) | Err(Errno::INVAL) => {}
        Err(errno) => return Err(errno),
    }
    let empty = leak(mount::fsopen(c"tmpfs")?);
    mount::fsconfig_create(empty)?;
    fs::fchdir(leak(mount::fsmount(empty, mount::MOUNT_ATTR_RDONLY)?))?;
    fs::chroot(c".")?;
    close_all_but([Some(socket), None, None], 3, MOST)?;
    seccomp::set_mode_filter(0, filter)?;
    process::clone(0, false, process::SIGCHLD)
}

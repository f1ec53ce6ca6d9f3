//! The clones: a new process that has a copy of this one's memory.
//!
//! # Safety
//!
//! They copy the address space, so the child has its own memory; flags by which it would share memory,
//! descriptors or thread state with the parent are refused with `EINVAL`, which is what lets these functions be safe to
//! call. What is left to the caller is liveness, not memory: other threads do not exist in the child, so a lock that one
//! of them held stays locked. The child therefore reads plain data, makes system calls of this crate, and execs or exits.

use super::SIGCHLD;
use crate::call::{own, ret_i32};
use linux_raw_sys::general as k;
use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, Result};

/// clone3: all signal handlers are reset in the child; ignored signals stay ignored. Linux 5.5.
pub const CLONE_CLEAR_SIGHAND: u64 = 1 << 32;
/// The child's parent is the caller's parent; it must be combined with exit signal 0.
pub const CLONE_PARENT: u64 = k::CLONE_PARENT as u64;

/// Everything that [`clone3`] and [`clone`] are told by fields of their own, or must not be told.
const REFUSED: u64 = (k::CLONE_VM
    | k::CLONE_FS
    | k::CLONE_FILES
    | k::CLONE_SIGHAND
    | k::CLONE_THREAD
    | k::CLONE_SETTLS
    | k::CLONE_PARENT_SETTID
    | k::CLONE_CHILD_SETTID
    | k::CLONE_CHILD_CLEARTID
    | k::CLONE_PIDFD) as u64
    | k::CLONE_INTO_CGROUP;

/// What [`clone3`] shall make. The default is an ordinary child: no flags, and SIGCHLD at its end.
#[derive(Clone, Copy, Debug)]
pub struct CloneArgs<'fd> {
    /// `CLONE_NEW*` of [`crate::ns`], [`CLONE_PARENT`], [`CLONE_CLEAR_SIGHAND`].
    pub flags: u64,
    /// Whether a pidfd is wanted (`CLONE_PIDFD`, Linux 5.2).
    pub pidfd: bool,
    /// The cgroup2 directory that the child is born in (`CLONE_INTO_CGROUP`, Linux 5.7).
    pub cgroup: Option<BorrowedFd<'fd>>,
    /// The signal at the child's end: `SIGCHLD`, or 0, after which [`super::waitid`] sees it only with [`super::__WALL`].
    pub exit_signal: u32,
}

impl Default for CloneArgs<'_> {
    fn default() -> Self {
        CloneArgs { flags: 0, pidfd: false, cgroup: None, exit_signal: SIGCHLD }
    }
}

/// Which of the two processes this is.
#[derive(Debug)]
pub enum Fork {
    /// The new process: plain data and system calls only, until exec or [`super::exit_group`].
    Child,
    /// The old one.
    Parent {
        /// The child's id in the caller's pid namespace.
        pid: i32,
        /// When it was asked for.
        pidfd: Option<OwnedFd>,
    },
}

/// clone3 with a copied address space and the stack as it is: returns twice. Linux 5.3.
///
/// `EINVAL` for flags by which the child would share the parent's memory or descriptor table (`CLONE_VM`, `CLONE_FILES`, ...).
/// `ENOSYS` on older kernels and under filters that send callers to [`clone`].
pub fn clone3(args: &CloneArgs<'_>) -> Result<Fork> {
    if args.flags & REFUSED != 0 {
        return Err(Errno::INVAL);
    }
    let mut pidfd = -1i32;
    let mut raw = RawCloneArgs {
        flags: args.flags,
        exit_signal: u64::from(args.exit_signal),
        ..RawCloneArgs::default()
    };
    if args.pidfd {
        raw.flags |= u64::from(k::CLONE_PIDFD);
        raw.pidfd = (&raw mut pidfd).expose_provenance() as u64;
    }
    if let Some(cgroup) = args.cgroup {
        raw.flags |= k::CLONE_INTO_CGROUP;
        raw.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: no memory is shared with the child (checked above) and it goes on with its copy of this stack.
    let pid = ret_i32(unsafe { sys!(k::__NR_clone3, &raw const raw, size_of::<RawCloneArgs>()) })?;
    Ok(forked(pid, pidfd))
}

/// The older clone, for kernels without clone3: `flags` as for [`clone3`] (32 bits of them), no cgroup.
///
/// A pidfd needs Linux 5.2; an older kernel ignores the wish, and the parent sees `pidfd: None`.
pub fn clone(flags: u64, pidfd: bool, exit_signal: u32) -> Result<Fork> {
    let Ok(mut word) = u32::try_from(flags | u64::from(exit_signal)) else {
        return Err(Errno::INVAL);
    };
    if flags & (REFUSED | u64::from(k::CSIGNAL)) != 0 || exit_signal & !k::CSIGNAL != 0 {
        return Err(Errno::INVAL);
    }
    let mut fd = -1i32;
    if pidfd {
        word |= k::CLONE_PIDFD;
    }
    // The order is (flags, stack, parent_tid) on all architectures here but s390x; what follows differs and is zero.
    // The pidfd is written through parent_tid.
    #[cfg(not(target_arch = "s390x"))]
    // SAFETY: as clone3; a zero stack keeps the caller's.
    let pid = ret_i32(unsafe { sys!(k::__NR_clone, word, 0usize, &raw mut fd, 0usize, 0usize) })?;
    #[cfg(target_arch = "s390x")]
    // SAFETY: as clone3; a zero stack keeps the caller's.
    let pid = ret_i32(unsafe { sys!(k::__NR_clone, 0usize, word, &raw mut fd, 0usize, 0usize) })?;
    Ok(forked(pid, fd))
}

fn forked(pid: i32, pidfd: i32) -> Fork {
    if pid == 0 {
        return Fork::Child;
    }
    // SAFETY: written by the kernel for this clone, so it is new; untouched it is still -1.
    let pidfd = (pidfd >= 0).then(|| unsafe { own(pidfd) });
    Fork::Parent { pid, pidfd }
}

/// struct clone_args as of Linux 5.7, 88 bytes. Older kernels take it when what they do not know is zero.
#[repr(C)]
#[derive(Default)]
struct RawCloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{
        __WALL, SIGKILL, WEXITED, WNOHANG, WNOWAIT, WaitFor, WaitStatus, exit_group, pidfd_send_signal,
        waitid,
    };
    use crate::testing::emulated;
    use rustix::fd::AsFd;

    #[test]
    fn the_struct_has_the_kernels_size() {
        assert_eq!(size_of::<RawCloneArgs>(), 88);
    }

    fn ends(fork: Result<Fork>, status: i32) -> (i32, Option<OwnedFd>) {
        match fork.unwrap() {
            Fork::Child => exit_group(status),
            Fork::Parent { pid, pidfd } => (pid, pidfd),
        }
    }

    #[test]
    fn clone3_child_ends_with_its_status_seen_by_pid_and_pidfd() {
        if emulated("clone3_child_ends_with_its_status_seen_by_pid_and_pidfd") {
            return;
        }
        let args = CloneArgs { pidfd: true, exit_signal: SIGCHLD, ..CloneArgs::default() };
        let (pid, pidfd) = ends(clone3(&args), 42);
        let pidfd = pidfd.unwrap();
        let status = Some((pid, WaitStatus::Exited(42)));
        assert_eq!(waitid(WaitFor::PidFd(pidfd.as_fd()), WEXITED | WNOWAIT), Ok(status));
        assert_eq!(waitid(WaitFor::Pid(pid), WEXITED), Ok(status));
        assert_eq!(waitid(WaitFor::Pid(pid), WEXITED), Err(Errno::CHILD));
    }

    #[test]
    fn clone_gives_a_pidfd_through_which_the_child_is_killed() {
        if emulated("clone_gives_a_pidfd_through_which_the_child_is_killed") {
            return;
        }
        let (pid, pidfd) = match clone(0, true, SIGCHLD).unwrap() {
            Fork::Child => loop {
                crate::signal::pause();
            },
            Fork::Parent { pid, pidfd } => (pid, pidfd.unwrap()),
        };
        assert_eq!(waitid(WaitFor::Pid(pid), WEXITED | WNOHANG), Ok(None));
        pidfd_send_signal(pidfd.as_fd(), SIGKILL).unwrap();
        assert_eq!(waitid(WaitFor::Pid(pid), WEXITED), Ok(Some((pid, WaitStatus::Killed(9)))));
        assert_eq!(pidfd_send_signal(pidfd.as_fd(), 0), Err(Errno::SRCH));
    }

    #[test]
    fn flags_that_share_memory_or_descriptors_are_refused() {
        for flag in [k::CLONE_VM, k::CLONE_FILES, k::CLONE_THREAD, k::CLONE_SETTLS, k::CLONE_PIDFD] {
            let flags = u64::from(flag);
            let args = CloneArgs { flags, exit_signal: SIGCHLD, ..CloneArgs::default() };
            assert_eq!(clone3(&args).err(), Some(Errno::INVAL));
            assert_eq!(clone(flags, false, SIGCHLD).err(), Some(Errno::INVAL));
        }
    }

    #[test]
    fn a_child_without_a_signal_is_seen_only_by_wall() {
        if emulated("a_child_without_a_signal_is_seen_only_by_wall") {
            return;
        }
        let (pid, _) = ends(clone3(&CloneArgs { exit_signal: 0, ..CloneArgs::default() }), 3);
        assert_eq!(waitid(WaitFor::Pid(pid), WEXITED), Err(Errno::CHILD));
        assert_eq!(waitid(WaitFor::Pid(pid), WEXITED | __WALL), Ok(Some((pid, WaitStatus::Exited(3)))));
    }
}

//! Namespaces: leave, join, name.
//!
//! # Safety
//!
//! Integers, descriptors, and slices with their length. `CLONE_FILES` and `CLONE_FS` are not namespaces and are refused.

use crate::call::{ret_fd, ret_i32, ret_unit};
use linux_raw_sys::general as k;
use linux_raw_sys::ioctl as io;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::{Errno, Result};

/// Mount namespace.
pub const CLONE_NEWNS: u64 = k::CLONE_NEWNS as u64;
/// Host and domain name.
pub const CLONE_NEWUTS: u64 = k::CLONE_NEWUTS as u64;
/// System V IPC and POSIX message queues.
pub const CLONE_NEWIPC: u64 = k::CLONE_NEWIPC as u64;
/// Users and capabilities.
pub const CLONE_NEWUSER: u64 = k::CLONE_NEWUSER as u64;
/// Process ids, of children.
pub const CLONE_NEWPID: u64 = k::CLONE_NEWPID as u64;
/// Network.
pub const CLONE_NEWNET: u64 = k::CLONE_NEWNET as u64;
/// The view of cgroups. Linux 4.6.
pub const CLONE_NEWCGROUP: u64 = k::CLONE_NEWCGROUP as u64;
/// Monotonic and boot time, of children; not for clone, but clone3 and unshare. Linux 5.6.
pub const CLONE_NEWTIME: u64 = k::CLONE_NEWTIME as u64;

const ALL: u64 = CLONE_NEWNS
    | CLONE_NEWUTS
    | CLONE_NEWIPC
    | CLONE_NEWUSER
    | CLONE_NEWPID
    | CLONE_NEWNET
    | CLONE_NEWCGROUP
    | CLONE_NEWTIME;

/// unshare: new namespaces for this thread (pid and time: for its children). `EINVAL` for anything but `CLONE_NEW*`.
pub fn unshare(namespaces: u64) -> Result<()> {
    if namespaces & !ALL != 0 {
        return Err(Errno::INVAL);
    }
    // SAFETY: no memory; all flags fit 32 bits.
    ret_unit(unsafe { sys!(k::__NR_unshare, namespaces as u32) })
}

/// setns: joins the namespace that `fd` is (`namespaces` its type, or 0 for any), or those of a pidfd's process (Linux 5.8).
///
/// `EINVAL` for another type, for the user namespace the thread is in already, and for a user namespace with several threads.
pub fn setns(fd: BorrowedFd<'_>, namespaces: u64) -> Result<()> {
    if namespaces & !ALL != 0 {
        return Err(Errno::INVAL);
    }
    // SAFETY: no memory.
    ret_unit(unsafe { sys!(k::__NR_setns, fd, namespaces as u32) })
}

/// ioctl(NS_GET_NSTYPE): the `CLONE_NEW*` that this namespace descriptor is. `ENOTTY` for any other file. Linux 4.11.
pub fn get_type(fd: BorrowedFd<'_>) -> Result<u64> {
    // SAFETY: no memory.
    ret_i32(unsafe { sys!(k::__NR_ioctl, fd, io::NS_GET_NSTYPE) }).map(|t| u64::from(t as u32))
}

/// ioctl(NS_GET_USERNS): the user namespace that owns this namespace. `EPERM` when it is outside the caller's. Linux 4.9.
pub fn get_owner(fd: BorrowedFd<'_>) -> Result<OwnedFd> {
    // SAFETY: a new descriptor, always close-on-exec.
    unsafe { ret_fd(sys!(k::__NR_ioctl, fd, io::NS_GET_USERNS)) }
}

/// sethostname of this UTS namespace: at most 64 bytes, else `EINVAL`.
pub fn sethostname(name: &[u8]) -> Result<()> {
    // SAFETY: reads `len` bytes.
    ret_unit(unsafe { sys!(k::__NR_sethostname, name.as_ptr(), name.len()) })
}

/// setdomainname (NIS) of this UTS namespace: at most 64 bytes, else `EINVAL`.
pub fn setdomainname(name: &[u8]) -> Result<()> {
    // SAFETY: reads `len` bytes.
    ret_unit(unsafe { sys!(k::__NR_setdomainname, name.as_ptr(), name.len()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{emulated, holds_in_child, root};
    use crate::{AsFd, CWD, fs};

    #[test]
    fn a_namespace_says_its_type_and_owner() {
        if emulated("a_namespace_says_its_type_and_owner") {
            return;
        }
        let uts = fs::openat(CWD, c"/proc/self/ns/uts", 0, 0).unwrap();
        assert_eq!(get_type(uts.as_fd()), Ok(CLONE_NEWUTS));
        assert_eq!(get_type(get_owner(uts.as_fd()).unwrap().as_fd()), Ok(CLONE_NEWUSER));
        let file = fs::openat(CWD, c"/proc/self/status", 0, 0).unwrap();
        assert_eq!(get_type(file.as_fd()), Err(Errno::NOTTY));
    }

    #[test]
    fn what_is_no_namespace_is_refused() {
        for flag in [k::CLONE_FILES, k::CLONE_FS, k::CLONE_VM, k::CLONE_SYSVSEM] {
            assert_eq!(unshare(u64::from(flag)), Err(Errno::INVAL));
        }
        let uts = fs::openat(CWD, c"/proc/self/ns/uts", 0, 0).unwrap();
        assert_eq!(setns(uts.as_fd(), CLONE_NEWIPC), Err(Errno::INVAL));
    }

    #[test]
    fn a_name_set_in_a_namespace_is_left_behind_with_it() {
        if !root("a_name_set_in_a_namespace_is_left_behind_with_it") {
            return;
        }
        let nodename = || -> Result<[u8; 6]> {
            let file = fs::openat(CWD, c"/proc/sys/kernel/hostname", 0, 0)?;
            let mut buf = [0; 6];
            crate::fd::read(file.as_fd(), &mut buf)?;
            Ok(buf)
        };
        holds_in_child(|| {
            let old = fs::openat(CWD, c"/proc/self/ns/uts", 0, 0)?;
            let before = nodename()?;
            unshare(CLONE_NEWUTS)?;
            sethostname(b"inside")?;
            setdomainname(b"domain")?;
            let inside = nodename()?;
            setns(old.as_fd(), CLONE_NEWUTS)?;
            Ok(inside == *b"inside" && before == nodename()? && sethostname(&[b'x'; 65]) == Err(Errno::INVAL))
        });
    }
}

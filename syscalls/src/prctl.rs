//! prctl: what a thread may become.
//!
//! # Safety
//!
//! Integers only, but [`set_name`]'s string. Operations that take addresses to keep (`PR_SET_MM`, ...) are not offered.

use crate::call::{ret_i32, ret_unit};
use core::ffi::CStr;
use linux_raw_sys::prctl as p;
use rustix::io::Result;

/// The four arguments are always given: some operations refuse what is not zero.
fn prctl(option: u32, arg2: usize, arg3: usize) -> isize {
    // SAFETY: `option` is one of this file's, none of which keeps an address.
    unsafe { sys!(linux_raw_sys::general::__NR_prctl, option, arg2, arg3, 0usize, 0usize) }
}

/// Whether others of the same user may trace this process and read its /proc files. exec sets it anew.
pub fn set_dumpable(on: bool) -> Result<()> {
    ret_unit(prctl(p::PR_SET_DUMPABLE, usize::from(on), 0))
}

/// exec gives no privileges from now on. There is no way back.
pub fn set_no_new_privs() -> Result<()> {
    ret_unit(prctl(p::PR_SET_NO_NEW_PRIVS, 1, 0))
}

/// Whether this thread has no_new_privs.
pub fn get_no_new_privs() -> Result<bool> {
    ret_i32(prctl(p::PR_GET_NO_NEW_PRIVS, 0, 0)).map(|v| v != 0)
}

/// Whether the permitted set outlives a change from user 0 to another. exec clears it.
pub fn set_keepcaps(on: bool) -> Result<()> {
    ret_unit(prctl(p::PR_SET_KEEPCAPS, usize::from(on), 0))
}

/// Whether the bounding set has `cap`. `EINVAL` above the last capability of this kernel.
pub fn capbset_read(cap: u32) -> Result<bool> {
    ret_i32(prctl(p::PR_CAPBSET_READ, cap as usize, 0)).map(|v| v != 0)
}

/// Drops `cap` from the bounding set for good. `EPERM` without CAP_SETPCAP, `EINVAL` above the last capability.
pub fn capbset_drop(cap: u32) -> Result<()> {
    ret_unit(prctl(p::PR_CAPBSET_DROP, cap as usize, 0))
}

/// Empties the ambient set. Linux 4.3.
pub fn cap_ambient_clear_all() -> Result<()> {
    ret_unit(prctl(p::PR_CAP_AMBIENT, p::PR_CAP_AMBIENT_CLEAR_ALL as usize, 0))
}

/// Adds `cap` to the ambient set. `EPERM` unless it is permitted and inheritable.
pub fn cap_ambient_raise(cap: u32) -> Result<()> {
    ret_unit(prctl(p::PR_CAP_AMBIENT, p::PR_CAP_AMBIENT_RAISE as usize, cap as usize))
}

/// Whether the ambient set has `cap`.
pub fn cap_ambient_is_set(cap: u32) -> Result<bool> {
    ret_i32(prctl(p::PR_CAP_AMBIENT, p::PR_CAP_AMBIENT_IS_SET as usize, cap as usize)).map(|v| v != 0)
}

/// Orphaned descendants become children of this process.
pub fn set_child_subreaper(on: bool) -> Result<()> {
    ret_unit(prctl(p::PR_SET_CHILD_SUBREAPER, usize::from(on), 0))
}

/// The signal that this process gets when its parent *thread* ends; 0 is none. Lost when credentials change or at exec of a
/// set-id file. A parent that ended before the call sends nothing: compare getppid afterwards.
pub fn set_pdeathsig(signal: u32) -> Result<()> {
    ret_unit(prctl(p::PR_SET_PDEATHSIG, signal as usize, 0))
}

/// `SECBIT_*`. `EPERM` without CAP_SETPCAP or for a locked bit.
pub fn set_securebits(bits: u32) -> Result<()> {
    ret_unit(prctl(p::PR_SET_SECUREBITS, bits as usize, 0))
}

/// The thread's name in /proc; the first 15 bytes count.
pub fn set_name(name: &CStr) -> Result<()> {
    ret_unit(prctl(p::PR_SET_NAME, name.as_ptr() as usize, 0))
}

/// PR_GET_SECCOMP: 0 none, 2 filter. `EINVAL` in a kernel without seccomp. (In strict mode this call kills.)
pub fn get_seccomp() -> Result<i32> {
    ret_i32(prctl(p::PR_GET_SECCOMP, 0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Errno;
    use crate::testing::{emulated, holds_in_child, root};

    #[test]
    fn no_new_privs_is_set_once_and_for_all() {
        holds_in_child(|| {
            let before = get_no_new_privs()?;
            set_no_new_privs()?;
            Ok(!before && get_no_new_privs()?)
        });
    }

    #[test]
    fn a_capability_leaves_the_bounding_set() {
        assert_eq!(capbset_read(63), Err(Errno::INVAL));
        if root("a_capability_leaves_the_bounding_set") {
            assert_eq!(capbset_drop(63), Err(Errno::INVAL));
            holds_in_child(|| {
                let before = capbset_read(5)?;
                capbset_drop(5)?;
                Ok(before && !capbset_read(5)?)
            });
        }
    }

    #[test]
    fn a_capability_is_ambient_only_while_it_is_inheritable() {
        if !root("a_capability_is_ambient_only_while_it_is_inheritable") {
            return;
        }
        holds_in_child(|| {
            cap_ambient_clear_all()?;
            let mut caps = crate::caps::get()?;
            caps.inheritable = 0;
            crate::caps::set(&caps)?;
            let too_early = cap_ambient_raise(5).err();
            caps.inheritable = 1 << 5;
            crate::caps::set(&caps)?;
            cap_ambient_raise(5)?;
            let raised = cap_ambient_is_set(5)?;
            cap_ambient_clear_all()?;
            Ok(too_early == Some(Errno::PERM) && raised && !cap_ambient_is_set(5)?)
        });
    }

    #[test]
    fn keepcaps_keeps_the_permitted_set_over_a_change_of_user() {
        if !root("keepcaps_keeps_the_permitted_set_over_a_change_of_user") {
            return;
        }
        holds_in_child(|| {
            let before = crate::caps::get()?.permitted;
            set_keepcaps(true)?;
            crate::ids::set_uid(1000)?;
            Ok(crate::caps::get()?.permitted == before)
        });
        holds_in_child(|| {
            set_keepcaps(false)?;
            crate::ids::set_uid(1000)?;
            Ok(crate::caps::get()?.permitted == 0)
        });
    }

    /// What prctl(`option`) answers, for those that have no use but here.
    fn get(option: u32) -> Result<i32> {
        ret_i32(prctl(option, 0, 0))
    }

    #[test]
    fn what_is_set_is_read_back() {
        if emulated("what_is_set_is_read_back") {
            return;
        }
        holds_in_child(|| {
            set_dumpable(true)?;
            let dumpable = get(p::PR_GET_DUMPABLE)?;
            set_dumpable(false)?;
            Ok(dumpable == 1 && get(p::PR_GET_DUMPABLE)? == 0)
        });
        holds_in_child(|| {
            let mut signal = 0i32;
            set_pdeathsig(crate::signal::SIGUSR1)?;
            ret_unit(prctl(p::PR_GET_PDEATHSIG, (&raw mut signal).expose_provenance(), 0))?;
            Ok(signal as u32 == crate::signal::SIGUSR1 && set_pdeathsig(1000) == Err(Errno::INVAL))
        });
        if root("what_is_set_is_read_back") {
            holds_in_child(|| {
                const NOROOT: u32 = 1;
                let before = get(p::PR_GET_SECUREBITS)?;
                set_securebits(NOROOT)?;
                Ok(before == 0 && get(p::PR_GET_SECUREBITS)? == 1)
            });
        }
    }

    #[test]
    fn the_name_shows_in_proc() {
        holds_in_child(|| {
            set_name(c"a-name")?;
            let comm = crate::fs::openat(crate::CWD, c"/proc/self/comm", 0, 0)?;
            let mut buf = [0; 16];
            let len = crate::fd::read(crate::AsFd::as_fd(&comm), &mut buf)?;
            Ok(buf.get(..len) == Some(b"a-name\n"))
        });
    }

    #[test]
    fn a_subreaper_gets_its_grandchildren() {
        if emulated("a_subreaper_gets_its_grandchildren") {
            return;
        }
        use crate::process::{Fork, WEXITED, WaitFor, exit_group, getppid, waitid};
        use crate::testing::fork;
        holds_in_child(|| {
            set_child_subreaper(true)?;
            let reaper = crate::process::getpid();
            if matches!(fork()?, Fork::Child) {
                if matches!(fork()?, Fork::Child) {
                    while getppid() != reaper {
                        crate::fd::poll(&mut [], Some(core::time::Duration::from_millis(1)))?;
                    }
                }
                exit_group(0);
            }
            waitid(WaitFor::Any, WEXITED)?;
            waitid(WaitFor::Any, WEXITED)?;
            Ok(waitid(WaitFor::Any, WEXITED).err() == Some(Errno::CHILD))
        });
    }
}

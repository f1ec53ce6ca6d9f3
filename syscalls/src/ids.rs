//! User and group ids.
//!
//! The raw calls change the calling thread only; the C library's change all threads. The runtime has one.
//!
//! The order that works is groups, group, user: [`set_uid`] gives away the right to do the other two. The permitted
//! capabilities go with user 0 unless `prctl::set_keepcaps` said otherwise before, the effective ones always.
//!
//! # Safety
//!
//! Integers, and slices with their length.

use crate::call::{ret_i32, ret_unit};
use linux_raw_sys::general as k;
use rustix::io::{Errno, Result};

// The first calls of 32-bit x86, ARM and others took 16-bit ids; those have a second set. All else was born with 32 bits.
#[cfg(any(target_arch = "x86", target_arch = "arm", target_arch = "m68k", target_arch = "sparc"))]
mod nr {
    pub use linux_raw_sys::general::{
        __NR_getegid32 as GETEGID, __NR_geteuid32 as GETEUID, __NR_getgid32 as GETGID,
        __NR_getresgid32 as GETRESGID, __NR_getresuid32 as GETRESUID, __NR_getuid32 as GETUID,
        __NR_setgroups32 as SETGROUPS, __NR_setresgid32 as SETRESGID, __NR_setresuid32 as SETRESUID,
    };
}
#[cfg(not(any(target_arch = "x86", target_arch = "arm", target_arch = "m68k", target_arch = "sparc")))]
mod nr {
    pub use linux_raw_sys::general::{
        __NR_getegid as GETEGID, __NR_geteuid as GETEUID, __NR_getgid as GETGID, __NR_getresgid as GETRESGID,
        __NR_getresuid as GETRESUID, __NR_getuid as GETUID, __NR_setgroups as SETGROUPS,
        __NR_setresgid as SETRESGID, __NR_setresuid as SETRESUID,
    };
}

/// Real, effective and saved id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Triple {
    /// Who started it.
    pub real: u32,
    /// Whose rights it has.
    pub effective: u32,
    /// Whose rights it may take back.
    pub saved: u32,
}

/// setresuid(uid, uid, uid). `EINVAL` for `u32::MAX`, which the kernel takes as "leave it": success without effect.
pub fn set_uid(uid: u32) -> Result<()> {
    if uid == u32::MAX {
        return Err(Errno::INVAL);
    }
    // SAFETY: no memory.
    ret_unit(unsafe { sys!(nr::SETRESUID, uid, uid, uid) })
}

/// setresgid(gid, gid, gid). `EINVAL` for `u32::MAX`, which the kernel takes as "leave it": success without effect.
pub fn set_gid(gid: u32) -> Result<()> {
    if gid == u32::MAX {
        return Err(Errno::INVAL);
    }
    // SAFETY: no memory.
    ret_unit(unsafe { sys!(nr::SETRESGID, gid, gid, gid) })
}

/// setgroups: exactly these supplementary groups. `EPERM` without CAP_SETGID, or where a user namespace denies it.
pub fn set_groups(groups: &[u32]) -> Result<()> {
    // SAFETY: reads `len` ids.
    ret_unit(unsafe { sys!(nr::SETGROUPS, groups.len(), groups.as_ptr()) })
}

/// getgroups: how many there are; as many as fit are in `groups`. `EINVAL` when they do not fit; an empty slice only counts.
pub fn get_groups(groups: &mut [u32]) -> Result<usize> {
    #[cfg(not(any(
        target_arch = "x86",
        target_arch = "arm",
        target_arch = "m68k",
        target_arch = "sparc"
    )))]
    use k::__NR_getgroups as GETGROUPS;
    #[cfg(any(target_arch = "x86", target_arch = "arm", target_arch = "m68k", target_arch = "sparc"))]
    use k::__NR_getgroups32 as GETGROUPS;
    // SAFETY: writes at most `len` ids.
    ret_i32(unsafe { sys!(GETGROUPS, groups.len(), groups.as_mut_ptr()) }).map(|n| n as usize)
}

/// getresuid.
pub fn get_uids() -> Result<Triple> {
    let mut t = Triple { real: 0, effective: 0, saved: 0 };
    // SAFETY: writes three ids.
    ret_unit(unsafe { sys!(nr::GETRESUID, &raw mut t.real, &raw mut t.effective, &raw mut t.saved) })?;
    Ok(t)
}

/// getresgid.
pub fn get_gids() -> Result<Triple> {
    let mut t = Triple { real: 0, effective: 0, saved: 0 };
    // SAFETY: writes three ids.
    ret_unit(unsafe { sys!(nr::GETRESGID, &raw mut t.real, &raw mut t.effective, &raw mut t.saved) })?;
    Ok(t)
}

/// The ids with which this process was started: what they are as long as it changes none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Effective, and therefore saved, user id.
    pub uid: u32,
    /// Effective, and therefore saved, group id.
    pub gid: u32,
    /// The real user id.
    pub real_uid: u32,
    /// The real group id.
    pub real_gid: u32,
}

impl Start {
    /// Root in every way.
    pub const ROOT: Start = Start { uid: 0, gid: 0, real_uid: 0, real_gid: 0 };

    /// Whether user and group, real, effective and saved, are these.
    pub fn is(self, uid: u32, gid: u32) -> bool {
        (self.uid, self.real_uid, self.gid, self.real_gid) == (uid, uid, gid, gid)
    }
}

unsafe extern "C" {
    fn getauxval(kind: core::ffi::c_ulong) -> core::ffi::c_ulong;
}

/// The ids at the start of the process: in its auxiliary vector, where the kernel always puts them (getauxval(3)), so no call.
pub fn start() -> Start {
    let id = |kind: u32| {
        // SAFETY: integers; glibc and musl have it.
        unsafe { getauxval(kind.into()) as u32 }
    };
    Start { uid: id(AT_EUID), gid: id(AT_EGID), real_uid: id(AT_UID), real_gid: id(AT_GID) }
}

/// Whether the process was started with the effective user id 0.
pub fn is_root() -> bool {
    start().uid == 0
}

// linux/auxvec.h
const AT_UID: u32 = 11;
const AT_EUID: u32 = 12;
const AT_GID: u32 = 13;
const AT_EGID: u32 = 14;

macro_rules! get_id {
    ($($(#[$doc:meta])* $name:ident $nr:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name() -> u32 {
            // SAFETY: no arguments; cannot fail.
            unsafe { sys!(nr::$nr) as u32 }
        }
    )*};
}
get_id! {
    /// The real user id; 65534 when it has no number in this user namespace.
    getuid GETUID;
    /// The effective user id.
    geteuid GETEUID;
    /// The real group id.
    getgid GETGID;
    /// The effective group id.
    getegid GETEGID;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{holds_in_child, root};

    #[test]
    fn ids_agree_with_each_other() {
        let (uids, gids) = (get_uids().unwrap(), get_gids().unwrap());
        assert_eq!((uids.real, uids.effective), (getuid(), geteuid()));
        assert_eq!((gids.real, gids.effective), (getgid(), getegid()));
    }

    #[test]
    fn the_id_that_means_leave_it_is_refused() {
        assert_eq!(set_uid(u32::MAX), Err(Errno::INVAL));
        assert_eq!(set_gid(u32::MAX), Err(Errno::INVAL));
    }

    #[test]
    fn all_three_ids_and_exactly_these_groups_are_set() {
        if !root("all_three_ids_and_exactly_these_groups_are_set") {
            return;
        }
        // Beyond 16 bits: the old calls of 32-bit machines would cut them.
        holds_in_child(|| {
            set_groups(&[70_001, 70_002])?;
            set_gid(70_003)?;
            set_uid(70_004)?;
            let mut groups = [0; 4];
            let short = get_groups(&mut groups[..1]).err();
            Ok(get_groups(&mut groups)? == 2
                && groups[..2] == [70_001, 70_002]
                && short == Some(Errno::INVAL)
                && get_gids()? == Triple { real: 70_003, effective: 70_003, saved: 70_003 }
                && get_uids()? == Triple { real: 70_004, effective: 70_004, saved: 70_004 }
                && set_uid(0).err() == Some(Errno::PERM)
                && set_groups(&[]).err() == Some(Errno::PERM))
        });
    }
}

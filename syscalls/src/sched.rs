//! Scheduling, I/O priority, memory policy, keyrings: what a process carries over exec besides its credentials.
//!
//! # Safety
//!
//! Integers, strings, slices with their length, and one struct that says its size.

use crate::call::{ret, ret_i32, ret_unit};
use core::ffi::CStr;
use linux_raw_sys::general as k;
use rustix::io::{Errno, Result};

/// struct sched_attr, 56 bytes since Linux 5.3 (older kernels take it when the clamps are zero).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedAttr {
    size: u32,
    /// `SCHED_*`: 0 other, 1 fifo, 2 round-robin, 3 batch, 5 idle, 6 deadline.
    pub policy: u32,
    /// `SCHED_FLAG_*`.
    pub flags: u64,
    /// -20..19, for other and batch.
    pub nice: i32,
    /// 1..99, for fifo and round-robin.
    pub priority: u32,
    /// Nanoseconds, for deadline (for other: the slice, Linux 6.12).
    pub runtime: u64,
    /// Nanoseconds, for deadline.
    pub deadline: u64,
    /// Nanoseconds, for deadline.
    pub period: u64,
    /// 0..1024, with its flag.
    pub util_min: u32,
    /// 0..1024, with its flag.
    pub util_max: u32,
}

impl Default for SchedAttr {
    fn default() -> Self {
        SchedAttr {
            size: 56,
            policy: 0,
            flags: 0,
            nice: 0,
            priority: 0,
            runtime: 0,
            deadline: 0,
            period: 0,
            util_min: 0,
            util_max: 0,
        }
    }
}

/// sched_setattr; pid 0 is this thread.
pub fn sched_setattr(pid: i32, attr: &SchedAttr) -> Result<()> {
    // SAFETY: a struct that says its size.
    ret_unit(unsafe { sys!(k::__NR_sched_setattr, pid, &raw const *attr, 0u32) })
}

/// sched_getattr; pid 0 is this thread.
pub fn sched_getattr(pid: i32) -> Result<SchedAttr> {
    let mut attr = SchedAttr::default();
    // SAFETY: writes at most `size` bytes.
    ret_unit(unsafe { sys!(k::__NR_sched_getattr, pid, &raw mut attr, attr.size, 0u32) })?;
    Ok(attr)
}

/// sched_setaffinity: `mask` is longs of the machine, as bytes. `EINVAL` when no allowed CPU is in it. pid 0 is this thread.
pub fn sched_setaffinity(pid: i32, mask: &[u8]) -> Result<()> {
    // SAFETY: reads `len` bytes.
    ret_unit(unsafe { sys!(k::__NR_sched_setaffinity, pid, mask.len(), mask.as_ptr()) })
}

/// sched_getaffinity: how many bytes of `mask` were written. `EINVAL` when it is short or not a multiple of a long.
pub fn sched_getaffinity(pid: i32, mask: &mut [u8]) -> Result<usize> {
    // SAFETY: writes at most `len` bytes.
    ret(unsafe { sys!(k::__NR_sched_getaffinity, pid, mask.len(), mask.as_mut_ptr()) })
}

/// ioprio_set of this process: `class` 1 real-time, 2 best-effort, 3 idle; `level` 0 (high) to 7.
pub fn ioprio_set(class: u32, level: u32) -> Result<()> {
    const WHO_PROCESS: u32 = 1;
    if class > 7 || level > 7 {
        return Err(Errno::INVAL); // the two share one word
    }
    // SAFETY: no memory.
    ret_unit(unsafe { sys!(k::__NR_ioprio_set, WHO_PROCESS, 0u32, class << 13 | level) })
}

/// ioprio_get of this process: (class, level).
pub fn ioprio_get() -> Result<(u32, u32)> {
    const WHO_PROCESS: u32 = 1;
    // SAFETY: no memory.
    let word = ret_i32(unsafe { sys!(k::__NR_ioprio_get, WHO_PROCESS, 0u32) })? as u32;
    Ok((word >> 13 & 7, word & 7))
}

/// set_mempolicy: `mode` is `MPOL_*` with its flags; `nodes` is a bit a node. An empty slice is a null mask.
pub fn set_mempolicy(mode: u32, nodes: &[usize]) -> Result<()> {
    // The kernel reads maxnode - 1 bits.
    let bits =
        if nodes.is_empty() { 0 } else { nodes.len().saturating_mul(usize::BITS as usize).saturating_add(1) };
    let nodes = if nodes.is_empty() { core::ptr::null() } else { nodes.as_ptr() };
    // SAFETY: reads as many bits as the slice has.
    ret_unit(unsafe { sys!(k::__NR_set_mempolicy, mode, nodes, bits) })
}

/// keyctl(JOIN_SESSION_KEYRING): the serial number of the session keyring of that name, made if need be; without a name, of a new one.
///
/// A name is found wherever its maker has let this user search it: it may be anybody's of the same user namespace.
/// `ENOSYS` in a kernel without keys, `EDQUOT` when the user has too many.
pub fn keyctl_join_session_keyring(name: Option<&CStr>) -> Result<i32> {
    const JOIN_SESSION_KEYRING: u32 = 1;
    // SAFETY: a string.
    ret_i32(unsafe { sys!(k::__NR_keyctl, JOIN_SESSION_KEYRING, name) })
}

/// keyctl(SETPERM): a byte each for possessor, user, group, others.
pub fn keyctl_setperm(key: i32, permissions: u32) -> Result<()> {
    const SETPERM: u32 = 5;
    // SAFETY: no memory.
    ret_unit(unsafe { sys!(k::__NR_keyctl, SETPERM, key, permissions) })
}

/// keyctl(DESCRIBE): "type;uid;gid;permissions;name" without its NUL; permissions are eight hexadecimal digits. `ERANGE` when `buf` is short.
pub fn keyctl_describe(key: i32, buf: &mut [u8]) -> Result<&[u8]> {
    const DESCRIBE: u32 = 6;
    // SAFETY: writes at most `len` bytes.
    let len = ret(unsafe { sys!(k::__NR_keyctl, DESCRIBE, key, buf.as_mut_ptr(), buf.len()) })?;
    buf.get(..len.saturating_sub(1)).ok_or(Errno::RANGE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{emulated, holds_in_child};

    #[test]
    fn structs_have_the_kernels_size() {
        assert_eq!(size_of::<SchedAttr>(), 56);
    }

    #[test]
    fn a_policy_is_read_back() {
        if emulated("a_policy_is_read_back") {
            return;
        }
        holds_in_child(|| {
            sched_setattr(0, &SchedAttr { policy: 3, nice: 5, ..SchedAttr::default() })?;
            let attr = sched_getattr(0)?;
            Ok(attr.policy == 3 && attr.nice == 5)
        });
        assert_eq!(sched_setattr(0, &SchedAttr { policy: 99, ..SchedAttr::default() }), Err(Errno::INVAL));
    }

    #[test]
    fn an_affinity_is_read_back() {
        let mut mask = [0; 1024];
        let len = sched_getaffinity(0, &mut mask).unwrap();
        let (byte, bits) = mask[..len].iter().copied().enumerate().find(|(_, b)| *b != 0).unwrap();
        let mut one = [0; 1024];
        one[byte] = 1 << bits.trailing_zeros();
        holds_in_child(|| {
            sched_setaffinity(0, &one[..len])?;
            let mut now = [0; 1024];
            let got = sched_getaffinity(0, &mut now)?;
            Ok(got == len && now == one && sched_setaffinity(0, &[0; 8]) == Err(Errno::INVAL))
        });
    }

    #[test]
    fn an_io_priority_is_read_back() {
        if emulated("an_io_priority_is_read_back") {
            return;
        }
        holds_in_child(|| {
            ioprio_set(2, 6)?;
            let best_effort = ioprio_get()?;
            ioprio_set(3, 0)?;
            Ok(best_effort == (2, 6) && ioprio_get()?.0 == 3 && ioprio_set(2, 8) == Err(Errno::INVAL))
        });
    }

    #[test]
    fn a_memory_policy_takes_node_zero() {
        if emulated("a_memory_policy_takes_node_zero") {
            return;
        }
        const BIND: u32 = 2;
        holds_in_child(|| {
            set_mempolicy(BIND, &[1])?;
            set_mempolicy(0, &[])?;
            Ok(set_mempolicy(BIND, &[0]) == Err(Errno::INVAL))
        });
    }

    #[test]
    fn a_session_keyring_is_joined_by_name() {
        if emulated("a_session_keyring_is_joined_by_name") {
            return;
        }
        holds_in_child(|| {
            let unnamed = keyctl_join_session_keyring(None)?;
            let key = keyctl_join_session_keyring(Some(c"syscalls-test"))?;
            keyctl_setperm(key, 0x3f13_0000)?;
            let mut buf = [0; 128];
            let text = keyctl_describe(key, &mut buf)?;
            Ok(key != unnamed
                && text.ends_with(b";syscalls-test")
                && text.windows(10).any(|w| w == b";3f130000;"))
        });
    }
}

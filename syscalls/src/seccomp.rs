//! seccomp: install a filter, ask for an action.
//!
//! # Safety
//!
//! A slice of instructions with its length. A filter may make later calls fail or end the process; it cannot touch memory.

use crate::call::{ret, ret_fd, ret_unit};
use linux_raw_sys::general as k;
use rustix::fd::OwnedFd;
use rustix::io::{Errno, Result};

/// struct sock_filter: one classic BPF instruction.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SockFilter {
    /// Operation.
    pub code: u16,
    /// Instructions to skip when true.
    pub jt: u8,
    /// Instructions to skip when false.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// All threads get the filter, or none.
pub const TSYNC: u32 = 1;
/// All actions but ALLOW are logged. Linux 4.14.
pub const LOG: u32 = 2;
/// Leave speculative store bypass alone. Linux 4.17.
pub const SPEC_ALLOW: u32 = 4;
/// A listener for USER_NOTIF is returned. Linux 5.0.
pub const NEW_LISTENER: u32 = 8;
/// A failed [`TSYNC`] is `ESRCH`, so that it goes with [`NEW_LISTENER`]. Linux 5.7.
pub const TSYNC_ESRCH: u32 = 16;
/// A notified call waits unkillably but by fatal signals, once received. Linux 5.19.
pub const WAIT_KILLABLE_RECV: u32 = 32;

#[repr(C)]
struct Program {
    len: u16,
    filter: *const SockFilter,
}

/// seccomp(SET_MODE_FILTER): the listener with [`NEW_LISTENER`], else `None`. Allowed with no_new_privs or CAP_SYS_ADMIN.
///
/// `EINVAL` for an empty or faulty program or more than 4096 instructions, `ENOMEM` when all filters together are more than
/// 32768, `ESRCH` when [`TSYNC`] failed because a thread had a filter of its own.
pub fn set_mode_filter(flags: u32, program: &[SockFilter]) -> Result<Option<OwnedFd>> {
    const SET_MODE_FILTER: u32 = 1;
    let Ok(len) = u16::try_from(program.len()) else {
        return Err(Errno::INVAL);
    };
    let program = Program { len, filter: program.as_ptr() };
    // SAFETY: `len` instructions.
    let raw = unsafe { sys!(k::__NR_seccomp, SET_MODE_FILTER, flags, &raw const program) };
    if flags & NEW_LISTENER != 0 {
        // SAFETY: a new descriptor, always close-on-exec. (TSYNC without TSYNC_ESRCH is EINVAL here.)
        return unsafe { ret_fd(raw) }.map(Some);
    }
    match ret(raw)? {
        0 => Ok(None),
        _ => Err(Errno::SRCH), // the id of the thread that could not follow
    }
}

/// seccomp(GET_ACTION_AVAIL): whether this kernel knows the action `SECCOMP_RET_*`; `EOPNOTSUPP` if not. Linux 4.14.
pub fn get_action_avail(action: u32) -> Result<()> {
    const GET_ACTION_AVAIL: u32 = 2;
    // SAFETY: reads one word.
    ret_unit(unsafe { sys!(k::__NR_seccomp, GET_ACTION_AVAIL, 0u32, &raw const action) })
}

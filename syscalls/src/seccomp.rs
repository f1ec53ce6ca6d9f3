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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{WaitStatus, getppid};
    use crate::testing::{child, emulated, holds_in_child};
    use rustix::fd::{AsFd, AsRawFd};

    const LOAD: u16 = 0x20;
    const JUMP_EQ: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const ALLOW: u32 = 0x7fff_0000;
    const ERRNO: u32 = 0x0005_0000;
    const KILL_PROCESS: u32 = 0x8000_0000;
    const USER_NOTIF: u32 = 0x7fc0_0000;

    /// `action` for getppid, everything else is allowed.
    fn on_getppid(action: u32) -> [SockFilter; 4] {
        [
            SockFilter { code: LOAD, jt: 0, jf: 0, k: 0 },
            SockFilter { code: JUMP_EQ, jt: 0, jf: 1, k: k::__NR_getppid },
            SockFilter { code: RETURN, jt: 0, jf: 0, k: action },
            SockFilter { code: RETURN, jt: 0, jf: 0, k: ALLOW },
        ]
    }

    #[test]
    fn structs_have_the_kernels_size() {
        assert_eq!(size_of::<SockFilter>(), 8);
        assert_eq!(size_of::<Program>(), if cfg!(target_pointer_width = "64") { 16 } else { 8 });
    }

    #[test]
    fn a_filter_gives_its_errno_and_leaves_the_rest() {
        if emulated("a_filter_gives_its_errno_and_leaves_the_rest") {
            return;
        }
        holds_in_child(|| {
            crate::prctl::set_no_new_privs()?;
            set_mode_filter(0, &on_getppid(ERRNO | 77))?;
            Ok(getppid() == -77 && crate::process::getpid() > 0 && crate::prctl::get_seccomp()? == 2)
        });
    }

    #[test]
    fn a_filter_ends_the_process() {
        if emulated("a_filter_ends_the_process") {
            return;
        }
        let status = child(|| {
            crate::prctl::set_no_new_privs()?;
            set_mode_filter(LOG, &on_getppid(KILL_PROCESS))?;
            Ok(getppid() == 0)
        });
        const SIGSYS: i32 = if cfg!(any(target_arch = "mips", target_arch = "mips64")) { 12 } else { 31 };
        assert!(matches!(status, WaitStatus::Killed(SIGSYS) | WaitStatus::Dumped(SIGSYS)), "{status:?}");
    }

    #[test]
    fn a_listener_is_a_descriptor_of_its_own() {
        if emulated("a_listener_is_a_descriptor_of_its_own") {
            return;
        }
        holds_in_child(|| {
            crate::prctl::set_no_new_privs()?;
            let Some(listener) = set_mode_filter(NEW_LISTENER, &on_getppid(USER_NOTIF))? else {
                return Ok(false);
            };
            let mut fds = [crate::fd::PollFd::new(listener.as_fd(), crate::fd::POLLIN)];
            let idle = crate::fd::poll(&mut fds, Some(core::time::Duration::ZERO))? == 0;
            Ok(idle && crate::fd::get_flags(listener.as_raw_fd())? == 1)
        });
    }

    #[test]
    fn a_faulty_program_is_refused() {
        if emulated("a_faulty_program_is_refused") {
            return;
        }
        holds_in_child(|| {
            crate::prctl::set_no_new_privs()?;
            let no_return = [SockFilter { code: LOAD, jt: 0, jf: 0, k: 0 }];
            let long = [SockFilter { code: RETURN, jt: 0, jf: 0, k: ALLOW }; 4097];
            Ok(set_mode_filter(0, &[]).err() == Some(Errno::INVAL)
                && set_mode_filter(0, &no_return).err() == Some(Errno::INVAL)
                && set_mode_filter(0, &long).err() == Some(Errno::INVAL)
                && set_mode_filter(0, &long[..4096]).is_ok())
        });
        let too_long = std::vec![SockFilter::default(); 65_537]; // 1 in 16 bits
        assert_eq!(set_mode_filter(0, &too_long).err(), Some(Errno::INVAL));
    }

    #[test]
    fn known_actions_are_available_and_others_not() {
        if emulated("known_actions_are_available_and_others_not") {
            return;
        }
        assert_eq!(get_action_avail(KILL_PROCESS), Ok(()));
        assert_eq!(get_action_avail(0x1234_0000), Err(Errno::OPNOTSUPP));
    }
}

//! Processes: exec, exit, wait, signal by pidfd; and the clones, which have a file of their own.

mod clone;

use crate::CStrArray;
use crate::call::{ret_fd, ret_i32, ret_unit};
use core::ffi::CStr;
use linux_raw_sys::general as k;
use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, Result};

pub use clone::{CLONE_CLEAR_SIGHAND, CLONE_PARENT, CloneArgs, Fork, clone, clone3};
pub use linux_raw_sys::general::{
    __WALL, AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, RLIMIT_NOFILE, SIGCHLD, SIGKILL, SIGTERM, WCONTINUED,
    WEXITED, WNOHANG, WNOWAIT, WSTOPPED, WUNTRACED,
};

/// execve: returns only to say why not.
pub fn execve(path: &CStr, argv: &CStrArray, envp: &CStrArray) -> Errno {
    // SAFETY: NULL-terminated arrays of strings; success does not return.
    failed(unsafe { sys!(k::__NR_execve, path, argv.as_ptr(), envp.as_ptr()) })
}

/// execveat: `path` below `dir`, or `dir` itself with an empty path and `AT_EMPTY_PATH`.
///
/// A `#!` script given by a close-on-exec descriptor is `ENOENT`: its interpreter could not open it.
pub fn execveat(dir: BorrowedFd<'_>, path: &CStr, argv: &CStrArray, envp: &CStrArray, flags: u32) -> Errno {
    // SAFETY: NULL-terminated arrays of strings; success does not return.
    failed(unsafe { sys!(k::__NR_execveat, dir, path, argv.as_ptr(), envp.as_ptr(), flags) })
}

fn failed(raw: isize) -> Errno {
    match ret_unit(raw) {
        Err(errno) => errno,
        Ok(()) => Errno::NOEXEC, // not reached: exec returns only errors
    }
}

/// exit_group: ends every thread of this process, without destructors. Only the low 8 bits of `status` are seen.
pub fn exit_group(status: i32) -> ! {
    loop {
        // SAFETY: does not return; the loop is for the type.
        unsafe { sys!(k::__NR_exit_group, status) };
    }
}

macro_rules! get_id {
    ($($(#[$doc:meta])* $name:ident $nr:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name() -> i32 {
            // SAFETY: no arguments; cannot fail.
            unsafe { sys!(k::$nr) as i32 }
        }
    )*};
}
get_id! {
    /// This process, as its own pid namespace numbers it.
    getpid __NR_getpid;
    /// The parent; 0 when it is in another pid namespace.
    getppid __NR_getppid;
    /// This thread.
    gettid __NR_gettid;
}

/// setsid: a new session without a terminal. `EPERM` for a process-group leader.
pub fn setsid() -> Result<i32> {
    // SAFETY: no arguments.
    ret_i32(unsafe { sys!(k::__NR_setsid) })
}

/// setpgid: `pid` (0 is this process) joins the group `pgid` (0 is its own).
pub fn setpgid(pid: i32, pgid: i32) -> Result<()> {
    // SAFETY: no memory.
    ret_unit(unsafe { sys!(k::__NR_setpgid, pid, pgid) })
}

/// kill: one process, by number, so only where the number cannot have been reused; 0 as signal probes.
///
/// `EINVAL` for what is no process: to the kernel 0 is the caller's group, -1 everybody and other negative numbers are groups,
/// and a pid may come from a file.
pub fn kill(pid: i32, signal: u32) -> Result<()> {
    if pid <= 0 {
        return Err(Errno::INVAL);
    }
    // SAFETY: no memory.
    ret_unit(unsafe { sys!(k::__NR_kill, pid, signal) })
}

/// kill of a whole process group, by its leader's number. `EINVAL` for 1 and below, which is everybody or no group.
pub fn kill_group(pgid: i32, signal: u32) -> Result<()> {
    if pgid <= 1 {
        return Err(Errno::INVAL);
    }
    // SAFETY: no memory.
    ret_unit(unsafe { sys!(k::__NR_kill, pgid.wrapping_neg(), signal) })
}

/// pidfd_open: `ESRCH` when there is no such process. Linux 5.3.
pub fn pidfd_open(pid: i32, flags: u32) -> Result<OwnedFd> {
    // SAFETY: a new descriptor, always close-on-exec.
    unsafe { ret_fd(sys!(k::__NR_pidfd_open, pid, flags)) }
}

/// pidfd_send_signal: 0 probes. `ESRCH` when it has been waited for. Linux 5.1.
pub fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: u32) -> Result<()> {
    // SAFETY: a null siginfo is allowed.
    ret_unit(unsafe { sys!(k::__NR_pidfd_send_signal, pidfd, signal, 0usize, 0u32) })
}

/// pidfd_getfd: a duplicate of the other process's descriptor. Needs ptrace rights over it. Linux 5.6.
pub fn pidfd_getfd(pidfd: BorrowedFd<'_>, target: i32) -> Result<OwnedFd> {
    // SAFETY: a new descriptor, always close-on-exec.
    unsafe { ret_fd(sys!(k::__NR_pidfd_getfd, pidfd, target, 0u32)) }
}

/// Whom [`waitid`] waits for.
#[derive(Clone, Copy, Debug)]
pub enum WaitFor<'fd> {
    /// Any child.
    Any,
    /// The child with this id.
    Pid(i32),
    /// The child of this pidfd. Linux 5.4.
    PidFd(BorrowedFd<'fd>),
}

/// How a child ended or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitStatus {
    /// exit with this status, 0..255.
    Exited(i32),
    /// Killed by this signal.
    Killed(i32),
    /// Killed by this signal, with a core dump.
    Dumped(i32),
    /// Stopped by this signal (`WSTOPPED`), or trapped.
    Stopped(i32),
    /// Continued (`WCONTINUED`).
    Continued,
}

/// waitid: which child and what became of it, `None` for none yet with `WNOHANG`. `ECHILD` when there is none to wait for.
///
/// `options` must hold `WEXITED`, `WSTOPPED` or `WCONTINUED`. With `WNOWAIT` the child is left to be waited for again.
pub fn waitid(who: WaitFor<'_>, options: u32) -> Result<Option<(i32, WaitStatus)>> {
    let (kind, id) = match who {
        WaitFor::Any => (k::P_ALL, 0),
        WaitFor::Pid(pid) => (k::P_PID, pid),
        WaitFor::PidFd(fd) => (k::P_PIDFD, fd.as_raw_fd()),
    };
    let mut info = SigInfo::default();
    // SAFETY: the kernel writes 128 bytes or fewer; a null rusage is allowed.
    ret_unit(unsafe { sys!(k::__NR_waitid, kind, id, &raw mut info, options, 0usize) })?;
    if info.pid == 0 {
        return Ok(None);
    }
    let status = match info.code as u32 {
        k::CLD_EXITED => WaitStatus::Exited(info.status),
        k::CLD_KILLED => WaitStatus::Killed(info.status),
        k::CLD_DUMPED => WaitStatus::Dumped(info.status),
        k::CLD_CONTINUED => WaitStatus::Continued,
        _ => WaitStatus::Stopped(info.status),
    };
    Ok(Some((info.pid, status)))
}

/// siginfo_t as waitid fills it, 128 bytes. The union behind the three numbers is aligned to a pointer.
#[repr(C)]
pub(crate) struct SigInfo {
    signo: i32,
    #[cfg(not(any(
        target_arch = "mips",
        target_arch = "mips32r6",
        target_arch = "mips64",
        target_arch = "mips64r6"
    )))]
    errno: i32,
    code: i32,
    #[cfg(any(
        target_arch = "mips",
        target_arch = "mips32r6",
        target_arch = "mips64",
        target_arch = "mips64r6"
    ))]
    errno: i32,
    #[cfg(target_pointer_width = "64")]
    pad: i32,
    pid: i32,
    uid: u32,
    status: i32,
    rest: [u32; if cfg!(target_pointer_width = "64") { 25 } else { 26 }],
}

impl Default for SigInfo {
    fn default() -> Self {
        // SAFETY: integers only, zero is a value of each.
        unsafe { core::mem::zeroed() }
    }
}

/// umask: sets the file mode creation mask and returns the old one.
pub fn umask(mask: u32) -> u32 {
    // SAFETY: no memory; cannot fail.
    unsafe { sys!(k::__NR_umask, mask) as u32 }
}

/// personality: `0xffffffff` only reads. Returns the old one.
pub fn personality(persona: u32) -> Result<u32> {
    // SAFETY: no memory.
    ret_i32(unsafe { sys!(k::__NR_personality, persona) }).map(|p| p as u32)
}

/// One resource's limits; `u64::MAX` is none.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rlimit {
    /// The soft limit, which is enforced.
    pub current: u64,
    /// The hard limit, up to which the soft one may be raised.
    pub maximum: u64,
}

/// prlimit64: sets `new` if given, and returns the limit as it was. `pid` 0 is this process.
pub fn prlimit(pid: i32, resource: u32, new: Option<&Rlimit>) -> Result<Rlimit> {
    let mut old = Rlimit { current: 0, maximum: 0 };
    let new = new.map_or(core::ptr::null(), core::ptr::from_ref);
    // SAFETY: `new` is null or valid; `old` is the kernel's rlimit64.
    ret_unit(unsafe { sys!(k::__NR_prlimit64, pid, resource, new, &raw mut old) })?;
    Ok(old)
}

/// getrandom: fills as much of `buf` as is returned; 256 bytes or fewer are never cut short once the pool is ready.
pub fn getrandom(buf: &mut [u8], flags: u32) -> Result<usize> {
    // SAFETY: writes at most `len` bytes into `buf`.
    crate::call::ret(unsafe { sys!(k::__NR_getrandom, buf.as_mut_ptr(), buf.len(), flags) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{emulated, fork};

    use rustix::fd::AsFd;

    #[test]
    fn structs_have_the_kernels_size() {
        assert_eq!(size_of::<SigInfo>(), 128);
        assert_eq!(size_of::<Rlimit>(), 16);
    }

    #[test]
    fn a_group_ends_together_and_no_number_means_everybody() {
        for pid in [0, -1, i32::MIN] {
            assert_eq!(kill(pid, 0), Err(Errno::INVAL));
            assert_eq!(kill_group(pid, 0), Err(Errno::INVAL));
        }
        assert_eq!(kill_group(1, 0), Err(Errno::INVAL));
        assert_eq!(kill(getpid(), 0), Ok(()));
        if emulated("a_group_ends_together_and_no_number_means_everybody") {
            return;
        }
        crate::testing::holds_in_child(|| {
            // Who is left over by the leader's end comes to this process, whoever else would wait for it or not.
            crate::prctl::set_child_subreaper(true)?;
            let leader = match fork()? {
                Fork::Child => {
                    let own_group = setpgid(0, 0);
                    if matches!(fork(), Ok(Fork::Parent { .. })) && own_group.is_ok() {
                        kill_group(getpid(), SIGKILL).ok();
                    }
                    crate::signal::pause();
                    exit_group(1)
                }
                Fork::Parent { pid, .. } => pid,
            };
            let killed = |ended| matches!(ended, Some((_, WaitStatus::Killed(9))));
            let both =
                killed(waitid(WaitFor::Pid(leader), WEXITED)?) && killed(waitid(WaitFor::Any, WEXITED)?);
            Ok(both && kill_group(leader, 0) == Err(Errno::SRCH))
        });
    }

    #[test]
    fn a_limit_is_lowered_and_read_back() {
        const NOFILE: u32 = if cfg!(any(target_arch = "mips", target_arch = "mips64")) { 5 } else { 7 };
        let before = prlimit(0, NOFILE, None).unwrap();
        crate::testing::holds_in_child(|| {
            let new = Rlimit { current: 17, maximum: before.maximum };
            let old = prlimit(0, NOFILE, Some(&new))?;
            let fd = crate::fd::duplicate(crate::fd::inherited(0)?, 17).err();
            Ok(old == before && prlimit(getpid(), NOFILE, None)? == new && fd == Some(Errno::INVAL))
        });
        assert_eq!(prlimit(0, 99, None), Err(Errno::INVAL));
    }

    #[test]
    fn another_process_is_found_and_its_descriptor_taken() {
        if emulated("another_process_is_found_and_its_descriptor_taken") {
            return;
        }
        use crate::fd::{eventfd, pipe, read, write};
        assert_eq!(pidfd_open(-1, 0).err(), Some(Errno::INVAL));
        let (ready, tell) = pipe(0).unwrap();
        let pid = match fork().unwrap() {
            Fork::Child => {
                let mine = eventfd(77, 0);
                let number = mine.as_ref().map_or(-1, AsRawFd::as_raw_fd);
                write(tell.as_fd(), &number.to_ne_bytes()).ok();
                crate::signal::pause();
                exit_group(1)
            }
            Fork::Parent { pid, .. } => pid,
        };
        let mut number = [0; 4];
        assert_eq!(read(ready.as_fd(), &mut number), Ok(4));
        let pidfd = pidfd_open(pid, 0).unwrap();
        let taken = pidfd_getfd(pidfd.as_fd(), i32::from_ne_bytes(number)).map(|fd| {
            let mut value = [0; 8];
            read(fd.as_fd(), &mut value).map(|_| u64::from_ne_bytes(value))
        });
        kill(pid, SIGKILL).unwrap();
        assert_eq!(waitid(WaitFor::Pid(pid), WEXITED), Ok(Some((pid, WaitStatus::Killed(9)))));
        match taken {
            Err(Errno::NOSYS | Errno::PERM) => {
                std::println!("SKIP pidfd_getfd: missing, or ptrace is not allowed")
            }
            taken => assert_eq!(taken, Ok(Ok(77))),
        }
    }

    #[test]
    fn a_program_is_executed_by_its_descriptor() {
        if emulated("a_program_is_executed_by_its_descriptor") {
            return;
        }
        let program = crate::fs::openat(crate::CWD, c"/bin/sh", crate::fs::O_PATH, 0).unwrap();
        let argv: CStrArray = [c"sh", c"-c", c"exit 9"].into_iter().collect();
        let envp = CStrArray::new();
        let status =
            crate::testing::child(|| Err(execveat(program.as_fd(), c"", &argv, &envp, AT_EMPTY_PATH)));
        assert_eq!(status, WaitStatus::Exited(9));
        assert_eq!(execveat(program.as_fd(), c"", &argv, &envp, 0), Errno::NOENT);
    }

    #[test]
    fn a_personality_is_read_back_and_a_lone_thread_is_its_process() {
        const NO_RANDOMIZE: u32 = 0x4_0000;
        crate::testing::holds_in_child(|| {
            let before = personality(u32::MAX)?;
            personality(before | NO_RANDOMIZE)?;
            Ok(personality(u32::MAX)? == before | NO_RANDOMIZE && gettid() == getpid())
        });
    }

    #[test]
    fn random_bytes_fill_the_buffer() {
        let mut buf = [0; 64];
        assert_eq!(getrandom(&mut buf, 0), Ok(64));
        assert!(buf.iter().any(|b| *b != 0));
    }

    #[test]
    fn exec_gets_arguments_and_environment() {
        let argv: CStrArray = [c"sh", c"-c", c"exit $((${#V} + $1))", c"sh", c"40"].into_iter().collect();
        let envp: CStrArray = [c"V=xyz"].into_iter().collect();
        let pid = match fork().unwrap() {
            Fork::Child => {
                execve(c"/bin/sh", &argv, &envp);
                exit_group(1)
            }
            Fork::Parent { pid, .. } => pid,
        };
        assert_eq!(waitid(WaitFor::Pid(pid), WEXITED), Ok(Some((pid, WaitStatus::Exited(43)))));
        assert_eq!(execve(c"/nonexistent", &argv, &envp), Errno::NOENT);
    }
}

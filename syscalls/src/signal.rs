//! Signals: mask, wait for, default, ignore, read from a descriptor. Handlers are not offered.
//!
//! # Safety
//!
//! [`Set`] has the kernel's size, which is told with each call. Actions are only "default" and "ignore", so no function
//! of this process ever runs in a signal's context.

use crate::call::{ret, ret_fd, ret_i32, ret_unit};
use crate::fd::timespec;
use core::time::Duration;
use linux_raw_sys::general as k;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::{Errno, Result};

pub use linux_raw_sys::general::{
    SIG_BLOCK, SIG_SETMASK, SIG_UNBLOCK, SIGABRT, SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGIO, SIGKILL,
    SIGPIPE, SIGQUIT, SIGSTOP, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2, SIGWINCH,
};

const MIPS: bool = cfg!(any(
    target_arch = "mips",
    target_arch = "mips32r6",
    target_arch = "mips64",
    target_arch = "mips64r6"
));

/// The highest signal: 64, on MIPS 128.
pub const MAX: u32 = if MIPS { 128 } else { 64 };

const LONG: u32 = usize::BITS;
const WORDS: usize = (MAX / LONG) as usize;

/// A set of signals, in the kernel's own form: longs, signal n as bit n - 1.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Set([usize; WORDS]);

impl Set {
    /// No signal.
    pub const fn empty() -> Self {
        Set([0; WORDS])
    }

    /// All of them.
    pub const fn all() -> Self {
        Set([usize::MAX; WORDS])
    }

    /// With `signal` too; a number that is no signal changes nothing.
    #[must_use]
    pub fn with(mut self, signal: u32) -> Self {
        if let Some((word, bit)) = Set::place(signal)
            && let Some(word) = self.0.get_mut(word)
        {
            *word |= bit;
        }
        self
    }

    /// Without `signal`.
    #[must_use]
    pub fn without(mut self, signal: u32) -> Self {
        if let Some((word, bit)) = Set::place(signal)
            && let Some(word) = self.0.get_mut(word)
        {
            *word &= !bit;
        }
        self
    }

    /// Whether `signal` is in it.
    pub fn has(&self, signal: u32) -> bool {
        Set::place(signal).is_some_and(|(word, bit)| self.0.get(word).is_some_and(|w| w & bit != 0))
    }

    fn place(signal: u32) -> Option<(usize, usize)> {
        let n = signal.checked_sub(1).filter(|n| *n < MAX)?;
        Some(((n / LONG) as usize, 1 << (n % LONG)))
    }
}

/// rt_sigprocmask of this thread: `how` is `SIG_BLOCK`, `SIG_UNBLOCK` or `SIG_SETMASK`. Returns the old mask, which exec keeps.
pub fn set_mask(how: u32, set: &Set) -> Result<Set> {
    let mut old = Set::empty();
    // SAFETY: two sets of the size given.
    ret_unit(unsafe { sys!(k::__NR_rt_sigprocmask, how, &raw const *set, &raw mut old, size_of::<Set>()) })?;
    Ok(old)
}

/// rt_sigtimedwait: takes a pending signal of `set`, which must be blocked; `EAGAIN` after `timeout`, `None` waits for ever.
pub fn wait(set: &Set, timeout: Option<Duration>) -> Result<u32> {
    let time = timeout.map(timespec).transpose()?;
    let time = time.as_ref().map_or(core::ptr::null(), core::ptr::from_ref);
    // SAFETY: a set with its size; a null siginfo; `time` is null or valid.
    ret_i32(unsafe { sys!(k::__NR_rt_sigtimedwait, &raw const *set, 0usize, time, size_of::<Set>()) })
        .map(|s| s as u32)
}

/// signalfd4 with `SFD_CLOEXEC`: reads give one [`Info`] for each pending signal of `set`, which must be blocked.
pub fn signalfd(set: &Set, flags: u32) -> Result<OwnedFd> {
    let flags = k::O_CLOEXEC | flags; // SFD_CLOEXEC and SFD_NONBLOCK are O_CLOEXEC and O_NONBLOCK by definition
    // SAFETY: a set with its size, and a new descriptor.
    unsafe { ret_fd(sys!(k::__NR_signalfd4, -1i32, &raw const *set, size_of::<Set>(), flags)) }
}

/// struct signalfd_siginfo, 128 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Info {
    /// The signal.
    pub signo: u32,
    errno: i32,
    /// `SI_USER` 0, `SI_KERNEL` 0x80, ...
    pub code: i32,
    /// The sender, as numbered here.
    pub pid: u32,
    /// The sender's real user.
    pub uid: u32,
    rest: [u32; 27],
}

/// Reads one signal from a [`signalfd`]. `EAGAIN` when there is none and it is non-blocking.
pub fn read_signalfd(fd: BorrowedFd<'_>) -> Result<Info> {
    let mut info = Info { signo: 0, errno: 0, code: 0, pid: 0, uid: 0, rest: [0; 27] };
    // SAFETY: writes at most the struct, which is integers only.
    let len = ret(unsafe { sys!(k::__NR_read, fd, &raw mut info, size_of::<Info>()) })?;
    if len == size_of::<Info>() { Ok(info) } else { Err(Errno::IO) }
}

/// What a signal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// What signal(7) lists.
    Default,
    /// Nothing; exec keeps it so.
    Ignore,
    /// A handler, installed by a library.
    Handler,
}

/// struct sigaction as rt_sigaction takes it: flags 0 and an empty mask but for the handler. The words after the handler (flags,
/// a restorer on some architectures, the mask) are all zero, and there is room for the longest.
#[repr(C)]
struct RawAction {
    #[cfg(any(
        target_arch = "mips",
        target_arch = "mips32r6",
        target_arch = "mips64",
        target_arch = "mips64r6"
    ))]
    flags: u32,
    handler: usize,
    rest: [usize; 8],
}

impl RawAction {
    fn new(handler: usize) -> Self {
        RawAction {
            #[cfg(any(
                target_arch = "mips",
                target_arch = "mips32r6",
                target_arch = "mips64",
                target_arch = "mips64r6"
            ))]
            flags: 0,
            handler,
            rest: [0; 8],
        }
    }
}

const SIG_DFL: usize = 0;
const SIG_IGN: usize = 1;

/// rt_sigaction: makes `signal` default or ignored. `EINVAL` for SIGKILL, SIGSTOP, and for `Action::Handler`.
pub fn set_action(signal: u32, action: Action) -> Result<()> {
    let raw = RawAction::new(match action {
        Action::Default => SIG_DFL,
        Action::Ignore => SIG_IGN,
        Action::Handler => return Err(Errno::INVAL),
    });
    // SAFETY: a zeroed struct at least as long as the kernel's, with the mask's size; no code address in it.
    ret_unit(unsafe { sys!(k::__NR_rt_sigaction, signal, &raw const raw, 0usize, size_of::<Set>()) })
}

/// rt_sigaction: what `signal` does now.
pub fn get_action(signal: u32) -> Result<Action> {
    let mut raw = RawAction::new(SIG_DFL);
    // SAFETY: a struct at least as long as the kernel's, with the mask's size.
    ret_unit(unsafe { sys!(k::__NR_rt_sigaction, signal, 0usize, &raw mut raw, size_of::<Set>()) })?;
    Ok(match raw.handler {
        SIG_DFL => Action::Default,
        SIG_IGN => Action::Ignore,
        _ => Action::Handler,
    })
}

/// Waits until a signal is handled (then `EINTR`) or ends the process. A ppoll of nothing, as not every architecture has pause.
pub fn pause() -> Errno {
    match crate::fd::poll(&mut [], None) {
        Err(errno) => errno,
        Ok(_) => Errno::INTR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{WaitStatus, getpid, kill};
    use crate::testing::{child, holds_in_child};
    use rustix::fd::AsFd;

    #[test]
    fn structs_have_the_kernels_size() {
        assert_eq!(size_of::<Set>(), MAX as usize / 8);
        assert_eq!(size_of::<Info>(), 128);
    }

    #[test]
    fn a_set_holds_what_was_put_in() {
        let set = Set::empty().with(1).with(64).with(33);
        assert!(set.has(1) && set.has(64) && set.has(33) && !set.has(2));
        assert_eq!(set.without(64).without(33), Set::empty().with(1));
        assert_eq!(Set::empty().with(0).with(MAX + 1), Set::empty());
        assert!(!Set::all().has(0) && Set::all().has(MAX));
    }

    #[test]
    fn a_blocked_signal_is_waited_for() {
        holds_in_child(|| {
            let set = Set::empty().with(SIGUSR1).with(SIGUSR2);
            set_mask(SIG_SETMASK, &Set::empty())?;
            set_mask(SIG_BLOCK, &set)?;
            let none = wait(&set, Some(Duration::ZERO));
            kill(getpid(), SIGUSR2)?;
            let mask = set_mask(SIG_UNBLOCK, &Set::empty())?;
            Ok(none == Err(Errno::AGAIN) && wait(&set, None)? == SIGUSR2 && mask == set)
        });
    }

    #[test]
    fn a_signalfd_tells_who_sent_it() {
        holds_in_child(|| {
            let set = Set::empty().with(SIGUSR1);
            set_mask(SIG_BLOCK, &set)?;
            let fd = signalfd(&set, k::O_NONBLOCK)?;
            let none = read_signalfd(fd.as_fd()).err();
            kill(getpid(), SIGUSR1)?;
            let info = read_signalfd(fd.as_fd())?;
            Ok(none == Some(Errno::AGAIN) && info.signo == SIGUSR1 && info.pid == getpid() as u32)
        });
    }

    #[test]
    fn an_ignored_signal_is_ignored_until_it_is_default_again() {
        let status = child(|| {
            set_action(SIGTERM, Action::Ignore)?;
            kill(getpid(), SIGTERM)?;
            if get_action(SIGTERM)? != Action::Ignore || get_action(SIGUSR1)? != Action::Default {
                return Ok(false);
            }
            set_action(SIGTERM, Action::Default)?;
            kill(getpid(), SIGTERM)?;
            Ok(false)
        });
        assert_eq!(status, WaitStatus::Killed(SIGTERM as i32));
        assert_eq!(set_action(SIGKILL, Action::Ignore), Err(Errno::INVAL));
        assert_eq!(set_action(SIGTERM, Action::Handler), Err(Errno::INVAL));
    }
}

//! Descriptors by number and by owner: borrow, leak, duplicate, close, pipe, wait.
//!
//! # Safety
//!
//! An `OwnedFd` is made only from a number the kernel has just returned. A `BorrowedFd<'static>` is made of one that is
//! never closed by this process ([`leak`]) or that was checked to be open at the start ([`inherited`]).
//! No memory of this process is mapped from a descriptor, so a wrong number can hit the wrong file but never memory.

use crate::call::{ret, ret_fd, ret_i32, ret_unit};
use core::time::Duration;
use linux_raw_sys::general as k;
use rustix::fd::{BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use rustix::io::{Errno, Result};

pub use linux_raw_sys::general::{POLLERR, POLLHUP, POLLIN, POLLOUT};

/// The working directory, for every call that takes a directory.
// SAFETY: AT_FDCWD is no descriptor that could be closed.
pub const CWD: BorrowedFd<'static> = unsafe { BorrowedFd::borrow_raw(k::AT_FDCWD) };

/// Gives up ownership: the descriptor stays open until exec (it is close-on-exec) or exit closes it.
pub fn leak(fd: OwnedFd) -> BorrowedFd<'static> {
    // SAFETY: nobody owns it any more, so nobody closes it.
    unsafe { BorrowedFd::borrow_raw(fd.into_raw_fd()) }
}

/// A descriptor that the caller of this program left open, such as 0, 1, 2 or one named on the command line.
///
/// `EBADF` when it is not open. Its flags are untouched: stdio stays open across exec.
pub fn inherited(raw: RawFd) -> Result<BorrowedFd<'static>> {
    get_flags(raw)?;
    // SAFETY: open, and not ours to close: descriptors made here are owned and never given as numbers.
    Ok(unsafe { BorrowedFd::borrow_raw(raw) })
}

/// Takes over an inherited descriptor and makes it close-on-exec. `EBADF` when it is not open.
///
/// For numbers that came in from outside, once each; a number taken from an `OwnedFd` of this process would be closed twice.
pub fn adopt(raw: RawFd) -> Result<OwnedFd> {
    set_cloexec(raw, true)?;
    // SAFETY: open, and the caller says that nobody in this process owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// fcntl(F_GETFD): whether `raw` is close-on-exec. `EBADF` when it is not open.
pub fn get_flags(raw: RawFd) -> Result<u32> {
    // SAFETY: no memory.
    ret(unsafe { sys!(FCNTL, raw, k::F_GETFD) }).map(|f| f as u32)
}

/// fcntl(F_SETFD): whether `raw` is closed by exec.
pub fn set_cloexec(raw: RawFd, on: bool) -> Result<()> {
    // SAFETY: no memory.
    ret_unit(unsafe { sys!(FCNTL, raw, k::F_SETFD, if on { k::FD_CLOEXEC } else { 0 }) })
}

/// fcntl(F_GETFL): the access mode and status flags of an open file.
pub fn get_status_flags(fd: BorrowedFd<'_>) -> Result<u32> {
    // SAFETY: no memory.
    ret(unsafe { sys!(FCNTL, fd, k::F_GETFL) }).map(|f| f as u32)
}

/// fcntl(F_DUPFD_CLOEXEC): a duplicate numbered `at_least` or above.
pub fn duplicate(fd: BorrowedFd<'_>, at_least: RawFd) -> Result<OwnedFd> {
    // SAFETY: a new descriptor.
    unsafe { ret_fd(sys!(FCNTL, fd, k::F_DUPFD_CLOEXEC, at_least)) }
}

/// dup3: makes `to` the same open file as `fd`, closing what `to` was. `flags` is 0 (survives exec) or `O_CLOEXEC`.
///
/// `EINVAL` when both are the same number: clear its close-on-exec flag instead. The number stays open to the end; the caller
/// answers for `to` not being one that an `OwnedFd` holds.
pub fn dup_to(fd: BorrowedFd<'_>, to: RawFd, flags: u32) -> Result<()> {
    // SAFETY: no memory.
    ret_unit(unsafe { sys!(k::__NR_dup3, fd, to, flags) })
}

/// close of a bare number, for descriptors this process was given and does not own as `OwnedFd`.
pub fn close_raw(raw: RawFd) -> Result<()> {
    // SAFETY: no memory.
    ret_unit(unsafe { sys!(k::__NR_close, raw) })
}

/// close_range(CLOSE_RANGE_CLOEXEC): everything from `first` to `last` inclusive is closed by the next exec. Linux 5.11.
pub fn close_range_cloexec(first: u32, last: u32) -> Result<()> {
    const CLOSE_RANGE_CLOEXEC: u32 = 4;
    // SAFETY: no memory.
    ret_unit(unsafe { sys!(k::__NR_close_range, first, last, CLOSE_RANGE_CLOEXEC) })
}

/// read: at most `buf.len()` bytes; 0 is the end of the file.
pub fn read(fd: BorrowedFd<'_>, buf: &mut [u8]) -> Result<usize> {
    // SAFETY: writes at most `len` bytes into `buf`.
    ret(unsafe { sys!(k::__NR_read, fd, buf.as_mut_ptr(), buf.len()) })
}

/// write: how many bytes were taken, which may be fewer than given.
pub fn write(fd: BorrowedFd<'_>, buf: &[u8]) -> Result<usize> {
    // SAFETY: reads `len` bytes of `buf`.
    ret(unsafe { sys!(k::__NR_write, fd, buf.as_ptr(), buf.len()) })
}

/// pipe2(O_CLOEXEC | flags): (read end, write end).
pub fn pipe(flags: u32) -> Result<(OwnedFd, OwnedFd)> {
    let mut fds = [-1i32; 2];
    // SAFETY: the kernel writes two numbers.
    ret_unit(unsafe { sys!(k::__NR_pipe2, fds.as_mut_ptr(), k::O_CLOEXEC | flags) })?;
    // SAFETY: both are new.
    unsafe { Ok((OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1]))) }
}

/// eventfd2 with `EFD_CLOEXEC`: a counter that starts at `value`.
pub fn eventfd(value: u32, flags: u32) -> Result<OwnedFd> {
    // SAFETY: a new descriptor; EFD_CLOEXEC is O_CLOEXEC by definition.
    unsafe { ret_fd(sys!(k::__NR_eventfd2, value, k::O_CLOEXEC | flags)) }
}

/// One descriptor of [`poll`].
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PollFd<'fd> {
    fd: BorrowedFd<'fd>,
    events: i16,
    revents: i16,
}

impl<'fd> PollFd<'fd> {
    /// Waits for `events` (`POLLIN`, `POLLOUT`); `POLLHUP` and `POLLERR` are always waited for.
    pub fn new(fd: BorrowedFd<'fd>, events: u32) -> Self {
        PollFd { fd, events: events as i16, revents: 0 }
    }

    /// What the last [`poll`] found.
    pub fn revents(&self) -> u32 {
        u32::from(self.revents as u16)
    }
}

/// ppoll without a signal mask: how many of `fds` have something, 0 after `timeout`. `None` waits for ever, no `fds` sleeps.
pub fn poll(fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> Result<usize> {
    let time = timeout.map(timespec).transpose()?;
    let time = time.as_ref().map_or(core::ptr::null(), core::ptr::from_ref);
    // SAFETY: PollFd is the kernel's pollfd; `time` is null or valid. A null mask has no size.
    ret(unsafe { sys!(k::__NR_ppoll, fds.as_mut_ptr(), fds.len(), time, 0usize, 0usize) })
}

/// The kernel's timespec in its oldest form: two longs. `EINVAL` when the seconds do not fit.
pub(crate) fn timespec(time: Duration) -> Result<[isize; 2]> {
    let seconds = isize::try_from(time.as_secs()).map_err(|_| Errno::INVAL)?;
    Ok([seconds, time.subsec_nanos() as isize])
}

/// flock: `LOCK_SH`, `LOCK_EX` or `LOCK_UN`, with `LOCK_NB` for `EWOULDBLOCK` instead of waiting.
pub fn flock(fd: BorrowedFd<'_>, operation: u32) -> Result<()> {
    // SAFETY: no memory.
    ret_unit(unsafe { sys!(k::__NR_flock, fd, operation) })
}

/// memfd_create with `MFD_CLOEXEC`; `name` is for people who read /proc.
pub fn memfd_create(name: &core::ffi::CStr, flags: u32) -> Result<OwnedFd> {
    // SAFETY: a string, and a new descriptor.
    unsafe { ret_fd(sys!(k::__NR_memfd_create, name, k::MFD_CLOEXEC | flags)) }
}

/// fcntl(F_ADD_SEALS): `F_SEAL_*` on a memfd made with `MFD_ALLOW_SEALING`.
pub fn add_seals(fd: BorrowedFd<'_>, seals: u32) -> Result<()> {
    // SAFETY: no memory.
    ret_unit(unsafe { sys!(FCNTL, fd, k::F_ADD_SEALS, seals) })
}

/// fcntl(F_GET_SEALS). `EINVAL` for a file that cannot be sealed.
pub fn get_seals(fd: BorrowedFd<'_>) -> Result<u32> {
    // SAFETY: no memory.
    ret_i32(unsafe { sys!(FCNTL, fd, k::F_GET_SEALS) }).map(|s| s as u32)
}

// fcntl64 on 32 bits differs only for file locks, and fcntl is there on all of them.
const FCNTL: u32 = k::__NR_fcntl;

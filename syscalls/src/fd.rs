//! Descriptors by number and by owner: borrow, leak, duplicate, close, pipe, wait.
//!
//! # Safety
//!
//! An `OwnedFd` is made only from a number the kernel has just returned, or in [`adopt`]. A `BorrowedFd<'static>` is made
//! only of one that no owner closes: [`leak`], [`inherited`].
//!
//! [`adopt`], [`close_raw`] and [`dup_to`] take bare numbers, and a number that an `OwnedFd` of this process holds would pull
//! it from under its owner. They are safe functions all the same, because nothing in this process rests memory safety on a
//! descriptor (no file is mapped): the harm is the wrong file, never wrong memory. They are for numbers that came from
//! outside: stdio, `--preserve-fds`, LISTEN_FDS, /proc/self/fd; and for the other side's end of a pair, after a fork.

use crate::call::{own, ret, ret_fd, ret_unit};
use core::time::Duration;
use linux_raw_sys::general as k;
use rustix::fd::{BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use rustix::io::{Errno, Result};

pub use linux_raw_sys::general::{POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI};

/// The working directory, for every call that takes a directory.
// SAFETY: AT_FDCWD is no descriptor that could be closed.
pub const CWD: BorrowedFd<'static> = unsafe { BorrowedFd::borrow_raw(k::AT_FDCWD) };

/// Gives up ownership: the descriptor stays open until exec (it is close-on-exec) or exit closes it.
pub fn leak(fd: OwnedFd) -> BorrowedFd<'static> {
    // SAFETY: nobody owns it any more, so no owner closes it; who closes it by its number does not use it any more.
    unsafe { BorrowedFd::borrow_raw(fd.into_raw_fd() & i32::MAX) }
}

/// A descriptor that the caller of this program left open, such as 0, 1, 2 or one named on the command line.
///
/// `EBADF` when it is not open. Its flags are untouched: stdio stays open across exec.
pub fn inherited(raw: RawFd) -> Result<BorrowedFd<'static>> {
    get_flags(raw)?;
    // SAFETY: open, and not ours to close: descriptors made here are owned and never given as numbers.
    Ok(unsafe { BorrowedFd::borrow_raw(raw & i32::MAX) })
}

/// Takes over an inherited descriptor and makes it close-on-exec. `EBADF` when it is not open.
///
/// For numbers that came in from outside, once each; a number taken from an `OwnedFd` of this process would be closed twice.
pub fn adopt(raw: RawFd) -> Result<OwnedFd> {
    set_cloexec(raw, true)?;
    // SAFETY: open, and the caller says that nobody in this process owns it.
    Ok(unsafe { own(raw) })
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

/// fcntl(F_SETOWN, F_SETFL with O_ASYNC): this process gets SIGIO whenever there is something new to read.
pub fn signal_when_readable(fd: BorrowedFd<'_>) -> Result<()> {
    let flags = get_status_flags(fd)? | k::FASYNC;
    // SAFETY: no memory.
    unsafe {
        ret_unit(sys!(FCNTL, fd, k::F_SETOWN, crate::process::getpid()))?;
        ret_unit(sys!(FCNTL, fd, k::F_SETFL, flags))
    }
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

/// close of a bare number, for descriptors that no `OwnedFd` of this process holds.
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

/// close_range: closes everything from `first` to `last` inclusive, in this process's own table. Linux 5.9.
///
/// As for [`close_raw`]: numbers that no `OwnedFd` of this process goes on using.
pub fn close_range(first: u32, last: u32) -> Result<()> {
    // SAFETY: no memory.
    ret_unit(unsafe { sys!(k::__NR_close_range, first, last, 0u32) })
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
    unsafe { Ok((own(fds[0]), own(fds[1]))) }
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
    /// Waits for `events` (`POLLIN`, `POLLPRI`, `POLLOUT`); `POLLHUP` and `POLLERR` are always waited for.
    pub fn new(fd: BorrowedFd<'fd>, events: u32) -> Self {
        PollFd { fd, events: events as i16, revents: 0 }
    }

    /// The descriptor.
    pub fn fd(&self) -> BorrowedFd<'fd> {
        self.fd
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

// fcntl64 on 32 bits differs only for file locks, and fcntl is there on all of them.
pub(crate) const FCNTL: u32 = k::__NR_fcntl;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::holds_in_child;
    use rustix::fd::{AsFd, AsRawFd};

    #[test]
    fn structs_have_the_kernels_size() {
        assert_eq!(size_of::<PollFd<'_>>(), 8);
    }

    #[test]
    fn a_pipe_is_close_on_exec_and_carries_bytes() {
        let (read_end, write_end) = pipe(0).unwrap();
        assert_eq!(get_flags(read_end.as_raw_fd()), Ok(k::FD_CLOEXEC));
        assert_eq!(get_flags(write_end.as_raw_fd()), Ok(k::FD_CLOEXEC));
        let mut wait = [PollFd::new(read_end.as_fd(), POLLIN)];
        assert_eq!(poll(&mut wait, Some(Duration::ZERO)), Ok(0));
        assert_eq!(write(write_end.as_fd(), b"bytes"), Ok(5));
        assert_eq!(poll(&mut wait, None), Ok(1));
        assert_eq!(wait[0].revents(), POLLIN);
        let mut buf = [0; 8];
        assert_eq!(read(read_end.as_fd(), &mut buf), Ok(5));
        assert_eq!(&buf[..5], b"bytes");
        drop(write_end);
        assert_eq!(poll(&mut wait, None), Ok(1));
        assert_eq!(wait[0].revents(), POLLHUP);
        assert_eq!(read(read_end.as_fd(), &mut buf), Ok(0));
    }

    #[test]
    fn duplicates_are_the_same_file_at_the_number_asked_for() {
        let (a, b) = pipe(0).unwrap();
        let high = duplicate(b.as_fd(), 300).unwrap();
        assert!(high.as_raw_fd() >= 300);
        assert_eq!(get_flags(high.as_raw_fd()), Ok(k::FD_CLOEXEC));
        holds_in_child(|| {
            dup_to(b.as_fd(), 400, 0)?;
            let survives_exec = get_flags(400)? == 0;
            set_cloexec(400, true)?;
            let closed_by_exec = get_flags(400)? == k::FD_CLOEXEC;
            set_cloexec(400, false)?;
            let survives_exec = survives_exec && closed_by_exec && get_flags(400)? == 0;
            write(inherited(400)?, b"x")?;
            close_raw(400)?;
            let gone = inherited(400).err() == Some(Errno::BADF) && adopt(400).err() == Some(Errno::BADF);
            dup_to(b.as_fd(), 401, 0)?;
            drop(adopt(401)?);
            Ok(survives_exec && gone && get_flags(401).err() == Some(Errno::BADF))
        });
        let mut buf = [0; 2];
        assert_eq!(read(a.as_fd(), &mut buf), Ok(1));
    }

    #[test]
    fn a_range_becomes_close_on_exec_with_its_ends_and_nothing_else() {
        holds_in_child(|| {
            let (a, _b) = pipe(0)?;
            for number in 500..=503 {
                dup_to(a.as_fd(), number, 0)?;
            }
            close_range_cloexec(501, 502)?;
            let marked = [500, 501, 502, 503].map(get_flags) == [Ok(0), Ok(1), Ok(1), Ok(0)];
            close_range(501, 502)?;
            let gone = [500, 501, 502, 503].map(|number| get_flags(number).is_ok());
            Ok(marked && gone == [true, false, false, true])
        });
    }

    #[test]
    fn a_leaked_descriptor_stays_open() {
        let counter = leak(eventfd(7, 0).unwrap());
        let mut buf = [0; 8];
        assert_eq!(read(counter, &mut buf), Ok(8));
        assert_eq!(u64::from_ne_bytes(buf), 7);
        assert_eq!(get_status_flags(counter).unwrap() & k::O_ACCMODE, k::O_RDWR);
        close_raw(counter.as_raw_fd()).unwrap();
    }
}

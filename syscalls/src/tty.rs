//! Terminals, by ioctl.
//!
//! # Safety
//!
//! Each request is given the struct that the kernel has for it.

use crate::call::{ret_fd, ret_unit};
use linux_raw_sys::general as k;
use linux_raw_sys::ioctl as io;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Result;

/// struct winsize.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WinSize {
    /// Lines.
    pub rows: u16,
    /// Characters.
    pub columns: u16,
    /// Pixels, mostly 0.
    pub x_pixels: u16,
    /// Pixels, mostly 0.
    pub y_pixels: u16,
}

/// ioctl(TIOCGWINSZ). `ENOTTY` when it is no terminal.
pub fn get_winsize(tty: BorrowedFd<'_>) -> Result<WinSize> {
    let mut size = WinSize::default();
    // SAFETY: the struct of this request.
    ret_unit(unsafe { sys!(k::__NR_ioctl, tty, io::TIOCGWINSZ, &raw mut size) })?;
    Ok(size)
}

/// ioctl(TIOCSWINSZ): the foreground group gets SIGWINCH when it differs.
pub fn set_winsize(tty: BorrowedFd<'_>, size: WinSize) -> Result<()> {
    // SAFETY: the struct of this request.
    ret_unit(unsafe { sys!(k::__NR_ioctl, tty, io::TIOCSWINSZ, &raw const size) })
}

/// ioctl(TIOCSPTLCK, 0): unlocks the other end of a pty, as unlockpt does.
pub fn unlock(master: BorrowedFd<'_>) -> Result<()> {
    let locked = 0i32;
    // SAFETY: reads an int.
    ret_unit(unsafe { sys!(k::__NR_ioctl, master, io::TIOCSPTLCK, &raw const locked) })
}

/// ioctl(TIOCGPTN): the number that the other end has in its devpts.
pub fn get_number(master: BorrowedFd<'_>) -> Result<u32> {
    let mut number = 0u32;
    // SAFETY: writes an int.
    ret_unit(unsafe { sys!(k::__NR_ioctl, master, io::TIOCGPTN, &raw mut number) })?;
    Ok(number)
}

/// ioctl(TIOCGPTPEER): opens the other end by no path at all, `O_RDWR | O_NOCTTY | O_CLOEXEC`. Linux 4.13.
pub fn open_peer(master: BorrowedFd<'_>) -> Result<OwnedFd> {
    let flags = k::O_RDWR | k::O_NOCTTY | k::O_CLOEXEC;
    // SAFETY: a new descriptor.
    unsafe { ret_fd(sys!(k::__NR_ioctl, master, io::TIOCGPTPEER, flags)) }
}

/// ioctl(TIOCSCTTY, 0): the terminal becomes the session's. `EPERM` unless the caller leads a session without one.
pub fn set_controlling(tty: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: no memory.
    ret_unit(unsafe { sys!(k::__NR_ioctl, tty, io::TIOCSCTTY, 0u32) })
}

/// The kernel's struct termios (19 control characters on most architectures, up to 23), opaque: read, made raw, written back.
#[derive(Clone, Copy)]
pub struct Termios(k::termios);

/// ioctl(TCGETS). `ENOTTY` when it is no terminal.
pub fn get_termios(tty: BorrowedFd<'_>) -> Result<Termios> {
    // SAFETY: integers only.
    let mut raw: k::termios = unsafe { core::mem::zeroed() };
    // SAFETY: the struct of this request.
    ret_unit(unsafe { sys!(k::__NR_ioctl, tty, io::TCGETS, &raw mut raw) })?;
    Ok(Termios(raw))
}

/// ioctl(TCSETS): at once. From the background it raises SIGTTOU.
pub fn set_termios(tty: BorrowedFd<'_>, termios: &Termios) -> Result<()> {
    // SAFETY: the struct of this request.
    ret_unit(unsafe { sys!(k::__NR_ioctl, tty, io::TCSETS, &raw const termios.0) })
}

impl Termios {
    /// As cfmakeraw: bytes pass both ways unchanged, one at a time, and no key makes a signal.
    #[must_use]
    pub fn raw(mut self) -> Self {
        let t = &mut self.0;
        t.c_iflag &=
            !(k::IGNBRK | k::BRKINT | k::PARMRK | k::ISTRIP | k::INLCR | k::IGNCR | k::ICRNL | k::IXON);
        t.c_oflag &= !k::OPOST;
        t.c_lflag &= !(k::ECHO | k::ECHONL | k::ICANON | k::ISIG | k::IEXTEN);
        t.c_cflag &= !(k::CSIZE | k::PARENB);
        t.c_cflag |= k::CS8;
        for (index, key) in (0..).zip(&mut t.c_cc) {
            match index {
                k::VMIN => *key = 1,
                k::VTIME => *key = 0,
                _ => {}
            }
        }
        self
    }

    /// Whether lines are edited and echoed: false after [`Termios::raw`].
    pub fn is_cooked(&self) -> bool {
        self.0.c_lflag & (k::ICANON | k::ECHO) != 0
    }

    /// Output: newline becomes carriage return and newline (`OPOST | ONLCR`), or nothing is changed.
    #[must_use]
    pub fn with_newline_translation(mut self, on: bool) -> Self {
        if on {
            self.0.c_oflag |= k::OPOST | k::ONLCR;
        } else {
            self.0.c_oflag &= !k::ONLCR;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fd::{read, write};
    use crate::testing::{emulated, holds_in_child};
    use crate::{AsFd, CWD, Errno, fs};

    fn pty() -> (OwnedFd, OwnedFd) {
        let master = fs::openat(CWD, c"/dev/ptmx", fs::O_RDWR | fs::O_NOCTTY, 0).unwrap();
        unlock(master.as_fd()).unwrap();
        let peer = open_peer(master.as_fd()).unwrap();
        (master, peer)
    }

    #[test]
    fn the_other_end_is_the_numbered_one_of_devpts() {
        if emulated("the_other_end_is_the_numbered_one_of_devpts") {
            return;
        }
        let (master, peer) = pty();
        let number = get_number(master.as_fd()).unwrap();
        let stat = crate::stat::fstat(peer.as_fd()).unwrap();
        assert_eq!((stat.rdev_major, stat.rdev_minor), (136, number));
    }

    #[test]
    fn a_size_set_on_one_end_is_seen_on_the_other() {
        if emulated("a_size_set_on_one_end_is_seen_on_the_other") {
            return;
        }
        let (master, peer) = pty();
        let size = WinSize { rows: 40, columns: 132, x_pixels: 0, y_pixels: 0 };
        set_winsize(master.as_fd(), size).unwrap();
        assert_eq!(get_winsize(peer.as_fd()), Ok(size));
        let file = fs::openat(CWD, c"/proc/self/status", 0, 0).unwrap();
        assert_eq!(get_winsize(file.as_fd()), Err(Errno::NOTTY));
        assert_eq!(get_termios(file.as_fd()).err(), Some(Errno::NOTTY));
    }

    #[test]
    fn raw_mode_passes_bytes_unchanged() {
        if emulated("raw_mode_passes_bytes_unchanged") {
            return;
        }
        let (master, peer) = pty();
        let cooked = get_termios(peer.as_fd()).unwrap();
        assert!(cooked.is_cooked());
        let mut buf = [0; 16];
        write(peer.as_fd(), b"\n").unwrap();
        assert_eq!(read(master.as_fd(), &mut buf), Ok(2)); // "\r\n"
        set_termios(peer.as_fd(), &cooked.raw()).unwrap();
        assert!(!get_termios(peer.as_fd()).unwrap().is_cooked());
        write(peer.as_fd(), b"\n").unwrap();
        assert_eq!(read(master.as_fd(), &mut buf), Ok(1));
        write(master.as_fd(), b"\x03\r\x04").unwrap(); // interrupt, return, end of file: no key now
        assert_eq!(read(peer.as_fd(), &mut buf), Ok(3));
        assert_eq!(&buf[..3], b"\x03\r\x04");
        set_termios(peer.as_fd(), &cooked.with_newline_translation(false)).unwrap();
        write(peer.as_fd(), b"\n").unwrap();
        assert_eq!(read(master.as_fd(), &mut buf), Ok(1));
    }

    #[test]
    fn a_session_leader_gets_its_terminal_and_nobody_else() {
        if emulated("a_session_leader_gets_its_terminal_and_nobody_else") {
            return;
        }
        let (_master, peer) = pty();
        holds_in_child(|| {
            let early = set_controlling(peer.as_fd()).err();
            crate::process::setsid()?;
            let none = fs::openat(CWD, c"/dev/tty", fs::O_RDWR, 0).err();
            set_controlling(peer.as_fd())?;
            fs::openat(CWD, c"/dev/tty", fs::O_RDWR, 0)?;
            Ok(early == Some(Errno::PERM) && none == Some(Errno::NXIO))
        });
    }
}

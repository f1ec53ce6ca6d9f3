//! From Rust's values to registers, and from the kernel's register to a `Result`.
//!
//! # Safety
//!
//! `sys!` is as unsafe as the number and the addresses given to it: its users pass addresses only from references that
//! outlive the call, with the length the kernel is told. `ret_fd` and `own` need a descriptor that
//! nobody owns yet.

use core::ffi::CStr;
use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::{Errno, Result};

/// A value that fits one register.
pub(crate) trait Arg {
    fn arg(self) -> usize;
}
impl Arg for usize {
    #[inline(always)]
    fn arg(self) -> usize {
        self
    }
}
impl Arg for u32 {
    #[inline(always)]
    fn arg(self) -> usize {
        self as usize
    }
}
impl Arg for i32 {
    #[inline(always)]
    fn arg(self) -> usize {
        self as isize as usize // sign-extended: AT_FDCWD is -100
    }
}
impl Arg for BorrowedFd<'_> {
    #[inline(always)]
    fn arg(self) -> usize {
        self.as_raw_fd().arg()
    }
}
impl Arg for &CStr {
    #[inline(always)]
    fn arg(self) -> usize {
        self.as_ptr() as usize
    }
}
impl Arg for Option<&CStr> {
    #[inline(always)]
    fn arg(self) -> usize {
        self.map_or(0, |s| s.as_ptr() as usize)
    }
}
impl<T> Arg for *const T {
    #[inline(always)]
    fn arg(self) -> usize {
        self as usize
    }
}
impl<T> Arg for *mut T {
    #[inline(always)]
    fn arg(self) -> usize {
        self as usize
    }
}

/// `sys!(number, argument...)`: the call with its arguments turned into registers. The result is the kernel's register.
macro_rules! sys {
    ($nr:expr) => {
        $crate::arch::syscall0($nr)
    };
    ($nr:expr, $a:expr) => {
        $crate::arch::syscall1($nr, $crate::call::Arg::arg($a))
    };
    ($nr:expr, $a:expr, $b:expr) => {
        $crate::arch::syscall2($nr, $crate::call::Arg::arg($a), $crate::call::Arg::arg($b))
    };
    ($nr:expr, $a:expr, $b:expr, $c:expr) => {
        $crate::arch::syscall3(
            $nr,
            $crate::call::Arg::arg($a),
            $crate::call::Arg::arg($b),
            $crate::call::Arg::arg($c),
        )
    };
    ($nr:expr, $a:expr, $b:expr, $c:expr, $d:expr) => {
        $crate::arch::syscall4(
            $nr,
            $crate::call::Arg::arg($a),
            $crate::call::Arg::arg($b),
            $crate::call::Arg::arg($c),
            $crate::call::Arg::arg($d),
        )
    };
    ($nr:expr, $a:expr, $b:expr, $c:expr, $d:expr, $e:expr) => {
        $crate::arch::syscall5(
            $nr,
            $crate::call::Arg::arg($a),
            $crate::call::Arg::arg($b),
            $crate::call::Arg::arg($c),
            $crate::call::Arg::arg($d),
            $crate::call::Arg::arg($e),
        )
    };
    ($nr:expr, $a:expr, $b:expr, $c:expr, $d:expr, $e:expr, $f:expr) => {
        $crate::arch::syscall6(
            $nr,
            $crate::call::Arg::arg($a),
            $crate::call::Arg::arg($b),
            $crate::call::Arg::arg($c),
            $crate::call::Arg::arg($d),
            $crate::call::Arg::arg($e),
            $crate::call::Arg::arg($f),
        )
    };
}

/// The kernel's convention on every architecture: -4095..-1 is an error number, all else a value.
#[inline]
pub(crate) fn ret(raw: isize) -> Result<usize> {
    if (-4095..0).contains(&raw) {
        Err(Errno::from_raw_os_error((raw as i32).wrapping_neg()))
    } else {
        Ok(raw as usize)
    }
}

#[inline]
pub(crate) fn ret_unit(raw: isize) -> Result<()> {
    ret(raw).map(|_| ())
}

#[inline]
pub(crate) fn ret_i32(raw: isize) -> Result<i32> {
    ret(raw).map(|v| v as i32)
}

/// # Safety
///
/// `raw` is the result of a call whose success is a new descriptor that nobody else owns.
#[inline]
pub(crate) unsafe fn ret_fd(raw: isize) -> Result<OwnedFd> {
    // SAFETY: new and unowned by this function's contract.
    ret(raw).map(|fd| unsafe { own(fd as i32) })
}

/// # Safety
///
/// `number` is an open descriptor that nobody else owns.
#[inline]
pub(crate) unsafe fn own(number: i32) -> OwnedFd {
    // Never negative, which the mask tells the compiler: from_raw_fd compares with -1 and would bring a panic along.
    // SAFETY: this function's contract.
    unsafe { OwnedFd::from_raw_fd(number & i32::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use linux_raw_sys::general as k;

    #[test]
    fn only_the_last_4095_values_are_errors() {
        assert_eq!(ret(-1), Err(Errno::PERM));
        assert_eq!(ret(-4095), Err(Errno::from_raw_os_error(4095)));
        assert_eq!(ret(-4096), Ok(-4096isize as usize));
        assert_eq!(ret(isize::MIN), Ok(isize::MIN as usize));
        assert_eq!(ret(0), Ok(0));
        assert_eq!(ret(isize::MAX), Ok(isize::MAX as usize));
    }

    #[test]
    fn a_negative_descriptor_is_sign_extended() {
        // SAFETY: no memory.
        assert_eq!(ret(unsafe { sys!(k::__NR_close, -1i32) }), Err(Errno::BADF));
        // SAFETY: strings; AT_FDCWD as a bare int.
        assert_eq!(ret(unsafe { sys!(k::__NR_faccessat, k::AT_FDCWD, c".", 0u32) }), Ok(0));
    }

    #[test]
    fn six_arguments_arrive_in_order() {
        if crate::testing::emulated("six_arguments_arrive_in_order") {
            return;
        }
        // A read of this process's own memory takes six different arguments, and 9 bytes only if each is in its place.
        let (from, mut to) = (*b"all six!?", [0u8; 9]);
        let local = [[to.as_mut_ptr() as usize, 4], [to.as_mut_ptr() as usize + 4, 5]];
        let remote = [[from.as_ptr() as usize, 9]];
        let pid = crate::process::getpid();
        let call = |flags: u32| {
            // SAFETY: two buffers that together hold what one holds.
            ret(unsafe {
                sys!(k::__NR_process_vm_readv, pid, local.as_ptr(), 2usize, remote.as_ptr(), 1usize, flags)
            })
        };
        assert_eq!(call(0), Ok(9));
        assert_eq!(to, from);
        assert_eq!(call(1), Err(Errno::INVAL));
    }
}

//! Every other architecture: the C library's `syscall`, whose -1 and `errno` are turned back into the kernel's register.
//!
//! # Safety
//!
//! As in `arch`. `syscall` is variadic and takes longs; it and `__errno_location` are in glibc and in musl alike.

use core::ffi::{c_int, c_long};

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
    fn __errno_location() -> *mut c_int;
}

macro_rules! define {
    ($name:ident $(, $arg:ident)*) => {
        #[inline]
        pub(crate) unsafe fn $name(nr: u32 $(, $arg: usize)*) -> isize {
            // SAFETY: arguments are register-wide, as `syscall` wants them; the rest is the caller's promise.
            let ret = unsafe { syscall(nr as c_long $(, $arg)*) };
            if ret == -1 {
                // SAFETY: the address of this thread's errno, always valid.
                return unsafe { -(*__errno_location() as isize) };
            }
            ret as isize
        }
    };
}

define!(syscall0);
define!(syscall1, a);
define!(syscall2, a, b);
define!(syscall3, a, b, c);
define!(syscall4, a, b, c, d);
define!(syscall5, a, b, c, d, e);
define!(syscall6, a, b, c, d, e, f);

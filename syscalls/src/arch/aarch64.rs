//! aarch64: number in x8, arguments in x0 to x5, result in x0.
//!
//! # Safety
//!
//! As in `arch`. Every other register is kept by the kernel; memory may change, so `nomem` and `readonly` are not given.

use core::arch::asm;

macro_rules! define {
    ($name:ident, $first:ident $(, $arg:ident in $reg:tt)*) => {
        #[inline(always)]
        pub(crate) unsafe fn $name(nr: u32, $first: usize $(, $arg: usize)*) -> isize {
            let ret: isize;
            // SAFETY: the registers are those of the kernel's calling convention; the rest is the caller's promise.
            unsafe {
                asm!(
                    "svc 0",
                    in("x8") nr as usize,
                    inlateout("x0") $first => ret,
                    $(in($reg) $arg,)*
                    options(nostack)
                );
            }
            ret
        }
    };
}

#[inline(always)]
pub(crate) unsafe fn syscall0(nr: u32) -> isize {
    // SAFETY: the caller's promise; a call without arguments does not look at the first register.
    unsafe { syscall1(nr, 0) }
}

define!(syscall1, a);
define!(syscall2, a, b in "x1");
define!(syscall3, a, b in "x1", c in "x2");
define!(syscall4, a, b in "x1", c in "x2", d in "x3");
define!(syscall5, a, b in "x1", c in "x2", d in "x3", e in "x4");
define!(syscall6, a, b in "x1", c in "x2", d in "x3", e in "x4", f in "x5");

//! riscv64: number in a7, arguments in a0 to a5, result in a0.
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
                    "ecall",
                    in("a7") nr as usize,
                    inlateout("a0") $first => ret,
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
define!(syscall2, a, b in "a1");
define!(syscall3, a, b in "a1", c in "a2");
define!(syscall4, a, b in "a1", c in "a2", d in "a3");
define!(syscall5, a, b in "a1", c in "a2", d in "a3", e in "a4");
define!(syscall6, a, b in "a1", c in "a2", d in "a3", e in "a4", f in "a5");

//! arm (EABI): number in r7, arguments in r0 to r5, result in r0.
//!
//! r7 is the frame pointer in Thumb code, where the compiler will not lend it, and an ordinary register in ARM code. Both
//! are served by carrying the number in r10, keeping r7 in r8, and naming both so that neither can be r7 itself.
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
            // SAFETY: the registers are those of the kernel's calling convention and r7 is given back as it was found;
            // the rest is the caller's promise.
            unsafe {
                asm!(
                    "mov r8, r7",
                    "mov r7, r10",
                    "svc 0",
                    "mov r7, r8",
                    in("r10") nr as usize,
                    out("r8") _,
                    inlateout("r0") $first => ret,
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
define!(syscall2, a, b in "r1");
define!(syscall3, a, b in "r1", c in "r2");
define!(syscall4, a, b in "r1", c in "r2", d in "r3");
define!(syscall5, a, b in "r1", c in "r2", d in "r3", e in "r4");
define!(syscall6, a, b in "r1", c in "r2", d in "r3", e in "r4", f in "r5");

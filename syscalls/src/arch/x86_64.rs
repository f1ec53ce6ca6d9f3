//! x86_64: number and result in rax; arguments in rdi, rsi, rdx, r10, r8, r9; the instruction itself destroys rcx and r11.
//!
//! # Safety
//!
//! As in `arch`. Every other register is kept by the kernel; memory may change, so `nomem` and `readonly` are not given.

use core::arch::asm;

macro_rules! define {
    ($name:ident $(, $arg:ident in $reg:tt)*) => {
        #[inline(always)]
        pub(crate) unsafe fn $name(nr: u32 $(, $arg: usize)*) -> isize {
            let ret: isize;
            // SAFETY: the registers are those of the kernel's calling convention; the rest is the caller's promise.
            unsafe {
                asm!(
                    "syscall",
                    inlateout("rax") nr as usize => ret,
                    $(in($reg) $arg,)*
                    lateout("rcx") _,
                    lateout("r11") _,
                    options(nostack)
                );
            }
            ret
        }
    };
}

define!(syscall0);
define!(syscall1, a in "rdi");
define!(syscall2, a in "rdi", b in "rsi");
define!(syscall3, a in "rdi", b in "rsi", c in "rdx");
define!(syscall4, a in "rdi", b in "rsi", c in "rdx", d in "r10");
define!(syscall5, a in "rdi", b in "rsi", c in "rdx", d in "r10", e in "r8");
define!(syscall6, a in "rdi", b in "rsi", c in "rdx", d in "r10", e in "r8", f in "r9");

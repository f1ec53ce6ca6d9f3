//! `syscall0` to `syscall6`: put a number and registers before the kernel, give back its register (-4095..-1 is an error).
//!
//! # Safety
//!
//! A system call can do anything. The caller answers for the number being one of this architecture, for the addresses,
//! and for what the call does to memory, descriptors and control flow.

#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
#[cfg_attr(target_arch = "arm", path = "arm.rs")]
#[cfg_attr(target_arch = "riscv64", path = "riscv64.rs")]
#[cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "arm", target_arch = "riscv64")),
    path = "libc.rs"
)]
mod imp;

pub(crate) use imp::*;

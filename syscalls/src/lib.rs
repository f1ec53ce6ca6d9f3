//! Raw Linux system calls, one short function each. All unsafe code of the project lives in this crate.
//!
//! Owns: the instruction that enters the kernel, the layout of what crosses it, and the ownership of descriptors that
//! come back. Must not: choose, retry, fall back, allocate (but [`CStrArray`], which is built before the clone),
//! format or panic. Callers: the runtime, parent and child alike; after `clone3` the child calls nothing else.
//!
//! # To read it
//!
//! `arch` holds the instruction for four architectures (the C library's `syscall` serves the rest), `call` turns values
//! into registers and the register into a `Result`. Every other module is a list of wrappers that do not know each other:
//!
//! | to | read |
//! |---|---|
//! | make, end, wait for and signal processes | [`process`], [`signal`] |
//! | give up or take on rights | [`ids`], [`caps`], [`prctl`], [`seccomp`] |
//! | have another view of the machine | [`ns`], [`mount`] |
//! | work on files | [`fs`], [`mod@stat`], [`fd`] |
//! | talk | [`net`], [`tty`] |
//! | know the time | [`time`] |
//! | be limited | [`bpf`] (device rules), [`sched`] (and what else outlives exec) |
//! | be a program without std's start | [`entry!`], [`Args`], [`Bump`], [`Buffer`], [`Counted`] |
//!
//! # What holds for every function
//!
//! - The result is the kernel's; [`Errno`] is what it returned. **No call is retried on `EINTR`**, and a short read or
//!   write is a success.
//! - Every descriptor is made close-on-exec, and is returned as an [`OwnedFd`]. [`leak`] is for one that shall live until exec.
//! - Paths are `&CStr`, relative to a descriptor ([`CWD`] for the working directory). Flags are the kernel's constants,
//!   re-exported beside the call that takes them; those that change who owns memory or descriptors are not.
//! - A function is there on every kernel from 4.14 unless it names a version; on an older one it returns `ENOSYS`
//!   (or `EPERM`, `EINVAL`, even `ENOENT`, under a seccomp filter or a vendor's kernel).
//! - It is safe to call with any argument. A value that the kernel would take for something else than its name says is
//!   `EINVAL` without a call: id `u32::MAX` ("leave it"), pid 0 and below ("a group", "everybody"), a NUL inside of a path.
//!   Nothing else is judged here.
//!
//! # What is left to the caller
//!
//! - **The child of a clone** has a copy of all memory and none of the other threads: plain data and system calls, then
//!   exec or exit. A value dropped there is dropped twice in all, which is right for a descriptor and wrong for a lock file.
//! - **Rights belong to threads.** The raw calls of [`ids`], [`caps`], [`prctl`] change the calling thread, where the C
//!   library's would change all. A process that uses them has one thread.
//! - **Bare numbers** ([`fd::adopt`], [`fd::close_raw`], [`fd::dup_to`]) are for descriptors that came from outside, and for the
//!   other side's end of a pair.
//! - **32-bit times** are relative and short, so none ends in 2038: the one date, of [`time`], has 64 bits where the kernel can.
//!
//! # How far it is tested
//!
//! Each wrapper has a test that looks at what the kernel then does, in a child process where it would change this one.
//! They hold on x86_64 (6.18), and in QEMU under Debian's kernels for arm64, armhf and mipsel (6.1) and for riscv64 (7.2).
//! A machine that can be had only as qemu-user sets `SYSCALLS_EMULATED=1`, which skips, by name, what that does not
//! translate. i686, mips64el, powerpc64le, s390x and loongarch64 are compiled, and have not been run.
#![no_std]
#![warn(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod arch;
#[macro_use]
mod call;
pub mod bpf;
mod bump;
pub mod caps;
mod counted;
mod cstr_array;
mod entry;
pub mod fd;
pub mod fs;
pub mod ids;
pub mod mount;
pub mod net;
pub mod ns;
pub mod prctl;
pub mod process;
pub mod sched;
pub mod seccomp;
pub mod signal;
pub mod stat;
#[cfg(test)]
mod testing;
pub mod time;
pub mod tty;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
mod vdso;
pub mod xattr;

pub use bump::{Buffer, Bump, SEALED_STATUS, seal};
pub use counted::Counted;
pub use cstr_array::CStrArray;
pub use entry::{Args, auxiliary, begin, errno};
pub use fd::{CWD, leak};
pub use rustix::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
pub use rustix::io::{Errno, Result};

//! Raw Linux system calls, one short function each. All unsafe code of the project lives in this crate.
//!
//! Owns: the instruction that enters the kernel, the layout of what crosses it, and the ownership of descriptors that
//! come back. Must not: choose, retry, fall back, allocate (but [`CStrArray`], which is built before the clone),
//! format or panic. Callers: the runtime, parent and child alike; after `clone3` the child calls nothing else.
//!
//! What every function here keeps, so that its page need not repeat it:
//!
//! - The result is the kernel's, unedited. [`Errno`] is what it returned; **no call is retried on `EINTR`**.
//! - Every descriptor is made close-on-exec, and is returned as an [`OwnedFd`]. [`leak`] is for one that shall live until exec.
//! - Paths are `&CStr`, relative to a descriptor ([`CWD`] for the working directory). Flags are the kernel's constants,
//!   re-exported beside the call that takes them.
//! - A function is there on every kernel from 4.14 unless it names a version; on an older one it returns `ENOSYS`
//!   (or `EPERM`, `EINVAL`, even `ENOENT`, under a seccomp filter or a vendor's kernel).
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
pub mod tty;

pub use bump::Bump;
pub use cstr_array::CStrArray;
pub use entry::Args;
pub use fd::{CWD, leak};
pub use rustix::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
pub use rustix::io::{Errno, Result};

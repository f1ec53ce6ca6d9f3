//! For the tests: run a piece in a process of its own, so that what it changes is changed only there.

use crate::process::{
    CloneArgs, Fork, SIGCHLD, WEXITED, WaitFor, WaitStatus, clone, clone3, exit_group, waitid,
};
use rustix::fd::OwnedFd;
use rustix::io::{Errno, Result};
use std::path::PathBuf;
use std::string::String;
use std::sync::atomic::{AtomicU32, Ordering};

/// clone3, or clone where that is missing.
pub(crate) fn fork() -> Result<Fork> {
    match clone3(&CloneArgs { exit_signal: SIGCHLD, ..CloneArgs::default() }) {
        Err(Errno::NOSYS) => clone(0, false, SIGCHLD),
        fork => fork,
    }
}

/// How a child that runs `body` ends: 0 for `Ok(true)`, 1 for `Ok(false)`, 100 + errno for an error.
///
/// The test process has threads, so `body` only makes system calls: it neither allocates nor panics.
pub(crate) fn child(body: impl FnOnce() -> Result<bool>) -> WaitStatus {
    let pid = match fork().unwrap() {
        Fork::Child => exit_group(match body() {
            Ok(true) => 0,
            Ok(false) => 1,
            Err(errno) => 100i32.saturating_add(errno.raw_os_error()),
        }),
        Fork::Parent { pid, .. } => pid,
    };
    waitid(WaitFor::Pid(pid), WEXITED).unwrap().unwrap().1
}

/// `body` says true in a process of its own. `ENOSYS` is a test that this kernel has no use for, and is said.
#[track_caller]
pub(crate) fn holds_in_child(body: impl FnOnce() -> Result<bool>) {
    const NOSYS: i32 = 100 + Errno::NOSYS.raw_os_error();
    let status = child(body);
    if status == WaitStatus::Exited(NOSYS) {
        let name = String::from(std::thread::current().name().unwrap_or("a test"));
        std::println!("SKIP {name}: a system call is missing in this kernel");
    } else {
        assert_eq!(status, WaitStatus::Exited(0));
    }
}

/// Whether this is root with every capability that a test here wants; says so when not.
pub(crate) fn root(test: &str) -> bool {
    let capable = crate::caps::get().unwrap().effective & (1 << 21 | 1 << 12) == (1 << 21 | 1 << 12);
    if !capable {
        std::println!("SKIP {test}: not root");
    }
    capable
}

/// Whether a program that only translates system calls stands between this test and the kernel.
pub(crate) fn emulated(test: &str) -> bool {
    let emulated = std::env::var_os("SYSCALLS_EMULATED").is_some();
    if emulated {
        std::println!("SKIP {test}: qemu-user has no such call");
    }
    emulated
}

/// An empty directory, removed in the end.
pub(crate) struct Directory {
    pub(crate) path: PathBuf,
    pub(crate) fd: OwnedFd,
}

impl Directory {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = std::format!("syscalls-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        let text = std::ffi::CString::new(String::from(path.to_str().unwrap())).unwrap();
        let fd = crate::fs::openat(crate::CWD, &text, crate::fs::O_PATH | crate::fs::O_DIRECTORY, 0).unwrap();
        Directory { path, fd }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.path).unwrap();
    }
}

//! Kernel calls of the test program, by number through the C library's `syscall`, so that the file compiles with a bare
//! `rustc` and no crate. Nothing here belongs to the runtime: this is what an attacker or a test does to it.

use std::ffi::{CString, c_int, c_long};

unsafe extern "C" {
    pub fn syscall(number: c_long, ...) -> c_long;
    fn __errno_location() -> *mut c_int;
    pub fn fork() -> c_int;
    pub fn signal(number: c_int, handler: usize) -> usize;
    pub fn siginterrupt(number: c_int, flag: c_int) -> c_int;
}

pub type Errno = i32;
pub type Result<T = i64> = std::result::Result<T, Errno>;

/// A system call by number; arguments are cast to machine words. Pointers must stay valid for the call.
macro_rules! call {
    ($number:expr $(, $argument:expr)* $(,)?) => {
        $crate::sys::check(unsafe { $crate::sys::syscall($number as std::ffi::c_long $(, $argument as std::ffi::c_long)*) })
    };
}
pub(crate) use call;

/// `c_long` is `i32` on 32-bit machines.
#[allow(clippy::unnecessary_cast)]
pub fn check(value: c_long) -> Result {
    if value == -1 { Err(errno()) } else { Ok(value as i64) }
}

pub fn errno() -> Errno {
    unsafe { *__errno_location() }
}

pub fn cstr(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}

#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
pub mod nr {
    pub const OPENAT: i32 = 257; pub const MKDIRAT: i32 = 258; pub const UNLINKAT: i32 = 263; pub const RECVMSG: i32 = 47; pub const PIPE2: i32 = 293; pub const FCNTL: i32 = 72; pub const CLOSE: i32 = 3; pub const READ: i32 = 0; pub const PREAD64: i32 = 17; pub const WRITE: i32 = 1;
    pub const IOCTL: i32 = 16; pub const MKNODAT: i32 = 259; pub const MOUNT: i32 = 165; pub const UMOUNT2: i32 = 166;
    pub const PIVOT_ROOT: i32 = 155; pub const CHROOT: i32 = 161; pub const UNSHARE: i32 = 272; pub const SETNS: i32 = 308;
    pub const KILL: i32 = 62; pub const PTRACE: i32 = 101; pub const WAIT4: i32 = 61; pub const STATFS: i32 = 137;
    pub const GETCWD: i32 = 79; pub const UMASK: i32 = 95; pub const GETSID: i32 = 124; pub const GETPGID: i32 = 121;
    pub const PRLIMIT64: i32 = 302; pub const PERSONALITY: i32 = 135; pub const UNAME: i32 = 63; pub const SETHOSTNAME: i32 = 170;
    pub const SETUID: i32 = 105; pub const SETGID: i32 = 106; pub const SETGROUPS: i32 = 116; pub const RENAMEAT2: i32 = 316;
    pub const PRCTL: i32 = 157; pub const SECCOMP: i32 = 317; pub const SCHED_GETAFFINITY: i32 = 204;
    pub const IOPRIO_GET: i32 = 252; pub const GETPRIORITY: i32 = 140; pub const KEYCTL: i32 = 250;
    pub const OPEN_BY_HANDLE_AT: i32 = 304; pub const DUP3: i32 = 292; pub const SCHED_GETATTR: i32 = 315;
    pub const EXECVEAT: i32 = 322; pub const STATX: i32 = 332; pub const MEMFD_CREATE: i32 = 319;
    pub const SOCKET: i32 = 41; pub const GET_MEMPOLICY: i32 = 239; pub const BPF: i32 = 321;
    pub const GETXATTR: i32 = 191; pub const SETXATTR: i32 = 188; pub const SWAPON: i32 = 167; pub const EXIT_GROUP: i32 = 231; pub const SETSID: i32 = 112; pub const MMAP: i32 = 9; pub const PPOLL: i32 = 271; pub const PROCESS_VM_READV: i32 = 310;
    pub const AUDIT_ARCH: u32 = 0xc000_003e;
}
#[cfg(not(target_arch = "x86_64"))]
#[rustfmt::skip]
pub mod nr {
    pub const OPENAT: i32 = 56; pub const MKDIRAT: i32 = 34; pub const UNLINKAT: i32 = 35; pub const RECVMSG: i32 = 212; pub const PIPE2: i32 = 59; pub const FCNTL: i32 = 25; pub const CLOSE: i32 = 57; pub const READ: i32 = 63; pub const PREAD64: i32 = 67; pub const WRITE: i32 = 64;
    pub const IOCTL: i32 = 29; pub const MKNODAT: i32 = 33; pub const MOUNT: i32 = 40; pub const UMOUNT2: i32 = 39;
    pub const PIVOT_ROOT: i32 = 41; pub const CHROOT: i32 = 51; pub const UNSHARE: i32 = 97; pub const SETNS: i32 = 268;
    pub const KILL: i32 = 129; pub const PTRACE: i32 = 117; pub const WAIT4: i32 = 260; pub const STATFS: i32 = 43;
    pub const GETCWD: i32 = 17; pub const UMASK: i32 = 166; pub const GETSID: i32 = 156; pub const GETPGID: i32 = 155;
    pub const PRLIMIT64: i32 = 261; pub const PERSONALITY: i32 = 92; pub const UNAME: i32 = 160; pub const SETHOSTNAME: i32 = 161;
    pub const SETUID: i32 = 146; pub const SETGID: i32 = 144; pub const SETGROUPS: i32 = 159; pub const RENAMEAT2: i32 = 276;
    pub const PRCTL: i32 = 167; pub const SECCOMP: i32 = 277; pub const SCHED_GETAFFINITY: i32 = 123;
    pub const IOPRIO_GET: i32 = 31; pub const GETPRIORITY: i32 = 141; pub const KEYCTL: i32 = 219;
    pub const OPEN_BY_HANDLE_AT: i32 = 265; pub const DUP3: i32 = 24; pub const SCHED_GETATTR: i32 = 275;
    pub const EXECVEAT: i32 = 281; pub const STATX: i32 = 291; pub const MEMFD_CREATE: i32 = 279;
    pub const SOCKET: i32 = 198; pub const GET_MEMPOLICY: i32 = 236; pub const BPF: i32 = 280;
    pub const GETXATTR: i32 = 8; pub const SETXATTR: i32 = 5; pub const SWAPON: i32 = 224; pub const EXIT_GROUP: i32 = 94; pub const SETSID: i32 = 157; pub const MMAP: i32 = 222; pub const PPOLL: i32 = 73; pub const PROCESS_VM_READV: i32 = 270;
    #[cfg(target_arch = "aarch64")]
    pub const AUDIT_ARCH: u32 = 0xc000_00b7;
    #[cfg(not(target_arch = "aarch64"))]
    pub const AUDIT_ARCH: u32 = 0xc000_00f3;
}

/// Calls that the fallback suite takes away. Numbers from 424 up are the same on every architecture.
pub const TAKEN: &[(&str, i32)] = &[
    ("pidfd_send_signal", 424),
    ("open_tree", 428),
    ("move_mount", 429),
    ("fsopen", 430),
    ("fsconfig", 431),
    ("fsmount", 432),
    ("fspick", 433),
    ("pidfd_open", 434),
    ("clone3", 435),
    ("close_range", 436),
    ("openat2", 437),
    ("pidfd_getfd", 438),
    ("faccessat2", 439),
    ("mount_setattr", 442),
    ("fchmodat2", 452),
    ("open_tree_attr", 467),
    ("statx", nr::STATX),
    ("execveat", nr::EXECVEAT),
    ("memfd_create", nr::MEMFD_CREATE),
    ("bpf", nr::BPF),
    ("keyctl", nr::KEYCTL),
    ("setns", nr::SETNS),
];

const ERRNOS: &[(&str, Errno)] = &[
    ("EPERM", 1),
    ("ENOENT", 2),
    ("ESRCH", 3),
    ("EINTR", 4),
    ("EIO", 5),
    ("ENXIO", 6),
    ("E2BIG", 7),
    ("ENOEXEC", 8),
    ("EBADF", 9),
    ("ECHILD", 10),
    ("EAGAIN", 11),
    ("ENOMEM", 12),
    ("EACCES", 13),
    ("EFAULT", 14),
    ("ENOTBLK", 15),
    ("EBUSY", 16),
    ("EEXIST", 17),
    ("EXDEV", 18),
    ("ENODEV", 19),
    ("ENOTDIR", 20),
    ("EISDIR", 21),
    ("EINVAL", 22),
    ("ENFILE", 23),
    ("EMFILE", 24),
    ("ENOTTY", 25),
    ("ETXTBSY", 26),
    ("EFBIG", 27),
    ("ENOSPC", 28),
    ("EROFS", 30),
    ("EPIPE", 32),
    ("ERANGE", 34),
    ("ENAMETOOLONG", 36),
    ("ENOSYS", 38),
    ("ELOOP", 40),
    ("ENODATA", 61),
    ("EPROTO", 71),
    ("EOVERFLOW", 75),
    ("EUSERS", 87),
    ("EOPNOTSUPP", 95),
    ("EAFNOSUPPORT", 97),
    ("ESTALE", 116),
    ("ENOKEY", 126),
];

pub fn errno_name(errno: Errno) -> String {
    ERRNOS
        .iter()
        .find(|(_, value)| *value == errno)
        .map_or_else(|| format!("E{errno}"), |(name, _)| (*name).to_string())
}

pub fn errno_value(name: &str) -> Option<Errno> {
    ERRNOS.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

pub const AT_FDCWD: i32 = -100;

pub fn open(path: &str, flags: i32, mode: u32) -> Result<i32> {
    let path = cstr(path);
    call!(nr::OPENAT, AT_FDCWD, path.as_ptr(), flags | O_CLOEXEC, mode).map(|fd| fd as i32)
}

pub const O_WRONLY: i32 = 1;
pub const O_RDWR: i32 = 2;
pub const O_CREAT: i32 = 0o100;
pub const O_EXCL: i32 = 0o200;
pub const O_NOCTTY: i32 = 0o400;
pub const O_APPEND: i32 = 0o2000;
pub const O_NONBLOCK: i32 = 0o4000;
/// x86; other machines have other bits.
pub const O_DIRECT: i32 =
    if cfg!(any(target_arch = "aarch64", target_arch = "arm")) { 0o200000 } else { 0o40000 };
pub const O_CLOEXEC: i32 = 0o2_000_000;
pub const O_PATH: i32 = 0o10_000_000;
#[cfg(target_arch = "x86_64")]
pub const O_DIRECTORY: i32 = 0o200_000;
#[cfg(not(target_arch = "x86_64"))]
pub const O_DIRECTORY: i32 = 0o40_000;

pub fn close(fd: i32) {
    let _ = call!(nr::CLOSE, fd);
}

pub fn read_fd(fd: i32, limit: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0u8; limit];
    let mut have = 0;
    while have < limit {
        let got = call!(nr::READ, fd, bytes[have..].as_mut_ptr(), limit - have)? as usize;
        if got == 0 {
            break;
        }
        have += got;
    }
    bytes.truncate(have);
    Ok(bytes)
}

pub fn write_fd(fd: i32, bytes: &[u8]) -> Result {
    call!(nr::WRITE, fd, bytes.as_ptr(), bytes.len())
}

pub fn mount(source: &str, target: &str, kind: &str, flags: u64, data: &str) -> Result {
    let (source, target, kind, data) = (cstr(source), cstr(target), cstr(kind), cstr(data));
    call!(nr::MOUNT, source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, data.as_ptr())
}

pub fn waitpid(pid: i32, options: i32) -> Result<(i32, i32)> {
    let mut status: c_int = 0;
    loop {
        match call!(nr::WAIT4, pid, &mut status as *mut c_int, options, 0) {
            Err(4) => {}
            Err(other) => return Err(other),
            Ok(found) => return Ok((found as i32, status)),
        }
    }
}

pub const MS: &[(&str, u64)] = &[
    ("ro", 1),
    ("nosuid", 2),
    ("nodev", 4),
    ("noexec", 8),
    ("remount", 32),
    ("bind", 4096),
    ("move", 8192),
    ("rec", 16384),
    ("private", 1 << 18),
    ("slave", 1 << 19),
    ("shared", 1 << 20),
    ("unbindable", 1 << 17),
];

pub const CLONE: &[(&str, u64)] = &[
    ("time", 0x80),
    ("mount", 0x0002_0000),
    ("cgroup", 0x0200_0000),
    ("uts", 0x0400_0000),
    ("ipc", 0x0800_0000),
    ("user", 0x1000_0000),
    ("pid", 0x2000_0000),
    ("network", 0x4000_0000),
];

/// A comma list of names, each from `table`; unknown names are fatal because a test that asks for nothing proves nothing.
pub fn flags(list: &str, table: &[(&str, u64)]) -> u64 {
    list.split(',')
        .filter(|name| !name.is_empty() && *name != "-")
        .map(|name| {
            table
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| *value)
                .unwrap_or_else(|| panic!("unknown flag {name}"))
        })
        .fold(0, |all, one| all | one)
}

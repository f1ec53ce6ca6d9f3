//! Six tiny programs in one static file, chosen by the name they are called by: what the bench and the budgets measure
//! with, compiled by them with rustc alone so that nothing of the workspace is in it.
//!
//! - `meter FILE PROGRAM ARG...` runs a program and writes one line to FILE: wall time in ns, CPU time in us (user
//!   and system, of the program and of what it waited for), peak resident set in KiB, exit status (128+signal). It must be
//!   tiny itself: the kernel counts the address space that forked into a program's peak (fs/exec.c, exec_mmap).
//! - `peak FILE PROGRAM ARG...` runs a program and writes one line to FILE: its resident set in KiB, from a walk of its page
//!   tables as it exits, and its exit status. Since Linux 6.2 the kernel's own peak counts in batches for each CPU
//!   (mm/percpu counters), which hides up to some hundred KiB: more than what is measured here.
//! - `floor ROOTFS` is the least that any container costs: one clone3 with six namespaces, four mounts, pivot_root, exec of
//!   `/bin/true`, wait.
//! - `filter FILE` installs the seccomp program in FILE (struct sock_filter after struct sock_filter) and prints how long that
//!   took in ns, and what a call costs then, in tenths of ns: getppid(2), which profiles allow, and personality(2), whose
//!   argument they look at.
//! - `true` does nothing and `pause` waits for a signal: the programs in the containers that are timed.
//!
//! # Safety
//! All calls are C library functions with their documented arguments; every pointer is to a live, NUL-terminated string or a
//! buffer of the size that the call writes.
#![no_main]

use std::ffi::{CStr, c_char, c_int, c_long, c_ulong, c_void};

#[repr(C)]
#[derive(Default)]
struct Rusage {
    utime: [c_long; 2],
    stime: [c_long; 2],
    /// KiB; the rest of the structure is padding here.
    maxrss: c_long,
    rest: [c_long; 32],
}

#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
}

unsafe extern "C" {
    fn vfork() -> c_int;
    fn execv(path: *const c_char, argv: *const *const c_char) -> c_int;
    fn wait4(pid: c_int, status: *mut c_int, options: c_int, usage: *mut Rusage) -> c_int;
    fn clock_gettime(clock: c_int, time: *mut [c_long; 2]) -> c_int;
    fn ptrace(request: c_int, pid: c_int, address: *mut c_void, data: *mut c_void) -> c_long;
    fn pause() -> c_int;
    fn creat(path: *const c_char, mode: c_int) -> c_int;
    fn open(path: *const c_char, flags: c_int, ...) -> c_int;
    fn read(fd: c_int, buffer: *mut c_void, size: usize) -> isize;
    fn close(fd: c_int) -> c_int;
    fn snprintf(buffer: *mut c_char, size: usize, format: *const c_char, ...) -> c_int;
    fn dprintf(fd: c_int, format: *const c_char, ...) -> c_int;
    fn syscall(number: c_long, ...) -> c_long;
    fn mount(source: *const c_char, target: *const c_char, kind: *const c_char, flags: c_ulong, data: *const c_void) -> c_int;
    fn umount2(target: *const c_char, flags: c_int) -> c_int;
    fn chdir(path: *const c_char) -> c_int;
    fn prctl(option: c_int, ...) -> c_int;
    fn getppid() -> c_int;
    fn personality(persona: c_ulong) -> c_int;
    fn _exit(status: c_int) -> !;
}

const CLOCK_MONOTONIC: c_int = 1;
/// One number on every architecture since clone3 came after the tables were unified (Linux 5.3).
const SYS_CLONE3: c_long = 435;
#[cfg(target_arch = "x86_64")]
const SYS_PIVOT_ROOT: c_long = 155;
#[cfg(target_arch = "arm")]
const SYS_PIVOT_ROOT: c_long = 218;
#[cfg(not(any(target_arch = "x86_64", target_arch = "arm")))]
const SYS_PIVOT_ROOT: c_long = 41;
/// mount, cgroup, uts, ipc, pid and network namespaces.
const NAMESPACES: u64 = 0x2_0000 | 0x200_0000 | 0x400_0000 | 0x800_0000 | 0x2000_0000 | 0x4000_0000;
const SIGCHLD: u64 = 17;
const MS_NOSUID_NODEV_NOEXEC: c_ulong = 2 | 4 | 8;
const MS_BIND_REC: c_ulong = 4096 | 16384;
const MS_PRIVATE_REC: c_ulong = (1 << 18) | 16384;
const MNT_DETACH: c_int = 2;

/// Entry from the C library's start code, which leaves out the Rust runtime's own start.
#[unsafe(no_mangle)]
pub extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    let argument = |index: usize| -> *const c_char {
        if (index as c_int) < argc { unsafe { *argv.add(index) } } else { std::ptr::null() }
    };
    if argument(0).is_null() {
        return 2;
    }
    let name = unsafe { CStr::from_ptr(argument(0)) }.to_bytes();
    let name = name.rsplit(|byte| *byte == b'/').next().unwrap_or(name);
    match name {
        b"true" => 0,
        b"pause" => unsafe { pause() },
        b"floor" if argc == 2 => floor(argument(1)),
        b"filter" if argc == 2 => filter(argument(1)),
        b"peak" if argc > 2 => peak(argument(1), unsafe { argv.add(2) }),
        b"meter" if argc > 2 => meter(argument(1), unsafe { argv.add(2) }),
        _ => 2,
    }
}

fn meter(file: *const c_char, argv: *const *const c_char) -> c_int {
    let mut begin = [0; 2];
    let mut end = [0; 2];
    let mut status = 0;
    let mut usage = Rusage::default();
    unsafe {
        clock_gettime(CLOCK_MONOTONIC, &mut begin);
        // After vfork the child may only exec or exit.
        let pid = vfork();
        if pid == 0 {
            execv(*argv, argv);
            _exit(127);
        }
        if pid < 0 || wait4(pid, &mut status, 0, &mut usage) != pid {
            return 1;
        }
        clock_gettime(CLOCK_MONOTONIC, &mut end);
        let signal = status & 127;
        let code = if signal == 0 { (status >> 8) & 255 } else { 128 + signal };
        let wall = (end[0] - begin[0]) * 1_000_000_000 + end[1] - begin[1];
        let cpu = (usage.utime[0] + usage.stime[0]) * 1_000_000 + usage.utime[1] + usage.stime[1];
        dprintf(creat(file, 0o600), c"%ld %ld %ld %d\n".as_ptr(), wall, cpu, usage.maxrss, code);
    }
    0
}

/// struct sock_fprog.
#[repr(C)]
struct Program {
    len: u16,
    filter: *const u64,
}

const PR_SET_NO_NEW_PRIVS: c_int = 38;
const PR_SET_SECCOMP: c_int = 22;
const SECCOMP_MODE_FILTER: c_ulong = 2;

fn filter(file: *const c_char) -> c_int {
    const CALLS: c_long = 100_000;
    let mut buffer = [0u64; 4096];
    let mut times = [[0; 2]; 4];
    unsafe {
        let fd = open(file, 0);
        let size = read(fd, buffer.as_mut_ptr().cast(), 8 * 4096);
        if size <= 0 || prctl(PR_SET_NO_NEW_PRIVS, 1 as c_ulong, 0 as c_ulong, 0 as c_ulong, 0 as c_ulong) != 0 {
            return 1;
        }
        let program = Program { len: (size / 8) as u16, filter: buffer.as_ptr() };
        clock_gettime(CLOCK_MONOTONIC, &mut times[0]);
        if prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &raw const program) != 0 {
            return 1;
        }
        clock_gettime(CLOCK_MONOTONIC, &mut times[1]);
        for _ in 0..CALLS {
            getppid();
        }
        clock_gettime(CLOCK_MONOTONIC, &mut times[2]);
        for _ in 0..CALLS {
            personality(0xffff_ffff); // asks, changes nothing
        }
        clock_gettime(CLOCK_MONOTONIC, &mut times[3]);
        let between = |at: usize| {
            (times[at + 1][0] - times[at][0]) * 1_000_000_000 + times[at + 1][1] - times[at][1]
        };
        let each = |at: usize| between(at) * 10 / CALLS;
        dprintf(1, c"%ld %ld %ld\n".as_ptr(), between(0), each(1), each(2));
    }
    0
}

const PTRACE_TRACEME: c_int = 0;
const PTRACE_CONT: c_int = 7;
const PTRACE_SETOPTIONS: c_int = 0x4200;
const PTRACE_O_TRACEEXIT: usize = 0x40;
const PTRACE_O_EXITKILL: usize = 0x10_0000;
const PTRACE_EVENT_EXIT: c_int = 6;
const SIGTRAP: c_int = 5;

fn peak(file: *const c_char, argv: *const *const c_char) -> c_int {
    let null = std::ptr::null_mut::<c_void>();
    let mut status = 0;
    let mut resident = 0;
    unsafe {
        let pid = vfork();
        if pid == 0 {
            ptrace(PTRACE_TRACEME, 0, null, null);
            execv(*argv, argv);
            _exit(127);
        }
        let mut first = true;
        loop {
            if pid < 0 || wait4(pid, &mut status, 0, std::ptr::null_mut()) != pid {
                return 1;
            }
            if status & 127 == 0 || (status & 255) != 127 {
                break;
            }
            let mut deliver = (status >> 8) & 255;
            if first {
                let options = (PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL) as *mut c_void;
                ptrace(PTRACE_SETOPTIONS, pid, null, options);
                first = false;
                deliver = 0;
            } else if status >> 8 == SIGTRAP | (PTRACE_EVENT_EXIT << 8) {
                resident = resident_set(pid);
                deliver = 0;
            } else if deliver == SIGTRAP {
                // A second execve, such as the one that protects the runtime's binary.
                deliver = 0;
            }
            ptrace(PTRACE_CONT, pid, null, deliver as usize as *mut c_void);
        }
        let signal = status & 127;
        let code = if signal == 0 { (status >> 8) & 255 } else { 128 + signal };
        dprintf(creat(file, 0o600), c"%ld %d\n".as_ptr(), resident, code);
    }
    0
}

/// KiB of the whole address space that are in memory (proc(5), smaps_rollup), 0 when that cannot be read.
unsafe fn resident_set(pid: c_int) -> c_long {
    let mut buffer = [0_u8; 4096];
    let text = unsafe {
        let mut path = [0 as c_char; 64];
        snprintf(path.as_mut_ptr(), path.len(), c"/proc/%d/smaps_rollup".as_ptr(), pid);
        let fd = open(path.as_ptr(), 0);
        let length = read(fd, buffer.as_mut_ptr().cast(), buffer.len());
        close(fd);
        buffer.get(..length.max(0) as usize).unwrap_or_default()
    };
    let line = text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"Rss:"));
    let digits = line.unwrap_or_default().iter().filter(|byte| byte.is_ascii_digit());
    digits.fold(0, |value, digit| value * 10 + c_long::from(digit - b'0'))
}

fn floor(rootfs: *const c_char) -> c_int {
    let arguments = CloneArgs { flags: NAMESPACES, exit_signal: SIGCHLD, ..CloneArgs::default() };
    unsafe {
        let pid = syscall(SYS_CLONE3, &arguments, size_of::<CloneArgs>()) as c_int;
        if pid == 0 {
            inside(rootfs);
            _exit(1);
        }
        let mut status = 0;
        if pid < 0 || wait4(pid, &mut status, 0, std::ptr::null_mut()) != pid {
            return 1;
        }
        (status >> 8) & 255
    }
}

/// Returns only when something failed.
unsafe fn inside(rootfs: *const c_char) -> Option<()> {
    let done = |result: c_int| if result == 0 { Some(()) } else { None };
    let none = std::ptr::null();
    unsafe {
        done(mount(none, c"/".as_ptr(), none, MS_PRIVATE_REC, none.cast()))?;
        done(mount(rootfs, rootfs, none, MS_BIND_REC, none.cast()))?;
        done(chdir(rootfs))?;
        for (kind, target) in [(c"proc", c"proc"), (c"tmpfs", c"dev"), (c"sysfs", c"sys")] {
            done(mount(kind.as_ptr(), target.as_ptr(), kind.as_ptr(), MS_NOSUID_NODEV_NOEXEC, none.cast()))?;
        }
        done(syscall(SYS_PIVOT_ROOT, c".".as_ptr(), c".".as_ptr()) as c_int)?;
        done(umount2(c".".as_ptr(), MNT_DETACH))?;
        done(chdir(c"/".as_ptr()))?;
        let argv = [c"/bin/true".as_ptr(), none];
        execv(argv[0], argv.as_ptr());
    }
    None
}

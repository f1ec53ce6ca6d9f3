//! The verbs of the test program on the host: what a test needs the kernel for and cannot say in safe code.
//!
//! - `world`: a mount namespace, held until standard input closes; prints `ready`.
//! - `enter PID CMD…`: joins that mount namespace and execs CMD.
//! - `shim ERRNO NAME[:ARGUMENT=VALUE],… CMD…`: takes system calls away by a seccomp filter, execs CMD.
//! - `kill-at N CMD…`, `kill-tree-at N CMD…`, `fail-at N ERRNO CMD…`, `fail-tree-at N ERRNO CMD…`: trace.rs.
//! - `leak-fd N PATH CMD…`: execs CMD with PATH open (no close-on-exec) as descriptor N.
//! - `swap A B`: exchanges two names until standard input closes; prints `ready`, at the end the number of exchanges.
//! - `as UID GID CMD…`: drops to an ordinary user and execs CMD.
//! - `seccomp-agent SOCKET VALUE [SIGNAL]`: agent.rs.
//! - `resctrl DIR CMD…`: resctrl.rs.
//! - `console SOCKET`: listens as a caller of `--console-socket` does; prints `ready`, `received COUNT DATA`, then what comes out
//!   of the terminal; standard input goes into it.
//! - `swallow-stdio CMD…`: execs CMD with descriptors 0 to 2 closed.

use crate::sys::{self, AT_FDCWD, call, cstr, nr};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::Command;

pub fn run(arguments: &[String]) -> Option<i32> {
    let rest: Vec<&str> = arguments[1..].iter().map(String::as_str).collect();
    match arguments[0].as_str() {
        "world" => Some(world()),
        "enter" => Some(enter(rest[0], &rest[1..])),
        "shim" => Some(shim(rest[0], rest[1], &rest[2..])),
        "kill-at" | "kill-tree-at" | "fail-at" | "fail-tree-at" => {
            Some(crate::trace::run(&arguments[0], &rest))
        }
        "leak-fd" => Some(leak(rest[0].parse().unwrap(), rest[1], &rest[2..])),
        "swap" => Some(swap(rest[0], rest[1])),
        "as" => Some(as_user(rest[0].parse().unwrap(), rest[1].parse().unwrap(), &rest[2..])),
        "seccomp-agent" => {
            let signal = rest.get(2).map(|signal| signal.parse().unwrap());
            Some(crate::agent::run(rest[0], rest[1].parse().unwrap(), signal))
        }
        "console" => Some(console(rest[0])),
        "pty" => Some(crate::pty::run(&rest)),
        "resctrl" => Some(crate::resctrl::run(rest[0], &rest[1..])),
        "swallow-stdio" => {
            (0..3).for_each(sys::close);
            Some(become_command(&rest))
        }
        _ => None,
    }
}

pub fn become_command(command: &[&str]) -> i32 {
    let error = Command::new(command[0]).args(&command[1..]).exec();
    eprintln!("payload: exec {}: {error}", command[0]);
    126
}

fn wait_for_end() {
    let mut sink = [0u8; 64];
    let mut input = std::io::stdin().lock();
    while !matches!(input.read(&mut sink), Ok(0) | Err(_)) {}
}

/// Mount namespace of one test. All of it is made shared, as systemd does on most machines, which is the harder case for a
/// runtime. Where the machine has cgroup2 below /sys/fs/cgroup/unified (hybrid), it is shown as /sys/fs/cgroup.
fn world() -> i32 {
    let made = call!(nr::UNSHARE, sys::flags("mount", sys::CLONE))
        .and_then(|_| sys::mount("", "/", "", sys::flags("rec,private", sys::MS), ""))
        .and_then(|_| {
            // In a guest that is ours the hierarchies may be used as they are.
            let host = !std::path::Path::new("/tests").is_dir();
            if host && std::path::Path::new("/sys/fs/cgroup/unified/cgroup.controllers").exists() {
                sys::mount("/sys/fs/cgroup/unified", "/sys/fs/cgroup", "", sys::flags("bind", sys::MS), "")?;
            }
            Ok(0)
        })
        .and_then(|_| sys::mount("", "/", "", sys::flags("rec,shared", sys::MS), ""));
    if let Err(errno) = made {
        eprintln!("payload: world: {}", sys::errno_name(errno));
        return 1;
    }
    crate::say("ready");
    wait_for_end();
    0
}

fn enter(pid: &str, command: &[&str]) -> i32 {
    let directory = std::env::current_dir();
    let joined = sys::open(&format!("/proc/{pid}/ns/mnt"), 0, 0)
        .and_then(|fd| call!(nr::SETNS, fd, sys::flags("mount", sys::CLONE)));
    if let Err(errno) = joined {
        eprintln!("payload: enter {pid}: {}", sys::errno_name(errno));
        return 126;
    }
    // setns moves the working directory to the root.
    if let Ok(directory) = directory {
        let _ = std::env::set_current_dir(directory);
    }
    become_command(command)
}

/// A classic BPF program: architecture, then a block for each rule, which is the name of a call, or `NAME:ARGUMENT=VALUE`, or one of
/// the parts of calls that came later than the call itself: `setns-by-pidfd`, `close_range-cloexec` and `clone3-into-cgroup`, whose
/// argument only another process can look at. The parts are refused as the kernels before did, whatever the errno.
fn shim(errno: &str, names: &str, command: &[&str]) -> i32 {
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Instruction {
        code: u16,
        yes: u8,
        no: u8,
        value: u32,
    }
    #[repr(C)]
    struct Program {
        length: u16,
        filter: *const Instruction,
    }
    let op = |code: u16, yes: u8, no: u8, value: u32| Instruction { code, yes, no, value };
    // Places in struct seccomp_data: the call's number, the architecture, the lower half of an argument (on little-endian machines).
    let load = |at: u32| op(0x20, 0, 0, at);
    let argument = |at: u32| load(16 + 8 * at);
    let equal = |value: u32, yes: u8, no: u8| op(0x15, yes, no, value);
    let end = |action: u32| op(0x06, 0, 0, action);
    const ALLOW: u32 = 0x7fff_0000;
    const NOTIFY: u32 = 0x7fc0_0000;
    const ERRNO: u32 = 0x0005_0000;
    const INVAL: u32 = 22;
    let number = |name: &str| {
        let known = sys::TAKEN.iter().find(|(known, _)| *known == name);
        known.unwrap_or_else(|| panic!("unknown call {name}")).1 as u32
    };
    let errno = sys::errno_value(errno).unwrap_or_else(|| panic!("unknown errno {errno}")) as u32;
    let mut program = vec![load(4), equal(nr::AUDIT_ARCH, 1, 0), end(ALLOW)];
    let mut supervised = false;
    for rule in names.split(',') {
        program.push(load(0));
        match (rule, rule.split_once(':').and_then(|(name, rest)| Some((name, rest.split_once('=')?)))) {
            (_, Some((name, (at, value)))) => {
                let (at, value) = (at.parse().expect("a place"), value.parse().expect("a value"));
                let rest = [equal(number(name), 0, 3), argument(at), equal(value, 0, 1), end(ERRNO | errno)];
                program.extend(rest);
            }
            // Several namespaces at once: flags & (flags - 1).
            ("setns-by-pidfd", _) => program.extend([
                equal(number("setns"), 0, 6),
                argument(1),
                op(0x07, 0, 0, 0), // X = A
                op(0x14, 0, 0, 1), // A -= 1
                op(0x5c, 0, 0, 0), // A &= X
                equal(0, 1, 0),
                end(ERRNO | INVAL),
            ]),
            ("close_range-cloexec", _) => program.extend([
                equal(number("close_range"), 0, 3),
                argument(2),
                equal(4, 0, 1),
                end(ERRNO | INVAL),
            ]),
            ("clone3-into-cgroup", _) => {
                supervised = true;
                program.extend([equal(number("clone3"), 0, 1), end(NOTIFY)]);
            }
            (name, None) => program.extend([equal(number(name), 0, 1), end(ERRNO | errno)]),
        }
    }
    program.push(end(ALLOW));
    let filter = Program { length: program.len() as u16, filter: program.as_ptr() };
    let supervisor = supervised.then(crate::agent::Supervisor::new);
    // SECCOMP_SET_MODE_FILTER without no_new_privs: the caller is root, and the container's own setting must not change. An
    // ordinary user has no other way than no_new_privs. NEW_LISTENER is 8.
    let flags = if supervised { 8 } else { 0 };
    let mut loaded = call!(nr::SECCOMP, 1, flags, &filter as *const Program);
    if loaded == Err(13) {
        loaded = call!(nr::PRCTL, 38, 1, 0, 0, 0)
            .and_then(|_| call!(nr::SECCOMP, 1, flags, &filter as *const Program));
    }
    match (loaded, supervisor) {
        (Ok(listener), Some(supervisor)) => supervisor.take(listener as i32),
        (Ok(_), None) => {}
        (Err(errno), _) => {
            eprintln!("payload: shim: {}", sys::errno_name(errno));
            return 126;
        }
    }
    become_command(command)
}

fn leak(number: i32, path: &str, command: &[&str]) -> i32 {
    let opened = sys::open(path, 0, 0).and_then(|fd| {
        if fd == number {
            // F_SETFD: drop close-on-exec.
            return call!(nr::FCNTL, fd, 2, 0);
        }
        call!(nr::DUP3, fd, number, 0)
    });
    if let Err(errno) = opened {
        eprintln!("payload: leak-fd {path}: {}", sys::errno_name(errno));
        return 126;
    }
    become_command(command)
}

fn swap(left: &str, right: &str) -> i32 {
    let (left, right) = (cstr(left), cstr(right));
    crate::say("ready");
    // O_NONBLOCK on stdin (F_SETFL), so that its end can be seen in passing.
    let _ = call!(nr::FCNTL, 0, 4, sys::O_NONBLOCK);
    let mut count = 0u64;
    loop {
        for _ in 0..256 {
            // RENAME_EXCHANGE.
            if call!(nr::RENAMEAT2, AT_FDCWD, left.as_ptr(), AT_FDCWD, right.as_ptr(), 2).is_ok() {
                count += 1;
            }
        }
        let mut byte = 0u8;
        if call!(nr::READ, 0, &mut byte as *mut u8, 1) == Ok(0) {
            break;
        }
    }
    crate::say(&count.to_string());
    0
}

fn as_user(uid: u32, gid: u32, command: &[&str]) -> i32 {
    let dropped =
        call!(nr::SETGROUPS, 0, 0).and_then(|_| call!(nr::SETGID, gid)).and_then(|_| call!(nr::SETUID, uid));
    if let Err(errno) = dropped {
        eprintln!("payload: as {uid}: {}", sys::errno_name(errno));
        return 126;
    }
    become_command(command)
}

fn console(path: &str) -> i32 {
    use std::os::fd::AsRawFd;
    let Ok(listener) = std::os::unix::net::UnixListener::bind(path) else { return 1 };
    crate::say("ready");
    let Ok((stream, _)) = listener.accept() else { return 1 };
    let Some((master, count, data)) = receive(stream.as_raw_fd()) else { return 1 };
    crate::say(&format!("received {count} {data}"));
    std::thread::spawn(move || {
        let mut block = [0u8; 4096];
        let mut input = std::io::stdin().lock();
        while let Ok(length @ 1..) = input.read(&mut block) {
            let _ = sys::write_fd(master, &block[..length]);
        }
    });
    let mut block = [0u8; 4096];
    // EIO: the other end is closed, for good or until the program opens it.
    loop {
        match call!(nr::READ, master, block.as_mut_ptr(), block.len()) {
            Ok(length @ 1..) => {
                let _ = sys::write_fd(1, &block[..length as usize]);
            }
            _ => std::thread::sleep(std::time::Duration::from_millis(5)),
        }
    }
}

/// One message with descriptors: the first of them, how many there were, and the data.
fn receive(socket: i32) -> Option<(i32, usize, String)> {
    #[repr(C)]
    struct Block {
        base: *mut u8,
        length: usize,
    }
    #[repr(C)]
    struct Message {
        name: *mut u8,
        name_length: u32,
        blocks: *mut Block,
        block_count: usize,
        control: *mut u64,
        control_length: usize,
        flags: i32,
    }
    let (mut data, mut control) = ([0u8; 4096], [0u64; 16]);
    let mut block = Block { base: data.as_mut_ptr(), length: data.len() };
    let mut message = Message {
        name: std::ptr::null_mut(),
        name_length: 0,
        blocks: &mut block,
        block_count: 1,
        control: control.as_mut_ptr(),
        control_length: 128,
        flags: 0,
    };
    let length = call!(nr::RECVMSG, socket, &mut message as *mut Message, 0).ok()? as usize;
    // struct cmsghdr of 64-bit machines: length, level (SOL_SOCKET), type (SCM_RIGHTS), then the descriptors.
    let total = control[0] as usize;
    let bytes: Vec<u8> = control.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let count = total.saturating_sub(16) / 4;
    let first = bytes.get(16..20)?;
    let text = String::from_utf8_lossy(&data[..length]).trim_end_matches('\0').to_string();
    (count > 0).then(|| (i32::from_ne_bytes(first.try_into().unwrap()), count, text))
}

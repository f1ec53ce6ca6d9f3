//! A directory tree that stands in for a resctrl file system, which few machines have: `resctrl DIR CMD…`.
//!
//! CMD runs in a mount namespace of its own, whose mount table (a bound file) says that a resctrl is mounted on DIR. It is traced,
//! and its tracer plays the kernel's part there: a new directory is filled, one that is to be removed is emptied first. What CMD
//! writes below DIR goes to DIR.log, one line a call.

use crate::sys::{self, call, nr};
use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const PTRACE_SYSCALL: i32 = 24;
const PTRACE_SEIZE: i32 = 0x4206;
const PTRACE_GET_SYSCALL_INFO: i32 = 0x420e;
const ENTRY: u8 = 1;
const EXIT: u8 = 2;
const SIGTRAP: i32 = 5;
const AT_REMOVEDIR: u64 = 0x200;

/// struct ptrace_syscall_info, as it is at the entry of a call; at its exit the first number is the result.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Info {
    op: u8,
    pad: [u8; 3],
    arch: u32,
    pointers: [u64; 2],
    number: u64,
    arguments: [u64; 6],
    rest: [u64; 2],
}

pub fn run(directory: &str, command: &[&str]) -> i32 {
    let table = format!("{directory}.mountinfo");
    let mut lines = fs::read_to_string("/proc/self/mountinfo").unwrap();
    lines.push_str(&format!("999999 1 0:999 / {directory} rw,relatime - resctrl resctrl rw\n"));
    fs::write(&table, lines).unwrap();
    let mut pipe = [0i32; 2];
    let _ = call!(nr::PIPE2, pipe.as_mut_ptr(), sys::O_CLOEXEC);
    let child = unsafe { sys::fork() };
    if child == 0 {
        let own = format!("/proc/{}/mountinfo", std::process::id());
        let bound = call!(nr::UNSHARE, sys::flags("mount", sys::CLONE))
            .and_then(|_| sys::mount("", "/", "", sys::flags("rec,slave", sys::MS), ""))
            .and_then(|_| sys::mount(&table, &own, "", sys::flags("bind", sys::MS), ""));
        if let Err(errno) = bound {
            eprintln!("payload: resctrl: {}", sys::errno_name(errno));
            return 126;
        }
        let mut byte = 0u8;
        while call!(nr::READ, pipe[0], &mut byte as *mut u8, 1) == Err(4) {}
        return crate::outside::become_command(command);
    }
    // TRACESYSGOOD, TRACEEXEC.
    let _ = call!(nr::PTRACE, PTRACE_SEIZE, child, 0, 1 | 0x10);
    // PTRACE_INTERRUPT, so that it stops and can be told to stop at its calls.
    let _ = call!(nr::PTRACE, 0x4207, child, 0, 0);
    let _ = sys::waitpid(child, 0);
    let _ = call!(nr::PTRACE, PTRACE_SYSCALL, child, 0, 0);
    let _ = call!(nr::WRITE, pipe[1], b"x".as_ptr(), 1);
    let mut entered = Info::default();
    while let Ok((_, status)) = sys::waitpid(child, 0) {
        if status & 0x7f == 0 {
            return status >> 8 & 0xff;
        }
        if status & 0xff != 0x7f {
            return 128 + (status & 0x7f);
        }
        let (signal, event) = (status >> 8 & 0xff, status >> 16 & 0xff);
        let mut deliver = 0;
        if signal == SIGTRAP | 0x80 {
            let mut info = Info::default();
            let _ =
                call!(nr::PTRACE, PTRACE_GET_SYSCALL_INFO, child, size_of::<Info>(), &mut info as *mut Info);
            match info.op {
                ENTRY => entered = info,
                EXIT if info.number as i64 >= 0 => after(child, directory, &entered),
                _ => {}
            }
            if info.op == ENTRY {
                before(child, directory, &info);
            }
        } else if event == 0 && signal != SIGTRAP {
            deliver = signal;
        }
        let _ = call!(nr::PTRACE, PTRACE_SYSCALL, child, 0, deliver);
    }
    1
}

/// A directory that goes is emptied; a write is written down.
fn before(child: i32, directory: &str, info: &Info) {
    let [first, second, third, ..] = info.arguments;
    if info.number == nr::UNLINKAT as u64 && third & AT_REMOVEDIR != 0 {
        let Some(path) = path(child, second, directory) else { return };
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            let path = entry.path();
            let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
    } else if info.number == nr::WRITE as u64 {
        let Ok(file) = fs::read_link(format!("/proc/{child}/fd/{first}")) else { return };
        let Ok(name) = file.strip_prefix(directory) else { return };
        let text = String::from_utf8_lossy(&memory(child, second, third as usize)).into_owned();
        let mut log = fs::File::options().create(true).append(true).open(format!("{directory}.log")).unwrap();
        writeln!(log, "{} {}", name.display(), text.trim_end()).unwrap();
    }
}

/// A new group has files, and one that is not for monitoring alone has a directory for such groups.
fn after(child: i32, directory: &str, info: &Info) {
    if info.number != nr::MKDIRAT as u64 {
        return;
    }
    let Some(path) = path(child, info.arguments[1], directory) else { return };
    fs::write(path.join("tasks"), "").unwrap();
    if path.parent() == Some(Path::new(directory)) {
        fs::copy(Path::new(directory).join("schemata"), path.join("schemata")).unwrap();
        fs::create_dir(path.join("mon_groups")).unwrap();
    }
}

/// The path at an address of the child, if it is below the directory.
fn path(child: i32, address: u64, directory: &str) -> Option<PathBuf> {
    let bytes = memory(child, address, 4096);
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let path = PathBuf::from(String::from_utf8_lossy(&bytes[..end]).into_owned());
    path.starts_with(directory).then_some(path)
}

/// What the child's memory has there, up to `length`.
fn memory(child: i32, address: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let mut have = 0;
    if let Ok(mut file) = fs::File::open(format!("/proc/{child}/mem"))
        && file.seek(SeekFrom::Start(address)).is_ok()
    {
        while let Ok(count @ 1..) = file.read(&mut bytes[have..]) {
            have += count;
        }
    }
    bytes.truncate(have);
    bytes
}

//! Seccomp agents: what answers SCMP_ACT_NOTIFY, as config-linux.md says that it is reached, and the one behind a shim that has to
//! look at more than registers.
//!
//! - `seccomp-agent SOCKET VALUE [SIGNAL]`: listens; prints `ready`; takes one state with its listener, and from that one call, which
//!   it answers with VALUE; prints the state and the call's number as one object. With SIGNAL, its caller gets that while the call is
//!   being looked at, and it is answered only if it still waits then, which the object says.

use crate::sys::nr;
use crate::{json, sys};
use std::ffi::{c_int, c_void};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;

unsafe extern "C" {
    fn recvmsg(fd: c_int, message: *mut Message, flags: c_int) -> isize;
    fn ioctl(fd: c_int, request: std::ffi::c_ulong, ...) -> c_int;
}

#[repr(C)]
struct Message {
    name: *mut c_void,
    name_length: u32,
    vector: *mut Part,
    vector_length: usize,
    control: *mut u64,
    control_length: usize,
    flags: c_int,
}

#[repr(C)]
struct Part {
    base: *mut u8,
    length: usize,
}

/// struct seccomp_notif: its first fields and the number in its struct seccomp_data.
#[repr(C)]
#[derive(Default)]
struct Notification {
    id: u64,
    pid: u32,
    flags: u32,
    number: u32,
    rest: [u32; 15],
}

/// struct seccomp_notif_resp.
#[repr(C)]
struct Answer {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

/// SECCOMP_IOCTL_NOTIF_RECV and _SEND of the architectures whose ioctl numbers are the ordinary ones.
const RECEIVE: std::ffi::c_ulong = 0xc050_2100;
const SEND: std::ffi::c_ulong = 0xc018_2101;

/// SECCOMP_IOCTL_NOTIF_ID_VALID.
const STILL_VALID: std::ffi::c_ulong = 0x4008_2102;

/// Answers clone3 for a shim: with CLONE_INTO_CGROUP it is E2BIG, as before Linux 5.7, without it goes its way.
pub struct Supervisor {
    /// To the process that answers: the listener's number. And from it: that it has it.
    there: i32,
    back: i32,
}

impl Supervisor {
    /// Forks the process that answers, twice, so that it is nobody's child.
    pub fn new() -> Self {
        let (mut there, mut back) = ([0i32; 2], [0i32; 2]);
        let made =
            sys::call!(nr::PIPE2, there.as_mut_ptr(), 0).and(sys::call!(nr::PIPE2, back.as_mut_ptr(), 0));
        made.expect("pipe");
        let shimmed = std::process::id();
        let child = unsafe { sys::fork() };
        if child == 0 {
            if unsafe { sys::fork() } == 0 {
                [there[1], back[0]].into_iter().for_each(sys::close);
                answer_clones(shimmed, there[0], back[1]);
            }
            std::process::exit(0);
        }
        let _ = sys::waitpid(child, 0);
        [there[0], back[1]].into_iter().for_each(sys::close);
        Self { there: there[1], back: back[0] }
    }

    pub fn take(self, listener: i32) {
        sys::write_fd(self.there, &listener.to_ne_bytes()).expect("write");
        assert_eq!(sys::read_fd(self.back, 1), Ok(vec![1]), "the supervisor has no listener");
        [listener, self.there, self.back].into_iter().for_each(sys::close);
    }
}

fn answer_clones(shimmed: u32, there: i32, back: i32) -> ! {
    const TOO_BIG: i32 = -7;
    const CONTINUE: u32 = 1;
    const INTO_CGROUP: u64 = 0x2_0000_0000;
    let number = sys::read_fd(there, 4).expect("read");
    let number = i32::from_ne_bytes(number.try_into().expect("a number"));
    let pidfd = sys::call!(434, shimmed, 0).expect("pidfd_open");
    let listener = sys::call!(438, pidfd, number, 0).expect("pidfd_getfd") as c_int;
    sys::write_fd(back, &[1]).expect("write");
    // The test's own pipes must not wait for this process.
    (0..3).for_each(sys::close);
    loop {
        // POLLHUP: nobody has the filter any more.
        let mut poll = [listener as u64 | 1 << 32];
        let _ = sys::call!(nr::PPOLL, poll.as_mut_ptr(), 1, 0, 0, 0);
        if poll[0] >> 48 & 0x10 != 0 {
            std::process::exit(0);
        }
        let mut call = Notification::default();
        if unsafe { ioctl(listener, RECEIVE, &mut call) } != 0 {
            continue;
        }
        // struct clone_args begins with the flags; its address is the first argument, behind arch and ip.
        let address = u64::from(call.rest[3]) | u64::from(call.rest[4]) << 32;
        let mut flags = 0u64;
        let (local, remote) = ([&raw mut flags as u64, 8], [address, 8]);
        let read = sys::call!(nr::PROCESS_VM_READV, call.pid, local.as_ptr(), 1, remote.as_ptr(), 1, 0);
        let mut answer = match read.is_err() || flags & INTO_CGROUP != 0 {
            true => Answer { id: call.id, value: 0, error: TOO_BIG, flags: 0 },
            false => Answer { id: call.id, value: 0, error: 0, flags: CONTINUE },
        };
        unsafe { ioctl(listener, SEND, &mut answer) };
    }
}

/// Sends a signal to who waits for an answer, and sees whether that ends the wait: either the call is nobody's any more, or its caller
/// sleeps on in a way that only death ends (state D), the signal being pending.
fn outlasts(fd: c_int, call: &Notification, signal: u32) -> bool {
    sys::call!(nr::KILL, call.pid, signal).expect("kill");
    let mut asleep = 0;
    loop {
        if unsafe { ioctl(fd, STILL_VALID, &call.id) } != 0 {
            return false;
        }
        let status = std::fs::read_to_string(format!("/proc/{}/status", call.pid)).unwrap_or_default();
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("").trim();
        let pending = u64::from_str_radix(field("ShdPnd:"), 16).unwrap_or(0);
        // Who was woken may sleep so for a moment too, for the lock that STILL_VALID takes.
        asleep =
            if field("State:").starts_with('D') && pending >> (signal - 1) & 1 == 1 { asleep + 1 } else { 0 };
        if asleep == 20 {
            return true;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

pub fn run(socket: &str, value: i64, signal: Option<u32>) -> i32 {
    let listener = UnixListener::bind(socket).expect("bind the agent's socket");
    crate::say("ready");
    let (stream, _) = listener.accept().expect("accept");
    let mut bytes = vec![0u8; 65536];
    let mut part = Part { base: bytes.as_mut_ptr(), length: bytes.len() };
    let mut control = [0u64; 8];
    let mut message = Message {
        name: std::ptr::null_mut(),
        name_length: 0,
        vector: &mut part,
        vector_length: 1,
        control: control.as_mut_ptr(),
        control_length: size_of_val(&control),
        flags: 0,
    };
    let got = unsafe { recvmsg(stream.as_raw_fd(), &mut message, 0) };
    assert!(got > 0, "no state came");
    // struct cmsghdr is a size_t and two ints; the descriptor follows.
    let words: Vec<u32> = control.iter().flat_map(|word| [*word as u32, (*word >> 32) as u32]).collect();
    let fd = words[if cfg!(target_pointer_width = "64") { 4 } else { 3 }] as c_int;

    let mut call = Notification::default();
    assert!(unsafe { ioctl(fd, RECEIVE, &mut call) } == 0, "receive: {}", sys::errno_name(sys::errno()));
    let waits = signal.is_none_or(|signal| outlasts(fd, &call, signal));
    if waits {
        let mut answer = Answer { id: call.id, value, error: 0, flags: 0 };
        assert!(unsafe { ioctl(fd, SEND, &mut answer) } == 0, "send: {}", sys::errno_name(sys::errno()));
    }
    let state = String::from_utf8_lossy(&bytes[..got as usize]).into_owned();
    let told = [
        ("state", json::string(&state)),
        ("number", json::number(call.number as i64)),
        ("waits", json::number(u8::from(waits))),
    ];
    crate::say(&json::object(told).0);
    0
}

//! A seccomp agent: what answers SCMP_ACT_NOTIFY, as config-linux.md says that it is reached.
//!
//! - `seccomp-agent SOCKET VALUE`: listens; prints `ready`; takes one state with its listener, and from that one call, which it
//!   answers with VALUE; prints the state and the call's number as one object.

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

pub fn run(socket: &str, value: i64) -> i32 {
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
    let mut answer = Answer { id: call.id, value, error: 0, flags: 0 };
    assert!(unsafe { ioctl(fd, SEND, &mut answer) } == 0, "send: {}", sys::errno_name(sys::errno()));
    let state = String::from_utf8_lossy(&bytes[..got as usize]).into_owned();
    crate::say(
        &json::object([("state", json::string(&state)), ("number", json::number(call.number as i64))]).0,
    );
    0
}

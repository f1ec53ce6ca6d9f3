//! `report`: everything a process can say about the world it was started in, as one JSON object.

use crate::json::{self, Json};
use crate::sys::{self, call, nr};
use std::fs;

const RLIMITS: [&str; 16] = [
    "CPU",
    "FSIZE",
    "DATA",
    "STACK",
    "CORE",
    "RSS",
    "NPROC",
    "NOFILE",
    "MEMLOCK",
    "AS",
    "LOCKS",
    "SIGPENDING",
    "MSGQUEUE",
    "NICE",
    "RTPRIO",
    "RTTIME",
];

fn text(path: &str) -> Json {
    match fs::read(path) {
        Ok(bytes) => json::string(&String::from_utf8_lossy(&bytes)),
        Err(_) => json::null(),
    }
}

fn link(path: &str) -> Json {
    match fs::read_link(path) {
        Ok(target) => json::string(&target.to_string_lossy()),
        Err(_) => json::null(),
    }
}

/// `Name:\tvalue` lines of /proc/self/status.
fn status() -> Json {
    let content = fs::read_to_string("/proc/self/status").unwrap_or_default();
    json::object(content.lines().filter_map(|line| {
        let (key, value) = line.split_once(':')?;
        Some((key, json::string(value.trim())))
    }))
}

fn namespaces() -> Json {
    let kinds = ["pid", "net", "mnt", "ipc", "uts", "user", "cgroup", "time"];
    json::object(kinds.iter().map(|kind| (*kind, link(&format!("/proc/self/ns/{kind}")))))
}

/// Descriptors the program was started with: number -> what it points at.
fn descriptors() -> Json {
    let mut found = Vec::new();
    for fd in 0..1024 {
        // F_GETFD says whether it is open without /proc.
        if call!(nr::FCNTL, fd, 1, 0).is_ok() {
            found.push(fd);
        }
    }
    json::object(
        found
            .iter()
            .map(|fd| (fd.to_string(), link(&format!("/proc/self/fd/{fd}"))))
            .collect::<Vec<_>>()
            .iter()
            .map(|(key, value)| (key.as_str(), Json(value.0.clone()))),
    )
}

fn rlimits() -> Json {
    json::object(RLIMITS.iter().enumerate().map(|(index, name)| {
        let mut pair = [0u64; 2];
        let value = match call!(nr::PRLIMIT64, 0, index, 0, pair.as_mut_ptr()) {
            Ok(_) => json::array(pair.map(json::number)),
            Err(_) => json::null(),
        };
        (*name, value)
    }))
}

/// sysname, nodename, release, version, machine, domainname.
fn uname() -> Json {
    let mut buffer = [0u8; 65 * 6];
    let _ = call!(nr::UNAME, buffer.as_mut_ptr());
    json::array(buffer.chunks(65).map(|field| {
        let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
        json::string(&String::from_utf8_lossy(&field[..end]))
    }))
}

pub fn getcwd() -> Json {
    let mut buffer = [0u8; 4096];
    match call!(nr::GETCWD, buffer.as_mut_ptr(), buffer.len()) {
        Ok(length) => json::string(&String::from_utf8_lossy(&buffer[..(length as usize).saturating_sub(1)])),
        Err(errno) => json::string(&sys::errno_name(errno)),
    }
}

fn value(result: sys::Result) -> Json {
    match result {
        Ok(value) => json::number(value),
        Err(errno) => json::string(&sys::errno_name(errno)),
    }
}

/// struct sched_attr: policy, flags, nice, priority, runtime, deadline, period.
fn scheduler() -> Json {
    let mut attributes = [0u8; 56];
    if call!(nr::SCHED_GETATTR, 0, attributes.as_mut_ptr(), attributes.len(), 0).is_err() {
        return json::null();
    }
    let u32_at = |at: usize| u32::from_ne_bytes(attributes[at..at + 4].try_into().unwrap());
    let u64_at = |at: usize| u64::from_ne_bytes(attributes[at..at + 8].try_into().unwrap());
    json::object([
        ("policy", json::number(u32_at(4))),
        ("flags", json::number(u64_at(8))),
        ("nice", json::number(u32_at(16) as i32)),
        ("priority", json::number(u32_at(20))),
        ("runtime", json::number(u64_at(24))),
        ("deadline", json::number(u64_at(32))),
        ("period", json::number(u64_at(40))),
    ])
}

pub fn affinity() -> Json {
    let mut mask = [0u64; 16];
    let _ = call!(nr::SCHED_GETAFFINITY, 0, 128, mask.as_mut_ptr());
    json::array((0..1024u32).filter(|cpu| mask[*cpu as usize / 64] >> (cpu % 64) & 1 == 1).map(json::number))
}

fn mempolicy() -> Json {
    let (mut mode, mut nodes) = (0i32, [0u64; 16]);
    match call!(nr::GET_MEMPOLICY, &mut mode as *mut i32, nodes.as_mut_ptr(), 1024, 0, 0) {
        Ok(_) => json::object([("mode", json::number(mode)), ("nodes", json::number(nodes[0]))]),
        Err(errno) => json::string(&sys::errno_name(errno)),
    }
}

pub fn report() -> Json {
    let umask = call!(nr::UMASK, 0);
    let descriptors = descriptors();
    json::object([
        ("pid", json::number(std::process::id())),
        ("sid", value(call!(nr::GETSID, 0))),
        ("pgid", value(call!(nr::GETPGID, 0))),
        ("umask", value(umask)),
        ("cwd", getcwd()),
        ("args", json::strings(std::env::args())),
        (
            "env",
            json::strings(
                std::env::vars_os()
                    .map(|(key, value)| format!("{}={}", key.to_string_lossy(), value.to_string_lossy())),
            ),
        ),
        ("fds", descriptors),
        ("status", status()),
        ("ns", namespaces()),
        ("rlimits", rlimits()),
        ("uname", uname()),
        ("mountinfo", text("/proc/self/mountinfo")),
        ("cgroup", text("/proc/self/cgroup")),
        ("oom_score_adj", text("/proc/self/oom_score_adj")),
        ("label", text("/proc/self/attr/current")),
        ("uid_map", text("/proc/self/uid_map")),
        ("gid_map", text("/proc/self/gid_map")),
        ("timens_offsets", text("/proc/self/timens_offsets")),
        ("uptime", text("/proc/uptime")),
        ("net", text("/proc/net/dev")),
        ("personality", value(call!(nr::PERSONALITY, 0xffff_ffffu32))),
        ("ioprio", value(call!(nr::IOPRIO_GET, 1, 0))),
        ("scheduler", scheduler()),
        ("affinity", affinity()),
        ("mempolicy", mempolicy()),
        // KEYCTL_GET_KEYRING_ID of the session keyring.
        ("session_keyring", value(call!(nr::KEYCTL, 0, -3, 0))),
        ("exe", link("/proc/self/exe")),
    ])
}

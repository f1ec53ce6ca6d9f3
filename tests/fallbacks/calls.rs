//! What can be taken away: derived from the documentation of the `syscalls` crate, so that no new wrapper is forgotten.

/// Every module of the crate with wrappers in it.
const SOURCES: &[(&str, &str)] = &[
    ("bpf", include_str!("../../syscalls/src/bpf.rs")),
    ("caps", include_str!("../../syscalls/src/caps.rs")),
    ("fd", include_str!("../../syscalls/src/fd.rs")),
    ("fs", include_str!("../../syscalls/src/fs.rs")),
    ("ids", include_str!("../../syscalls/src/ids.rs")),
    ("mount", include_str!("../../syscalls/src/mount.rs")),
    ("net", include_str!("../../syscalls/src/net.rs")),
    ("ns", include_str!("../../syscalls/src/ns.rs")),
    ("prctl", include_str!("../../syscalls/src/prctl.rs")),
    ("process", include_str!("../../syscalls/src/process.rs")),
    ("clone", include_str!("../../syscalls/src/process/clone.rs")),
    ("sched", include_str!("../../syscalls/src/sched.rs")),
    ("seccomp", include_str!("../../syscalls/src/seccomp.rs")),
    ("signal", include_str!("../../syscalls/src/signal.rs")),
    ("stat", include_str!("../../syscalls/src/stat.rs")),
    ("time", include_str!("../../syscalls/src/time.rs")),
    ("tty", include_str!("../../syscalls/src/tty.rs")),
    ("xattr", include_str!("../../syscalls/src/xattr.rs")),
];

const LIB: &str = include_str!("../../syscalls/src/lib.rs");

/// The oldest kernel that is meant ("A function is there on every kernel from 4.14").
const OLDEST: Version = (4, 14);

/// Older than that, and denied by some profile or missing in some kernel all the same.
const OLDER: &[&str] = &["memfd_create", "execveat", "statx"];

/// What came to a call later than the call itself, by the names that the shim knows.
const PARTS: &[(&str, Version)] =
    &[("clone3-into-cgroup", (5, 7)), ("setns-by-pidfd", (5, 8)), ("close_range-cloexec", (5, 11))];

pub type Version = (u32, u32);

/// The calls newer than the oldest kernel that a wrapper says it makes, each with its version.
pub fn newer() -> Vec<(String, Version)> {
    let mut found: Vec<(String, Version)> = Vec::new();
    for (_, source) in SOURCES {
        for (call, version) in wrappers(source) {
            match found.iter_mut().find(|(known, _)| *known == call) {
                // A wrapper with a newer flag says the flag's version.
                Some((_, first)) => *first = version.min(*first),
                None => found.push((call, version)),
            }
        }
    }
    found.retain(|(_, version)| *version > OLDEST);
    found.sort_by_key(|(call, version)| (*version, call.clone()));
    found
}

/// Everything that is taken away singly.
pub fn single() -> Vec<String> {
    let newer = newer().into_iter().map(|(call, _)| call);
    OLDER
        .iter()
        .map(ToString::to_string)
        .chain(newer)
        .chain(PARTS.iter().map(|(part, _)| part.to_string()))
        .collect()
}

/// All calls together.
pub fn all() -> String {
    let newer = newer().into_iter().map(|(call, _)| call);
    OLDER.iter().map(ToString::to_string).chain(newer).collect::<Vec<_>>().join(",")
}

/// What a kernel of this version lacks.
pub fn lacking(kernel: Version) -> String {
    let calls = newer().into_iter().filter(|(_, version)| *version > kernel).map(|(call, _)| call);
    let lacks = |call: &str| newer().iter().any(|(known, version)| known == call && *version > kernel);
    let parts =
        PARTS.iter().filter(|(part, version)| *version > kernel && !lacks(part.split('-').next().unwrap()));
    calls.chain(parts.map(|(part, _)| part.to_string())).collect::<Vec<_>>().join(",")
}

/// The wrappers of one source that say which version brought their call: the documentation has a sentence `Linux X.Y.`, and the body the
/// number's name.
fn wrappers(source: &str) -> Vec<(String, Version)> {
    let mut found = Vec::new();
    let (mut doc, mut body, mut inside) = (String::new(), String::new(), false);
    for line in source.lines() {
        if let Some(text) = line.strip_prefix("///") {
            doc.push_str(text);
        } else if line.starts_with("pub fn ") {
            inside = true;
            body.clear();
        } else if !inside && !line.starts_with("#[") {
            doc.clear();
        }
        if inside {
            body.push_str(line);
            if line == "}" {
                inside = false;
                if let Some(version) = sentence(&doc) {
                    found.extend(numbers(&body).map(|call| (call, version)));
                }
                doc.clear();
            }
        }
    }
    found
}

/// The version of a sentence of its own: what "needs Linux X.Y" or stands in brackets is about a part of the call.
fn sentence(doc: &str) -> Option<Version> {
    doc.match_indices("Linux ").find_map(|(at, _)| {
        let before = doc[..at].trim_end();
        let digits: String =
            doc[at + 6..].chars().take_while(|next| next.is_ascii_digit() || *next == '.').collect();
        let (major, minor) = digits.trim_end_matches('.').split_once('.')?;
        let version = (major.parse().ok()?, minor.parse().ok()?);
        (before.is_empty() || before.ends_with('.')).then_some(version)
    })
}

fn numbers(body: &str) -> impl Iterator<Item = String> {
    body.split("__NR_").skip(1).map(|rest| {
        rest.chars().take_while(|next| next.is_ascii_alphanumeric() || *next == '_').collect::<String>()
    })
}

/// A version says what it is about, a module is not left out, and what everybody knows to be new is found.
#[test]
fn the_list_is_that_of_the_wrappers() {
    let public = LIB.lines().filter_map(|line| line.strip_prefix("pub mod "));
    let below =
        SOURCES.iter().flat_map(|(_, source)| source.lines().filter_map(|line| line.strip_prefix("mod ")));
    for module in public.chain(below).filter_map(|rest| rest.strip_suffix(';')) {
        assert!(SOURCES.iter().any(|(known, _)| *known == module), "syscalls::{module} is not looked at");
    }
    let newer = newer();
    for (call, version) in [
        ("pidfd_send_signal", (5, 1)),
        ("open_tree", (5, 2)),
        ("move_mount", (5, 2)),
        ("fsopen", (5, 2)),
        ("fsconfig", (5, 2)),
        ("fsmount", (5, 2)),
        ("fspick", (5, 2)),
        ("pidfd_open", (5, 3)),
        ("clone3", (5, 3)),
        ("openat2", (5, 6)),
        ("pidfd_getfd", (5, 6)),
        ("faccessat2", (5, 8)),
        ("close_range", (5, 9)),
        ("mount_setattr", (5, 12)),
        ("fchmodat2", (6, 6)),
        ("open_tree_attr", (6, 15)),
    ] {
        assert!(newer.contains(&(call.to_string(), version)), "{call} {version:?} is not in {newer:?}");
    }
    assert!(
        newer.iter().all(|(call, _)| !["setns", "clone", "pivot_root", "mount"].contains(&call.as_str()))
    );
    assert!(
        lacking((5, 4)).contains("openat2") && !lacking((5, 4)).contains("clone3,"),
        "{}",
        lacking((5, 4))
    );
    assert!(
        lacking((5, 4)).contains("clone3-into-cgroup") && !lacking((4, 14)).contains("clone3-into-cgroup")
    );
}

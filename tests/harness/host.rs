//! What the host has of a test: processes, cgroups, mounts. Everything is found by the test's tag, because other tests and
//! other programs share the machine.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Whether this is the guest of `cargo vm`, an emulated machine where everything takes ten times as long.
pub fn is_guest() -> bool {
    Path::new("/tests").is_dir()
}

/// The kernel's version: `6.1`.
pub fn release() -> (u32, u32) {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = text.split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Whether a directory is on a ramfs, as the root of a small machine may be: no kernel maps its ids, and it has no quota and no size.
pub fn is_ramfs(path: &Path) -> bool {
    const RAMFS_MAGIC: u64 = 0x8584_58f6; // linux/magic.h
    rustix::fs::statfs(path.as_os_str().as_encoded_bytes())
        .is_ok_and(|stat| stat.f_type as u64 & 0xffff_ffff == RAMFS_MAGIC)
}

pub fn signal(pid: u32, number: i32) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    if let (Some(pid), Some(number)) = (pid, rustix::process::Signal::from_named_raw(number)) {
        let _ = rustix::process::kill_process(pid, number);
    }
}

fn numbered(directory: &str) -> Vec<u32> {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// Running processes of the test: the tag in their environment, cgroup, or mount table, or the world's mount namespace. Zombies
/// have none of these; reaping them is their parent's business.
fn pids(tag: &str, world: u32) -> Vec<u32> {
    let namespace = fs::read_link(format!("/proc/{world}/ns/mnt")).ok();
    let host = fs::read_link("/proc/self/ns/mnt").ok();
    let own = std::process::id();
    let has = |path: String| fs::read(path).is_ok_and(|bytes| find(&bytes, tag.as_bytes()));
    numbered("/proc")
        .into_iter()
        .filter(|pid| *pid != own && *pid != world)
        .filter(|pid| {
            let base = format!("/proc/{pid}");
            let alive = fs::read_to_string(format!("{base}/stat"))
                .ok()
                .and_then(|stat| stat.rsplit_once(") ").map(|(_, rest)| !rest.starts_with(['Z', 'X'])))
                .unwrap_or(false);
            if !alive || has(format!("{base}/environ")) || has(format!("{base}/cgroup")) {
                return alive;
            }
            // A table of mounts is long: it is looked at only where it is not the machine's own.
            let own = fs::read_link(format!("{base}/ns/mnt")).ok();
            own != host && (own == namespace && own.is_some() || has(format!("{base}/mountinfo")))
        })
        .collect()
}

fn find(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

/// Each with its command line and the namespaces that it keeps alive.
pub fn processes(tag: &str, world: u32) -> Vec<String> {
    pids(tag, world)
        .into_iter()
        .map(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let kept = namespaces(pid);
            let kept = if kept.is_empty() { String::new() } else { format!(" (in {})", kept.join(" ")) };
            format!("process {pid}: {}{kept}", String::from_utf8_lossy(&line).replace('\0', " "))
        })
        .collect()
}

/// The namespaces of a process that are not this one's, as lsns shows them: `net:[4026532208]`.
fn namespaces(pid: u32) -> Vec<String> {
    let link = |pid: &str, kind: &str| fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
    ["mnt", "pid", "net", "ipc", "uts", "user", "cgroup", "time"]
        .iter()
        .filter_map(|kind| Some((link(&pid.to_string(), kind)?, link("self", kind)?)))
        .filter(|(there, own)| there != own)
        .map(|(there, _)| there.to_string_lossy().into_owned())
        .collect()
}

/// Files of the test that somebody has open, works in or runs, whoever he is: the runtime is gone, and the helpers of the test
/// (which run the test program itself) are its own.
pub fn open_files(tag: &str, world: u32) -> Vec<String> {
    let own = std::process::id();
    let mut found = Vec::new();
    for pid in numbered("/proc").into_iter().filter(|pid| *pid != own && *pid != world) {
        let base = format!("/proc/{pid}");
        if fs::read_link(format!("{base}/exe")).is_ok_and(|exe| exe == super::payload::path()) {
            continue;
        }
        let fds = fs::read_dir(format!("{base}/fd")).into_iter().flatten().flatten();
        let names = ["cwd", "root", "exe"].iter().map(|name| PathBuf::from(format!("{base}/{name}")));
        for place in names.chain(fds.map(|entry| entry.path())) {
            let target = fs::read_link(&place).unwrap_or_default().to_string_lossy().into_owned();
            if target.contains(tag) {
                found.push(format!("open file: {} -> {target}", place.display()));
            }
        }
    }
    found
}

pub fn end_processes(tag: &str, world: u32) {
    for pid in pids(tag, world) {
        signal(pid, 9);
    }
}

fn cgroup_directories(tag: &str) -> Vec<PathBuf> {
    fn walk(directory: &Path, depth: usize, tag: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if depth == 0 || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            if entry.file_name().to_string_lossy().contains(tag) {
                found.push(entry.path());
            }
            walk(&entry.path(), depth - 1, tag, found);
        }
    }
    let mut found = Vec::new();
    walk(Path::new("/sys/fs/cgroup"), 6, tag, &mut found);
    found
}

pub fn cgroups(tag: &str) -> Vec<String> {
    cgroup_directories(tag).into_iter().map(|path| format!("cgroup: {}", path.display())).collect()
}

/// Removes what a failing test left, deepest first.
pub fn remove_cgroups(tag: &str) {
    for path in cgroup_directories(tag).into_iter().rev() {
        let _ = fs::remove_dir(path);
    }
}

/// The test program's `report` on the host, in the test's world.
pub fn payload_report(context: &super::Context) -> serde_json::Value {
    let payload = super::payload::path().to_string_lossy().into_owned();
    let output = context.in_world(&[&payload, "report"]).output().expect("payload");
    super::Seen::parse(&String::from_utf8_lossy(&output.stdout)).report().clone()
}

/// Lines of a table that were not there before, or are no more.
pub fn differences(what: &str, before: &str, after: &str) -> Vec<String> {
    let (before, after): (BTreeSet<&str>, BTreeSet<&str>) =
        (before.lines().collect(), after.lines().collect());
    let appeared = after.difference(&before).map(|line| format!("{what} appeared: {line}"));
    let vanished = before.difference(&after).map(|line| format!("{what} vanished: {line}"));
    appeared.chain(vanished).collect()
}

/// Gives a tree to another owner, links not followed.
pub fn chown_tree(path: &Path, uid: u32, gid: u32) {
    let _ = std::os::unix::fs::lchown(path, Some(uid), Some(gid));
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            chown_tree(&entry.path(), uid, gid);
        }
    }
}

/// Lets others search a directory of the test (a user namespace's root is an ordinary user outside).
pub fn open_path(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    for entry in std::iter::once(path.to_path_buf())
        .chain(fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()))
    {
        if entry.is_dir() {
            let _ = fs::set_permissions(&entry, fs::Permissions::from_mode(0o755));
        }
    }
}

/// Copies a program. By cp(1) where there is one: a descriptor of this process that is open for writing would be inherited by whatever
/// another thread starts just then, and the program be busy (ETXTBSY).
pub fn copy_program(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg(from).arg(to).status();
    if !copied.is_ok_and(|status| status.success()) {
        fs::copy(from, to).expect("copy a program");
    }
}

/// How much memory of its own a process has, in KiB, in memory or in swap: what belongs to a file the kernel drops and reads again as
/// it likes (proc_pid_smaps(5)).
pub fn anonymous_kib(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("smaps_rollup");
    let value = |name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("a line of smaps_rollup");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    };
    value("Anonymous:") + value("Swap:")
}

/// Writes a script that can be started at once, for the same reason as a copy.
pub fn write_script(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let written = path.with_extension("written");
    fs::write(&written, text).expect("write a script");
    fs::set_permissions(&written, fs::Permissions::from_mode(0o755)).expect("chmod");
    copy_program(&written, path);
    fs::remove_file(&written).expect("remove");
}
